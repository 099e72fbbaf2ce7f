"""A share of pods is whole pods: what cannot be divided that finely needs something that divides
requests instead.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.feasibility.finding import Finding, Harm, Word, once
from harness.feasibility.ground import Ground
from harness.model.configuration import Canary, Component
from harness.model.target import Replicas

RULE = "shares-are-whole"
LAW = "A share of some pods is a whole number of them."
NEEDS = "canary phases and a number of replicas"

SPLITTERS = ("istio", "linkerd", "argo rollouts", "flagger", "traefik", "contour", "cilium", "kong")
"""What sends a share of requests to a version by itself, whatever the number of its pods."""


def look(ground: Ground) -> Iterator[Finding]:
    """Each canary's smallest share of each number of replicas."""
    splitters = [
        one
        for one in ground.said(Component)
        if any(name in one.objective.name.lower() for name in SPLITTERS)
    ]
    for canary in ground.said(Canary):
        weights = [one.weight for one in canary.objective.phases]
        for replicas in ground.said(Replicas):
            count = replicas.objective.count
            parts = [(weight, weight * count / 100) for weight in weights]
            broken = [(weight, part) for weight, part in parts if part != int(part)]
            word = Word.TIGHT if broken and not splitters else Word.HOLDS
            terms = ", ".join(f"{weight} % of {count} = {part:g}" for weight, part in parts)
            split = f"; {splitters[0].objective.name} splits requests" if splitters else ""
            yield Finding(
                rule=RULE,
                about=f"{canary.id}, {replicas.id}",
                word=word,
                says=f"{replicas.objective.namespaces}: {terms} pods{split}",
                sum=f"{terms}; one of {count} pods is {100 / count:.3g} %",
                targets=once(canary.id, replicas.id, *(one.id for one in splitters)),
                harm=Harm.ROLLOUT,
                why="A Service sends each ready pod about as many requests: without something that "
                "splits requests, a version's share is that of its pods.",
                resolve=""
                if word is Word.HOLDS
                else "Name what splits the traffic, such as a service mesh; or phases that are "
                f"whole pods: {', '.join(f'{100 * n / count:.3g} %' for n in range(1, count + 1))}",
                assumes=()
                if word is Word.HOLDS
                else ("nothing splits requests: no target names what would",),
                sources=('Kubernetes documentation, "Service", load balancing',),
            )
