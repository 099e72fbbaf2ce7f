"""Has every promise of the document judged by what was seen of the platform. Pure.

As harness.judge.compose does it for restores: equal evidence gives an equal judgement, to the byte;
a judge that fails is a finding and takes no other with it; a promise that nobody can judge is
INCONCLUSIVE and says what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.judge.compose import FORMAT, WORST_FIRST, told
from harness.judge.conformance import drill
from harness.judge.conformance.evidence import ConformanceEvidence, JudgeFunction
from harness.judge.conformance.registry import JUDGES
from harness.model.configuration import Unmeasured
from harness.model.judgement import Judgement
from harness.model.plan import answerable
from harness.model.target import Objective, Target
from harness.model.verdict import Finding, Verdict, merge

Judges = Mapping[type, Sequence[JudgeFunction]]
"""Objective's type -> who judges it."""


def judge_conformance(run: ConformanceEvidence, judges: Judges = JUDGES) -> Judgement:
    """The judgement of one conformance check."""
    found = [
        finding
        for target in promises(run, judges)
        for finding in _judged(run, target, judges.get(type(target.objective), ()))
    ]
    found += drill.judge(run)
    return Judgement(
        format=FORMAT,
        suite=run.plan.suite,
        environment=run.plan.environment,
        verdict=merge(finding.verdict for finding in found),
        findings=tuple(sorted(found, key=lambda one: WORST_FIRST.index(one.verdict))),
        restores=(),
        predictions=(),
    )


def promises(run: ConformanceEvidence, judges: Judges = JUDGES) -> tuple[Target, ...]:
    """What a look can answer: all about how the platform is set up, and of the other promises those
    that a judge reads off its settings.
    """
    asked = {one.id for one in answerable(run.plan)}
    return tuple(
        one for one in run.plan.targets if one.id in asked or type(one.objective) in judges
    )


def _judged(
    run: ConformanceEvidence, target: Target, judges: Sequence[JudgeFunction]
) -> list[Finding]:
    objective = target.objective
    if isinstance(objective, Unmeasured):
        return [
            _inconclusive(target, f"no check sees it: {objective.why}; needed: {objective.needs}")
        ]
    if not judges:
        return [_inconclusive(target, "no check of it is built")]
    found: list[Finding] = []
    for judge in judges:
        try:
            found.extend(judge(run, target, objective))
        except Exception as error:  # noqa: BLE001 - whatever it is, the other judges must be heard
            module = judge.__module__.rpartition(".")[2]
            found.append(
                _inconclusive(target, f"its judge failed: {told(error)}", f"judge/{module}")
            )
    return found or [_inconclusive(target, "its judge found nothing to look at")]


def _inconclusive(target: Target, why: str, part: str | None = None) -> Finding:
    check = tag(target.objective)
    return Finding(
        id="/".join(filter(None, (check, target.id, part))),
        check=check,
        target=target.id,
        subject=None,
        scenario=None,
        verdict=Verdict.INCONCLUSIVE,
        headline=f"{target.id}: {why}",
    )


def tag(objective: Objective) -> str:
    """What an objective is called in targets/, the check of its findings."""
    return str(type(objective).__struct_config__.tag)
