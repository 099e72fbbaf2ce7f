"""Which subjects a promise is about, and the finding where there is none. Pure."""

from __future__ import annotations

from harness.judge.answer import Answer
from harness.judge.conformance.evidence import ConformanceEvidence
from harness.model.target import Kind, Target
from harness.model.verdict import Verdict
from harness.model.workload import KUBERNETES


def covered(run: ConformanceEvidence, target: Target) -> tuple[str, ...]:
    """Ids of the environment's workloads of the kinds that it covers, and of the API itself."""
    api = (KUBERNETES,) if Kind.KUBERNETES in target.covers else ()
    return (*api, *(one.id for one in run.plan.workloads if one.target_kind in target.covers))


def nobody(target: Target) -> Answer:
    """What is to be said where the environment has nothing that it covers."""
    kinds = ", ".join(target.covers)
    return Answer(
        verdict=Verdict.INCONCLUSIVE,
        headline=f"{target.id}: the environment has no workload of kind {kinds}",
        advice="[[environments.NAME.workloads]] in harness.toml",
    )


def unseen(run: ConformanceEvidence, look: str, about: str) -> Answer:
    """What is to be said of something that a look left no fact of."""
    return Answer(
        verdict=Verdict.INCONCLUSIVE,
        headline=f"{about}: {run.not_looked(look) or f'the look at {look} said nothing of it'}",
        advice=f"harness run {run.plan.suite} -e {run.plan.environment}",
    )
