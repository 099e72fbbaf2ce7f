"""All rules over the same facts, each with what it compared or what it lacked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.feasibility import (
    capacities,
    demands,
    durations,
    flows,
    losses,
    names,
    prerequisites,
    ranges,
    restores,
    retentions,
    samples,
    shares,
    time_budgets,
    values,
)
from harness.feasibility.finding import Examined, Feasibility, Finding
from harness.feasibility.ground import Ground


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A law, and what looks for it."""

    name: str
    law: str
    needs: str
    """Which facts there must be, or nothing is compared."""

    look: Callable[[Ground], Iterator[Finding]]


RULES = (
    Rule(
        name=time_budgets.RULE,
        law=time_budgets.LAW,
        needs=durations.NEEDS,
        look=durations.look,
    ),
    Rule(name=losses.RULE, law=losses.LAW, needs=losses.NEEDS, look=losses.look),
    Rule(name=restores.RULE, law=restores.LAW, needs=restores.NEEDS, look=restores.look),
    Rule(name=capacities.RULE, law=capacities.LAW, needs=demands.NEEDS, look=demands.look),
    Rule(name=ranges.RULE, law=ranges.LAW, needs=ranges.NEEDS, look=ranges.look),
    Rule(name=values.RULE, law=values.LAW, needs=values.NEEDS, look=values.look),
    Rule(
        name=prerequisites.RULE,
        law=prerequisites.LAW,
        needs=prerequisites.NEEDS,
        look=prerequisites.look,
    ),
    Rule(name=flows.RULE, law=flows.LAW, needs=flows.NEEDS, look=flows.look),
    Rule(name=names.RULE, law=names.LAW, needs=names.NEEDS, look=names.look),
    Rule(name=shares.RULE, law=shares.LAW, needs=shares.NEEDS, look=shares.look),
    Rule(name=samples.RULE, law=samples.LAW, needs=samples.NEEDS, look=samples.look),
    Rule(name=retentions.RULE, law=retentions.LAW, needs=retentions.NEEDS, look=retentions.look),
)
"""In the order of what they save: time and data first."""


def examine(ground: Ground) -> Feasibility:
    """Looks for contradictions between all targets, by all rules."""
    return Feasibility(
        examined=tuple(
            Examined(
                rule=rule.name,
                law=rule.law,
                needs=rule.needs,
                findings=tuple(rule.look(ground)),
            )
            for rule in RULES
        ),
        sources={target.id: target.sources for target in ground.targets if target.sources},
    )
