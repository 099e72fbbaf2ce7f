"""Which groups need a majority, who of them is up, and where each is: for the guards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import msgspec

from harness.drivers import roles
from harness.drivers.kubernetes import Cluster
from harness.errors import RefusedError, SurroundingsError
from harness.model.blow import Blow, QuorumGroup
from harness.model.cluster import Pod, State
from harness.model.workload import (
    BrokerWorkload,
    HttpWorkload,
    PostgresqlWorkload,
    RedisWorkload,
    Workload,
)
from harness.ports import NodeProvider

ETCD = "etcd"


def quorums_of(
    blow: Blow,
    state: State,
    workloads: Sequence[Workload],
    cluster: Cluster,
    nodes: NodeProvider,
) -> Blow:
    """The same blow with all groups of which it takes a member, as they are now.

    Raises RefusedError where such a group cannot be known: what is not known is not broken.
    """
    gone = blow.pods | {_place(pod) for pod in state.pods if pod.node in blow.nodes}
    groups = []
    for workload in workloads:
        pods = cluster.pods(workload.namespace, workload.pods) if name_of(workload) else ()
        if gone & {_place(pod) for pod in pods}:
            groups += [one for one in _groups(workload, pods) if gone & {*one.members.values()}]
    if blow.control_plane:
        groups.append(etcd(nodes))
    return msgspec.structs.replace(blow, quorums=tuple(groups))


def name_of(workload: Workload) -> str:
    """Of a workload's group, as `Blow.gives_up` names it; empty where it has none."""
    match workload:
        case PostgresqlWorkload():
            return f"{workload.id}: members of PostgreSQL"
        case RedisWorkload() | BrokerWorkload():
            return f"{workload.id}: masters of Redis"
        case HttpWorkload():
            return ""


def etcd(nodes: NodeProvider) -> QuorumGroup:
    """The machines of the control plane, and which of them have power."""
    machines = nodes.control_plane()
    up = set()
    for machine in machines:
        with contextlib.suppress(SurroundingsError):
            if not nodes.is_off(machine):
                up.add(machine)
    return QuorumGroup(
        name=ETCD,
        members={machine: machine for machine in machines},
        up=frozenset(up),
        quorum=len(machines) // 2 + 1,
    )


def _groups(workload: Workload, pods: Sequence[Pod]) -> Iterator[QuorumGroup]:
    match workload:
        case PostgresqlWorkload():
            up = frozenset(one.pod.name for one in roles.postgres_members(workload, pods))
            yield _group(workload, {pod.name: _place(pod) for pod in pods}, up)
        case RedisWorkload() | BrokerWorkload():
            yield _masters(workload, pods)
        case HttpWorkload():
            return


def _masters(workload: RedisWorkload | BrokerWorkload, pods: Sequence[Pod]) -> QuorumGroup:
    access = roles.access_of(workload)
    shards = roles.redis_shards(workload, pods, access)
    if not shards:
        raise RefusedError(f"{name_of(workload)}: no node answers, expected one that knows them")
    by_address = {pod.address: pod for pod in pods if pod.address}
    masters = {shard.slots: by_address.get(shard.master[0]) for shard in shards}
    up = frozenset(
        slots
        for slots, pod in masters.items()
        if pod is not None and roles.redis_shards(workload, [pod], access)
    )
    members = {slots: _place(pod) if pod is not None else "" for slots, pod in masters.items()}
    return _group(workload, members, up)


def _group(workload: Workload, members: dict[str, str], up: frozenset[str]) -> QuorumGroup:
    return QuorumGroup(name=name_of(workload), members=members, up=up, quorum=len(members) // 2 + 1)


def _place(pod: Pod) -> str:
    return f"{pod.namespace}/{pod.name}"
