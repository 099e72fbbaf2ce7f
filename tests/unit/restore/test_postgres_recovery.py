"""The restore_command wrapper, the settings of a scratch server and what its log tells."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from harness.errors import RestoreError, StoreError
from harness.model.history import Backup
from harness.ports import Scratch
from harness.restore.postgres_recovery import (
    ArchiveExtent,
    ArchiveGet,
    RecoveryLog,
    Request,
    check_socket_path,
    format_time,
    isolated_settings,
    missing_segment,
    parse_log_time,
    parse_requests,
    recovery_settings,
    settings_file,
    tool_error,
    wrapper_script,
)
from harness.restore.postgres_tool import newest_before

SIZE = 16 << 20


def call_wrapper(tmp_path: Path, tool: str) -> tuple[int, list[Request], str]:
    """Runs the wrapper around a tool that is a shell script; code, requests, failures."""
    program, wrapper = tmp_path / "the tool", tmp_path / "wrapper"
    program.write_text(f"#!/bin/sh\n{tool}\n", encoding="utf-8")
    program.chmod(0o755)
    requests, failures = tmp_path / "requests", tmp_path / "failures"
    failures.touch()
    get = ArchiveGet(
        argv=(program, "get it"),
        environment={},
        not_found_code=1,
        not_found_text="unable to find",
    )
    wrapper.write_text(wrapper_script(get, requests, failures), encoding="utf-8")
    wrapper.chmod(0o755)
    done = subprocess.run(
        [wrapper, "000000010000000000000003", "pg_wal/RECOVERYXLOG"], cwd=tmp_path, check=False
    )
    return done.returncode, parse_requests(requests.read_text()), failures.read_text()


@pytest.mark.parametrize("code", [1, 2, 4, 49, 74, 103, 125, 126, 255])
def test_whatever_is_not_surely_not_found_ends_recovery(tmp_path: Path, code: int) -> None:
    """PostgreSQL would promote on every code up to 125: all become 255, 1 too without its text."""
    answer, requests, failures = call_wrapper(tmp_path, f"echo no luck >&2; exit {code}")
    assert answer == 255
    assert requests == [Request("failed", code, "000000010000000000000003")]
    assert "no luck" in failures


def test_not_found_is_passed_on(tmp_path: Path) -> None:
    """Code and text together say that the archive has no such file."""
    answer, requests, _ = call_wrapper(tmp_path, 'echo "unable to find $2 in the archive"; exit 1')
    assert answer == 1
    assert requests[0].outcome == "not-found"


def test_another_code_with_the_text_of_not_found_is_a_failure(tmp_path: Path) -> None:
    """A message alone proves nothing."""
    assert call_wrapper(tmp_path, "echo unable to find the host; exit 49")[0] == 255


def test_a_success_without_a_file_is_a_failure(tmp_path: Path) -> None:
    """A tool that exits with 0 and leaves nothing has not restored anything."""
    answer, requests, _ = call_wrapper(tmp_path, "exit 0")
    assert answer == 255
    assert requests[0].outcome == "failed"


def test_a_restored_file_is_counted(tmp_path: Path) -> None:
    """Name and destination reach the tool as they are."""
    (tmp_path / "pg_wal").mkdir()
    answer, requests, failures = call_wrapper(tmp_path, '[ "$1" = "get it" ] && echo "$2" > "$3"')
    assert answer == 0
    assert requests == [Request("restored", 0, "000000010000000000000003")]
    assert failures == ""


def test_a_line_that_is_being_written_is_not_read() -> None:
    """Only whole lines count."""
    assert parse_requests("") == []
    assert parse_requests("restored 0 A\nfailed 10") == [Request("restored", 0, "A")]


def test_the_true_end_of_the_archive_is_no_gap() -> None:
    """Asked for what follows the newest segment: the archive was replayed to its end."""
    extent = ArchiveExtent(backup_first=None, last="000000010000000000000004")
    requests = [
        Request("not-found", 1, "00000002.history"),
        Request("restored", 0, "000000010000000000000004"),
        Request("not-found", 1, "000000010000000000000005"),
    ]
    assert missing_segment([], extent, SIZE) is None
    assert missing_segment(requests, extent, SIZE) is None


def test_a_segment_before_the_end_that_is_not_found_is_the_gap() -> None:
    """It is missing where no timeline has it, and not where one has."""
    extent = ArchiveExtent(backup_first=None, last="000000020000000000000009")
    asked = [
        Request("restored", 0, "000000010000000000000004"),
        Request("not-found", 1, "000000020000000000000005"),
        Request("not-found", 1, "000000010000000000000005"),
    ]
    assert missing_segment(asked, extent, SIZE) == "000000020000000000000005"
    found = [*asked[:2], Request("restored", 0, "000000010000000000000005")]
    assert missing_segment(found, extent, SIZE) is None


LOG = """\
2026-11-24 03:57:44.100 UTC [9] LOG:  starting point-in-time recovery to 2026-11-24 03:57:28+00
2026-11-24 03:57:44.200 UTC [9] LOG:  redo starts at 0/2000028
2026-11-24 03:57:44.300 UTC [9] LOG:  recovery stopping before commit of transaction 742, time \
2026-11-24 03:57:28.2+00
2026-11-24 03:57:44.301 UTC [9] LOG:  redo done at 0/3000110 system usage: CPU: user: 0.00 s
2026-11-24 03:57:44.302 UTC [9] LOG:  last completed transaction was at log time \
2026-11-24 03:57:28.123456+00
2026-11-24 03:57:44.400 UTC [9] LOG:  selected new timeline ID: 2
2026-11-24 03:57:44.500 UTC [1] LOG:  database system is ready to accept connections
"""


def test_the_log_tells_where_and_why_recovery_stopped() -> None:
    """LSN, transaction, time, timeline and readiness, each from its own line."""
    said = RecoveryLog()
    assert not said.ready
    for line in LOG.splitlines():
        said.read(line)
    assert said.redo_done_at == "0/3000110"
    assert said.stopped == "before commit of transaction 742, time 2026-11-24 03:57:28.2+00"
    assert said.last_completed == datetime(2026, 11, 24, 3, 57, 28, 123456, tzinfo=UTC)
    assert said.new_timeline == 2
    assert said.ready


def test_times_keep_zone_and_microseconds_both_ways() -> None:
    """A point of another zone is written in UTC; trailing zeros are PostgreSQL's to leave out."""
    point = datetime(2026, 11, 24, 5, 0, 0, 5, tzinfo=timezone(timedelta(hours=2)))
    assert format_time(point) == "2026-11-24 03:00:00.000005+00"
    assert parse_log_time("2026-11-24 03:00:00.000005+00") == point
    assert parse_log_time("2026-11-24 03:00:00.2+00") == datetime(
        2026, 11, 24, 3, 0, 0, 200_000, tzinfo=UTC
    )
    assert parse_log_time("2026-11-24 03:00:00+00") is not None
    assert parse_log_time("24.11.2026 03:00 CET") is None


CONTROL = {
    "max_connections setting": "400",
    "max_worker_processes setting": "8",
    "max_prepared_xacts setting": "7",
    "max_locks_per_xact setting": "64",
}


def scratch_in(directory: Path) -> Scratch:
    return Scratch(trial="t1", directory=directory, ports=(15_000,))


def test_a_scratch_server_archives_nothing_and_reaches_nobody() -> None:
    """No archive, no upstream, no address, no subscription, no preloaded library."""
    settings = isolated_settings(CONTROL, scratch_in(Path("/srv/s")))
    assert settings["archive_mode"] == "off"
    for name in (
        "archive_command",
        "primary_conninfo",
        "listen_addresses",
        "shared_preload_libraries",
        "synchronous_standby_names",
    ):
        assert settings[name] == ""
    assert settings["max_logical_replication_workers"] == "0"
    assert settings["max_connections"] == "400"
    assert settings["max_prepared_transactions"] == "7"


def test_the_latest_has_no_target_and_a_point_has_one_with_its_zone() -> None:
    """A target later than the last commit would be fatal, so that the latest has none."""
    command = Path("/srv/it's 100%/restore")
    assert recovery_settings(command, None)["recovery_target_time"] == ""
    point = datetime(2026, 11, 24, tzinfo=UTC)
    settings = recovery_settings(command, point)
    assert settings["recovery_target_time"] == "2026-11-24 00:00:00.000000+00"
    assert settings["recovery_target_action"] == "promote"
    assert "100%%" in settings["restore_command"]
    assert settings_file({"a": "it's"}) == "a = 'it''s'\n"


def test_too_long_a_path_for_a_socket_is_refused_before_anything_is_fetched() -> None:
    """107 bytes is all that Linux gives."""
    check_socket_path(scratch_in(Path("/srv/h/p/restore-abcdef")))
    with pytest.raises(RestoreError, match="at most 107"):
        check_socket_path(scratch_in(Path("/" + "x" * 95)))


def test_what_speaks_against_the_store_is_a_store_error() -> None:
    """Whatever else a tool says, speaks against the backup."""
    for said in ("unable to connect to 'x': [111]", "HTTP request failed with 403 (Forbidden)"):
        assert isinstance(tool_error("pgbackrest", said, "hint"), StoreError)
    for said in ("invalid checksum", "unable to find WAL"):
        assert isinstance(tool_error("pgbackrest", said, "hint"), RestoreError)


def backup(label: str, stopped: datetime) -> Backup:
    return Backup(label=label, kind="full", started=stopped, stopped=stopped, size_bytes=1)


def test_the_chosen_backup_surely_ended_before_the_point() -> None:
    """A backup that ended within the point's second may have ended after it."""
    at = datetime(2026, 11, 24, 3, 0, 0, tzinfo=UTC)
    backups = [backup("old", at - timedelta(days=1)), backup("new", at)]
    with pytest.raises(RestoreError, match="no backup found"):
        newest_before([], None, "db", "hint")
    assert newest_before(backups, None, "db", "hint").label == "new"
    assert newest_before(backups, at + timedelta(seconds=1), "db", "hint").label == "new"
    assert newest_before(backups, at + timedelta(seconds=0.9), "db", "hint").label == "old"
    with pytest.raises(RestoreError, match="no backup ended before"):
        newest_before(backups, at - timedelta(days=2), "db", "hint")


def test_the_wrapper_is_the_shell_of_every_system(tmp_path: Path) -> None:
    """`sh -n` finds nothing wrong with it, whatever the paths are."""
    get = ArchiveGet(argv=("a b", "c'd"), environment={}, not_found_code=1, not_found_text="a* b")
    script = wrapper_script(get, tmp_path / "r q", tmp_path / "f")
    done = subprocess.run(["sh", "-n"], input=script.encode(), env=dict(os.environ), check=False)
    assert done.returncode == 0
