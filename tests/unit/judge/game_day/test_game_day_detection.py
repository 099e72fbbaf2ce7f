"""When a documented condition for a rollback was first seen to hold; vacuous cases first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import game_days as make
import pytest
from constructors import SECOND, target
from hypothesis import given
from hypothesis import strategies as some
from msgspec.structs import replace

from harness.judge.game_day.detection import Detection, Unit, detect, first_above
from harness.judge.game_day.ways import Probed
from harness.model.game_day import Way
from harness.model.history import Observation, Outcome, ProbesRecorded
from harness.model.instant import Bracket
from harness.model.judgement import RecoveredBy, Step, StepSeen, WayRecovery
from harness.model.plan import answerable
from harness.model.target import Availability, ErrorRate, Kind, Latency

ERRORS, LATE, AVAILABLE = (
    "errors > 5 %",
    "response > 500 ms (p95)",
    "availability < 99.9 %",
)
TARGETS = (
    target(ErrorRate(at_most=0.05), Kind.SERVICE),
    target(Latency(at_most=timedelta(milliseconds=500)), Kind.SERVICE),
    target(Availability(at_least=0.999), Kind.SERVICE),
)
FAULT = Bracket(earliest_ns=make.at(0), latest_ns=make.at(0.01))
HTTP = "checkout: POST /checkout"
TRIAL = make.trial(scenario="broken-rollout", ways=(Way.HTTP,))


def late(
    seen: Sequence[Observation], by_ns: int, from_s: float, until_s: float = 1000
) -> tuple[Observation, ...]:
    """The same right answers, later."""
    return tuple(
        replace(one, ended_ns=one.ended_ns + by_ns)
        if make.at(from_s) <= one.scheduled_ns < make.at(until_s)
        else one
        for one in seen
    )


def detected(
    seen: Sequence[Observation], *, until_s: float | None = None, window_s: float = 60
) -> dict[str, Detection]:
    """By condition."""
    probed = Probed(
        subject="checkout",
        probe_class=HTTP,
        way=Way.HTTP,
        observations=seen,
        interval_ns=SECOND // 10,
        timeout_ns=SECOND,
        sequence=0,
    )
    return {
        one.condition: one
        for one in detect(
            probed,
            FAULT,
            TARGETS,
            until_ns=None if until_s is None else make.at(until_s),
            window=timedelta(seconds=window_s),
        )
    }


def seconds(one: Detection) -> tuple[float, float]:
    assert one.bounds is not None
    assert one.bounds.high_ns is not None
    return one.bounds.low_ns / SECOND, one.bounds.high_ns / SECOND


# --- vacuous -------------------------------------------------------------------------------------


def test_without_an_observation_nothing_is_said() -> None:
    assert detected(()) == {}


def test_what_was_seen_before_the_fault_only_says_nothing() -> None:
    assert detected(make.answers(until_s=-1)) == {}


def test_without_targets_nothing_is_said() -> None:
    seen = make.answers((0, 50))
    probed = Probed(
        subject="checkout",
        probe_class=HTTP,
        way=Way.HTTP,
        observations=seen,
        interval_ns=SECOND // 10,
        timeout_ns=SECOND,
        sequence=0,
    )
    assert detect(probed, FAULT, (make.RTO_TARGET,), until_ns=None) == ()


def test_right_answers_never_meet_a_condition() -> None:
    """And each of the three is said never to have held."""
    found = detected(make.answers())
    assert set(found) == {ERRORS, LATE, AVAILABLE}
    assert all(one.bounds is None for one in found.values())
    assert {one.detail for one in found.values()} == {"never over 60 s"}


# --- each condition, planted once ----------------------------------------------------------------


def test_errors_are_seen_between_two_answers() -> None:
    """From 2 s on every fifth answer is wrong: the 31st of 600 answers is the first above 5 %.

    Wrong are those at 2.0, 2.5, ... s; the 31st of them is at 17.0 s, after one at 16.9 s.
    """
    planted = tuple((at / 10, at / 10 + 0.05) for at in range(20, 560, 5))
    found = detected(make.answers(*planted))
    low, high = seconds(found[ERRORS])
    assert low == pytest.approx(16.9015)
    assert high == pytest.approx(17.0015)
    assert found[ERRORS].detail == "31 of the 600 answers of the last 60 s"
    assert found[LATE].bounds is None
    assert found[AVAILABLE].bounds is None, "in no second was most of it wrong"


def test_exactly_the_documented_share_is_not_above_it() -> None:
    """30 of 600 are 5 %."""
    planted = tuple((at / 10, at / 10 + 0.05) for at in range(20, 20 + 30 * 5, 5))
    assert detected(make.answers(*planted))[ERRORS].bounds is None


def test_a_slow_and_correct_version_is_seen_by_its_latency_only() -> None:
    """All are right, and take 700 ms: no error, and always available.

    Nothing was answered for 0.7 s: of the last minute's 593 answers the thirtieth late one, asked
    at 3.9 s, is the first above 5 %.
    """
    found = detected(late(make.answers(), 7 * SECOND // 10, from_s=1))
    low, high = seconds(found[LATE])
    assert high - low == pytest.approx(0.1)
    assert high == pytest.approx(3.9 + 0.7 + 0.0015)
    assert found[LATE].detail == "30 of the 593 answers of the last 60 s"
    assert found[ERRORS].bounds is None
    assert found[AVAILABLE].bounds is None


def test_half_a_second_is_not_over_half_a_second() -> None:
    """The answers of `make` take 1.5 ms."""
    seen = late(make.answers(), SECOND // 2 - 1_500_000, from_s=1)
    assert detected(seen)[LATE].bounds is None


def test_a_second_without_most_answers_right_ends_the_availability() -> None:
    """One of sixty is more than a thousandth; it is known when the second is over."""
    found = detected(make.answers((3.0, 3.5)))
    assert seconds(found[AVAILABLE]) == (3.0, 4.0)
    assert found[AVAILABLE].detail == "1 of the 60 seconds of the last 60 s"
    assert found[ERRORS].bounds is None


def test_a_second_with_most_answers_right_is_usable() -> None:
    assert detected(make.answers((3.0, 3.4)))[AVAILABLE].bounds is None


# --- what counts ---------------------------------------------------------------------------------


def test_what_holds_only_after_our_rollback_was_not_detected() -> None:
    seen = make.answers((20, 50))
    assert detected(seen)[ERRORS].bounds is not None
    assert detected(seen, until_s=20)[ERRORS].bounds is None


def test_what_held_before_the_fault_was_not_caused_by_it() -> None:
    found = detected(make.answers((-8, -2), (0, 50)))
    assert found[ERRORS].bounds is None
    assert found[ERRORS].detail == "over 60 s before the fault already"


def test_what_was_not_probed_yet_counts_as_right() -> None:
    """The window of a minute is longer than the ten seconds before the fault that were probed."""
    early = detected(make.answers((0, 50), from_s=-60))
    assert detected(make.answers((0, 50), from_s=-10)) == early


def test_a_timeout_is_late_and_wrong() -> None:
    seen = tuple(
        replace(one, outcome=Outcome.INDETERMINATE, ended_ns=one.ended_ns + SECOND)
        if one.scheduled_ns >= FAULT.earliest_ns
        else one
        for one in make.answers()
    )
    found = detected(seen)
    assert seconds(found[ERRORS]) == seconds(found[LATE])


# --- in the judgement ----------------------------------------------------------------------------


def _day(seen: Sequence[Observation]) -> make.Day:
    plan = make.plan(
        TRIAL,
        workloads=(make.CHECKOUT,),
        targets=(replace(make.RTO_TARGET, covers=(Kind.SERVICE,)), *TARGETS),
    )
    made = make.Day(plan)
    made.begin(TRIAL)
    made.add(0.1, make.broken(TRIAL, subject="deployment:shop/checkout"))
    made.add(31, make.rolled_back(TRIAL, 30))
    made.probe(TRIAL, seen, HTTP, Way.HTTP, "checkout")
    return made.end(TRIAL)


def _steps_and_way(day: make.Day) -> tuple[list[StepSeen], WayRecovery]:
    (trial,) = day.judged().recoveries
    (way,) = trial.ways
    return [one for one in trial.steps if one.step is Step.DETECTED], way


def test_the_report_has_a_step_for_each_condition_that_held() -> None:
    steps, way = _steps_and_way(_day(make.answers((2, 31))))
    assert [one.subject for one in steps] == [f"{HTTP}: {AVAILABLE}", f"{HTTP}: {ERRORS}"]
    assert all(0 < one.low_s < one.high_s < 10 for one in steps)
    assert f"{LATE}: never over 60 s" in way.text


def test_detected_is_not_recovered() -> None:
    """It came back only by our rollback, and when is said apart."""
    steps, way = _steps_and_way(_day(make.answers((2, 31))))
    assert steps
    assert way.by is RecoveredBy.ROLLBACK
    assert way.after_rollback_s == pytest.approx(31, abs=0.1)


def test_a_trial_that_was_not_steady_before_detects_nothing() -> None:
    steps, way = _steps_and_way(_day(make.answers((-2, -1), (2, 31))))
    assert not steps
    assert "never" not in way.text


def test_a_trial_without_observations_detects_nothing() -> None:
    day = _day(make.answers((2, 31)))
    day.observations.clear()
    steps, way = _steps_and_way(day)
    assert not steps
    assert way.by is RecoveredBy.UNKNOWN


def test_a_way_in_that_is_not_asked_for_detects_nothing() -> None:
    day = _day(make.answers((2, 31)))
    day.change(ProbesRecorded, way=Way.POSTGRESQL_NEW)
    steps, _way = _steps_and_way(day)
    assert not steps


def test_a_game_day_judges_none_of_these_targets() -> None:
    day = _day(make.answers())
    assert {one.id for one in answerable(day.plan)} == {"recovery-time"}
    asked = {one.target for one in day.judged().findings}
    assert not asked & {one.id for one in TARGETS}


# --- what holds of any answers -------------------------------------------------------------------

answers = some.lists(some.booleans(), min_size=1, max_size=120)
shares = some.sampled_from([0.0, 0.05, 0.2, 0.5])
lengths = some.integers(1, 20)


def _units(bad: Sequence[bool]) -> list[Unit]:
    return [
        Unit(before_ns=number - 1, known_ns=number, bad=is_bad) for number, is_bad in enumerate(bad)
    ]


def _when(bad: Sequence[bool], share: float, window: int) -> int:
    found = first_above(_units(bad), share, window, 1)
    return len(bad) if found is None else found[0]


@given(bad=answers, share=shares, window=lengths, times=some.integers(1, 5))
def test_a_window_that_is_a_multiple_never_detects_sooner(
    bad: list[bool], share: float, window: int, times: int
) -> None:
    """What is above a share in the mean of several windows is above it in one of them, which ends
    no later. It is not so of any longer window: wrong, right, wrong is more than half of three
    answers, and half of each two.
    """
    assert _when(bad, share, window * times) >= _when(bad, share, window)


def test_a_longer_window_that_is_no_multiple_may_detect_sooner() -> None:
    bad = [True, False, True, False]
    assert _when([False, *bad], 0.5, 2) > _when([False, *bad], 0.5, 3)


@given(bad=answers, share=shares, window=lengths, more=answers)
def test_more_wrong_answers_never_detect_later(
    bad: list[bool], share: float, window: int, more: list[bool]
) -> None:
    worse = [one or other for one, other in zip(bad, [*more, *([False] * 120)], strict=False)]
    assert _when(worse, share, window) <= _when(bad, share, window)


@given(bad=answers, window=lengths, shares=some.tuples(shares, shares))
def test_a_stricter_condition_never_holds_later(
    bad: list[bool], window: int, shares: tuple[float, float]
) -> None:
    assert _when(bad, min(shares), window) <= _when(bad, max(shares), window)


@given(bad=answers, share=shares, window=lengths)
def test_it_holds_where_it_is_said_and_nowhere_before(
    bad: list[bool], share: float, window: int
) -> None:
    """Counted anew at every answer, with right ones before the first."""
    history = [*([False] * window), *bad]
    above = [
        index
        for index in range(len(bad))
        if sum(history[index + 1 : index + 1 + window]) > share * window
    ]
    assert _when(bad, share, window) == min(above, default=len(bad))
