"""Asks the servers of data stores themselves for their version, replicas and persistence."""

from __future__ import annotations

from collections.abc import Sequence

from harness.conformance.ground import ActiveLook, Ground
from harness.drivers.bounded_redis import BoundedRedis, Reply
from harness.drivers.clock import HostClock
from harness.drivers.redis import parse_info
from harness.drivers.roles import access_of, ask_postgres
from harness.errors import HarnessError, SurroundingsError
from harness.model.cluster import Pod
from harness.model.conformance import EngineAsked
from harness.model.workload import (
    BrokerWorkload,
    HttpWorkload,
    PostgresqlWorkload,
    RedisWorkload,
    Workload,
)

_CLOCK = HostClock()
_WITHIN_NS = 3_000_000_000

_POSTGRESQL = (
    "pg_is_in_recovery",
    "replicas",
    "synchronous_replicas",
    "ssl",
    "server_version",
)
_POSTGRESQL_SQL = """SELECT pg_is_in_recovery(),
  (SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'),
  (SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')),
  current_setting('ssl'), current_setting('server_version')"""

_REDIS_COMMANDS = (
    ("INFO", "server"),
    ("INFO", "replication"),
    ("INFO", "persistence"),
    ("CLUSTER", "INFO"),
    ("CONFIG", "GET", "save"),
)
_REDIS_FACTS = (
    "redis_mode",
    "role",
    "connected_slaves",
    "aof_enabled",
    "cluster_state",
    "cluster_size",
    "cluster_known_nodes",
    "cluster_slots_ok",
)


def postgresql_facts(rows: Sequence[tuple[str | None, ...]]) -> tuple[str, dict[str, str]]:
    """Version and facts of a cluster, from the row of each server that answered. Pure.

    `replicas` are those that stream from the primary; the role that is asked with must see
    pg_stat_replication (pg_monitor).
    """
    members = [dict(zip(_POSTGRESQL, (one or "" for one in row), strict=True)) for row in rows]
    primaries = [one for one in members if one["pg_is_in_recovery"] == "f"]
    first = (primaries or members)[0]
    facts = {
        "members": str(len(members)),
        "primaries": str(len(primaries)),
        "replicas": str(sum(int(one["replicas"] or 0) for one in primaries)),
        "synchronous_replicas": str(
            sum(int(one["synchronous_replicas"] or 0) for one in primaries)
        ),
        "ssl": first["ssl"],
    }
    return first["server_version"], facts


def redis_facts(replies: Sequence[Reply]) -> tuple[str | None, dict[str, str]]:
    """Version and facts of one node, from its replies to the commands above. Pure.

    What a server does not tell, as where CONFIG is renamed, is missing.
    """
    *infos, save = replies
    said: dict[str, str] = {}
    for reply in infos:
        if isinstance(reply, bytes):
            said |= parse_info(reply.decode())
    facts = {name: said[name] for name in _REDIS_FACTS if name in said}
    facts["cluster_enabled"] = "1" if said.get("redis_mode") == "cluster" else "0"
    if isinstance(save, list) and len(save) == 2 and isinstance(save[1], bytes):
        facts["save"] = save[1].decode()
    return said.get("redis_version"), facts


def ask(workload: Workload, pods: Sequence[Pod]) -> EngineAsked | None:
    """What a workload's servers say; None: it is no data store."""
    if isinstance(workload, HttpWorkload):
        return None
    try:
        version, facts = (
            _ask_postgresql(workload, pods)
            if isinstance(workload, PostgresqlWorkload)
            else _ask_redis(workload, pods)
        )
    except SurroundingsError as error:
        return EngineAsked(subject=workload.id, version=None, facts={}, detail=str(error))
    return EngineAsked(subject=workload.id, version=version, facts=facts)


def _ask_postgresql(
    workload: PostgresqlWorkload, pods: Sequence[Pod]
) -> tuple[str, dict[str, str]]:
    asked = (ask_postgres(workload, pod, _POSTGRESQL_SQL, within_ns=_WITHIN_NS) for pod in pods)
    rows = [row for row in asked if row is not None]
    if not rows:
        raise SurroundingsError(
            f"{workload.id}: none of {len(pods)} servers answers user {workload.user}"
        )
    version, facts = postgresql_facts(rows)
    return version, {**facts, "pods": str(len(pods))}


def _ask_redis(
    workload: RedisWorkload | BrokerWorkload, pods: Sequence[Pod]
) -> tuple[str | None, dict[str, str]]:
    """Of every node: the weakest counts, as one without persistence."""
    answers: list[tuple[str | None, dict[str, str]]] = []
    reasons: list[str] = []
    for pod in pods:
        try:
            answers.append(redis_facts(_replies(workload, pod)))
        except SurroundingsError as error:
            reasons.append(f"{pod.name}: {error}")
    if not answers:
        raise SurroundingsError(
            f"{workload.id}: none of {len(pods)} nodes answers"
            + (f": {reasons[0]}" if reasons else "")
        )
    return together(answers, nodes=len(pods))


def together(
    answers: Sequence[tuple[str | None, dict[str, str]]], *, nodes: int
) -> tuple[str | None, dict[str, str]]:
    """The facts of several nodes as those of their cluster: the lowest version, persistence only
    where all have it, roles counted. Pure.
    """
    facts = dict(answers[0][1])
    every = [one for _, one in answers]
    facts |= {
        "nodes": str(nodes),
        "answered": str(len(every)),
        "masters": str(sum(one.get("role") == "master" for one in every)),
        "slaves": str(sum(one.get("role") == "slave" for one in every)),
        "cluster_enabled": min(one["cluster_enabled"] for one in every),
    }
    facts.pop("role", None)
    if all("aof_enabled" in one for one in every):
        facts["aof_enabled"] = min(one["aof_enabled"] for one in every)
    else:
        facts.pop("aof_enabled", None)
    if all("save" in one for one in every):
        facts["save"] = "" if any(not one["save"] for one in every) else every[0]["save"]
    else:
        facts.pop("save", None)
    states = {one.get("cluster_state") for one in every} - {"ok", None}
    if states:
        facts["cluster_state"] = min(map(str, states))
    versions = sorted((one for one, _ in answers if one), key=_numbers)
    return (versions[0] if versions else None), facts


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(one) for one in version.split(".") if one.isdecimal())


def _replies(workload: RedisWorkload | BrokerWorkload, pod: Pod) -> list[Reply]:
    if not pod.address:
        raise SurroundingsError("it has no address")
    deadline_ns = _CLOCK.monotonic_ns() + _WITHIN_NS
    node = BoundedRedis.connect(
        (pod.address, workload.port), access_of(workload), deadline_ns=deadline_ns
    )
    try:
        return node.exchange(_REDIS_COMMANDS, deadline_ns=deadline_ns)
    finally:
        node.close()


def look(ground: Ground) -> None:
    """Asks the workloads one after another."""
    for workload in ground.plan.workloads:
        if ground.should_stop() is not None:
            return
        try:
            pods = ground.cluster.pods(workload.namespace, workload.pods)
        except HarnessError as error:
            ground.record(
                EngineAsked(subject=workload.id, version=None, facts={}, detail=str(error))
            )
            continue
        said = ask(workload, pods)
        if said is not None:
            ground.record(said)


LOOK = ActiveLook(
    name="engines",
    look=look,
    touches=(
        "every server of PostgreSQL: one query of its settings and of pg_stat_replication",
        "every server of Redis and of the broker: INFO, CLUSTER INFO, CONFIG GET save",
    ),
    rights=("list pods",),
)
