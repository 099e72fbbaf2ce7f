"""What a cluster and its workloads are set to, as far as it could be read: for predictions.

What could not be read is None, and `unknown` says why: a prediction is then wider and says so, or
is not made. Durations are seconds.
"""

from __future__ import annotations

import msgspec

from harness.model.cluster import State


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Span(_Value, frozen=True, kw_only=True):
    """A duration between two bounds, and where it is from."""

    low_s: float
    high_s: float
    source: str
    """`node-monitor-grace-period of Kubernetes 1.32 and later`."""

    def __post_init__(self) -> None:
        if not 0 <= self.low_s <= self.high_s:
            raise ValueError(f"got {self.low_s} to {self.high_s} s, expected a span from 0 on")


class PodSettings(_Value, frozen=True, kw_only=True):
    """How the pods of a workload are run, by their controller's template."""

    controller: str
    """`Deployment/checkout`, `StatefulSet/redis`."""

    replicas: int
    """As its spec says now."""

    unreachable_toleration_s: float | None
    """How long a pod stays bound to a node that is away; None: forever."""

    readiness_delay_s: float
    """initialDelaySeconds of the main container's readiness probe; 0 where it has none, as below:
    it is ready when it runs."""

    readiness_period_s: float
    grace_s: float
    """terminationGracePeriodSeconds."""

    restarts: int
    """The most that one main container was restarted: back-off doubles with each."""

    volume: str
    """`none`; `node`: it stays on its node; `attached`: to one node at a time."""

    autoscaler_minimum: int | None = None
    """What a HorizontalPodAutoscaler may scale it down to; None: there is none."""

    @property
    def is_replaced_elsewhere(self) -> bool:
        """Whether its controller makes a new pod while the old one may still run somewhere.

        A StatefulSet does not: there must never be two of one name (Kubernetes documentation,
        "Force Delete StatefulSet Pods").
        """
        return not self.controller.startswith("StatefulSet/") and self.volume != "node"


class PatroniSettings(_Value, frozen=True, kw_only=True):
    """The dynamic configuration of a Patroni cluster."""

    ttl_s: float
    loop_wait_s: float
    retry_timeout_s: float
    primary_start_timeout_s: float
    maximum_lag_bytes: int
    """maximum_lag_on_failover."""

    synchronous_mode: bool
    failsafe_mode: bool
    wal_sender_timeout_s: float
    """PostgreSQL's, where Patroni sets it; else its default."""

    source: str
    """`Endpoints infrastructure/postgresql-primary-config`."""

    service_selects: bool | None = None
    """Whether the primary's Service finds it by labels; False: Patroni writes its Endpoints.
    None: not known."""


class RedisSettings(_Value, frozen=True, kw_only=True):
    """The configuration of a Redis cluster."""

    node_timeout_s: float
    require_full_coverage: bool
    source: str


class Member(_Value, frozen=True, kw_only=True):
    """One pod of a workload, and its role when it was read."""

    pod: str
    """Its name, in the namespace of the workload."""

    node: str
    role: str
    """`primary`, `replica`; `master`, `replica`; empty where the workload has no roles, or they
    could not be read."""

    follows: str = ""
    """Of a replica of Redis: the pod that it copies; empty where that is not known."""

    zone: str = ""


class WorkloadSettings(_Value, frozen=True, kw_only=True):
    """All that was read of one workload."""

    workload: str
    pods: PodSettings | None = None
    patroni: PatroniSettings | None = None
    redis: RedisSettings | None = None
    members: tuple[Member, ...] = ()
    unknown: dict[str, str] = {}
    """What could not be read, and why: `patroni: no annotation config`."""


class ControlPlaneSettings(_Value, frozen=True, kw_only=True):
    """How the control plane is run. The environment says it: from within it is not to be read."""

    members: int
    election_timeout_s: float | None = None
    """etcd's --election-timeout; None: not known."""

    balancer: Span | None = None
    """How long the load balancer sends calls to a member that is gone; None: not known."""

    machines: dict[str, str] = {}
    """Each machine of it, and its zone; none where that is not known."""


class ClusterSettings(_Value, frozen=True, kw_only=True):
    """All that was read of a cluster."""

    node_grace: Span
    """node-monitor-grace-period of the controller manager."""

    node_grace_known: bool
    """Whether it was read; False: Kubernetes' default for this version."""

    workloads: tuple[WorkloadSettings, ...] = ()
    control_plane: ControlPlaneSettings | None = None
    state: State | None = None

    def of(self, workload: str) -> WorkloadSettings:
        """What was read of that workload; nothing at all where it is not here."""
        for one in self.workloads:
            if one.workload == workload:
                return one
        return WorkloadSettings(workload=workload, unknown={"pods": "its settings were not read"})
