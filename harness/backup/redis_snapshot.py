"""Takes a snapshot of a Redis server or cluster into S3: an RDB file a master, then its manifest.

The files are fetched over the network by `redis-cli --rdb` (a replica's full synchronisation
without the stream that follows), so that the job needs no access to a server's directory and
overwrites no dump.rdb of anybody.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from redis.crc import key_slot

from harness import __version__
from harness.backup.layout import (
    Slots,
    Snapshot,
    SnapshotShard,
    Stored,
    encode,
    label_at,
    snapshot_manifest_key,
    snapshot_rdb_key,
)
from harness.backup.rdb import RdbFormatError, read_aux, read_keys
from harness.drivers import process, s3
from harness.drivers.redis import (
    OPEN,
    SLOTS,
    Access,
    Address,
    Node,
    RedisServerError,
    client,
    password_environment,
    read_nodes,
    redis_cli,
    server_time,
    slot_numbers,
    version,
)
from harness.errors import RefusedError, RestoreError, SurroundingsError
from harness.model.subject import ObjectStore

SINGLE = "server"
"""The shard id of a single server."""

_SECOND = timedelta(seconds=1)
_KEYS_READ = re.compile(r"(\d+) keys read")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """One shard, and the node that its file is taken from."""

    node_id: str
    address: Address
    slots: Slots
    config_epoch: int


def take_snapshot(  # noqa: PLR0913 - what, where to and how
    nodes: Sequence[Address],
    store: ObjectStore,
    *,
    cluster: bool,
    directory: Path,
    access: Access = OPEN,
    from_replicas: bool = False,
    within_s: float = 3600.0,
) -> Snapshot:
    """Saves every shard at once, uploads the files and commits the snapshot with its manifest.

    `nodes` are one or more nodes of the cluster (or the one server); `directory` takes the RDB
    files meanwhile. A label carries the server's own time. Raises RefusedError, with nothing
    written, where a slot is open or uncovered, or the server is a replica and `from_replicas` is
    not asked for; SurroundingsError where the slot map changed meanwhile or a key lies in another
    shard's slot; StoreError. Without its manifest a snapshot does not exist: what was uploaded is
    then garbage that the bucket's lifecycle removes.
    """
    sources = _find_sources(nodes, cluster=cluster, access=access, from_replicas=from_replicas)
    with client(sources[0].address, access) as connected:
        label, redis_version = label_at(server_time(connected)), version(connected)
    directory.mkdir(parents=True, exist_ok=True)
    taker = _Taker(
        store=store,
        label=label,
        directory=directory,
        access=access,
        within_s=within_s,
        cluster=cluster,
    )
    with ThreadPoolExecutor(len(sources)) as pool:  # all forks at once: shards near in time
        files = list(pool.map(taker.save, sources))
    try:
        after = _find_sources(nodes, cluster=cluster, access=access, from_replicas=from_replicas)
        if after != sources:
            raise SurroundingsError(
                f"snapshot {label}: the slot map changed while the shards were saved; "
                "nothing was committed",
                hint="take it again when no slot migrates and no failover goes on",
            )
        shards = tuple(
            taker.upload(source, file) for source, file in zip(sources, files, strict=True)
        )
    finally:
        for file in files:
            file.unlink(missing_ok=True)
    snapshot = Snapshot(
        label=label,
        cluster=cluster,
        started=min(shard.saved for shard in shards),
        stopped=max(shard.saved for shard in shards) + _SECOND,
        shards=shards,
        tools={"redis": redis_version, "harness": __version__},
    )
    s3.put_bytes(s3.connect(store), store, snapshot_manifest_key(label), encode(snapshot))
    return snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taker:
    store: ObjectStore
    label: str
    directory: Path
    access: Access
    within_s: float
    cluster: bool

    def save(self, source: _Source) -> Path:
        """Fetches one RDB file and has redis-check-rdb read it to its end."""
        file = self.directory / f"{self.label}-{source.node_id}.rdb"
        argv = [*redis_cli(source.address, self.access), "--rdb", file.name]
        done = process.run(
            argv,
            directory=self.directory,
            environment=password_environment(self.access),
            timeout_s=self.within_s,
        )
        if done.returncode != 0 or not file.exists():
            raise RedisServerError(
                f"redis {source.address[0]}:{source.address[1]}: redis-cli --rdb: "
                f"{done.last_line()}"
            )
        return file

    def upload(self, source: _Source, file: Path) -> SnapshotShard:
        """Counts what a file holds, writes it to the store and asks the store for its size."""
        saved = datetime.fromtimestamp(int(read_aux(file)["ctime"]), UTC)
        keys = keys_checked(file)
        slot_keys = self._count(source, file)
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        rdb = Stored(
            key=snapshot_rdb_key(self.label, source.node_id),
            size_bytes=file.stat().st_size,
            sha256=digest,
        )
        connected = s3.connect(self.store)
        s3.put_file(connected, self.store, rdb.key, file)
        written = s3.head(connected, self.store, rdb.key).size_bytes
        if written != rdb.size_bytes:
            raise SurroundingsError(
                f"{rdb.key}: the store holds {written} bytes, expected {rdb.size_bytes}"
            )
        return SnapshotShard(
            node_id=source.node_id,
            slots=source.slots,
            config_epoch=source.config_epoch,
            saved=saved,
            rdb=rdb,
            keys=keys,
            slot_keys=slot_keys,
        )

    def _count(self, source: _Source, file: Path) -> tuple[tuple[int, int, int], ...] | None:
        """Keys of each slot in the file itself: under writes, no count of the live server is."""
        mine = set(slot_numbers(source.slots)) if self.cluster else {0}
        counts: dict[int, list[int]] = {}
        try:
            for key in read_keys(file):
                slot = key_slot(key.name) if self.cluster else 0
                if slot not in mine:
                    where = f"{source.address[0]}:{source.address[1]}"
                    raise SurroundingsError(
                        f"redis {where}: holds keys of slot {slot}, which belongs to another "
                        "shard; nothing was committed",
                        hint=f"redis-cli --cluster check {where}",
                    )
                counts.setdefault(slot, [0, 0])[key.expires_ms is not None] += 1
        except RdbFormatError:
            return None  # a module's or a newer Redis's type; redis-check-rdb has read the file
        return tuple((slot, kept, expiring) for slot, (kept, expiring) in sorted(counts.items()))


def keys_checked(file: Path) -> int:
    """How many keys redis-check-rdb reads in a file; RestoreError where it finds damage."""
    done = process.run(["redis-check-rdb", file.name], directory=file.parent, timeout_s=3600)
    match = _KEYS_READ.search(done.stdout)
    if done.returncode != 0 or "RDB looks OK" not in done.stdout or match is None:
        raise RestoreError(f"redis-check-rdb {file.name}: {done.last_line()}")
    return int(match[1])


def _find_sources(
    nodes: Sequence[Address], *, cluster: bool, access: Access, from_replicas: bool
) -> tuple[_Source, ...]:
    if not cluster:
        (address,) = nodes
        with client(address, access) as connected:
            role = connected.info("replication")["role"]
        if role != "master" and not from_replicas:
            raise RefusedError(
                f"redis {address[0]}:{address[1]}: got role {role}, expected master",
                hint="name the master, or ask for from_replicas = true",
            )
        return (_Source(node_id=SINGLE, address=address, slots=(), config_epoch=0),)
    known = _first_answer(nodes, access)
    masters = sorted((node for node in known if node.is_master and node.slots), key=_first_slot)
    _refuse_open_or_uncovered(masters, access)
    sources = []
    for master in masters:
        saved_from = _replica_of(master, known) if from_replicas else master
        sources.append(
            _Source(
                node_id=master.id,
                address=(saved_from.host, saved_from.port),
                slots=master.slots,
                config_epoch=master.config_epoch,
            )
        )
    return tuple(sources)


def _first_slot(node: Node) -> int:
    return node.slots[0][0]


def _first_answer(nodes: Sequence[Address], access: Access) -> tuple[Node, ...]:
    """The cluster as the first node that answers sees it."""
    for address in nodes[:-1]:
        with contextlib.suppress(RedisServerError), client(address, access) as connected:
            return read_nodes(connected)
    with client(nodes[-1], access) as connected:
        return read_nodes(connected)


def _refuse_open_or_uncovered(masters: Sequence[Node], access: Access) -> None:
    covered = sum(last - first + 1 for node in masters for first, last in node.slots)
    if covered != SLOTS:
        raise RefusedError(
            f"redis cluster: got {covered} slots with a master, expected {SLOTS}",
            hint="redis-cli --cluster check HOST:PORT",
        )
    for node in masters:
        # Only a node itself knows which of its slots are open.
        with client((node.host, node.port), access) as connected:
            own = next(each for each in read_nodes(connected) if "myself" in each.flags)
        if own.open_slots:
            raise RefusedError(
                f"redis {node.host}:{node.port}: slots are migrating or importing: "
                f"{' '.join(own.open_slots[:5])}",
                hint=f"redis-cli --cluster check {node.host}:{node.port}",
            )


def _replica_of(master: Node, known: Sequence[Node]) -> Node:
    for node in known:
        if node.master_id == master.id and not node.has_failed:
            return node
    raise RefusedError(
        f"redis {master.host}:{master.port}: has no replica that answers",
        hint="from_replicas = false",
    )
