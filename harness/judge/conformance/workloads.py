"""Decides by what objects services and data stores are run, and how they are replaced. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.judge.conformance.covered import nobody
from harness.judge.conformance.evidence import ConformanceEvidence, JudgeFunction
from harness.judge.conformance.selectors import equalities, has
from harness.judge.conformance.services import (
    CONTROLLERS,
    Service,
    controllers,
    each,
    over,
    place_of,
    said,
    services,
)
from harness.model.configuration import Canary, Rollout, VerticalAutoscaler, WorkloadKind
from harness.model.quantity import amount_of
from harness.model.target import Target
from harness.model.verdict import Finding

_DEFAULT_SHARE = "25%"
"""Of maxSurge and maxUnavailable (Kubernetes API, RollingUpdateDeployment)."""


def judge_kind(
    run: ConformanceEvidence, target: Target, objective: WorkloadKind
) -> Iterator[Finding]:
    """Who controls the pods of each data store that the target covers."""
    covered = [one for one in run.plan.workloads if one.target_kind in target.covers]
    if not covered:
        yield said(run, target, nobody(target), kinds=CONTROLLERS)
        return
    subjects: list[tuple[str, tuple[str, ...]]] = []
    for workload in covered:
        wanted = equalities(workload.pods)
        found = [one for one in controllers(run, workload.namespace) if has(wanted, one.labels)]
        kinds = sorted({one.kind for one in found})
        if not found:
            problems: tuple[str, ...] = ("no controller of its pods is on record",)
        elif kinds != [objective.workload]:
            problems = (f"run by {', '.join(kinds)}, expected {objective.workload}",)
        else:
            problems = ()
        subjects.append((workload.id, problems))
    yield over(
        run,
        target,
        [] if run.unread(*CONTROLLERS) else subjects,
        kinds=CONTROLLERS,
        what=f"run by a {objective.workload}",
        advice="kubectl get statefulsets,deployments --all-namespaces",
    )


def judge_rollout(
    run: ConformanceEvidence, target: Target, objective: Rollout
) -> Iterator[Finding]:
    """The strategy of each service's Deployment; a number of pods is taken of its replicas."""

    def problems(one: Service) -> Iterator[str]:
        strategy = one.content["spec"].get("strategy") or {}
        if strategy.get("type", "RollingUpdate") != "RollingUpdate":
            yield f"strategy: got {strategy['type']}, expected RollingUpdate"
            return
        rolling = strategy.get("rollingUpdate") or {}
        replicas = one.content["spec"].get("replicas", 1)
        for name, wanted in (
            ("maxSurge", objective.max_surge),
            ("maxUnavailable", objective.max_unavailable),
        ):
            got = rolling.get(name, _DEFAULT_SHARE)
            if _percent(got, replicas) != wanted:
                yield f"{name}: got {got}, expected {wanted}%"

    yield over(
        run,
        target,
        each((one for one in services(run) if one.kind == "Deployment"), problems),
        kinds=("Deployment",),
        what="strategy of services' Deployments",
        advice="kubectl get deployments --all-namespaces -o yaml",
    )


def judge_canary(run: ConformanceEvidence, target: Target, objective: Canary) -> Iterator[Finding]:
    """The steps of each Rollout (Argo Rollouts, Canary): its weights, in order."""
    wanted = [one.weight for one in objective.phases]
    subjects = []
    for one in run.of_kind("Rollout"):
        canary = (one["spec"].get("strategy") or {}).get("canary") or {}
        got = [step["setWeight"] for step in canary.get("steps", ()) if "setWeight" in step]
        # Argo Rollouts goes to 100 % after its last step, whether that says so or not.
        fits = got in (wanted, [weight for weight in wanted if weight < 100])
        subjects.append(
            (place_of(one), () if fits else (f"weights: got {got}, expected {wanted}",))
        )
    yield over(
        run,
        target,
        subjects,
        kinds=("Rollout",),
        what="canary phases",
        advice="kubectl get rollouts --all-namespaces -o yaml",
    )


def judge_vertical(
    run: ConformanceEvidence, target: Target, objective: VerticalAutoscaler
) -> Iterator[Finding]:
    """Mode and bounds of each VerticalPodAutoscaler."""
    subjects = [
        (place_of(one), tuple(_vertical(one, objective)))
        for one in run.of_kind("VerticalPodAutoscaler")
    ]
    yield over(
        run,
        target,
        subjects,
        kinds=("VerticalPodAutoscaler",),
        what="vertical autoscalers",
        advice="kubectl get verticalpodautoscalers --all-namespaces -o yaml",
    )


def _vertical(content: dict[str, Any], wanted: VerticalAutoscaler) -> Iterator[str]:
    spec = content["spec"]
    # Auto where nothing is said (Kubernetes autoscaler, PodUpdatePolicy).
    mode = (spec.get("updatePolicy") or {}).get("updateMode", "Auto")
    if mode != wanted.mode:
        yield f"updateMode: got {mode}, expected {wanted.mode}"
    policies = (spec.get("resourcePolicy") or {}).get("containerPolicies") or [{}]
    for policy in policies:
        for name, size in (("minAllowed", wanted.minimum), ("maxAllowed", wanted.maximum)):
            given = policy.get(name) or {}
            for resource, expected in (("cpu", size.cpu), ("memory", size.memory)):
                got = given.get(resource)
                if got is None or amount_of(got) != amount_of(expected):
                    yield f"{name} {resource}: got {got}, expected {expected}"


def _percent(given: str | int, replicas: int) -> float:
    if isinstance(given, str) and given.endswith("%"):
        return float(given[:-1])
    return 100 * float(given) / replicas if replicas else 0.0


JUDGES: dict[type, JudgeFunction] = {
    WorkloadKind: judge_kind,
    Rollout: judge_rollout,
    Canary: judge_canary,
    VerticalAutoscaler: judge_vertical,
}
