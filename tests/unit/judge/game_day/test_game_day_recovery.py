"""Recovery of each way in: by itself or by our rollback, with its bounds; vacuous cases first."""

from __future__ import annotations

from datetime import timedelta

import game_days as make
import pytest
from msgspec.structs import replace

from harness.model.game_day import ManualStep, Way
from harness.model.history import (
    FaultInjected,
    GuardsChecked,
    HypothesisMeasured,
    ProbesRecorded,
    TrialStarted,
)
from harness.model.instant import Bracket
from harness.model.judgement import Judgement, RecoveredBy, WayRecovery
from harness.model.target import Kind, RecoveryTime
from harness.model.verdict import Verdict

RTO = "recovery-time/pod-delete/orders"
TRIAL = make.trial()


def only_way(judgement: Judgement) -> WayRecovery:
    (trial,) = judgement.recoveries
    (way,) = trial.ways
    return way


def test_no_trial_is_inconclusive() -> None:
    """A game day without a trial meets no target, and says so for each."""
    judgement = make.Day(make.plan()).judged()
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert {one.target for one in judgement.findings if one.target} == {
        "recovery-time",
        "recovery-point",
    }
    assert all(one.verdict is Verdict.INCONCLUSIVE for one in judgement.findings if one.target)
    assert not judgement.recoveries
    assert not judgement.scenarios


def test_a_trial_without_a_fact_is_inconclusive() -> None:
    """Nothing on record is no recovery."""
    judgement = make.Day(make.plan(TRIAL)).judged()
    assert {one.verdict for one in judgement.findings} == {Verdict.INCONCLUSIVE}
    assert judgement.recoveries[0].invalid == ("the trial never began",)


def test_back_by_itself() -> None:
    """The RTA lies between the last wrong answer and the first of the right ones that last."""
    judgement = make.day().judged()
    assert judgement.verdict is Verdict.PASS
    way = only_way(judgement)
    assert way.by is RecoveredBy.ITSELF
    assert way.rta_low_s == pytest.approx(1.89, abs=0.001)
    assert way.rta_high_s == pytest.approx(2.0015)
    (outage,) = way.outages
    assert outage.start_s == pytest.approx(0, abs=0.001)
    assert outage.end_s == pytest.approx(2.0015)


def test_too_late() -> None:
    """Back by itself after the RTO is a miss."""
    strict = replace(make.RTO_TARGET, objective=RecoveryTime(at_most=timedelta(seconds=1)))
    plan = replace(make.plan(TRIAL), targets=(replace(strict, covers=(Kind.POSTGRESQL,)),))
    found = make.day(TRIAL, plan_of=plan).finding(RTO)
    assert found.verdict is Verdict.FAIL
    assert "back only after 2 s" in found.headline
    assert found.since is not None


def test_between_the_bounds_nothing_is_said() -> None:
    """An RTO between the two bounds is neither met nor missed."""
    strict = replace(make.RTO_TARGET, objective=RecoveryTime(at_most=timedelta(seconds=1.95)))
    plan = replace(make.plan(TRIAL), targets=(replace(strict, covers=(Kind.POSTGRESQL,)),))
    found = make.day(TRIAL, plan_of=plan).finding(RTO)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "the target lies between" in found.headline


def test_no_outage_is_said_as_such() -> None:
    """A witnessed fault that no client noticed: no outage longer than can be seen, never 0 s."""
    found = make.day(down=()).finding(RTO)
    assert found.verdict is Verdict.PASS
    assert "no outage longer than 0.1 s, watched for" in found.headline
    way = only_way(make.day(down=()).judged())
    assert way.by is RecoveredBy.NO_OUTAGE
    assert way.rta_low_s == 0
    assert way.rta_high_s == pytest.approx(0.1, abs=0.01)


def test_a_rollback_is_no_recovery() -> None:
    """Right answers that begin after our rollback: watched until then, and no further."""
    judgement = make.day(down=((0, 30.5),)).judged()
    (found,) = [one for one in judgement.findings if one.id == RTO]
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "not back by itself in the 29.9 s that were watched" in found.headline
    assert "back after our rollback, 30.5 s after the fault" in found.headline
    way = only_way(judgement)
    assert way.by is RecoveredBy.ROLLBACK
    assert way.rta_high_s is None
    assert way.after_rollback_s == pytest.approx(30.5015)
    assert judgement.scenarios[0].by is RecoveredBy.ROLLBACK


def test_a_rollback_after_the_target_is_a_miss() -> None:
    """Not back by itself for longer than the RTO, whatever our rollback did then."""
    strict = replace(make.RTO_TARGET, objective=RecoveryTime(at_most=timedelta(seconds=20)))
    plan = replace(make.plan(TRIAL), targets=(replace(strict, covers=(Kind.POSTGRESQL,)),))
    found = make.day(TRIAL, plan_of=plan, down=((0, 30.5),)).finding(RTO)
    assert found.verdict is Verdict.FAIL
    assert "not back by itself after 29.9 s; back after our rollback" in found.headline


def test_right_before_the_rollback_and_on_is_by_itself() -> None:
    """What answered right before our rollback, and went on to, needed none, however short."""
    way = only_way(make.day(down=((0, 29),)).judged())
    assert way.by is RecoveredBy.ITSELF
    assert way.rta_high_s == pytest.approx(29.0015)


def test_an_outage_of_the_rollback_itself_is_told_apart() -> None:
    """A node that comes back may disturb: that is not part of the RTA, and not hidden."""
    judgement = make.day(down=((0, 2), (40, 41))).judged()
    way = only_way(judgement)
    assert way.by is RecoveredBy.ITSELF
    assert way.rta_high_s == pytest.approx(2.0015)
    assert "10 wrong answers after our rollback began" in way.text
    assert len(way.outages) == 2


def test_never_back_is_censored() -> None:
    """Not back when the watching ended: kept, and greater than what was seen."""
    strict = replace(make.RTO_TARGET, objective=RecoveryTime(at_most=timedelta(seconds=20)))
    plan = replace(make.plan(TRIAL), targets=(replace(strict, covers=(Kind.POSTGRESQL,)),))
    judgement = make.day(TRIAL, plan_of=plan, down=((0, 90),)).judged()
    (found,) = [one for one in judgement.findings if one.id == RTO]
    assert found.verdict is Verdict.FAIL
    assert only_way(judgement).by is RecoveredBy.NOTHING
    assert judgement.scenarios[0].rta_high_s is None


def test_a_time_nobody_saw_counts_as_down() -> None:
    """The prober looked away while it may have come back: the upper bound is after that."""
    seen = make.answers((0, 2), blind=(3, 6))
    way = only_way(make.day(seen=seen).judged())
    assert way.rta_high_s == pytest.approx(6.0015)
    assert way.rta_low_s == pytest.approx(1.89, abs=0.001)
    assert "counted as down" in way.text


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (
            make.day().change(FaultInjected, bracket=None, witness=""),
            "nobody witnessed the fault of pod:infra/postgresql-0",
        ),
        (make.day().drop(FaultInjected), "no fault is on record"),
        (
            make.day().drop(FaultInjected).change(GuardsChecked, refused=("quorum",)),
            "nothing was tried: guards refused: quorum",
        ),
        (
            make.day().change(HypothesisMeasured, met=False, when="before"),
            "the steady state was not met before the fault: writes: True",
        ),
        (
            make.day().drop(HypothesisMeasured),
            "whether the steady state was met before the fault is not on record",
        ),
        (make.day().drop(TrialStarted), "the trial never began"),
        (
            make.day(down=((-2, -1.5), (0, 2))),
            f"{make.NEW}: 5 wrong answers in the 5 s before the fault",
        ),
        (
            make.day(seen=make.answers((0, 2), from_s=-2)),
            f"{make.NEW}: observed for only 2 s before the fault",
        ),
        (
            make.day(seen=make.answers((0, 2), from_s=1)),
            f"{make.NEW}: nothing was observed just before the fault",
        ),
    ],
)
def test_a_trial_that_says_nothing(changed: make.Day, why: str) -> None:
    """Each reason makes the trial INCONCLUSIVE and is its text."""
    found = changed.finding(RTO)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert why in found.headline
    assert any(why in reason for reason in changed.judged().recoveries[0].invalid)


def test_a_missing_file_of_a_prober_is_inconclusive() -> None:
    """A prober that is named and left nothing saw nothing."""
    made = make.day()
    made.observations.clear()
    assert made.finding(RTO).verdict is Verdict.INCONCLUSIVE


def test_a_missing_way_in_is_inconclusive() -> None:
    """What the trial asks for and nobody probed is not taken for well."""
    asks = make.trial(ways=(Way.POSTGRESQL_NEW, Way.POSTGRESQL_KEPT))
    found = make.day(asks).finding(RTO)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "nothing is on record of the way in postgresql-kept" in found.headline
    none = make.day().drop(ProbesRecorded).finding(RTO)
    assert "nothing is on record of the way in postgresql-new" in none.headline


def test_a_shard_that_other_trials_probed_is_missed() -> None:
    """The plan does not know the shards; the other trials do."""
    trials = [make.trial(number, scenario="kill", ways=(Way.REDIS_SHARD,)) for number in (1, 2)]
    target = replace(make.RTO_TARGET, covers=(Kind.REDIS,))
    made = make.Day(make.plan(*trials, workloads=(make.CARTS,), targets=(target,)))
    for one in trials:
        made.begin(one).add(0.1, make.broken(one))
        for shard in ("0-5460", "5461-10922")[: 3 - one.seed]:
            name = f"carts: write to shard {shard}"
            made.probe(one, make.answers((0, 2), of=one), name, Way.REDIS_SHARD, "carts")
        made.add(31, make.rolled_back(one)).end(one)
    found = made.finding("recovery-time/kill/carts")
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "write to shard 5461-10922, which other trials probed (1 of 2 trials)" in found.headline


def test_a_way_in_that_is_not_asked_for_is_shown_only() -> None:
    """It may be away for ever: the trial is not about it."""
    made = make.day()
    made.probe(TRIAL, make.answers((0, 90)), make.KEPT, Way.POSTGRESQL_KEPT)
    judgement = made.judged()
    assert judgement.verdict is Verdict.PASS
    shown = {way.probe_class: way for way in judgement.recoveries[0].ways}
    assert not shown[make.KEPT].judged
    assert shown[make.KEPT].verdict is None
    assert judgement.recoveries[0].worst == make.NEW


def test_the_slowest_way_in_is_the_answer() -> None:
    """Two ways in: the later one decides, in the finding and in the experiment's row."""
    asks = make.trial(ways=(Way.POSTGRESQL_NEW, Way.POSTGRESQL_KEPT))
    made = make.day(asks).probe(asks, make.answers((0, 9)), make.KEPT, Way.POSTGRESQL_KEPT)
    assert "write on a kept connection: back after 9 s" in made.finding(RTO).headline
    assert made.judged().scenarios[0].worst == make.KEPT


def test_trials_of_two_experiments_are_not_pooled() -> None:
    """Each has a finding and a row of its own."""
    one, other = make.trial(1), make.trial(2, scenario="node-kill")
    judgement = make.day(one, other).judged()
    assert [row.trials for row in judgement.scenarios] == [1, 1]
    strengths = {f.id: f.strength for f in judgement.findings if f.check == "recovery-time"}
    assert len(strengths) == 2
    assert all(text is not None and text.startswith("1/1") for text in strengths.values())


def test_five_trials_are_observed() -> None:
    """The level is said, with the worst of the trials."""
    found = make.day(*(make.trial(number) for number in range(1, 6))).finding(RTO)
    assert found.verdict is Verdict.PASS
    assert found.strength is not None
    assert found.strength.startswith("OBSERVED: 5/5")
    assert "away for 2 s at most in 5 trials" in found.headline


def test_a_step_of_the_wall_clock_is_told_and_changes_nothing() -> None:
    """Intervals are of the monotonic clock; the reader is told nevertheless."""
    made = make.day()
    made.facts = [(second, 7.5 if second > 10 else off, fact) for second, off, fact in made.facts]
    found = made.finding(RTO)
    assert found.verdict is Verdict.PASS
    assert any("the wall clock was set by +7.5 s" in line for line in found.detail)
    assert made.judged().deviations


def test_time_of_people_is_part_of_it_and_named() -> None:
    """A step while the clock runs is told with the time it took."""
    asks = make.trial(manual=(ManualStep(id="call", instruction="Call"),))
    made = make.day(asks).add(5, make.person(asks, "call", 1, 1.5, note="no dial tone"))
    found = made.finding(RTO)
    assert any("step call took 0.5 s of the time after the fault" in one for one in found.detail)
    (taken,) = made.judged().recoveries[0].manual_steps
    assert (taken.start_s, taken.seconds, taken.note) == (1.0, 0.5, "no dial tone")


def test_the_api_is_a_way_in_of_every_cluster() -> None:
    """Where it is asked for and covered, it must be probed."""
    asks = make.trial(ways=(Way.POSTGRESQL_NEW, Way.API))
    plan = make.plan(asks, targets=(make.RTO_TARGET,))
    identity = "recovery-time/pod-delete/kubernetes"
    made = make.day(asks, plan_of=plan)
    assert made.finding(identity).verdict is Verdict.INCONCLUSIVE
    made.probe(asks, make.answers(), make.API, Way.API, "kubernetes")
    assert made.finding(identity).verdict is Verdict.PASS


def test_two_faults_make_one_bracket() -> None:
    """From just before the first to the witness of the last; one without a witness is enough."""
    made = make.day()
    later = make.broken(TRIAL, subject="pod:infra/postgresql-1")
    bracket = Bracket(earliest_ns=make.at(0.4), latest_ns=make.at(0.5))
    made.add(0.6, replace(later, bracket=bracket))
    way = only_way(made.judged())
    assert way.rta_low_s == pytest.approx(1.4, abs=0.001)
    assert way.rta_high_s == pytest.approx(2.0015)
    made.add(0.7, replace(later, bracket=None))
    assert made.finding(RTO).verdict is Verdict.INCONCLUSIVE
