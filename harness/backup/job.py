"""Runs the Redis backup job of a configuration: one snapshot, or AOF shipping until told to end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Literal

import msgspec

from harness.backup.layout import Snapshot
from harness.backup.redis_aof import AofShipper, Shipped
from harness.backup.redis_snapshot import take_snapshot
from harness.drivers.clock import HostClock
from harness.drivers.redis import OPEN, Access
from harness.errors import HarnessError, InputError
from harness.model.codec import decode_path
from harness.model.instant import nanoseconds, seconds
from harness.model.subject import ObjectStore

Narrate = Callable[[str], None]


class RedisNode(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One server, and its `dir` where this process runs beside it."""

    host: str
    port: int
    directory: Path | None = None
    """Needed for shipping: the AOF is read from the server's own files."""


class RedisBackup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration file of `python -m harness.backup`, JSON."""

    task: Literal["snapshot", "ship-aof"]
    cluster: bool
    nodes: tuple[RedisNode, ...]
    """Snapshot: one or more nodes of the cluster. Shipping: every node on this host, replicas
    too, which are shipped as soon as they become masters."""

    store: ObjectStore
    access: Access = OPEN
    directory: Path
    """Where RDB files are kept while a snapshot is taken."""

    from_replicas: bool = False
    every: timedelta = timedelta(seconds=10)
    """From the beginning of one shipment to the next: the most that a loss can cost."""

    rewrite_every: timedelta | None = timedelta(days=1)
    """How old a chain may become before BGREWRITEAOF is asked for; None: never asked for."""

    def __post_init__(self) -> None:
        if not self.nodes:
            raise ValueError("nodes: got none, expected one or more")
        if not self.cluster and len(self.nodes) != 1:
            raise ValueError(f"nodes: got {len(self.nodes)}, expected one: it is no cluster")
        if self.task == "ship-aof" and any(node.directory is None for node in self.nodes):
            raise ValueError("nodes: each needs its `directory` for ship-aof")
        if self.every <= timedelta(0):
            raise ValueError(f"every: got {self.every}, expected more than nothing")


def read_configuration(path: Path) -> RedisBackup:
    """The configuration in a file; InputError, with file and place, where it is wrong."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=RedisBackup, dec_hook=decode_path)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except msgspec.DecodeError as error:
        raise InputError(f"{path}: {error}") from error


def snapshot_once(job: RedisBackup) -> Snapshot:
    """Takes one snapshot; errors as of `take_snapshot`."""
    return take_snapshot(
        [(node.host, node.port) for node in job.nodes],
        job.store,
        cluster=job.cluster,
        directory=job.directory,
        access=job.access,
        from_replicas=job.from_replicas,
    )


def ship_until(job: RedisBackup, stop: threading.Event, narrate: Narrate) -> None:
    """Ships every node, each in a thread of its own, until `stop` is set; then once more.

    An error of a shipment is narrated and the shipment tried again after `every`: a backup job
    that ends because a server restarts or the store is away makes a small gap a large one.
    """
    threads = [
        threading.Thread(
            target=_ship_node, args=(job, node, stop, narrate), name=f"ship-{node.port}"
        )
        for node in job.nodes
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _ship_node(job: RedisBackup, node: RedisNode, stop: threading.Event, narrate: Narrate) -> None:
    assert node.directory is not None  # noqa: S101 - RedisBackup sees to it
    where = f"redis {node.host}:{node.port}"
    clock = HostClock()
    shipper = AofShipper((node.host, node.port), node.directory, job.store, job.access)
    said = ""
    try:
        ended = False
        while not ended:
            ended = stop.is_set()  # one more shipment after the signal
            next_ns = clock.monotonic_ns() + nanoseconds(job.every)
            try:
                shipped = shipper.ship()
                text = _progress(shipped)
                if shipped is not None and job.rewrite_every is not None:
                    shipper.rewrite_if_older(job.rewrite_every)
            except (HarnessError, OSError) as error:
                text = f"not shipped: {error}"
            if text != said:  # what stays the same is said once
                narrate(f"{where}: {text}")
                said = text
            stop.wait(max(0.0, seconds(next_ns - clock.monotonic_ns())))
    finally:
        shipper.close()


def _progress(shipped: Shipped | None) -> str:
    if shipped is None:
        return "a replica, or its first base is on its way: nothing shipped"
    return f"shipping chain {shipped.chain} of {shipped.node_id}"
