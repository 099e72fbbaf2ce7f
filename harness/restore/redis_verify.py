"""Verifies a restored Redis server or cluster, one level at a time; damage is an outcome."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import redis

from harness.backup.layout import Stored
from harness.drivers import process, s3
from harness.drivers.bounded_redis import BoundedRedis, Reply
from harness.drivers.redis import (
    SLOTS,
    Address,
    ask,
    client,
    cluster_client,
    read_nodes,
    redis_cli,
    slot_counts,
    slot_numbers,
)
from harness.errors import HarnessError, RestoreError
from harness.model.codec import from_json, to_json
from harness.model.history import Outcome, VerificationEnded
from harness.model.subject import ObjectStore, RedisCluster, RedisServer
from harness.model.suite import Level, RedisInvariant, Verification
from harness.ports import Clock, RedisEndpoint, Restored
from harness.restore.redis_files import FETCHED_MANIFEST, Layout, compare_content
from harness.restore.redis_sets import BackupSet, ShardFiles, show_slots

_MEMORY = "restored.json"
_NAMED = 50
_TOOL_WITHIN_S = 3600.0
_ANSWER_WITHIN_S = 60.0
_BATCH = 512
_SAMPLE = 4096
_MISPLACED = "Setting it to importing state"


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What was restored, and from where; kept in the scratch directory for verification."""

    chosen: BackupSet
    store: ObjectStore


def remember(scratch: Path, memory: Memory) -> None:
    """Writes what was restored into the scratch directory."""
    (scratch / _MEMORY).write_bytes(to_json(memory))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    examined: int
    detail: str
    damage: Sequence[str] = ()


class RedisVerifier:
    """One restored subject and what it was restored from."""

    def __init__(
        self,
        subject: RedisCluster | RedisServer,
        restored: Restored,
        clock: Clock,
        *,
        cluster: bool,
    ) -> None:
        assert isinstance(restored.endpoint, RedisEndpoint)  # noqa: S101 - of our own restore
        self._subject = subject
        self._restored = restored
        self._scratch = restored.scratch.directory
        self._nodes: tuple[Address, ...] = restored.endpoint.nodes
        self._clock = clock
        self._cluster = cluster

    def verify(self, verification: Verification, level: Level) -> VerificationEnded:
        """One level; what kept it from being verified is INDETERMINATE, never raised."""
        started_ns = self._clock.monotonic_ns()
        try:
            found = self._look(verification, level)
            outcome = Outcome.OK if found.examined else Outcome.INDETERMINATE
            if found.damage:
                outcome = Outcome.FAIL
        except HarnessError as error:
            found, outcome = _Found(examined=0, detail=str(error)), Outcome.INDETERMINATE
        return VerificationEnded(
            trial=self._restored.scratch.trial,
            subject=self._subject.id,
            level=level,
            outcome=outcome,
            started_ns=started_ns,
            ended_ns=self._clock.monotonic_ns(),
            examined=found.examined,
            detail=found.detail,
            damage=tuple(found.damage[:_NAMED]),
        )

    def _look(self, verification: Verification, level: Level) -> _Found:
        memory = from_json((self._scratch / _MEMORY).read_bytes(), Memory)
        shards = memory.chosen.shards
        match level:
            case Level.OBJECTS:
                return self._objects(memory)
            case Level.STRUCTURE:
                return self._slots(shards) if self._cluster else self._server()
            case Level.AMCHECK:
                return self._files(shards)
            case Level.LOGICAL_READ:
                return self._read_cluster(shards) if self._cluster else self._read(shards[0])
            case Level.INVARIANTS:
                return self._invariants(verification)
            case Level.LEDGER:
                raise RestoreError("the ledger is not verified by a restore tool")

    # -- objects and files ----------------------------------------------------------------------

    def _objects(self, memory: Memory) -> _Found:
        """Reads every object of the set again and compares its sha256."""
        objects, store = memory.chosen.objects(), memory.store
        connected = s3.connect(store)
        with tempfile.TemporaryDirectory(dir=self._scratch) as directory:

            def damage_of(numbered: tuple[int, Stored]) -> str | None:
                number, stored = numbered
                path = Path(directory) / str(number)
                try:
                    s3.fetch(connected, store, stored.key, path)
                    compare_content(stored, path)
                except (RestoreError, s3.ObjectMissingError) as error:
                    return str(error)
                finally:
                    path.unlink(missing_ok=True)
                return None

            results = s3.in_parallel(damage_of, list(enumerate(objects)))
        return _Found(
            examined=len(objects),
            detail=f"{len(objects)} objects have the sha256 of {memory.chosen.label}",
            damage=[each for each in results if each is not None],
        )

    def _files(self, shards: Sequence[ShardFiles]) -> _Found:
        """redis-check-rdb and redis-check-aof over the files as they were fetched and cut."""
        damage: list[str] = []
        for number, shard in enumerate(shards):
            layout = Layout(shard=shard, directory=self._scratch / "servers" / f"shard-{number}")
            checks = [("redis-check-aof", FETCHED_MANIFEST, "All AOF files and manifest are valid")]
            if shard.base_is_rdb:
                checks.append(("redis-check-rdb", layout.base.name, "RDB looks OK"))
            for program, file, praise in checks:
                done = process.run(
                    [program, file], directory=layout.append_directory, timeout_s=_TOOL_WITHIN_S
                )
                if done.returncode != 0 or praise not in done.stdout:
                    where = show_slots(shard.slots) or "server"
                    damage.append(f"{where}: {program} {file}: {done.last_line()}")
        examined = sum(1 + len(shard.increments) for shard in shards)
        return _Found(
            examined=examined, detail=f"{examined} files read to their end", damage=damage
        )

    # -- structure ------------------------------------------------------------------------------

    def _slots(self, shards: Sequence[ShardFiles]) -> _Found:
        """Every slot has its owner, none is open, and no node holds keys of another's slot.

        The last is what RDB files swapped between shards look like: the cluster is `ok`, all slots
        are covered and all totals right, and GET answers nil.
        """
        damage: list[str] = []
        keys = 0
        for number, (shard, address) in enumerate(zip(shards, self._nodes, strict=True)):
            where = f"{address[0]}:{address[1]}"
            with client(address, timeout_s=60) as connected:
                nodes = read_nodes(connected)
                counts = slot_counts(connected, [(0, SLOTS - 1)])
            own = next(node for node in nodes if "myself" in node.flags)
            mine = set(slot_numbers(shard.slots))
            keys += sum(counts.values())
            covered = sum(last - first + 1 for node in nodes for first, last in node.slots)
            if covered != SLOTS:
                damage.append(f"{where}: knows owners of {covered} slots, expected {SLOTS}")
            if set(slot_numbers(own.slots)) != mine:
                damage.append(
                    f"{where}: serves {show_slots(own.slots)}, expected {show_slots(shard.slots)}"
                )
            if own.open_slots:
                damage.append(
                    f"{where}: {len(own.open_slots)} slots are importing or migrating: "
                    f"{' '.join(own.open_slots[:3])}"
                )
            foreign = [slot for slot, count in counts.items() if count and slot not in mine]
            if foreign:
                lost = sum(counts[slot] for slot in foreign)
                damage.append(
                    f"{where}: holds {lost} keys of {len(foreign)} slots of other shards "
                    f"({', '.join(map(str, foreign[:5]))}), expected keys of "
                    f"{show_slots(shard.slots)} only"
                )
            log = self._scratch / "servers" / f"shard-{number}" / "redis.log"
            if _MISPLACED in log.read_text(encoding="utf-8", errors="replace"):
                damage.append(f"{where}: its log says: {_MISPLACED}")
        checked = process.run(
            [*redis_cli(self._nodes[0]), "--cluster", "check", f"127.0.0.1:{self._nodes[0][1]}"],
            directory=self._scratch,
            timeout_s=120,
        )
        if checked.returncode != 0:
            errors = [line for line in checked.stdout.splitlines() if "[ERR]" in line]
            damage.append(f"redis-cli --cluster check: {(errors or [checked.last_line()])[0]}")
        return _Found(
            examined=SLOTS if keys else 0,
            detail=f"{SLOTS} slots on {len(shards)} masters, {keys} keys"
            + ("" if keys else ": an empty cluster proves nothing"),
            damage=damage,
        )

    def _server(self) -> _Found:
        with client(self._nodes[0]) as connected:
            info = connected.info()
            databases = connected.info("keyspace")
        damage = []
        if info["role"] != "master":
            damage.append(f"its role is {info['role']}, expected master")
        keys = sum(int(database["keys"]) for database in databases.values())
        return _Found(
            examined=keys and len(databases),
            detail=f"{len(databases)} databases, {keys} keys",
            damage=damage,
        )

    # -- logical read ---------------------------------------------------------------------------

    def _read_cluster(self, shards: Sequence[ShardFiles]) -> _Found:
        """Key counts of every slot, and a key of every slot read through a cluster client."""
        damage: list[str] = []
        samples: list[tuple[bytes, bytes]] = []
        keys = counted = 0
        for shard, address in zip(shards, self._nodes, strict=True):
            with client(address, timeout_s=60) as connected:
                counts = slot_counts(connected, shard.slots)
                samples += _sample_slots(connected, [slot for slot, n in counts.items() if n])
            keys += sum(counts.values())
            if shard.snapshot is not None and shard.snapshot.slot_keys is not None:
                counted += len(counts)
                damage += _too_few(counts, shard.snapshot.slot_keys)
        damage += self._read_through(samples)
        digest = _digest(samples)
        expected = (
            f"{counted} slots counted against the snapshot"
            if counted
            else "an AOF has no counts of its own"
        )
        return _Found(
            examined=SLOTS if keys else 0,
            detail=f"{keys} keys; {expected}; {len(samples)} keys of as many slots read through "
            f"the cluster, digest {digest[:16]}",
            damage=damage,
        )

    def _read_through(self, samples: Sequence[tuple[bytes, bytes]]) -> list[str]:
        """Reads keys as an application does, which must give what their owner gave."""
        damage: list[str] = []
        with cluster_client(self._nodes[0], timeout_s=60) as cluster:
            for start in range(0, len(samples), _BATCH):
                batch = samples[start : start + _BATCH]
                pipeline = cluster.pipeline()  # type: ignore[no-untyped-call] # redis-py: no types
                for name, _ in batch:
                    pipeline.dump(name)
                damage += [
                    f"{name!r}: got another value, or none, when read through the cluster"
                    for (name, value), read in zip(batch, pipeline.execute(), strict=True)
                    if read != value
                ]
        return damage

    def _read(self, shard: ShardFiles) -> _Found:
        """Totals of all databases, and a sample of keys read."""
        samples: list[tuple[bytes, bytes]] = []
        keys = 0
        with client(self._nodes[0], timeout_s=60) as connected:
            databases = [int(name.removeprefix("db")) for name in connected.info("keyspace")]
            for database in databases:
                ask(connected, "SELECT", database)
                keys += int(connected.dbsize())
                names = [
                    name
                    for name, _ in zip(
                        connected.scan_iter(count=1000), range(_SAMPLE), strict=False
                    )
                ]
                samples += _dump(connected, names)
            ask(connected, "SELECT", 0)
        damage: list[str] = []
        expected = "an AOF has no counts of its own"
        if shard.snapshot is not None:
            counted = shard.snapshot.slot_keys or ((0, 0, shard.snapshot.keys),)
            kept, expiring = counted[0][1:]
            expected = f"expected {kept} to {kept + expiring} as in the snapshot"
            if keys < kept:
                damage.append(f"{keys} keys, {expected}")
        return _Found(
            examined=keys,
            detail=f"{keys} keys; {expected}; {len(samples)} read, digest {_digest(samples)[:16]}",
            damage=damage,
        )

    # -- invariants -----------------------------------------------------------------------------

    def _invariants(self, verification: Verification) -> _Found:
        """Each command on every master, its answer as text."""
        mine = [each for each in verification.invariants if isinstance(each, RedisInvariant)]
        damage = []
        for invariant in mine:
            for address in self._nodes:
                answer = as_text(self._answer(address, invariant.command))
                if not fnmatchcase(answer, invariant.expect):
                    damage.append(
                        f"{invariant.name} on {address[0]}:{address[1]}: got {answer[:80]!r}, "
                        f"expected {invariant.expect!r}"
                    )
        return _Found(
            examined=len(mine) * len(self._nodes),
            detail=f"{len(mine)} invariants on {len(self._nodes)} masters",
            damage=damage,
        )

    def _answer(self, address: Address, command: Sequence[str]) -> Reply:
        # redis-py turns some answers into what it takes them for: PONG into True.
        deadline_ns = self._clock.monotonic_ns() + int(_ANSWER_WITHIN_S * 1e9)
        connection = BoundedRedis.connect(address, deadline_ns=deadline_ns)
        try:
            (answer,) = connection.exchange([tuple(command)], deadline_ns=deadline_ns)
        finally:
            connection.close()
        return answer


def as_text(answer: Reply) -> str:
    """An answer of Redis as an invariant spells it: `(nil)`, numbers, errors by their text, lists
    a line an item.
    """
    match answer:
        case None:
            return "(nil)"
        case bytes():
            return answer.decode("utf-8", "replace")
        case list():
            return "\n".join(as_text(each) for each in answer)
        case _:
            return str(answer)


def _too_few(counts: dict[int, int], expected: Sequence[tuple[int, int, int]]) -> list[str]:
    """Slots with fewer keys than cannot have expired; more may have been written since."""
    return [
        f"slot {slot}: {counts.get(slot, 0)} keys, expected {kept} to {kept + expiring} "
        "as in the snapshot"
        for slot, kept, expiring in expected
        if counts.get(slot, 0) < kept
    ]


def _sample_slots(connected: redis.Redis, slots: Sequence[int]) -> list[tuple[bytes, bytes]]:
    """One key of each slot and its value as DUMP gives it."""
    names: list[bytes] = []
    for start in range(0, len(slots), _BATCH):
        pipeline = connected.pipeline(transaction=False)
        for slot in slots[start : start + _BATCH]:
            ask(pipeline, "CLUSTER", "GETKEYSINSLOT", slot, 1)
        names += [name for answer in pipeline.execute() for name in answer]
    return _dump(connected, names)


def _dump(connected: redis.Redis, names: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    """The values of keys without expiry: of the others, no two reads need agree."""
    dumped: list[tuple[bytes, bytes]] = []
    for start in range(0, len(names), _BATCH):
        batch = names[start : start + _BATCH]
        pipeline = connected.pipeline(transaction=False)
        for name in batch:
            pipeline.dump(name)
            pipeline.pttl(name)
        answers = iter(pipeline.execute())
        dumped += [
            (name, value)
            for name, value, remaining in zip(batch, answers, answers, strict=True)
            if value is not None and remaining == -1
        ]
    return dumped


def _digest(samples: Sequence[tuple[bytes, bytes]]) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(samples):
        for word in (name, value):
            digest.update(len(word).to_bytes(8, "big") + word)
    return digest.hexdigest()
