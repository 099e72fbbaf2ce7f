"""Sums up what services may ask for at once, against what quotas and nodes allow. Pure.

A quota counts requests and limits of all pods of a namespace, each for itself (Kubernetes
documentation, "Resource Quotas"); `cpu` and `memory` are other names for `requests.cpu` and
`requests.memory` there. A pod asks for the sum of its containers, those included that run beside
them all the time (same documentation, "Sidecar Containers", resource sharing).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from harness.model.autoscaling import ContainerResources, Resource
from harness.model.load_judgement import Headroom
from harness.model.quantity import bytes_of, show_bytes
from harness.model.quota import CapacitySettings, Claim, QuotaLimit
from harness.model.target import Quota

ALL = "all namespaces"
"""Namespace of the rows that add namespaces up: no namespace can be called so."""

DOCUMENTED, NODES = "documented", "nodes"
"""Quota of those rows: the documented figure for all, and what the nodes can give."""

_DIGITS = 6
"""Quantities of the API are exact to a thousandth; sums of floats are rounded back to that."""

_MINIMUM = 1
"""minReplicas where an autoscaler names none (API reference, autoscaling/v2)."""

_PODS = ("pods", "count/pods")
_SYSTEM = "kube-"
"""How namespaces of Kubernetes itself begin (Kubernetes documentation, "Namespaces")."""


def headrooms(settings: CapacitySettings) -> tuple[Headroom, ...]:
    """One row for each resource of each quota that pods use up, by namespace, name, resource."""
    return tuple(
        _row(claims_in(settings, quota.namespace), quota, resource)
        for quota in sorted(settings.quotas, key=lambda one: (one.namespace, one.name))
        for resource in sorted(quota.hard)
        if is_of_pods(resource)
    )


def together(settings: CapacitySettings, documented: Quota | None) -> tuple[Headroom, ...]:
    """All namespaces added up: against the documented figure, and against what the nodes can give.

    A namespace counts with its quota; one without any, but for those of Kubernetes itself, with all
    that its controllers may ask for. The nodes' row is of requests, by which pods are placed; that
    it fits is necessary and not sufficient, for a pod needs its room on one node.
    """
    if not settings.quotas:
        return ()
    rows = []
    for resource in Resource:
        if documented is not None:
            hard = documented.cores if resource is Resource.CPU else bytes_of(documented.memory)
            rows.append(
                _summed(DOCUMENTED, str(resource), _shares(settings, resource, "limits"), hard)
            )
        allocatable = [node[resource] for node in settings.allocatable.values() if resource in node]
        if allocatable:
            rows.append(
                _summed(
                    NODES,
                    f"requests.{resource}",
                    _shares(settings, resource, "requests"),
                    math.fsum(allocatable),
                )
            )
    return tuple(rows)


def demand(claim: Claim, resource: str) -> float:
    """What one pod of a claim uses up of a quota's resource: cores, bytes, pods.

    What a container does not say counts as nothing: `unsaid` names it. ValueError for a resource
    that pods do not use up.
    """
    if resource in _PODS:
        return 1.0
    kind, name = _kind_and_name(resource)
    return _rounded([_amount(one, kind, name) or 0.0 for one in claim.containers])


def unsaid(settings: CapacitySettings) -> tuple[str, ...]:
    """Containers that say nothing of what a quota of theirs counts. The API refuses their pods,
    unless a LimitRange of the namespace fills it in.
    """
    lines = []
    for quota in settings.quotas:
        for resource in sorted(quota.hard):
            if resource in _PODS or not is_of_pods(resource):
                continue
            kind, name = _kind_and_name(resource)
            lines += [
                f"{quota.namespace}: {claim.controller}: container {one.name} says no {resource}: "
                "it counts as 0 here; only a LimitRange lets its pods in"
                for claim in claims_in(settings, quota.namespace)
                for one in claim.containers
                if _amount(one, kind, name) is None
            ]
    return tuple(dict.fromkeys(lines))


def bound(settings: CapacitySettings, namespace: str, resource: Resource) -> float | None:
    """The most that a namespace may ask for; None: nothing limits it.

    The tightest of all that its quotas say of the resource: no request is above its limit.
    """
    hard = [
        quota.hard[name]
        for quota in settings.quotas
        if quota.namespace == namespace
        for name in names_of(resource)
        if name in quota.hard
    ]
    return min(hard, default=None)


def names_of(resource: Resource) -> tuple[str, ...]:
    """How quotas call it."""
    return (f"limits.{resource}", f"requests.{resource}", str(resource))


def claims_in(settings: CapacitySettings, namespace: str) -> list[Claim]:
    """The claims of one namespace, in their order."""
    return [one for one in settings.claims if one.namespace == namespace]


def written_out(row: Headroom, settings: CapacitySettings) -> str:
    """The sum of a row, for a person: each controller's replicas by what one pod asks for."""
    claims = {one.controller: one for one in claims_in(settings, row.namespace)}
    terms = []
    for name, share in row.parts:
        claim = claims.get(name)
        times = (
            f"{claim.replicas} x {_number(row.resource, share / claim.replicas)}"
            if (claim is not None and claim.replicas)
            else show_amount(row.resource, share)
        )
        terms.append(f"{name} {times}")
    total = f"{' + '.join(terms) or 'nothing'} = {show_amount(row.resource, row.claimed)}"
    surge = (
        f", {show_amount(row.resource, row.with_surge)} with one rollout"
        if row.with_surge > row.claimed
        else ""
    )
    words = "fits" if row.fits else "does not fit"
    return (
        f"{row.namespace}, {row.quota}, {row.resource}: {total}{surge}, "
        f"of {show_amount(row.resource, row.hard)}: {words}"
    )


def show_amount(resource: str, value: float) -> str:
    """An amount of a quota's resource, for a person."""
    if resource.endswith("memory"):
        return show_bytes(value)
    unit = "pods" if resource in _PODS else "cores"
    return f"{value:.6g} {unit}"


def _number(resource: str, value: float) -> str:
    return show_bytes(value) if resource.endswith("memory") else f"{value:.6g}"


def _row(claims: list[Claim], quota: QuotaLimit, resource: str) -> Headroom:
    hard = quota.hard[resource]
    shares = [(one.controller, _product(one.replicas, demand(one, resource))) for one in claims]
    claimed = _rounded(share for _, share in shares)
    surge = max((_product(one.surge, demand(one, resource)) for one in claims), default=0.0)
    with_surge = _rounded((claimed, surge))
    return Headroom(
        namespace=quota.namespace,
        quota=quota.name,
        resource=resource,
        claimed=claimed,
        with_surge=with_surge,
        hard=hard,
        fits=with_surge <= hard,
        parts=_largest_first(shares),
        out_of_reach=tuple(_out_of_reach(claims, resource, hard)),
    )


def _out_of_reach(claims: list[Claim], resource: str, hard: float) -> Iterator[str]:
    """Autoscalers that cannot reach their maximum even while all others are at their minima."""
    least = [_product(_least(one), demand(one, resource)) for one in claims]
    for index, claim in enumerate(claims):
        per_pod = demand(claim, resource)
        if not claim.scaled_by or per_pod == 0:
            continue
        room = _rounded((hard, *(-one for other, one in enumerate(least) if other != index)))
        reach = max(0, math.floor(round(room / per_pod, _DIGITS)))
        if reach < claim.replicas:
            yield f"{claim.controller}: {reach} of {claim.replicas} replicas"


def _least(claim: Claim) -> int:
    if not claim.scaled_by:
        return claim.replicas
    return _MINIMUM if claim.minimum is None else claim.minimum


def _summed(quota: str, resource: str, shares: list[tuple[str, float]], hard: float) -> Headroom:
    claimed = _rounded(share for _, share in shares)
    return Headroom(
        namespace=ALL,
        quota=quota,
        resource=resource,
        claimed=claimed,
        with_surge=claimed,
        hard=hard,
        fits=claimed <= hard,
        parts=_largest_first(shares),
    )


def _shares(settings: CapacitySettings, resource: Resource, kind: str) -> list[tuple[str, float]]:
    """Namespace -> its quota's figure, or all that its controllers may ask for."""
    shares = []
    for namespace in _namespaces(settings):
        limit = bound(settings, namespace, resource)
        if limit is None:
            asked = _rounded(
                _product(one.replicas, _counted(one, kind, resource))
                for one in claims_in(settings, namespace)
            )
            shares.append((f"{namespace} (no quota)", asked))
        else:
            shares.append((namespace, limit))
    return shares


def _counted(claim: Claim, kind: str, resource: Resource) -> float:
    """Of one pod; a container without a limit counts by its request."""
    return _rounded(
        _amount(one, kind, resource) or _amount(one, "requests", resource) or 0.0
        for one in claim.containers
    )


def _namespaces(settings: CapacitySettings) -> list[str]:
    with_quota = {one.namespace for one in settings.quotas}
    with_claims = {one.namespace for one in settings.claims}
    return sorted(
        with_quota | {name for name in with_claims if not name.startswith(_SYSTEM)},
    )


def _kind_and_name(resource: str) -> tuple[str, Resource]:
    kind, _, name = resource.rpartition(".")
    return kind or "requests", Resource(name)


def is_of_pods(resource: str) -> bool:
    """Whether pods use it up, by what they ask for or by being there: `services` they do not."""
    return resource in (*_PODS, *(name for one in Resource for name in names_of(one)))


def _amount(container: ContainerResources, kind: str, resource: Resource) -> float | None:
    """A limit without a request is the request, too (Kubernetes documentation, "Resource Management
    for Pods and Containers").
    """
    limit = container.limits.get(resource)
    return limit if kind == "limits" else container.requests.get(resource, limit)


def _product(count: int, amount: float) -> float:
    return round(count * amount, _DIGITS)


def _rounded(amounts: Iterable[float]) -> float:
    return round(math.fsum(amounts), _DIGITS)


def _largest_first(shares: list[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    return tuple(sorted(shares, key=lambda one: (-one[1], one[0])))
