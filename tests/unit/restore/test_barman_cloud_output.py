"""What barman-cloud-backup-list 3.19.1 prints, and what is read from it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import msgspec
import pytest

from harness.restore.barman_cloud import parse_backup_list, unreadable_backups


def entry(**changed: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    return {
        "backup_id": "20261124T044012",
        "begin_time": "Tue Nov 24 04:40:12 2026",
        "begin_time_iso": "2026-11-24T04:40:12.123456+00:00",
        "begin_wal": "000000010000000000000002",
        "cluster_size": 26949446,
        "end_time": "Tue Nov 24 04:40:14 2026",
        "end_time_iso": "2026-11-24T04:40:14.654321+00:00",
        "end_wal": "000000010000000000000002",
        "error": None,
        "mode": "concurrent",
        "size": 27000000,
        "snapshots_info": None,
        "status": "DONE",
        "systemid": "7711585712637654239",
        "tablespaces": [["fast", 16400, "/mnt/fast"]],
        "version": 150018,
        "xlog_segment_size": 16777216,
    } | changed


def test_no_backups_are_no_backups() -> None:
    """An empty list is not an error here, and garbage is."""
    assert parse_backup_list('{"backups_list": []}') == ()
    with pytest.raises(msgspec.DecodeError):
        parse_backup_list("")


def test_a_backup_is_read_with_its_zone_its_wal_and_its_tablespaces() -> None:
    """The times with a zone are read, never those without."""
    (info,) = parse_backup_list(json.dumps({"backups_list": [entry()]}))
    assert info.tablespaces == (("fast", 16400, "/mnt/fast"),)
    assert info.xlog_segment_size == 1 << 24
    backup = info.as_backup()
    assert backup is not None
    assert backup.stopped == datetime.fromisoformat("2026-11-24T04:40:14.654321+00:00")
    assert (backup.size_bytes, backup.error) == (26949446, None)


def test_a_failed_backup_says_so_and_one_that_never_began_is_none() -> None:
    """Only DONE is done."""
    failed, begun = parse_backup_list(
        json.dumps(
            {
                "backups_list": [
                    entry(status="FAILED", error="disk full", end_time_iso=None),
                    entry(backup_id="20261125T000000", status="EMPTY", begin_time_iso=None),
                ]
            }
        )
    )
    backup = failed.as_backup()
    assert backup is not None
    assert backup.error == "status FAILED, expected DONE: disk full"
    assert begun.as_backup() is None


def test_backups_that_the_list_silently_leaves_out_are_named() -> None:
    """barman-cloud only warns of them."""
    warning = "WARNING: Unable to open backup.info file for 20261124T044012: invalid line\n"
    assert unreadable_backups("") == ()
    assert unreadable_backups(warning) == ("20261124T044012",)
