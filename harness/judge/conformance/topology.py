"""Decides whether the cluster has the documented masters and workers, and whether data stores are
spread over its zones. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from harness.judge.answer import Answer
from harness.judge.conformance.covered import nobody
from harness.judge.conformance.evidence import ConformanceEvidence, JudgeFunction
from harness.judge.conformance.selectors import equalities, has, labels_of
from harness.judge.conformance.services import Object, over, said
from harness.model.configuration import ControlPlane, WorkersPerZone, ZoneSpread
from harness.model.target import Target
from harness.model.verdict import Finding, Verdict

ZONE = "topology.kubernetes.io/zone"
_MASTER = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
"""Labels of masters; the second until Kubernetes 1.24 (Well-Known Labels)."""

_ADVICE = f"kubectl get nodes -L {ZONE}"


def judge_masters(
    run: ConformanceEvidence, target: Target, objective: ControlPlane
) -> Iterator[Finding]:
    """As many as documented, all of them ready. Those of a managed cluster are no nodes of it."""
    masters = [one for one in run.of_kind("Node") if _is_master(one)]
    unread = run.unread("Node")
    ready = [one for one in masters if is_ready(one)]
    words = f"masters: {len(ready)} of {len(masters)} are ready, expected {objective.masters}"
    if unread or not masters:
        why = unread[0] if unread else "no node is one, as in a cluster whose masters are managed"
        answer = Answer(verdict=Verdict.INCONCLUSIVE, headline=f"masters: {why}", advice=_ADVICE)
    elif len(ready) == len(masters) == objective.masters:
        answer = Answer(verdict=Verdict.PASS, headline=words)
    else:
        answer = Answer(
            verdict=Verdict.FAIL,
            headline=words,
            detail=tuple(_not_ready(one) for one in masters if one not in ready),
            advice=_ADVICE,
        )
    yield said(run, target, answer, kinds=("Node",))


def judge_workers(
    run: ConformanceEvidence, target: Target, objective: WorkersPerZone
) -> Iterator[Finding]:
    """Of each zone that has a node; a worker without a zone counts for none."""
    zones: dict[str, list[Object]] = defaultdict(list)
    for node in run.of_kind("Node"):
        if (zone := labels_of(node).get(ZONE)) is not None:
            zones[zone] += [] if _is_master(node) else [node]
    subjects = []
    for zone, workers in sorted(zones.items()):
        ready = [one for one in workers if is_ready(one)]
        short = len(ready) < objective.at_least
        counted = f"{len(ready)} of {len(workers)} workers are ready"
        words = (
            f"{counted}, expected {objective.at_least} or more",
            *(_not_ready(one) for one in workers if one not in ready),
        )
        subjects.append((f"zone {zone}", words if short else ()))
    yield over(
        run,
        target,
        subjects,
        kinds=("Node",),
        what="workers of each zone",
        advice=_ADVICE,
    )


def judge_spread(
    run: ConformanceEvidence, target: Target, objective: ZoneSpread
) -> Iterator[Finding]:
    """Of each data store the zones in which a pod of it is ready."""
    kinds = ("Node", "Pod")
    covered = [one for one in run.plan.workloads if one.target_kind in target.covers]
    if not covered:
        yield said(run, target, nobody(target), kinds=kinds)
        return
    zone_of = {one["metadata"]["name"]: labels_of(one).get(ZONE) for one in run.of_kind("Node")}
    subjects = []
    for workload in covered:
        pods = [
            one
            for one in run.of_kind("Pod", workload.namespace)
            if has(equalities(workload.pods), labels_of(one)) and is_ready(one)
        ]
        zones = sorted({zone for one in pods if (zone := zone_of.get(one["spec"]["nodeName"]))})
        where = f"{len(pods)} ready pods are in {len(zones)} zones ({', '.join(zones) or 'none'})"
        fits = len(zones) >= objective.zones
        subjects.append(
            (workload.id, () if fits else (f"{where}, expected {objective.zones} or more",))
        )
    yield over(
        run,
        target,
        [] if run.unread(*kinds) else subjects,
        kinds=kinds,
        what=f"over {objective.zones} zones",
        advice="kubectl get pods --all-namespaces -o wide",
    )


def is_ready(one: Object) -> bool:
    """Condition Ready of a node or a pod."""
    conditions = (one.get("status") or {}).get("conditions") or ()
    return any((each["type"], each["status"]) == ("Ready", "True") for each in conditions)


def _is_master(node: Object) -> bool:
    return any(label in labels_of(node) for label in _MASTER)


def _not_ready(node: Object) -> str:
    return f"node {node['metadata']['name']} is not ready"


JUDGES: dict[type, JudgeFunction] = {
    ControlPlane: judge_masters,
    WorkersPerZone: judge_workers,
    ZoneSpread: judge_spread,
}
