"""A cluster as it was read: three workers in three zones, with the documented platform on them."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from harness.model.cluster import Identity, Node, Pod, State
from harness.model.cluster_settings import (
    ClusterSettings,
    ControlPlaneSettings,
    Member,
    PatroniSettings,
    PodSettings,
    RedisSettings,
    Span,
    WorkloadSettings,
)
from harness.model.target import Kind, RecoveryTime, Source, Target
from harness.model.workload import (
    BrokerWorkload,
    HttpWorkload,
    PostgresqlWorkload,
    RedisWorkload,
    Workload,
)

ORDERS = PostgresqlWorkload(
    id="orders",
    namespace="infrastructure",
    pods="app=postgresql",
    service="postgresql-primary",
    read_service="postgresql-replicas",
)
CARTS = RedisWorkload(id="carts", namespace="infrastructure", pods="app=redis", service="redis")
EVENTS = BrokerWorkload(
    id="events", namespace="infrastructure", pods="app=broker", service="broker"
)
CHECKOUT = HttpWorkload(
    id="checkout",
    namespace="shop",
    pods="app=checkout",
    service="checkout",
    deployment="checkout",
)
WORKLOADS: tuple[Workload, ...] = (ORDERS, CARTS, EVENTS, CHECKOUT)

RTO = Target(
    id="rto",
    covers=tuple(Kind),
    objective=RecoveryTime(at_most=timedelta(minutes=5)),
    source=Source(section="High Availability", quote="recovery_time: < 5 minutes (RTO)"),
)
CLUSTER = Identity(context="staging", server="https://10.0.0.1:6443", uid="1f", version="v1.34.1")

PODS = PodSettings(
    controller="Deployment/checkout",
    replicas=3,
    unreachable_toleration_s=300,
    readiness_delay_s=5,
    readiness_period_s=5,
    grace_s=30,
    restarts=0,
    volume="none",
)
STATEFUL = replace(
    PODS,
    controller="StatefulSet/postgresql",
    readiness_delay_s=0,
    readiness_period_s=2,
    volume="node",
)
PATRONI = PatroniSettings(
    ttl_s=30,
    loop_wait_s=10,
    retry_timeout_s=10,
    primary_start_timeout_s=300,
    maximum_lag_bytes=1_048_576,
    synchronous_mode=True,
    failsafe_mode=True,
    wal_sender_timeout_s=60,
    source="Endpoints infrastructure/postgresql-primary-config",
    service_selects=False,
)
REDIS = RedisSettings(node_timeout_s=15, require_full_coverage=True, source="CONFIG GET of redis-0")


def member(pod: str, worker: int, role: str = "", follows: str = "") -> Member:
    return Member(
        pod=pod, node=f"worker-{worker}", role=role, follows=follows, zone=f"zone-{worker}"
    )


POSTGRESQL = WorkloadSettings(
    workload="orders",
    pods=STATEFUL,
    patroni=PATRONI,
    members=(
        member("postgresql-0", 2, "primary"),
        member("postgresql-1", 1, "replica"),
        member("postgresql-2", 3, "replica"),
    ),
)
REDIS_CLUSTER = WorkloadSettings(
    workload="carts",
    pods=replace(STATEFUL, controller="StatefulSet/redis"),
    redis=REDIS,
    members=(
        member("redis-0", 1, "master"),
        member("redis-1", 2, "master"),
        member("redis-2", 3, "master"),
        member("redis-3", 3, "replica", "redis-0"),
        member("redis-4", 1, "replica", "redis-1"),
        member("redis-5", 2, "replica", "redis-2"),
    ),
)
BROKER = WorkloadSettings(
    workload="events",
    pods=replace(STATEFUL, controller="StatefulSet/broker"),
    members=tuple(member(f"broker-{n - 1}", n) for n in (1, 2, 3)),
)
SHOP = WorkloadSettings(
    workload="checkout",
    pods=PODS,
    members=tuple(member(f"checkout-{n}", n) for n in (1, 2, 3)),
)


def _node(number: int) -> Node:
    return Node(
        name=f"worker-{number}",
        uid=f"uid-{number}",
        boot_id=f"boot-{number}",
        ready=True,
        unschedulable=False,
        zone=f"zone-{number}",
        control_plane=False,
        provider_id="",
    )


def _pod(namespace: str, one: Member) -> Pod:
    return Pod(
        namespace=namespace,
        name=one.pod,
        uid=f"uid-{one.pod}",
        node=one.node,
        address="10.0.1.1",
        phase="Running",
        ready=True,
        terminating=False,
        owner="StatefulSet/any",
        labels={},
    )


SETTINGS = ClusterSettings(
    node_grace=Span(low_s=50, high_s=50, source="the default of Kubernetes 1.34"),
    node_grace_known=False,
    workloads=(POSTGRESQL, REDIS_CLUSTER, BROKER, SHOP),
    control_plane=ControlPlaneSettings(
        members=3,
        election_timeout_s=1,
        balancer=Span(low_s=0, high_s=4, source="its health checks"),
        machines={f"master-{n}": f"zone-{n}" for n in (1, 2, 3)},
    ),
    state=State(
        nodes=tuple(_node(n) for n in (1, 2, 3)),
        pods=tuple(
            _pod(workload.namespace, one)
            for workload, its in zip(
                WORKLOADS, (POSTGRESQL, REDIS_CLUSTER, BROKER, SHOP), strict=True
            )
            for one in its.members
        ),
        budgets=(),
    ),
)


def with_workload(
    changed: WorkloadSettings, settings: ClusterSettings = SETTINGS
) -> ClusterSettings:
    """The same cluster, with another reading of one workload."""
    return replace(
        settings,
        workloads=tuple(
            changed if one.workload == changed.workload else one for one in settings.workloads
        ),
    )
