"""The practice platform runs, archives, breaks and comes back; killed, it leaves nothing."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
import pytest

from harness.drivers import detached, s3, shared_memory
from harness.drivers.clock import HostClock, wait_until
from harness.drivers.loopback import listens
from harness.drivers.postgres import connect
from harness.drivers.redis import client, cluster_info
from harness.errors import InputError, StoreError, SurroundingsError
from harness.faults.places import Places
from harness.faults.recover import recover
from harness.ledger.journal import Type, read_journals
from harness.model.history import CatalogueRead
from harness.model.subject import PgBackRest, RedisCluster, Region, Subject
from harness.practice import past
from harness.practice.past_clock import DAYS
from harness.practice.platform import BUCKET, Practice
from harness.restore.pgbackrest import PgBackRestTool
from harness.restore.redis_cluster import RedisClusterTool

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where the kernel has it
SCALE = 0.1
MONTH = timedelta(days=30)
A_DAY_AND_AN_HOUR = timedelta(days=1, hours=1)
BOTH = pytest.mark.parametrize("subject_id", ["orders", "carts"])

START_AND_WAIT = """
import sys, time
from pathlib import Path
from harness.drivers.clock import HostClock
from harness.faults.places import Places
from harness.practice.platform import Practice
place = Places(Path(sys.argv[1])).declare("practice")
Practice.start(place, 0.1, HostClock(), lambda line: print(line, flush=True))
print("all", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def practice(places: Places) -> Iterator[Practice]:
    """One platform for all tests of this file; a test that breaks it gives back."""
    with (
        places.borrowed("practice") as place,
        Practice.running(place, SCALE, HostClock(), lambda _line: None) as running,
    ):
        yield running


def subject(practice: Practice, subject_id: str) -> Subject:
    return next(each for each in practice.subjects if each.id == subject_id)


def catalogue(practice: Practice, subject_id: str, region: Region) -> CatalogueRead:
    match subject(practice, subject_id):
        case PgBackRest() as postgres:
            return PgBackRestTool(postgres, HostClock()).discover(region)
        case RedisCluster() as redis:
            return RedisClusterTool(redis, HostClock()).discover(region)
        case other:
            raise AssertionError(other)


def acknowledged(practice: Practice, subject_id: str) -> int:
    folder = subject(practice, subject_id).ledger
    assert folder is not None
    return int(np.count_nonzero(read_journals(folder).outcome == Type.OK))


def assert_written(practice: Practice, subject_id: str) -> None:
    before = acknowledged(practice, subject_id)
    wait_until(
        lambda: acknowledged(practice, subject_id) > before + 20,
        within_s=30,
        what=f"writes to {subject_id} are acknowledged",
    )


def left_of(directory: Path) -> list[str]:
    """Processes, and shared memory of ours, that have to do with a state directory."""
    found = [f"configured below: {one.pid}" for one in detached.configured_below(directory)]
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd().startswith(str(directory)) and process.status() != "zombie":
                found.append(f"{process.pid} {process.cmdline()}")
    found += [place.name for place in Places(directory).declared()]
    return found + [str(path) for path in (directory / "p").iterdir()]


def shared_memory_of(place: str) -> list[str]:
    return [path.name for path in SHARED_MEMORY.iterdir() if place in path.name]


def test_a_platform_that_was_not_started_has_no_subjects(places: Places) -> None:
    """The vacuous case: asked too early, it says so, and there is nothing to stop."""
    with places.borrowed("practice") as place:
        practice = Practice(place, HostClock(), lambda _line: None)
        with pytest.raises(SurroundingsError, match="not started"):
            _ = practice.subjects
        practice.stop()


def test_the_servers_are_what_they_are_said_to_be(practice: Practice) -> None:
    """Page checksums and archiving; three masters with a replica each and an AOF with times."""
    with connect(practice.postgres.endpoint) as connection:
        for setting, expected in {
            "data_checksums": "on",
            "archive_mode": "on",
            "archive_timeout": "10s",
        }.items():
            assert connection.execute(f"show {setting}".encode()).fetchone() == (expected,)
    for address in practice.redis.masters:
        with client(address) as node:
            assert node.config_get("aof-timestamp-enabled") == {"aof-timestamp-enabled": "yes"}
            assert node.info("replication")["connected_slaves"] == 1
            said = cluster_info(node)
            assert (said["cluster_state"], said["cluster_known_nodes"]) == ("ok", "6")


@BOTH
def test_writes_are_acknowledged(practice: Practice, subject_id: str) -> None:
    """The ledger grows while nobody looks."""
    assert_written(practice, subject_id)


@BOTH
@pytest.mark.parametrize("region", list(Region))
def test_a_month_of_daily_backups_is_in_both_regions(
    practice: Practice, subject_id: str, region: Region
) -> None:
    """One a day for 31 days and one of today, the oldest older than 30 days, none late."""
    found = catalogue(practice, subject_id, region)
    assert found.error is None
    assert len(found.backups) == DAYS + 1
    assert all(backup.error is None for backup in found.backups)
    starts = [backup.started for backup in found.backups]
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert max(gaps) < A_DAY_AND_AN_HOUR
    assert found.oldest_point is not None
    assert found.oldest_point < found.now - MONTH


@BOTH
def test_each_backup_of_the_past_holds_a_write_that_is_surely_in_it(
    practice: Practice, subject_id: str
) -> None:
    """Acknowledged before the second to which the backup is dated, and after the backup before:
    without one, a restore to a point of that day would show nothing.
    """
    folder = subject(practice, subject_id).ledger
    assert folder is not None
    journal = read_journals(folder)
    written = journal.server_us[journal.outcome == Type.OK] / 1e6
    earlier = 0.0
    for backup in catalogue(practice, subject_id, Region.PRIMARY).backups[:DAYS]:
        started = backup.started.timestamp()
        assert np.count_nonzero((written > earlier) & (written < started)) > 0, backup
        earlier = backup.stopped.timestamp()


@BOTH
def test_what_is_written_is_shipped(practice: Practice, subject_id: str) -> None:
    """The newest point that can be restored moves on, by archiving and AOF shipping alone."""

    def newest() -> float:
        point = catalogue(practice, subject_id, Region.PRIMARY).newest_point
        return point.timestamp() if point is not None else 0.0

    before = newest()
    wait_until(lambda: newest() > before, within_s=60, what="the archive goes on", every_s=1)


def test_nobody_deletes_a_backup(practice: Practice) -> None:
    """Every object is locked for as long as the document wants it kept."""
    store = practice.regions.primary.store(BUCKET, profile="admin")
    s3_client = s3.connect(store)
    version = next(iter(s3.list_versions(s3_client, store, "orders/backup/")))
    with pytest.raises(StoreError):
        s3.delete(s3_client, store, version.key, version.version_id)


@BOTH
def test_a_lost_subject_is_given_back(practice: Practice, subject_id: str) -> None:
    """Its servers and its data are gone, seen by a witness, and come back with the writers."""
    server = practice.postgres if subject_id == "orders" else practice.redis
    bracket, witness = practice.lose(subject_id)
    assert "nobody listens" in witness
    assert bracket.latest_ns > bracket.earliest_ns
    assert not any(map(listens, server.ports))
    assert not server.home.exists()
    assert detached.configured_below(practice.postgres.configuration) == [] or server.running
    practice.lose(subject_id)
    assert subject_id in practice.give_back(subject_id)
    practice.give_back(subject_id)
    assert_written(practice, subject_id)


@pytest.mark.parametrize("region", list(Region))
def test_a_lost_region_is_given_back(practice: Practice, region: Region) -> None:
    """Its store refuses, writes go on, and afterwards replication catches up."""
    bracket, witness = practice.lose_region(region)
    assert "SeaweedFS" in witness
    assert bracket.latest_ns > bracket.earliest_ns
    assert catalogue(practice, "carts", region).error is not None
    assert_written(practice, "carts")
    practice.lose_region(region)
    practice.give_back_region(region)
    practice.give_back_region(region)
    practice.regions.replication.await_caught_up(BUCKET, within_s=60)
    assert catalogue(practice, "carts", region).error is None


def test_only_its_own_subjects_are_lost(practice: Practice) -> None:
    """A name that it does not know is refused."""
    with pytest.raises(InputError, match="orders or carts"):
        practice.lose("invoices")


def test_a_start_that_fails_leaves_nothing(
    tmp_path_factory: pytest.TempPathFactory, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While other parts are being started, one fails: all end, and its error goes through."""

    def fail(*_arguments: object) -> None:
        raise SurroundingsError("planted")

    monkeypatch.setattr(past, "live_redis_past", fail)
    own = state / tmp_path_factory.mktemp("failed").name
    places = Places(own)
    with places.borrowed("practice") as place:
        with pytest.raises(SurroundingsError, match="planted"):
            Practice.start(place, SCALE, HostClock(), lambda _line: None)
        assert shared_memory_of(place.name) == []
        segments = shared_memory.segments_below(place.directory)
        assert shared_memory.remove_segments(segments) == ()
    assert left_of(own) == []


@pytest.mark.parametrize("moment", ["two S3 regions run", "all"])
def test_a_killed_harness_leaves_nothing_after_recovery(
    tmp_path_factory: pytest.TempPathFactory, state: Path, moment: str
) -> None:
    """SIGKILL amid the past, or of a running platform: the next command removes all of it."""
    own = state / tmp_path_factory.mktemp("killed").name
    places = Places(own)
    assert recover(places) == ()
    with subprocess.Popen(
        [sys.executable, "-c", START_AND_WAIT, str(own)], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        assert any(moment in line for line in owner.stdout), "it ended before"
        owner.send_signal(signal.SIGKILL)
    (place,) = places.abandoned()
    segments = shared_memory.segments_below(place.directory)
    assert len(segments) == 1
    assert len(left_of(own)) > 10, "hardly anything was running: the test proves nothing"
    said = recover(places)
    assert f"directory {place.directory}" in said
    assert left_of(own) == []
    assert shared_memory_of(place.name) == []
    assert shared_memory.remove_segments(segments) == ()
    assert recover(places) == ()
