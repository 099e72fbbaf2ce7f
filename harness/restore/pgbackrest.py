"""Finds, checks, restores and verifies the backups of pgBackRest (2.45 and later)."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from harness.drivers import process, s3
from harness.errors import DeadlineExceededError, HarnessError, RestoreError, StoreError
from harness.model.history import ArchiveInspected, Backup, CatalogueRead, Outcome
from harness.model.subject import ObjectStore, PgBackRest, PgBackRestRepository, Region
from harness.ports import CheckFact, Clock, PhaseProgress
from harness.restore.objects import compare_replica, inspect_encryption, read_retention_locks
from harness.restore.pgbackrest_output import (
    RestoreLog,
    Stanza,
    compare_with_manifest,
    last_error,
    meaning_of,
    parse_info,
    read_verify,
)
from harness.restore.postgres_recovery import (
    ArchiveExtent,
    ArchiveGet,
    ScratchServer,
    format_time,
    tool_error,
)
from harness.restore.postgres_tool import (
    Chosen,
    PostgresTool,
    newest_before,
    not_inspected,
    run_watched,
)
from harness.restore.postgres_verification import Found
from harness.restore.wal import inspect_continuity, lacks, segment_bytes
from harness.restore.wal_commits import last_commit
from harness.restore.wal_decompression import decompress

_INFO_WITHIN_S = 120.0
_VERIFY_WITHIN_S = 6 * 3600.0
_STORE_SILENT_S = 5
"""pgBackRest tries each request four times, each for its --io-timeout."""

_WAL = re.compile(r"(?P<name>[0-9A-F]{24})-[0-9a-f]{40}(\.\w+)?")
_QUIET = ("--log-level-console=off", "--log-level-file=off", "--log-level-stderr=error")


class PgBackRestTool(PostgresTool):
    """ports.RestoreTool of one pgBackRest stanza in one or two repositories."""

    def __init__(self, subject: PgBackRest, clock: Clock) -> None:
        """Nothing is contacted yet."""
        super().__init__(subject, clock)
        self._subject = subject
        self._verified: dict[Region, str] = {}
        """What `pgbackrest verify` said of a region's whole repository, asked once."""

    # -- ports.RestoreTool -----------------------------------------------------------------------

    def discover(self, region: Region) -> CatalogueRead:
        """What one region holds, by `pgbackrest info`; its newest point is the last commit."""
        now = self._clock.now().utc
        try:
            repository = self._repository(region)
            tool = f"pgBackRest {self._version()}"
            stanza = self._info(repository)
            backups = stanza.backups()
            newest_point = self._newest_commit(repository, stanza) or backups[-1].stopped
        except (RestoreError, StoreError, DeadlineExceededError) as error:
            return CatalogueRead(
                subject=self._subject.id, region=region, backups=(), now=now, error=str(error)
            )
        return CatalogueRead(
            subject=self._subject.id,
            region=region,
            backups=backups,
            now=now,
            oldest_point=min(backup.stopped for backup in backups),
            newest_point=newest_point,
            point_in_time=True,
            tool=tool,
        )

    def check(self, region: Region) -> Iterator[CheckFact]:
        """Continuity, encryption and locks of one region; of the replica also its completeness.

        One raw listing, by S3 and not by pgBackRest, decides what is needed and what is there.
        """
        identity = self._subject.id
        keys: list[str] | None = None
        try:
            repository = self._repository(region)
            keys = self._keys(repository.store)
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
            primary = self._subject.primary.store
            needed: list[str] | None = None
            with contextlib.suppress(StoreError):
                needed = self._keys(primary)
            yield compare_replica(identity, primary, repository.store, needed)

    # -- what PostgresTool asks for --------------------------------------------------------------

    def _choose(self, region: Region, point: datetime | None) -> Chosen:
        repository = self._repository(region)
        stanza = self._info(repository)
        backup = newest_before(
            stanza.backups(), point, self._subject.id, self._hint(repository, "info")
        )
        listed = stanza.find(backup.label)
        archive, database = stanza.archive_of(listed), stanza.database_of(listed)
        return Chosen(
            backup=backup,
            extent=ArchiveExtent(
                backup_first=listed.archive.start, last=archive.max if archive else None
            ),
            system_identifier=str(database.system_id),
            major_version=int(database.version.split(".")[0]) if database.version else None,
        )

    def _fetch(
        self,
        region: Region,
        chosen: Chosen,
        point: datetime | None,
        server: ScratchServer,
        progress: PhaseProgress,
    ) -> None:
        repository = self._repository(region)
        target = ["--type=default"]
        if point is not None:
            target = ["--type=time", f"--target={format_time(point)}", "--target-action=promote"]
        log = _restore_log(server)
        said = RestoreLog()
        reader = _Lines(log)

        def observe(_pid: int) -> None:
            for line in reader.new():
                said.read(line)
            progress.advance(
                int(chosen.backup.size_bytes * said.percent / 100), chosen.backup.size_bytes
            )

        argv = [
            *self._command(self._private_config(repository, server)),
            *self._within(server),
            # It empties the stanza's queue of WAL: its own, not that of production.
            f"--spool-path={server.tool_directory / 'spool'}",
            "--repo=1",
            f"--pg1-path={server.data_directory}",
            f"--set={chosen.backup.label}",
            *target,
            "--archive-mode=off",
            f"--tablespace-map-all={server.tablespaces}",
            f"--process-max={os.cpu_count() or 1}",
            "--log-level-console=detail",
            "restore",
        ]
        code = run_watched(
            argv,
            server=server,
            environment=self._environment(repository),
            log=log,
            observe=observe,
            what=f"pgbackrest restore of {chosen.backup.label}",
        )
        if code != 0:
            text = log.read_text(encoding="utf-8", errors="replace")
            raise server.tool_error(
                f"pgbackrest restore of {chosen.backup.label}: exit code {meaning_of(code)}",
                last_error(text) or _last_line(text),
                self._hint(repository, "verify --output=text --verbose"),
            )
        if said.backup != chosen.backup.label:
            raise RestoreError(
                f"pgbackrest restore: got backup set {said.backup}, expected {chosen.backup.label}"
            )

    def _archive_get(self, region: Region, server: ScratchServer) -> ArchiveGet:
        repository = self._repository(region)
        return ArchiveGet(
            argv=(
                *self._command(self._private_config(repository, server)),
                *self._within(server),
                "--repo=1",
                f"--pg1-path={server.data_directory}",
                # An asynchronous getter would leave its working directory, and outlive the server.
                "--no-archive-async",
                "--log-level-console=info",
                "archive-get",
            ),
            environment=self._environment(repository),
            not_found_code=1,
            not_found_text="unable to find",
        )

    def _verify_objects(
        self,
        region: Region,
        backup: Backup,
        server: ScratchServer,
        *,
        whole_repository: bool,
    ) -> Found:
        """The manifest against what `restore` says of each file that it read for it.

        Every object of the backup was read, deciphered, unpacked and hashed while it was restored,
        and its WAL was replayed: to read all of it once more would only show the same.
        """
        repository = self._repository(region)
        key = f"backup/{self._subject.stanza}/{backup.label}/backup.manifest"
        manifest = self._repo_get(repository, key, server.tool_directory)
        log = _restore_log(server).read_text(encoding="utf-8", errors="replace")
        found = compare_with_manifest(manifest.decode("utf-8", "replace"), log)
        if not whole_repository or found.outcome is not Outcome.OK:
            return found
        said = self._verified.get(region)
        if said is None:
            said = self._verified[region] = self._verify(repository, server)
        whole = read_verify(said, (backup.label, *backup.references))
        return dataclasses.replace(
            whole,
            examined=found.examined + whole.examined,
            detail=f"{found.detail}; {whole.detail}",
        )

    def _verify(self, repository: PgBackRestRepository, server: ScratchServer) -> str:
        """What `pgbackrest verify` says of the whole repository."""
        done = process.run(
            [
                *self._command(repository.config),
                "--repo=1",
                *_QUIET,
                # Without --verbose, 2.45 prints nothing at all where all is well.
                *("--output=text", "--verbose", f"--process-max={os.cpu_count() or 1}"),
                "verify",
            ],
            directory=server.scratch.directory,
            environment=self._environment(repository),
            timeout_s=_VERIFY_WITHIN_S,
        )
        return done.stdout

    # -- reading the repository ------------------------------------------------------------------

    def _repository(self, region: Region) -> PgBackRestRepository:
        repository = self._subject.primary if region is Region.PRIMARY else self._subject.replica
        if repository is None:
            raise RestoreError(
                f"{self._subject.id}: no repository in the {region} region",
                hint="add `replica` to the subject in harness.toml",
            )
        if not repository.config.is_file():
            raise RestoreError(
                f"{self._subject.id}: {repository.config}: no such file, expected pgBackRest's "
                "configuration",
                hint=f"ls -l {repository.config}",
            )
        return repository

    def _info(self, repository: PgBackRestRepository) -> Stanza:
        """The stanza with at least one backup."""
        hint = self._hint(repository, "info")
        done = process.run(
            [
                *self._command(repository.config),
                "--repo=1",
                *_QUIET,
                f"--io-timeout={_STORE_SILENT_S}",
                "--output=json",
                "info",
            ],
            directory=Path("/"),
            environment=self._environment(repository),
            timeout_s=_INFO_WITHIN_S,
        )
        if done.returncode != 0:
            raise tool_error(
                f"stanza {self._subject.stanza}: pgbackrest info: exit code {done.returncode}",
                last_error(done.stderr + done.stdout) or done.last_line(),
                hint,
            )
        stanza = parse_info(done.stdout, self._subject.stanza, hint)
        if not stanza.backup:
            raise RestoreError(
                f"stanza {self._subject.stanza}: no backup found, expected one or more", hint=hint
            )
        return stanza

    def _keys(self, store: ObjectStore) -> list[str]:
        """All objects of the stanza, relative to the repository, by S3 itself."""
        client = s3.connect(store)
        return [
            one.key
            for folder in ("archive", "backup")
            for one in s3.list_objects(client, store, f"{folder}/{self._subject.stanza}/")
        ]

    def _inspect_archive(
        self, region: Region, repository: PgBackRestRepository, keys: list[str]
    ) -> ArchiveInspected:
        """WAL from the oldest backup to the newest segment; each backup's own WAL apart."""
        try:
            stanza = self._info(repository)
        except (RestoreError, StoreError, DeadlineExceededError) as error:
            return not_inspected(self._subject.id, region, error)
        segments: dict[str, list[str]] = {}
        for key in keys:
            parts = key.split("/")
            if parts[0] == "archive" and len(parts) == 5 and (match := _WAL.fullmatch(parts[4])):
                segments.setdefault(parts[2], []).append(match["name"])
        newest = stanza.archive_of(stanza.newest())
        present = segments.get(newest.id, []) if newest is not None else []
        size = segment_bytes(present)
        starts = [
            backup.archive.start
            for backup in stanza.backup
            if backup.archive.start is not None and stanza.archive_of(backup) is newest
        ]
        found = inspect_continuity(present, min(starts, key=lambda name: name[8:]), size)
        twice = sorted({name for name in present if present.count(name) > 1})
        unusable = [
            backup.label
            for backup in stanza.backup
            if (archive := stanza.archive_of(backup)) is None
            or backup.archive.start is None
            or backup.archive.stop is None
            or lacks(segments.get(archive.id, []), backup.archive.start, backup.archive.stop, size)
        ]
        return ArchiveInspected(
            subject=self._subject.id,
            region=region,
            first=found.first,
            last=found.last,
            pieces=found.pieces,
            missing=found.missing,
            missing_count=found.missing_count,
            unusable_backups=tuple(unusable),
            error=f"archived twice, with different content: {', '.join(twice)}" if twice else None,
        )

    def _newest_commit(self, repository: PgBackRestRepository, stanza: Stanza) -> datetime | None:
        """When the last transaction in the archive committed, from the WAL itself.

        No restore can be aimed later: recovery_target_time must be before some commit. None where
        the newest WAL holds no commit or cannot be read here.
        """
        newest = stanza.newest()
        archive, database = stanza.archive_of(newest), stanza.database_of(newest)
        if archive is None or archive.max is None:
            return None
        folder = f"archive/{self._subject.stanza}/{archive.id}/{archive.max[:16]}/"
        client = s3.connect(repository.store)
        keys: dict[str, str] = {}
        for one in s3.list_objects(client, repository.store, folder):
            if match := _WAL.fullmatch(one.key.removeprefix(folder)):
                keys[match["name"]] = one.key
        size = segment_bytes(keys)
        with tempfile.TemporaryDirectory(prefix="harness-wal-") as temporary:
            directory = Path(temporary)

            def fetch(name: str, destination: Path) -> bool:
                content = self._repo_get(repository, keys[name], directory)
                destination.write_bytes(decompress(keys[name], content, size))
                return True

            major = int(database.version.split(".")[0]) if database.version else None
            try:
                found = last_commit(
                    sorted(keys, reverse=True),
                    fetch,
                    bin_directory=self._bin_directory(major),
                    directory=directory,
                )
            except process.InterruptedChildError:
                raise
            except HarnessError:
                return None
        return found.at if found is not None else None

    def _repo_get(self, repository: PgBackRestRepository, key: str, directory: Path) -> bytes:
        """One deciphered file of the repository."""
        file = directory / "repo-get"
        with file.open("wb") as output:
            child = process.start(
                [
                    *self._command(repository.config),
                    "--repo=1",
                    *_QUIET,
                    f"--io-timeout={_STORE_SILENT_S}",
                    "repo-get",
                    key,
                ],
                directory=directory,
                environment=self._environment(repository),
                stdout=output,
            )
            try:
                code = child.wait(_INFO_WITHIN_S)
            finally:
                process.stop(child)
        if code != 0:
            raise RestoreError(f"pgbackrest repo-get {key}: exit code {code}")
        return file.read_bytes()

    # -- command lines ---------------------------------------------------------------------------

    def _command(self, config: Path) -> tuple[str, ...]:
        return ("pgbackrest", f"--config={config}", f"--stanza={self._subject.stanza}")

    def _within(self, server: ScratchServer) -> tuple[str, ...]:
        """Paths of this scratch place only: production's pgBackRest may run on the same host."""
        return (
            f"--lock-path={server.tool_directory / 'lock'}",
            f"--log-path={server.tool_directory}",
            "--log-level-file=off",
            "--log-level-stderr=off",
        )

    def _private_config(self, repository: PgBackRestRepository, server: ScratchServer) -> Path:
        """The configuration as the server's user may read it, for the length of the restore."""
        if server.user is None or os.geteuid() != 0:
            return repository.config
        copy = server.tool_directory / "pgbackrest.conf"
        server.write(copy, repository.config.read_text(encoding="utf-8"))
        return copy

    def _environment(self, repository: PgBackRestRepository) -> Mapping[str, str]:
        if repository.passphrase_file is None:
            return {}
        try:
            secret = repository.passphrase_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise RestoreError(
                f"{repository.passphrase_file}: the passphrase cannot be read: {error.strerror}",
                hint=f"ls -l {repository.passphrase_file}",
            ) from error
        return {"PGBACKREST_REPO1_CIPHER_PASS": secret}

    def _hint(self, repository: PgBackRestRepository, command: str) -> str:
        return f"pgbackrest --config={repository.config} --stanza={self._subject.stanza} {command}"

    def _version(self) -> str:
        done = process.run(["pgbackrest", "version"], directory=Path("/"), timeout_s=20)
        return done.stdout.strip().removeprefix("pgBackRest ")


def _restore_log(server: ScratchServer) -> Path:
    return server.tool_directory / "restore.log"


class _Lines:
    """The whole lines by which a file has grown."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new(self) -> list[str]:
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            whole, feed, _ = file.read().rpartition(b"\n")
        self._offset += len(whole) + len(feed)
        return whole.decode("utf-8", "replace").splitlines()


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"
