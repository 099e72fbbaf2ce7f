"""Autoscaling: what a HorizontalPodAutoscaler is set to, and what it and its pods were seen to be.

Wall times are the cluster's, as its API gives them; instants are the harness's monotonic clock.
Kubernetes documentation, "Horizontal Pod Autoscaling"; API reference, autoscaling/v2.
"""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Resource(enum.StrEnum):
    """What is measured, asked for and limited of a container."""

    CPU = "cpu"
    """Cores."""

    MEMORY = "memory"
    """Bytes."""


class ResourceTarget(_Value, frozen=True, kw_only=True):
    """One metric of an autoscaler, of type Resource or ContainerResource."""

    resource: Resource
    utilization: int | None = None
    """averageUtilization, percent of the request; None where an average value is the target."""

    average_value: float | None = None
    container: str | None = None
    """Of a ContainerResource: only that container of each pod counts."""


class PolicyKind(enum.StrEnum):
    """What a scaling policy's value is of."""

    PODS = "Pods"
    PERCENT = "Percent"


class ScalingPolicy(_Value, frozen=True, kw_only=True):
    """By how much a period may change the replicas."""

    kind: PolicyKind
    value: int
    period_s: int


class SelectPolicy(enum.StrEnum):
    """Which of several policies counts."""

    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


class ScalingRules(_Value, frozen=True, kw_only=True):
    """One direction of spec.behavior."""

    window_s: int
    """stabilizationWindowSeconds."""

    policies: tuple[ScalingPolicy, ...]
    select: SelectPolicy = SelectPolicy.MAX
    tolerance: float | None = None
    """Of this direction (KEP-4951); None: the controller manager's."""


DEFAULT_UP = ScalingRules(
    window_s=0,
    policies=(
        ScalingPolicy(kind=PolicyKind.PERCENT, value=100, period_s=15),
        ScalingPolicy(kind=PolicyKind.PODS, value=4, period_s=15),
    ),
)
DEFAULT_DOWN = ScalingRules(
    window_s=300, policies=(ScalingPolicy(kind=PolicyKind.PERCENT, value=100, period_s=15),)
)
"""Both: Kubernetes documentation, "Default behavior"."""


class AutoscalerSettings(_Value, frozen=True, kw_only=True):
    """The spec of one HorizontalPodAutoscaler, with Kubernetes' defaults filled in."""

    namespace: str
    name: str
    target: str
    """`Deployment/checkout`."""

    minimum: int
    maximum: int
    metrics: tuple[ResourceTarget, ...]
    """Those of resources; others are in `other_metrics`, by name."""

    other_metrics: tuple[str, ...] = ()
    up: ScalingRules = DEFAULT_UP
    down: ScalingRules = DEFAULT_DOWN
    behavior_given: bool = False
    """Whether spec.behavior says anything at all."""


class VerticalPolicy(_Value, frozen=True, kw_only=True):
    """What a VerticalPodAutoscaler may set of one container."""

    container: str
    """`*`: of each that has no policy of its own."""

    resources: tuple[Resource, ...]
    """Whose requests it sets; none where its mode is Off."""


class VerticalAutoscalerSettings(_Value, frozen=True, kw_only=True):
    """The spec of one VerticalPodAutoscaler, with its defaults filled in.

    Kubernetes autoscaler, Vertical Pod Autoscaler, API reference of autoscaling.k8s.io/v1.
    """

    namespace: str
    name: str
    target: str
    """`Deployment/checkout`."""

    mode: str
    """updateMode: `Off` only recommends, every other sets requests of running or of new pods."""

    policies: tuple[VerticalPolicy, ...] = ()

    def sets(self, container: str) -> tuple[Resource, ...]:
        """Whose requests of a container it sets."""
        if self.mode == "Off":
            return ()
        of = {one.container: one.resources for one in self.policies}
        return of.get(container, of.get("*", tuple(Resource)))


class Timings(_Value, frozen=True, kw_only=True):
    """The periods of those who measure and decide, and where each is from."""

    sync_s: float = 15
    """--horizontal-pod-autoscaler-sync-period of the controller manager."""

    tolerance: float = 0.1
    """--horizontal-pod-autoscaler-tolerance."""

    cpu_initialization_s: float = 300
    """--horizontal-pod-autoscaler-cpu-initialization-period."""

    initial_readiness_s: float = 30
    """--horizontal-pod-autoscaler-initial-readiness-delay."""

    scrape_s: float = 15
    """--metric-resolution of metrics-server."""

    source: str = "Kubernetes' defaults"


class ContainerResources(_Value, frozen=True, kw_only=True):
    """What one container asks for and is limited to; None: it says nothing."""

    name: str
    requests: dict[Resource, float] = {}
    limits: dict[Resource, float] = {}
    sidecar: bool = False
    """An init container that goes on running (restartPolicy Always)."""


class ScaledPod(_Value, frozen=True, kw_only=True):
    """One pod of the target, as the API had it."""

    name: str
    uid: str
    phase: str
    ready: bool
    terminating: bool
    node: str
    """Empty: it is not scheduled."""

    created: datetime
    started: datetime | None
    """status.startTime; None: no kubelet took it yet."""

    ready_changed: datetime | None
    """lastTransitionTime of its condition Ready."""

    containers: tuple[ContainerResources, ...] = ()
    qos: str = ""
    """status.qosClass."""

    waits_for: str = ""
    """Why it is not scheduled or does not run, as the API says."""


class Usage(_Value, frozen=True, kw_only=True):
    """What one pod used, by the resource metrics API (metrics.k8s.io)."""

    pod: str
    measured: datetime
    """The end of the window."""

    window_s: float
    containers: dict[str, dict[Resource, float]]
    """Container -> resource -> cores or bytes."""


class AutoscalerStatus(_Value, frozen=True, kw_only=True):
    """status of the autoscaler. `desired` is after stabilisation, policies and limits."""

    desired: int
    current: int
    last_scaled: datetime | None
    utilization: dict[str, int | None] = {}
    """Metric -> averageUtilization as the controller last computed it; `cpu`, `memory`."""

    average: dict[str, float | None] = {}
    """Metric -> averageValue, cores or bytes."""

    conditions: dict[str, str] = {}
    """`ScalingLimited` -> `True TooManyReplicas: ...`."""


class QuotaUse(_Value, frozen=True, kw_only=True):
    """One ResourceQuota: for each of its resources what is used, and the most that may be."""

    namespace: str
    name: str
    used: dict[str, float]
    """`requests.cpu` -> cores; `limits.memory` -> bytes; `pods` -> pods."""

    hard: dict[str, float]


class ClusterEvent(_Value, frozen=True, kw_only=True):
    """An event of the API about the service: FailedCreate, FailedScheduling, SuccessfulRescale."""

    uid: str
    about: str
    """`ReplicaSet/checkout-5f6d`."""

    reason: str
    message: str
    count: int
    last: datetime | None


class Sighting(_Value, frozen=True, kw_only=True):
    """One look at all that scales a service. What could not be read is None, and `unread` says why.

    A timeline (`*.timeline.jsonl`) is a file of these, in the order of their instants.
    """

    began_ns: int
    ended_ns: int
    """Monotonic: all that is below was so at some moment between the two."""

    wall: datetime
    """The harness's, at `began_ns`."""

    replicas: int | None = None
    """spec.replicas of the Deployment."""

    autoscaler: AutoscalerStatus | None = None
    pods: tuple[ScaledPod, ...] | None = None
    endpoints: int | None = None
    """Addresses of its EndpointSlices that are ready: those that are sent requests."""

    usages: tuple[Usage, ...] | None = None
    """None in the looks between two reads of the metrics API, too."""

    quotas: tuple[QuotaUse, ...] | None = None
    events: tuple[ClusterEvent, ...] = ()
    """Those that are new or were counted up since the look before."""

    unread: dict[str, str] = {}
