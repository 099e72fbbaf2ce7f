"""The headline, the targets' rows and the figures: never better than the findings."""

from datetime import UTC, datetime

import pytest
from judged_runs import NAMES, judged
from msgspec.structs import replace

from harness.model.judgement import Judgement
from harness.model.target import Kind
from harness.model.verdict import Finding, Measure, Verdict
from harness.report import wording
from harness.report.summary import Report, figures, headline, limits, target_rows


def with_findings(*findings: Finding, verdict: Verdict) -> Report:
    """The passing run with other findings."""
    report = judged("passing")
    judgement = replace(report.judgement, findings=findings, verdict=verdict, restores=())
    return Report(judgement=judgement, run=report.run, plan=report.plan)


def finding(
    verdict: Verdict, target: str | None = "rto", subject: str | None = "orders"
) -> Finding:
    return Finding(
        id=f"check/{target}/{subject}",
        check="check",
        target=target,
        subject=subject,
        scenario=None,
        verdict=verdict,
        headline="a headline",
    )


HEADLINES = {
    "nothing": "Nothing was judged, so no target is shown to be met.",
    "passing": "All 9 targets were met.",
    "failing": "3 of 9 targets failed: recovery point of sessions, cross-region replication of "
    "orders and data integrity of orders. 2 could not be judged.",
    "censored": "1 of 9 targets failed: recovery time of orders. 8 had nothing to be judged by. "
    "1 check of the drill itself failed: leak.",
    "game-day": "1 of 2 targets could not be judged: recovery time of checkout and kubernetes. "
    "None failed. 1 check of the drill itself failed: left-as-it-was. 1 check of the drill itself "
    "said nothing: guards.",
    "load-test": "1 of 6 targets failed: latency of checkout. 2 checks beside the targets failed: "
    "autoscaling and regression.",
    "load-test-of-nothing": "Nothing was judged, so no target is shown to be met.",
    "conformance": "1 of 6 targets failed: container resources. 3 could not be judged. 1 had "
    "nothing to be judged by. 1 check of the drill itself said nothing: objects.",
    "conformance-of-nothing": "The plan names no target. 1 check of the drill itself said nothing: "
    "end.",
}


@pytest.mark.parametrize("name", NAMES)
def test_the_headline(name: str) -> None:
    """One sentence says how many targets failed, and which."""
    assert headline(judged(name)) == HEADLINES[name]


def test_inconclusive_is_said() -> None:
    """Where nothing failed but something could not be judged, the headline is no success."""
    report = judged("passing")
    first, *rest = report.judgement.findings
    judgement: Judgement = replace(
        report.judgement,
        findings=(replace(first, verdict=Verdict.INCONCLUSIVE), *rest),
        verdict=Verdict.INCONCLUSIVE,
    )
    changed = Report(judgement=judgement, run=report.run, plan=report.plan)
    assert headline(changed) == (
        "1 of 9 targets could not be judged: recovery time of orders. None failed."
    )


def test_a_target_without_a_finding_is_not_met() -> None:
    """A covered subject that no finding is about makes the row INCONCLUSIVE."""
    report = with_findings(finding(Verdict.PASS), verdict=Verdict.PASS)
    rows = {row.target.id: row for row in target_rows(report)}
    assert rows["rto"].verdicts == (("orders", Verdict.PASS), ("sessions", None))
    assert rows["rto"].verdict is Verdict.INCONCLUSIVE
    assert rows["rto"].unjudged == ("sessions",)
    assert "were met, none failed. 9 had nothing to be judged by." in headline(report)


def test_the_worst_finding_of_a_target_counts() -> None:
    """Of several findings of one target and subject, FAIL wins over INCONCLUSIVE over PASS."""
    both = (finding(Verdict.FAIL), finding(Verdict.PASS))
    for findings in (both, both[::-1]):
        rows = target_rows(with_findings(*findings, verdict=Verdict.FAIL))
        assert dict(rows[0].verdicts)["orders"] is Verdict.FAIL


def test_a_finding_about_all_subjects() -> None:
    """It judges each covered subject, beside the findings of its own."""
    report = with_findings(
        finding(Verdict.FAIL, subject=None), finding(Verdict.PASS), verdict=Verdict.FAIL
    )
    rows = target_rows(report)
    assert rows[0].verdicts == (("orders", Verdict.FAIL), ("sessions", Verdict.FAIL))


def test_volumes_are_no_targets_to_meet() -> None:
    """The documented sizes are what is extrapolated to; nothing can fail them."""
    assert len(target_rows(judged("passing"))) == 9
    assert len(judged("passing").plan.targets) == 11


def test_the_strictest_objective_counts() -> None:
    """Of two RTOs that cover a subject the shorter is drawn; of none, none."""
    report = judged("passing")
    assert report.rto_s("orders") == 300.0
    assert report.rpo_s("sessions") == 60.0
    assert report.rto_s("unknown") is None
    only_redis = tuple(replace(target, covers=(Kind.REDIS,)) for target in report.plan.targets)
    narrowed = Report(
        judgement=report.judgement, run=report.run, plan=replace(report.plan, targets=only_redis)
    )
    assert narrowed.rto_s("orders") is None


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("nothing", ["0"]),
        ("passing", ["2", "7.48 s", "0.8 s", "17.9 s"]),
        ("failing", ["4", "1 min 59.4 s", "2 h 3 min", "3 min 8 s"]),
        ("censored", ["2", "> 10 min", "0 s", "5 min 41 s"]),
    ],
)
def test_the_figures_are_the_worst(name: str, values: list[str]) -> None:
    """The longest recovery, the largest loss, the longest verification; an open one is worst."""
    assert [figure.value for figure in figures(judged(name))] == values


@pytest.mark.parametrize("name", NAMES)
def test_something_is_always_not_shown(name: str) -> None:
    """No report is without limits."""
    assert limits(judged(name))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0421, "0.042 s"), (59.94, "59.9 s"), (300.0, "5 min"), (300.4, "5 min 0.4 s")],
)
def test_durations(seconds: float, text: str) -> None:
    """A miss by less than a second can be seen in the text."""
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (7.31, 7.48, "7.31..7.48 s"),
        (0.2, 7.48, "0.2 s..7.48 s"),
        (118.2, 119.4, "1 min 58.2..59.4 s"),
        (59.0, 61.0, "59 s..1 min 1 s"),
        (300.0, 300.4, "5 min..5 min 0.4 s"),
        (2.0, 2.0, "2 s"),
    ],
)
def test_spans(low: float, high: float, text: str) -> None:
    """Two bounds, as short as they can be read."""
    assert wording.span(low, high) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Measure(name="RTA", unit="s", value=None), "not measured"),
        (Measure(name="RTA", unit="s", value=8.0, low=7.0, high=8.0), "8 s (7..8 s)"),
        (Measure(name="RTA", unit="s", value=600.0, low=600.0), "> 10 min"),
        (Measure(name="objects missing", unit="objects", value=1234.0), "1,234"),
        (Measure(name="lost", unit="records", value=2.0), "2 records"),
        (Measure(name="RTA", unit="s", value=900.0, predicted=True), "15 min, predicted"),
        (Measure(name="size", unit="bytes", value=2048.0), "2 KiB"),
        (Measure(name="share", unit="1", value=0.25), "0.25"),
    ],
)
def test_measures(number: Measure, text: str) -> None:
    """A number with its unit, its bounds, and whether it is a prediction."""
    assert wording.measure(number) == text


def test_evidence_is_short() -> None:
    """Neighbouring sequence numbers are one range."""
    assert wording.evidence(()) == ""
    assert wording.evidence((9, 3, 8, 7, 12, 3)) == "3, 7-9, 12"


def test_printable() -> None:
    """One line, no control character, nothing that XML refuses."""
    assert wording.printable("a\nb\tc\x1b[0m\x00\ud800\ufffe") == "a b c\ufffd[0m\ufffd\ufffd\ufffd"


def test_moments_are_in_utc() -> None:
    """A moment names its zone."""
    assert wording.when(datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)) == "2026-11-24 01:02:03 UTC"
