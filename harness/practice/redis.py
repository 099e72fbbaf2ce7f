"""Starts, fills, kills and stops the practice platform's Redis cluster: 3 masters, 3 replicas."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from redis.crc import key_slot

from harness.drivers import process
from harness.drivers.clock import wait_until
from harness.drivers.loopback import ADDRESS
from harness.drivers.redis import (
    SLOTS,
    Address,
    RedisServerError,
    Server,
    ask,
    await_ready,
    client,
    kill_server,
    read_nodes,
    start_server,
    stop_server,
    wait_cluster_ok,
    wait_replicas,
)
from harness.model.subject import RedisCluster, RedisRepository
from harness.ports import RedisEndpoint
from harness.practice.object_store import RegionServer
from harness.practice.past_clock import PastClock

CLUSTER = "carts"
MASTERS = 3
NODES = 2 * MASTERS

_FIRST_SLOTS = tuple(SLOTS * number // MASTERS for number in range(MASTERS))
"""Of each master; the cluster is never resharded."""

_KEYS = 50_000
"""At scale 1: 50 MB of values."""

_VALUE_BYTES = 1_000
_PIPELINE = 1_000
_LONG_S = 3_600.0

_OPTIONS = {
    "appendonly": "yes",
    "appendfsync": "everysec",
    # Without timestamps in the AOF there is no point in time to restore to.
    "aof-timestamp-enabled": "yes",
    # A rewrite starts the point-in-time window anew; the platform lives for minutes.
    "auto-aof-rewrite-percentage": "0",
    # Replicas and snapshots begin at once instead of waiting for others to join.
    "repl-diskless-sync-delay": "0",
    "maxmemory-policy": "noeviction",
}

_PAST_OPTIONS = {
    # The clock jumps by days: no node may take the others for dead. The largest int, 24 days.
    "cluster-node-timeout": str(2**31 - 1),
    # Background work, such as noticing that a snapshot's child ended, a hundred times a second.
    "hz": "100",
}


@dataclass(kw_only=True)
class PracticeRedis:
    """A Redis 7 cluster with AOF; `home` is what is lost with it."""

    home: Path
    ports: tuple[int, ...]
    """Six: the masters' come first."""

    _servers: dict[int, Server] = field(default_factory=dict)

    @property
    def masters(self) -> tuple[Address, ...]:
        """Where the first three nodes listen, in the order of their slots."""
        return tuple((ADDRESS, port) for port in self.ports[:MASTERS])

    @property
    def nodes(self) -> tuple[Address, ...]:
        """Where all nodes listen."""
        return tuple((ADDRESS, port) for port in self.ports)

    @property
    def endpoint(self) -> RedisEndpoint:
        """How clients reach it."""
        return RedisEndpoint(nodes=self.masters, cluster=True)

    @property
    def running(self) -> bool:
        """Whether all nodes that were started run."""
        return bool(self._servers) and all(
            server.child.poll() is None for server in self._servers.values()
        )

    def directory(self, port: int) -> Path:
        """A node's `dir`: its AOF, its configuration and its log."""
        return self.home / str(port)

    # -- life ---------------------------------------------------------------------------------

    def start(self, clock: PastClock | None = None, *, replicas: bool = True) -> None:
        """Starts all nodes, or the masters only; with `clock`, in the past. Awaits their data."""
        ports = self.ports if replicas else self.ports[:MASTERS]
        for port in ports:
            self._servers[port] = start_server(
                self.directory(port),
                port,
                cluster=True,
                options=_OPTIONS if clock is None else _OPTIONS | _PAST_OPTIONS,
                environment=None if clock is None else clock.environment,
            )
        for port in ports:
            await_ready(self._servers[port], within_s=_LONG_S)

    def await_ok(self) -> None:
        """Returns when every node that was started sees a whole cluster."""
        wait_cluster_ok([(ADDRESS, port) for port in self._servers])

    def form(self) -> None:
        """Makes a cluster of the three empty masters, each with a third of the slots."""
        ranges = pairwise((*_FIRST_SLOTS, SLOTS))
        for number, (address, (first, end)) in enumerate(zip(self.masters, ranges, strict=True)):
            with client(address) as node:
                ask(node, "CLUSTER", "ADDSLOTSRANGE", first, end - 1)
                ask(node, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        self._meet(self.masters[1:])
        self.await_ok()

    def add_replicas(self) -> None:
        """Gives each master a replica of its own, from the three empty nodes after them."""
        wait_cluster_ok(self.masters)
        replicas = self.nodes[MASTERS:]
        self._meet(replicas)
        for master, replica in zip(self.masters, replicas, strict=True):
            with client(master) as node:
                master_id = next(each.id for each in read_nodes(node) if "myself" in each.flags)
            wait_until(
                lambda at=replica, known=master_id: _replicates(at, known),  # type: ignore[misc] # mypy#4226: default argument of a lambda
                within_s=30,
                what=f"{replica[0]}:{replica[1]} becomes a replica of {master_id}",
            )
        wait_replicas(self.masters, each=1)
        self.await_ok()

    def stop(self) -> None:
        """SIGTERM to all nodes at once: each flushes its AOF."""
        with ThreadPoolExecutor(NODES) as pool:
            list(pool.map(stop_server, self._servers.values()))
        self._servers.clear()

    def kill(self) -> None:
        """SIGKILL to all nodes."""
        for server in self._servers.values():
            server.child.kill()
        for server in self._servers.values():
            kill_server(server)
        self._servers.clear()
        process.kill_below(self.home)

    # -- data ---------------------------------------------------------------------------------

    def fill(self, scale: float) -> None:
        """Random values of 1000 bytes under `cart:<number>`: 50 MB at scale 1."""
        self.set_all(
            (f"cart:{number}", os.urandom(_VALUE_BYTES))
            for number in range(max(1, round(_KEYS * scale)))
        )

    def set_all(self, pairs: Iterator[tuple[str, bytes]]) -> None:
        """Sets keys, each on the master that has its slot."""
        waiting: dict[Address, list[tuple[str, bytes]]] = {address: [] for address in self.masters}
        for key, value in pairs:
            owner = self.masters[bisect_right(_FIRST_SLOTS, key_slot(key.encode())) - 1]
            waiting[owner].append((key, value))
            if len(waiting[owner]) == _PIPELINE:
                _set(owner, waiting[owner])
                waiting[owner] = []
        for owner, rest in waiting.items():
            _set(owner, rest)

    def rewrite_aof(self) -> None:
        """Rewrites every master's AOF: a base of what there is, and an empty increment."""
        for address in self.masters:
            with client(address) as node:
                node.bgrewriteaof()
        for address in self.masters:
            wait_until(
                lambda at=address: _rewritten(at),  # type: ignore[misc] # mypy#4226: as above
                within_s=_LONG_S,
                what=f"AOF rewrite of {address[0]}:{address[1]}",
            )

    def subject(
        self, primary: RegionServer, replica: RegionServer, bucket: str, ledger: Path
    ) -> RedisCluster:
        """It as a drill's environment names it, with the documented volume."""
        return RedisCluster(
            id=CLUSTER,
            volume="50Gi",
            ledger=ledger,
            primary=RedisRepository(store=primary.store(bucket, CLUSTER, "drill")),
            replica=RedisRepository(store=replica.store(bucket, CLUSTER, "drill")),
        )

    def _meet(self, others: Sequence[Address]) -> None:
        with client(self.masters[0]) as first:
            for host, port in others:
                ask(first, "CLUSTER", "MEET", host, port)


def _set(owner: Address, pairs: Sequence[tuple[str, bytes]]) -> None:
    if not pairs:
        return
    with client(owner, timeout_s=60) as node, node.pipeline(transaction=False) as pipeline:
        for key, value in pairs:
            pipeline.set(key, value)
        pipeline.execute()


def _replicates(replica: Address, master_id: str) -> bool:
    """Makes it a replica; False as long as it does not know the master yet."""
    try:
        with client(replica) as node:
            ask(node, "CLUSTER", "REPLICATE", master_id)
    except RedisServerError:
        return False
    return True


def _rewritten(address: Address) -> bool:
    with client(address) as node:
        said = node.info("persistence")
    return not said["aof_rewrite_in_progress"] and not said["aof_rewrite_scheduled"]
