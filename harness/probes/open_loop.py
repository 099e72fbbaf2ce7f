"""Probes on an absolute schedule that no slow answer can stop, and writes what came of each.

Open loop: probe k is due at start + k * interval, whatever became of the others, so an outage is
not seen by fewer probes than a good minute ("coordinated omission", Gil Tene's wrk2). A due time
that the prober itself missed by more than an interval is left out: the gap says that nothing was
seen then, which is not an outage.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

import msgspec

from harness.drivers.clock import HostClock
from harness.errors import HarnessError, RecordError
from harness.model.codec import to_json
from harness.model.history import Observation, Outcome
from harness.model.instant import seconds

Probe = Callable[[int, int], tuple[Outcome, str]]
"""(slot, deadline in monotonic ns) -> (outcome, detail). One slot is never used by two threads at
once. Does not raise for what the server does, and ends by the deadline."""

Output = BinaryIO

_CLOCK = HostClock()

_SPARE_SLOTS = 2


def run(  # noqa: PLR0913 - a schedule has that many sides
    probe: Probe,
    output: Output,
    *,
    interval_ns: int,
    timeout_ns: int,
    stopping: Callable[[float], bool],
    first_after_ns: int = 0,
) -> int:
    """Probes until `stopping(seconds)`, which waits so long at most, says so; how many probes.

    The first is due `first_after_ns` from now. Probes under way are awaited. Raises RecordError
    where an observation cannot be written.
    """
    sink = Sink(output)

    def work(slot: int, due: Due) -> None:
        started_ns = _CLOCK.monotonic_ns()
        outcome, detail = probe(slot, started_ns + timeout_ns)
        sink.write(
            Observation(
                scheduled_ns=due.at_ns,
                started_ns=started_ns,
                ended_ns=_CLOCK.monotonic_ns(),
                outcome=outcome,
                detail=detail,
            )
        )

    keep_schedule(
        work,
        interval_ns=interval_ns,
        timeout_ns=timeout_ns,
        first_after_ns=first_after_ns,
        stopping=lambda within_s: sink.failure is not None or stopping(within_s),
    )
    if sink.failure is not None:
        raise sink.failure
    return sink.count


class Due(NamedTuple):
    """One due time that the schedule met."""

    number: int
    """From 1, without a gap."""

    at_ns: int


Work = Callable[[int, Due], None]
"""(slot, due time): one slot is never used by two threads at once. Ends within the timeout."""


def keep_schedule(
    work: Work,
    *,
    interval_ns: int,
    timeout_ns: int,
    stopping: Callable[[float], bool],
    first_after_ns: int = 0,
) -> None:
    """Has some work done at each due time, concurrently where it takes longer than the interval,
    until `stopping(seconds)` says so; work under way is awaited. Raises what the work raised.
    """
    waiting: queue.SimpleQueue[Due | None] = queue.SimpleQueue()
    crashes: list[BaseException] = []
    slots = [
        threading.Thread(target=_work, args=(work, slot, waiting, crashes), name=f"slot-{slot}")
        for slot in range(-(-timeout_ns // interval_ns) + _SPARE_SLOTS)
    ]
    for thread in slots:
        thread.start()
    start_ns = _CLOCK.monotonic_ns() + first_after_ns
    number = met = 0
    try:
        while not crashes:
            due_ns = start_ns + number * interval_ns
            if stopping(max(0.0, seconds(due_ns - _CLOCK.monotonic_ns()))):
                break
            late_ns = _CLOCK.monotonic_ns() - due_ns
            if late_ns <= interval_ns:
                met += 1
                waiting.put(Due(met, due_ns))
                number += 1
            else:
                number += late_ns // interval_ns
    finally:
        for _ in slots:
            waiting.put(None)
        for thread in slots:
            thread.join()
    if crashes:
        raise crashes[0]


def _work(
    work: Work,
    slot: int,
    waiting: queue.SimpleQueue[Due | None],
    crashes: list[BaseException],
) -> None:
    try:
        while (due := waiting.get()) is not None:
            work(slot, due)
    except BaseException as error:  # noqa: BLE001 - raised where the schedule is kept
        crashes.append(error)


class Sink:
    """One line of JSON per value, flushed: who reads the file sees every probe that ended."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._lock = threading.Lock()
        self.count = 0
        self.failure: HarnessError | None = None

    def write(self, value: msgspec.Struct) -> None:
        """Writes one line; what cannot be written is kept as `failure`."""
        with self._lock:
            try:
                self._output.write(to_json(value) + b"\n")
                self._output.flush()
                self.count += 1
            except OSError as error:
                self.failure = RecordError(f"observations: {error}")
