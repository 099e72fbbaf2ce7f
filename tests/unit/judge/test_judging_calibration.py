"""Whether a calibration proves something: damage missed, clean runs that find, nothing at all."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import msgspec
import pytest

from harness.judge.availability import Outage, RecoveryMeasured
from harness.judge.calibration import found_anyway, measured_outage, named_by, problems
from harness.model.calibration import CleanRun, Examined, Sign, SilenceObserved
from harness.model.history import Observation, Outcome
from harness.model.instant import Bounds, Bracket
from harness.model.judgement import Judgement, RestoreSummary
from harness.model.subject import Region
from harness.model.verdict import Finding, Verdict, merge

MS = 1_000_000
SIGN = Sign(check="continuity", verdict=Verdict.FAIL, says=("0000000100000000000000A7",))


def finding(
    check: str = "continuity",
    verdict: Verdict = Verdict.FAIL,
    headline: str = "orders: 1 WAL segments missing",
    detail: tuple[str, ...] = ("missing: 0000000100000000000000A7",),
) -> Finding:
    return Finding(
        id=f"{check}/primary/orders",
        check=check,
        target=None,
        subject="orders",
        scenario=None,
        verdict=verdict,
        headline=headline,
        detail=detail,
    )


RESTORE = RestoreSummary(
    trial="latest-backup-orders-1",
    scenario="latest-backup",
    title="Latest backup",
    subject="orders",
    region=Region.PRIMARY,
    verdict=Verdict.PASS,
    backup=None,
    target_time=None,
    phases=(),
    bottleneck=None,
    rta_low_s=None,
    rta_high_s=None,
    sustained_s=None,
    verified_s=None,
    rpa_s=None,
    lost_records=None,
    acknowledged_records=None,
)


def judgement(
    *findings: Finding,
) -> Judgement:
    return Judgement(
        format=1,
        suite="weekly-restore",
        environment="demo",
        verdict=merge(one.verdict for one in findings),
        findings=findings,
        restores=(RESTORE,),
        predictions=(),
    )


def clean(name: str, *found: str, verdict: Verdict = Verdict.PASS, findings: int = 20) -> CleanRun:
    return CleanRun(
        run=f"{name}/run", verdict=verdict, findings=findings, restores=2, found=found, seconds=9.0
    )


CLEAN = (clean("clean-before"), clean("clean-after"))


def examined(
    *, planted: str | None = "a segment deleted", found_by: str | None, error: str | None = None
) -> Examined:
    return Examined(
        name="missing-wal",
        title="one WAL segment is gone",
        planted=planted,
        expected="continuity FAIL",
        found_by=found_by,
        error=error,
        seconds=1.0,
    )


FOUND = examined(found_by="continuity/primary/orders")


def test_nothing_planted_proves_nothing() -> None:
    """A calibration without any damage is no calibration, however clean its runs are."""
    assert problems(CLEAN, ()) == ("nothing was planted: nothing is proved",)


def test_all_found_and_clean_runs_clean() -> None:
    """No problem where each damage was named and nothing else was found."""
    assert problems(CLEAN, (FOUND, FOUND)) == ()


@pytest.mark.parametrize("runs", [(), CLEAN[:1]])
def test_a_clean_run_on_both_sides_is_demanded(runs: tuple[CleanRun, ...]) -> None:
    """Without the control after it, a damage may have been found by what was broken before."""
    assert [f"{len(runs)} clean runs" in one for one in problems(runs, (FOUND,))] == [True]


@pytest.mark.parametrize(
    "dirty",
    [
        clean("clean-after", "encryption/carts: FAIL: 1 object", verdict=Verdict.FAIL),
        clean("clean-after", verdict=Verdict.INCONCLUSIVE),
        clean("clean-after", findings=0),
    ],
)
def test_a_clean_run_that_finds_something_fails_the_calibration(dirty: CleanRun) -> None:
    """Crying wolf is no better than sleeping; nor is a clean run that judged nothing."""
    (problem,) = problems((CLEAN[0], dirty), (FOUND,))
    assert "clean-after" in problem


def test_a_missed_damage_is_named() -> None:
    """The table says what was planted and what had to be found."""
    (problem,) = problems(CLEAN, (examined(found_by=None),))
    assert problem == "missing-wal: MISSED: a segment deleted; expected continuity FAIL"


@pytest.mark.parametrize(
    "one",
    [
        examined(planted=None, found_by="continuity/primary/orders"),
        examined(found_by="continuity/primary/orders", error="cannot be undone"),
    ],
)
def test_what_was_not_planted_counts_neither_as_found_nor_as_missed(one: Examined) -> None:
    """A finding without its damage, or a damage with an error, is a problem of its own."""
    assert not one.found
    (problem,) = problems(CLEAN, (one,))
    assert "MISSED" not in problem


def test_a_judgement_without_findings_names_nothing() -> None:
    """The vacuous judgement misses every damage."""
    assert named_by(SIGN, judgement()) is None


def test_a_damage_is_found_by_the_finding_that_names_it() -> None:
    """Check, verdict and words must all be right; the words may be in the details."""
    right = finding()
    assert named_by(SIGN, judgement(finding("restore"), right)) is right


@pytest.mark.parametrize(
    "other",
    [
        finding("restore"),
        finding(verdict=Verdict.INCONCLUSIVE),
        finding(verdict=Verdict.PASS),
        finding(detail=("missing: 0000000100000000000000A8",)),
    ],
)
def test_another_trouble_is_not_taken_for_the_damage(other: Finding) -> None:
    """A run that fails for something else has not seen what was planted."""
    assert named_by(SIGN, judgement(other)) is None


@pytest.mark.parametrize(
    ("check", "verdict", "says"),
    [
        ("continuity", Verdict.PASS, ("a",)),
        ("", Verdict.FAIL, ("a",)),
        ("continuity", Verdict.FAIL, ()),
        ("continuity", Verdict.FAIL, ("",)),
    ],
)
def test_a_sign_that_anything_would_show_is_refused(
    check: str, verdict: Verdict, says: tuple[str, ...]
) -> None:
    """A sign without a check, a verdict or a word would be found in every run."""
    with pytest.raises(ValueError, match="anything would show"):
        Sign(check=check, verdict=verdict, says=says)


def test_a_clean_run_must_have_judged_something() -> None:
    """No findings, or no restores, is not clean."""
    assert found_anyway(judgement()) == ("it judged nothing",)
    passed = finding(verdict=Verdict.PASS)
    assert found_anyway(judgement(passed)) == ()
    nothing_restored = msgspec.structs.replace(judgement(passed), restores=())
    assert found_anyway(nothing_restored) == ("it restored nothing",)


def test_what_a_clean_run_finds_is_told() -> None:
    """Each finding that is no PASS, by id and headline."""
    assert found_anyway(judgement(finding(), finding("restore", Verdict.PASS))) == (
        "continuity/primary/orders: FAIL: orders: 1 WAL segments missing",
    )


# -- known outages ------------------------------------------------------------------------------


def seen(
    observations: Iterable[Observation], *, began: int = 3_000, ended: int = 5_000
) -> SilenceObserved:
    """A silence, in milliseconds, and what a prober of 100 ms and 1 s made of it."""
    return SilenceObserved(
        began=Bracket(earliest_ns=began * MS, latest_ns=began * MS),
        ended=Bracket(earliest_ns=ended * MS, latest_ns=ended * MS),
        observations=tuple(observations),
        interval_ns=100 * MS,
        timeout_ns=1_000 * MS,
    )


def prober(began: int, ended: int, *, until: int = 9_000) -> list[Observation]:
    """What an honest prober sees: what is silenced times out, or is answered when it ends."""
    found = []
    for start in range(0, until, 100):
        end, outcome = start + 10, Outcome.OK
        if began <= end < ended or began <= start < ended:
            end = min(max(start + 1_000, began), ended + 5)
            outcome = Outcome.OK if end == ended + 5 else Outcome.INDETERMINATE
        found.append(
            Observation(
                scheduled_ns=start * MS, started_ns=start * MS, ended_ns=end * MS, outcome=outcome
            )
        )
    return found


SUSTAINED = timedelta(seconds=2)


def test_no_observation_measures_nothing() -> None:
    """The vacuous case: nothing was seen."""
    right, text = measured_outage(seen(()), SUSTAINED)
    assert not right
    assert "no recovery was seen" in text


@pytest.mark.parametrize("length", [2_000, 7_000])
def test_a_measured_outage_that_contains_the_truth(length: int) -> None:
    """Bounds of an honest prober contain the true length, and both are told."""
    end = 3_000 + length
    observed = seen(prober(3_000, end, until=end + 4_000), ended=end)
    right, text = measured_outage(observed, SUSTAINED)
    assert right, text
    assert f"the truth is {length / 1000:.3f} s" in text


@pytest.mark.parametrize(
    ("observations", "said"),
    [
        (prober(3_000, 3_000), "expected 1"),
        (prober(3_000, 8_000, until=12_000), "not in it"),
        (prober(3_000, 3_900), "outages seen"),
        (prober(3_000, 12_000, until=12_000), "no recovery"),
        (
            [one for one in prober(3_000, 5_000) if not 4_000 * MS < one.started_ns < 6_500 * MS],
            "did not look",
        ),
    ],
)
def test_a_wrong_measurement_is_told(observations: list[Observation], said: str) -> None:
    """No outage, another length, no end, or a prober that looked away."""
    right, text = measured_outage(seen(observations), SUSTAINED)
    assert not right
    assert said in text


def test_bounds_that_would_contain_any_outage_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A judge of availability that only ever says "0 to 20 s" is never wrong, and useless."""
    found = RecoveryMeasured(
        bounds=Bounds(low_ns=0, high_ns=20_000 * MS),
        outages=(Outage(first_started_ns=0, last_started_ns=1, probes=2, recovered_ns=2),),
    )
    monkeypatch.setattr("harness.judge.calibration.recovery", lambda *_, **__: found)
    right, text = measured_outage(seen(prober(3_000, 5_000)), SUSTAINED)
    assert not right
    assert "too wide" in text
