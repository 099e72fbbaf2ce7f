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
from typing import BinaryIO

from harness.drivers.clock import HostClock
from harness.errors import HarnessError, RecordError
from harness.model.codec import to_json
from harness.model.history import Observation, Outcome
from harness.model.instant import seconds

Probe = Callable[[int, int], tuple[Outcome, str]]
"""(slot, deadline in monotonic ns) -> (outcome, detail). One slot is never used by two threads at
once. Does not raise for what the server does, and ends by the deadline."""

_CLOCK = HostClock()

_SPARE_SLOTS = 2


def run(
    probe: Probe,
    output: BinaryIO,
    *,
    interval_ns: int,
    timeout_ns: int,
    stopping: Callable[[float], bool],
) -> int:
    """Probes until `stopping(seconds)`, which waits so long at most, says so; how many probes.

    Probes under way are awaited. Raises RecordError where an observation cannot be written.
    """
    due: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    sink = _Sink(output)
    slots = [
        threading.Thread(
            target=_work, args=(probe, slot, timeout_ns, due, sink), name=f"probe-{slot}"
        )
        for slot in range(-(-timeout_ns // interval_ns) + _SPARE_SLOTS)
    ]
    for thread in slots:
        thread.start()
    start_ns = _CLOCK.monotonic_ns()
    number = 0
    try:
        while sink.failure is None:
            due_ns = start_ns + number * interval_ns
            if stopping(max(0.0, seconds(due_ns - _CLOCK.monotonic_ns()))):
                break
            late_ns = _CLOCK.monotonic_ns() - due_ns
            if late_ns <= interval_ns:
                due.put(due_ns)
                number += 1
            else:
                number += late_ns // interval_ns
    finally:
        for _ in slots:
            due.put(None)
        for thread in slots:
            thread.join()
    if sink.failure is not None:
        raise sink.failure
    return sink.count


def _work(
    probe: Probe, slot: int, timeout_ns: int, due: queue.SimpleQueue[int | None], sink: _Sink
) -> None:
    while (scheduled_ns := due.get()) is not None:
        started_ns = _CLOCK.monotonic_ns()
        outcome, detail = probe(slot, started_ns + timeout_ns)
        sink.write(
            Observation(
                scheduled_ns=scheduled_ns,
                started_ns=started_ns,
                ended_ns=_CLOCK.monotonic_ns(),
                outcome=outcome,
                detail=detail,
            )
        )


class _Sink:
    """One line per observation, flushed: who reads the file sees every probe that ended."""

    def __init__(self, output: BinaryIO) -> None:
        self._output = output
        self._lock = threading.Lock()
        self.count = 0
        self.failure: HarnessError | None = None

    def write(self, observation: Observation) -> None:
        with self._lock:
            try:
                self._output.write(to_json(observation) + b"\n")
                self._output.flush()
                self.count += 1
            except OSError as error:
                self.failure = RecordError(f"observations: {error}")
