"""Whether all is steady: probes of hypotheses. Each answers True, or raises with what is wrong."""

from __future__ import annotations

from collections.abc import Sequence

from harness.chaos.injector import Injector, current
from harness.chaos.quorums import etcd
from harness.chaos.targets import Targets
from harness.drivers import roles
from harness.errors import SurroundingsError
from harness.model.cluster import Pod
from harness.model.workload import (
    BrokerWorkload,
    HttpWorkload,
    PostgresqlWorkload,
    RedisWorkload,
    Workload,
)

_MAKERS = ("StatefulSet", "ReplicaSet")
"""Kinds of apps/v1 that say in spec.replicas how many pods there should be."""


def api_answers() -> bool:
    """The Kubernetes API answers, as the cluster that was planned."""
    injector = current()
    injector.cluster.require(injector.config.cluster.identity.uid)
    return True


def nodes_ready() -> bool:
    """All nodes are Ready and schedulable, and there is one."""
    nodes = current().cluster.nodes()
    wrong = [
        f"{node.name} is {'not Ready' if not node.ready else 'cordoned'}"
        for node in nodes
        if not node.ready or node.unschedulable
    ]
    return _none_wrong(wrong if nodes else ["there is no node"])


def pods_ready(workload: str) -> bool:
    """All pods that a workload should have are ready, and none is on its way out."""
    injector = current()
    return _none_wrong(_wrong_pods(injector, _targets(injector).workload(workload)))


def postgresql_replicates(workload: str, replicas: int | str = "") -> bool:
    """One server takes writes, and so many replicas stream from it; empty: all the other pods.

    The role that is asked with must see pg_stat_replication (pg_monitor).
    """
    injector = current()
    chosen = _targets(injector).workload(workload)
    if not isinstance(chosen, PostgresqlWorkload):
        raise SurroundingsError(f"workload {workload}: is no PostgreSQL, expected one")
    return _none_wrong(_wrong_postgresql(injector, chosen, str(replicas)))


def redis_cluster_ok(workload: str) -> bool:
    """Every node says that all slots are served, and each master has a replica linked to it."""
    injector = current()
    chosen = _targets(injector).workload(workload)
    if not isinstance(chosen, RedisWorkload):
        raise SurroundingsError(f"workload {workload}: is no Redis with data, expected one")
    return _none_wrong(_wrong_redis(injector, chosen))


def broker_ok(workload: str) -> bool:
    """Every node of the broker says that the cluster is whole."""
    injector = current()
    chosen = _targets(injector).workload(workload)
    if not isinstance(chosen, BrokerWorkload):
        raise SurroundingsError(f"workload {workload}: is no broker, expected one")
    return _none_wrong(_wrong_redis(injector, chosen))


def workloads_well() -> bool:
    """All workloads of the environment are whole, each by the probe of its kind."""
    injector = current()
    return _none_wrong(
        [one for workload in injector.config.workloads for one in _wrong(injector, workload)]
    )


def etcd_has_quorum() -> bool:
    """All machines of the control plane have power, and one of them leads etcd.

    Where the control plane is managed: a read that etcd must agree to.
    """
    injector = current()
    group = etcd(injector.nodes)
    if not group.members:
        return api_answers()
    off = sorted(group.members.keys() - group.up)
    if off:
        return _none_wrong([f"{one} is off" for one in off])
    injector.nodes.etcd_leader()
    return True


def _wrong(injector: Injector, workload: Workload) -> list[str]:
    match workload:
        case PostgresqlWorkload():
            return _wrong_postgresql(injector, workload, "")
        case RedisWorkload() | BrokerWorkload():
            return _wrong_redis(injector, workload)
        case HttpWorkload():
            return _wrong_pods(injector, workload)


def _wrong_pods(injector: Injector, workload: Workload) -> list[str]:
    pods = injector.cluster.pods(workload.namespace, workload.pods)
    lacking = [
        f"pod {pod.name} is {'terminating' if pod.terminating else 'not ready'}"
        for pod in pods
        if pod.terminating or not pod.ready
    ]
    wanted = _wanted(injector, workload, pods)
    if len(pods) < wanted or not pods:
        lacking.append(f"got {len(pods)} pods, expected {max(wanted, 1)}")
    return [f"{workload.id}: {one}" for one in lacking]


def _wanted(injector: Injector, workload: Workload, pods: Sequence[Pod]) -> int:
    """How many pods those that make them should keep."""
    total = 0
    for owner in sorted({pod.owner for pod in pods}):
        kind, _, name = owner.partition("/")
        if kind in _MAKERS:
            maker = injector.cluster.get_object("apps/v1", kind, workload.namespace, name)
            total += int(maker["spec"].get("replicas", 1)) if maker else 0
    return total


def _wrong_postgresql(injector: Injector, workload: PostgresqlWorkload, replicas: str) -> list[str]:
    pods = injector.cluster.pods(workload.namespace, workload.pods)
    members = roles.postgres_members(workload, pods)
    try:
        primary = roles.the_primary(workload, members)
    except SurroundingsError as error:
        return [str(error)]
    wanted = int(replicas) if replicas else max(_wanted(injector, workload, pods), len(pods)) - 1
    if primary.streaming < wanted:
        name = primary.pod.name
        return [f"{workload.id}: {primary.streaming} of {wanted} replicas stream from {name}"]
    return []


def _wrong_redis(injector: Injector, workload: RedisWorkload | BrokerWorkload) -> list[str]:
    pods = injector.cluster.pods(workload.namespace, workload.pods)
    access = roles.access_of(workload)
    wrong = [f"{workload.id}: {one}" for one in roles.cluster_problems(workload, pods, access)]
    if not wrong and isinstance(workload, RedisWorkload):
        wrong = [
            f"{workload.id}: slots {shard.slots}: no replica is linked to their master"
            for shard in roles.redis_shards(workload, pods, access)
            if not shard.replicas
        ]
    return wrong


def _targets(injector: Injector) -> Targets:
    return Targets(injector.config, injector.cluster)


def _none_wrong(wrong: Sequence[str]) -> bool:
    if wrong:
        raise SurroundingsError("; ".join(wrong))
    return True
