"""Reads off one run what it says of a target: one verdict, its basis, how strong. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from harness.model.configuration import RestoreTest
from harness.model.conformance import ConformancePlan
from harness.model.coverage import Basis, RunAnswer
from harness.model.game_day import GameDayPlan
from harness.model.judgement import Judgement
from harness.model.load_test import LoadPlan
from harness.model.plan import Plan, RunPlan, subjects
from harness.model.run import RunRecord
from harness.model.target import Target
from harness.model.verdict import Finding, Verdict, merge

_LEVELS = ("OBSERVED", "GATE", "CERTIFY")
"""The levels of a claim over trials (harness.judge.statistics.strength), the weakest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedRun:
    """One run that ended: its record, its plan and its verdict."""

    run: RunRecord
    ended: datetime
    plan: RunPlan
    judgement: Judgement

    @property
    def whole(self) -> bool:
        """No trial that was planned is missing: it was not interrupted."""
        return all(
            found.verdict is Verdict.PASS
            for found in self.judgement.findings
            if found.id in {"drill/end", "drill/trials"}
        )


def planned_scenarios(plan: RunPlan) -> tuple[str, ...]:
    """The scenario of each trial, in their order; of a conformance check, its looks."""
    match plan:
        case ConformancePlan():
            return plan.looks
        case LoadPlan():
            return tuple(trial.scenario.id for trial in plan.trials)
        case GameDayPlan() | Plan():
            return tuple(trial.scenario for trial in plan.trials)


def promised_otherwise(run: EndedRun, target: Target) -> bool:
    """Whether the run judged that target when it promised something else."""
    return bool(_findings(run, target)) and not _same_promise(run, target)


def answer_of(run: EndedRun, target: Target) -> RunAnswer | None:
    """What a run says of a target; None: nothing, or of another promise than it is today.

    A subject of the run that the target covers and that nothing was found of keeps it from being
    a PASS, as in the run's own report. Load tests and conformance checks are about one service or
    about the platform as a whole: their findings are all there is.

    That restores are rehearsed, no run says of itself: each that restored something shows it,
    whatever came of the restores.
    """
    if isinstance(target.objective, RestoreTest):
        return _rehearsal(run)
    findings = _findings(run, target)
    if not findings or not _same_promise(run, target):
        return None
    unjudged = _unjudged(run.plan, target, findings)
    scenarios = tuple(dict.fromkeys(one.scenario for one in findings if one.scenario is not None))
    counted = Counter(planned_scenarios(run.plan))
    weakest = min(
        (one for one in findings if one.strength is not None),
        key=lambda one: (_rank(one), counted[one.scenario or ""]),
        default=None,
    )
    return RunAnswer(
        run=run.run.run,
        suite=run.run.suite,
        environment=run.run.environment,
        at=run.ended,
        verdict=merge(
            [*(one.verdict for one in findings), *(Verdict.INCONCLUSIVE for _ in unjudged)]
        ),
        basis=_basis(run.plan, findings),
        scenarios=scenarios,
        trials=sum(counted[scenario] for scenario in scenarios),
        level=None if weakest is None or _rank(weakest) < 0 else _LEVELS[_rank(weakest)],
        claim=None if weakest is None else weakest.strength,
        unjudged=unjudged,
        practice=run.run.practice,
    )


def _rehearsal(run: EndedRun) -> RunAnswer | None:
    if not run.judgement.restores or not run.whole:
        return None
    restored = run.judgement.restores
    return RunAnswer(
        run=run.run.run,
        suite=run.run.suite,
        environment=run.run.environment,
        at=run.ended,
        verdict=Verdict.PASS,
        basis=Basis.TEST,
        scenarios=tuple(dict.fromkeys(one.scenario for one in restored)),
        trials=len({one.trial for one in restored}),
        practice=run.run.practice,
    )


def _findings(run: EndedRun, target: Target) -> Sequence[Finding]:
    return [one for one in run.judgement.findings if one.target == target.id]


def _same_promise(run: EndedRun, target: Target) -> bool:
    return any(
        one.id == target.id and one.objective == target.objective for one in run.plan.targets
    )


def _unjudged(plan: RunPlan, target: Target, findings: Iterable[Finding]) -> tuple[str, ...]:
    if not isinstance(plan, Plan | GameDayPlan):
        return ()
    judged = {one.subject for one in findings}
    if None in judged:
        return ()
    return tuple(
        subject
        for subject, kind in subjects(plan).items()
        if kind in target.covers and subject not in judged
    )


def _basis(plan: RunPlan, findings: Iterable[Finding]) -> Basis:
    """A test where a finding has a number that was measured, or claims something over trials."""
    if isinstance(plan, ConformancePlan):
        return Basis.CONFIGURATION
    tested = any(
        one.strength is not None or not all(measure.predicted for measure in one.measures)
        for one in findings
    )
    return Basis.TEST if tested else Basis.CONFIGURATION


def _rank(found: Finding) -> int:
    word = (found.strength or "").partition(":")[0]
    return _LEVELS.index(word) if word in _LEVELS else -1
