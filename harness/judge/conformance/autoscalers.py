"""Decides whether autoscalers are set as documented, and how many replicas each service has. Pure.

That an autoscaler does what its settings say, a load test shows (harness.judge.load.autoscaling).
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.judge.conformance.evidence import ConformanceEvidence, JudgeFunction
from harness.judge.conformance.services import (
    CONTROLLERS,
    Object,
    Service,
    documented_namespaces,
    each,
    over,
    place_of,
    services,
)
from harness.model.target import AutoscalerRange, AutoscalerUtilization, Replicas, Target
from harness.model.verdict import Finding

_KIND = "HorizontalPodAutoscaler"
_ADVICE = "kubectl get horizontalpodautoscalers --all-namespaces"
_RESOURCES = {"Resource": "resource", "ContainerResource": "containerResource"}


def judge_range(
    run: ConformanceEvidence, target: Target, objective: AutoscalerRange
) -> Iterator[Finding]:
    """Of each autoscaler in a documented namespace; at least 1 where it does not say."""
    subjects = []
    for one in _autoscalers(run):
        got = one["spec"].get("minReplicas", 1), one["spec"]["maxReplicas"]
        fits = got == (objective.minimum, objective.maximum)
        wrong = f"{got[0]} to {got[1]}, expected {objective.minimum} to {objective.maximum}"
        subjects.append((place_of(one), () if fits else (wrong,)))
    yield over(run, target, subjects, kinds=(_KIND,), what="range of autoscalers", advice=_ADVICE)


def judge_utilization(
    run: ConformanceEvidence, target: Target, objective: AutoscalerUtilization
) -> Iterator[Finding]:
    """Of each autoscaler in a documented namespace, by its metrics of that resource."""
    subjects = []
    for one in _autoscalers(run):
        got = [
            metric[field].get("target", {}).get("averageUtilization")
            for metric in one["spec"].get("metrics") or ()
            if (field := _RESOURCES.get(metric["type"])) is not None
            and metric[field]["name"] == objective.resource
        ]
        shown = ", ".join(str(value) for value in got) or "no such metric"
        fits = got == [objective.percent]
        wrong = f"{objective.resource}: got {shown}, expected {objective.percent} percent"
        subjects.append((place_of(one), () if fits else (wrong,)))
    yield over(
        run,
        target,
        subjects,
        kinds=(_KIND,),
        what=f"{objective.resource} that autoscalers aim at",
        advice=_ADVICE,
    )


def judge_replicas(
    run: ConformanceEvidence, target: Target, objective: Replicas
) -> Iterator[Finding]:
    """So many at least; where an autoscaler sets them, its minimum is what is promised."""
    minimum = {
        (one["metadata"]["namespace"], aim["kind"], aim["name"]): one["spec"].get("minReplicas", 1)
        for one in run.of_kind(_KIND)
        if (aim := one["spec"]["scaleTargetRef"])
    }

    def problems(one: Service) -> Iterator[str]:
        by_autoscaler = minimum.get((one.namespace, one.kind, one.name))
        got = one.content["spec"].get("replicas", 1) if by_autoscaler is None else by_autoscaler
        if got < objective.count:
            by = "its replicas are" if by_autoscaler is None else "its autoscaler keeps"
            yield f"{by} {got}, expected {objective.count}"

    yield over(
        run,
        target,
        each(services(run, objective.namespaces), problems),
        kinds=(*CONTROLLERS, _KIND),
        what=f"replicas of services in {objective.namespaces}",
        advice="kubectl get deployments,horizontalpodautoscalers --all-namespaces",
    )


def _autoscalers(run: ConformanceEvidence) -> Iterator[Object]:
    documented = documented_namespaces(run)
    for one in run.of_kind(_KIND):
        if one["metadata"]["namespace"] in documented:
            yield one


JUDGES: dict[type, JudgeFunction] = {
    AutoscalerRange: judge_range,
    AutoscalerUtilization: judge_utilization,
    Replicas: judge_replicas,
}
