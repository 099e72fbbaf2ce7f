"""Reads, with pg_waldump, when the last transaction in an archive committed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from harness.drivers import process

_SEGMENTS_AT_MOST = 8
_DUMP_WITHIN_S = 60.0

# rmgr: Transaction len (rec/tot):     34/    34, tx:        735, lsn: 0/0152A0C8, prev ...,
# desc: COMMIT 2026-11-24 03:50:00.123456 UTC   (xactdesc.c; COMMIT_PREPARED has `gid: ` before)
_COMMIT = re.compile(
    r"lsn: (?P<lsn>[0-9A-F]+/[0-9A-F]+), .* desc: COMMIT(_PREPARED)? .*?"
    r"(?P<time>\d{4,}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}) UTC"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One committed transaction in the WAL."""

    at: datetime
    """By the clock of the server that wrote it."""

    lsn: str


def last_commit(
    newest_first: Iterable[str],
    fetch: Callable[[str, Path], bool],
    *,
    bin_directory: Path,
    directory: Path,
) -> Commit | None:
    """The last commit in the newest of the segments that has one; eight segments are tried.

    `fetch` puts a segment into a file of `directory` and says whether it could. None where no
    commit was found in them: an idle server's WAL may hold none.
    """
    for name in islice(newest_first, _SEGMENTS_AT_MOST):
        file = directory / name
        if not fetch(name, file):
            continue
        found = read_commits(file, bin_directory=bin_directory)
        file.unlink(missing_ok=True)
        if found:
            return max(found, key=lambda commit: commit.at)
    return None


def read_commits(segment: Path, *, bin_directory: Path) -> list[Commit]:
    """All commits in one segment file; what follows its last whole record is passed over."""
    # Its exit code is 1 at the end of every segment that was switched before it was full.
    done = process.run(
        [bin_directory / "pg_waldump", "--rmgr=Transaction", segment],
        directory=segment.parent,
        environment={"TZ": "UTC", "LC_ALL": "C"},
        timeout_s=_DUMP_WITHIN_S,
    )
    return parse_commits(done.stdout)


def parse_commits(text: str) -> list[Commit]:
    """The commits in what pg_waldump printed under TZ=UTC."""
    return [
        Commit(
            at=datetime.strptime(match["time"], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC),
            lsn=match["lsn"],
        )
        for match in map(_COMMIT.search, text.splitlines())
        if match is not None
    ]
