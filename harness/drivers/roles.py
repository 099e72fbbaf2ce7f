"""Asks databases themselves who has which role: labels and DNS names only say what was so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from harness.drivers.bounded_postgres import BoundedPostgres, Row
from harness.drivers.bounded_redis import BoundedRedis, ErrorReply, Reply
from harness.drivers.clock import HostClock
from harness.drivers.redis import Access, parse_nodes
from harness.errors import SurroundingsError
from harness.model.cluster import Pod
from harness.model.workload import BrokerWorkload, PostgresqlWorkload, RedisWorkload
from harness.ports import PostgresEndpoint

_CLOCK = HostClock()

WITHIN_NS = 2_000_000_000
"""What a server may take for its answer; one that takes longer counts as away."""

_ROLE = """SELECT pg_is_in_recovery(),
  CASE WHEN pg_is_in_recovery() THEN received_tli ELSE timeline_id END,
  system_identifier, (SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming')
FROM pg_control_system(), pg_control_checkpoint()
LEFT JOIN pg_stat_wal_receiver ON true"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresMember:
    """One server of a PostgreSQL cluster, by its own word."""

    pod: Pod
    primary: bool
    timeline: str
    system_identifier: str
    streaming: int
    """How many replicas stream from it; 0 where the role may not see them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One shard of a Redis cluster, as the node asked knows it."""

    slots: str
    """`0-5460`."""

    master: tuple[str, int]
    epoch: str
    """Its configuration epoch: it grows with each promotion."""

    replicas: tuple[tuple[str, int], ...]
    """Those whose link to the cluster is up."""


def postgres_members(
    workload: PostgresqlWorkload, pods: Sequence[Pod], *, within_ns: int = WITHIN_NS
) -> tuple[PostgresMember, ...]:
    """The servers that answer, by the names of their pods."""

    def ask(pod: Pod) -> PostgresMember | None:
        answer = ask_postgres(workload, pod, _ROLE, within_ns=within_ns)
        if answer is None:
            return None
        recovery, timeline, identifier, streaming = answer
        return PostgresMember(
            pod=pod,
            primary=recovery == "f",
            timeline=timeline or "",
            system_identifier=identifier or "",
            streaming=int(streaming or 0),
        )

    return tuple(one for one in _at_once(ask, pods) if one is not None)


def ask_postgres(
    workload: PostgresqlWorkload, pod: Pod, sql: str, *, within_ns: int = WITHIN_NS
) -> Row | None:
    """The one row that a pod's own server answers, past every Service; None where it does not."""
    if not pod.address:
        return None
    deadline_ns = _CLOCK.monotonic_ns() + within_ns
    endpoint = PostgresEndpoint(
        host=pod.address,
        port=workload.port,
        database=workload.database,
        user=workload.user,
        system_identifier="",
        password_file=workload.password_file,
    )
    try:
        session = BoundedPostgres.connect(endpoint, deadline_ns=deadline_ns)
        try:
            rows = session.execute(sql, deadline_ns=deadline_ns).rows
        finally:
            session.close()
    except SurroundingsError:
        return None
    return rows[0] if len(rows) == 1 else None


def the_primary(workload: PostgresqlWorkload, members: Iterable[PostgresMember]) -> PostgresMember:
    """The one that takes writes; SurroundingsError where none does, or more than one."""
    found = [one for one in members if one.primary]
    if len(found) != 1:
        names = ", ".join(one.pod.name for one in found) or "none"
        raise SurroundingsError(f"{workload.id}: got as primary {names}, expected exactly one")
    return found[0]


def redis_shards(
    workload: RedisWorkload | BrokerWorkload,
    pods: Sequence[Pod],
    access: Access,
    *,
    within_ns: int = WITHIN_NS,
) -> tuple[Shard, ...]:
    """The shards by their lowest slot, as the first node that says the cluster is whole has them;
    where none says so, as the node with the highest epoch has them. None where no node answers.
    """

    def ask(pod: Pod) -> tuple[bool, int, tuple[Shard, ...]] | None:
        try:
            info, nodes = _ask_redis(
                workload, pod, access, [("CLUSTER", "INFO"), ("CLUSTER", "NODES")], within_ns
            )
        except SurroundingsError:
            return None
        fields = _info(info)
        whole = fields.get("cluster_state") == "ok"
        return whole, int(fields.get("cluster_current_epoch", "0")), shards_of(nodes)

    answers = [one for one in _at_once(ask, pods) if one is not None]
    if not answers:
        return ()
    return max(answers, key=lambda one: (one[0], one[1]))[2]


def cluster_problems(
    workload: RedisWorkload | BrokerWorkload, pods: Sequence[Pod], access: Access
) -> tuple[str, ...]:
    """What each node says is wrong with the cluster: its state, its slots; none: all is well."""

    def ask(pod: Pod) -> str | None:
        try:
            (info,) = _ask_redis(workload, pod, access, [("CLUSTER", "INFO")])
        except SurroundingsError as error:
            return f"{pod.name}: {error}"
        fields = _info(info)
        if fields.get("cluster_state") != "ok":
            return f"{pod.name}: cluster_state is {fields.get('cluster_state', 'not told')}"
        if fields.get("cluster_slots_ok") != "16384":
            return f"{pod.name}: {fields.get('cluster_slots_ok')} of 16384 slots are ok"
        return None

    if not pods:
        return (f"{workload.id}: no pod",)
    return tuple(one for one in _at_once(ask, pods) if one is not None)


def shards_of(nodes: Reply) -> tuple[Shard, ...]:
    """Of the answer to CLUSTER NODES; a master without slots is no shard."""
    if not isinstance(nodes, bytes):
        raise SurroundingsError(f"CLUSTER NODES: got {nodes!r}, expected its text")
    found = parse_nodes(nodes.decode())
    return tuple(
        Shard(
            slots=",".join(f"{first}-{last}" for first, last in master.slots),
            master=(master.host, master.port),
            epoch=str(master.config_epoch),
            replicas=tuple(
                sorted(
                    (one.host, one.port)
                    for one in found
                    if one.master_id == master.id and one.linked and not one.has_failed
                )
            ),
        )
        for master in sorted(found, key=lambda one: one.slots)
        if master.is_master and master.slots
    )


def access_of(workload: RedisWorkload | BrokerWorkload) -> Access:
    """How a workload's servers let us in."""
    if isinstance(workload, RedisWorkload):
        return Access(username=workload.user, password_file=workload.password_file)
    return Access()


def _ask_redis(
    workload: RedisWorkload | BrokerWorkload,
    pod: Pod,
    access: Access,
    commands: Sequence[Sequence[str]],
    within_ns: int = WITHIN_NS,
) -> list[Reply]:
    """A pod's own server's replies, past every Service; errors of BoundedRedis where it is away."""
    if not pod.address:
        raise SurroundingsError("no address")
    deadline_ns = _CLOCK.monotonic_ns() + within_ns
    node = BoundedRedis.connect((pod.address, workload.port), access, deadline_ns=deadline_ns)
    try:
        return node.exchange(commands, deadline_ns=deadline_ns)
    finally:
        node.close()


def _info(reply: Reply) -> dict[str, str]:
    if isinstance(reply, ErrorReply) or not isinstance(reply, bytes):
        return {}
    pairs = (line.partition(":") for line in reply.decode().splitlines())
    return {key: value for key, _, value in pairs}


Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


def _at_once(ask: Callable[[Asked], Answer], all_of: Sequence[Asked]) -> list[Answer]:
    """One that does not answer must not make the others wait."""
    if not all_of:
        return []
    with ThreadPoolExecutor(max_workers=len(all_of)) as threads:
        return list(threads.map(ask, all_of))
