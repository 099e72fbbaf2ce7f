"""Has every judge of load tests say what it finds, and puts it into one judgement. Pure.

As harness.judge.compose does it for restores: equal evidence gives an equal judgement, to the byte;
a judge that fails is a finding; a target that nobody judged is INCONCLUSIVE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from harness.judge.compose import FORMAT, WORST_FIRST, safely
from harness.judge.load import drill
from harness.judge.load.evidence import LoadRun
from harness.model.judgement import Judgement
from harness.model.load_judgement import LoadSummary
from harness.model.verdict import Finding, merge


def judge_load_test(run: LoadRun) -> Judgement:
    """The judgement of one run of a load test."""
    found = [finding for check, ask in _judges(run) for finding in safely(check, ask)]
    return Judgement(
        format=FORMAT,
        suite=run.plan.suite,
        environment=run.plan.environment,
        verdict=merge(finding.verdict for finding in found),
        findings=tuple(sorted(found, key=lambda one: WORST_FIRST.index(one.verdict))),
        restores=(),
        predictions=(),
        load=LoadSummary(),
    )


def _judges(run: LoadRun) -> Iterator[tuple[str, Callable[[], Iterable[Finding]]]]:
    """Every judge in the order in which a person reads: what was promised first, then the drill."""
    yield drill.CHECK, partial(drill.judge, run)
