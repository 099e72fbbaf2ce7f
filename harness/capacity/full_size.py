"""Says what a full-size filling consists of: nodes, documented services, what takes the rest. Pure.

The services are the document's ("Namespace Organization"), the resources its production's
("Environment Management"), the replicas the documented maximum of an autoscaler; of databases and
their like, which no autoscaler scales, production's replicas. Dapr's sidecars are left out: the
document gives them limits and no requests, and not every platform has them. That is the favourable
reading: what does not fit so, does not with them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.capacity.headroom import bound, claims_in, names_of
from harness.model.autoscaling import ContainerResources, Resource
from harness.model.quantity import bytes_of
from harness.model.quota import CapacitySettings, Claim
from harness.model.target import AutoscalerRange, Quota, Replicas, Target

SERVICES = {
    "core-business-prod": ("checkout", "order", "payment", "catalog", "customer"),
    "platform-prod": ("auth", "notification", "search", "analytics"),
    "infrastructure": ("redis", "postgresql", "dapr", "monitoring"),
}
"""Namespaces with a documented quota -> their documented services."""

NOT_SCALED = "infrastructure"
"""No autoscaler scales its services."""

CONTAINER = ContainerResources(
    name="service",
    requests={Resource.CPU: 0.5, Resource.MEMORY: 512 * 2**20},
    limits={Resource.CPU: 2.0, Resource.MEMORY: 2.0 * 2**30},
)
"""The documented resources of production."""

NODES, PODS_PER_NODE, ZONES = 10, 110, 3
"""The documented whole is divided among so many nodes; 110 pods: kubelet's default, `maxPods`."""

REST = "Deployment/rest"
_REST_SHARE = 50
"""What is left is taken in pods of a fiftieth of the quota: it is found to 2 % where it refuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSize:
    """What each of the nodes can give: cores and bytes."""

    cores: float
    memory: float


def node_size(targets: Sequence[Target]) -> NodeSize | None:
    """The documented figure for all namespaces, divided; None where the document has none."""
    for target in targets:
        quota = target.objective
        if isinstance(quota, Quota) and quota.namespace is None:
            return NodeSize(cores=quota.cores / NODES, memory=bytes_of(quota.memory) // NODES)
    return None


def documented(targets: Sequence[Target]) -> tuple[Claim, ...]:
    """The documented services of the namespaces with a documented quota, each at its maximum; none
    where the document has no maximum.
    """
    objectives = [one.objective for one in targets]
    maximum = max(
        (one.maximum for one in objectives if isinstance(one, AutoscalerRange)), default=0
    )
    # Of the environments, production has the most.
    fixed = max((one.count for one in objectives if isinstance(one, Replicas)), default=maximum)
    return tuple(
        Claim(
            namespace=namespace,
            controller=f"Deployment/{service}",
            replicas=fixed if namespace == NOT_SCALED else maximum,
            containers=(CONTAINER,),
        )
        for namespace in namespaces(targets)
        for service in SERVICES.get(namespace, ())
        if maximum
    )


def namespaces(targets: Sequence[Target]) -> tuple[str, ...]:
    """Those with a documented quota, in the document's order."""
    return tuple(
        one.objective.namespace
        for one in targets
        if isinstance(one.objective, Quota) and one.objective.namespace is not None
    )


def rest(settings: CapacitySettings, namespace: str) -> Claim | None:
    """Pods that take what is left of a namespace's quotas, and one more than there is room for.

    They ask for as much as they are limited to. None where no quota limits CPU or memory.
    """
    pod = {
        resource: _divided(resource, limit)
        for resource in Resource
        if (limit := bound(settings, namespace, resource)) is not None
    }
    if not pod:
        return None
    room = max(
        quota.hard[name] / amount
        for resource, amount in pod.items()
        for quota in settings.quotas
        if quota.namespace == namespace
        for name in names_of(resource)
        if name in quota.hard
    )
    return Claim(
        namespace=namespace,
        controller=REST,
        replicas=math.floor(room) + 1,
        containers=(ContainerResources(name="rest", requests=pod, limits=pod),),
    )


def deployed(settings: CapacitySettings, namespace: str) -> list[Claim]:
    """The controllers of the cluster under test that have pods in a namespace."""
    return [one for one in claims_in(settings, namespace) if one.replicas > 0]


def _divided(resource: Resource, limit: float) -> float:
    """A whole number of thousandths of a core, or of MiB, and more than nothing."""
    unit = 0.001 if resource is Resource.CPU else 2.0**20
    return max(1, round(limit / _REST_SHARE / unit)) * unit
