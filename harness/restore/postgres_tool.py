"""What the restore tools of PostgreSQL share: one scratch server a trial, from fetch to removal."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from harness.drivers import postgres, process
from harness.drivers.clock import wait_until
from harness.errors import HarnessError, RestoreError
from harness.model.history import ArchiveInspected, Backup, Phase, RestoreEnded, VerificationEnded
from harness.model.subject import BarmanCloud, PgBackRest, Region
from harness.model.suite import Level, Verification
from harness.ports import Clock, PhaseProgress, PostgresEndpoint, Restored, Scratch, Watch
from harness.restore.postgres_recovery import (
    ArchiveExtent,
    ArchiveGet,
    ScratchServer,
    remove_scratch,
    scratch_endpoint,
)
from harness.restore.postgres_verification import Found, verify_level

_POLL_S = 0.05


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """The backup that a restore begins with, and what surrounds it."""

    backup: Backup
    extent: ArchiveExtent
    system_identifier: str
    major_version: int | None
    tablespaces: tuple[tuple[str, int], ...] = ()
    """Name and oid of each, where the tool must be told where to put them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    server: ScratchServer
    region: Region
    backup: Backup


class PostgresTool(abc.ABC):
    """ports.RestoreTool without what each backup tool does in its own way."""

    def __init__(self, subject: PgBackRest | BarmanCloud, clock: Clock) -> None:
        """Nothing is contacted yet."""
        self._postgres = subject
        self._clock = clock
        self._running: dict[Path, _Running] = {}
        self._servers: dict[Path, ScratchServer] = {}

    # -- what each tool does in its own way ------------------------------------------------------

    @abc.abstractmethod
    def _choose(self, region: Region, point: datetime | None) -> Chosen:
        """The newest backup that ended before `point`; RestoreError or StoreError."""

    @abc.abstractmethod
    def _fetch(
        self,
        region: Region,
        chosen: Chosen,
        point: datetime | None,
        server: ScratchServer,
        progress: PhaseProgress,
    ) -> None:
        """Fills the empty data directory; RestoreError, StoreError or DeadlineExceededError."""

    @abc.abstractmethod
    def _archive_get(self, region: Region, server: ScratchServer) -> ArchiveGet:
        """How the restored server gets its WAL."""

    @abc.abstractmethod
    def _verify_objects(
        self,
        region: Region,
        backup: Backup,
        server: ScratchServer,
        *,
        whole_repository: bool,
    ) -> Found:
        """The backup's objects against its manifest; `whole_repository` is Verification's."""

    # -- ports.RestoreTool -----------------------------------------------------------------------

    def endpoint(self, region: Region, scratch: Scratch) -> PostgresEndpoint:
        """Where the restored server will answer: a Unix socket in the scratch directory.

        Raises RestoreError or StoreError where the region does not tell the system identifier.
        """
        return self._endpoint(scratch, self._choose(region, None))

    def restore(
        self, region: Region, point: datetime | None, scratch: Scratch, watch: Watch
    ) -> Restored:
        """Fetches, replays to `point` (None: to the archive's end) and promotes.

        Raises RestoreError, StoreError or DeadlineExceededError.
        """
        with watch.phase(Phase.PROVISION):
            server = ScratchServer(
                scratch,
                user=postgres.server_user(self._postgres.operating_system_user),
                clock=self._clock,
            )
            self._servers[scratch.directory] = server
        with watch.phase(Phase.LIST) as progress:
            chosen = self._choose(region, point)
            endpoint = self._endpoint(scratch, chosen)
            server.bin_directory = self._bin_directory(chosen.major_version)
            server.demand_room(chosen.backup.size_bytes)
            progress.note(f"{chosen.backup.label}, archive to {chosen.extent.last}")
        with watch.phase(Phase.FETCH) as progress:
            self._fetch(region, chosen, point, server, progress)
            _demand_backup(server.data_directory, chosen)
            server.configure(self._archive_get(region, server), point)
        recovered = server.recover(endpoint, point, chosen.extent, watch)
        self._running[scratch.directory] = _Running(
            server=server, region=region, backup=chosen.backup
        )
        return Restored(
            scratch=scratch,
            endpoint=endpoint,
            ended=RestoreEnded(
                trial=scratch.trial,
                subject=self._postgres.id,
                backup=chosen.backup.label,
                target_time=point,
                recovered_to=recovered.recovered_to,
                recovered_until=recovered.recovered_until,
                archive_end=recovered.archive_end,
                ended_early=recovered.ended_early,
                restored_bytes=chosen.backup.size_bytes,
            ),
        )

    def verify(
        self, restored: Restored, verification: Verification, level: Level
    ) -> VerificationEnded:
        """One level (any but LEDGER); damage is an outcome, not raised."""
        running = self._running[restored.scratch.directory]
        if not isinstance(restored.endpoint, PostgresEndpoint):
            raise TypeError(f"{self._postgres.id}: not a PostgreSQL endpoint: {restored.endpoint}")
        started_ns = self._clock.monotonic_ns()
        if level is Level.OBJECTS:
            found = self._verify_objects(
                running.region,
                running.backup,
                running.server,
                whole_repository=verification.whole_repository,
            )
        else:
            found = verify_level(running.server, restored.endpoint, verification, level)
        return VerificationEnded(
            trial=restored.scratch.trial,
            subject=self._postgres.id,
            level=level,
            outcome=found.outcome,
            started_ns=started_ns,
            ended_ns=self._clock.monotonic_ns(),
            examined=found.examined,
            detail=found.detail,
            damage=found.damage,
        )

    def logs(self, scratch: Scratch) -> tuple[Path, ...]:
        """The backup tool's log, the server's, and what restore_command was asked and said."""
        server = self._servers.get(scratch.directory)
        if server is None:
            return ()
        found = (
            *sorted(server.tool_directory.glob("*.log")),
            server.log,
            server.requests_file,
            server.failures_file,
        )
        return tuple(path for path in found if path.is_file() and path.stat().st_size)

    def remove(self, scratch: Scratch) -> tuple[str, ...]:
        """Stops what runs in the scratch place and deletes it; names what is left behind."""
        self._running.pop(scratch.directory, None)
        return remove_scratch(scratch, self._servers.pop(scratch.directory, None))

    # -- within ----------------------------------------------------------------------------------

    def _endpoint(self, scratch: Scratch, chosen: Chosen) -> PostgresEndpoint:
        return scratch_endpoint(
            scratch,
            database=self._postgres.database,
            user=self._postgres.user,
            system_identifier=chosen.system_identifier,
        )

    def _bin_directory(self, major_version: int | None) -> Path:
        return postgres.bin_directory(self._postgres.bin_directory, major_version)


def newest_before(
    backups: Sequence[Backup], point: datetime | None, subject_id: str, hint: str
) -> Backup:
    """The newest backup, or the newest that surely ended before `point`; else RestoreError.

    Backup tools write whole seconds: one that ended within the second of the point may end after
    it, and recovery from it would be refused ("before consistent recovery point").
    """
    usable = [
        backup
        for backup in backups
        if point is None or backup.stopped.replace(microsecond=0) < point.replace(microsecond=0)
    ]
    if usable:
        return max(usable, key=lambda backup: backup.stopped)
    if not backups:
        raise RestoreError(f"{subject_id}: no backup found, expected one or more", hint=hint)
    oldest = min(backups, key=lambda backup: backup.stopped)
    raise RestoreError(
        f"{subject_id}: no backup ended before {point}, the oldest of {len(backups)} "
        f"({oldest.label}) ended at {oldest.stopped}",
        hint=hint,
    )


def not_inspected(subject_id: str, region: Region, error: HarnessError) -> ArchiveInspected:
    """The fact that an archive could not be looked at, and why."""
    return ArchiveInspected(
        subject=subject_id, region=region, first=None, last=None, pieces=0, error=str(error)
    )


def run_watched(  # noqa: PLR0913 - a long child has that many sides
    argv: Sequence[str | Path],
    *,
    server: ScratchServer,
    environment: Mapping[str, str],
    log: Path,
    observe: Callable[[int], None],
    what: str,
) -> int:
    """Runs a tool as the server's user to its end; returns its exit code.

    `observe` is called with its process id meanwhile, and once after. Everything that it says goes
    to `log`. Raises DeadlineExceededError at the restore's deadline, with the tool terminated, and
    RestoreError where that user cannot run it.
    """
    server.write(log, "")
    try:
        child = process.start(
            argv,
            directory=server.tool_directory,
            environment=environment,
            user=server.user,
            log=log,
        )
    except OSError as error:
        raise RestoreError(
            f"{argv[0]}: no such program that user {server.user or 'this'} may run: "
            f"{error.strerror}",
            hint=f"runuser -u {server.user or '$USER'} -- {argv[0]} --version",
        ) from error

    def ended() -> bool:
        observe(child.pid)
        return child.poll() is not None

    try:
        wait_until(ended, within_s=server.remaining_s(), what=what, every_s=_POLL_S)
    finally:
        process.stop(child)
    observe(child.pid)
    return child.returncode


def _demand_backup(data_directory: Path, chosen: Chosen) -> None:
    """RestoreError where the fetched backup_label begins in another segment than the chosen one."""
    label = data_directory / "backup_label"
    text = label.read_text(encoding="utf-8") if label.is_file() else ""
    first = chosen.extent.backup_first
    if first is not None and f"(file {first})" not in text:
        raise RestoreError(
            f"{data_directory}: got the backup_label {text.splitlines()[:1]}, expected that of "
            f"{chosen.backup.label}, which starts in {first}"
        )
