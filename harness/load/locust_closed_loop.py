"""A user's own locustfile: how many users it has when, and a sample of each of its requests.

Its users wait for answers: while the service is slow they ask less, and nobody counts those who
would have come meanwhile (coordinated omission). Percentiles are of the requests that were made.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, ClassVar

import gevent  # type: ignore[import-untyped]
import locust
import msgspec

from harness.drivers.clock import HostClock
from harness.errors import HarnessError
from harness.load.closed_loop import answer_of, users_at
from harness.load.config import InjectorConfig, InjectorReport
from harness.load.locust_conducting import Conductor
from harness.load.sample_file import SampleFile
from harness.model.instant import NANOSECONDS_PER_SECOND, seconds
from harness.model.load_profile import Profile
from harness.model.sample import Answer

_CLOCK = HostClock()

Untyped = Any
"""Locust has types for what it is told, and none for its events."""
_TELLS_EVERY_S = 1.0


class ProfileShape(locust.LoadTestShape):
    """As many users as the profile says."""

    abstract = True
    conductor: ClassVar[Conductor]
    profile: ClassVar[Profile]
    peak: ClassVar[float]

    def tick(self) -> tuple[int, float] | None:
        """How many users, and how many more a second: all at once, since Locust asks each second,
        and a slow change would keep it from asking (runners.py, shape_worker).
        """
        self.conductor.begin()
        gevent.sleep(max(0.0, -self.conductor.elapsed_s()))
        users = users_at(self.profile, self.peak, self.conductor.elapsed_s())
        if users is None or self.conductor.over():
            return None
        return users, float(max(users, self.runner.user_count if self.runner else 0, 1))


class RequestsShare:
    """The requests that the users of one process make, each a sample of that process's file."""

    def __init__(
        self,
        config: InjectorConfig,
        events: Untyped,
        tell: Callable[[InjectorReport], None],
        spawn: Callable[[Callable[[], None]], object],
    ) -> None:
        """`tell` gets a report a second; `spawn` runs a function beside the others."""
        self.config = config
        self.report: InjectorReport | None = None
        self.failure: str | None = None
        self._events = events
        self._tell = tell
        self._spawn = spawn
        self._samples: SampleFile | None = None
        self._wrong = 0
        self._stopped = False

    @property
    def ended(self) -> bool:
        """Whether the file is whole, or cannot be written."""
        return self._stopped or self.failure is not None

    def begin(self) -> None:
        """Begins to take samples; InputError where there is such a file already."""
        if self._samples is not None:
            return
        if not self.config.begin_ns:
            self.config = msgspec.structs.replace(self.config, begin_ns=_CLOCK.monotonic_ns())
        self._samples = SampleFile(self.config.samples)
        self._events.request.add_listener(self._take)
        self._say(done=False)
        self._spawn(self._flush_now_and_then)

    def stop(self) -> None:
        """Takes no more."""
        if self._samples is None or self._stopped:
            return
        self._stopped = True
        self._events.request.remove_listener(self._take)
        self._flush(done=True)

    def _take(
        self,
        *,
        response_time: float,
        response: object = None,
        exception: BaseException | str | None = None,
        start_time: float | None = None,
        **_others: object,
    ) -> None:
        if self._samples is None:
            return
        now_ns = _CLOCK.monotonic_ns() - self.config.begin_ns
        taken_ns = round((response_time or 0.0) * 1_000_000)
        began_ns = now_ns - taken_ns
        if start_time is not None:
            # Not when the event came: a `with` block may go on long after the answer.
            ago_ns = _CLOCK.now().utc.timestamp() - start_time
            began_ns = min(began_ns, now_ns - round(ago_ns * NANOSECONDS_PER_SECOND))
        status = int(getattr(response, "status_code", 0) or 0)
        answer = answer_of(status, exception)
        self._wrong += answer is not Answer.OK
        self._samples.add(began_ns, began_ns, began_ns + taken_ns, status, answer)

    def _flush_now_and_then(self) -> None:
        while not self.ended:
            gevent.sleep(_TELLS_EVERY_S)
            if not self.ended:
                self._flush(done=False)

    def _flush(self, *, done: bool) -> None:
        if self._samples is None:
            return
        try:
            self._samples.flush()
        except HarnessError as error:
            self.failure = str(error)
        else:
            self._say(done=done)

    def _say(self, *, done: bool) -> None:
        count = self._samples.count if self._samples is not None else 0
        self.report = InjectorReport(
            began_ns=self.config.begin_ns,
            elapsed_s=max(0.0, seconds(_CLOCK.monotonic_ns() - self.config.begin_ns)),
            scheduled=count,
            sent=count,
            ended=count,
            wrong=self._wrong,
            longest_lag_s=0.0,
            cpu_s=time.process_time(),
            done=done,
        )
        self._tell(self.report)
