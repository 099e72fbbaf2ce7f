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
TIME = f"{CHECK}/s3-region-away-restore/{RESTORE}/recovery-time"
POINT = f"{CHECK}/s3-region-away-restore/{RESTORE}/recovery-point"


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


def judged(made: make.Day) -> tuple[Finding, Finding]:
    """Against the RTO, and against the RPO."""
    return made.finding(TIME), made.finding(POINT)


def verdicts(made: make.Day) -> tuple[Verdict, Verdict]:
    time, point = judged(made)
    return time.verdict, point.verdict


NEITHER = (Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE)


def test_no_restore_on_record_is_inconclusive() -> None:
    for one in judged(day(None)):
        assert one.verdict is Verdict.INCONCLUSIVE
        assert "no restore is on record" in one.headline


def test_a_trial_that_never_began_is_inconclusive() -> None:
    assert verdicts(make.Day(make.plan(TRIAL))) == NEITHER


def test_an_experiment_that_rehearses_none_is_asked_for_none() -> None:
    findings = make.day(make.trial()).judged().findings
    assert not any(one.check == CHECK for one in findings)


def test_both_kept_while_it_was_away() -> None:
    time, point = judged(day())
    assert (time.verdict, point.verdict) == (Verdict.PASS, Verdict.PASS)
    assert BOTH[0].headline in time.headline
    assert BOTH[1].headline in point.headline
    assert (time.target, point.target) == ("recovery-time", "recovery-point")
    for one in (time, point):
        for said in (
            "from the replica region",
            "s3-primary of outside still away",
            "/evidence/runs/one",
        ):
            assert any(said in line for line in one.detail), said


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ("recovery-time", (Verdict.FAIL, Verdict.PASS)),
        ("recovery-point", (Verdict.PASS, Verdict.FAIL)),
        ("integrity", (Verdict.FAIL, Verdict.FAIL)),
    ],
)
def test_one_failed_finding_fails_what_it_is_about(
    check: str, expected: tuple[Verdict, Verdict]
) -> None:
    """And is quoted; what is damaged kept neither."""
    bad = found(check, Verdict.FAIL, "carts")
    made = day(replace(REHEARSED, findings=(*BOTH, bad)))
    assert verdicts(made) == expected
    for one in judged(made):
        assert (bad.headline in one.headline) is (one.verdict is Verdict.FAIL)


def test_one_inconclusive_finding_makes_it_inconclusive() -> None:
    findings = (*BOTH, found("ledger", Verdict.INCONCLUSIVE))
    assert verdicts(day(replace(REHEARSED, findings=findings))) == NEITHER


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"error": "the run printed no verdict"}, "came to no verdict"),
        ({"began_ns": make.at(0.005)}, "began before the fault was witnessed"),
        ({"ended_ns": make.at(30.1)}, "ended after our rollback began"),
        ({"away": (), "back": ("s3-primary of outside",)}, "was back when it ended"),
        ({"regions": ()}, "says nothing of its recovery-"),
        ({"regions": (Region.PRIMARY, Region.REPLICA)}, "said to be away"),
    ],
)
def test_what_says_nothing(changed: dict[str, object], why: str) -> None:
    """Each by itself; a failed finding in it does not count either."""
    failed = (*BOTH, found("integrity", Verdict.FAIL, "carts"))
    for findings in (BOTH, failed):
        made = day(replace(REHEARSED, **{**changed, "findings": findings}))
        assert verdicts(made) == NEITHER
        assert all(why in one.headline for one in judged(made))


def test_what_it_says_nothing_of_is_inconclusive() -> None:
    assert verdicts(day(replace(REHEARSED, findings=()))) == NEITHER
    only_time = day(replace(REHEARSED, findings=BOTH[:1]))
    assert verdicts(only_time) == (Verdict.PASS, Verdict.INCONCLUSIVE)


def test_a_fault_that_nobody_witnessed() -> None:
    assert verdicts(day().change(FaultInjected, bracket=None, witness="")) == NEITHER


def test_without_a_rollback_nobody_knows_how_long_it_lasted() -> None:
    assert verdicts(day().drop(RolledBack)) == NEITHER


def test_where_nobody_looked_at_its_end_that_is_said() -> None:
    """As of a fault of another tool: our rollback began later."""
    for one in judged(day(replace(REHEARSED, away=()))):
        assert one.verdict is Verdict.PASS
        assert any("nobody looked when it ended" in line for line in one.detail)


def test_another_fault_may_leave_the_primary_region_to_be_restored_from() -> None:
    made = make.day(TRIAL).add(26, replace(REHEARSED, regions=(Region.PRIMARY,)))
    assert verdicts(made) == (Verdict.PASS, Verdict.PASS)


def test_the_last_of_two_attempts_counts() -> None:
    first = replace(REHEARSED, error="the Job was deleted", ended_ns=make.at(9))
    made = make.day(TRIAL).change(FaultInjected, subject="region:primary")
    assert verdicts(made.add(10, first).add(26, REHEARSED)) == (Verdict.PASS, Verdict.PASS)


def test_it_is_part_of_the_trials_verdict() -> None:
    (passed,) = day().judged().recoveries
    assert passed.verdict is Verdict.PASS
    bad = (*BOTH, found("recovery-point", Verdict.FAIL, "carts"))
    (failed,) = day(replace(REHEARSED, findings=bad)).judged().recoveries
    assert failed.verdict is Verdict.FAIL
