"""The open loop: an absolute schedule that neither a slow answer nor a late prober bends."""

from __future__ import annotations

import io
import threading
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from harness.drivers.clock import HostClock, sleep_until
from harness.errors import InputError, RecordError
from harness.model.history import Observation, Outcome
from harness.probes import open_loop
from harness.probes.config import read_config

MS = 1_000_000
INTERVAL, TIMEOUT = 20 * MS, 200 * MS
CLOCK = HostClock()


class Stop:
    """Says that it is time to stop once enough due times have passed."""

    def __init__(self, after: int) -> None:
        self._left = after
        self._never = threading.Event()

    def __call__(self, within_s: float) -> bool:
        self._never.wait(within_s)
        self._left -= 1
        return self._left < 0


def observed(probe: open_loop.Probe, after: int) -> list[Observation]:
    """The observations of so many due times."""
    output = io.BytesIO()
    open_loop.run(probe, output, interval_ns=INTERVAL, timeout_ns=TIMEOUT, stopping=Stop(after))
    decoder = msgspec.json.Decoder(Observation)
    return [decoder.decode(line) for line in output.getvalue().splitlines()]


def right(_slot: int, _deadline_ns: int) -> tuple[Outcome, str]:
    """Answers at once."""
    return Outcome.OK, ""


def test_told_to_stop_at_once() -> None:
    """A prober that is stopped before its first probe writes nothing."""
    assert observed(right, 0) == []


def test_the_schedule_is_absolute() -> None:
    """Probes are due at whole multiples of the interval from the first."""
    seen = sorted(observed(right, 10), key=lambda one: one.scheduled_ns)
    assert seen
    first = seen[0].scheduled_ns
    assert all((one.scheduled_ns - first) % INTERVAL == 0 for one in seen)
    assert all(one.scheduled_ns <= one.started_ns <= one.ended_ns for one in seen)
    assert len({one.scheduled_ns for one in seen}) == len(seen)


def test_a_hung_probe_does_not_stop_the_others() -> None:
    """While one probe hangs to its deadline, later ones are asked and answered."""
    hung = threading.Event()

    def probe(_slot: int, deadline_ns: int) -> tuple[Outcome, str]:
        if not hung.is_set():
            hung.set()
            sleep_until(deadline_ns)
            return Outcome.INDETERMINATE, "no answer in time"
        return Outcome.OK, ""

    seen = observed(probe, 12)
    late = next(one for one in seen if one.outcome is Outcome.INDETERMINATE)
    overtook = [
        one for one in seen if one.scheduled_ns > late.scheduled_ns and one.ended_ns < late.ended_ns
    ]
    assert overtook


def test_a_slot_is_never_used_twice_at_once() -> None:
    """Each of the concurrent probes has a slot of its own."""
    busy: set[int] = set()
    collisions: list[int] = []

    def probe(slot: int, deadline_ns: int) -> tuple[Outcome, str]:
        if slot in busy:
            collisions.append(slot)
        busy.add(slot)
        sleep_until(deadline_ns - TIMEOUT // 2)
        busy.discard(slot)
        return Outcome.OK, ""

    assert observed(probe, 12)
    assert collisions == []


def test_due_times_that_the_prober_missed_are_left_out() -> None:
    """A prober that was held up leaves a gap in its schedule, and no pile of late probes."""
    stalled = threading.Event()

    class Stalling(Stop):
        def __call__(self, within_s: float) -> bool:
            if not stalled.is_set() and self._left == 5:
                stalled.set()
                sleep_until(CLOCK.monotonic_ns() + 10 * INTERVAL)
            return super().__call__(within_s)

    output = io.BytesIO()
    open_loop.run(right, output, interval_ns=INTERVAL, timeout_ns=TIMEOUT, stopping=Stalling(10))
    due = sorted(
        msgspec.json.decode(line, type=Observation).scheduled_ns
        for line in output.getvalue().splitlines()
    )
    assert max(after - before for before, after in pairwise(due)) >= 8 * INTERVAL


def test_observations_that_cannot_be_written_stop_it() -> None:
    """A full disk ends the prober with an error: what is not on file was not observed."""

    class Full(io.BytesIO):
        def write(self, _content: object) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(RecordError, match="No space left"):
        open_loop.run(right, Full(), interval_ns=INTERVAL, timeout_ns=TIMEOUT, stopping=Stop(1000))


ONE = (
    '{"probe_class": "a", "output": "x", "interval_ns": %d, "ask": {"ask": "kubernetes-read",'
    ' "kubeconfig": "/n", "context": "c", "uid": "u"}}'
)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "truncated"),
        ("{}", "probes"),
        ('{"probes": []}', "no probe"),
        ('{"probes": [{"probe_class": "a", "output": "x"}]}', "ask"),
        (f'{{"probes": [{ONE % 5}]}}', "interval"),
        (f'{{"probes": [{ONE % 10**6}, {ONE % 10**6}]}}', "one output twice"),
    ],
)
def test_a_wrong_configuration_is_refused(tmp_path: Path, content: str, says: str) -> None:
    """A configuration that lacks something, or makes no sense, names the file and the reason."""
    file = tmp_path / "prober.json"
    file.write_text(content)
    with pytest.raises(InputError, match=says) as caught:
        read_config(file)
    assert str(file) in str(caught.value)
