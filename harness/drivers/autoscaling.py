"""Reads how a service of a cluster is scaled, and what scales it now; changes nothing.

Errors are those of harness.drivers.kubernetes: what is refused is refused here, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.drivers import autoscaling_objects, kubernetes_objects
from harness.drivers.kubernetes import Cluster
from harness.drivers.kubernetes_objects import Object
from harness.drivers.program_arguments import controller_manager, go_duration_s
from harness.errors import HarnessError, InputError, SurroundingsError
from harness.model.autoscaling import (
    DEFAULT_DOWN,
    AutoscalerSettings,
    AutoscalerStatus,
    ClusterEvent,
    QuotaUse,
    ScaledPod,
    Timings,
    Usage,
)
from harness.model.program_arguments import flags
from harness.model.workload import HttpWorkload

_APPS = "apps/v1"
_AUTOSCALING, _AUTOSCALER = "autoscaling/v2", "HorizontalPodAutoscaler"
_METRICS, _POD_METRICS = "metrics.k8s.io/v1beta1", "PodMetrics"

_DOWN_WINDOW = "horizontal-pod-autoscaler-downscale-stabilization"
_PERIODS = {
    "sync_s": "horizontal-pod-autoscaler-sync-period",
    "cpu_initialization_s": "horizontal-pod-autoscaler-cpu-initialization-period",
    "initial_readiness_s": "horizontal-pod-autoscaler-initial-readiness-delay",
}
_TOLERANCE = "horizontal-pod-autoscaler-tolerance"
_RESOLUTION = "metric-resolution"

_SCRAPE_DEFAULT_S = 60.0
"""metrics-server FAQ, "How often metrics are scraped?". Its manifests say 15 s themselves."""


# --- what it is set to -----------------------------------------------------------------------


def read_autoscaler(cluster: Cluster, workload: HttpWorkload) -> AutoscalerSettings | None:
    """The autoscaler of a service; None where it has none."""
    controller = controller_of(cluster, workload)
    for one in cluster.list_objects(_AUTOSCALING, _AUTOSCALER, workload.namespace):
        scaled = one["spec"]["scaleTargetRef"]
        if f"{scaled['kind']}/{scaled['name']}" == controller:
            return autoscaler_settings(cluster, one)
    return None


def autoscaler_settings(cluster: Cluster, content: Object) -> AutoscalerSettings:
    """A HorizontalPodAutoscaler; what it leaves to the controller manager is as that is set."""
    window = _manager_flags(cluster).get(_DOWN_WINDOW)
    return autoscaling_objects.autoscaler_settings(
        content,
        down_window_s=DEFAULT_DOWN.window_s if window is None else round(go_duration_s(window)),
    )


def controller_of(cluster: Cluster, workload: HttpWorkload) -> str:
    """What has the replicas of a service: `Deployment/checkout`.

    InputError where the environment names none, and the service's pods have none.
    """
    if workload.deployment is not None:
        return f"Deployment/{workload.deployment}"
    for pod in cluster.pods(workload.namespace, workload.pods):
        kind, _, name = pod.owner.partition("/")
        if kind == "ReplicaSet":
            above = cluster.get_object(_APPS, kind, workload.namespace, name)
            return (above and kubernetes_objects.owner(above)) or pod.owner
        if kind:
            return pod.owner
    raise InputError(
        f"workload {workload.id}: names no deployment, and no pod of {workload.namespace} with "
        f"the labels {workload.pods} has a controller",
        hint=f"kubectl --namespace {workload.namespace} get pods --selector {workload.pods}",
    )


def version_of(cluster: Cluster, workload: HttpWorkload) -> str:
    """Of a service: the label `version` of its pods' template, else its main container's image.

    InputError where its controller is not there.
    """
    controller = controller_of(cluster, workload)
    kind, _, name = controller.partition("/")
    found = cluster.get_object(_APPS, kind, workload.namespace, name)
    if found is None:
        raise InputError(
            f"workload {workload.id}: {controller} is not in {workload.namespace}",
            hint=f"kubectl --namespace {workload.namespace} get deployments,statefulsets",
        )
    template = found["spec"]["template"]
    labels = template["metadata"].get("labels") or {}
    containers = template["spec"]["containers"]
    main = next((one for one in containers if one["name"] == workload.container), containers[0])
    return str(labels.get("version") or labels.get("app.kubernetes.io/version") or main["image"])


def read_timings(cluster: Cluster) -> Timings:
    """The periods of those who measure and decide, as far as their flags are visible; never raises
    for what is not.
    """
    manager = _manager_flags(cluster)
    scrape_s, scrape_source = _scrape(cluster)
    defaults = Timings()
    return Timings(
        sync_s=_period(manager, "sync_s", defaults.sync_s),
        cpu_initialization_s=_period(
            manager, "cpu_initialization_s", defaults.cpu_initialization_s
        ),
        initial_readiness_s=_period(manager, "initial_readiness_s", defaults.initial_readiness_s),
        tolerance=float(manager.get(_TOLERANCE, defaults.tolerance)),
        scrape_s=defaults.scrape_s if scrape_s is None else scrape_s,
        source="; ".join((scrape_source, _manager_source(manager))),
    )


def _manager_flags(cluster: Cluster) -> Mapping[str, str]:
    """None of them where they are not visible: they are then defaults, and said to be."""
    try:
        return controller_manager(cluster) or {}
    except HarnessError:
        return {}


def _period(manager: Mapping[str, str], field: str, default: float) -> float:
    text = manager.get(_PERIODS[field])
    return default if text is None else go_duration_s(text)


def _manager_source(manager: Mapping[str, str]) -> str:
    given = [
        f"--{one} {manager[one]}" for one in (*_PERIODS.values(), _TOLERANCE) if one in manager
    ]
    if given:
        return f"{', '.join(given)} of the controller manager, its others are Kubernetes' defaults"
    why = "it is given none" if manager else "it is not visible"
    return f"the controller manager's: Kubernetes' defaults, for {why}"


def _scrape(cluster: Cluster) -> tuple[float | None, str]:
    try:
        found = next(_metrics_servers(cluster), None)
        if found is None:
            return None, "metric resolution: its manifests' 15 s, for there is no metrics-server"
        name = found["metadata"]["name"]
        text = flags(found["spec"]["template"]["spec"]).get(_RESOLUTION)
        if text is None:
            return _SCRAPE_DEFAULT_S, f"metric resolution: 60 s, for Deployment {name} gives none"
        return go_duration_s(text), f"--{_RESOLUTION} {text} of Deployment {name}"
    except HarnessError as error:
        return None, f"metric resolution: its manifests' 15 s, for it cannot be read: {error}"


def _metrics_servers(cluster: Cluster) -> Iterator[Object]:
    """By its name as its manifests and its chart have it, under whatever release."""
    for one in cluster.list_objects(_APPS, "Deployment", "kube-system"):
        labels = one["metadata"].get("labels") or {}
        names = (
            one["metadata"]["name"],
            labels.get("k8s-app"),
            labels.get("app.kubernetes.io/name"),
        )
        if "metrics-server" in names:
            yield one


# --- what it is now --------------------------------------------------------------------------


def read_replicas(cluster: Cluster, namespace: str, controller: str) -> int:
    """spec.replicas of a controller; SurroundingsError where it is not there."""
    kind, _, name = controller.partition("/")
    found = cluster.get_object(_APPS, kind, namespace, name)
    if found is None:
        raise SurroundingsError(f"{controller} is not in {namespace}")
    return int(found["spec"].get("replicas", 1))


def read_status(cluster: Cluster, namespace: str, autoscaler: str) -> AutoscalerStatus:
    """Of an autoscaler; SurroundingsError where it is not there."""
    found = cluster.get_object(_AUTOSCALING, _AUTOSCALER, namespace, autoscaler)
    if found is None:
        raise SurroundingsError(f"{_AUTOSCALER} {autoscaler} is not in {namespace}")
    return autoscaling_objects.autoscaler_status(found)


def read_pods(cluster: Cluster, namespace: str, selector: str) -> tuple[ScaledPod, ...]:
    """All that have the labels, terminating ones too."""
    found = cluster.list_objects("v1", "Pod", namespace, selector=selector)
    return tuple(autoscaling_objects.scaled_pod(one) for one in found)


def read_endpoints(cluster: Cluster, namespace: str, service: str) -> int:
    """How many backends the Service sends requests to."""
    return autoscaling_objects.ready_endpoints(
        cluster.list_objects(
            "discovery.k8s.io/v1",
            "EndpointSlice",
            namespace,
            selector=f"kubernetes.io/service-name={service}",
        )
    )


def read_usages(cluster: Cluster, namespace: str, selector: str) -> tuple[Usage, ...]:
    """As the autoscaler reads them; SurroundingsError where the API has no resource metrics.

    A pod that was not measured yet has none.
    """
    if not cluster.has_kind(_METRICS, _POD_METRICS):
        raise SurroundingsError(
            f"the API has no {_METRICS}: metrics-server is not installed, or does not answer",
            hint="kubectl get apiservice v1beta1.metrics.k8s.io",
        )
    found = cluster.list_objects(_METRICS, _POD_METRICS, namespace, selector=selector)
    return tuple(autoscaling_objects.usage(one) for one in found)


def read_quotas(cluster: Cluster, namespace: str) -> tuple[QuotaUse, ...]:
    """All of a namespace; none: nothing limits it."""
    found = cluster.list_objects("v1", "ResourceQuota", namespace)
    return tuple(autoscaling_objects.quota_use(one) for one in found)


def read_events(cluster: Cluster, namespace: str) -> tuple[ClusterEvent, ...]:
    """All of a namespace that the API still has: an hour's, by its default (--event-ttl)."""
    found = cluster.list_objects("v1", "Event", namespace)
    return tuple(autoscaling_objects.cluster_event(one) for one in found)
