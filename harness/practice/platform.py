"""The practice platform: two S3 regions, PostgreSQL, a Redis cluster, ledgers; and how they break.

All of it works inside one declared place, so that a harness that is killed at any step leaves
nothing that `harness recover`, or the next start, does not find.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from harness.backup.job import RedisBackup, RedisNode
from harness.backup.layout import CHAINS, is_chain_key
from harness.backup.redis_snapshot import take_snapshot
from harness.drivers import process, s3, shared_memory
from harness.drivers.clock import wait_until
from harness.drivers.loopback import ADDRESS, free_ports, listens
from harness.errors import InputError, SurroundingsError
from harness.faults.places import Place
from harness.ledger.continuous import WriterConfig
from harness.model.codec import to_indented_json
from harness.model.instant import Bracket, seconds
from harness.model.quantity import show_duration
from harness.model.subject import ObjectStore, Region, Subject
from harness.ports import Clock, Endpoint
from harness.practice import past
from harness.practice.object_store import Regions, RegionServer
from harness.practice.past_clock import DAYS
from harness.practice.postgres import STANZA, PracticePostgres
from harness.practice.redis import CLUSTER, NODES, PracticeRedis

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "backups"

_LOCK = timedelta(days=31)
"""A day longer than the document wants backups kept: locks count from the second of the upload."""

_SHIP_AOF_EVERY = timedelta(seconds=5)
_WRITES_PER_S = 50.0
_WITNESSED_WITHIN_S = 30.0
_REPLICATED_WITHIN_S = 600.0
_SHIPPED_WITHIN_S = 120.0


class Practice:
    """A running practice platform. Implements ports.Platform; the only one that inflicts."""

    inflicts = True

    def __init__(self, place: Place, clock: Clock, progress: Callable[[str], None]) -> None:
        """Starts nothing yet: see `start` and `running`."""
        home = place.directory
        postgres_port, *redis_ports = free_ports(1 + NODES)
        self.place = place
        self.postgres = PracticePostgres(
            home=home / STANZA, configuration=home / "pgbackrest", port=postgres_port
        )
        self.redis = PracticeRedis(home=home / CLUSTER, ports=tuple(redis_ports))
        self.steps: list[tuple[str, float]] = []
        """What the start was made of, in the order of ending, with seconds; some ran at once."""

        self._clock = clock
        self._progress = progress
        self._regions: Regions | None = None
        self._beside: dict[str, subprocess.Popen[bytes]] = {}  # noqa: TID251 - its type only
        self._lock = threading.Lock()

    # -- life ---------------------------------------------------------------------------------

    @classmethod
    def start(
        cls, place: Place, scale: float, clock: Clock, progress: Callable[[str], None]
    ) -> Practice:
        """Starts all of it, lives its past, fills it, and takes today's backups.

        At `scale` 1 PostgreSQL holds 150 MB and Redis 50 MB. `progress` gets a line for each step
        that ended, from any thread. Where a step fails, or the command is interrupted, what was
        started is stopped again and the error goes through.
        """
        practice = cls(place, clock, progress)
        try:
            practice._start(scale)
        except BaseException:
            practice.stop()
            raise
        return practice

    @classmethod
    @contextlib.contextmanager
    def running(
        cls, place: Place, scale: float, clock: Clock, progress: Callable[[str], None]
    ) -> Iterator[Practice]:
        """A platform for the length of a block."""
        practice = cls.start(place, scale, clock, progress)
        try:
            yield practice
        finally:
            practice.stop()

    @property
    def regions(self) -> Regions:
        """The two regions and their replication."""
        if self._regions is None:
            raise SurroundingsError("practice platform: its regions were not started")
        return self._regions

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """`orders`, a PostgreSQL cluster, and `carts`, a Redis cluster."""
        primary, replica = self.regions.primary, self.regions.replica
        return (
            self.postgres.subject(primary, replica, BUCKET, self._ledger(STANZA)),
            self.redis.subject(primary, replica, BUCKET, self._ledger(CLUSTER)),
        )

    def stop(self) -> None:
        """Stops everything; gently only the writers, whose journals are evidence.

        Nothing is left running, nor outside the place, whatever state a loss or a failed start
        left it in.
        """
        for subject in (STANZA, CLUSTER):
            self._end(_writer(subject), signal.SIGTERM)
        segments = shared_memory.segments_below(self.place.directory)
        self._kill()
        shared_memory.remove_segments(segments)
        shared_memory.remove_posix(self.place.name)

    # -- losses -------------------------------------------------------------------------------

    def lose(self, subject: str) -> tuple[Bracket, str]:
        """SIGKILLs all that is the subject's, and takes its data away.

        The witness is a connection that is refused; the data is moved away after that.
        """
        server = self._server(subject)
        seen = f"nobody listens on {_these(server.ports)}"
        before_ns = self._clock.monotonic_ns()
        if subject == CLUSTER:
            self._end(_SHIPPER, signal.SIGKILL)  # it reads the nodes' own disks
        server.kill()
        wait_until(
            lambda: not any(map(listens, server.ports)), within_s=_WITNESSED_WITHIN_S, what=seen
        )
        bracket = Bracket(earliest_ns=before_ns, latest_ns=self._clock.monotonic_ns())
        if server.home.exists():
            server.home.rename(_aside(server.home))
        return bracket, f"{seen}; its processes are gone, and so is {server.home}"

    def give_back(self, subject: str) -> str:
        """Moves the data back and starts the servers; the writers find them again by themselves."""
        server = self._server(subject)
        if _aside(server.home).exists():
            _aside(server.home).rename(server.home)
        if not server.running:
            server.kill()  # what is left of it, where the loss was cut off
            server.start()
        if subject == CLUSTER:
            self.redis.await_ok()
            self._start_shipper()
        return f"{subject}: {server.home} is back, and {_these(server.ports)} answer"

    def lose_region(self, region: Region) -> tuple[Bracket, str]:
        """SIGKILLs the region's object store, and the replication, which needs both regions."""
        server = self._region(region)
        seen = f"nobody listens on {_these((server.port,))}"
        before_ns = self._clock.monotonic_ns()
        server.kill()
        self.regions.replication.kill()
        wait_until(lambda: not listens(server.port), within_s=_WITNESSED_WITHIN_S, what=seen)
        bracket = Bracket(earliest_ns=before_ns, latest_ns=self._clock.monotonic_ns())
        return bracket, f"{seen}; SeaweedFS and the replication are gone"

    def give_back_region(self, region: Region) -> str:
        """Starts the region's object store and the replication; awaits the store's answer."""
        server = self._region(region)
        if server.pid is None:
            server.restart()
        if self.regions.replication.pid is None:
            self.regions.replication.restart()
        # What was written shortly before the kill lost its replication events with the region.
        sent = self.regions.replication.backfill(BUCKET)
        self.regions.replication.await_caught_up(BUCKET, within_s=_REPLICATED_WITHIN_S)
        return (
            f"region {region}: {server.endpoint_url} answers, the replication runs and has caught "
            f"up, {sent} object versions sent again"
        )

    # -- within: the start --------------------------------------------------------------------

    def _start(self, scale: float) -> None:
        pool = ThreadPoolExecutor(3, thread_name_prefix="practice")
        try:
            regions = pool.submit(self._start_regions)
            parts: list[Future[None]] = [
                pool.submit(self._start_postgres, scale, regions),
                pool.submit(self._start_redis, scale, regions),
            ]
            everything: list[Future[Any]] = [regions, *parts]
            for each in wait(everything, return_when=FIRST_EXCEPTION).done:
                each.result()
        except BaseException:
            # The other parts work on servers: without those they end soon, and badly.
            self._kill()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        with self._step("the replica region has caught up"):
            self.regions.replication.await_caught_up(BUCKET, within_s=_REPLICATED_WITHIN_S)

    def _kill(self) -> None:
        self._end(_SHIPPER, signal.SIGKILL)
        self.postgres.kill()
        self.redis.kill()
        if self._regions is not None:
            self._regions.kill()
        process.kill_below(self.place.directory)

    def _start_regions(self) -> Regions:
        with self._step("two S3 regions run, with replication"):
            self._regions = Regions.start(self.place.directory / "s3")
            self._regions.create_bucket(BUCKET, _LOCK)
        return self._regions

    def _start_postgres(self, scale: float, regions: Future[Regions]) -> None:
        server = self.postgres
        with self._step("PostgreSQL: an empty cluster with page checksums"):
            server.initialise()
        with self._step(f"PostgreSQL: {DAYS} days and their backups"):
            past.live_postgres_past(server, self.place, self._ledger(STANZA))
        primary, replica = regions.result().primary, regions.result().replica
        with self._step("PostgreSQL: its past is in S3"):
            server.configure_store(primary, replica, BUCKET)
            server.publish_past(primary.store(BUCKET, STANZA))
        with self._step("PostgreSQL: filled, and being written to"):
            server.start()
            server.fill(scale)
            self._start_writer(STANZA, server.endpoint)
        with self._step("PostgreSQL: today's full backup is in S3"):
            server.back_up("full")

    def _start_redis(self, scale: float, regions: Future[Regions]) -> None:
        cluster = self.redis
        store = regions.result().primary.store(BUCKET, CLUSTER)
        with self._step(f"Redis: {DAYS} days and their snapshots"):
            past.live_redis_past(cluster, self.place, self._ledger(CLUSTER), store)
        with self._step("Redis: three masters, three replicas"):
            cluster.start()
            cluster.add_replicas()
        with self._step("Redis: filled, and being written to"):
            cluster.fill(scale)
            cluster.rewrite_aof()
            self._start_writer(CLUSTER, cluster.endpoint)
            self._start_shipper()
        with self._step("Redis: today's snapshot and the first of its AOF are in S3"):
            directory = self.place.directory / "snapshot"
            take_snapshot(cluster.masters, store, cluster=True, directory=directory)
            client = s3.connect(store)
            wait_until(
                lambda: len(_shipped(client, store)) == len(cluster.masters),
                within_s=_SHIPPED_WITHIN_S,
                every_s=0.2,
                what="an AOF chain of every master in S3",
            )

    @contextlib.contextmanager
    def _step(self, ended: str) -> Iterator[None]:
        started_ns = self._clock.monotonic_ns()
        yield
        taken_s = seconds(self._clock.monotonic_ns() - started_ns)
        with self._lock:
            self.steps.append((ended, taken_s))
            self._progress(f"{ended} ({show_duration(taken_s)})")

    # -- within: what runs beside the servers -------------------------------------------------

    def _start_writer(self, subject: str, endpoint: Endpoint) -> None:
        config = WriterConfig(
            subject=subject,
            directory=self._ledger(subject),
            endpoint=endpoint,
            rate_per_s=_WRITES_PER_S,
        )
        self._begin(_writer(subject), "harness.ledger", config)

    def _start_shipper(self) -> None:
        if self._runs(_SHIPPER):
            return
        job = RedisBackup(
            task="ship-aof",
            cluster=True,
            nodes=tuple(
                RedisNode(host=ADDRESS, port=port, directory=self.redis.directory(port))
                for port in self.redis.ports
            ),
            store=self.regions.primary.store(BUCKET, CLUSTER),
            directory=self.place.directory / _SHIPPER,
            every=_SHIP_AOF_EVERY,
        )
        self._begin(_SHIPPER, "harness.backup", job)

    def _begin(self, name: str, module: str, config: msgspec.Struct) -> None:
        """Starts a module of the harness's as a process of its own, which outlives a loss."""
        directory = self.place.directory / name
        directory.mkdir(exist_ok=True)
        file = directory / "config.json"
        file.write_bytes(to_indented_json(config))
        self._beside[name] = process.start(
            [sys.executable, "-m", module, "--config", file],
            directory=directory,
            log=directory / "log",
        )

    def _runs(self, name: str) -> bool:
        return name in self._beside and self._beside[name].poll() is None

    def _end(self, name: str, first: signal.Signals) -> None:
        child = self._beside.pop(name, None)
        if child is not None:
            process.stop(child, first)

    # -- within: where things are -------------------------------------------------------------

    def _ledger(self, subject: str) -> Path:
        return self.place.directory / "ledger" / subject

    def _server(self, subject: str) -> PracticePostgres | PracticeRedis:
        if subject == STANZA:
            return self.postgres
        if subject == CLUSTER:
            return self.redis
        raise InputError(f"practice: got subject {subject}, expected {STANZA} or {CLUSTER}")

    def _region(self, region: Region) -> RegionServer:
        return self.regions.primary if region is Region.PRIMARY else self.regions.replica


_SHIPPER = "aof-shipper"


def _shipped(client: S3Client, store: ObjectStore) -> set[str]:
    """The nodes of which an AOF chain can be restored."""
    keys = (one.key for one in s3.list_objects(client, store, CHAINS) if is_chain_key(one.key))
    return {key.removeprefix(CHAINS).partition("/")[0] for key in keys}


def _writer(subject: str) -> str:
    return f"ledger-{subject}"


def _aside(home: Path) -> Path:
    return home.with_name(f"{home.name}.lost")


def _these(ports: tuple[int, ...]) -> str:
    return f"port{'s' if len(ports) > 1 else ''} {', '.join(map(str, ports))}"
