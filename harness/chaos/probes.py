"""Whether all is steady: probes of hypotheses. Each answers True, or raises with what is wrong."""

from __future__ import annotations

from collections.abc import Sequence

from harness.chaos.injector import Injector, current
from harness.chaos.quorums import etcd
from harness.chaos.targets import Targets
from harness.drivers import wholeness
from harness.errors import SurroundingsError
from harness.model.workload import (
    BrokerWorkload,
    PostgresqlWorkload,
    RedisWorkload,
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
    return _nothing_lacks(wholeness.lacks_of_nodes(current().cluster))


def pods_ready(workload: str) -> bool:
    """All pods that a workload should have are ready, and none is on its way out."""
    injector = current()
    chosen = _targets(injector).workload(workload)
    return _nothing_lacks(wholeness.lacks_of_pods(injector.cluster, chosen))


def postgresql_replicates(workload: str, replicas: int | str = "") -> bool:
    """One server takes writes, and so many replicas stream from it; empty: all the other pods.

    The role that is asked with must see pg_stat_replication (pg_monitor).
    """
    injector = current()
    chosen = _targets(injector).workload(workload)
    if not isinstance(chosen, PostgresqlWorkload):
        raise SurroundingsError(f"workload {workload}: is no PostgreSQL, expected one")
    wanted = None if replicas == "" else int(replicas)
    return _nothing_lacks(wholeness.lacks_of_postgresql(injector.cluster, chosen, wanted))


def redis_cluster_ok(workload: str) -> bool:
    """Every node says that all slots are served, and each master has a replica linked to it."""
    injector = current()
    chosen = _targets(injector).workload(workload)
    if not isinstance(chosen, RedisWorkload):
        raise SurroundingsError(f"workload {workload}: is no Redis with data, expected one")
    return _nothing_lacks(wholeness.lacks_of_redis(injector.cluster, chosen))


def broker_ok(workload: str) -> bool:
    """Every node of the broker says that the cluster is whole."""
    injector = current()
    chosen = _targets(injector).workload(workload)
    if not isinstance(chosen, BrokerWorkload):
        raise SurroundingsError(f"workload {workload}: is no broker, expected one")
    return _nothing_lacks(wholeness.lacks_of_redis(injector.cluster, chosen))


def workloads_well() -> bool:
    """All workloads of the environment are whole, each by the probe of its kind."""
    injector = current()
    return _nothing_lacks(
        [
            line
            for workload in injector.config.workloads
            for line in wholeness.lacks_of_workload(injector.cluster, workload)
        ]
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
        return _nothing_lacks([f"{one} is off" for one in off])
    injector.nodes.etcd_leader()
    return True


def _targets(injector: Injector) -> Targets:
    return Targets(injector.config, injector.cluster)


def _nothing_lacks(lacks: Sequence[str]) -> bool:
    if lacks:
        raise SurroundingsError("; ".join(lacks))
    return True
