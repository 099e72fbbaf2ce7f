"""Asks what is missing of nodes and workloads: of the API, and of the databases themselves.

Every answer is a list of lines for people; empty: all is whole.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.drivers import roles
from harness.drivers.kubernetes import Cluster
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


def lacks_of_nodes(cluster: Cluster) -> list[str]:
    """Nodes that are not Ready, or cordoned."""
    nodes = cluster.nodes()
    if not nodes:
        return ["the API knows no node"]
    return [
        f"node {node.name} is {'not Ready' if not node.ready else 'cordoned'}"
        for node in nodes
        if not node.ready or node.unschedulable
    ]


def lacks_of_workload(cluster: Cluster, workload: Workload) -> list[str]:
    """Pods that are not there or do not serve, and what its kind needs beyond them."""
    missing = lacks_of_pods(cluster, workload)
    match workload:
        case PostgresqlWorkload():
            return missing + lacks_of_postgresql(cluster, workload)
        case RedisWorkload() | BrokerWorkload():
            return missing + lacks_of_redis(cluster, workload)
        case HttpWorkload():
            return missing


def lacks_of_pods(cluster: Cluster, workload: Workload) -> list[str]:
    """Pods that are not ready or on their way out, and how many are too few."""
    pods = cluster.pods(workload.namespace, workload.pods)
    lacking = [
        f"pod {pod.name} is {'terminating' if pod.terminating else 'not ready'}"
        for pod in pods
        if pod.terminating or not pod.ready
    ]
    wanted = _wanted(cluster, workload, pods)
    if len(pods) < wanted or not pods:
        lacking.append(f"got {len(pods)} pods, expected {max(wanted, 1)}")
    return [f"{workload.id}: {one}" for one in lacking]


def lacks_of_postgresql(
    cluster: Cluster, workload: PostgresqlWorkload, replicas: int | None = None
) -> list[str]:
    """That one server takes writes and so many replicas stream from it; None: all other pods.

    The role that is asked with must see pg_stat_replication (pg_monitor).
    """
    pods = cluster.pods(workload.namespace, workload.pods)
    members = roles.postgres_members(workload, pods)
    try:
        primary = roles.the_primary(workload, members)
    except SurroundingsError as error:
        return [str(error)]
    if replicas is None:
        replicas = max(_wanted(cluster, workload, pods), len(pods)) - 1
    if primary.streaming < replicas:
        name = primary.pod.name
        return [f"{workload.id}: {primary.streaming} of {replicas} replicas stream from {name}"]
    return []


def lacks_of_redis(cluster: Cluster, workload: RedisWorkload | BrokerWorkload) -> list[str]:
    """What the nodes say is wrong with the cluster; of one with data, masters without a replica."""
    pods = cluster.pods(workload.namespace, workload.pods)
    access = roles.access_of(workload)
    wrong = [f"{workload.id}: {one}" for one in roles.cluster_problems(workload, pods, access)]
    if not wrong and isinstance(workload, RedisWorkload):
        wrong = [
            f"{workload.id}: slots {shard.slots}: no replica is linked to their master"
            for shard in roles.redis_shards(workload, pods, access)
            if not shard.replicas
        ]
    return wrong


def _wanted(cluster: Cluster, workload: Workload, pods: Sequence[Pod]) -> int:
    """How many pods those that make them should keep."""
    total = 0
    for owner in sorted({pod.owner for pod in pods}):
        kind, _, name = owner.partition("/")
        if kind in _MAKERS:
            maker = cluster.get_object("apps/v1", kind, workload.namespace, name)
            total += int(maker["spec"].get("replicas", 1)) if maker else 0
    return total
