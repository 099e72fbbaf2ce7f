"""Restores of pgBackRest: a real server's backups in a real S3, whole and with planted damage."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from harness.drill.blame import blame
from harness.drivers import postgres, process, s3, shared_memory
from harness.drivers.clock import HostClock, wait_until
from harness.drivers.loopback import free_ports
from harness.errors import DeadlineExceededError, RestoreError, StoreError
from harness.faults.places import Places
from harness.model.history import (
    ArchiveInspected,
    Blame,
    EncryptionInspected,
    Outcome,
    Phase,
    ReplicaCompared,
    RetentionLockRead,
)
from harness.model.subject import ObjectStore, PgBackRest, PgBackRestRepository, Region
from harness.model.suite import Level, SqlInvariant, Verification
from harness.ports import PhaseProgress, PostgresEndpoint, Restored, Scratch
from harness.practice.object_store import Regions
from harness.restore.pgbackrest import PgBackRestTool
from harness.restore.postgres_recovery import ScratchServer

PASSPHRASE = "practice passphrase"
STANZA = "orders"
CLOCK = HostClock()


class Progress:
    def __init__(self) -> None:
        self.done_bytes = 0
        self.notes: list[str] = []

    def advance(self, done_bytes: int, total_bytes: int | None = None) -> None:
        self.done_bytes = done_bytes

    def note(self, text: str) -> None:
        self.notes.append(text)


class Watched:
    """A ports.Watch that keeps what it is told."""

    def __init__(self) -> None:
        self.phases: dict[Phase, Progress] = {}

    @contextlib.contextmanager
    def phase(self, phase: Phase) -> Iterator[PhaseProgress]:
        self.phases[phase] = Progress()
        yield self.phases[phase]

    def phase_between(self, phase: Phase, started_ns: int, ended_ns: int, detail: str = "") -> None:
        self.phases[phase] = Progress()


@dataclasses.dataclass(frozen=True)
class Lost:
    """The cluster that was backed up, and is gone."""

    home: Path
    store: ObjectStore
    config: str
    passphrase_file: Path
    commits: list[tuple[int, datetime]]
    """(id, commit time) of the rows that were committed one by one."""

    first_backup: str
    last_backup: str
    before_last_backup: int
    """How many of `commits` came before the last backup."""

    system_identifier: str

    def subject(
        self, prefix: str = "whole", passphrase: str | None = None, endpoint_url: str | None = None
    ) -> PgBackRest:
        """The subject over the repository at `prefix`."""
        store = msgspec.structs.replace(self.store, prefix=prefix)
        text = re.sub(r"repo1-path=.*", f"repo1-path=/{prefix}", self.config)
        if endpoint_url is not None:
            store = msgspec.structs.replace(store, endpoint_url=endpoint_url)
            text = re.sub(r"repo1-s3-endpoint=.*", f"repo1-s3-endpoint={endpoint_url}", text)
        config = self.home / f"restore-{prefix}.conf"
        write_for_postgres(config, text)
        file = self.passphrase_file
        if passphrase is not None:
            file = self.home / "other-passphrase"
            write_for_postgres(file, passphrase)
        return PgBackRest(
            id="orders-db",
            stanza=STANZA,
            primary=PgBackRestRepository(config=config, store=store, passphrase_file=file),
        )

    def copy(self, prefix: str, but: Callable[[str], bool] = lambda _key: False) -> ObjectStore:
        """A copy of the repository, made by the store itself, without the objects `but` names."""
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


def write_for_postgres(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    postgres.own(path, postgres.server_user(None))


@pytest.fixture(scope="module")
def lost(  # noqa: PLR0915 - the life of a server, in order
    regions: Regions, places: Places
) -> Iterator[Lost]:
    """Two backups with rows before, between and after them; all WAL archived; server gone."""
    bucket = "pgbackrest-restores"
    regions.create_bucket(bucket)
    region = regions.primary
    user, programs = postgres.server_user(None), postgres.bin_directory()
    access, secret = region.credentials("backup")
    (port,) = free_ports(1)
    with places.borrowed("lost") as place:
        home = place.directory
        postgres.own(home, user)
        data = home / "data"
        config = f"""[global]
repo1-type=s3
repo1-path=/whole
repo1-s3-bucket={bucket}
repo1-s3-region=us-east-1
repo1-s3-endpoint={region.endpoint_url}
repo1-s3-uri-style=path
repo1-s3-key={access}
repo1-s3-key-secret={secret}
repo1-storage-ca-file={region.ca_file}
repo1-cipher-type=aes-256-cbc
repo1-bundle=y
repo1-retention-full=9
start-fast=y
compress-type=zst
lock-path={home}/lock
log-path={home}
spool-path={home}/spool
log-level-file=off
[{STANZA}]
pg1-path={data}
pg1-port={port}
pg1-socket-path={home}
pg1-user=postgres
"""
        write_for_postgres(home / "whole.conf", config)
        write_for_postgres(home / "passphrase", PASSPHRASE)
        secrets = {"PGBACKREST_REPO1_CIPHER_PASS": PASSPHRASE}
        base = ["pgbackrest", f"--config={home / 'whole.conf'}", f"--stanza={STANZA}"]

        def pgbackrest(*words: str) -> str:
            done = process.run(
                [*base, "--log-level-console=info", *words],
                directory=home,
                environment=secrets,
                user=user,
                timeout_s=120,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        def back_up(kind: str) -> str:
            label = re.search(r"new backup label = (\S+)", pgbackrest("backup", f"--type={kind}"))
            assert label is not None
            # pgBackRest's times have whole seconds: what follows is surely later.
            ended_s = int(CLOCK.now().utc.timestamp())
            wait_until(
                lambda: CLOCK.now().utc.timestamp() > ended_s + 1,
                within_s=5,
                what="the second after the backup's end",
            )
            return label[1]

        postgres.initialise(data, bin_directory=programs, user=user)
        with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(
                f"port={port}\nlisten_addresses=''\nunix_socket_directories='{home}'\n"
                "archive_mode=on\ntrack_commit_timestamp=on\nfsync=off\n"
                f"archive_command='{' '.join(base)} archive-push %p'\n"
            )
        server = postgres.start_server(
            data, bin_directory=programs, log=home / "log", user=user, environment=secrets
        )
        endpoint = PostgresEndpoint(
            host=str(home), port=port, database="postgres", user="postgres", system_identifier=""
        )
        postgres.await_accepting(server, endpoint)
        pgbackrest("stanza-create")
        ids = iter(range(1, 1000))
        with postgres.connect(endpoint) as connection:

            def commit_rows(count: int) -> None:
                for _ in range(count):
                    connection.execute(
                        "INSERT INTO orders VALUES (%s, repeat('x', 100))", (next(ids),)
                    )

            connection.execute("CREATE TABLE orders (id int PRIMARY KEY, note text NOT NULL)")
            connection.execute("CREATE TABLE big (id int PRIMARY KEY, note text NOT NULL)")
            connection.execute(
                "INSERT INTO big SELECT g, md5(g::text) FROM generate_series(1, 40000) g"
            )
            first = back_up("full")
            for _ in range(3):
                commit_rows(5)
                connection.execute("SELECT pg_switch_wal()")
            commit_rows(5)
            before_last = 20
            last = back_up("incr")
            for _ in range(3):
                commit_rows(5)
                connection.execute("SELECT pg_switch_wal()")
            commits = [
                (row[0], row[1].astimezone(UTC))
                for row in connection.execute(
                    "SELECT id, pg_xact_commit_timestamp(xmin) FROM orders ORDER BY id"
                ).fetchall()
            ]
            row = connection.execute(
                "SELECT system_identifier::text, pg_walfile_name(pg_switch_wal()) "
                "FROM pg_control_system()"
            ).fetchone()
            assert row is not None
            wait_until(
                lambda: (
                    connection.execute(
                        "SELECT last_archived_wal >= %s FROM pg_stat_archiver", (row[1],)
                    ).fetchone()
                    == (True,)
                ),
                within_s=30,
                what="all WAL archived",
            )
        postgres.stop_server(server, postgres.StopMode.IMMEDIATE)
        shutil.rmtree(data)
        yield Lost(
            home=home,
            store=region.store(bucket, "whole"),
            config=config,
            passphrase_file=home / "passphrase",
            commits=commits,
            first_backup=first,
            last_backup=last,
            before_last_backup=before_last,
            system_identifier=row[0],
        )


@pytest.fixture
def scratch(places: Places) -> Iterator[Scratch]:
    with scratch_of(places) as scratch:
        yield scratch


def ids(endpoint: object) -> list[int]:
    assert isinstance(endpoint, PostgresEndpoint)
    with postgres.connect(endpoint) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM orders ORDER BY id")]


def restore(
    tool: PgBackRestTool, scratch: Scratch, point: datetime | None = None
) -> tuple[Restored, Watched]:
    watched = Watched()
    return tool.restore(Region.PRIMARY, point, scratch, watched), watched


def test_restores_the_latest_and_verifies_every_level(lost: Lost, scratch: Scratch) -> None:
    """All committed rows are there, the server is writable, isolated and sound, and then gone."""
    tool = PgBackRestTool(lost.subject(), CLOCK)
    announced = tool.endpoint(Region.PRIMARY, scratch)
    restored, watched = restore(tool, scratch)
    assert restored.endpoint == announced
    assert announced.system_identifier == lost.system_identifier
    assert ids(restored.endpoint) == [number for number, _ in lost.commits]
    ended = restored.ended
    assert ended.backup == lost.last_backup
    assert ended.ended_early is None
    assert ended.error is None
    assert ended.recovered_until == lost.commits[-1][1]
    assert ended.restored_bytes is not None
    assert watched.phases[Phase.FETCH].done_bytes == ended.restored_bytes
    assert watched.phases[Phase.REPLAY].done_bytes > 0
    assert set(watched.phases) >= {Phase.LIST, Phase.FETCH, Phase.REPLAY, Phase.PROMOTE}
    with postgres.connect(announced) as connection:
        isolated = connection.execute(
            "SELECT current_setting('archive_mode'), current_setting('listen_addresses'), "
            "current_setting('primary_conninfo'), current_setting('cluster_name')"
        ).fetchone()
        connection.execute("CREATE TABLE written (id int)")
    assert isolated == ("off", "", "", "scratch t1")

    verification = Verification(
        heap_all_indexed=True,
        whole_repository=True,
        invariants=(
            SqlInvariant(name="orders", sql="SELECT count(*) FROM orders", expect="35"),
            SqlInvariant(name="big", sql="SELECT sum(id) FROM big", expect="800020000"),
        ),
    )
    for level in Level:
        if level is Level.LEDGER:
            continue
        found = tool.verify(restored, verification, level)
        assert found.outcome is Outcome.OK, found
        assert found.examined > 0
        assert found.ended_ns > found.started_ns
    assert ids(restored.endpoint), "the server is there again after its checksums were read"

    assert tool.remove(scratch) == ()
    assert not scratch.directory.exists()
    assert list(process.working_below(scratch.directory)) == []


def test_discovers_backups_and_a_window_that_ends_with_the_last_commit(lost: Lost) -> None:
    """The catalogue names both backups and the exact time of the archive's last commit."""
    catalogue = PgBackRestTool(lost.subject(), CLOCK).discover(Region.PRIMARY)
    assert catalogue.error is None
    assert [backup.label for backup in catalogue.backups] == [lost.first_backup, lost.last_backup]
    assert catalogue.backups[1].references == (lost.first_backup,)
    assert catalogue.newest_point == lost.commits[-1][1]
    assert catalogue.oldest_point == catalogue.backups[0].stopped
    assert catalogue.point_in_time
    assert "2." in catalogue.tool


# -- points in time -----------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["between the backups", "after the last backup"])
def test_restores_exactly_to_a_point_around_one_row(
    lost: Lost, scratch: Scratch, which: str
) -> None:
    """The row committed at the point is the last one in, the next is the first one out."""
    index = 7 if which == "between the backups" else lost.before_last_backup + 7
    number, at = lost.commits[index]
    backup = lost.first_backup if which == "between the backups" else lost.last_backup
    restored, _ = restore(PgBackRestTool(lost.subject(), CLOCK), scratch, at)
    assert ids(restored.endpoint) == [each for each, _ in lost.commits[: index + 1]]
    assert restored.ended.backup == backup
    assert restored.ended.target_time == at
    assert restored.ended.recovered_until == at
    assert restored.ended.recovered_to is not None
    assert "before commit of transaction" in restored.ended.recovered_to
    assert restored.ended.ended_early is None
    assert number == ids(restored.endpoint)[-1]


def test_a_point_one_microsecond_before_a_commit_leaves_it_out(
    lost: Lost, scratch: Scratch
) -> None:
    """The same row is out where the point is a microsecond earlier."""
    _, at = lost.commits[7]
    tool = PgBackRestTool(lost.subject(), CLOCK)
    restored, _ = restore(tool, scratch, at - timedelta(microseconds=1))
    assert ids(restored.endpoint) == [each for each, _ in lost.commits[:7]]


def test_restores_the_oldest_point_and_refuses_what_is_older(lost: Lost, scratch: Scratch) -> None:
    """The second after the oldest backup's end can be restored, that second itself cannot."""
    tool = PgBackRestTool(lost.subject(), CLOCK)
    oldest = tool.discover(Region.PRIMARY).oldest_point
    assert oldest is not None
    with pytest.raises(RestoreError, match=f"no backup ended before.*{lost.first_backup}"):
        restore(tool, scratch, oldest)
    point = oldest + timedelta(seconds=1)
    restored, _ = restore(tool, scratch, point)
    assert restored.ended.backup == lost.first_backup
    assert ids(restored.endpoint) == [each for each, at in lost.commits if at <= point]


def test_a_point_after_the_last_commit_is_an_error(lost: Lost, scratch: Scratch) -> None:
    """Nobody can say what was there at a time that no archived transaction comes after."""
    tool = PgBackRestTool(lost.subject(), CLOCK)
    with pytest.raises(RestoreError, match="later than the last transaction in the archive"):
        restore(tool, scratch, lost.commits[-1][1] + timedelta(seconds=1))
    assert tool.remove(scratch) == ()


# -- nothing there ------------------------------------------------------------------------------


def test_no_backup_is_an_error_and_never_an_empty_success(lost: Lost, scratch: Scratch) -> None:
    """An empty prefix is an error of the catalogue and of the restore."""
    tool = PgBackRestTool(lost.subject("nothing"), CLOCK)
    catalogue = tool.discover(Region.PRIMARY)
    assert catalogue.backups == ()
    assert catalogue.error is not None
    archive, encryption, _ = tool.check(Region.PRIMARY)
    assert isinstance(archive, ArchiveInspected)
    assert archive.error is not None
    assert isinstance(encryption, EncryptionInspected)
    assert encryption.objects == 0
    with pytest.raises(RestoreError, match="missing stanza"):
        restore(tool, scratch)


def test_a_store_that_refuses_is_a_store_error(
    lost: Lost, scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is said against the backup where nobody listens."""
    monkeypatch.setattr("harness.restore.pgbackrest._STORE_SILENT_S", 1)
    (port,) = free_ports(1)
    tool = PgBackRestTool(lost.subject("away", endpoint_url=f"https://localhost:{port}"), CLOCK)
    with pytest.raises(StoreError, match="unable to connect|refused"):
        restore(tool, scratch)
    for fact in tool.check(Region.PRIMARY):
        assert fact.error is not None


# -- checks -------------------------------------------------------------------------------------


def test_checks_find_a_whole_repository_whole(lost: Lost, regions: Regions) -> None:
    """No gap, every object encrypted by the client, nothing missing in the replica."""
    subject = lost.subject()
    replica = msgspec.structs.replace(
        subject.primary, store=regions.replica.store(lost.store.bucket, "whole")
    )
    regions.replication.await_caught_up(lost.store.bucket, within_s=60)
    tool = PgBackRestTool(msgspec.structs.replace(subject, replica=replica), CLOCK)
    facts = {type(fact): fact for fact in tool.check(Region.REPLICA)}
    archive = facts[ArchiveInspected]
    assert isinstance(archive, ArchiveInspected)
    assert (archive.error, archive.missing_count, archive.unusable_backups) == (None, 0, ())
    assert archive.pieces >= 8
    encryption = facts[EncryptionInspected]
    assert isinstance(encryption, EncryptionInspected)
    assert encryption.proofs == {"client-side aes-256-cbc (Salted__)": encryption.objects}
    assert encryption.objects > 20
    compared = facts[ReplicaCompared]
    assert isinstance(compared, ReplicaCompared)
    assert (compared.needed, compared.missing_count) == (encryption.objects, 0)
    assert RetentionLockRead in facts


def test_a_missing_wal_segment_is_named_and_never_a_silent_early_end(
    lost: Lost, places: Places
) -> None:
    """The check names it; the latest restore says that it ended early; a later point is refused."""
    client = s3.connect(lost.store)
    wal = sorted(
        one.key.rsplit("/", 1)[1][:24]
        for one in s3.list_objects(client, lost.store, f"archive/{STANZA}/")
        if re.search(r"/[0-9A-F]{24}-", one.key)
    )
    gone = wal[-2]
    lost.copy("gap", but=lambda key: gone in key)
    tool = PgBackRestTool(lost.subject("gap"), CLOCK)
    archive = next(tool.check(Region.PRIMARY))
    assert isinstance(archive, ArchiveInspected)
    assert (archive.missing, archive.missing_count) == ((gone,), 1)
    assert archive.unusable_backups == ()
    with scratch_of(places) as scratch:
        restored, _ = restore(tool, scratch)
        assert restored.ended.ended_early is not None
        assert gone in restored.ended.ended_early
        assert wal[-1] in (restored.ended.archive_end or "")
        assert len(ids(restored.endpoint)) < len(lost.commits)
    with (
        scratch_of(places) as scratch,
        pytest.raises(RestoreError, match=f"the archive lacks {gone}"),
    ):
        restore(tool, scratch, lost.commits[-2][1])


def test_a_backup_without_its_own_wal_is_unusable(lost: Lost) -> None:
    """A segment between a backup's start and stop is missing: that backup is named."""
    start = segment_of(lost, lost.first_backup)
    lost.copy("unusable", but=lambda key: f"{start}-" in key)
    archive = next(PgBackRestTool(lost.subject("unusable"), CLOCK).check(Region.PRIMARY))
    assert isinstance(archive, ArchiveInspected)
    assert archive.unusable_backups == (lost.first_backup,)
    assert archive.missing == (start,)


# -- planted damage -----------------------------------------------------------------------------


def test_a_flipped_byte_in_a_backup_object_is_found(
    lost: Lost, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`verify` (which exits with 0) fails and names the backup; the restore is refused.

    What was restored before is sound, and says so: the whole repository is looked at only where
    that is asked for, and then once.
    """
    monkeypatch.setenv("PGBACKREST_JOB_RETRY", "0")  # a second try waits for 15 s
    store = lost.copy("flipped")
    tool = PgBackRestTool(lost.subject("flipped"), CLOCK)
    with scratch_of(places) as scratch:
        restored, _ = restore(tool, scratch)
        flip(store, f"backup/{STANZA}/{lost.first_backup}/bundle/1")
        assert tool.verify(restored, Verification(), Level.OBJECTS).outcome is Outcome.OK
        whole = Verification(whole_repository=True)
        found = tool.verify(restored, whole, Level.OBJECTS)
        again = tool.verify(restored, whole, Level.OBJECTS)
    assert (again.outcome, again.damage) == (found.outcome, found.damage)
    assert found.outcome is Outcome.FAIL
    assert found.examined > 0
    assert any(lost.first_backup in one for one in found.damage)
    with (
        scratch_of(places) as scratch,
        pytest.raises(RestoreError, match="exit code [1-9].*(checksum|crypt|format|zst)"),
    ):
        restore(tool, scratch)


def test_a_damaged_wal_segment_ends_the_restore_and_never_promotes(
    lost: Lost, scratch: Scratch
) -> None:
    """restore_command fails for another reason than not found: recovery gives up."""
    store = lost.copy("damaged-wal")
    client = s3.connect(store)
    *_, damaged = (
        one.key
        for one in s3.list_objects(client, store, f"archive/{STANZA}/")
        if re.search(r"/[0-9A-F]{24}-", one.key)
    )
    flip(store, damaged)
    tool = PgBackRestTool(lost.subject("damaged-wal"), CLOCK)
    with pytest.raises(RestoreError, match="restore_command for .*: got exit code [1-9]"):
        restore(tool, scratch)
    log = (scratch.directory / "postgresql.log").read_text(encoding="utf-8")
    assert "selected new timeline" not in log
    assert tool.remove(scratch) == ()


def test_the_wrong_passphrase_is_named(lost: Lost, scratch: Scratch) -> None:
    """PgBackRest says status 99 and `no backup set found`: the error says what it means."""
    tool = PgBackRestTool(lost.subject(passphrase="another passphrase"), CLOCK)
    catalogue = tool.discover(Region.PRIMARY)
    assert catalogue.error is not None
    assert "wrong passphrase" in catalogue.error
    with pytest.raises(RestoreError, match="wrong passphrase") as caught:
        restore(tool, scratch)
    assert "another passphrase" not in str(caught.value) + str(caught.value.hint)
    assert caught.value.hint is not None
    assert str(caught.value).isprintable()


def test_no_secret_is_left_in_a_scratch_place_but_in_private_files(
    lost: Lost, scratch: Scratch
) -> None:
    """Neither passphrase nor access key is in a log, a command line or a file others may read."""
    tool = PgBackRestTool(lost.subject(), CLOCK)
    restore(tool, scratch)
    key = re.search(r"repo1-s3-key-secret=(.*)", lost.config)
    assert key is not None
    for one in process.working_below(scratch.directory):
        assert not any(secret in " ".join(one.cmdline()) for secret in (PASSPHRASE, key[1]))
    for path in scratch.directory.rglob("*"):
        if path.is_file() and path.stat().st_size < 1 << 20:
            content = path.read_bytes()
            assert PASSPHRASE.encode() not in content
            if key[1].encode() in content:
                assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("size", "when"),
    [("8m", "expected at least"), ("20m", "pgbackrest restore of"), ("40m", "restore_command for")],
)
def test_a_full_disk_is_blamed_on_the_surroundings(
    lost: Lost, places: Places, monkeypatch: pytest.MonkeyPatch, size: str, when: str
) -> None:
    """Too small for the backup, for the restore, for the WAL: the error says so, nothing stays."""
    monkeypatch.setenv("PGBACKREST_JOB_RETRY", "0")  # a second try waits for 15 s
    if when == "pgbackrest restore of":  # the room is taken by others after it was asked for
        monkeypatch.setattr(ScratchServer, "demand_room", lambda _server, _bytes: None)
    tool = PgBackRestTool(lost.subject(), CLOCK)
    with scratch_of(places) as scratch, small_disk(scratch.directory, size):
        with pytest.raises(RestoreError, match=f"{when}.*No space left on device") as caught:
            restore(tool, scratch)
        assert blame(caught.value) is Blame.SURROUNDINGS


def test_a_server_killed_while_it_is_verified_shows_nothing(lost: Lost, scratch: Scratch) -> None:
    """The level under way and all that follow are INDETERMINATE, never FAIL and never OK."""
    tool = PgBackRestTool(lost.subject(), CLOCK)
    restored, _ = restore(tool, scratch)
    assert isinstance(restored.endpoint, PostgresEndpoint)
    long = Verification(
        invariants=(SqlInvariant(name="long", sql="SELECT pg_sleep(60)", expect=""),)
    )
    with ThreadPoolExecutor(1) as threads, postgres.connect(restored.endpoint) as connection:
        verified = threads.submit(tool.verify, restored, long, Level.INVARIANTS)
        wait_until(
            lambda: connection.execute(
                "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
            ).fetchall(),
            within_s=20,
            what="the invariant is being asked",
        )
        segments = shared_memory.segments_below(scratch.directory)
        process.kill_below(scratch.directory)
        during = verified.result()
    assert during.outcome is Outcome.INDETERMINATE
    for level in (Level.STRUCTURE, Level.AMCHECK, Level.LOGICAL_READ, Level.INVARIANTS):
        found = tool.verify(restored, long, level)
        assert found.outcome is Outcome.INDETERMINATE, found
        assert found.examined == 0
    assert tool.remove(scratch) == ()
    assert len(segments) == 1
    assert shared_memory.remove_segments(segments) == (), "it is gone already"


def test_a_deadline_that_has_passed_gives_up_and_leaves_nothing(
    lost: Lost, scratch: Scratch
) -> None:
    """A restore past its deadline is given up as INDETERMINATE's exception."""
    past = msgspec.structs.replace(scratch, deadline_ns=1)
    tool = PgBackRestTool(lost.subject(), CLOCK)
    with pytest.raises(DeadlineExceededError):
        restore(tool, past)
    assert tool.remove(past) == ()
    assert not scratch.directory.exists()


# -- tools of these tests -----------------------------------------------------------------------


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


@contextlib.contextmanager
def small_disk(directory: Path, size: str) -> Iterator[None]:
    """A file system of that size over `directory`; only root may mount one."""
    assert os.geteuid() == 0, "tests of a full disk mount a file system: run them as root"
    mount: list[str | Path] = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", directory]
    done = process.run(mount, directory=Path("/"), timeout_s=10)
    assert done.returncode == 0, done.stderr
    try:
        yield
    finally:
        process.kill_below(directory)
        process.run(["umount", directory], directory=Path("/"), timeout_s=10)


def flip(store: ObjectStore, key: str) -> None:
    """Flips one byte in the middle of an object."""
    client = s3.connect(store)
    content = bytearray(s3.read(client, store, key))
    content[len(content) // 2] ^= 0xFF
    s3.put_bytes(client, store, key, bytes(content))


def segment_of(lost: Lost, label: str) -> str:
    """The only WAL segment of a backup, from the name of the history file in the archive."""
    client = s3.connect(lost.store)
    names = sorted(
        one.key.rsplit("/", 1)[1][:24]
        for one in s3.list_objects(client, lost.store, f"archive/{STANZA}/")
        if one.key.endswith(".backup")
    )
    return names[0] if label == lost.first_backup else names[1]
