"""Recovers a fetched PostgreSQL base backup in a scratch place, as all PostgreSQL tools need it.

The scratch server takes no setting from the restored files: it listens on a Unix socket that only
its own user may use, never archives, streams from nobody, runs no subscription and no preloaded
library. Its restore_command never lets recovery end early for another reason than that the archive
has no more.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.drivers import postgres, process, shared_memory
from harness.drivers.clock import wait_until
from harness.errors import DeadlineExceededError, RestoreError, StoreError
from harness.model.history import Phase
from harness.model.instant import seconds
from harness.ports import Clock, PostgresEndpoint, Scratch, Watch
from harness.restore.wal import SEGMENT, Segment, parse_lsn

_FIRST_VERSION = 12  # recovery.signal; before that there was recovery.conf
_NO_DEADLINE_S = 24 * 3600.0
_STOPS_WITHIN_S = 300.0
_FULL_BELOW_BYTES = 1 << 20  # pgBackRest's own buffer, the most that it writes at once

# What tools and libraries say where the store, and not what it holds, is in the way.
_OF_THE_STORE = re.compile(
    r"unable to connect|HostConnectError|timed? ?out|TLS error|unable to get address|"
    r"HTTP request failed with (401|403|5\d\d)|Connection (refused|reset)|"
    r"Could not connect|EndpointConnectionError|SSL|AccessDenied|Forbidden|ExpiredToken|"
    r"InvalidAccessKeyId|SignatureDoesNotMatch|InternalError|ServiceUnavailable|SlowDown",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveGet:
    """How a backup tool gets one WAL file; its name and destination are appended."""

    argv: Sequence[str | Path]
    environment: Mapping[str, str]
    """What it needs to know and no command line may hold."""

    not_found_code: int
    not_found_text: str
    """Both must be so for `not found`: a Python program that breaks exits with 1, too."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call of restore_command."""

    outcome: str
    """`restored`, `not-found` or `failed`."""

    code: int
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveExtent:
    """What the archive held when the restore began."""

    backup_first: str | None
    """The segment with the backup's start."""

    last: str | None
    """The newest segment."""


@dataclass(slots=True)
class RecoveryLog:
    """What a recovering server has written to its log so far (xlogrecovery.c, xlog.c)."""

    redo_done_at: str | None = None
    """LSN of the last record that was replayed."""

    stopped: str | None = None
    """Why it stopped at a target: `before commit of transaction 742, time 2026-...`."""

    last_completed: datetime | None = None
    new_timeline: int | None = None
    ready: bool = False

    def read(self, line: str) -> None:
        """Takes in one line."""
        if match := re.search(r"\bredo done at ([0-9A-F]+/[0-9A-F]+)", line):
            self.redo_done_at = match[1]
        elif match := re.search(r"\brecovery stopping (.+)$", line):
            self.stopped = match[1]
        elif match := re.search(r"\blast completed transaction was at log time (.+)$", line):
            self.last_completed = parse_log_time(match[1])
        elif match := re.search(r"\bselected new timeline ID: (\d+)", line):
            self.new_timeline = int(match[1])
        elif "database system is ready to accept connections" in line:
            self.ready = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """How far a recovery came."""

    recovered_to: str
    recovered_until: datetime | None
    archive_end: str | None
    ended_early: str | None
    segments: int


class ScratchServer:
    """One scratch place with a restored data directory and, for a time, the server over it."""

    def __init__(self, scratch: Scratch, *, user: str | None, clock: Clock) -> None:
        """Makes the place's folders; `user` is whom the server and the tools run as."""
        self.scratch = scratch
        self.bin_directory = Path()
        """PostgreSQL's own programs, to be set when the backup's version is known."""

        self.user = user
        self._clock = clock
        self._environment: Mapping[str, str] = {}
        self.server: postgres.Server | None = None
        check_socket_path(scratch)
        scratch.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        scratch.directory.chmod(0o700)
        postgres.own(scratch.directory, user)
        for directory in (self.data_directory, self.tablespaces, self.tool_directory):
            directory.mkdir(mode=0o700, exist_ok=True)
            postgres.own(directory, user)

    @property
    def data_directory(self) -> Path:
        """PGDATA."""
        return self.scratch.directory / "data"

    @property
    def tablespaces(self) -> Path:
        """Where tablespaces are put instead of where they were."""
        return self.scratch.directory / "tablespaces"

    @property
    def tool_directory(self) -> Path:
        """The backup tool's logs, locks and spool, and its current directory."""
        return self.scratch.directory / "tool"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.scratch.directory / "postgresql.log"

    @property
    def requests_file(self) -> Path:
        """One line for each call of restore_command."""
        return self.scratch.directory / "requests"

    @property
    def failures_file(self) -> Path:
        """What the tool said where a call failed."""
        return self.scratch.directory / "failures"

    def remaining_s(self) -> float:
        """Time until the restore is to be given up; DeadlineExceededError where it has passed."""
        if not self.scratch.deadline_ns:
            return _NO_DEADLINE_S
        remaining = seconds(self.scratch.deadline_ns - self._clock.monotonic_ns())
        if remaining <= 0:
            raise DeadlineExceededError(f"trial {self.scratch.trial}: its deadline has passed")
        return remaining

    def demand_room(self, needed_bytes: int) -> None:
        """RestoreError where the scratch disk has less room than the backup alone will take."""
        free_bytes = shutil.disk_usage(self.scratch.directory).free
        if free_bytes < needed_bytes:
            raise RestoreError(
                f"{self.scratch.directory}: {free_bytes} bytes are free, expected at least "
                f"{needed_bytes} for the backup: No space left on device",
                hint=f"df -h {self.scratch.directory}",
            )

    def tool_error(self, subject: str, said: str, hint: str) -> RestoreError | StoreError:
        """As the function `tool_error`, with what a tool does not tell of a full disk.

        pgBackRest's `unable to write` has no errno where a write was cut short.
        """
        free_bytes = shutil.disk_usage(self.scratch.directory).free
        if free_bytes < _FULL_BELOW_BYTES and "No space left" not in said:
            said += f"; {free_bytes} bytes are free: No space left on device"
        return tool_error(subject, said, hint)

    def write(self, path: Path, text: str, mode: int = 0o600) -> None:
        """Writes a file that belongs to the server's user."""
        path.unlink(missing_ok=True)
        path.touch(mode=mode)
        path.write_text(text, encoding="utf-8")
        postgres.own(path, self.user)

    def configure(self, get: ArchiveGet, target: datetime | None) -> None:
        """Writes the recovery settings over whatever was restored."""
        check_version(self.data_directory, self.bin_directory)
        command = self.scratch.directory / "restore_command"
        self.write(self.requests_file, "")
        self.write(self.failures_file, "")
        self.write(command, wrapper_script(get, self.requests_file, self.failures_file), mode=0o700)
        self._environment = get.environment
        control = postgres.read_control(self.data_directory, bin_directory=self.bin_directory)
        settings = isolated_settings(control, self.scratch) | recovery_settings(command, target)
        # Read last of all files, so that it wins; ALTER SYSTEM of the lost server is in it.
        self.write(self.data_directory / "postgresql.auto.conf", settings_file(settings))
        self.write(self._configuration("postgresql.conf"), "")
        self.write(self._configuration("pg_hba.conf"), "local all all trust\n")
        self.write(self._configuration("pg_ident.conf"), "")
        for stale in ("standby.signal", "postmaster.pid", "postmaster.opts"):
            (self.data_directory / stale).unlink(missing_ok=True)
        self.write(self.data_directory / "recovery.signal", "")

    def start(self) -> postgres.Server:
        """Starts the server as configured; does not await it."""
        self.server = postgres.start_server(
            self.data_directory,
            bin_directory=self.bin_directory,
            log=self.log,
            user=self.user,
            settings={
                "config_file": str(self._configuration("postgresql.conf")),
                "hba_file": str(self._configuration("pg_hba.conf")),
                "ident_file": str(self._configuration("pg_ident.conf")),
            },
            environment=self._environment,
        )
        return self.server

    def stop(self) -> None:
        """A clean shutdown: all is on disk after it."""
        if self.server is not None:
            postgres.stop_server(self.server, within_s=_STOPS_WITHIN_S)

    def requests(self) -> list[Request]:
        """All calls of restore_command so far."""
        if not self.requests_file.exists():
            return []
        return parse_requests(self.requests_file.read_text(encoding="utf-8"))

    def recover(
        self,
        endpoint: PostgresEndpoint,
        target: datetime | None,
        extent: ArchiveExtent,
        watch: Watch,
    ) -> Recovered:
        """Replays the archive and promotes; returns when the right server is writable.

        Raises RestoreError, StoreError or DeadlineExceededError; the server, if it still runs,
        is then left for `remove_scratch`.
        """
        control = postgres.read_control(self.data_directory, bin_directory=self.bin_directory)
        segment_bytes = int(control["Bytes per WAL segment"])
        total_bytes = _replay_bytes(extent, segment_bytes)
        log = _Tail(self.log)
        with watch.phase(Phase.REPLAY) as progress:
            server = self.start()

            def replayed() -> bool:
                segments = sum(
                    one.outcome == "restored" and bool(SEGMENT.fullmatch(one.file))
                    for one in self.requests()
                )
                progress.advance(segments * segment_bytes, total_bytes)
                log.follow()
                self._raise_if_failed(server, log.said, target, extent, segment_bytes)
                return log.said.redo_done_at is not None

            self._await(replayed, "replay of the archive")
            if log.said.stopped:
                progress.note(f"recovery stopping {log.said.stopped}")
        with watch.phase(Phase.PROMOTE) as progress:

            def promoted() -> bool:
                log.follow()
                self._raise_if_failed(server, log.said, target, extent, segment_bytes)
                return log.said.ready

            self._await(promoted, "promotion")
            with postgres.connect(endpoint) as connection:
                row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
            if row != (False,):
                raise RestoreError(
                    f"{self.data_directory}: the server is ready but still in recovery",
                    hint=f"tail {self.log}",
                )
            progress.note(f"new timeline {log.said.new_timeline}")
        return self._outcome(log.said, target, extent, segment_bytes)

    def _await(self, condition: Callable[[], bool], what: str) -> None:
        wait_until(
            condition,
            within_s=self.remaining_s(),
            what=f"{what} in {self.data_directory}",
            hint=f"tail {self.log}",
        )

    def _outcome(
        self,
        said: RecoveryLog,
        target: datetime | None,
        extent: ArchiveExtent,
        segment_bytes: int,
    ) -> Recovered:
        requests = self.requests()
        restored = [
            one.file
            for one in requests
            if one.outcome == "restored" and SEGMENT.fullmatch(one.file)
        ]
        timeline = int(max(restored)[:8], 16) if restored else None
        where = f"LSN {said.redo_done_at}"
        if timeline is not None:
            where += f" on timeline {timeline}"
        if said.stopped:
            where += f", {said.stopped}"
        lacking = None if target is not None else missing_segment(requests, extent, segment_bytes)
        early = None
        if lacking is not None:
            early = f"the archive lacks {lacking}, though it goes on to {extent.last}"
        elif target is None and _ends_before(said, extent, segment_bytes):
            early = f"replay ended before the archive's last segment, {extent.last}"
        return Recovered(
            recovered_to=where,
            recovered_until=said.last_completed,
            archive_end=None if extent.last is None else f"segment {extent.last}",
            ended_early=early,
            segments=len(restored),
        )

    def _raise_if_failed(
        self,
        server: postgres.Server,
        said: RecoveryLog,
        target: datetime | None,
        extent: ArchiveExtent,
        segment_bytes: int,
    ) -> None:
        """Turns an ended server into the error that says why."""
        if server.child.poll() is None:
            return
        requests = self.requests()
        failed = [one for one in requests if one.outcome == "failed"]
        hint = f"tail {self.log}"
        if failed:
            text = self.failures_file.read_text(encoding="utf-8", errors="replace").strip()
            raise self.tool_error(
                f"restore_command for {failed[-1].file}: got exit code {failed[-1].code}",
                text.splitlines()[-1] if text else "no output",
                hint,
            )
        complaint = postgres.last_complaint(self.log)
        if "recovery ended before configured recovery target was reached" in complaint:
            lacking = missing_segment(requests, extent, segment_bytes)
            if lacking is not None:
                raise RestoreError(
                    f"recovery to {target}: the archive lacks {lacking}, though it goes on to "
                    f"{extent.last}; replay came to {said.redo_done_at}",
                    hint=hint,
                )
            raise RestoreError(
                f"recovery to {target}: the point is later than the last transaction in the "
                f"archive, which ends with {extent.last}; expected an earlier point",
                hint=hint,
            )
        raise RestoreError(
            f"recovery in {self.data_directory}: the server ended with code "
            f"{server.child.returncode}: {complaint}",
            hint=hint,
        )

    def _configuration(self, name: str) -> Path:
        return self.scratch.directory / name


class _Tail:
    """Reads a growing log, whole lines only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size if path.exists() else 0
        self.said = RecoveryLog()

    def follow(self) -> None:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            content = file.read()
        whole, _, _ = content.rpartition(b"\n")
        if not whole:
            return
        self._offset += len(whole) + 1
        for line in whole.decode("utf-8", "replace").splitlines():
            self.said.read(line)


# -- settings -----------------------------------------------------------------------------------


def check_socket_path(scratch: Scratch) -> None:
    """RestoreError where the server's Unix socket would have too long a path."""
    length = len(str(scratch.directory)) + postgres.PORT_IN_SOCKET_BYTES
    if length > postgres.SOCKET_PATH_BYTES:
        raise RestoreError(
            f"scratch directory {scratch.directory}: a socket in it has {length} bytes, expected "
            f"at most {postgres.SOCKET_PATH_BYTES}",
            hint="export HARNESS_STATE_DIR=/var/tmp/h  # a shorter path",
        )


def scratch_endpoint(
    scratch: Scratch, *, database: str, user: str, system_identifier: str
) -> PostgresEndpoint:
    """Where the scratch server will answer: a socket, for no password protects what it holds."""
    check_socket_path(scratch)
    return PostgresEndpoint(
        host=str(scratch.directory),
        port=scratch.ports[0],
        database=database,
        user=user,
        system_identifier=system_identifier,
    )


def check_version(data_directory: Path, bin_directory: Path) -> None:
    """RestoreError where the restored data needs other programs than there are."""
    file = data_directory / "PG_VERSION"
    if not file.is_file():
        raise RestoreError(
            f"{data_directory}: no PG_VERSION in it: what was fetched is no data directory"
        )
    needed = int(file.read_text(encoding="ascii").strip().split(".")[0])
    found = postgres.major_version(bin_directory)
    if needed != found:
        raise RestoreError(
            f"{data_directory}: made by PostgreSQL {needed}, got the programs of {found} in "
            f"{bin_directory}: no such program of version {needed}",
            hint=f"apt-get install postgresql-{needed}",
        )
    if needed < _FIRST_VERSION:
        raise RestoreError(f"{data_directory}: PostgreSQL {needed}, expected 12 or newer")


def isolated_settings(control: Mapping[str, str], scratch: Scratch) -> dict[str, str]:
    """Settings of a server that reaches nobody and that nobody else reaches.

    What recovery and pg_dump need as large as the lost server had it comes from its pg_control.
    """
    return {
        "cluster_name": f"scratch {scratch.trial}",
        "listen_addresses": "",
        "port": str(scratch.ports[0]),
        "unix_socket_directories": str(scratch.directory),
        "unix_socket_permissions": "0700",
        "ssl": "off",
        "archive_mode": "off",
        "archive_command": "",
        "primary_conninfo": "",
        "primary_slot_name": "",
        "synchronous_standby_names": "",  # a commit would wait for them forever
        "max_wal_senders": "0",
        # A restored subscription would consume production's replication slot.
        "max_logical_replication_workers": "0",
        "shared_preload_libraries": "",  # pg_cron would run production's jobs
        "shared_buffers": "128MB",
        "dynamic_shared_memory_type": "mmap",  # files in the data directory: nothing to leak
        "max_connections": control["max_connections setting"],
        "max_worker_processes": control["max_worker_processes setting"],
        "max_prepared_transactions": control["max_prepared_xacts setting"],
        "max_locks_per_transaction": control["max_locks_per_xact setting"],
        # A server of hot_standby pauses where the primary raised one of those during the backup,
        # and answers before it is writable.
        "hot_standby": "off",
        "autovacuum": "off",
        "restart_after_crash": "off",
        "logging_collector": "off",
        "log_destination": "stderr",
        "log_line_prefix": "%m [%p] ",
        "log_timezone": "UTC",
        "timezone": "UTC",
        "lc_messages": "C",
        "log_statement": "none",
        "log_min_messages": "warning",
    }


def recovery_settings(command: Path, target: datetime | None) -> dict[str, str]:
    """Settings of the recovery: to `target`, or to the end of the archive."""
    settings = {
        "restore_command": f"{shlex.quote(str(command)).replace('%', '%%')} %f %p",
        "recovery_target": "",
        "recovery_target_lsn": "",
        "recovery_target_name": "",
        "recovery_target_xid": "",
        "recovery_target_time": "",
        "recovery_target_timeline": "latest",
        "recovery_target_action": "promote",
        "recovery_end_command": "",
        "archive_cleanup_command": "",
    }
    if target is not None:
        settings["recovery_target_time"] = format_time(target)
    return settings


def settings_file(settings: Mapping[str, str]) -> str:
    """Lines of a configuration file, every value quoted."""
    lines = []
    for name, value in settings.items():
        quoted = value.replace("\\", "\\\\").replace("'", "''")
        lines.append(f"{name} = '{quoted}'\n")
    return "".join(lines)


def format_time(point: datetime) -> str:
    """A timestamp with its zone, as recovery_target_time and pgBackRest's --target take it."""
    return point.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00")


def parse_log_time(text: str) -> datetime | None:
    """A timestamp of a log under log_timezone UTC: `2026-11-24 03:50:00.123456+00`."""
    match = re.match(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(\.\d{1,6})?\+00", text)
    if match is None:
        return None
    fraction = int((match[2] or ".0")[1:].ljust(6, "0"))
    found = datetime.strptime(match[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    return found.replace(microsecond=fraction)


# -- restore_command ----------------------------------------------------------------------------


def wrapper_script(get: ArchiveGet, requests: Path, failures: Path) -> str:
    """The restore_command: exit code 1 only where the archive does not have the file, else 255.

    PostgreSQL takes every code up to 125 for the end of the archive, and promotes; from 126 on it
    gives up (RestoreArchivedFile in xlogarchive.c, wait_result_is_any_signal).
    """
    command = shlex.join(str(word) for word in get.argv)
    return f"""#!/bin/sh
# restore_command of a scratch server: $1 is the WAL file's name, $2 where to put it.
said=$({command} "$1" "$2" 2>&1)
code=$?
outcome=failed
answer=255
if [ "$code" -eq 0 ] && [ -s "$2" ]; then
    outcome=restored
    answer=0
elif [ "$code" -eq {get.not_found_code} ]; then
    case $said in
    *{shlex.quote(get.not_found_text)}*)
        outcome=not-found
        answer=1
        ;;
    esac
fi
if [ "$outcome" = failed ]; then
    printf '%s\\n' "$said" >>{shlex.quote(str(failures))}
fi
printf '%s %s %s\\n' "$outcome" "$code" "$1" >>{shlex.quote(str(requests))} || exit 255
exit "$answer"
"""


def parse_requests(text: str) -> list[Request]:
    """The whole lines that the wrapper has written."""
    found = []
    for line in text.splitlines(keepends=True):
        words = line.split()
        if line.endswith("\n") and len(words) == 3:
            found.append(Request(outcome=words[0], code=int(words[1]), file=words[2]))
    return found


def missing_segment(
    requests: Sequence[Request], extent: ArchiveExtent, segment_bytes: int
) -> str | None:
    """The segment that ended replay although the archive goes on after it; None at its true end.

    Recovery asks for a segment on each timeline it may follow: it is missing where all said no.
    """
    if extent.last is None:
        return None
    last = Segment.parse(extent.last, segment_bytes)
    asked = [
        (Segment.parse(one.file, segment_bytes), one)
        for one in requests
        if SEGMENT.fullmatch(one.file)
    ]
    if not asked:
        return None
    furthest = max(segment.number for segment, _ in asked)
    answers = [(segment, one) for segment, one in asked if segment.number == furthest]
    if furthest > last.number or any(one.outcome != "not-found" for _, one in answers):
        return None
    return max(answers, key=lambda answer: answer[0].timeline)[1].file


def tool_error(subject: str, said: str, hint: str) -> RestoreError | StoreError:
    """StoreError where what a tool said speaks against the store, else RestoreError."""
    kind = StoreError if _OF_THE_STORE.search(said) else RestoreError
    return kind(f"{subject}: {said}", hint=hint)


def _replay_bytes(extent: ArchiveExtent, segment_bytes: int) -> int | None:
    if extent.backup_first is None or extent.last is None:
        return None
    first = Segment.parse(extent.backup_first, segment_bytes)
    last = Segment.parse(extent.last, segment_bytes)
    return max(0, last.number - first.number + 1) * segment_bytes


def _ends_before(said: RecoveryLog, extent: ArchiveExtent, segment_bytes: int) -> bool:
    """Whether the last record replayed is not even in the last segment but one."""
    if extent.last is None or said.redo_done_at is None:
        return False
    # One segment of tolerance: the last may hold no more than the end of a record.
    last = Segment.parse(extent.last, segment_bytes)
    return parse_lsn(said.redo_done_at) < last.starts_at(segment_bytes) - segment_bytes


# -- removal ------------------------------------------------------------------------------------


def remove_scratch(scratch: Scratch, running: ScratchServer | None) -> tuple[str, ...]:
    """Ends what runs in the scratch place and deletes it; names what is left."""
    segments = shared_memory.segments_below(scratch.directory)
    if running is not None and running.server is not None:
        try:
            # Not SIGKILL at first: it would leave a System V shared memory segment behind.
            postgres.stop_server(running.server, postgres.StopMode.IMMEDIATE, within_s=10)
        except DeadlineExceededError:
            postgres.kill_server(running.server)
    process.kill_below(scratch.directory)
    shared_memory.remove_segments(segments)  # of a server that had been killed before
    left: list[str] = []
    if scratch.directory.exists():
        shutil.rmtree(
            scratch.directory, onerror=lambda _call, path, error: left.append(f"{path}: {error[1]}")
        )
    left += [f"process {one.pid}" for one in process.working_below(scratch.directory)]
    return tuple(left)
