"""What runs say of an objective: nothing on no data, one FAIL contradicts, all of it supports."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from ended_runs import ENDED, finding, run
from hypothesis import given
from hypothesis import strategies as st

from harness.compliance.support import JudgedRun, newest_of_each_suite, support
from harness.model.compliance import (
    Control,
    Evidence,
    Framework,
    Objective,
    ObjectiveSupport,
    Property,
    Support,
)
from harness.model.verdict import Verdict, merge


def said(
    *runs: JudgedRun,
    evidence: tuple[Evidence, ...] = (Evidence(check="restore"),),
    every: timedelta | None = None,
    now: datetime = ENDED,
) -> ObjectiveSupport:
    objective = Objective(
        id="CP-X", asks="Something.", source="here", evidence=evidence, every=every, beyond="more"
    )
    control = Control(id="cp-x", name="X", objectives=(objective,))
    framework = Framework(framework="nist", title="NIST", controls=(control,))
    (found,) = support([framework], runs, now)
    return found


def test_of_no_run_nothing_is_said() -> None:
    found = said()
    assert found.support is Support.NOTHING
    assert found.missing == ("no finding of check restore",)


def test_a_run_without_findings_says_nothing() -> None:
    assert said(run()).support is Support.NOTHING


def test_what_no_run_can_show_is_never_supported() -> None:
    assert said(run(finding(Verdict.PASS)), evidence=()).support is Support.NOTHING


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([Verdict.PASS], Support.SUPPORTS),
        ([Verdict.PASS, Verdict.INCONCLUSIVE], Support.INCONCLUSIVE),
        ([Verdict.INCONCLUSIVE], Support.INCONCLUSIVE),
        ([Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL], Support.CONTRADICTS),
    ],
)
def test_the_worst_finding_decides(verdicts: list[Verdict], expected: Support) -> None:
    findings = [finding(verdict, scenario=str(n)) for n, verdict in enumerate(verdicts)]
    found = said(run(*findings))
    assert found.support is expected
    assert found.cited[0].verdict is merge(verdicts)


def test_one_kind_of_evidence_that_is_missing_keeps_it_from_being_supported() -> None:
    found = said(
        run(finding(Verdict.PASS)),
        evidence=(Evidence(check="restore"), Evidence(check="integrity", scenario="whole-loss")),
    )
    assert found.support is Support.INCONCLUSIVE
    assert found.missing == ("no finding of check integrity, scenario whole-loss",)


def test_a_failure_contradicts_although_evidence_is_missing() -> None:
    evidence = (Evidence(check="restore"), Evidence(check="integrity"))
    assert said(run(finding(Verdict.FAIL)), evidence=evidence).support is Support.CONTRADICTS


@pytest.mark.parametrize(
    "asked",
    [
        Evidence(check="restore", scenario="zone"),
        Evidence(check="restore", target="rto"),
        Evidence(check="restore", suite="game-day"),
        Evidence(target="rpo"),
    ],
)
def test_a_finding_of_something_else_is_no_evidence(asked: Evidence) -> None:
    found = said(run(finding(Verdict.PASS, scenario="pod", target="other")), evidence=(asked,))
    assert found.support is Support.NOTHING


def test_the_practice_platform_supports_nothing() -> None:
    found = said(run(finding(Verdict.PASS), practice=True))
    assert found.support is Support.NOTHING
    # ... and contradicts nothing.
    assert said(run(finding(Verdict.FAIL), practice=True)).support is Support.NOTHING


def test_evidence_that_is_too_old_is_no_support_and_says_of_when_it_is() -> None:
    old = run(finding(Verdict.PASS))
    year = timedelta(days=365)
    assert said(old, every=year, now=ENDED + year).support is Support.SUPPORTS
    late = said(old, every=year, now=ENDED + year + timedelta(seconds=1))
    assert late.support is Support.INCONCLUSIVE
    assert late.missing == ("check restore: the newest finding is of 2026-11-22, too old",)


@pytest.mark.parametrize(
    ("asked", "with_it", "without"),
    [
        (Property.SEALED, run(finding(Verdict.PASS), sealed=True), run(finding(Verdict.PASS))),
        (
            Property.PARTICIPANTS,
            run(finding(Verdict.PASS), participants=("Ada",)),
            run(finding(Verdict.PASS)),
        ),
        (Property.PLANNED_BEFORE, run(finding(Verdict.PASS)), run()),
    ],
)
def test_how_a_run_was_held(asked: Property, with_it: JudgedRun, without: JudgedRun) -> None:
    evidence = (Evidence(property=asked),)
    found = said(with_it, evidence=evidence)
    assert found.support is Support.SUPPORTS
    assert found.properties == (f"{asked}: {with_it.run.run}",)
    assert said(without, evidence=evidence).support is Support.NOTHING


def test_the_newest_run_of_each_suite_stands_for_today() -> None:
    first = run(finding(Verdict.FAIL), ended=ENDED - timedelta(days=7))
    second = run(finding(Verdict.PASS))
    other = run(finding(Verdict.FAIL), suite="game-day", ended=ENDED - timedelta(days=70))
    assert list(newest_of_each_suite([second, first, other])) == [other, second]
    assert newest_of_each_suite([]) == ()


@given(st.lists(st.sampled_from(list(Verdict)), min_size=1), st.sampled_from(list(Verdict)))
def test_more_findings_never_make_it_better_than_the_worst(
    verdicts: list[Verdict], more: Verdict
) -> None:
    """A finding more can only leave the support as it is, or lower it."""
    order = [Support.CONTRADICTS, Support.INCONCLUSIVE, Support.SUPPORTS]
    before = [finding(verdict, scenario=str(n)) for n, verdict in enumerate(verdicts)]
    after = [*before, finding(more, scenario="more")]
    assert order.index(said(run(*after)).support) <= order.index(said(run(*before)).support)


def test_evidence_names_a_finding_or_a_property() -> None:
    with pytest.raises(ValueError, match="expected a check or a target, or a property"):
        Evidence()
    with pytest.raises(ValueError, match="expected a check or a target, or a property"):
        Evidence(check="restore", property=Property.SEALED)
    with pytest.raises(ValueError, match="nothing that says why"):
        Objective(id="x", asks="x", source="x", evidence=())
