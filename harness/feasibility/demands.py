"""What services may ask for at once by their documented sizes, and which quota it must fit into."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fnmatch import fnmatchcase

from harness.capacity.headroom import ALL, headrooms, written_out
from harness.feasibility.capacities import RULE, Capacity, Share, add_up, show
from harness.feasibility.finding import Finding, Harm, Word, once
from harness.feasibility.ground import Ground, Said
from harness.feasibility.pods import DocumentedPod, amounts, pod_in, services_of
from harness.model.autoscaling import Resource
from harness.model.configuration import Namespace, Rollout, VerticalAutoscaler
from harness.model.quantity import bytes_of
from harness.model.target import AutoscalerRange, Kind, Quota, Replicas, Volume

NEEDS = (
    "quotas of namespaces, with a quota for all or with the namespaces' services, their resources "
    "and how many pods each may have"
)
_QUOTAS = 'Kubernetes documentation, "Resource Quotas"'


def look(ground: Ground) -> Iterator[Finding]:
    """Each whole that the targets and the cluster give, against its parts."""
    for capacity in (
        *_quotas_together(ground),
        *_autoscaled(ground),
        *_surging(ground),
        *_scaled_up(ground),
        *_in_memory(ground),
    ):
        yield add_up(capacity)
    yield from _as_deployed(ground)


def _of(quota: Quota, resource: Resource) -> float:
    return quota.cores if resource is Resource.CPU else bytes_of(quota.memory)


def _namespaces(ground: Ground) -> dict[str, Said[Namespace]]:
    return {one.objective.name: one for one in ground.said(Namespace)}


def _by_namespace(ground: Ground) -> tuple[tuple[Said[Quota], str], ...]:
    return tuple(
        (one, one.objective.namespace)
        for one in ground.said(Quota)
        if one.objective.namespace is not None
    )


def _quotas_together(ground: Ground) -> Iterator[Capacity]:
    parts = _by_namespace(ground)
    with_quota = {name for _, name in parts}
    left_out = tuple(name for name in _namespaces(ground) if name not in with_quota)
    for whole in ground.said(Quota):
        if whole.objective.namespace is not None or not parts:
            continue
        for resource in Resource:
            yield Capacity(
                about=f"{whole.id}, namespaces",
                subject="The quotas of all namespaces together",
                resource=resource,
                whole=_of(whole.objective, resource),
                whole_called="in all",
                target=whole.id,
                shares=tuple(
                    Share(
                        name=name,
                        count=1,
                        each=_of(one.objective, resource),
                        targets=(one.id,),
                    )
                    for one, name in parts
                ),
                left_out=left_out,
                why="What has no quota takes from what the others were promised; Kubernetes has no "
                "quota of a whole cluster that would keep it from that.",
                resolve="A quota for each documented namespace, of a sum below the whole; or say "
                "which namespaces are in other clusters, with a whole of their own.",
                assumes=("the namespaces without a share are in the same cluster",)
                if left_out
                else (),
                also=tuple(one.id for name, one in _namespaces(ground).items() if name in left_out),
                sources=(_QUOTAS,),
            )


def _autoscaled(ground: Ground) -> Iterator[Capacity]:
    """All services of a namespace at their autoscaler's maximum: one load drives them all."""
    for range_ in ground.said(AutoscalerRange):
        most = range_.objective.maximum
        for quota, namespace, count, pod in _documented(ground):
            for kind in ("limits", "requests"):
                for resource in Resource:
                    yield Capacity(
                        about=f"{quota.id}, {range_.id}, {kind}",
                        subject=f"{kind.capitalize()} of all services of {namespace} at their "
                        f"maximum of {most} pods",
                        resource=resource,
                        whole=_of(quota.objective, resource),
                        whole_called=f"quota of {namespace}",
                        target=quota.id,
                        shares=(
                            Share(
                                name=f"{count} services x {most} pods",
                                count=count * most,
                                each=pod.asks(kind, resource),
                                of=_made_of(pod, kind, resource),
                                targets=(range_.id, *pod.targets),
                            ),
                        ),
                        why="The quota refuses each pod that would take more than is left of it: "
                        "an autoscaler then stays below its maximum, and its service is too slow "
                        "under the load that the maximum is for.",
                        resolve="A larger quota, a lower maximum, smaller limits, or a maximum of "
                        "its own for each service that all together fit.",
                        assumes=(
                            f"the quota counts {kind}",
                            "all services may be under load at once",
                        ),
                        also=(_namespaces(ground)[namespace].id,),
                        sources=(_QUOTAS,),
                    )


def _surging(ground: Ground) -> Iterator[Capacity]:
    """All services of a namespace rolled out at once, at the documented number of replicas."""
    for rollout in ground.said(Rollout):
        for quota, namespace, count, pod in _documented(ground):
            replicas = _replicas(ground, namespace)
            if replicas is None or rollout.objective.max_surge == 0:
                continue
            surge = math.ceil(replicas.objective.count * rollout.objective.max_surge / 100)
            pods = replicas.objective.count + surge
            for resource in Resource:
                yield Capacity(
                    about=f"{quota.id}, {rollout.id}",
                    subject=f"All services of {namespace} rolled out at once",
                    resource=resource,
                    whole=_of(quota.objective, resource),
                    whole_called=f"quota of {namespace}",
                    target=quota.id,
                    shares=(
                        Share(
                            name=f"{count} services x ({replicas.objective.count} + {surge}) pods",
                            count=count * pods,
                            each=pod.asks("limits", resource),
                            of=_made_of(pod, "limits", resource),
                            targets=(replicas.id, rollout.id, *pod.targets),
                        ),
                    ),
                    beyond=Word.TIGHT,
                    harm=Harm.ROLLOUT,
                    why="With a surge a rollout needs its new pods beside all of its old ones. "
                    "Where the quota refuses them, it waits.",
                    resolve="Say how many services may be rolled out at once, or leave that room "
                    "in the quota.",
                    assumes=("the quota counts limits",),
                    also=(_namespaces(ground)[namespace].id,),
                    sources=(_QUOTAS,),
                )


def _scaled_up(ground: Ground) -> Iterator[Capacity]:
    """Pods as large as a vertical autoscaler makes them, as many as a horizontal one makes."""
    for vertical in ground.said(VerticalAutoscaler):
        if vertical.objective.mode == "Off":
            continue
        largest = amounts(vertical.objective.maximum)
        for range_ in ground.said(AutoscalerRange):
            for quota, namespace, count, _ in _documented(ground):
                most = range_.objective.maximum
                for resource in Resource:
                    yield Capacity(
                        about=f"{quota.id}, {vertical.id}",
                        subject=f"Requests of all services of {namespace} at the most that both "
                        "autoscalers may give them",
                        resource=resource,
                        whole=_of(quota.objective, resource),
                        whole_called=f"quota of {namespace}",
                        target=quota.id,
                        shares=(
                            Share(
                                name=f"{count} services x {most} pods",
                                count=count * most,
                                each=largest[resource],
                                targets=(range_.id, vertical.id),
                            ),
                        ),
                        why="A vertical autoscaler evicts a pod to make it larger, and does not "
                        "look at quotas: the quota may refuse the pod that was to replace it. "
                        "Limits grow with requests, in their proportion.",
                        resolve="A maximum of the vertical autoscaler that the quota has room for, "
                        "times the maximum of pods.",
                        assumes=("all services may be under load at once",),
                        also=(_namespaces(ground)[namespace].id,),
                        sources=("Kubernetes autoscaler, vertical-pod-autoscaler: README",),
                    )


def _in_memory(ground: Ground) -> Iterator[Capacity]:
    """Redis keeps its data in memory: a full volume of it must be loaded."""
    quotas = {name: one for one, name in _by_namespace(ground)}
    for volume in ground.said(Volume):
        if not volume.covers(Kind.REDIS):
            continue
        for name, namespace in _namespaces(ground).items():
            if Kind.REDIS not in namespace.objective.services or name not in quotas:
                continue
            yield Capacity(
                about=f"{quotas[name].id}, {volume.id}",
                subject=f"A volume of Redis in {name}, full of data, in memory",
                resource=Resource.MEMORY,
                whole=_of(quotas[name].objective, Resource.MEMORY),
                whole_called=f"quota of {name}",
                target=quotas[name].id,
                shares=(
                    Share(
                        name="of one volume",
                        count=1,
                        each=bytes_of(volume.objective.size),
                        targets=(volume.id,),
                    ),
                ),
                beyond=Word.TIGHT,
                why="Redis serves from memory. What is on its disk and not in the room that the "
                "quota leaves can never be loaded, and each further node needs as much again.",
                resolve="Document maxmemory of each node, and a quota with room for all of them.",
                assumes=(
                    "the volume may be full of data: append-only files need room beside it, too",
                ),
                also=(namespace.id,),
                sources=('Redis documentation, "Redis administration", Memory',),
            )


def _as_deployed(ground: Ground) -> Iterator[Finding]:
    """The quotas of the cluster against what its controllers may grow to."""
    if ground.capacity is None:
        return
    documented = {name: one.id for one, name in _by_namespace(ground)}
    ranges = [one.id for one in ground.said(AutoscalerRange)]
    for row in headrooms(ground.capacity):
        if row.namespace == ALL:
            continue
        fits = row.claimed <= row.hard
        word = Word.CONTRADICTION if not fits else Word.HOLDS if row.fits else Word.TIGHT
        yield Finding(
            rule=RULE,
            about=f"as deployed, {row.namespace}, {row.quota}, {row.resource}",
            word=word,
            says=f"{row.namespace}: all controllers at their most "
            f"{'fit' if word is Word.HOLDS else 'do not fit'} into {row.resource} of the quota "
            f"{row.quota}"
            f"{' while one is rolled out' if word is Word.TIGHT else ''}",
            sum=written_out(row, ground.capacity),
            targets=once(documented.get(row.namespace), *ranges),
            harm=Harm.CAPACITY if word is not Word.TIGHT else Harm.ROLLOUT,
            times=row.with_surge / row.hard if row.hard else None,
            why="So it is set in this cluster.",
            resolve=""
            if word is Word.HOLDS
            else "A larger quota, lower maxima, or smaller containers.",
            sources=(_QUOTAS,),
        )


def _documented(ground: Ground) -> Iterator[tuple[Said[Quota], str, int, DocumentedPod]]:
    """Each quota of a namespace whose services and their size are documented."""
    namespaces = _namespaces(ground)
    for quota, name in _by_namespace(ground):
        if name not in namespaces:
            continue
        services, pod = services_of(ground, namespaces[name]), pod_in(ground, name)
        if services and pod is not None:
            yield quota, name, len(services), pod


def _replicas(ground: Ground, namespace: str) -> Said[Replicas] | None:
    return next(
        (one for one in ground.said(Replicas) if fnmatchcase(namespace, one.objective.namespaces)),
        None,
    )


def _made_of(pod: DocumentedPod, kind: str, resource: Resource) -> str:
    main, sidecar = pod.parts(kind, resource)
    if not sidecar:
        return ""
    return f"({show(resource, main)} + {show(resource, sidecar)} sidecar)"
