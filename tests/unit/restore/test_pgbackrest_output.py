"""What pgBackRest 2.45 printed, recorded, and what is read from it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from harness.errors import RestoreError, StoreError
from harness.model.history import Outcome
from harness.restore.pgbackrest_output import (
    RestoreLog,
    compare_with_manifest,
    last_error,
    meaning_of,
    parse_info,
    read_verify,
)

FULL = "20261124-035726F"
INCR = "20261124-035726F_20261124-035728I"


def entry(label: str, kind: str, start: str, stop: str, at: int) -> dict[str, Any]:
    return {
        "archive": {"start": start, "stop": stop},
        "backrest": {"format": 5, "version": "2.45"},
        "database": {"id": 1, "repo-key": 1},
        "error": False,
        "info": {
            "delta": 25089853,
            "repository": {"delta": 3435200, "size": 3435200},
            "size": 25089853,
        },
        "label": label,
        "lsn": {"start": "0/2000028", "stop": "0/2000100"},
        "prior": None,
        "reference": None if kind == "full" else [FULL],
        "timestamp": {"start": at, "stop": at + 1},
        "type": kind,
    }


def info(**changed: Any) -> str:  # noqa: ANN401 - any JSON
    stanza = {
        "archive": [
            {
                "database": {"id": 1, "repo-key": 1},
                "id": "15-1",
                "max": "000000010000000000000008",
                "min": "000000010000000000000001",
            }
        ],
        "backup": [
            entry(INCR, "incr", "0" * 7 + "1" + "0" * 15 + "6", "0" * 7 + "1" + "0" * 15 + "7", 20),
            entry(FULL, "full", "0" * 7 + "1" + "0" * 15 + "2", "0" * 7 + "1" + "0" * 15 + "2", 10),
        ],
        "cipher": "aes-256-cbc",
        "db": [{"id": 1, "repo-key": 1, "system-id": 7711585712637654239, "version": "15"}],
        "name": "orders",
        "repo": [{"cipher": "aes-256-cbc", "key": 1, "status": {"code": 0, "message": "ok"}}],
        "status": {"code": 0, "lock": {"backup": {"held": False}}, "message": "ok"},
    }
    return json.dumps([stanza | changed])


def bad_repository(code: int, message: str) -> str:
    """As pgBackRest writes it: compact, the repository's status first in its list."""
    status = json.dumps({"code": code, "message": message}, separators=(",", ":"))
    return (
        '[{"archive":[],"backup":[],"cipher":"aes-256-cbc","db":[],"name":"orders","repo":'
        f'[{{"cipher":"aes-256-cbc","key":1,"status":{status}}}],'
        '"status":{"code":99,"message":"other"}}]'
    )


def test_no_stanza_is_an_error() -> None:
    """An empty list, and a list of others, are not the stanza asked for."""
    with pytest.raises(RestoreError, match="not in the repository, got none"):
        parse_info("[]", "orders", "hint")
    with pytest.raises(RestoreError, match="got orders"):
        parse_info(info(), "customers", "hint")
    with pytest.raises(RestoreError, match="pgbackrest info"):
        parse_info("", "orders", "hint")


def test_backups_are_listed_oldest_first_with_what_they_build_on() -> None:
    """Labels, times in UTC, sizes, references, archive and system identifier."""
    stanza = parse_info(info(), "orders", "hint")
    full, incr = stanza.backups()
    assert (full.label, incr.label) == (FULL, INCR)
    assert incr.references == (FULL,)
    assert full.stopped == datetime.fromtimestamp(11, UTC)
    assert (full.size_bytes, full.stored_bytes, full.error) == (25089853, 3435200, None)
    newest = stanza.newest()
    assert newest.label == INCR
    archive = stanza.archive_of(newest)
    assert archive is not None
    assert archive.max == "000000010000000000000008"
    assert stanza.database_of(newest).system_id == 7711585712637654239


def test_a_backup_with_page_errors_says_so() -> None:
    """`error: true` is what pgBackRest found while it took the backup."""
    flawed = entry(FULL, "full", "0" * 24, "0" * 24, 10) | {"error": True}
    (backup,) = parse_info(info(backup=[flawed]), "orders", "hint").backups()
    assert backup.error is not None


@pytest.mark.parametrize(
    ("code", "message", "kind", "says"),
    [
        (1, "missing stanza path", RestoreError, "missing stanza path"),
        (2, "no valid backups", RestoreError, "no backup found"),
        (
            99,
            "[FormatError] unable to load info file '/r'\nFormatError: key/value: \x00\x1b[31m�",
            RestoreError,
            "wrong passphrase",
        ),
        (
            99,
            "[HostConnectError] unable to connect to 'localhost:19999': [111] Connection refused",
            StoreError,
            "unable to connect",
        ),
    ],
)
def test_a_status_is_an_error_although_info_exits_with_0(
    code: int, message: str, kind: type[Exception], says: str
) -> None:
    """The message is cut to what can be printed."""
    with pytest.raises(kind, match=says) as caught:
        parse_info(bad_repository(code, message), "orders", "hint")
    assert str(caught.value).isprintable()


def test_a_message_that_is_no_json_is_still_understood() -> None:
    """Undecipherable bytes are quoted raw."""
    text = bad_repository(99, "[CryptoError] unable to flush").replace(
        "flush", "flush\x01\x02\ufffd"
    )
    with pytest.raises(RestoreError, match="wrong passphrase"):
        parse_info(text, "orders", "hint")


RESTORE = """\
2026-11-24 03:57:40.575 P00   INFO: repo1: restore backup set 20261124-035726F_20261124-035728I, \
recovery will start at 2026-11-24 03:57:28
2026-11-24 03:57:43.007 P02 DETAIL: restore file /s/data/base/1/1247 (bundle 20261124-035726F/1/\
2640352, 120KB, 99.97%) checksum ac6adb4e59221321a41f74669d4ec66e7eefa35c
2026-11-24 03:57:43.007 P01 DETAIL: restore file /s/data/base/5/16391 (2.6MB, 10.15%) checksum \
c9f0eea869daf41b27aa32d42745ba066e45da42
"""


def test_the_restore_log_proves_the_backup_and_tells_how_far_it_is() -> None:
    """Two processes report out of order: the furthest counts."""
    said = RestoreLog()
    for line in RESTORE.splitlines():
        said.read(line)
    assert said.backup == INCR
    assert said.percent == pytest.approx(99.97)


MANIFEST = """\
[backup]
backup-label="20261124-035726F"

[target:file]
pg_data/PG_VERSION={"checksum":"c9f0eea869daf41b27aa32d42745ba066e45da42","size":3}
pg_data/base/1/1247={"bni":1,"bno":80,"checksum":"ac6adb4e59221321a41f74669d4ec66e7eefa35c","size":9}
pg_tblspc/16384/PG_15/5/1={"checksum":"c9f0eea869daf41b27aa32d42745ba066e45da42","size":3}
pg_data/base/1/6100={"checksum":"da39a3ee5e6b4b0d3255bfef95601890afd80709","size":0}
"""
HASHED = """\
P01 DETAIL: restore file /s/data/PG_VERSION (3B, 20%) checksum \
c9f0eea869daf41b27aa32d42745ba066e45da42
P02 DETAIL: restore file /t/16384/PG_15/5/1 (3B, 40%) checksum \
c9f0eea869daf41b27aa32d42745ba066e45da42
P01 DETAIL: restore file /s/data/base/1/6100 (0B, 40%)
P01 DETAIL: restore file /s/data/base/1/1247 (bundle 1/80, 9B, 100%) checksum \
ac6adb4e59221321a41f74669d4ec66e7eefa35c
"""


def test_every_file_of_the_manifest_was_hashed_while_it_was_restored() -> None:
    """Empty files have nothing to hash; files of one content are counted."""
    found = compare_with_manifest(MANIFEST, HASHED)
    assert (found.outcome, found.examined, found.damage) == (Outcome.OK, 3, ())


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (0, "pg_tblspc/16384/PG_15/5/1"),
        (1, "pg_tblspc/16384/PG_15/5/1"),
        (3, "pg_data/base/1/1247"),
    ],
)
def test_a_file_of_the_manifest_that_was_not_restored_is_damage(line: int, name: str) -> None:
    """Whichever is left out; of two files of one content the later one is named."""
    lines = HASHED.splitlines()
    found = compare_with_manifest(MANIFEST, "\n".join(lines[:line] + lines[line + 1 :]))
    assert found.outcome is Outcome.FAIL
    assert [one.split(":")[0] for one in found.damage] == [name]


def test_another_checksum_than_the_manifests_is_damage() -> None:
    """As where the tool compared with another manifest."""
    found = compare_with_manifest(MANIFEST, HASHED.replace("checksum ac", "checksum bd"))
    assert found.outcome is Outcome.FAIL
    assert "pg_data/base/1/1247" in found.damage[0]


def test_a_manifest_without_files_proves_nothing() -> None:
    """The vacuous case: an empty log is damage, an empty manifest says nothing."""
    assert compare_with_manifest("", HASHED).outcome is Outcome.INDETERMINATE
    assert compare_with_manifest("[target:file]\n", HASHED).examined == 0
    assert compare_with_manifest(MANIFEST, "").outcome is Outcome.FAIL


def test_the_last_error_is_found_with_its_explanation() -> None:
    """Hints and statistics are left out."""
    text = (
        "2026-11-24 04:20:45.761 P00  ERROR: [029]: raised from local-1 protocol: error restoring\n"
        "                                    invalid checksum\n"
        "                                    HINT: try again\n"
        "2026-11-24 04:20:45.761 P00   INFO: restore command end: aborted with exception [029]\n"
    )
    error = "[029]: raised from local-1 protocol: error restoring invalid checksum"
    assert last_error(text) == error
    assert last_error("INFO: all well") is None
    assert meaning_of(95).startswith("95 (crypto")
    assert meaning_of(250) == "250"


VERIFIED = f"""\
stanza: orders
status: ok
  archiveId: 15-1, total WAL checked: 8, total valid WAL: 8
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
  backup: {FULL}, status: valid, total files checked: 970, total valid files: 970
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
  backup: {INCR}, status: valid, total files checked: 970, total valid files: 970
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
"""


def test_a_verify_that_says_nothing_proves_nothing() -> None:
    """2.45 prints nothing without --verbose, and exits with 0."""
    assert read_verify("", [FULL]).outcome is Outcome.INDETERMINATE
    assert read_verify("stanza: orders\nstatus: ok\n", [FULL]).outcome is Outcome.INDETERMINATE


def test_a_clean_verify_counts_files_and_wal() -> None:
    """Every needed backup must have been looked at."""
    found = read_verify(VERIFIED, [INCR, FULL])
    assert (found.outcome, found.examined) == (Outcome.OK, 8 + 970 + 970)
    other = read_verify(VERIFIED, ["20261125-000000F"])
    assert other.outcome is Outcome.INDETERMINATE
    assert "20261125-000000F" in other.detail


def test_every_kind_of_damage_in_verify_fails() -> None:
    """A checksum, a missing WAL segment, an unreadable repository."""
    checksum = VERIFIED.replace("status: ok", "status: error").replace(
        f"{FULL}, status: valid, total files checked: 970, total valid files: 970\n"
        "    missing: 0, checksum invalid: 0",
        f"{FULL}, status: invalid, total files checked: 970, total valid files: 969\n"
        "    missing: 0, checksum invalid: 1",
    )
    found = read_verify(checksum, [FULL])
    assert found.outcome is Outcome.FAIL
    assert found.damage == (f"{FULL}: invalid", f"{FULL}: 1 checksum")
    wal = VERIFIED.replace("missing: 0, checksum invalid: 0", "missing: 1, checksum invalid: 0", 1)
    assert read_verify(wal, [FULL]).damage == ("15-1: 1 missing",)
    unreadable = "stanza: orders\nstatus: error\n  No usable backup.info file\n"
    assert read_verify(unreadable, [FULL]).outcome is Outcome.FAIL
