"""Recovery from synthetic observations: what was seen, what was not, and within which bounds."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from harness.judge.availability import RecoveryMeasured, recovery
from harness.model.history import Observation, Outcome
from harness.model.instant import Bounds, Bracket

MS = 1_000_000
INTERVAL, TIMEOUT, SUSTAINED, DEADLINE = 100 * MS, 1000 * MS, 500 * MS, 60_000 * MS
FAULT = Bracket(earliest_ns=990 * MS, latest_ns=1000 * MS)


def probe(
    at_ms: int, outcome: Outcome = Outcome.OK, took_ms: int = 5, late_ms: int = 0
) -> Observation:
    """One probe."""
    started = (at_ms + late_ms) * MS
    return Observation(
        scheduled_ns=at_ms * MS,
        started_ns=started,
        ended_ns=started + took_ms * MS,
        outcome=outcome,
    )


def up(from_ms: int, to_ms: int) -> list[Observation]:
    """Right answers every 100 ms."""
    return [probe(at) for at in range(from_ms, to_ms, 100)]


def down(from_ms: int, to_ms: int) -> list[Observation]:
    """Refused every 100 ms."""
    return [probe(at, Outcome.FAIL) for at in range(from_ms, to_ms, 100)]


def hung(from_ms: int, to_ms: int) -> list[Observation]:
    """Timeouts, asked for every 100 ms."""
    return [probe(at, Outcome.INDETERMINATE, took_ms=1001) for at in range(from_ms, to_ms, 100)]


def measured(observations: Iterable[Observation], deadline_ns: int = DEADLINE) -> RecoveryMeasured:
    """The recovery from FAULT."""
    return recovery(
        observations,
        FAULT,
        sustained_ns=SUSTAINED,
        deadline_ns=deadline_ns,
        interval_ns=INTERVAL,
        timeout_ns=TIMEOUT,
    )


@pytest.mark.parametrize("observations", [[], up(0, 900)])
def test_nothing_observed_after_the_fault(observations: list[Observation]) -> None:
    """Without an answer after the fault there is no bound, not even zero."""
    found = measured(observations)
    assert found.bounds is None
    assert not found.uninterrupted
    assert found.sustained_at_ns is None


@pytest.mark.parametrize("outage", [down(1000, 3000), hung(1000, 3000)])
def test_an_outage_is_bounded(outage: list[Observation]) -> None:
    """Back between the last wrong answer's start and the first right one's end, minus the fault."""
    found = measured(up(0, 1000) + outage + up(3000, 4000))
    assert found.bounds == Bounds(low_ns=1900 * MS, high_ns=2015 * MS)
    assert found.recovered_ns == 3005 * MS
    assert found.sustained_at_ns == 3505 * MS
    assert [one.probes for one in found.outages] == [20]
    assert found.unobserved == ()
    assert not found.censored
    assert not found.uninterrupted


def test_answers_that_overtake_each_other() -> None:
    """Observations are judged in the order of their schedule, however they are written."""
    ordered = up(0, 1000) + hung(1000, 3000) + up(3000, 4000)
    assert measured(sorted(ordered, key=lambda one: one.ended_ns)) == measured(ordered)


def test_no_outage_is_not_zero() -> None:
    """Without a wrong answer, what is said is how long an outage could have hidden."""
    found = measured(up(0, 3000))
    assert found.uninterrupted
    assert found.bounds == Bounds(low_ns=0, high_ns=105 * MS)


def test_flapping_counts_to_the_last_recovery() -> None:
    """A subject that comes back, lasts, and goes again is back when it is back for good."""
    found = measured(down(1000, 2000) + up(2000, 3000) + down(3000, 4000) + up(4000, 5000))
    assert found.bounds == Bounds(low_ns=2900 * MS, high_ns=3015 * MS)
    assert found.first_success_ns == 2005 * MS
    assert [one.recovered_ns for one in found.outages] == [2005 * MS, 4005 * MS]


def test_a_single_right_answer_is_no_recovery() -> None:
    """Right answers that do not last are none."""
    found = measured(down(1000, 2000) + up(2000, 2300) + down(2300, 9000))
    assert found.censored
    assert found.bounds == Bounds(low_ns=7900 * MS, high_ns=None)
    assert found.first_success_ns == 2005 * MS


def test_not_back_by_the_deadline() -> None:
    """A subject that comes back after the deadline is censored there, and not dropped."""
    found = measured(down(1000, 7000) + up(7000, 9000), deadline_ns=3000 * MS)
    assert found.censored
    assert found.bounds is not None
    assert found.bounds.high_ns is None
    assert found.bounds.low_ns >= 2990 * MS


def test_watched_too_briefly() -> None:
    """Where the prober ended before the answers had lasted, the time is not known."""
    found = measured(down(1000, 3000) + up(3000, 3300))
    assert found.censored
    assert found.bounds == Bounds(low_ns=1900 * MS, high_ns=None)
    assert found.watched_until_ns == 3205 * MS


def test_a_stopped_prober_is_unobserved_and_no_outage() -> None:
    """A prober that was stopped for 3 s saw nothing then: neither an outage nor a recovery.

    The probe under way ends 3 s late, by its own clock, as a timeout.
    """
    stopped = [probe(4100, Outcome.INDETERMINATE, took_ms=3050)]
    found = measured(down(1000, 2000) + up(2000, 4100) + stopped + up(7200, 9000))
    assert len(found.outages) == 1
    assert found.bounds == Bounds(low_ns=900 * MS, high_ns=1015 * MS)
    assert [(one.from_ns, one.to_ns) for one in found.unobserved] == [(4100 * MS, 7200 * MS)]
    assert found.unobserved_where_it_matters == ()


def test_a_prober_stopped_while_it_mattered() -> None:
    """A recovery that may have begun, or broken off, unseen is said to be so."""
    before = measured(down(1000, 2000) + up(5000, 6000))
    assert len(before.unobserved_where_it_matters) == 1
    assert before.bounds == Bounds(low_ns=900 * MS, high_ns=4015 * MS)
    during = measured(down(1000, 2000) + up(2000, 2300) + up(5000, 6000))
    assert len(during.unobserved_where_it_matters) == 1
    assert during.sustained_at_ns == 5505 * MS


def test_a_prober_that_began_late() -> None:
    """Between the fault and the first probe nobody looked."""
    found = measured(up(4000, 6000))
    assert [(one.from_ns, one.to_ns) for one in found.unobserved] == [(1000 * MS, 4000 * MS)]
    assert found.bounds == Bounds(low_ns=0, high_ns=3015 * MS)
    assert len(found.unobserved_where_it_matters) == 1


def test_a_short_delay_is_in_the_bounds() -> None:
    """A prober late by less than its own timeout is noted, and hides no more than a hung probe."""
    late = [probe(2000, late_ms=300)]
    found = measured(down(1000, 2000) + late + up(2100, 4000))
    assert [(one.from_ns, one.to_ns) for one in found.unobserved] == [(2000 * MS, 2300 * MS)]
    assert found.unobserved_where_it_matters == ()
    assert found.bounds is not None


def test_failures_before_the_fault_are_not_its() -> None:
    """What failed, and ended, before the fault is no part of the recovery."""
    assert measured(down(0, 900) + up(1000, 3000)).uninterrupted


@pytest.mark.parametrize("phase_ms", range(0, 100, 10))
@pytest.mark.parametrize("outage_ms", [150, 2000, 7000])
def test_the_bounds_contain_the_truth(phase_ms: int, outage_ms: int) -> None:
    """Whatever the phase of the schedule, the measured interval contains the real outage."""
    begins = 1000 + phase_ms
    ends = begins + outage_ms
    fault = Bracket(earliest_ns=(begins - 3) * MS, latest_ns=(begins + 3) * MS)
    observations = []
    for at in range(0, ends + 3000, 100):
        waits = ends - at if begins <= at < ends else 0
        observations.append(
            probe(at, Outcome.INDETERMINATE, took_ms=1000)
            if waits > 1000
            else probe(at, took_ms=waits + 2)
        )
    found = recovery(
        observations,
        fault,
        sustained_ns=SUSTAINED,
        deadline_ns=DEADLINE,
        interval_ns=INTERVAL,
        timeout_ns=TIMEOUT,
    )
    assert found.bounds is not None
    assert found.bounds.high_ns is not None
    assert found.bounds.low_ns <= outage_ms * MS <= found.bounds.high_ns
