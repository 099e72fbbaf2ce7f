"""Reads along in the files that probers write: what each way in answers now."""

from __future__ import annotations

from collections import deque
from datetime import timedelta

import msgspec

from harness.drivers.growing_file import GrowingFile
from harness.model.history import Observation, Outcome
from harness.model.instant import nanoseconds
from harness.model.subscription import Published, Received, SubscriptionEvent
from harness.ports import Clock, WayNow
from harness.probes.config import ProbeConfig
from harness.probes.subscriptions import SubscriptionsConfig

_SPARE_INTERVALS = 5
"""A prober that was not scheduled for a moment is not yet one that does not look."""

_WRITTEN_NS = 100_000_000
"""From hearing a message to its line in the file, at the most."""


class _Answers:
    """What the answers of one way in amount to, in the order in which they are taken in."""

    def __init__(self) -> None:
        self.right_since_ns: int | None = None
        self.right_until_ns: int | None = None
        self._wrong_since_ns: int | None = None
        self._detail = ""

    def right(self, started_ns: int, ended_ns: int) -> None:
        self._wrong_since_ns = None
        if self.right_since_ns is None:
            self.right_since_ns = started_ns
        self.right_until_ns = max(self.right_until_ns or 0, ended_ns)

    def wrong(self, started_ns: int, detail: str) -> None:
        self.right_since_ns = self.right_until_ns = None
        self._wrong_since_ns = min(self._wrong_since_ns or started_ns, started_ns)
        self._detail = detail

    def lasted(self, at_least: timedelta) -> bool:
        if self.right_since_ns is None or self.right_until_ns is None:
            return False
        return self.right_until_ns - self.right_since_ns >= nanoseconds(at_least)

    def now(self, probe_class: str, *, missing_since_ns: int | None) -> WayNow:
        """Missing answers are wrong ones, whatever the last one was."""
        missing = missing_since_ns is not None
        return WayNow(
            probe_class=probe_class,
            right_since_ns=None if missing else self.right_since_ns,
            right_until_ns=None if missing else self.right_until_ns,
            wrong_since_ns=self._wrong_since_ns or missing_since_ns,
            detail="nothing is observed" if missing else self._detail,
        )


class _Silence:
    """Whether a file that should grow does."""

    def __init__(self, clock: Clock, timeout_ns: int, interval_ns: int) -> None:
        self._clock = clock
        self._most_ns = timeout_ns + _SPARE_INTERVALS * interval_ns
        self._last_ns = clock.monotonic_ns()

    def seen(self, ended_ns: int) -> None:
        self._last_ns = max(self._last_ns, ended_ns)

    def since_ns(self) -> int | None:
        """None where all is as it should be."""
        return self._last_ns if self._clock.monotonic_ns() - self._last_ns > self._most_ns else None


class Followed:
    """One way in, as its observations file grows."""

    def __init__(self, config: ProbeConfig, clock: Clock) -> None:
        self.config = config
        self._file = GrowingFile(config.output)
        self._silence = _Silence(clock, config.timeout_ns, config.interval_ns)
        self._answers = _Answers()

    def begun(self) -> bool:
        """Whether the first observation is on file."""
        self._read_on()
        return self._file.begun

    def sustained(self, at_least: timedelta) -> bool:
        """Whether all answers since some moment were right, for that long."""
        self._read_on()
        return self._answers.lasted(at_least)

    def now(self) -> WayNow:
        """The newest answers; where none came for longer than a probe may take, they are missing,
        whatever the last one was.
        """
        self._read_on()
        return self._answers.now(self.config.probe_class, missing_since_ns=self._silence.since_ns())

    def _read_on(self) -> None:
        for line in self._file.fresh():
            observation = msgspec.json.decode(line, type=Observation)
            self._silence.seen(observation.ended_ns)
            if observation.outcome is Outcome.OK:
                self._answers.right(observation.started_ns, observation.ended_ns)
            else:
                self._answers.wrong(observation.started_ns, observation.detail)


class FollowedSubscriptions:
    """What each subscriber hears, as the file of a broker grows: each is a way in."""

    def __init__(self, config: SubscriptionsConfig, clock: Clock) -> None:
        self.config = config
        self._file = GrowingFile(config.output)
        self._clock = clock
        self._silence = _Silence(clock, config.timeout_ns, config.interval_ns)
        self._answers = {name: _Answers() for name in config.subscribers}
        self._heard: dict[str, dict[int, int]] = {name: {} for name in config.subscribers}
        self._waiting: dict[str, deque[Published]] = {name: deque() for name in config.subscribers}
        """Messages that may still be heard in time."""

    def begun(self) -> bool:
        """Whether the first event is on file."""
        self._read_on()
        return self._file.begun

    def now(self) -> tuple[WayNow, ...]:
        """What each subscriber heard of the newest messages."""
        self._read_on()
        missing_since_ns = self._silence.since_ns()
        return tuple(
            answers.now(
                f"{self.config.subject}: heard by {name}", missing_since_ns=missing_since_ns
            )
            for name, answers in self._answers.items()
        )

    def _read_on(self) -> None:
        for line in self._file.fresh():
            event = msgspec.json.decode(line, type=SubscriptionEvent)
            match event:
                case Published():
                    self._silence.seen(event.ended_ns)
                    for waiting in self._waiting.values():
                        waiting.append(event)
                case Received():
                    self._heard[event.subscriber][event.seq] = event.at_ns
                case _:
                    pass  # who is subscribed shows by what is heard
        for name, waiting in self._waiting.items():
            while waiting and self._decide(name, waiting[0]):
                self._heard[name].pop(waiting.popleft().seq, None)

    def _decide(self, name: str, message: Published) -> bool:
        """Whether it is known what became of a message, which is then taken in."""
        heard_ns = self._heard[name].get(message.seq)
        in_time_ns = message.started_ns + self.config.timeout_ns
        if heard_ns is not None and heard_ns <= in_time_ns:
            self._answers[name].right(message.started_ns, heard_ns)
        elif message.outcome is Outcome.FAIL:
            self._answers[name].wrong(message.started_ns, message.detail)
        elif heard_ns is not None or self._clock.monotonic_ns() > in_time_ns + _WRITTEN_NS:
            self._answers[name].wrong(message.started_ns, "not heard")
        else:
            return False
        return True
