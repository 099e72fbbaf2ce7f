"""Verifies a restored PostgreSQL server at every level that does not depend on the backup tool.

Damage is an outcome. A server that dies while it is looked at has shown nothing: INDETERMINATE.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec
import psycopg

from harness.drivers import postgres, process
from harness.errors import DeadlineExceededError, RestoreError
from harness.model.history import Outcome
from harness.model.suite import Level, SqlInvariant, Verification
from harness.ports import PostgresEndpoint
from harness.restore.postgres_recovery import ScratchServer

NAMED_AT_MOST = 50
_WITHIN_S = 6 * 3600.0
_INVARIANT_WITHIN_S = 600.0
_STARTS_WITHIN_S = 300.0
_GONE = re.compile(
    r"server closed the connection|could not connect|connection to server .* failed|"
    r"terminating connection|the database system is|no connection to the server"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one level found."""

    outcome: Outcome
    examined: int
    detail: str
    damage: tuple[str, ...] = ()


def verify_level(
    running: ScratchServer, endpoint: PostgresEndpoint, verification: Verification, level: Level
) -> Found:
    """One of STRUCTURE, AMCHECK, LOGICAL_READ and INVARIANTS."""
    steps: dict[Level, Callable[[], Found]] = {
        Level.STRUCTURE: lambda: check_page_checksums(running, endpoint),
        Level.AMCHECK: lambda: check_heaps_and_indexes(
            running, endpoint, heap_all_indexed=verification.heap_all_indexed
        ),
        Level.LOGICAL_READ: lambda: dump_to_nowhere(running, endpoint),
        Level.INVARIANTS: lambda: check_invariants(
            endpoint,
            [one for one in verification.invariants if isinstance(one, SqlInvariant)],
        ),
    }
    if level not in steps:
        raise ValueError(f"level {level} is not one of a PostgreSQL server's")
    try:
        return steps[level]()
    except process.InterruptedChildError:
        raise
    except (RestoreError, DeadlineExceededError) as error:
        return Found(outcome=Outcome.INDETERMINATE, examined=0, detail=str(error))


# -- page checksums -----------------------------------------------------------------------------

_BAD_BLOCK = re.compile(
    r'checksum verification failed in file "(?P<file>[^"]+)", block (?P<block>\d+)'
)


def check_page_checksums(running: ScratchServer, endpoint: PostgresEndpoint) -> Found:
    """pg_checksums over the data directory of the cleanly stopped server, which starts again.

    Offline, because only that reads every page of every fork and access method from disk, as they
    are after replay; what asks the server (pg_amcheck, pg_dump) sees heaps and B-trees, in part
    from its own memory, and pg_basebackup names five pages a file at most. It costs one checkpoint
    and one start, outside the RTA.
    """
    if running.server is not None:
        postgres.raise_if_ended(running.server)
    running.stop()
    try:
        done = process.run(
            [running.bin_directory / "pg_checksums", "--check", "-D", running.data_directory],
            directory=running.scratch.directory,
            environment={"LC_ALL": "C"},
            user=running.user,
            timeout_s=_WITHIN_S,
        )
    finally:
        # The levels that follow need a server, also after damage.
        server = running.start()
        postgres.await_accepting(server, endpoint, within_s=_STARTS_WITHIN_S)
    return read_checksums(done.stdout, done.stderr, done.returncode)


def read_checksums(stdout: str, stderr: str, code: int) -> Found:
    """The outcome of pg_checksums from what it printed."""
    counts = {
        name: int(value)
        for name, value in re.findall(r"^([A-Z][a-z ]+):\s+(\d+)$", stdout, re.MULTILINE)
    }
    blocks, bad = counts.get("Blocks scanned", 0), counts.get("Bad checksums", 0)
    damage = [f"{match['file']} block {match['block']}" for match in _BAD_BLOCK.finditer(stderr)]
    if "data checksums are not enabled" in stderr:
        return Found(
            outcome=Outcome.INDETERMINATE,
            examined=0,
            detail="the cluster has no page checksums (initdb --data-checksums, pg_checksums -e)",
        )
    if damage or bad:
        return Found(
            outcome=Outcome.FAIL,
            examined=blocks,
            detail=f"{bad or len(damage)} of {blocks} pages have a wrong checksum",
            damage=tuple(damage[:NAMED_AT_MOST]),
        )
    if code != 0 or blocks == 0:
        said = _last_line(stderr) or f"exit code {code}"
        # A relation file of a wrong length or that cannot be read ends pg_checksums at once.
        broken = "could not read block" in stderr
        return Found(
            outcome=Outcome.FAIL if broken else Outcome.INDETERMINATE,
            examined=blocks,
            detail=f"pg_checksums: {said}",
            damage=(said,) if broken else (),
        )
    files = counts.get("Files scanned", 0)
    return Found(
        outcome=Outcome.OK, examined=blocks, detail=f"{blocks} pages of {files} files have theirs"
    )


# -- amcheck ------------------------------------------------------------------------------------

_RELATION = re.compile(r'(?:heap table|btree index) "(?P<name>[^"]+)"(?P<where>[^:]*):')
_PROGRESS = re.compile(r"(\d+)/(\d+) relations \(\s*\d+%\)")


def check_heaps_and_indexes(
    running: ScratchServer, endpoint: PostgresEndpoint, *, heap_all_indexed: bool
) -> Found:
    """pg_amcheck over every heap and B-tree of every database, amcheck installed where missing."""
    argv: list[str | Path] = [
        running.bin_directory / "pg_amcheck",
        *postgres.client_options(endpoint),
        f"--maintenance-db={endpoint.database}",
        *("--all", "--install-missing", "--progress", f"--jobs={os.cpu_count() or 1}"),
    ]
    if heap_all_indexed:
        argv.append("--heapallindexed")
    done = process.run(
        argv,
        directory=running.scratch.directory,
        environment={"LC_ALL": "C"},
        timeout_s=_WITHIN_S,
    )
    return read_amcheck(done.stdout, done.stderr, done.returncode)


def read_amcheck(stdout: str, stderr: str, code: int) -> Found:
    """The outcome of pg_amcheck from what it printed: what is damaged stands on standard output."""
    counted = _PROGRESS.findall(stderr)
    examined = int(counted[-1][0]) if counted else 0
    total = int(counted[-1][1]) if counted else 0
    skipped = re.findall(r'skipping database "([^"]+)"', stderr)
    damage = read_damage(stdout)
    if _GONE.search(stderr) or _GONE.search(stdout):
        lost = next(
            line for line in (stderr + "\n" + stdout).splitlines() if _GONE.search(line)
        ).strip()
        return Found(
            outcome=Outcome.INDETERMINATE,
            examined=examined,
            detail=f"the server went away after {examined} of {total} relations: {lost}",
        )
    if damage:
        return Found(
            outcome=Outcome.FAIL,
            examined=examined,
            detail=f"pg_amcheck: {len(damage)} relations are damaged; {damage[0]}",
            damage=tuple(damage[:NAMED_AT_MOST]),
        )
    if code != 0 or examined == 0 or examined < total or skipped:
        said = f"skipped {', '.join(skipped)}" if skipped else _last_line(_without_progress(stderr))
        return Found(
            outcome=Outcome.INDETERMINATE,
            examined=examined,
            detail=f"pg_amcheck: exit code {code}, {examined} of {total} relations: {said}",
        )
    return Found(
        outcome=Outcome.OK, examined=examined, detail=f"{examined} heaps and B-trees are sound"
    )


def read_damage(stdout: str) -> list[str]:
    """The damaged relations of pg_amcheck's report, each with the first thing said of it.

    A report is `heap table "db.schema.name", block 3, offset 2:` (or `btree index "...":`) with
    indented lines after it.
    """
    found: dict[str, str] = {}
    subject: str | None = None
    for line in stdout.splitlines():
        if match := re.match(
            r'(?:heap table|btree index) "(?P<name>[^"]+)"(?P<where>[^:]*):', line
        ):
            subject = match["name"]
            if match["where"]:
                found.setdefault(subject, match["where"].strip(", "))
        elif subject is not None and line.startswith(" ") and line.strip():
            found.setdefault(subject, line.strip())
    return [f"{name}: {said}" for name, said in found.items()]


# -- a full logical read ------------------------------------------------------------------------

_DUMPED = re.compile(r'dumping contents of table "([^"]+)"')


def dump_to_nowhere(running: ScratchServer, endpoint: PostgresEndpoint) -> Found:
    """pg_dump of every database to nowhere: every row is read, detoasted and printed."""
    with postgres.connect(endpoint) as connection:
        databases = [
            row[0]
            for row in connection.execute(
                "SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname"
            ).fetchall()
        ]
    tables = 0
    damage: list[str] = []
    for database in databases:
        there = msgspec.structs.replace(endpoint, database=database)
        done = process.run(
            [
                running.bin_directory / "pg_dump",
                *postgres.client_options(there),
                f"--dbname={database}",
                *("--format=plain", "--file=/dev/null", "--no-sync", "--verbose"),
            ],
            directory=running.scratch.directory,
            environment={"LC_ALL": "C"},
            timeout_s=_WITHIN_S,
        )
        begun = _DUMPED.findall(done.stderr)
        tables += len(begun)
        if done.returncode == 0:
            continue
        said = read_dump_error(done.stderr) or done.last_line()
        if _GONE.search(done.stderr):
            return Found(
                outcome=Outcome.INDETERMINATE,
                examined=tables,
                detail=f"the server went away while {database} was dumped: {said}",
            )
        damage.append(f"{database}.{begun[-1]}: {said}" if begun else f"{database}: {said}")
    if damage:
        return Found(
            outcome=Outcome.FAIL,
            examined=tables,
            detail=f"pg_dump: {damage[0]}",
            damage=tuple(damage[:NAMED_AT_MOST]),
        )
    if tables == 0:
        return Found(
            outcome=Outcome.INDETERMINATE,
            examined=0,
            detail=f"no table in {', '.join(databases)}: nothing was read",
        )
    return Found(
        outcome=Outcome.OK,
        examined=tables,
        detail=f"every row of {tables} tables in {len(databases)} databases was read",
    )


def read_dump_error(stderr: str) -> str | None:
    """What the server said where pg_dump ended with an error, else what pg_dump said."""
    for sign in ("Error message from server: ", "error: "):
        for line in stderr.splitlines():
            if sign in line:
                return line.partition(sign)[2].strip()
    return None


# -- invariants ---------------------------------------------------------------------------------


def check_invariants(endpoint: PostgresEndpoint, invariants: Sequence[SqlInvariant]) -> Found:
    """Each of the suite's queries returns the one value, as text, that it must."""
    if not invariants:
        return Found(
            outcome=Outcome.INDETERMINATE, examined=0, detail="the suite has no SQL invariant"
        )
    damage = []
    with postgres.connect(endpoint, statement_timeout_s=_INVARIANT_WITHIN_S) as connection:
        for invariant in invariants:
            got = _ask(connection, invariant)
            if not fnmatchcase(got, invariant.expect):
                damage.append(f"{invariant.name}: got {got[:80]}, expected {invariant.expect}")
    held = len(invariants) - len(damage)
    return Found(
        outcome=Outcome.FAIL if damage else Outcome.OK,
        examined=len(invariants),
        detail=f"{held} of {len(invariants)} invariants hold"
        + (f"; {damage[0]}" if damage else ""),
        damage=tuple(damage[:NAMED_AT_MOST]),
    )


def _ask(connection: psycopg.Connection, invariant: SqlInvariant) -> str:
    """The value as the server writes it; what the server refuses is its answer, too.

    A query that takes too long, or a server that goes away, is raised: nothing is known then.
    """
    try:
        cursor = connection.execute(invariant.sql.encode())
    except psycopg.errors.QueryCanceled:
        raise
    except psycopg.Error as error:
        if connection.broken or error.sqlstate is None or error.sqlstate.startswith("57"):
            raise
        return f"error {error.sqlstate}: {str(error).splitlines()[0]}"
    result = cursor.pgresult
    if result is None or result.ntuples != 1 or result.nfields != 1:
        return "no rows" if result is None else f"{result.ntuples} rows of {result.nfields} values"
    value = result.get_value(0, 0)
    return "NULL" if value is None else value.decode()


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def _without_progress(text: str) -> str:
    return "\n".join(
        line for line in re.split(r"[\r\n]", text) if line.strip() and not _PROGRESS.search(line)
    )
