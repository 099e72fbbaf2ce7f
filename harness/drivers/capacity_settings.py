"""Reads how far the services of a cluster may grow, and what allows it; changes nothing.

What a pod asks for is counted as quotas count it: with the defaults of admission, sidecars, what
init containers ask for beyond, and overhead. What cannot be read is left out and said to be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import ceil
from typing import NamedTuple

from harness.drivers import kubernetes_objects
from harness.drivers.autoscaling_objects import (
    amounts,
    container_resources,
    vertical_autoscaler_settings,
)
from harness.drivers.kubernetes import Cluster
from harness.drivers.kubernetes_objects import Object
from harness.errors import RefusedError
from harness.model.autoscaling import ContainerResources, Resource
from harness.model.quantity import amount_of
from harness.model.quota import CapacitySettings, Claim, QuotaLimit

OVERHEAD = "(pod overhead)"
"""In place of a container's name: what the pod itself costs beyond them (RuntimeClass)."""

INIT = "(init containers)"
"""In place of a container's name: what init containers ask for beyond those that run later. It is
counted as long as the pod is there (Kubernetes documentation, "Init Containers", Resource sharing).
"""

_VERTICAL_AUTOSCALER = ("autoscaling.k8s.io/v1", "VerticalPodAutoscaler")
"""Their API and kind; a cluster without it has none."""

_ALLOCATABLE = ("cpu", "memory", "pods")
_EVERYWHERE = ("Node",)
"""Kinds that are in no namespace."""

_CONTROLLERS = (
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "CronJob"),
    ("batch/v1", "Job"),
)
Amounts = dict[Resource, float]


def read_capacity(cluster: Cluster) -> CapacitySettings:
    """All quotas, the claims of all controllers, and what the nodes can give; of all namespaces
    that may be read.

    Raises the errors of harness.drivers.kubernetes only where the API as a whole does not answer.
    """
    unknown: dict[str, str] = {}
    quotas = _listed(cluster, "v1", "ResourceQuota", unknown)
    for one in quotas:
        scopes = _scopes(one)
        if scopes:
            unknown[f"quota {_full_name(one)}"] = (
                f"it counts only pods that are {scopes}: all are taken for such"
            )
    return CapacitySettings(
        claims=tuple(_claims(cluster, unknown)),
        quotas=tuple(
            QuotaLimit(
                namespace=one["metadata"]["namespace"],
                name=one["metadata"]["name"],
                hard={
                    name: amount_of(limit)
                    for name, limit in (one["spec"].get("hard") or {}).items()
                },
            )
            for one in quotas
        ),
        allocatable=_allocatable(_listed(cluster, "v1", "Node", unknown)),
        vertical_autoscalers=tuple(
            vertical_autoscaler_settings(one)
            for one in _listed(cluster, *_VERTICAL_AUTOSCALER, unknown)
        ),
        unknown=unknown,
    )


def _full_name(content: Object) -> str:
    return f"{content['metadata']['namespace']}/{content['metadata']['name']}"


def _listed(
    cluster: Cluster, api_version: str, kind: str, unknown: dict[str, str]
) -> tuple[Object, ...]:
    """Of all namespaces at once; of each by itself, where the account may not see them all. What
    is refused then is in `unknown`: hidden is not absent.
    """
    try:
        return cluster.list_objects(api_version, kind)
    except RefusedError as error:
        refused = str(error)
    try:
        namespaces = cluster.list_objects("v1", "Namespace") if kind not in _EVERYWHERE else ()
    except RefusedError:
        namespaces = ()
    found: list[Object] = []
    for name in (one["metadata"]["name"] for one in namespaces):
        try:
            found += cluster.list_objects(api_version, kind, name)
        except RefusedError as error:
            unknown[f"{kind} of {name}"] = str(error)
    if not namespaces:
        unknown[kind] = refused
    return tuple(found)


def _scopes(quota: Object) -> str:
    spec = quota["spec"]
    selected = (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    return ", ".join((*(spec.get("scopes") or ()), *(one["scopeName"] for one in selected)))


def _allocatable(nodes: Iterable[Object]) -> dict[str, dict[str, float]]:
    return {
        one["metadata"]["name"]: {
            name: amount_of(given[name]) for name in _ALLOCATABLE if name in given
        }
        for one in nodes
        for given in ((one.get("status") or {}).get("allocatable") or {},)
    }


# --- claims ----------------------------------------------------------------------------------


class _Sized(NamedTuple):
    """The spec of a controller's pods, and how many there may be of them."""

    pod: Object
    replicas: int
    surge: int


def _claims(cluster: Cluster, unknown: dict[str, str]) -> Iterator[Claim]:
    autoscalers = {
        (one["metadata"]["namespace"], f"{scaled['kind']}/{scaled['name']}"): one
        for one in _listed(cluster, "autoscaling/v2", "HorizontalPodAutoscaler", unknown)
        for scaled in (one["spec"]["scaleTargetRef"],)
    }
    ranges: dict[str, list[Object]] = {}
    for one in _listed(cluster, "v1", "LimitRange", unknown):
        ranges.setdefault(one["metadata"]["namespace"], []).append(one)
    for api_version, kind in _CONTROLLERS:
        for one in _listed(cluster, api_version, kind, unknown):
            namespace = one["metadata"]["namespace"]
            controller = f"{kind}/{one['metadata']['name']}"
            autoscaler = autoscalers.get((namespace, controller))
            sized = _sized(kind, one, autoscaler)
            if sized is not None:
                yield Claim(
                    namespace=namespace,
                    controller=controller,
                    replicas=sized.replicas,
                    scaled_by="" if autoscaler is None else autoscaler["metadata"]["name"],
                    minimum=_minimum(autoscaler),
                    surge=sized.surge,
                    containers=_asked(
                        sized.pod,
                        ranges.get(namespace, ()),
                        _overhead(cluster, sized.pod, f"{controller} of {namespace}", unknown),
                    ),
                    qos=_quality_of_service(sized.pod, ranges.get(namespace, ())),
                )
                if sized.pod.get("resources"):
                    unknown[f"{controller} of {namespace}"] = (
                        "its pods say for themselves what they ask for (spec.resources): its "
                        "containers are counted instead"
                    )


def _minimum(autoscaler: Object | None) -> int | None:
    return None if autoscaler is None else int(autoscaler["spec"].get("minReplicas", 1))


def _sized(kind: str, content: Object, autoscaler: Object | None) -> _Sized | None:
    """None where it claims nothing: it has ended, it is suspended, or another's claim has it."""
    spec = content["spec"]
    if kind == "CronJob":
        # One Job of it at a time: more only where its schedule is shorter than its work.
        job = spec["jobTemplate"]["spec"]
        return None if spec.get("suspend") else _Sized(job["template"]["spec"], _parallel(job), 0)
    pod = spec["template"]["spec"]
    if kind == "Job":
        over = spec.get("suspend") or _has_ended(content) or kubernetes_objects.owner(content)
        return None if over else _Sized(pod, _parallel(spec), 0)
    if kind == "DaemonSet":
        nodes = int((content.get("status") or {}).get("desiredNumberScheduled", 0))
        surge = ((spec.get("updateStrategy") or {}).get("rollingUpdate") or {}).get("maxSurge", 0)
        return _Sized(pod, nodes, _rounded_up(surge, nodes))
    replicas = int(
        spec.get("replicas", 1) if autoscaler is None else autoscaler["spec"]["maxReplicas"]
    )
    surge = _surge(spec.get("strategy") or {}, replicas) if kind == "Deployment" else 0
    return _Sized(pod, replicas, surge)


def _surge(strategy: Object, replicas: int) -> int:
    """Of a Deployment that is rolled out."""
    if strategy.get("type") == "Recreate":
        return 0
    return _rounded_up((strategy.get("rollingUpdate") or {}).get("maxSurge", "25%"), replicas)


def _parallel(job: Object) -> int:
    parallel = int(job.get("parallelism", 1))
    return min(parallel, int(job["completions"])) if "completions" in job else parallel


def _has_ended(job: Object) -> bool:
    return any(
        one["type"] in ("Complete", "Failed") and one["status"] == "True"
        for one in (job.get("status") or {}).get("conditions") or ()
    )


def _rounded_up(share: str | int, replicas: int) -> int:
    """A number, or a percentage that is rounded up; `25%` is a Deployment's default (API reference,
    Deployment, maxSurge).
    """
    text = str(share)
    return ceil(replicas * int(text[:-1]) / 100) if text.endswith("%") else int(text)


# --- what one pod asks for -------------------------------------------------------------------


def _asked(
    pod: Object, ranges: Sequence[Object], overhead: Amounts
) -> tuple[ContainerResources, ...]:
    """Such that their sum is what a quota counts."""
    found = (*_lasting(pod, ranges), *_init(pod, ranges))
    if not overhead:
        return found
    limited = _sum(found, "limits")
    # Overhead is added to a limit that there is, and makes none (Kubernetes documentation, "Pod
    # Overhead").
    limits = {key: amount if key in limited else 0.0 for key, amount in overhead.items()}
    return (*found, ContainerResources(name=OVERHEAD, requests=overhead, limits=limits))


def _lasting(pod: Object, ranges: Sequence[Object]) -> tuple[ContainerResources, ...]:
    """The containers that run as long as the pod does."""
    return (
        *(_admitted(one, ranges) for one in pod["containers"]),
        *(
            _admitted(one, ranges, sidecar=True)
            for one in pod.get("initContainers") or ()
            if one.get("restartPolicy") == "Always"
        ),
    )


def _admitted(
    content: Object, ranges: Sequence[Object], *, sidecar: bool = False
) -> ContainerResources:
    """A container as admission leaves it.

    A limit without a request is its request (pkg/apis/core/v1/defaults.go); after that the
    LimitRanges of its namespace fill in what is missing
    (plugin/pkg/admission/limitranger/admission.go, mergeContainerResources).
    """
    said = container_resources(content, sidecar=sidecar)
    requests, limits = {**said.limits, **said.requests}, dict(said.limits)
    for one in ranges:
        for item in one["spec"].get("limits") or ():
            if item.get("type") == "Container":
                limits = {**amounts(item.get("default")), **limits}
                requests = {**amounts(item.get("defaultRequest")), **requests}
    return ContainerResources(name=said.name, requests=requests, limits=limits, sidecar=sidecar)


def _init(pod: Object, ranges: Sequence[Object]) -> Iterator[ContainerResources]:
    """What init containers ask for beyond the rest: each runs beside the sidecars before it."""
    lasting = _lasting(pod, ranges)
    sidecars: list[ContainerResources] = []
    beyond: dict[str, Amounts] = {
        field: dict.fromkeys(Resource, 0.0) for field in ("requests", "limits")
    }
    for content in pod.get("initContainers") or ():
        one = _admitted(content, ranges)
        if content.get("restartPolicy") == "Always":
            sidecars.append(one)
            continue
        for field, most in beyond.items():
            while_it_runs, later = _sum([*sidecars, one], field), _sum(lasting, field)
            for resource, amount in while_it_runs.items():
                most[resource] = max(most[resource], amount - later.get(resource, 0.0))
    if any(amount > 0 for most in beyond.values() for amount in most.values()):
        yield ContainerResources(name=INIT, requests=beyond["requests"], limits=beyond["limits"])


def _sum(containers: Iterable[ContainerResources], field: str) -> Amounts:
    total: Amounts = {}
    for one in containers:
        amounts_of: Mapping[Resource, float] = getattr(one, field)
        for resource, amount in amounts_of.items():
            total[resource] = total.get(resource, 0.0) + amount
    return total


def _overhead(cluster: Cluster, pod: Object, whose: str, unknown: dict[str, str]) -> Amounts:
    """Of its RuntimeClass: admission writes it into the pod."""
    name = pod.get("runtimeClassName")
    if not name:
        return amounts(pod.get("overhead"))
    try:
        found = cluster.get_object("node.k8s.io/v1", "RuntimeClass", "", name)
    except RefusedError as error:
        unknown[f"overhead of {whose}"] = str(error)
        return {}
    return amounts(((found or {}).get("overhead") or {}).get("podFixed"))


def _quality_of_service(pod: Object, ranges: Sequence[Object]) -> str:
    """By all its containers, init containers too; an amount of zero is none
    (pkg/apis/core/v1/helper/qos/qos.go, ComputePodQOS).
    """
    containers = [
        _admitted(one, ranges) for one in (*pod["containers"], *(pod.get("initContainers") or ()))
    ]
    requests = _positive(_sum(containers, "requests"))
    limits = _positive(_sum(containers, "limits"))
    if not requests and not limits:
        return "BestEffort"
    all_limited = all(set(_positive(one.limits)) == set(Resource) for one in containers)
    return "Guaranteed" if all_limited and requests == limits else "Burstable"


def _positive(found: Mapping[Resource, float]) -> Amounts:
    return {resource: amount for resource, amount in found.items() if amount > 0}
