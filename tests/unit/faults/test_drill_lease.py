"""One drill at a time in a cluster; a lease that is still renewed is never taken over."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from kubernetes_api import StandInApi

from harness.drivers.kubernetes import NAMESPACE
from harness.errors import RefusedError
from harness.faults.lease import LASTS, NAME, DrillLease, holder
from harness.model.instant import Instant


class Clock:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.utc = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def monotonic_ns(self) -> int:
        return 0

    def now(self) -> Instant:
        return Instant(monotonic_ns=0, utc=self.utc)


@pytest.fixture
def api() -> StandInApi:
    return StandInApi()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def lease(
    api: StandInApi, clock: Clock, who: str, pause: Callable[[float], None] = lambda _s: None
) -> DrillLease:
    return DrillLease(api.cluster(), who, clock=clock, pause=pause)


def held_by(api: StandInApi) -> str | None:
    held = api.get("leases", NAME, NAMESPACE)["spec"].get("holderIdentity")
    return None if held is None else str(held)


def test_the_first_drill_gets_it(api: StandInApi, clock: Clock) -> None:
    """Where neither namespace nor lease is there yet."""
    lease(api, clock, "a").acquire()
    assert held_by(api) == "a"


def test_a_second_drill_is_refused_by_name(api: StandInApi, clock: Clock) -> None:
    """With since when, and until when."""
    lease(api, clock, "a").acquire()
    clock.utc += timedelta(seconds=30)
    with pytest.raises(RefusedError) as caught:
        lease(api, clock, "b").acquire()
    assert caught.value.exit_code == 4
    for part in ("a since 2026-01-01T12:00:00.000000Z", "ends at 12:02:00 UTC"):
        assert part in str(caught.value)
    assert held_by(api) == "a"


def test_it_is_free_when_it_was_released(api: StandInApi, clock: Clock) -> None:
    """By its holder, and by nobody else."""
    first = lease(api, clock, "a")
    first.acquire()
    assert not lease(api, clock, "b").release()
    assert first.release()
    assert not first.release()
    lease(api, clock, "b").acquire()
    assert held_by(api) == "b"


def test_a_dead_holder_is_followed_when_its_lease_has_ended(api: StandInApi, clock: Clock) -> None:
    """SIGKILL."""
    lease(api, clock, "a").acquire()
    clock.utc += LASTS + timedelta(seconds=1)
    waited: list[float] = []
    lease(api, clock, "b", waited.append).acquire()
    assert held_by(api) == "b"
    assert waited == [15.0]


def test_a_clock_that_is_ahead_takes_nothing_over(api: StandInApi, clock: Clock) -> None:
    """The lease looks expired, and its holder renews it."""
    first = lease(api, clock, "a")
    first.acquire()
    ahead = Clock()
    ahead.utc = clock.utc + timedelta(days=1)

    def meanwhile(_seconds: float) -> None:
        clock.utc += timedelta(seconds=10)
        first.renew()

    with pytest.raises(RefusedError, match="already going on"):
        lease(api, ahead, "b", meanwhile).acquire()
    assert held_by(api) == "a"


def test_of_two_that_follow_only_one_succeeds(api: StandInApi, clock: Clock) -> None:
    """Both saw the same lease."""
    lease(api, clock, "a").acquire()
    clock.utc += LASTS * 2
    other = lease(api, clock, "c")
    with pytest.raises(RefusedError, match="going on in this cluster: c"):
        lease(api, clock, "b", lambda _s: other.acquire()).acquire()
    assert held_by(api) == "c"


def test_renewed_it_lasts_on(api: StandInApi, clock: Clock) -> None:
    """And is not lost."""
    first = lease(api, clock, "a")
    first.acquire()
    for _ in range(5):
        clock.utc += LASTS / 2
        first.renew()
    assert not first.lost.is_set()
    with pytest.raises(RefusedError):
        lease(api, clock, "b").acquire()


def test_one_that_was_taken_over_is_lost(api: StandInApi, clock: Clock) -> None:
    """Its drill hung for longer than it lasts: nothing more may be broken."""
    first = lease(api, clock, "a")
    first.acquire()
    clock.utc += LASTS * 2
    lease(api, clock, "b").acquire()
    first.renew()
    assert first.lost.is_set()
    assert not first.release()
    assert held_by(api) == "b"


def test_a_block_holds_it(api: StandInApi, clock: Clock) -> None:
    """And gives it back by any way out."""

    def within() -> None:
        with lease(api, clock, "a").held():
            assert held_by(api) == "a"
            raise KeyError

    with pytest.raises(KeyError):
        within()
    assert held_by(api) is None


def test_the_api_may_be_away_while_it_is_held(api: StandInApi, clock: Clock) -> None:
    """That is no loss; the next renewal tells."""
    first = lease(api, clock, "a")
    first.acquire()
    api.breaks = 5
    with pytest.raises(Exception, match="connection reset"):
        first.renew()
    assert not first.lost.is_set()


def test_the_holder_is_host_process_and_run() -> None:
    """By which a killed one's lease is known again."""
    assert re.fullmatch(r".+_12_run-1", holder("run-1", 12))
