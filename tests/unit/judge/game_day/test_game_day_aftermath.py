"""What a trial leaves behind, the drill's own wholeness, and predictions beside measurements."""

from __future__ import annotations

import game_days as make
import pytest
from constructors import SECOND

from harness.judge.game_day.prediction import against, expected_of
from harness.model.game_day import Expected, ManualStep, Way
from harness.model.history import (
    CleanedUp,
    ClusterCompared,
    ExperimentEnded,
    GuardsChecked,
    HypothesisMeasured,
    ManualStepEnded,
    RolledBack,
)
from harness.model.instant import Bounds
from harness.model.judgement import Against
from harness.model.verdict import Verdict

TRIAL = make.trial()
PUT_BACK = "put-back/pod-delete"
AS_IT_WAS = "left-as-it-was/pod-delete"
STEADY = "steady-again/pod-delete"


@pytest.mark.parametrize("identity", [PUT_BACK, AS_IT_WAS, STEADY])
def test_nothing_on_record_is_inconclusive(identity: str) -> None:
    """A trial that never was proves nothing; it is said once, where the targets are."""
    judgement = make.Day(make.plan(TRIAL)).judged()
    assert identity not in {one.id for one in judgement.findings}
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert make.day().finding(identity).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("identity", "changed", "verdict"),
    [
        (PUT_BACK, make.day().drop(RolledBack), Verdict.INCONCLUSIVE),
        (PUT_BACK, make.day().change(RolledBack, error="403"), Verdict.FAIL),
        (PUT_BACK, make.day().change(RolledBack, witness=""), Verdict.FAIL),
        (AS_IT_WAS, make.day().drop(ClusterCompared), Verdict.INCONCLUSIVE),
        (AS_IT_WAS, make.day().change(ClusterCompared, examined=0), Verdict.INCONCLUSIVE),
        (AS_IT_WAS, make.day().change(ClusterCompared, error="no API"), Verdict.INCONCLUSIVE),
        (
            AS_IT_WAS,
            make.day().change(ClusterCompared, differences=("node//worker-2 taints",)),
            Verdict.FAIL,
        ),
        (STEADY, make.day().drop(HypothesisMeasured), Verdict.INCONCLUSIVE),
        (STEADY, make.day().change(HypothesisMeasured, probes=()), Verdict.INCONCLUSIVE),
        (STEADY, make.day().change(HypothesisMeasured, met=False), Verdict.FAIL),
    ],
)
def test_what_is_left_behind(identity: str, changed: make.Day, verdict: Verdict) -> None:
    """Each way of leaving something is found."""
    assert changed.finding(identity).verdict is verdict


def test_a_rollback_that_succeeded_at_last_is_put_back() -> None:
    """The last attempt of an action counts; the first is told."""
    made = make.day().add(30.5, make.rolled_back(TRIAL, 30, error="timeout", witness=""))
    found = made.finding(PUT_BACK)
    assert found.verdict is Verdict.PASS
    assert any("only at another attempt: timeout" in line for line in found.detail)


def test_a_difference_is_named() -> None:
    """The finding and the trial say what is not as it was."""
    made = make.day().change(ClusterCompared, differences=("node//worker-2 taints",))
    assert "node//worker-2 taints" in made.finding(AS_IT_WAS).headline
    assert made.judged().recoveries[0].differences == ("node//worker-2 taints",)


def test_the_drill_is_whole() -> None:
    """Guards, experiments and steps of people, each missing once."""
    assert make.day().finding("drill/guards").verdict is Verdict.PASS
    unguarded = make.day().drop(GuardsChecked).finding("drill/guards")
    assert unguarded.verdict is Verdict.INCONCLUSIVE
    unseen = make.day().change(GuardsChecked, passed=()).finding("drill/guards")
    assert unseen.verdict is Verdict.INCONCLUSIVE
    for lost in (
        make.day().drop(ExperimentEnded),
        make.day().change(ExperimentEnded, journal=None),
        make.day().change(ExperimentEnded, error="exit 20"),
    ):
        assert lost.finding("drill/experiments").verdict is Verdict.INCONCLUSIVE


def test_what_stood_around_the_game_day_is_gone() -> None:
    """A leak is a FAIL; nothing on record is no clean-up."""
    assert make.day().finding("drill/clean-up").verdict is Verdict.PASS
    assert make.day().drop(CleanedUp).finding("drill/clean-up").verdict is Verdict.INCONCLUSIVE
    leaky = make.day().change(CleanedUp, leaks=("table ledger_7",))
    assert leaky.finding("drill/clean-up").verdict is Verdict.FAIL


def test_steps_of_people_are_confirmed() -> None:
    """Who is planned to act must be on record to have acted."""
    asks = make.trial(manual=(ManualStep(id="call", instruction="Call"),))
    made = make.day(asks)
    assert made.finding("drill/manual-steps").verdict is Verdict.INCONCLUSIVE
    made.add(5, make.person(asks, "call", 1, 2))
    assert made.finding("drill/manual-steps").verdict is Verdict.PASS
    made.change(ManualStepEnded, confirmed_by="")
    assert made.finding("drill/manual-steps").verdict is Verdict.INCONCLUSIVE
    assert any("confirmed by nobody" in line for line in made.judged().deviations)


def expectation(low_s: float, high_s: float | None) -> Expected:
    return Expected(
        probe_class="orders: writes",
        subject="orders",
        way=Way.POSTGRESQL_NEW,
        low_s=low_s,
        high_s=high_s,
        because=("30 s: ttl",),
        misses=None if high_s is not None else "RTO 5 min: never by itself",
    )


def measured(low_s: float, high_s: float | None) -> Bounds:
    return Bounds(
        low_ns=round(low_s * SECOND),
        high_ns=None if high_s is None else round(high_s * SECOND),
    )


@pytest.mark.parametrize(
    ("predicted", "seen", "where"),
    [
        ((10, 20), (5, 9), Against.BELOW),
        ((10, 20), (5, 10), Against.INSIDE),
        ((10, 20), (20, 21), Against.INSIDE),
        ((10, 20), (20.5, 21), Against.ABOVE),
        ((10, 20), (25, None), Against.ABOVE),
        ((10, 20), (15, None), None),
        ((0, None), (600, None), Against.INSIDE),
        ((0, None), (5, 6), Against.BELOW),
        ((0, 0), (0, 0.1), Against.INSIDE),
    ],
)
def test_against_a_prediction(
    predicted: tuple[float, float | None],
    seen: tuple[float, float | None],
    where: Against | None,
) -> None:
    """Ranges that meet are inside; what was not watched for long enough says nothing."""
    assert against(expectation(*predicted), measured(*seen)) is where
    assert against(None, measured(*seen)) is None


def test_a_prediction_decides_nothing() -> None:
    """Predicted to miss, measured to be met: the verdict is the measurement's."""
    asks = make.trial(expected=(expectation(100, None),))
    made = make.day(asks)
    judgement = made.judged()
    assert judgement.verdict is Verdict.PASS
    row = judgement.scenarios[0]
    assert (row.predicted_low_s, row.predicted_high_s, row.against) == (100, None, Against.BELOW)
    assert row.predicted_misses == "RTO 5 min: never by itself"


def test_a_prediction_is_found_by_its_class_or_its_way_in() -> None:
    """One of Redis is about every shard."""
    expected = [expectation(1, 2)]
    assert expected_of(expected, "orders", Way.POSTGRESQL_NEW, "other words") is expected[0]
    assert expected_of(expected, "orders", None, "orders: writes") is expected[0]
    assert expected_of(expected, "carts", Way.POSTGRESQL_NEW, "other words") is None
