"""Finds, checks, restores and verifies the backups of barman-cloud (3.17 and later) in S3."""

from __future__ import annotations

import contextlib
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

import msgspec
import psutil

from harness.drivers import process, s3
from harness.errors import DeadlineExceededError, HarnessError, RestoreError, StoreError
from harness.model.history import ArchiveInspected, Backup, CatalogueRead, Outcome
from harness.model.subject import BarmanCloud, BarmanRepository, ObjectStore, Region
from harness.ports import CheckFact, Clock, PhaseProgress
from harness.restore.objects import compare_replica, inspect_encryption, read_retention_locks
from harness.restore.postgres_recovery import (
    ArchiveExtent,
    ArchiveGet,
    ScratchServer,
    tool_error,
)
from harness.restore.postgres_tool import (
    Chosen,
    PostgresTool,
    newest_before,
    not_inspected,
    run_watched,
)
from harness.restore.postgres_verification import NAMED_AT_MOST, Found
from harness.restore.wal import SEGMENT, Segment, inspect_continuity, lacks
from harness.restore.wal_commits import last_commit
from harness.restore.wal_decompression import decompress

_LIST_WITHIN_S = 120.0
_DONE = "DONE"
_WAL = re.compile(r"(?P<name>[0-9A-F]{24})(\.(gz|bz2|xz|zst|lz4|snappy))?")
_TIMELINES_AHEAD = 8


class BackupInfo(msgspec.Struct, frozen=True):
    """What is used of one backup.info (barman/infofile.py, BackupInfo.to_json)."""

    backup_id: str
    status: str
    begin_time_iso: datetime | None = None
    end_time_iso: datetime | None = None
    begin_wal: str | None = None
    end_wal: str | None = None
    systemid: str | None = None
    version: int | None = None
    size: int | None = None
    cluster_size: int | None = None
    xlog_segment_size: int = 16 << 20
    tablespaces: tuple[tuple[str, int, str], ...] | None = None
    snapshots_info: object = None
    error: str | None = None

    def as_backup(self) -> Backup | None:
        """As the history has it; None where it has not even begun."""
        begun = self.begin_time_iso
        if begun is None:
            return None
        error = None if self.status == _DONE else f"status {self.status}, expected {_DONE}"
        return Backup(
            label=self.backup_id,
            kind="full",
            started=begun,
            stopped=self.end_time_iso or begun,
            size_bytes=self.cluster_size or self.size or 0,
            stored_bytes=self.size,
            error=error if self.error is None else f"{error}: {self.error}",
        )


class _List(msgspec.Struct, frozen=True):
    backups_list: tuple[BackupInfo, ...]


def parse_backup_list(text: str) -> tuple[BackupInfo, ...]:
    """What `barman-cloud-backup-list --format json` printed, oldest first."""
    found = msgspec.json.decode(text, type=_List).backups_list
    return tuple(sorted(found, key=lambda backup: backup.backup_id))


def unreadable_backups(stderr: str) -> tuple[str, ...]:
    """Backups that the list leaves out because their backup.info cannot be read."""
    return tuple(re.findall(r"Unable to open backup\.info file for (\S+?):", stderr))


class BarmanCloudTool(PostgresTool):
    """ports.RestoreTool of one barman-cloud server in one or two buckets."""

    def __init__(self, subject: BarmanCloud, clock: Clock) -> None:
        """Nothing is contacted yet."""
        super().__init__(subject, clock)
        self._subject = subject

    # -- ports.RestoreTool -----------------------------------------------------------------------

    def discover(self, region: Region) -> CatalogueRead:
        """What one region holds; its newest point is the archive's last commit."""
        now = self._clock.now().utc
        try:
            repository = self._repository(region)
            listed, unreadable = self._list(repository)
            done = [backup for backup in listed if backup.status == _DONE]
            backups = tuple(backup for each in listed if (backup := each.as_backup()) is not None)
            newest_point = self._newest_commit(repository, done[-1]) if done else None
        except (RestoreError, StoreError, DeadlineExceededError) as error:
            return CatalogueRead(
                subject=self._subject.id, region=region, backups=(), now=now, error=str(error)
            )
        stopped = [each.stopped for each in backups if each.error is None]
        wrong = None if stopped else f"no backup of server {repository.server} is {_DONE}"
        if unreadable:
            wrong = f"backup.info cannot be read of {', '.join(unreadable)}"
        return CatalogueRead(
            subject=self._subject.id,
            region=region,
            backups=backups,
            now=now,
            oldest_point=min(stopped, default=None),
            newest_point=newest_point or max(stopped, default=None),
            point_in_time=True,
            tool=self._version(),
            error=wrong,
        )

    def check(self, region: Region) -> Iterator[CheckFact]:
        """Continuity, encryption and locks of one region; of the replica also its completeness."""
        identity = self._subject.id
        keys: list[str] | None = None
        try:
            repository = self._repository(region)
            keys = _keys(repository)
        except RestoreError as error:
            yield not_inspected(identity, region, error)
            return
        except StoreError as error:
            # What follows meets the same error, and says so.
            yield not_inspected(identity, region, error)
        else:
            yield self._inspect_archive(region, repository, keys)
        yield inspect_encryption(identity, region, repository.store, keys=keys)
        yield read_retention_locks(identity, region, repository.store, keys=keys)
        if region is Region.REPLICA:
            primary = self._subject.primary
            needed: list[str] | None = None
            with contextlib.suppress(StoreError):
                needed = _keys(primary)
            yield compare_replica(identity, primary.store, repository.store, needed)

    # -- what PostgresTool asks for --------------------------------------------------------------

    def _choose(self, region: Region, point: datetime | None) -> Chosen:
        repository = self._repository(region)
        done = {each.backup_id: each for each in self._list(repository)[0] if each.status == _DONE}
        backup = newest_before(
            [each for one in done.values() if (each := one.as_backup()) is not None],
            point,
            self._subject.id,
            self._hint(repository),
        )
        info = done[backup.label]
        if info.snapshots_info is not None:
            raise RestoreError(
                f"{self._subject.id}: backup {backup.label} is a volume snapshot, expected objects"
            )
        return Chosen(
            backup=backup,
            extent=ArchiveExtent(
                backup_first=info.begin_wal, last=_newest_segment(repository, info)
            ),
            system_identifier=info.systemid or "",
            major_version=None if info.version is None else info.version // 10_000,
            tablespaces=tuple((name, oid) for name, oid, _ in info.tablespaces or ()),
        )

    def _fetch(
        self,
        region: Region,
        chosen: Chosen,
        point: datetime | None,  # noqa: ARG002 - the backup is chosen already
        server: ScratchServer,
        progress: PhaseProgress,
    ) -> None:
        repository = self._repository(region)
        maps = [
            f"--tablespace={name}:{server.tablespaces / str(oid)}"
            for name, oid in chosen.tablespaces
        ]
        log = server.tool_directory / "restore.log"
        total = chosen.backup.size_bytes or None

        def observe(pid: int) -> None:
            # A single process writes it all, one tar after the other.
            with contextlib.suppress(psutil.Error):
                written = psutil.Process(pid).io_counters().write_chars
                progress.advance(written if total is None else min(written, total), total)

        code = run_watched(
            [
                _program("barman-cloud-restore"),
                "-v",
                *_options(repository.store),
                *maps,
                _url(repository.store),
                repository.server,
                chosen.backup.label,
                server.data_directory,
            ],
            server=server,
            environment=self._environment(repository.store, server),
            log=log,
            observe=observe,
            what=f"barman-cloud-restore of {chosen.backup.label}",
        )
        text = log.read_text(encoding="utf-8", errors="replace")
        if code != 0:
            raise server.tool_error(
                f"barman-cloud-restore of {chosen.backup.label}: exit code {code}",
                _last_error(text),
                self._hint(repository),
            )
        used = re.search(r"Restoring from backup_id: (\S+)", text)
        if used is None or used[1] != chosen.backup.label:
            raise RestoreError(
                f"barman-cloud-restore: got backup {used[1] if used else 'unknown'}, expected "
                f"{chosen.backup.label}"
            )
        progress.advance(total or 0, total)

    def _archive_get(self, region: Region, server: ScratchServer) -> ArchiveGet:
        repository = self._repository(region)
        return ArchiveGet(
            argv=(
                _program("barman-cloud-wal-restore"),
                *_options(repository.store),
                # A partial segment of an older timeline would be replayed as if it were whole.
                "--no-partial",
                _url(repository.store),
                repository.server,
            ),
            environment=self._environment(repository.store, server),
            not_found_code=1,
            not_found_text="does not exist",
        )

    def _verify_objects(
        self,
        region: Region,
        backup: Backup,
        server: ScratchServer,
        *,
        whole_repository: bool,
    ) -> Found:
        """That all objects are there; what is in them, barman-cloud has no checksum of."""
        del server, whole_repository
        repository = self._repository(region)
        folder = f"{repository.server}/base/{backup.label}/"
        try:
            client = s3.connect(repository.store)
            there = {
                one.key.removeprefix(folder): one.size_bytes
                for one in s3.list_objects(client, repository.store, folder)
            }
            info = next(
                each for each in self._list(repository)[0] if each.backup_id == backup.label
            )
        except (RestoreError, StoreError, StopIteration) as error:
            return Found(outcome=Outcome.INDETERMINATE, examined=0, detail=str(error))
        wanted = ["data", *(str(oid) for _, oid, _ in info.tablespaces or ())]
        missing = [
            f"{folder}{name}.tar"
            for name in wanted
            if not any(key.startswith(f"{name}.tar") for key in there)
        ]
        missing += [f"{folder}{key} is empty" for key, size in there.items() if size == 0]
        if missing:
            return Found(
                outcome=Outcome.FAIL,
                examined=len(there),
                detail=f"missing: {missing[0]}",
                damage=tuple(missing[:NAMED_AT_MOST]),
            )
        return Found(
            outcome=Outcome.INDETERMINATE,
            examined=len(there),
            detail=f"{len(there)} objects are there; barman-cloud stores no checksums of their "
            "content: the page checksums and pg_amcheck must find what is damaged",
        )

    # -- reading the repository ------------------------------------------------------------------

    def _repository(self, region: Region) -> BarmanRepository:
        repository = self._subject.primary if region is Region.PRIMARY else self._subject.replica
        if repository is None:
            raise RestoreError(
                f"{self._subject.id}: no repository in the {region} region",
                hint="add `replica` to the subject in harness.toml",
            )
        return repository

    def _list(self, repository: BarmanRepository) -> tuple[tuple[BackupInfo, ...], tuple[str, ...]]:
        """The backups, and the names of those whose backup.info cannot be read."""
        done = process.run(
            [
                _program("barman-cloud-backup-list"),
                *_options(repository.store),
                "--format=json",
                _url(repository.store),
                repository.server,
            ],
            directory=Path("/"),
            environment=self._environment(repository.store, None),
            timeout_s=_LIST_WITHIN_S,
        )
        if done.returncode != 0:
            raise tool_error(
                f"server {repository.server}: barman-cloud-backup-list: exit code "
                f"{done.returncode}",
                _last_error(done.stderr),
                self._hint(repository),
            )
        try:
            return parse_backup_list(done.stdout), unreadable_backups(done.stderr)
        except msgspec.DecodeError as error:
            raise RestoreError(
                f"server {repository.server}: barman-cloud-backup-list: {error}",
                hint=self._hint(repository),
            ) from error

    def _inspect_archive(
        self, region: Region, repository: BarmanRepository, keys: Iterable[str]
    ) -> ArchiveInspected:
        """WAL from the oldest usable backup to the newest segment; each backup's own WAL apart."""
        try:
            listed, unreadable = self._list(repository)
        except (RestoreError, StoreError, DeadlineExceededError) as error:
            return not_inspected(self._subject.id, region, error)
        done = [each for each in listed if each.status == _DONE and each.begin_wal]
        size = done[-1].xlog_segment_size if done else 16 << 20
        present = [
            match["name"]
            for key in keys
            if "/wals/" in key and (match := _WAL.fullmatch(key.rsplit("/", 1)[1]))
        ]
        starts = [each.begin_wal for each in done if each.begin_wal is not None]
        found = inspect_continuity(
            present, min(starts, key=lambda name: name[8:], default=None), size
        )
        unusable = [
            each.backup_id
            for each in done
            if each.begin_wal is None
            or each.end_wal is None
            or lacks(present, each.begin_wal, each.end_wal, size)
        ]
        return ArchiveInspected(
            subject=self._subject.id,
            region=region,
            first=found.first,
            last=found.last,
            pieces=found.pieces,
            missing=found.missing,
            missing_count=found.missing_count,
            unusable_backups=(*unusable, *unreadable),
            error=None if done else f"no backup of server {repository.server} is {_DONE}",
        )

    def _newest_commit(self, repository: BarmanRepository, newest: BackupInfo) -> datetime | None:
        """When the last transaction in the archive committed, from the WAL itself.

        No restore can be aimed later: recovery_target_time must be before some commit. None where
        the newest WAL holds no commit or cannot be read here.
        """
        last = _newest_segment(repository, newest)
        if last is None:
            return None
        folder = f"{repository.server}/wals/{last[:16]}/"
        client = s3.connect(repository.store)
        keys: dict[str, str] = {}
        for one in s3.list_objects(client, repository.store, folder):
            if match := _WAL.fullmatch(one.key.removeprefix(folder)):
                keys[match["name"]] = one.key

        def fetch(name: str, destination: Path) -> bool:
            content = s3.read(client, repository.store, keys[name])
            destination.write_bytes(decompress(keys[name], content, newest.xlog_segment_size))
            return True

        major = None if newest.version is None else newest.version // 10_000
        with tempfile.TemporaryDirectory(prefix="harness-wal-") as temporary:
            try:
                found = last_commit(
                    sorted(keys, reverse=True),
                    fetch,
                    bin_directory=self._bin_directory(major),
                    directory=Path(temporary),
                )
            except process.InterruptedChildError:
                raise
            except HarnessError:
                return None
        return found.at if found is not None else None

    # -- command lines ---------------------------------------------------------------------------

    def _environment(self, store: ObjectStore, server: ScratchServer | None) -> Mapping[str, str]:
        """What boto3 reads; the credentials as a file that the server's user may read."""
        environment = {
            "AWS_DEFAULT_REGION": store.region_name,
            # Newer checksums are not understood by every S3.
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
            "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
            "AWS_RETRY_MODE": "standard",
            "AWS_MAX_ATTEMPTS": "3",
        }
        if store.ca_file is not None:
            environment["AWS_CA_BUNDLE"] = str(store.ca_file)
        if store.credentials_file is not None:
            environment["AWS_SHARED_CREDENTIALS_FILE"] = str(
                self._private_credentials(store.credentials_file, server)
            )
        return environment

    def _private_credentials(self, file: Path, server: ScratchServer | None) -> Path:
        if not file.is_file():
            raise StoreError(
                f"{self._subject.id}: credentials file {file} does not exist",
                hint=f"ls -l {file}",
            )
        if server is None or server.user is None:
            return file
        copy = server.tool_directory / "credentials"
        server.write(copy, file.read_text(encoding="utf-8"))
        return copy

    def _hint(self, repository: BarmanRepository) -> str:
        options = " ".join(_options(repository.store))
        return f"barman-cloud-backup-list {options} {_url(repository.store)} {repository.server}"

    def _version(self) -> str:
        done = process.run(
            [_program("barman-cloud-backup-list"), "-V"], directory=Path("/"), timeout_s=20
        )
        return done.stdout.strip().replace("barman-cloud-backup-list", "barman-cloud")


def _keys(repository: BarmanRepository) -> list[str]:
    """All objects of the server, relative to the repository, by S3 itself."""
    client = s3.connect(repository.store)
    return [one.key for one in s3.list_objects(client, repository.store, f"{repository.server}/")]


def _newest_segment(repository: BarmanRepository, backup: BackupInfo) -> str | None:
    """The newest WAL segment from the backup on, by listing only what is newer than it."""
    if backup.begin_wal is None:
        return None
    client = s3.connect(repository.store)
    start = Segment.parse(backup.begin_wal, backup.xlog_segment_size)
    per_log = (1 << 32) // backup.xlog_segment_size
    newest: str | None = None

    def found_below(prefix: str) -> bool:
        nonlocal newest
        names = [
            match["name"]
            for one in s3.list_objects(
                client, repository.store, f"{repository.server}/wals/{prefix}"
            )
            if (match := _WAL.fullmatch(one.key.rsplit("/", 1)[1]))
        ]
        newest = max([*names, *([newest] if newest else [])], default=None)
        return bool(names)

    log = start.number // per_log
    while found_below(f"{start.timeline:08X}{log:08X}/"):
        log += 1
    for timeline in range(start.timeline + 1, start.timeline + 1 + _TIMELINES_AHEAD):
        if not found_below(f"{timeline:08X}"):
            break
    return newest if newest is not None and SEGMENT.fullmatch(newest) else None


def _program(name: str) -> Path:
    """One of barman-cloud's programs: in PATH, or beside this Python's own programs."""
    found = shutil.which(name)
    if found is not None:
        return Path(found)
    beside = Path(sys.executable).parent / name
    if beside.is_file():
        return beside
    raise RestoreError(f"{name}: no such program", hint="pip install 'barman[cloud]'")


def _options(store: ObjectStore) -> list[str]:
    options = []
    if store.endpoint_url is not None:
        options.append(f"--endpoint-url={store.endpoint_url}")
    if store.path_style:
        options.append("--addressing-style=path")
    if store.profile is not None:
        options.append(f"--aws-profile={store.profile}")
    return options


def _url(store: ObjectStore) -> str:
    return f"s3://{store.bucket}/{store.prefix.strip('/')}".rstrip("/")


def _last_error(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "ERROR" in line]
    return (errors or lines or ["no output"])[-1]
