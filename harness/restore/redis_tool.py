"""Restores a Redis server or cluster from the layout of docs/redis-backup-layout.md.

What is common to both; harness/restore/redis_rdb.py and redis_cluster.py are the two tools.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness.backup.layout import Increment, LayoutError, Part, Snapshot, time_of_label
from harness.backup.reading import Holdings, parts_of, read_holdings
from harness.drivers import process, s3
from harness.drivers.clock import wait_until
from harness.drivers.redis import Server, loading, start_server
from harness.errors import DeadlineExceededError, RestoreError, StoreError
from harness.model.history import (
    Backup,
    CatalogueRead,
    Phase,
    RestoreEnded,
    VerificationEnded,
)
from harness.model.instant import seconds
from harness.model.subject import ObjectStore, RedisCluster, RedisRepository, RedisServer, Region
from harness.model.suite import Level, Verification
from harness.ports import (
    CheckFact,
    Clock,
    PhaseProgress,
    RedisEndpoint,
    Restored,
    Scratch,
    Watch,
)
from harness.restore import redis_files
from harness.restore.redis_archive import inspect_archive
from harness.restore.redis_files import Layout
from harness.restore.redis_sets import BackupSet, choose, owned_slots, window
from harness.restore.redis_verify import Memory, RedisVerifier, remember

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_WITHOUT_DEADLINE_S = 24 * 3600.0

# A scratch server never rewrites, saves or evicts, and refuses a file that is cut: it loads all of
# what was fetched or does not start (redis.conf).
_OPTIONS = {
    "appendonly": "yes",
    "aof-load-truncated": "no",
    "auto-aof-rewrite-percentage": "0",
    "appendfsync": "everysec",
    "maxmemory": "0",
    "cluster-node-timeout": "15000",
}


class RedisTool(ABC):
    """A RestoreTool, bound to one subject."""

    cluster: bool

    def __init__(self, subject: RedisCluster | RedisServer, clock: Clock) -> None:
        self._subject = subject
        self._clock = clock

    # -- what is there --------------------------------------------------------------------------

    def discover(self, region: Region) -> CatalogueRead:
        """As RestoreTool says. Backups are the snapshots; the newest point is that of the AOF."""
        now = self._clock.now().utc
        tool = "redis snapshot and AOF shipping, format 1"
        try:
            store = self._store(region)
            holdings = read_holdings(s3.connect(store), store)
        except (StoreError, RestoreError) as error:
            return CatalogueRead(
                subject=self._subject.id,
                region=region,
                backups=(),
                now=now,
                tool=tool,
                error=str(error),
            )
        oldest, newest, every_second = window(holdings, cluster=self.cluster)
        backups = [_backup(each) for each in holdings.snapshots if each.cluster is self.cluster]
        damaged = [_damaged_backup(key, why) for key, why in holdings.damaged.items()]
        return CatalogueRead(
            subject=self._subject.id,
            region=region,
            backups=tuple(sorted([*backups, *filter(None, damaged)], key=lambda each: each.label)),
            now=now,
            oldest_point=oldest,
            newest_point=newest,
            point_in_time=every_second,
            tool=tool,
        )

    def check(self, region: Region) -> Iterator[CheckFact]:
        """As RestoreTool says: continuity, encryption, the other region, retention locks."""
        from harness.restore import objects

        store = self._store(region)
        archive, keys = inspect_archive(self._subject.id, region, store, cluster=self.cluster)
        yield archive
        yield objects.inspect_encryption(self._subject.id, region, store, keys=keys)
        if region is Region.PRIMARY and self._subject.replica is not None:
            yield objects.compare_replica(
                self._subject.id, store, self._subject.replica.store, keys
            )
        yield objects.read_retention_locks(self._subject.id, region, store, keys=keys)

    def endpoint(self, region: Region, scratch: Scratch) -> RedisEndpoint:
        """As RestoreTool says; as many masters as the newest backup has shards."""
        store = self._store(region)
        holdings = read_holdings(s3.connect(store), store, newest_only=True)
        return self._endpoint(scratch, self._count_shards(holdings))

    def _count_shards(self, holdings: Holdings) -> int:
        if not self.cluster:
            return 1
        heads = [chains[-1] for chains in holdings.chains.values() if chains]
        shards = len(owned_slots(heads)) or max(
            (len(each.shards) for each in holdings.snapshots[-1:]), default=0
        )
        if shards == 0:
            raise RestoreError("no snapshot and no AOF in the store", hint="harness backup redis")
        return shards

    def _endpoint(self, scratch: Scratch, shards: int) -> RedisEndpoint:
        if shards > len(scratch.ports):
            raise RestoreError(
                f"{self._subject.id}: the backup has {shards} shards, expected at most "
                f"{len(scratch.ports)}, one a reserved port"
            )
        return RedisEndpoint(
            nodes=tuple((scratch.address, port) for port in scratch.ports[:shards]),
            cluster=self.cluster,
        )

    # -- restoring ------------------------------------------------------------------------------

    def restore(
        self, region: Region, point: datetime | None, scratch: Scratch, watch: Watch
    ) -> Restored:
        """As RestoreTool says. Servers answer LOADING, then CLUSTERDOWN, until all is there: no
        stage of it gives a right-looking answer from an empty server.
        """
        store = self._store(region)
        client = s3.connect(store)
        with watch.phase(Phase.PROVISION):
            servers = scratch.directory / "servers"
            servers.mkdir()
        with watch.phase(Phase.LIST) as progress:
            chosen = self._choose(client, store, region, point)
            endpoint = self._endpoint(scratch, len(chosen.shards))
            progress.note(f"{chosen.label}: {chosen.recovered_to}")
        with watch.phase(Phase.FETCH) as progress:
            layouts = redis_files.fetch(
                client, store, chosen, servers, progress, scratch.deadline_ns
            )
        with watch.phase(Phase.REPLAY) as progress:
            running = self._load(layouts, endpoint, scratch, progress)
        with watch.phase(Phase.PROMOTE):
            self._await_writable(endpoint, running, self._remaining_s(scratch))
        remember(scratch.directory, Memory(chosen=chosen, store=store))
        return Restored(
            scratch=scratch,
            endpoint=endpoint,
            ended=RestoreEnded(
                trial=scratch.trial,
                subject=self._subject.id,
                backup=chosen.label,
                target_time=point,
                recovered_to=chosen.recovered_to,
                recovered_until=chosen.recovered_until,
                archive_end=chosen.archive_end,
                ended_early=chosen.ended_early,
                restored_bytes=sum(each.size_bytes for each in chosen.objects()),
            ),
        )

    def _choose(
        self, client: S3Client, store: ObjectStore, region: Region, point: datetime | None
    ) -> BackupSet:
        holdings = read_holdings(
            client, store, newest_only=point is None and region is Region.PRIMARY
        )
        return choose(
            holdings,
            functools.partial(_parts, client, store),
            point,
            region,
            cluster=self.cluster,
        )

    def _load(
        self,
        layouts: Sequence[Layout],
        endpoint: RedisEndpoint,
        scratch: Scratch,
        progress: PhaseProgress,
    ) -> tuple[Server, ...]:
        """Cuts what is after the point, starts every server and awaits that it has loaded all."""
        user = self._subject.operating_system_user
        for layout in layouts:
            left = redis_files.truncate(layout, self._remaining_s(scratch))
            self._write_configuration(layout, layouts, endpoint)
            redis_files.make_loadable(layout, left, user)
        servers = tuple(
            start_server(layout.directory, port, cluster=self.cluster, options=_OPTIONS, user=user)
            for layout, (_, port) in zip(layouts, endpoint.nodes, strict=True)
        )

        def loaded() -> bool:
            states = [loading(server) for server in servers]
            known = [state for state in states if state is not None]
            progress.advance(
                sum(state.done_bytes for state in known),
                sum(state.total_bytes for state in known) or None,
            )
            return all(state is not None and state.finished for state in states)

        wait_until(
            loaded,
            within_s=self._remaining_s(scratch),
            what=f"{self._subject.id}: {len(servers)} servers loading their data",
            hint=f"tail {scratch.directory}/servers/*/redis.log",
        )
        return servers

    def _remaining_s(self, scratch: Scratch) -> float:
        if scratch.deadline_ns == 0:
            return _WITHOUT_DEADLINE_S
        left = seconds(scratch.deadline_ns - self._clock.monotonic_ns())
        if left <= 0:
            raise DeadlineExceededError(f"{self._subject.id}: the restore took too long")
        return left

    @abstractmethod
    def _write_configuration(
        self, layout: Layout, layouts: Sequence[Layout], endpoint: RedisEndpoint
    ) -> None:
        """Writes what a server needs besides its data, before it is started."""

    @abstractmethod
    def _await_writable(
        self, endpoint: RedisEndpoint, servers: Sequence[Server], within_s: float
    ) -> None:
        """Returns when every server takes writes; DeadlineExceededError otherwise."""

    # -- afterwards -----------------------------------------------------------------------------

    def verify(
        self, restored: Restored, verification: Verification, level: Level
    ) -> VerificationEnded:
        """As RestoreTool says."""
        return RedisVerifier(self._subject, restored, self._clock, cluster=self.cluster).verify(
            verification, level
        )

    def logs(self, scratch: Scratch) -> tuple[Path, ...]:
        """The servers' logs."""
        return tuple(sorted(scratch.directory.glob("servers/*/*.log")))

    def remove(self, scratch: Scratch) -> tuple[str, ...]:
        """As RestoreTool says."""
        import shutil

        process.kill_below(scratch.directory)
        leaks: list[str] = []
        for path in scratch.directory.iterdir() if scratch.directory.exists() else ():
            if path.is_dir():
                shutil.rmtree(path, onerror=lambda _call, at, why: leaks.append(f"{at}: {why[1]}"))
            else:
                path.unlink()
        leaks += [f"process {each.pid}" for each in process.working_below(scratch.directory)]
        return tuple(leaks)

    def _store(self, region: Region) -> ObjectStore:
        repository: RedisRepository | None = (
            self._subject.primary if region is Region.PRIMARY else self._subject.replica
        )
        if repository is None:
            raise RestoreError(
                f"{self._subject.id}: no repository in the {region} region",
                hint="name it in harness.toml",
            )
        return repository.store


def _parts(client: S3Client, store: ObjectStore, increment: Increment) -> Sequence[Part]:
    """The parts of an increment; that an index of them is missing speaks against the backup."""
    try:
        return parts_of(client, store, increment)
    except s3.ObjectMissingError as error:
        raise LayoutError(f"{increment.name}: {error}", hint=error.hint) from error


def _backup(snapshot: Snapshot) -> Backup:
    size = sum(each.size_bytes for each in snapshot.objects())
    return Backup(
        label=snapshot.label,
        kind="snapshot",
        started=snapshot.started,
        stopped=snapshot.stopped,
        size_bytes=size,
        stored_bytes=size,
    )


def _damaged_backup(key: str, why: str) -> Backup | None:
    """A snapshot whose manifest cannot be read, by the time in its label."""
    label = key.split("/")[1]
    moment = time_of_label(label)
    if not key.startswith("snapshots/") or moment is None:
        return None
    return Backup(
        label=label, kind="snapshot", started=moment, stopped=moment, size_bytes=0, error=why
    )
