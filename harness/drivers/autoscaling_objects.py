"""Reads the API's objects that scale a service, or say how it scales, into values. Pure.

Kubernetes API reference: autoscaling/v2, discovery.k8s.io/v1, metrics.k8s.io/v1beta1, core/v1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from harness.drivers.kubernetes_objects import Object, time
from harness.drivers.program_arguments import go_duration_s
from harness.model.autoscaling import (
    DEFAULT_DOWN,
    DEFAULT_UP,
    AutoscalerSettings,
    AutoscalerStatus,
    ClusterEvent,
    ContainerResources,
    PolicyKind,
    QuotaUse,
    Resource,
    ResourceTarget,
    ScaledPod,
    ScalingPolicy,
    ScalingRules,
    SelectPolicy,
    Usage,
    VerticalAutoscalerSettings,
    VerticalPolicy,
)
from harness.model.quantity import amount_of

_OF_RESOURCES = {"Resource": "resource", "ContainerResource": "containerResource"}
"""Type of a metric -> its field."""

_OF_OTHERS = {"Pods": "pods", "Object": "object", "External": "external"}

_DEFAULT_METRIC = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
}
"""pkg/apis/autoscaling/v2/defaults.go, where spec.metrics is empty."""


# --- the autoscaler --------------------------------------------------------------------------


def autoscaler_settings(
    content: Object, *, down_window_s: int = DEFAULT_DOWN.window_s
) -> AutoscalerSettings:
    """The spec of a HorizontalPodAutoscaler, with defaults where it says nothing.

    `down_window_s` is the controller manager's --horizontal-pod-autoscaler-downscale-stabilization.
    """
    spec = content["spec"]
    behavior = spec.get("behavior") or {}
    scaled = spec["scaleTargetRef"]
    metrics = spec.get("metrics") or [_DEFAULT_METRIC]
    return AutoscalerSettings(
        namespace=content["metadata"]["namespace"],
        name=content["metadata"]["name"],
        target=f"{scaled['kind']}/{scaled['name']}",
        minimum=int(spec.get("minReplicas", 1)),
        maximum=int(spec["maxReplicas"]),
        metrics=tuple(_target(one) for one in metrics if _is_of_resource(one)),
        other_metrics=tuple(_name(one) for one in metrics if not _is_of_resource(one)),
        up=_rules(behavior.get("scaleUp"), DEFAULT_UP, DEFAULT_UP.window_s),
        down=_rules(behavior.get("scaleDown"), DEFAULT_DOWN, down_window_s),
        behavior_given=bool(behavior),
    )


def _is_of_resource(metric: Object) -> bool:
    field = _OF_RESOURCES.get(metric["type"])
    return field is not None and metric[field]["name"] in tuple(Resource)


def _target(metric: Object) -> ResourceTarget:
    found = metric[_OF_RESOURCES[metric["type"]]]
    average = found["target"].get("averageValue")
    return ResourceTarget(
        resource=Resource(found["name"]),
        utilization=found["target"].get("averageUtilization"),
        average_value=None if average is None else amount_of(average),
        container=found.get("container"),
    )


def _name(metric: Object) -> str:
    """`External queue-length`."""
    field = _OF_OTHERS.get(metric["type"])
    name = metric[field]["metric"]["name"] if field else "of a kind that is not known here"
    return f"{metric['type']} {name}"


def _rules(content: Object | None, default: ScalingRules, window_s: int) -> ScalingRules:
    """One direction; each field has a default of its own (pkg/apis/autoscaling/v2/defaults.go)."""
    given = content or {}
    window = given.get("stabilizationWindowSeconds")
    tolerance = given.get("tolerance")
    policies = tuple(
        ScalingPolicy(
            kind=PolicyKind(one["type"]),
            value=int(one["value"]),
            period_s=int(one["periodSeconds"]),
        )
        for one in given.get("policies") or ()
    )
    return ScalingRules(
        window_s=window_s if window is None else int(window),
        policies=policies or default.policies,
        select=SelectPolicy(given.get("selectPolicy") or default.select),
        tolerance=None if tolerance is None else amount_of(tolerance),
    )


def vertical_autoscaler_settings(content: Object) -> VerticalAutoscalerSettings:
    """The spec of a VerticalPodAutoscaler, with defaults where it says nothing."""
    spec = content["spec"]
    scaled = spec["targetRef"]
    policies = (spec.get("resourcePolicy") or {}).get("containerPolicies") or ()
    return VerticalAutoscalerSettings(
        namespace=content["metadata"]["namespace"],
        name=content["metadata"]["name"],
        target=f"{scaled['kind']}/{scaled['name']}",
        mode=(spec.get("updatePolicy") or {}).get("updateMode") or "Auto",
        policies=tuple(
            VerticalPolicy(container=one["containerName"], resources=_controlled(one))
            for one in policies
        ),
    )


def _controlled(policy: Object) -> tuple[Resource, ...]:
    if policy.get("mode") == "Off":
        return ()
    named = policy.get("controlledResources")
    return tuple(one for one in Resource if named is None or one in named)


def autoscaler_status(content: Object) -> AutoscalerStatus:
    """The status of a HorizontalPodAutoscaler.

    A metric of one container is `cpu of CONTAINER`; one that the controller could not compute is
    missing.
    """
    status = content.get("status") or {}
    current = dict(_current(status.get("currentMetrics") or ()))
    return AutoscalerStatus(
        desired=int(status.get("desiredReplicas", 0)),
        current=int(status.get("currentReplicas", 0)),
        last_scaled=time(status.get("lastScaleTime")),
        utilization={name: one.get("averageUtilization") for name, one in current.items()},
        average={
            name: None if one.get("averageValue") is None else amount_of(one["averageValue"])
            for name, one in current.items()
        },
        conditions={
            one["type"]: f"{one['status']} {one.get('reason', '')}: {one.get('message', '')}"
            for one in status.get("conditions") or ()
        },
    )


def _current(metrics: Iterable[Object]) -> Iterator[tuple[str, Object]]:
    for one in metrics:
        field = _OF_RESOURCES.get(one.get("type", ""))
        if field is not None and one.get(field):
            found = one[field]
            container = found.get("container")
            yield f"{found['name']}{f' of {container}' if container else ''}", found["current"]


# --- pods ------------------------------------------------------------------------------------


def scaled_pod(content: Object) -> ScaledPod:
    """A Pod."""
    metadata, spec, status = content["metadata"], content.get("spec", {}), content.get("status", {})
    ready = _condition(status, "Ready")
    return ScaledPod(
        name=metadata["name"],
        uid=metadata["uid"],
        phase=status.get("phase") or "",
        ready=ready.get("status") == "True",
        terminating="deletionTimestamp" in metadata,
        node=spec.get("nodeName") or "",
        created=datetime.fromisoformat(metadata["creationTimestamp"]),
        started=time(status.get("startTime")),
        ready_changed=time(ready.get("lastTransitionTime")),
        containers=running_containers(spec),
        qos=status.get("qosClass") or "",
        waits_for=_waits_for(status),
    )


def running_containers(pod_spec: Object) -> tuple[ContainerResources, ...]:
    """Those that run as long as the pod does, as its spec has them: sidecars among them."""
    return (
        *(container_resources(one) for one in pod_spec.get("containers") or ()),
        *(
            container_resources(one, sidecar=True)
            for one in pod_spec.get("initContainers") or ()
            if one.get("restartPolicy") == "Always"
        ),
    )


def container_resources(content: Object, *, sidecar: bool = False) -> ContainerResources:
    """A Container of a pod's spec: what it says itself."""
    resources = content.get("resources") or {}
    return ContainerResources(
        name=content["name"],
        requests=amounts(resources.get("requests")),
        limits=amounts(resources.get("limits")),
        sidecar=sidecar,
    )


def amounts(content: Object | None) -> dict[Resource, float]:
    """A ResourceList: its cores and bytes."""
    return {one: amount_of(content[one]) for one in Resource if content and one in content}


def _condition(status: Object, kind: str) -> Object:
    conditions: list[Object] = status.get("conditions") or []
    return next((one for one in conditions if one.get("type") == kind), {})


def _waits_for(status: Object) -> str:
    """The scheduler's reason, else that of the first container that waits; else nothing."""
    scheduled = _condition(status, "PodScheduled")
    if scheduled.get("status") == "False":
        return _told(scheduled)
    for field in ("initContainerStatuses", "containerStatuses"):
        for one in status.get(field) or ():
            waiting = (one.get("state") or {}).get("waiting")
            if waiting:
                return f"{one['name']}: {_told(waiting)}"
    return _told(status) if status.get("phase") in ("Pending", "Failed") else ""


def _told(content: Object) -> str:
    return ": ".join(str(content[key]) for key in ("reason", "message") if content.get(key))


def usage(content: Object) -> Usage:
    """A PodMetrics."""
    return Usage(
        pod=content["metadata"]["name"],
        measured=datetime.fromisoformat(content["timestamp"]),
        window_s=go_duration_s(content["window"]),
        containers={one["name"]: amounts(one.get("usage")) for one in content["containers"]},
    )


# --- what is around it -----------------------------------------------------------------------


def ready_endpoints(slices: Iterable[Object]) -> int:
    """How many backends of a Service are sent requests, by its EndpointSlices.

    One that is in slices of two address families, or in two slices while it moves between them, is
    one. `ready` that says nothing is true (discovery.k8s.io/v1, EndpointConditions).
    """
    return len(
        {
            (one.get("targetRef") or {}).get("uid") or tuple(one["addresses"])
            for content in slices
            for one in content.get("endpoints") or ()
            if (one.get("conditions") or {}).get("ready") in (None, True)
        }
    )


def quota_use(content: Object) -> QuotaUse:
    """A ResourceQuota, as its status has it; one without a status yet is not used."""
    status = content.get("status") or {}
    return QuotaUse(
        namespace=content["metadata"]["namespace"],
        name=content["metadata"]["name"],
        used={name: amount_of(one) for name, one in (status.get("used") or {}).items()},
        hard={
            name: amount_of(one)
            for name, one in (status.get("hard") or content["spec"].get("hard") or {}).items()
        },
    )


def cluster_event(content: Object) -> ClusterEvent:
    """An Event of core/v1; those of events.k8s.io/v1 count in their `series`."""
    series = content.get("series") or {}
    about = content["involvedObject"]
    last = (
        series.get("lastObservedTime")
        or content.get("lastTimestamp")
        or content.get("eventTime")
        or content.get("firstTimestamp")
    )
    return ClusterEvent(
        uid=content["metadata"]["uid"],
        about=f"{about['kind']}/{about['name']}",
        reason=content.get("reason") or "",
        message=content.get("message") or "",
        count=int(series.get("count") or content.get("count") or 1),
        last=time(last),
    )
