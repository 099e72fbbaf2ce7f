"""What begins and ends a load under Locust: this process's share, or all workers of a master."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import gevent  # type: ignore[import-untyped]
import msgspec
from locust.env import Environment
from locust.rpc import Message
from locust.runners import MasterRunner, WorkerRunner

from harness.drivers.clock import HostClock, wait_until
from harness.errors import DeadlineExceededError, SurroundingsError
from harness.load.config import LocustConfig
from harness.load.sample_blocks import GrowingSamples, ReceivedSamples
from harness.load.share import Share
from harness.load.worker_tracking import WorkerSays, WorkerTracking
from harness.load.zero import Zero, monotonic_here, zero_in
from harness.model.instant import seconds

_CLOCK = HostClock()

Untyped = Any
"""Locust has types for what it is told, and none for its events."""

BEGINS_AFTER_S = 3.0
"""From what a master says to its workers to the schedule's zero: an injector imports for a second,
and beside others on a busy machine for two."""

_KEY = "harness"
"""Of what a worker adds to Locust's reports."""

_BEGIN = "harness-begin"
_TAKEN = "harness-taken"


class Begin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a master says to all workers before their users begin."""

    workers: int
    zero: Zero


class Taken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a master says to one worker: so many bytes of its samples are on disk."""

    size: int


class Conductor(Protocol):
    """What a shape asks."""

    @property
    def workers(self) -> int:
        """How many injectors there are."""
        ...

    def begin(self) -> None:
        """Decides the zero, and says it; once, however often it is called."""
        ...

    def elapsed_s(self) -> float:
        """Since the zero; below 0 before it."""
        ...

    def over(self) -> bool:
        """Whether all have ended, or will never."""
        ...


class Alone:
    """One process that conducts its own share."""

    workers = 1

    def __init__(self, share: Share) -> None:
        self._share = share
        self._begun = False

    def begin(self) -> None:
        """An injector's zero is when it is ready."""
        if not self._begun:
            self._begun = True
            self._began_ns = _CLOCK.monotonic_ns()
            self._share.begin()

    def elapsed_s(self) -> float:
        """As a conductor's."""
        return seconds(_CLOCK.monotonic_ns() - self._began_ns) if self._begun else 0.0

    def over(self) -> bool:
        """As a conductor's."""
        return self._share.ended


class Master:
    """All workers of a load, by what they add to their reports to Locust's master."""

    def __init__(
        self, environment: Environment, runner: MasterRunner, config: LocustConfig
    ) -> None:
        """Samples that workers send go beside those of the config."""
        self.zero: Zero | None = None
        self.failure: str | None = None
        self._runner = runner
        self._config = config
        self._tracking = WorkerTracking(config.injector.workers)
        self._received: dict[int, ReceivedSamples] = {}
        events: Untyped = environment.events
        events.worker_report.add_listener(self._hear)

    @property
    def workers(self) -> int:
        """How many there are to be."""
        return self._config.injector.workers

    @property
    def tracking(self) -> WorkerTracking:
        """What they said."""
        return self._tracking

    def files(self) -> tuple[Path, ...]:
        """Of the samples that workers sent, by their numbers."""
        return tuple(one.path for _, one in sorted(self._received.items()))

    def await_workers(self) -> None:
        """Until all have reported; SurroundingsError where one does not, or is there twice."""
        try:
            wait_until(
                lambda: self.failure is not None or self._tracking.complete,
                within_s=self._config.awaits_workers_s,
                what=f"{self.workers} workers",
            )
        except DeadlineExceededError as error:
            missing = ", ".join(map(str, self._tracking.missing))
            raise SurroundingsError(
                f"{error}: not heard of: {missing}", hint="kubectl get pods -l app=load-worker"
            ) from error
        if self.failure is not None:
            raise SurroundingsError(self.failure)

    def begin(self) -> None:
        """The zero is a little in the future, when all workers have started what injects."""
        if self.zero is None:
            self.await_workers()
            self.zero = zero_in(BEGINS_AFTER_S)
            begin = Begin(workers=self.workers, zero=self.zero)
            self._runner.send_message(_BEGIN, {"said": msgspec.msgpack.encode(begin)})

    def elapsed_s(self) -> float:
        """As a conductor's."""
        if self.zero is None:
            return -BEGINS_AFTER_S
        return seconds(_CLOCK.monotonic_ns() - self.zero.at.monotonic_ns)

    def over(self) -> bool:
        """As a conductor's; of workers that send samples, when those are here."""
        gathered = [
            number
            for number in range(self.workers)
            if number not in self._received or self._received[number].whole
        ]
        return self.failure is not None or self._tracking.over(_now_s(), gathered)

    def await_end(self, within_s: float) -> None:
        """Until it is over, or that time."""
        with gevent.Timeout(within_s, False):
            while not self.over():
                gevent.sleep(0.1)

    def lost(self) -> tuple[str, ...]:
        """Workers that did not come to their end, and how."""
        return self._tracking.lost(_now_s())

    def _hear(self, client_id: str, data: dict[str, Any]) -> None:
        if _KEY not in data:
            return
        said = msgspec.msgpack.decode(data[_KEY], type=WorkerSays)
        wrong = self._tracking.hear(client_id, said, _now_s())
        if wrong is not None:
            self.failure = wrong
        elif said.block is not None:
            if said.worker not in self._received:
                path = samples_of(self._config.injector.samples, said.worker)
                self._received[said.worker] = ReceivedSamples(path)
            size = self._received[said.worker].add(said.block)
            taken = msgspec.msgpack.encode(Taken(size=size))
            self._runner.send_message(_TAKEN, {"said": taken}, client_id)


class Worker:
    """A worker's side: hears when to begin, and adds its words to Locust's reports."""

    def __init__(
        self,
        environment: Environment,
        runner: WorkerRunner,
        share: Share,
        *,
        sends_samples: bool,
    ) -> None:
        """`sends_samples`: the master is to have them."""
        self._share = share
        self._samples = GrowingSamples(share.config.samples) if sends_samples else None
        events: Untyped = environment.events
        events.report_to_master.add_listener(self._say)
        runner.register_message(_BEGIN, self._begin)
        runner.register_message(_TAKEN, self._taken)

    @property
    def all_sent(self) -> bool:
        """Whether the master has all samples, where it is sent them."""
        if self._samples is None:
            return True
        return self._samples.taken >= self._samples.block().size

    def _begin(self, environment: Environment, msg: Message) -> None:  # noqa: ARG002 - as Locust calls it
        begin = msgspec.msgpack.decode(msg.data["said"], type=Begin)
        self._share.config = msgspec.structs.replace(
            self._share.config, workers=begin.workers, begin_ns=monotonic_here(begin.zero)
        )
        self._share.begin()

    def _taken(self, environment: Environment, msg: Message) -> None:  # noqa: ARG002 - as above
        if self._samples is not None:
            self._samples.take(msgspec.msgpack.decode(msg.data["said"], type=Taken).size)

    def _say(self, client_id: str, data: dict[str, Any]) -> None:  # noqa: ARG002 - as above
        # The report first: what is on disk afterwards is at least what it says.
        said = WorkerSays(
            worker=self._share.config.worker,
            report=self._share.report,
            failure=self._share.failure,
        )
        if self._samples is not None:
            said = msgspec.structs.replace(said, block=self._samples.block())
        data[_KEY] = msgspec.msgpack.encode(said)


def samples_of(path: Path, worker: int) -> Path:
    """The file of one worker's samples, beside that of worker 0 of the config."""
    return path.with_name(f"{path.stem}-{worker}.samples")


def _now_s() -> float:
    return seconds(_CLOCK.monotonic_ns())
