"""Decides which ways in are probed, of what a cluster serves. Pure: what had to be asked is given.

Services are probed by their cluster addresses, not by their names: a name that is not found while
a dead node's DNS server is still asked is an outage of the DNS, and would be counted for every
workload. Clients that ask for a name each time suffer both; that is a way in of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from harness.drivers.redis import Access
from harness.drivers.redis_slots import Address
from harness.ledger.naming import LEDGER
from harness.model.game_day import Way
from harness.model.workload import (
    KUBERNETES,
    BrokerWorkload,
    HttpWorkload,
    PostgresqlWorkload,
    RedisWorkload,
    Workload,
)
from harness.ports import PostgresEndpoint, RedisEndpoint
from harness.probes.config import (
    PROBE,
    TIMEOUT_NS,
    Asked,
    HttpRequest,
    KubernetesRead,
    PostgresRead,
    PostgresWrite,
    ProbeConfig,
    RedisShardWrite,
    Sentinel,
)
from harness.probes.subscriptions import SubscriptionsConfig

INTERVAL_NS = 200_000_000


class _Value(msgspec.Struct, frozen=True, kw_only=True):
    pass


class ResolvedPostgresql(_Value, frozen=True, kw_only=True):
    """A PostgreSQL cluster, by the addresses of its Services."""

    primary: PostgresEndpoint
    replicas: PostgresEndpoint | None


class ResolvedRedis(_Value, frozen=True, kw_only=True):
    """A Redis cluster, by its Service's address."""

    endpoint: RedisEndpoint
    access: Access
    shards: tuple[tuple[int, int], ...]
    """The lowest range of slots of each shard, both ends included."""


class ResolvedAddress(_Value, frozen=True, kw_only=True):
    """A Service: its cluster address and port, and its name within the cluster."""

    address: Address
    host: str


class Resolved(_Value, frozen=True, kw_only=True):
    """What had to be asked of the cluster and its databases, by workload id."""

    postgresql: Mapping[str, ResolvedPostgresql] = {}
    redis: Mapping[str, ResolvedRedis] = {}
    services: Mapping[str, ResolvedAddress] = {}
    """Of brokers and HTTP services."""

    api: KubernetesRead | None = None
    """None: the API is not probed."""


class Held(_Value, frozen=True, kw_only=True):
    """What every right answer of a workload must contain."""

    ledger: str = LEDGER
    sentinels: tuple[Sentinel, ...] = ()


class Schedule(_Value, frozen=True, kw_only=True):
    """How often, and for how long at most; and under which names."""

    interval_ns: int = INTERVAL_NS
    timeout_ns: int = TIMEOUT_NS
    output: Path
    """A folder, absolute: probers work in folders of their own."""

    trial: str
    """Begins each file's name."""

    name: str = PROBE
    """Of the table and the keys that probes write."""


def probes_for(
    workloads: Sequence[Workload],
    ways: Sequence[Way],
    resolved: Resolved,
    held: Mapping[str, Held],
    schedule: Schedule,
) -> tuple[ProbeConfig, ...]:
    """One class for each way in, for each shard of a Redis cluster, in the workloads' order; the
    API's last. `held` is by workload id.
    """
    return tuple(
        ProbeConfig(
            probe_class=f"{subject}: {doing}",
            ask=asked,
            output=schedule.output / file_name(schedule.trial, f"{subject}: {doing}"),
            interval_ns=schedule.interval_ns,
            timeout_ns=schedule.timeout_ns,
            subject=subject,
            way=way,
        )
        for subject, way, doing, asked in _asked(workloads, resolved, held, schedule.name)
        if way in ways
    )


def subscriptions_for(
    workloads: Sequence[Workload],
    ways: Sequence[Way],
    resolved: Resolved,
    schedule: Schedule,
    channel: str,
) -> tuple[SubscriptionsConfig, ...]:
    """One publisher with its subscribers for each broker."""
    return tuple(
        SubscriptionsConfig(
            subject=workload.id,
            seeds=(resolved.services[workload.id].address,),
            channel=channel,
            output=schedule.output / file_name(schedule.trial, f"{workload.id}: subscriptions"),
            interval_ns=schedule.interval_ns,
            timeout_ns=schedule.timeout_ns,
        )
        for workload in workloads
        if isinstance(workload, BrokerWorkload) and Way.PUBSUB in ways
    )


def file_name(trial: str, probe_class: str) -> str:
    """Where the observations of a class go, below the run's `observations`."""
    return f"{trial}-{re.sub(r'[^a-z0-9]+', '-', probe_class.lower()).strip('-')}.jsonl"


def _asked(
    workloads: Sequence[Workload], resolved: Resolved, held: Mapping[str, Held], name: str
) -> Iterator[tuple[str, Way, str, Asked]]:
    """(subject, way, what it does, what is asked) of all that can be asked."""
    for workload in workloads:
        own = held.get(workload.id, Held())
        match workload:
            case PostgresqlWorkload():
                ways = _of_postgresql(resolved.postgresql[workload.id], own, name)
            case RedisWorkload():
                ways = _of_redis(resolved.redis[workload.id], own, name)
            case HttpWorkload():
                ways = _of_http(workload, resolved.services[workload.id])
            case BrokerWorkload():
                ways = iter(())  # not probed: subscribed to
        for way, doing, asked in ways:
            yield workload.id, way, doing, asked
    if resolved.api is not None:
        yield KUBERNETES, Way.API, "read", resolved.api


def _of_postgresql(
    found: ResolvedPostgresql, held: Held, name: str
) -> Iterator[tuple[Way, str, Asked]]:
    for way, doing, kept in (
        (Way.POSTGRESQL_NEW, "write on a new connection", False),
        (Way.POSTGRESQL_KEPT, "write on a kept connection", True),
    ):
        asked = PostgresWrite(
            endpoint=found.primary,
            kept=kept,
            table=name,
            sentinels=held.sentinels,
            ledger=held.ledger,
        )
        yield way, doing, asked
    if found.replicas is not None:
        read = PostgresRead(endpoint=found.replicas, sentinels=held.sentinels, ledger=held.ledger)
        yield Way.POSTGRESQL_READ, "read on a new connection", read


def _of_redis(found: ResolvedRedis, held: Held, name: str) -> Iterator[tuple[Way, str, Asked]]:
    for first, last in found.shards:
        asked = RedisShardWrite(
            endpoint=found.endpoint,
            access=found.access,
            first_slot=first,
            last_slot=last,
            keys=name,
            sentinels=held.sentinels,
            ledger=held.ledger,
        )
        yield Way.REDIS_SHARD, f"write, slots {first}-{last}", asked


def _of_http(workload: HttpWorkload, found: ResolvedAddress) -> Iterator[tuple[Way, str, Asked]]:
    asked = HttpRequest(
        address=found.address,
        host=found.host,
        method=workload.method,
        path=workload.path,
        body=workload.body,
        expect_status=workload.expect_status,
        version_field=workload.version_field,
    )
    yield Way.HTTP, f"{workload.method} {workload.path}", asked
