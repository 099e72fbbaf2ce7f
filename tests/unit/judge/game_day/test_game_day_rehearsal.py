"""A restore under a fault: passed only between the fault's witness and the rollback."""

from __future__ import annotations

import game_days as make
import pytest
from msgspec.structs import replace

from harness.judge.game_day.rehearsal import CHECK
from harness.model.history import FaultInjected, RehearsedFinding, RestoreRehearsed, RolledBack
from harness.model.subject import Region
from harness.model.verdict import Finding, Verdict

RESTORE = "replica-region"
TRIAL = replace(make.trial(scenario="s3-region-away-restore"), rehearses=(RESTORE,))
IDENTITY = f"{CHECK}/s3-region-away-restore/{RESTORE}"


def found(check: str, verdict: Verdict = Verdict.PASS, subject: str = "orders") -> RehearsedFinding:
    return RehearsedFinding(
        id=f"{check}/{RESTORE}/{subject}",
        check=check,
        subject=subject,
        verdict=verdict,
        headline=f"{subject}, {check}: {verdict}",
    )


BOTH = (found("recovery-time"), found("recovery-point"))
REHEARSED = RestoreRehearsed(
    trial=TRIAL.id,
    job="drills/weekly-drill-1",
    scenario=RESTORE,
    began_ns=make.at(0.5),
    ended_ns=make.at(25),
    evidence="/evidence/runs/one",
    regions=(Region.REPLICA,),
    findings=BOTH,
    away=("s3-primary of outside",),
)


def day(rehearsed: RestoreRehearsed | None = REHEARSED) -> make.Day:
    """The region is away from 0 s on, and put back at 30 s."""
    made = make.day(TRIAL).change(FaultInjected, subject="region:primary")
    return made if rehearsed is None else made.add(26, rehearsed)


def judged(made: make.Day) -> Finding:
    return made.finding(IDENTITY)


def test_no_restore_on_record_is_inconclusive() -> None:
    assert judged(day(None)).verdict is Verdict.INCONCLUSIVE
    assert "no restore is on record" in judged(day(None)).headline


def test_a_trial_that_never_began_is_inconclusive() -> None:
    made = make.Day(make.plan(TRIAL))
    assert judged(made).verdict is Verdict.INCONCLUSIVE


def test_an_experiment_that_rehearses_none_is_asked_for_none() -> None:
    findings = make.day(make.trial()).judged().findings
    assert not any(one.check == CHECK for one in findings)


def test_both_kept_while_it_was_away() -> None:
    one = judged(day())
    assert one.verdict is Verdict.PASS
    assert "restored from the replica region" in one.headline
    assert any("s3-primary of outside still away" in line for line in one.detail)
    assert any("/evidence/runs/one" in line for line in one.detail)


@pytest.mark.parametrize("check", ["recovery-time", "recovery-point", "integrity"])
def test_one_failed_finding_fails_it_and_is_quoted(check: str) -> None:
    """Whatever else passed."""
    bad = found(check, Verdict.FAIL, "carts")
    one = judged(day(replace(REHEARSED, findings=(*BOTH, bad))))
    assert one.verdict is Verdict.FAIL
    assert bad.headline in one.headline


def test_one_inconclusive_finding_makes_it_inconclusive() -> None:
    findings = (*BOTH, found("ledger", Verdict.INCONCLUSIVE))
    assert judged(day(replace(REHEARSED, findings=findings))).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"error": "the run printed no verdict"}, "came to no verdict"),
        ({"began_ns": make.at(0.005)}, "began before the fault was witnessed"),
        ({"ended_ns": make.at(30.1)}, "ended after our rollback began"),
        ({"away": (), "back": ("s3-primary of outside",)}, "was back when it ended"),
        ({"regions": ()}, "says nothing of any restore"),
        ({"regions": (Region.PRIMARY, Region.REPLICA)}, "said to be away"),
        ({"findings": ()}, "says nothing of recovery-time, recovery-point"),
        ({"findings": BOTH[:1]}, "says nothing of recovery-point"),
    ],
)
def test_what_says_nothing(changed: dict[str, object], why: str) -> None:
    """Each by itself; a failed finding in it would not count either."""
    one = judged(day(replace(REHEARSED, **changed)))
    assert one.verdict is Verdict.INCONCLUSIVE
    assert why in one.headline
    if "findings" not in changed:
        failed = (*BOTH, found("recovery-point", Verdict.FAIL, "carts"))
        again = judged(day(replace(REHEARSED, **{**changed, "findings": failed})))
        assert again.verdict is Verdict.INCONCLUSIVE


def test_a_fault_that_nobody_witnessed() -> None:
    made = day().change(FaultInjected, bracket=None, witness="")
    assert judged(made).verdict is Verdict.INCONCLUSIVE


def test_without_a_rollback_nobody_knows_how_long_it_lasted() -> None:
    assert judged(day().drop(RolledBack)).verdict is Verdict.INCONCLUSIVE


def test_where_nobody_looked_at_its_end_that_is_said() -> None:
    """As of a fault of another tool: our rollback began later."""
    one = judged(day(replace(REHEARSED, away=())))
    assert one.verdict is Verdict.PASS
    assert any("nobody looked when it ended" in line for line in one.detail)


def test_another_fault_may_leave_the_primary_region_to_be_restored_from() -> None:
    made = make.day(TRIAL).add(26, replace(REHEARSED, regions=(Region.PRIMARY,)))
    assert judged(made).verdict is Verdict.PASS


def test_it_is_part_of_the_trials_verdict() -> None:
    (passed,) = day().judged().recoveries
    assert passed.verdict is Verdict.PASS
    bad = (*BOTH, found("recovery-point", Verdict.FAIL, "carts"))
    (failed,) = day(replace(REHEARSED, findings=bad)).judged().recoveries
    assert failed.verdict is Verdict.FAIL
