"""Shows the plan of a conformance check to a person: what is looked at, and what it needs. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from harness.model.conformance import ConformancePlan
from harness.model.plan import answerable
from harness.report.wording import plural


def show_conformance_plan(plan: ConformancePlan) -> str:
    """The plan in words: looks, promises, blast radius, rights."""
    return "".join(f"{line}\n" for line in _lines(plan))


def _lines(plan: ConformancePlan) -> Iterator[str]:
    yield (
        f"{plan.suite} in {plan.environment}: {plural(len(plan.looks), 'look')} "
        f"({', '.join(plan.looks)}); context {plan.cluster.context}, {plan.cluster.server}, "
        f"Kubernetes {plan.cluster.version}, cluster {plan.cluster.uid}"
    )
    asked = answerable(plan)
    yield f"{plural(len(asked), 'promise')} of {len(plan.targets)} targets:"
    by_section = Counter("" if one.source is None else one.source.section for one in asked)
    for section, count in by_section.items():
        yield f"  {section or 'not in the document'}: {count}"
    yield "blast radius:"
    yield from (f"  {line}" for line in plan.blast_radius)
    yield f"needs {len(plan.rights)} rights:"
    yield from (f"  {line}" for line in plan.rights)
    yield (
        f"as roles: harness plan {plan.suite} -e {plan.environment} --rbac NAMESPACE/SERVICEACCOUNT"
    )
