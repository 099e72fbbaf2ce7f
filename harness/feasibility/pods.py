"""What one pod of a service asks for and may use, as documented: its container and its sidecar."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from harness.feasibility.finding import once
from harness.feasibility.ground import Ground, Said
from harness.model.autoscaling import Resource
from harness.model.configuration import (
    Component,
    ContainerResources,
    DaprAnnotations,
    Namespace,
    Size,
)
from harness.model.quantity import amount_of
from harness.model.target import Kind

_PLATFORM = ("dapr", "monitoring", "logging", "tracing", "argocd")
"""What namespaces list beside services, and no document's resources of a service are meant for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentedPod:
    """One pod: cores and bytes."""

    requests: dict[Resource, float]
    limits: dict[Resource, float]
    sidecar_requests: dict[Resource, float]
    """Where it says a limit only, that is its request as well (Kubernetes documentation, "Resource
    Management for Pods and Containers")."""

    sidecar_limits: dict[Resource, float]

    targets: tuple[str, ...]

    def asks(self, kind: str, resource: Resource) -> float:
        """`requests` or `limits` of the whole pod."""
        main, sidecar = self.parts(kind, resource)
        return round(main + sidecar, 6)

    def parts(self, kind: str, resource: Resource) -> tuple[float, float]:
        """Of the service's container, and of the sidecar."""
        if kind == "requests":
            return self.requests[resource], self.sidecar_requests.get(resource, 0.0)
        return self.limits[resource], self.sidecar_limits.get(resource, 0.0)


def pod_in(ground: Ground, namespace: str) -> DocumentedPod | None:
    """A service's pod in that namespace; None where the document does not say its resources."""
    said = narrowest(ground.said(ContainerResources), namespace)
    if said is None:
        return None
    requests: dict[Resource, float] = {}
    limits: dict[Resource, float] = {}
    annotated = None
    for one in ground.said(DaprAnnotations):
        for resource in Resource:
            limit = one.objective.annotations.get(f"dapr.io/sidecar-{resource}-limit")
            request = one.objective.annotations.get(f"dapr.io/sidecar-{resource}-request", limit)
            if limit is not None:
                limits[resource] = amount_of(limit)
            if request is not None:
                requests[resource] = amount_of(request)
                annotated = one.id
    return DocumentedPod(
        requests=amounts(said.objective.requests),
        limits=amounts(said.objective.limits),
        sidecar_requests=requests,
        sidecar_limits=limits,
        targets=once(said.id, annotated),
    )


def narrowest(
    said: tuple[Said[ContainerResources], ...], namespace: str
) -> Said[ContainerResources] | None:
    """What is said of that namespace by the pattern with the most letters of its own.

    What is said of `*` counts only where nothing is said of any namespaces in particular: else
    nobody knows whether it is meant for this one.
    """
    matching = [one for one in said if fnmatchcase(namespace, one.objective.namespaces)]
    if any(one.objective.namespaces != "*" for one in said):
        matching = [one for one in matching if one.objective.namespaces != "*"]
    return max(
        matching, key=lambda one: len(one.objective.namespaces.replace("*", "")), default=None
    )


def services_of(ground: Ground, namespace: Said[Namespace]) -> tuple[str, ...]:
    """The services of a namespace without data stores and the platform's own programs."""
    components = {one.objective.name.lower() for one in ground.said(Component)}
    others = {*_PLATFORM, *components, *(str(kind) for kind in Kind)}
    return tuple(one for one in namespace.objective.services if one.lower() not in others)


def amounts(size: Size) -> dict[Resource, float]:
    """Cores and bytes."""
    return {Resource.CPU: amount_of(size.cpu), Resource.MEMORY: amount_of(size.memory)}
