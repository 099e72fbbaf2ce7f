"""Restores of barman-cloud: a real server's backup in a real S3, whole and with planted damage."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from harness.drivers import postgres, process, s3, shared_memory
from harness.drivers.clock import HostClock, wait_until
from harness.drivers.loopback import free_ports
from harness.errors import RestoreError, StoreError
from harness.faults.places import Places
from harness.model.history import (
    ArchiveInspected,
    EncryptionInspected,
    Outcome,
    Phase,
    ReplicaCompared,
    RetentionLockRead,
)
from harness.model.subject import BarmanCloud, BarmanRepository, ObjectStore, Region
from harness.model.suite import Level, SqlInvariant, Verification
from harness.ports import PhaseProgress, PostgresEndpoint, Restored, Scratch
from harness.practice.object_store import Regions
from harness.restore.barman_cloud import BarmanCloudTool

SERVER = "orders"
CLOCK = HostClock()
ROWS = 40_000


class Watched:
    """A ports.Watch that keeps how far each phase came."""

    def __init__(self) -> None:
        self.done_bytes: dict[Phase, int] = {}

    @contextlib.contextmanager
    def phase(self, phase: Phase) -> Iterator[PhaseProgress]:
        self.done_bytes[phase] = 0
        yield _Progress(self.done_bytes, phase)

    def phase_between(self, phase: Phase, started_ns: int, ended_ns: int, detail: str = "") -> None:
        self.done_bytes[phase] = 0


class _Progress:
    def __init__(self, done_bytes: dict[Phase, int], phase: Phase) -> None:
        self._done_bytes = done_bytes
        self._phase = phase

    def advance(self, done_bytes: int, total_bytes: int | None = None) -> None:
        self._done_bytes[self._phase] = done_bytes

    def note(self, text: str) -> None:
        """Not kept."""


@dataclasses.dataclass(frozen=True)
class Lost:
    """The cluster that was backed up, and is gone."""

    store: ObjectStore
    commits: list[tuple[int, datetime]]
    backup: str
    wal: list[str]
    """Keys of all WAL segments, oldest first."""

    big_file: str
    """Path of the big table's file in the data directory."""

    def subject(self, prefix: str = "whole") -> BarmanCloud:
        store = msgspec.structs.replace(self.store, prefix=prefix)
        return BarmanCloud(id="orders-db", primary=BarmanRepository(server=SERVER, store=store))

    def copy(self, prefix: str, but: Callable[[str], bool] = lambda _key: False) -> ObjectStore:
        """A copy of the backups, made by the store itself, without the objects `but` names."""
        client = s3.connect(self.store)
        to = msgspec.structs.replace(self.store, prefix=prefix)
        for one in s3.list_objects(client, self.store):
            if not but(one.key):
                client.copy_object(
                    Bucket=to.bucket,
                    Key=s3.full_key(to, one.key),
                    CopySource={
                        "Bucket": self.store.bucket,
                        "Key": s3.full_key(self.store, one.key),
                    },
                )
        return to


@pytest.fixture(scope="module")
def programs(places: Places) -> Iterator[Path]:
    """barman-cloud's programs as the servers' user can run them, first in PATH.

    Where this Python is in a home directory that user may not enter, the system's own Python of
    the same version runs the same packages.
    """
    with places.borrowed("barman") as place:
        python = Path(sys.executable)
        if not runs_for_servers(python, place.directory):
            python = Path(f"/usr/bin/python3.{sys.version_info.minor}")
            assert runs_for_servers(python, place.directory), "no Python that postgres may run"
        packages = next(path for path in sys.path if path.endswith("site-packages"))
        for name, module in (
            ("backup", "backup"),
            ("backup-list", "backup_list"),
            ("wal-archive", "walarchive"),
            ("wal-restore", "walrestore"),
            ("restore", "restore"),
        ):
            program = place.directory / f"barman-cloud-{name}"
            program.write_text(
                f"#!{python}\nimport sys\nsys.path.append({packages!r})\n"
                f"from barman.clients.cloud_{module} import main\nsys.exit(main())\n",
                encoding="utf-8",
            )
            program.chmod(0o755)
        before = os.environ["PATH"]
        os.environ["PATH"] = f"{place.directory}:{before}"
        try:
            yield place.directory
        finally:
            os.environ["PATH"] = before


def runs_for_servers(python: Path, directory: Path) -> bool:
    try:
        done = process.run(
            [python, "-c", "import sys"],
            directory=directory,
            user=postgres.server_user(None),
            timeout_s=20,
        )
    except OSError:
        return False
    return done.returncode == 0


@pytest.fixture(scope="module")
def lost(regions: Regions, places: Places, programs: Path) -> Iterator[Lost]:
    """One uncompressed backup with rows before and after it; all WAL archived; server gone."""
    bucket = "barman-restores"
    regions.create_bucket(bucket)
    region = regions.primary
    store = region.store(bucket, "whole")
    user, own_programs = postgres.server_user(None), postgres.bin_directory()
    (port,) = free_ports(1)
    with places.borrowed("lost") as place:
        home = place.directory
        postgres.own(home, user)
        data = home / "data"
        credentials = home / "credentials"
        credentials.write_bytes(region.credentials_file.read_bytes())
        credentials.chmod(0o600)
        postgres.own(credentials, user)
        environment = {
            "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
            "AWS_CA_BUNDLE": str(region.ca_file),
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
            "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        }
        options = [
            f"--endpoint-url={region.endpoint_url}",
            "--addressing-style=path",
            "--aws-profile=backup",
        ]
        where = [f"s3://{bucket}/whole", SERVER]
        archive = " ".join([str(programs / "barman-cloud-wal-archive"), "--gzip", *options, *where])
        postgres.initialise(data, bin_directory=own_programs, user=user)
        with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(
                f"port={port}\nlisten_addresses=''\nunix_socket_directories='{home}'\n"
                "archive_mode=on\ntrack_commit_timestamp=on\nfsync=off\n"
                f"archive_command='{archive} %p'\n"
            )
        server = postgres.start_server(
            data, bin_directory=own_programs, log=home / "log", user=user, environment=environment
        )
        endpoint = PostgresEndpoint(
            host=str(home), port=port, database="postgres", user="postgres", system_identifier=""
        )
        postgres.await_accepting(server, endpoint)
        with postgres.connect(endpoint) as connection:
            connection.execute("CREATE TABLE orders (id int PRIMARY KEY, note text NOT NULL)")
            connection.execute("CREATE TABLE big (id int PRIMARY KEY, note text NOT NULL)")
            connection.execute(
                "INSERT INTO big SELECT g, md5(g::text) FROM generate_series(1, %s::int) g", (ROWS,)
            )
            # Frozen, so that no replay rewrites (and mends) the pages that tests damage.
            connection.execute("VACUUM FREEZE big")
            done = process.run(
                [
                    programs / "barman-cloud-backup",
                    *("--immediate-checkpoint", f"--host={home}", f"--port={port}"),
                    "--user=postgres",
                    *options,
                    *where,
                ],
                directory=home,
                environment=environment,
                user=user,
                timeout_s=120,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            ended_s = int(CLOCK.now().utc.timestamp())
            wait_until(
                lambda: CLOCK.now().utc.timestamp() > ended_s + 1,
                within_s=5,
                what="the second after the backup's end",
            )
            for number in range(1, 11):
                connection.execute("INSERT INTO orders VALUES (%s, 'x')", (number,))
                if number % 4 == 0:
                    connection.execute("SELECT pg_switch_wal()")
            commits = [
                (row[0], row[1].astimezone(UTC))
                for row in connection.execute(
                    "SELECT id, pg_xact_commit_timestamp(xmin) FROM orders ORDER BY id"
                ).fetchall()
            ]
            row = connection.execute(
                "SELECT pg_relation_filepath('big'), pg_walfile_name(pg_switch_wal())"
            ).fetchone()
            assert row is not None
            wait_until(
                lambda: (
                    connection.execute(
                        "SELECT last_archived_wal >= %s FROM pg_stat_archiver", (row[1],)
                    ).fetchone()
                    == (True,)
                ),
                within_s=60,
                what="all WAL archived",
            )
        postgres.stop_server(server, postgres.StopMode.IMMEDIATE)
        shutil.rmtree(data)
        client = s3.connect(store)
        keys = [one.key for one in s3.list_objects(client, store)]
        (info,) = (key for key in keys if key.endswith("/backup.info"))
        yield Lost(
            store=store,
            commits=commits,
            backup=info.split("/")[-2],
            wal=[key for key in keys if re.search(r"/wals/\w{16}/[0-9A-F]{24}\.gz$", key)],
            big_file=row[0],
        )


@contextlib.contextmanager
def scratch_of(places: Places) -> Iterator[Scratch]:
    with places.borrowed("restore") as place:
        scratch = Scratch(
            trial="t1",
            directory=place.directory,
            ports=free_ports(16),
            deadline_ns=CLOCK.monotonic_ns() + 100 * 10**9,
        )
        try:
            yield scratch
        finally:
            segments = shared_memory.segments_below(scratch.directory)
            process.kill_below(scratch.directory)
            shared_memory.remove_segments(segments)


@pytest.fixture
def scratch(places: Places) -> Iterator[Scratch]:
    with scratch_of(places) as scratch:
        yield scratch


def ids(endpoint: object) -> list[int]:
    assert isinstance(endpoint, PostgresEndpoint)
    with postgres.connect(endpoint) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM orders ORDER BY id")]


def restore(
    tool: BarmanCloudTool, scratch: Scratch, point: datetime | None = None
) -> tuple[Restored, Watched]:
    watched = Watched()
    return tool.restore(Region.PRIMARY, point, scratch, watched), watched


def test_no_backup_is_an_error_and_never_an_empty_success(lost: Lost, scratch: Scratch) -> None:
    """An empty prefix is an error of the catalogue, of the check and of the restore."""
    tool = BarmanCloudTool(lost.subject("nothing"), CLOCK)
    catalogue = tool.discover(Region.PRIMARY)
    assert catalogue.backups == ()
    assert catalogue.error is not None
    archive = next(tool.check(Region.PRIMARY))
    assert isinstance(archive, ArchiveInspected)
    assert archive.error is not None
    with pytest.raises(RestoreError, match="no backup found"):
        restore(tool, scratch)


def test_restores_the_latest_and_verifies_every_level(lost: Lost, scratch: Scratch) -> None:
    """All committed rows are there; of its objects alone nothing can be proved."""
    tool = BarmanCloudTool(lost.subject(), CLOCK)
    announced = tool.endpoint(Region.PRIMARY, scratch)
    restored, watched = restore(tool, scratch)
    assert restored.endpoint == announced
    assert ids(announced) == [number for number, _ in lost.commits]
    assert restored.ended.backup == lost.backup
    assert restored.ended.ended_early is None
    assert restored.ended.recovered_until == lost.commits[-1][1]
    assert watched.done_bytes[Phase.FETCH] == restored.ended.restored_bytes
    assert watched.done_bytes[Phase.FETCH] > 20_000_000
    verification = Verification(
        invariants=(SqlInvariant(name="big", sql="SELECT count(*) FROM big", expect=str(ROWS)),)
    )
    for level in Level:
        if level is Level.LEDGER:
            continue
        found = tool.verify(restored, verification, level)
        expected = Outcome.INDETERMINATE if level is Level.OBJECTS else Outcome.OK
        assert found.outcome is expected, found
        assert found.examined > 0
    assert tool.remove(scratch) == ()
    assert not scratch.directory.exists()


def test_discovers_the_backup_and_a_window_that_ends_with_the_last_commit(lost: Lost) -> None:
    """The catalogue names the backup, its size, and the time of the archive's last commit."""
    catalogue = BarmanCloudTool(lost.subject(), CLOCK).discover(Region.PRIMARY)
    assert catalogue.error is None
    (backup,) = catalogue.backups
    assert (backup.label, backup.error) == (lost.backup, None)
    assert backup.size_bytes > 20_000_000
    assert catalogue.oldest_point == backup.stopped
    assert catalogue.newest_point == lost.commits[-1][1]
    assert "3." in catalogue.tool


def test_restores_exactly_to_a_point_around_one_row(lost: Lost, scratch: Scratch) -> None:
    """The row committed at the point is the last one in, the next is the first one out."""
    _, at = lost.commits[5]
    restored, _ = restore(BarmanCloudTool(lost.subject(), CLOCK), scratch, at)
    assert ids(restored.endpoint) == [number for number, _ in lost.commits[:6]]
    assert restored.ended.recovered_until == at


def test_points_outside_the_window_are_errors(lost: Lost, places: Places) -> None:
    """Before the oldest backup there is nothing, after the last commit nobody knows."""
    tool = BarmanCloudTool(lost.subject(), CLOCK)
    first, last = lost.commits[0][1], lost.commits[-1][1]
    with scratch_of(places) as scratch, pytest.raises(RestoreError, match="no backup ended before"):
        restore(tool, scratch, first - timedelta(minutes=1))
    with (
        scratch_of(places) as scratch,
        pytest.raises(RestoreError, match="later than the last transaction"),
    ):
        restore(tool, scratch, last + timedelta(seconds=1))


def test_checks_find_a_whole_archive_whole_and_prove_its_encryption(
    lost: Lost, regions: Regions
) -> None:
    """No gap; every object is encrypted by the store; the replica holds all of them."""
    subject = lost.subject()
    replica = msgspec.structs.replace(
        subject.primary, store=regions.replica.store(lost.store.bucket, "whole")
    )
    regions.replication.await_caught_up(lost.store.bucket, within_s=60)
    tool = BarmanCloudTool(msgspec.structs.replace(subject, replica=replica), CLOCK)
    facts = {type(fact): fact for fact in tool.check(Region.REPLICA)}
    archive = facts[ArchiveInspected]
    assert isinstance(archive, ArchiveInspected)
    assert (archive.error, archive.missing_count, archive.unusable_backups) == (None, 0, ())
    encryption = facts[EncryptionInspected]
    assert isinstance(encryption, EncryptionInspected)
    assert encryption.proofs == {"SSE AES256": encryption.objects}
    compared = facts[ReplicaCompared]
    assert isinstance(compared, ReplicaCompared)
    assert (compared.needed, compared.missing_count) == (encryption.objects, 0)
    assert RetentionLockRead in facts


def test_damage_that_barman_restores_without_a_word_is_found_in_the_restored_pages(
    lost: Lost, scratch: Scratch
) -> None:
    """Flipped bytes in data.tar: restored, promoted, the count is right; the levels find it."""
    store = lost.copy("flipped")
    client = s3.connect(store)
    key = f"{SERVER}/base/{lost.backup}/data.tar"
    content = bytearray(s3.read(client, store, key))
    # A value within a row, found by its content: the 20,000th note, in the tar of the data files.
    note = content.find(md5_of(20_000), content.find(lost.big_file.encode() + b"\0"))
    assert note > 0
    content[note] ^= 0x01
    s3.put_bytes(client, store, key, bytes(content))

    tool = BarmanCloudTool(lost.subject("flipped"), CLOCK)
    restored, _ = restore(tool, scratch)
    assert restored.ended.ended_early is None
    verification = Verification()
    structure = tool.verify(restored, verification, Level.STRUCTURE)
    assert structure.outcome is Outcome.FAIL
    assert structure.detail.startswith("1 of ")
    assert lost.big_file in structure.damage[0]
    amcheck = tool.verify(restored, verification, Level.AMCHECK)
    assert amcheck.outcome is Outcome.FAIL
    assert any("big" in one for one in amcheck.damage)
    read = tool.verify(restored, verification, Level.LOGICAL_READ)
    assert read.outcome is Outcome.FAIL
    assert "invalid page" in read.detail
    invariant = Verification(
        invariants=(SqlInvariant(name="sum", sql="SELECT sum(length(note)) FROM big", expect="0"),)
    )
    asked = tool.verify(restored, invariant, Level.INVARIANTS)
    assert asked.outcome is Outcome.FAIL
    assert "XX001" in asked.damage[0]
    s3.delete(client, store, key)
    objects = tool.verify(restored, verification, Level.OBJECTS)
    assert (objects.outcome, objects.damage) == (Outcome.FAIL, (key,))


def test_a_missing_wal_segment_is_named_and_never_a_silent_early_end(
    lost: Lost, places: Places
) -> None:
    """The check names it; the latest restore says that it ended early; a later point is refused."""
    gone = lost.wal[-2]
    name = gone.rsplit("/", 1)[1].removesuffix(".gz")
    lost.copy("gap", but=lambda key: key == gone)
    tool = BarmanCloudTool(lost.subject("gap"), CLOCK)
    archive = next(tool.check(Region.PRIMARY))
    assert isinstance(archive, ArchiveInspected)
    assert (archive.missing, archive.missing_count) == ((name,), 1)
    with scratch_of(places) as scratch:
        restored, _ = restore(tool, scratch)
        assert restored.ended.ended_early is not None
        assert name in restored.ended.ended_early
        assert len(ids(restored.endpoint)) < len(lost.commits)
    with (
        scratch_of(places) as scratch,
        pytest.raises(RestoreError, match=f"the archive lacks {name}"),
    ):
        restore(tool, scratch, lost.commits[-2][1])


def test_a_damaged_wal_segment_ends_the_restore_and_never_promotes(
    lost: Lost, scratch: Scratch
) -> None:
    """barman-cloud-wal-restore exits with 4, which alone PostgreSQL would take for the end."""
    store = lost.copy("damaged-wal")
    s3.put_bytes(s3.connect(store), store, lost.wal[-1], b"\x1f\x8bthis is no gzip")
    tool = BarmanCloudTool(lost.subject("damaged-wal"), CLOCK)
    with pytest.raises(RestoreError, match="restore_command for .*: got exit code 4"):
        restore(tool, scratch)
    log = (scratch.directory / "postgresql.log").read_text(encoding="utf-8")
    assert "selected new timeline" not in log
    assert tool.remove(scratch) == ()


def test_a_backup_without_its_data_is_refused(lost: Lost, scratch: Scratch) -> None:
    """backup.info still lists it, and data.tar is gone."""
    lost.copy("no-data", but=lambda key: key.endswith("/data.tar"))
    tool = BarmanCloudTool(lost.subject("no-data"), CLOCK)
    with pytest.raises(RestoreError, match="exit code [1-9].*Missing file"):
        restore(tool, scratch)
    assert tool.remove(scratch) == ()


def test_wrong_credentials_are_a_store_error(lost: Lost, scratch: Scratch, tmp_path: Path) -> None:
    """Nothing is said against the backup where the store does not let anyone in."""
    credentials = tmp_path / "credentials"
    credentials.write_text(
        "[backup]\naws_access_key_id = AKIAUNKNOWN\naws_secret_access_key = never-shown\n",
        encoding="utf-8",
    )
    subject = lost.subject()
    store = msgspec.structs.replace(subject.primary.store, credentials_file=credentials)
    tool = BarmanCloudTool(
        msgspec.structs.replace(
            subject, primary=msgspec.structs.replace(subject.primary, store=store)
        ),
        CLOCK,
    )
    with pytest.raises(StoreError) as caught:
        restore(tool, scratch)
    assert "never-shown" not in str(caught.value) + str(caught.value.hint)


def md5_of(number: int) -> bytes:
    import hashlib

    return hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest().encode()
