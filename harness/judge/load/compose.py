"""Has every judge of load tests say what it finds, and puts it into one judgement. Pure.

As harness.judge.compose does it for restores: equal evidence gives an equal judgement, to the byte;
a judge that fails is a finding; a target that nobody judged is INCONCLUSIVE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from harness.judge.compose import FORMAT, WORST_FIRST, not_measured, safely, told
from harness.judge.load import autoscaling, capacity, drill, objectives, quotas, regression, summary
from harness.judge.load.evidence import LoadRun
from harness.model.judgement import Judgement
from harness.model.load_judgement import LoadSummary
from harness.model.load_test import LoadPlan
from harness.model.plan import answerable, subjects
from harness.model.verdict import Finding, merge


def judge_load_test(run: LoadRun) -> Judgement:
    """The judgement of one run of a load test."""
    found = [finding for check, ask in _judges(run) for finding in safely(check, ask)]
    found += _unanswered(run.plan, found)
    shown, not_shown = _summary(run)
    return Judgement(
        format=FORMAT,
        suite=run.plan.suite,
        environment=run.plan.environment,
        verdict=merge(finding.verdict for finding in found),
        findings=tuple(sorted(found, key=lambda one: WORST_FIRST.index(one.verdict))),
        restores=(),
        predictions=(),
        load=shown,
        deviations=not_shown,
    )


def _judges(run: LoadRun) -> Iterator[tuple[str, Callable[[], Iterable[Finding]]]]:
    """Every judge in the order in which a person reads: what was promised first, then the drill."""
    yield objectives.CHECK, partial(objectives.judge, run)
    yield autoscaling.CHECK, partial(autoscaling.judge, run)
    yield capacity.CHECK, partial(capacity.judge, run)
    yield quotas.CHECK, partial(quotas.judge, run)
    yield regression.CHECK, partial(regression.judge, run)
    yield drill.CHECK, partial(drill.judge, run)


def _unanswered(plan: LoadPlan, found: Sequence[Finding]) -> Iterator[Finding]:
    """Each promise that a load test looks at and no judge answered."""
    answered = {one.target for one in found}
    for target in answerable(plan):
        covered = [name for name, kind in subjects(plan).items() if kind in target.covers]
        if target.id not in answered and covered:
            yield not_measured(f"target/{target.id}", target.id, covered[0])


def _summary(run: LoadRun) -> tuple[LoadSummary, tuple[str, ...]]:
    """What is shown beside the findings; what cannot be put together is said instead."""
    try:
        return (
            LoadSummary(
                injections=summary.injections(run),
                seconds=summary.loads(run),
                scales=summary.scales(run),
                faults=summary.faults(run),
                autoscaler=autoscaling.summaries(run),
                capacity=capacity.summaries(run),
                headroom=quotas.headroom(run),
                filled=quotas.filled(run),
                compared=regression.comparisons(run),
            ),
            (),
        )
    except Exception as error:  # noqa: BLE001 - the findings must be heard all the same
        return LoadSummary(), (f"tables and pictures could not be made: {told(error)}",)
