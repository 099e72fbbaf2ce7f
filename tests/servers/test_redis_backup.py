"""Redis backups written by real servers into a real store, restored and verified; and each damage
that is claimed to be found, planted once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from redis.crc import key_slot

from harness.backup.layout import (
    Chain,
    Snapshot,
    Stored,
    chain_key,
    encode,
    snapshot_manifest_key,
)
from harness.backup.rdb import read_keys
from harness.backup.reading import read_holdings
from harness.backup.redis_aof import AofShipper
from harness.backup.redis_snapshot import take_snapshot
from harness.drivers import process, s3
from harness.drivers.clock import HostClock, wait_until
from harness.drivers.loopback import free_ports
from harness.drivers.redis import (
    Address,
    Node,
    RedisServerError,
    Server,
    ask,
    await_ready,
    client,
    cluster_client,
    create_cluster,
    kill_server,
    read_nodes,
    server_time,
    start_server,
    wait_cluster_ok,
    wait_replicas,
)
from harness.errors import RefusedError, RestoreError, StoreError
from harness.faults.places import Place, Places
from harness.model.codec import to_json
from harness.model.history import ArchiveInspected, Outcome, Phase
from harness.model.subject import (
    ObjectStore,
    RedisCluster,
    RedisRepository,
    RedisServer,
    Region,
)
from harness.model.suite import Level, RedisInvariant, Verification
from harness.ports import PhaseProgress, RedisEndpoint, Restored, Scratch
from harness.practice.object_store import Regions
from harness.restore.redis_cluster import RedisClusterTool
from harness.restore.redis_rdb import RedisServerTool

OPTIONS = {
    "appendonly": "yes",
    "aof-timestamp-enabled": "yes",
    "auto-aof-rewrite-percentage": "0",
    "repl-diskless-sync-delay": "0",
}
CLOCK = HostClock()
LEVELS = (Level.OBJECTS, Level.STRUCTURE, Level.AMCHECK, Level.LOGICAL_READ, Level.INVARIANTS)
INVARIANTS = Verification(
    invariants=(RedisInvariant(name="answers", command=("PING",), expect="PONG"),)
)


class Progress:
    """Keeps nothing."""

    def advance(self, done_bytes: int, total_bytes: int | None = None) -> None:
        """As PhaseProgress."""

    def note(self, text: str) -> None:
        """As PhaseProgress."""


class Watch:
    """Keeps which phases there were."""

    def __init__(self) -> None:
        self.phases: list[Phase] = []

    @contextlib.contextmanager
    def phase(self, phase: Phase) -> Iterator[PhaseProgress]:
        """As ports.Watch."""
        self.phases.append(phase)
        yield Progress()

    def phase_between(self, phase: Phase, started_ns: int, ended_ns: int, detail: str = "") -> None:
        """As ports.Watch."""
        raise AssertionError("a Redis restore times its own phases")


@dataclasses.dataclass
class Bench:
    """A source of data, its store, and a place to restore into."""

    places: Places
    store: ObjectStore
    replica: ObjectStore
    servers: list[Server]
    work: Path
    cluster: bool

    def __post_init__(self) -> None:
        self.s3 = s3.connect(self.store)
        self.shippers = [
            AofShipper(server.address, server.directory, self.store) for server in self.servers
        ]
        primary, replica = RedisRepository(store=self.store), RedisRepository(store=self.replica)
        self.tool: RedisClusterTool | RedisServerTool = (
            RedisClusterTool(RedisCluster(id="carts", primary=primary, replica=replica), CLOCK)
            if self.cluster
            else RedisServerTool(RedisServer(id="one", primary=primary, replica=replica), CLOCK)
        )

    @property
    def addresses(self) -> list[Address]:
        return [server.address for server in self.servers]

    def ship(self) -> None:
        """Ships every node, which must commit something."""
        for shipper in self.shippers:
            assert shipper.ship() is not None

    def snapshot(self) -> Snapshot:
        return take_snapshot(self.addresses, self.store, cluster=self.cluster, directory=self.work)

    def now(self) -> datetime:
        with client(self.servers[0].address) as connected:
            return server_time(connected)

    def next_second(self) -> datetime:
        """Returns within a new second of the server's clock; what was written is before it."""
        edge = self.now().replace(microsecond=0) + timedelta(seconds=1)
        wait_until(lambda: self.now() >= edge, within_s=5, what="a new second")
        return edge

    def put(self, *pairs: tuple[str, str]) -> None:
        if self.cluster:
            with cluster_client(self.addresses[0]) as connected:
                for name, value in pairs:
                    connected.set(name, value)
        else:
            with client(self.addresses[0]) as one:
                for name, value in pairs:
                    one.set(name, value)

    @contextlib.contextmanager
    def restored(
        self, point: datetime | None = None, region: Region = Region.PRIMARY
    ) -> Iterator[Restored]:
        """Restores, and removes what was restored; nothing may be left."""
        with self.places.borrowed("scratch") as place:
            scratch = Scratch(
                trial="t",
                directory=place.directory,
                ports=free_ports(16),
                deadline_ns=CLOCK.monotonic_ns() + 60_000_000_000,
            )
            watch = Watch()
            try:
                restored = self.tool.restore(region, point, scratch, watch)
                assert watch.phases == [
                    Phase.PROVISION,
                    Phase.LIST,
                    Phase.FETCH,
                    Phase.REPLAY,
                    Phase.PROMOTE,
                ]
                assert isinstance(restored.endpoint, RedisEndpoint)
                yield restored
            finally:
                assert self.tool.remove(scratch) == ()
                assert list(process.working_below(place.directory)) == []

    def restored_keys(self, point: datetime | None = None) -> set[str]:
        with self.restored(point) as restored:
            return keys_of(restored)

    def objects(self, part: str) -> list[str]:
        return [each.key for each in s3.list_objects(self.s3, self.store) if part in each.key]


def keys_of(restored: Restored) -> set[str]:
    """All keys of all masters."""
    assert isinstance(restored.endpoint, RedisEndpoint)
    found: set[str] = set()
    for address in restored.endpoint.nodes:
        with client(address) as connected:
            found |= {name.decode() for name in connected.scan_iter(count=1000)}
    return found


def numbered(start: int, end: int) -> list[tuple[str, str]]:
    return [(f"k:{number}", str(number)) for number in range(start, end)]


@pytest.fixture(scope="module")
def home(places: Places) -> Iterator[Place]:
    """The directory of this module's servers."""
    with places.borrowed("redis") as borrowed:
        yield borrowed


@pytest.fixture(scope="module")
def masters(home: Place) -> list[Server]:
    """A cluster of three masters with AOF."""
    ports = free_ports(3)
    servers = [
        start_server(home.directory / str(port), port, cluster=True, options=OPTIONS)
        for port in ports
    ]
    for server in servers:
        await_ready(server)
    addresses = [server.address for server in servers]
    create_cluster(addresses, replicas=0, directory=home.directory)
    wait_cluster_ok(addresses)
    return servers


@pytest.fixture
def carts(masters: list[Server], regions: Regions, places: Places, place: Place) -> Iterator[Bench]:
    """The cluster, emptied, and a store of its own."""
    for server in masters:
        with client(server.address) as connected:
            connected.flushall()
    yield from _bench(masters, regions, places, place, cluster=True)


@pytest.fixture
def one(regions: Regions, places: Places, place: Place) -> Iterator[Bench]:
    """A single server with AOF, and a store of its own."""
    (port,) = free_ports(1)
    server = start_server(place.directory / "one", port, options=OPTIONS)
    await_ready(server)
    yield from _bench([server], regions, places, place, cluster=False)


def _bench(
    servers: list[Server], regions: Regions, places: Places, place: Place, *, cluster: bool
) -> Iterator[Bench]:
    bucket = f"redis-{secrets.token_hex(4)}"
    regions.create_bucket(bucket)
    bench = Bench(
        places=places,
        store=regions.primary.store(bucket, prefix="subject"),
        replica=regions.replica.store(bucket, prefix="subject"),
        servers=servers,
        work=place.directory / "work",
        cluster=cluster,
    )
    yield bench
    for shipper in bench.shippers:
        shipper.close()


# -- nothing there --------------------------------------------------------------------------------


def test_without_a_backup_nothing_is_restored(carts: Bench) -> None:
    """An error that says so, never an empty cluster; the catalogue and the archive are empty."""
    with pytest.raises(RestoreError, match="no snapshot and no AOF"), carts.restored():
        pass
    found = carts.tool.discover(Region.PRIMARY)
    assert (found.error, found.backups, found.oldest_point, found.newest_point) == (
        None,
        (),
        None,
        None,
    )
    archive = next(iter(carts.tool.check(Region.PRIMARY)))
    assert getattr(archive, "pieces", None) == 0


def test_a_snapshot_without_its_manifest_is_none(carts: Bench) -> None:
    """The manifest is the commit point: files before it are garbage."""
    carts.put(*numbered(0, 10))
    snapshot = carts.snapshot()
    s3.delete(carts.s3, carts.store, snapshot_manifest_key(snapshot.label))
    assert carts.tool.discover(Region.PRIMARY).backups == ()
    with pytest.raises(RestoreError, match="no snapshot and no AOF"), carts.restored():
        pass


def test_an_aof_server_beside_a_bare_rdb_file_starts_empty(one: Bench, place: Place) -> None:
    """Redis's own trap, which a restore must not fall into: no key, no complaint."""
    one.put(*numbered(0, 10))
    one.snapshot()
    directory = place.directory / "trap"
    directory.mkdir()
    (rdb,) = one.objects(".rdb")
    s3.fetch(one.s3, one.store, rdb, directory / "dump.rdb")
    (port,) = free_ports(1)
    server = start_server(directory, port, options={"appendonly": "yes"})
    await_ready(server)
    with client(server.address) as connected:
        assert connected.dbsize() == 0
    kill_server(server)
    assert len(one.restored_keys()) == 10


# -- whole restores -------------------------------------------------------------------------------


def test_a_snapshot_restores_with_every_level_verified(carts: Bench) -> None:
    """Every type of value; keys whose time ran out meanwhile are no damage."""
    carts.put(*numbered(0, 500))
    with cluster_client(carts.addresses[0]) as connected:
        connected.set("{a}expires", "x", px=200)
        connected.set("{a}stays", "x", ex=1000)
        connected.rpush("list", *range(1000))
        connected.sadd("set", "a", "b")
        connected.sadd("ints", 1, 2, 3)
        connected.zadd("zset", {f"m{number}": number / 7 for number in range(200)})
        connected.hset("hash", mapping={f"f{number}": "v" * 100 for number in range(200)})
        connected.xadd("stream", {"a": "1"})
        connected.xgroup_create("stream", "group", 0)
        connected.xreadgroup("group", "consumer", {"stream": ">"})
        connected.set("compressed" * 20, "x" * 500)
    snapshot = carts.snapshot()
    counts = [shard.slot_keys for shard in snapshot.shards]
    assert all(each is not None for each in counts)
    assert sum(shard.keys for shard in snapshot.shards) == 509
    total = sum(kept + expiring for each in counts for _, kept, expiring in each or ())
    assert total == 509
    found = carts.tool.discover(Region.PRIMARY)
    assert [backup.label for backup in found.backups] == [snapshot.label]
    assert (found.newest_point, found.point_in_time) == (snapshot.stopped, False)
    wait_until(lambda: carts.now() > snapshot.started + timedelta(seconds=1), within_s=5, what="t")
    with carts.restored() as restored:
        assert restored.ended.recovered_until == snapshot.started
        for level in LEVELS:
            ended = carts.tool.verify(restored, INVARIANTS, level)
            assert (ended.outcome, ended.damage) == (Outcome.OK, ()), ended
            assert ended.examined > 0
        assert isinstance(restored.endpoint, RedisEndpoint)
        with cluster_client(restored.endpoint.nodes[0]) as connected:
            assert connected.get("k:499") == b"499"
            assert connected.llen("list") == 1000
            assert connected.set("written", "after") is True
        source = {node.id for node in _nodes(carts.addresses[0])}
        scratch = {node.id for node in _nodes(restored.endpoint.nodes[0])}
        assert source.isdisjoint(scratch)
        wrong = RedisInvariant(name="size", command=("DBSIZE",), expect="1")
        ended = carts.tool.verify(restored, Verification(invariants=(wrong,)), Level.INVARIANTS)
        assert ended.outcome is Outcome.FAIL
        assert "size on 127.0.0.1" in ended.damage[0]


def _nodes(address: Address) -> Sequence[Node]:
    with client(address) as connected:
        return read_nodes(connected)


def test_the_latest_is_all_that_was_shipped(carts: Bench) -> None:
    """Snapshot, first shipment, second shipment, and what was written after it is not there."""
    carts.put(*numbered(0, 200))
    carts.snapshot()
    carts.ship()
    carts.put(*numbered(200, 400))
    with cluster_client(carts.addresses[0]) as connected:
        connected.delete("k:7")
    carts.ship()
    shipped = carts.now()
    carts.put(*numbered(400, 500))
    found = carts.tool.discover(Region.PRIMARY)
    assert found.newest_point is not None
    assert found.newest_point <= shipped
    assert found.point_in_time
    with carts.restored() as restored:
        assert keys_of(restored) == {name for name, _ in numbered(0, 400)} - {"k:7"}
        assert restored.ended.recovered_to == restored.ended.archive_end
        for level in LEVELS:
            ended = carts.tool.verify(restored, INVARIANTS, level)
            assert (ended.outcome, ended.damage) == (Outcome.OK, ()), ended


def test_the_replica_region_restores_the_same(carts: Bench, regions: Regions) -> None:
    """From the other store alone, once it has caught up."""
    carts.put(*numbered(0, 100))
    carts.ship()
    regions.replication.await_caught_up(carts.store.bucket, within_s=30)
    with carts.restored(region=Region.REPLICA) as restored:
        assert len(keys_of(restored)) == 100
    facts = list(carts.tool.check(Region.PRIMARY))
    assert [type(fact).__name__ for fact in facts] == [
        "ArchiveInspected",
        "EncryptionInspected",
        "ReplicaCompared",
        "RetentionLockRead",
    ]
    assert [getattr(fact, "missing", ()) for fact in facts] == [()] * 4


def test_a_point_in_time_is_the_beginning_of_its_second(one: Bench) -> None:
    """All that was written before it, nothing after it; each side of a rewrite."""
    one.put(("a", "1"))
    one.ship()
    first = one.next_second()
    one.put(("b", "1"))
    one.ship()
    second = one.next_second()
    one.put(("c", "1"))
    _rewrite(one)
    one.put(("d", "1"))
    one.ship()
    third = one.next_second()
    fourth = one.next_second()
    one.put(("e", "1"))
    one.ship()
    assert len(read_holdings(one.s3, one.store).chains["server"]) == 2
    found = one.tool.discover(Region.PRIMARY)
    assert found.point_in_time
    assert found.oldest_point is not None
    assert found.oldest_point <= first
    for point, keys in (
        (first, {"a"}),
        (second, {"a", "b"}),
        (second + timedelta(milliseconds=900), {"a", "b"}),
        (third, {"a", "b", "c", "d"}),
        (fourth, {"a", "b", "c", "d"}),
        (None, {"a", "b", "c", "d", "e"}),
    ):
        with one.restored(point) as restored:
            assert keys_of(restored) == keys, point
            if point is not None:
                assert restored.ended.recovered_until == point.replace(microsecond=0)
            checked = one.tool.verify(restored, INVARIANTS, Level.AMCHECK)
            assert checked.outcome is Outcome.OK, checked


def test_a_point_in_time_of_a_cluster_cuts_every_shard(carts: Bench) -> None:
    """Keys of all shards from before it, of none from after it."""
    carts.put(*numbered(0, 50))
    carts.ship()
    point = carts.next_second()
    carts.put(*numbered(50, 100))
    carts.ship()
    assert carts.restored_keys(point) == {name for name, _ in numbered(0, 50)}


def test_a_single_server_with_several_databases_is_restored(one: Bench) -> None:
    """From a snapshot, with every level."""
    with client(one.addresses[0]) as connected:
        for database in (0, 3):
            ask(connected, "SELECT", database)
            connected.set(f"in{database}", "x")
    one.snapshot()
    with one.restored() as restored:
        for level in LEVELS:
            ended = one.tool.verify(restored, INVARIANTS, level)
            assert (ended.outcome, ended.damage) == (Outcome.OK, ()), ended


# -- planted damage -------------------------------------------------------------------------------


def _overwrite(bench: Bench, key: str, change: Callable[[bytes], bytes]) -> None:
    s3.put_bytes(bench.s3, bench.store, key, change(s3.read(bench.s3, bench.store, key)))


def _flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def _cut(content: bytes) -> bytes:
    return content[:-5]


def test_damaged_objects_are_named(one: Bench) -> None:
    """A flipped byte, a cut tail, a missing part: of parts, bases, chain documents."""
    one.put(*numbered(0, 100))
    one.ship()
    one.put(*numbered(100, 200))
    one.ship()
    (base,), parts, (head,) = (
        one.objects("/bases/"),
        one.objects("/parts/"),
        one.objects("/chains/"),
    )
    for key in (base, parts[0], parts[-1], head):
        before = s3.read(one.s3, one.store, key)
        _overwrite(one, key, _flip)
        with pytest.raises(RestoreError, match=key.rsplit("/", 1)[-1]), one.restored():
            pass
        _overwrite(one, key, lambda _, content=before: _cut(content))  # type: ignore[misc] # mypy#4226
        with pytest.raises(RestoreError, match=key.rsplit("/", 1)[-1]), one.restored():
            pass
        s3.delete(one.s3, one.store, key)
        with pytest.raises(RestoreError), one.restored():
            pass
        if key != head:
            archive = next(iter(one.tool.check(Region.PRIMARY)))
            assert getattr(archive, "missing", None) == (key,)
        s3.put_bytes(one.s3, one.store, key, before)
    assert len(one.restored_keys()) == 200


def test_a_damaged_snapshot_is_named(one: Bench) -> None:
    """A flipped byte in the RDB file, and in the manifest; a missing file is found by the check."""
    one.put(*numbered(0, 100))
    snapshot = one.snapshot()
    (rdb,) = one.objects(".rdb")
    _overwrite(one, rdb, _flip)
    with pytest.raises(RestoreError, match="sha256"), one.restored():
        pass
    _overwrite(one, rdb, _flip)
    manifest = snapshot_manifest_key(snapshot.label)
    _overwrite(one, manifest, _flip)
    (backup,) = one.tool.discover(Region.PRIMARY).backups
    assert backup.error is not None
    with pytest.raises(RestoreError), one.restored():
        pass
    _overwrite(one, manifest, _flip)
    s3.delete(one.s3, one.store, rdb)
    archive = next(iter(one.tool.check(Region.PRIMARY)))
    assert getattr(archive, "unusable_backups", None) == (snapshot.label,)


def test_an_object_damaged_after_the_restore_is_found_in_the_store(one: Bench) -> None:
    """The objects level reads the store, not what was fetched."""
    one.put(*numbered(0, 100))
    one.snapshot()
    (rdb,) = one.objects(".rdb")
    with one.restored() as restored:
        _overwrite(one, rdb, _flip)
        ended = one.tool.verify(restored, INVARIANTS, Level.OBJECTS)
        assert ended.outcome is Outcome.FAIL
        assert rdb in ended.damage[0]


def test_rdb_files_swapped_between_shards_are_found(carts: Bench) -> None:
    """cluster_state is ok, slots are covered and totals right: only the keys' places are not."""
    carts.put(*numbered(0, 300))
    snapshot = carts.snapshot()
    first, second, third = snapshot.shards
    swapped = msgspec.structs.replace(
        snapshot,
        shards=(
            msgspec.structs.replace(first, rdb=second.rdb),
            msgspec.structs.replace(second, rdb=first.rdb),
            third,
        ),
    )
    s3.put_bytes(carts.s3, carts.store, snapshot_manifest_key(snapshot.label), encode(swapped))
    with carts.restored() as restored:
        assert len(keys_of(restored)) == 300
        ended = carts.tool.verify(restored, INVARIANTS, Level.STRUCTURE)
        assert ended.outcome is Outcome.FAIL
        assert any("of other shards" in line for line in ended.damage)
        assert any("importing" in line for line in ended.damage)
        assert any("--cluster check" in line for line in ended.damage)
        ended = carts.tool.verify(restored, INVARIANTS, Level.LOGICAL_READ)
        assert ended.outcome is Outcome.FAIL
        assert any("expected" in line for line in ended.damage)


def test_a_snapshot_with_fewer_keys_than_it_says_is_found(carts: Bench) -> None:
    """Counts of the manifest against the loaded server, slot by slot."""
    carts.put(*numbered(0, 30))
    snapshot = carts.snapshot()
    shard = snapshot.shards[0]
    assert shard.slot_keys is not None
    (slot, kept, expiring), *rest = shard.slot_keys
    more = msgspec.structs.replace(shard, slot_keys=((slot, kept + 1, expiring), *rest))
    changed = msgspec.structs.replace(snapshot, shards=(more, *snapshot.shards[1:]))
    s3.put_bytes(carts.s3, carts.store, snapshot_manifest_key(snapshot.label), encode(changed))
    with carts.restored() as restored:
        ended = carts.tool.verify(restored, INVARIANTS, Level.LOGICAL_READ)
    assert (ended.outcome, len(ended.damage)) == (Outcome.FAIL, 1)
    assert f"slot {slot}: {kept} keys, expected {kept + 1}" in ended.damage[0]


def test_an_empty_restored_cluster_proves_nothing(carts: Bench) -> None:
    """No level but the files themselves is OK on no keys."""
    carts.snapshot()
    with carts.restored() as restored:
        for level in (Level.STRUCTURE, Level.LOGICAL_READ):
            ended = carts.tool.verify(restored, INVARIANTS, level)
            assert ended.outcome is Outcome.INDETERMINATE
        ended = carts.tool.verify(restored, Verification(), Level.INVARIANTS)
        assert ended.outcome is Outcome.INDETERMINATE


def test_a_server_that_dies_while_it_is_verified_is_indeterminate(one: Bench) -> None:
    """Nothing is learned of the backup, and nothing is raised."""
    one.put(*numbered(0, 10))
    one.snapshot()
    with one.restored() as restored:
        process.kill_below(restored.scratch.directory)
        ended = one.tool.verify(restored, INVARIANTS, Level.LOGICAL_READ)
        assert ended.outcome is Outcome.INDETERMINATE


def test_a_damaged_file_whose_manifest_agrees_stops_the_load(one: Bench) -> None:
    """A part that ends within a command, with a right digest: the server refuses to start."""
    one.put(*numbered(0, 100))
    one.ship()
    (head,) = read_holdings(one.s3, one.store).chains["server"]
    (increment,) = head.increments
    (part,) = increment.parts
    content = s3.read(one.s3, one.store, part.key)[:-5]
    cut = _stored(part.key, content)
    s3.put_bytes(one.s3, one.store, part.key, content)
    damaged = msgspec.structs.replace(part, size_bytes=cut.size_bytes, sha256=cut.sha256)
    _replace_parts(one, head, damaged)
    with pytest.raises(RestoreError, match="instead of loading"), one.restored():
        pass


def _stored(key: str, content: bytes) -> Stored:
    import hashlib

    return Stored(key=key, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def _replace_parts(bench: Bench, head: Chain, *parts: object) -> None:
    (increment,) = head.increments
    changed = msgspec.structs.replace(
        head, increments=(msgspec.structs.replace(increment, parts=parts),)
    )
    s3.put_bytes(bench.s3, bench.store, chain_key(head.node_id, head.id), encode(changed))


# -- the shipper ----------------------------------------------------------------------------------


def test_killed_at_any_write_the_last_committed_state_is_restorable(
    one: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts, bases, closing and opening chain documents: each write of a shipment over a rewrite is
    the last one once; the next shipper goes on from there and loses nothing.
    """
    one.put(*numbered(0, 10))
    one.ship()
    written = itertools.count()
    committed = {name for name, _ in numbered(0, 10)}
    put_bytes, put_file = s3.put_bytes, s3.put_file
    last = 10
    for allowed in range(4):
        one.put(*numbered(last, last + 10))
        _rewrite(one)
        one.put((f"k:{last + 10}", "after the rewrite"))
        last += 11
        left = itertools.count()

        def killed(*arguments: object, **options: object) -> None:
            if next(left) >= allowed:  # noqa: B023 - called within this turn only
                raise _KilledError
            next(written)
            (put_file if isinstance(arguments[3], Path) else put_bytes)(*arguments, **options)  # type: ignore[arg-type] # passed on as they came

        monkeypatch.setattr(s3, "put_bytes", killed)
        monkeypatch.setattr(s3, "put_file", killed)
        with pytest.raises(_KilledError):
            one.shippers[0].ship()
        monkeypatch.undo()
        found = one.restored_keys()
        assert found >= committed
        assert found <= {name for name, _ in numbered(0, last)}
        one.shippers[0].close()
        one.shippers[0] = AofShipper(one.addresses[0], one.servers[0].directory, one.store)
        one.ship()
        committed = {name for name, _ in numbered(0, last)}
        assert one.restored_keys() == committed
    assert next(written) > 0
    archive = next(iter(one.tool.check(Region.PRIMARY)))
    assert getattr(archive, "missing", None) == ()


class _KilledError(BaseException):
    """Ends a shipper as SIGKILL would: nothing catches it."""


def _rewrite(bench: Bench) -> None:
    """BGREWRITEAOF of every server, to its end."""
    for server in bench.servers:
        with client(server.address) as connected:
            before = connected.info("persistence")["aof_rewrites"]
            connected.bgrewriteaof()

            def done(count: int = before) -> bool:
                info = connected.info("persistence")
                busy = info["aof_rewrite_in_progress"] or info["aof_rewrite_scheduled"]
                return not busy and info["aof_rewrites"] > count

            wait_until(done, within_s=10, what="BGREWRITEAOF")


def test_rewrites_under_writes_lose_no_second(one: Bench) -> None:
    """Written, rewritten and shipped at once: every chain follows the one before, the whole
    window can be restored, and the end holds every acknowledged write.
    """
    one.ship()
    written: list[str] = []
    stop: list[bool] = []

    def write() -> None:
        with client(one.addresses[0]) as connected:
            for number in itertools.count():
                if stop:
                    return
                connected.set(f"k:{number}", "x" * 100)
                written.append(f"k:{number}")

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            for _ in range(5):
                _rewrite(one)
                acknowledged = len(written)
                one.shippers[0].ship()
        finally:
            stop.append(True)
        writing.result()
    assert acknowledged > 0
    one.ship()
    chains = read_holdings(one.s3, one.store).chains["server"]
    assert len(chains) == 6
    assert [chain.follows for chain in chains[1:]] == [chain.id for chain in chains[:-1]]
    assert [chain.closed for chain in chains] == [True] * 5 + [False]
    assert one.restored_keys() == set(written)
    archive = next(iter(one.tool.check(Region.PRIMARY)))
    assert getattr(archive, "missing", None) == ()


def test_two_rewrites_between_shipments_leave_a_gap_that_is_named(one: Bench) -> None:
    """An increment came and went unseen: what only it held of the past cannot be restored."""
    # The first chain must cover a whole second: a shorter one covers no time that can be missed.
    for _ in range(2):
        one.next_second()
        one.put(("a", "1"))
    one.ship()
    one.next_second()
    _rewrite(one)
    one.put(("b", "1"))
    one.next_second()
    _rewrite(one)
    one.ship()
    assert one.restored_keys() == {"a", "b"}
    chains = read_holdings(one.s3, one.store).chains["server"]
    assert chains[-1].follows is None
    archive = next(iter(one.tool.check(Region.PRIMARY)))
    assert isinstance(archive, ArchiveInspected)
    assert archive.missing_count == 1
    assert next(iter(archive.missing)).startswith("AOF of ")


def test_a_server_that_lost_its_tail_begins_a_chain_of_its_own(one: Bench) -> None:
    """Redis cut its last file at a restart: what was shipped of it is another history."""
    one.put(("a", "1"))
    one.ship()
    one.put(("b", "1"))
    one.ship()
    server = one.servers[0]
    kill_server(server)
    (increment,) = (server.directory / "appendonlydir").glob("*.incr.aof")
    with increment.open("r+b") as file:
        file.truncate(increment.stat().st_size - 3)
    one.servers[0] = start_server(server.directory, server.port, options=OPTIONS)
    await_ready(one.servers[0])
    one.put(("c", "1"))
    one.ship()
    assert one.restored_keys() == {"a", "c"}
    assert read_holdings(one.s3, one.store).chains["server"][-1].follows is None


def test_a_restarted_shipper_ships_only_what_is_new(one: Bench) -> None:
    """It reads its own documents; nothing is written twice."""
    one.put(*numbered(0, 100))
    one.ship()
    before = one.objects("aof/")
    one.shippers[0].close()
    one.shippers[0] = AofShipper(one.addresses[0], one.servers[0].directory, one.store)
    shipped = one.shippers[0].ship()
    assert shipped is not None
    assert shipped.new_bytes == 0
    assert one.objects("aof/") == before


def test_many_small_shipments_are_indexed_and_restored(
    one: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head does not grow with every part."""
    monkeypatch.setattr("harness.backup.redis_aof.PARTS_PER_INDEX", 4)
    with client(one.addresses[0]) as connected:
        # Else Redis puts a write off while the disk is busy, and two of them are one part.
        connected.config_set("appendfsync", "always")
    for number in range(11):
        one.put((f"k:{number}", "x"))
        one.ship()
    (head,) = read_holdings(one.s3, one.store).chains["server"]
    assert (len(head.increments[0].indexes), len(head.increments[0].parts)) == (2, 3)
    assert len(one.restored_keys()) == 11
    _overwrite(one, head.increments[0].indexes[0].key, _flip)
    with pytest.raises(RestoreError, match="sha256"), one.restored():
        pass


def test_a_transaction_is_shipped_whole(one: Bench) -> None:
    """MULTI and EXEC arrive together."""
    with client(one.addresses[0]) as connected:
        pipeline = connected.pipeline(transaction=True)
        for name, value in numbered(0, 50):
            pipeline.set(name, value)
        pipeline.execute()
    one.ship()
    assert len(one.restored_keys()) == 50


def test_without_an_aof_nothing_is_shipped(one: Bench) -> None:
    """Refused, with what to do about it."""
    with client(one.addresses[0]) as connected:
        connected.config_set("appendonly", "no")
    with pytest.raises(RefusedError, match="append-only") as caught:
        one.shippers[0].ship()
    assert caught.value.hint is not None


# -- the job --------------------------------------------------------------------------------------


def test_the_job_ships_until_sigterm_and_then_once_more(one: Bench, place: Place) -> None:
    """As a child process, which is told to end; what was acknowledged before is in the store."""
    one.put(("a", "1"))
    configuration = place.directory / "job.json"
    job = {
        "task": "ship-aof",
        "cluster": False,
        "every": "PT0.2S",
        "directory": place.directory,
        "nodes": [
            {
                "host": one.addresses[0][0],
                "port": one.addresses[0][1],
                "directory": one.servers[0].directory,
            }
        ],
        "store": one.store,
    }
    configuration.write_bytes(to_json(job))
    argv: list[str | Path] = [sys.executable, "-m", "harness.backup", "--config", configuration]
    child = process.start(argv, directory=Path.cwd(), log=place.directory / "job.log")
    wait_until(lambda: one.objects("/chains/"), within_s=20, what="a chain document")
    one.put(("b", "1"))
    process.stop(child)
    assert child.returncode == 0, (place.directory / "job.log").read_text()
    assert one.restored_keys() == {"a", "b"}
    configuration.write_bytes(to_json(job | {"task": "snapshot"}))
    done = process.run(argv, directory=Path.cwd(), timeout_s=30)
    assert done.returncode == 0, done.stderr
    assert [each.label for each in one.tool.discover(Region.PRIMARY).backups] == [
        done.stdout.strip()
    ]
    configuration.write_bytes(to_json(job | {"every": "-PT1S"}))
    done = process.run(argv, directory=Path.cwd(), timeout_s=30)
    assert done.returncode == 2
    assert "expected more than nothing" in done.stderr


def test_a_store_that_is_away_does_not_end_the_shipping(one: Bench) -> None:
    """An error of one shipment; the next one ships what is due."""
    one.put(("a", "1"))
    one.ship()
    shipper = one.shippers[0]
    store = shipper._store
    one.put(("b", "1"))
    shipper._store = msgspec.structs.replace(store, bucket="no-such-bucket")
    with pytest.raises(StoreError):
        shipper.ship()
    shipper._store = store
    one.ship()
    assert one.restored_keys() == {"a", "b"}


def test_a_snapshot_is_refused_while_a_slot_migrates(carts: Bench) -> None:
    """Its keys are on two nodes: nothing is written."""
    source, destination = carts.addresses[:2]
    slot = key_slot(b"k:1")
    with client(source) as one, client(destination) as other:
        ids = [ask(each, "CLUSTER", "MYID") for each in (one, other)]
        names = [each.decode() if isinstance(each, bytes) else str(each) for each in ids]
        mine = next(node for node in read_nodes(one) if node.id == names[0])
        slot = mine.slots[0][0]
        ask(one, "CLUSTER", "SETSLOT", slot, "MIGRATING", names[1])
        try:
            with pytest.raises(RefusedError, match="migrating"):
                carts.snapshot()
        finally:
            ask(one, "CLUSTER", "SETSLOT", slot, "STABLE")
    assert carts.objects("snapshots/") == []


def test_replicas_are_not_backed_up_unless_asked_for(one: Bench, place: Place) -> None:
    """A snapshot of a replica is refused; its AOF is not shipped until it is a master."""
    one.put(("a", "1"))
    (port,) = free_ports(1)
    replica = start_server(
        place.directory / "replica",
        port,
        options=OPTIONS | {"replicaof": f"127.0.0.1 {one.servers[0].port}"},
    )
    await_ready(replica)
    wait_replicas(one.addresses, each=1)
    with pytest.raises(RefusedError, match="got role slave, expected master"):
        take_snapshot([replica.address], one.store, cluster=False, directory=one.work)
    taken = take_snapshot(
        [replica.address], one.store, cluster=False, directory=one.work, from_replicas=True
    )
    assert [shard.keys for shard in taken.shards] == [1]
    shipper = AofShipper(replica.address, replica.directory, one.store)
    assert shipper.ship() is None
    with client(replica.address) as connected:
        ask(connected, "REPLICAOF", "NO", "ONE")
    wait_until(lambda: shipper.ship() is not None, within_s=20, what="the first base")
    shipper.close()


def test_what_redis_cli_could_not_fetch_is_no_snapshot(one: Bench) -> None:
    """A server that is gone: an error, nothing committed."""
    kill_server(one.servers[0])
    with pytest.raises(RedisServerError):
        one.snapshot()
    assert one.objects("") == []


def test_the_rdb_reader_agrees_with_redis_check_rdb(one: Bench, place: Place) -> None:
    """Functions, large values, integers as names, expiries in several databases."""
    with client(one.addresses[0]) as connected:
        ask(
            connected,
            "FUNCTION",
            "LOAD",
            "#!lua name=l\nredis.register_function('f', function() end)",
        )
        connected.set("12345", "int")
        connected.set("-7", "x" * 100_000, ex=500)
        connected.rpush("big", *["v" * 3000 for _ in range(50)])
        ask(connected, "SELECT", 2)
        connected.zadd("z", {"a": float("inf"), "b": 1.5})
    snapshot = one.snapshot()
    (rdb,) = one.objects(".rdb")
    file = place.directory / "x.rdb"
    s3.fetch(one.s3, one.store, rdb, file)
    keys = list(read_keys(file))
    assert sorted((key.database, key.name) for key in keys) == [
        (0, b"-7"),
        (0, b"12345"),
        (0, b"big"),
        (2, b"z"),
    ]
    assert [key.name for key in keys if key.expires_ms is not None] == [b"-7"]
    assert snapshot.shards[0].keys == len(keys)
    for length in (8, 60, file.stat().st_size - 20):
        short = place.directory / "short.rdb"
        short.write_bytes(file.read_bytes()[:length])
        with pytest.raises(RestoreError):
            list(read_keys(short))
