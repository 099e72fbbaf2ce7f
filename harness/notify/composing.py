"""Decides whether a run is worth a notice, and what the notice says. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from harness.model.game_day import GameDayPlan
from harness.model.notice import Notice, Occasion, Problem
from harness.model.verdict import Finding, Verdict
from harness.report.summary import Report, headline

NOTICE_FORMAT = 1
"""Version of what a webhook is sent."""


def compose(
    report: Report,
    *,
    path: str,
    before: Verdict | None,
    last_success: datetime | None,
    not_kept: str | None,
) -> Notice:
    """The notice of a run.

    Args:
        report: the run.
        path: of its directory.
        before: the verdict of the run before it, of the same suite and environment; None: none is
            on record.
        last_success: when the last run before it that was PASS ended.
        not_kept: why its evidence is not sealed or archived.
    """
    judgement, run = report.judgement, report.run
    drilled = isinstance(report.plan, GameDayPlan)
    return Notice(
        format=NOTICE_FORMAT,
        run=run.run,
        suite=judgement.suite,
        environment=judgement.environment,
        occasion=_occasion(judgement.verdict, before, not_kept),
        verdict=judgement.verdict,
        ended=run.ended,
        headline=headline(report),
        failed=_problems(report.of(Verdict.FAIL)),
        inconclusive=_problems(report.of(Verdict.INCONCLUSIVE)),
        last_success=last_success,
        not_kept=not_kept,
        evidence=f"{run.host}:{path}",
        next=f"harness report {run.run}",
        runbook="docs/runbooks/game-day-went-wrong.md"
        if drilled
        else "docs/runbooks/validation-failed.md",
    )


def _occasion(verdict: Verdict, before: Verdict | None, not_kept: str | None) -> Occasion:
    """The worst that is to be told."""
    match verdict:
        case Verdict.FAIL:
            return Occasion.FAIL
        case Verdict.INCONCLUSIVE:
            return Occasion.INCONCLUSIVE
        case Verdict.PASS if not_kept is not None:
            return Occasion.NOT_KEPT
        case Verdict.PASS if before not in {None, Verdict.PASS}:
            return Occasion.RECOVERED
        case Verdict.PASS:
            return Occasion.PASS


def _problems(findings: Iterable[Finding]) -> tuple[Problem, ...]:
    return tuple(
        Problem(id=one.id, headline=one.headline, since=one.since, advice=one.advice)
        for one in findings
    )
