"""Decides whether the conformance check itself was whole: ended, complete, nothing left. Pure.

What these findings say bears on every other one.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.judge import hygiene
from harness.judge.answer import Answer, finding
from harness.judge.conformance.evidence import ConformanceEvidence
from harness.judge.facts import sequences
from harness.model.conformance import KINDS, ObjectsRead
from harness.model.verdict import Finding, Verdict

CHECK = hygiene.CHECK


def judge(run: ConformanceEvidence) -> Iterator[Finding]:
    """The clean-up, the end, the looks, the record, and what of the API was hidden."""
    for name, answer in (
        ("clean-up", hygiene.clean_up(run.history)),
        ("end", hygiene.end(run.history)),
        ("looks", hygiene.trials(run.plan, run.history)),
        ("record", hygiene.record(run.history)),
        ("objects", _objects(run)),
    ):
        yield finding(answer, identity=f"{CHECK}/{name}", target=None, subject=None)


def _objects(run: ConformanceEvidence) -> Answer:
    """Every kind was read that the cluster has: what is hidden cannot be told from what is not."""
    reads = run.facts(ObjectsRead)
    read = [one for one in reads if one.fact.file is not None]
    missing = [
        why
        for kind in (kind for _, kind in KINDS)
        if run.served(kind) or run.read_of(kind) is None
        for why in run.unread(kind)
    ]
    not_served = [one.fact.kind for one in reads if not one.fact.served]
    detail = (*missing, *((f"not of this cluster: {', '.join(not_served)}",) if not_served else ()))
    if missing:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"objects: {len(missing)} of {len(KINDS)} kinds were not read: {missing[0]}",
            detail=detail,
            advice=f"harness plan {run.plan.suite} -e {run.plan.environment} --rbac ACCOUNT"
            "  # prints the rights",
            evidence=sequences(reads),
        )
    return Answer(
        verdict=Verdict.PASS,
        headline=f"objects: {sum(one.fact.count for one in read)} of {len(read)} kinds were read",
        detail=detail,
        evidence=sequences(reads),
    )
