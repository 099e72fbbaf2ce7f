"""A clock of the past begins 31 days ago, goes on day by day, and is forgotten without a trace."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.drivers import process
from harness.errors import InputError
from harness.faults.places import Place, Places
from harness.practice import past_clock
from harness.practice.past_clock import DAYS, PastClock

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where the kernel has it


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A place whose shared memory is told by its name."""
    with Places(tmp_path).borrowed("clock") as borrowed:
        yield borrowed


def told(clock: PastClock, place: Place) -> datetime:
    """The time as a program under the clock tells it."""
    said = process.run(
        ["date", "+%s.%N"], directory=place.directory, environment=clock.environment, timeout_s=10
    )
    return datetime.fromtimestamp(float(said.stdout), UTC)


def shared(*words: str) -> list[str]:
    """What there is in shared memory with one of the words in its name."""
    return [path.name for path in SHARED_MEMORY.iterdir() if any(w in path.name for w in words)]


def test_programs_live_by_it_and_days_pass(place: Place) -> None:
    """31 days ago at first, one day ago at last; each day's backup is due an hour after its writes;
    it never goes back.
    """
    clock = PastClock(place, "test")
    hour = timedelta(hours=1)
    try:
        seen = [told(clock, place)]
        for day in clock.days():
            if day in (DAYS, 2, 1):
                seen.append(told(clock, place))
                clock.backup_time(day)
                seen.append(told(clock, place))
        true = datetime.now(UTC)
        days = [timedelta(days=day) + before for day in (DAYS, 2, 1) for before in (hour, hour * 0)]
        for ago, moment in zip([days[0], *days], seen, strict=True):
            assert abs(true - ago - moment) < timedelta(minutes=1)
        assert seen == sorted(seen)
    finally:
        clock.forget()


def test_a_fast_clock_is_one_for_all_programs(place: Place) -> None:
    """Each program goes on where the one before it was, many times faster than time."""
    clock = PastClock(place, "test", rate=1000)
    try:
        first, second = told(clock, place), told(clock, place)
        assert second - first > timedelta(seconds=1)
    finally:
        clock.forget()


def test_a_killed_program_leaves_nothing_that_is_not_forgotten(place: Place) -> None:
    """Libfaketime's own shared memory would outlive the program; ours goes with the clock."""
    clock = PastClock(place, "test")
    child = process.start(
        ["sleep", "600"], directory=place.directory, environment=clock.environment
    )
    child.kill()
    child.wait(5)
    assert len(shared(place.name, f"faketime_shm_{child.pid}")) == 2
    clock.forget()
    assert shared(place.name, f"faketime_shm_{child.pid}") == []


def test_without_the_library_it_says_what_to_install(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package is named, and nothing is left."""
    monkeypatch.setattr(past_clock, "_PLACES", ())
    with pytest.raises(InputError, match="libfaketime") as raised:
        PastClock(place, "test")
    assert shared(place.name) == []
    assert raised.value.hint is not None
    assert "faketime" in raised.value.hint
