"""Keeps the rows of the track record in SQLite or PostgreSQL: one schema, one set of queries.

It is a cache of run directories, and no evidence: whatever is wrong with it, it is made anew from
them. Rows of a run are written in one transaction, and who writes waits for who is writing.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, cast

from harness.errors import SurroundingsError
from harness.model.track_record import Answer, Limit, RunShown, Showing, Worse
from harness.model.verdict import Verdict

FILE = ".track-record.sqlite"
"""In the folder of runs."""

_VERSION = 1
"""In the names of the tables: another schema has other tables, and is filled anew."""

_WAIT_S = 10.0
"""How long a lock of another process is waited for: it takes in runs, some milliseconds each."""

_LOCK = 0x7265636F
"""Of PostgreSQL's advisory locks, for those who write this record (manual, 13.3.5)."""

_RUNS = f"track_record_{_VERSION}_runs"
_ANSWERS = f"track_record_{_VERSION}_answers"
_SHOWINGS = f"track_record_{_VERSION}_showings"

_COLUMNS = {
    _RUNS: (
        "run",
        "origin",
        "state",
        "digest",
        "refused",
        "suite",
        "environment",
        "at_us",
        "verdict",
        "sealed",
        "sequence",
        "version",
    ),
    _ANSWERS: ("run", "target", "verdict", "trials", "claim", "promise"),
    _SHOWINGS: (
        "run",
        "position",
        "finding",
        "check_name",
        "target",
        "scenario",
        "subject",
        "verdict",
        "trials",
        "measure",
        "unit",
        "value",
        "low",
        "high",
        "worse",
        "limit_at",
    ),
}

_SCHEMA = (
    f"""CREATE TABLE IF NOT EXISTS {_RUNS} (
        run TEXT NOT NULL, origin TEXT NOT NULL, state TEXT NOT NULL, digest TEXT NOT NULL,
        refused TEXT, suite TEXT, environment TEXT, at_us BIGINT, verdict TEXT, sealed BIGINT,
        sequence BIGINT, version TEXT, PRIMARY KEY (origin, run))""",
    f"""CREATE TABLE IF NOT EXISTS {_ANSWERS} (
        run TEXT NOT NULL, target TEXT NOT NULL, verdict TEXT NOT NULL, trials BIGINT NOT NULL,
        claim TEXT, promise TEXT NOT NULL, PRIMARY KEY (run, target))""",
    f"""CREATE TABLE IF NOT EXISTS {_SHOWINGS} (
        run TEXT NOT NULL, position BIGINT NOT NULL, finding TEXT NOT NULL,
        check_name TEXT NOT NULL, target TEXT, scenario TEXT, subject TEXT, verdict TEXT NOT NULL,
        trials BIGINT NOT NULL, measure TEXT, unit TEXT, value DOUBLE PRECISION,
        low DOUBLE PRECISION, high DOUBLE PRECISION, worse TEXT, limit_at DOUBLE PRECISION,
        PRIMARY KEY (run, position))""",
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class DatabaseError(SurroundingsError):
    """The database did not answer, or not with what was kept in it."""


class _Connection(Protocol):
    def execute(self, query: Any, parameters: Sequence[Any] = (), /) -> Any: ...  # noqa: ANN401 - that of either driver

    def close(self) -> None: ...


class Database:
    """The rows of all runs that were taken in."""

    def __init__(self, connection: _Connection, *, mark: str, begin: Sequence[str]) -> None:
        """`mark`: a parameter in the driver's SQL; `begin`: what locks out other writers."""
        self._connection = connection
        self._mark = mark
        self._begin = begin
        self._errors: tuple[type[Exception], ...] = (sqlite3.Error,)
        if mark != "?":
            import psycopg

            self._errors = (psycopg.Error,)

    @classmethod
    def sqlite(cls, path: Path | None) -> Database:
        """A file, made where it is not there; None: in memory. DatabaseError."""
        try:
            connection = sqlite3.connect(
                ":memory:" if path is None else path, timeout=_WAIT_S, isolation_level=None
            )
            database = cls(connection, mark="?", begin=("BEGIN IMMEDIATE",))
        except sqlite3.Error as error:
            raise DatabaseError(f"{path}: {error}") from error
        database._create(str(path))
        return database

    @classmethod
    def postgresql(cls, conninfo: str) -> Database:
        """A connection string of libpq without a password (manual, 34.1.1). DatabaseError."""
        import psycopg

        try:
            connection = psycopg.connect(conninfo, autocommit=True, connect_timeout=int(_WAIT_S))
        except psycopg.Error as error:
            raise DatabaseError(
                f"track record in PostgreSQL: {str(error).strip()}",
                hint="psql with the same connection string; harness history --local does without",
            ) from error
        database = cls(
            cast("_Connection", connection),  # psycopg types its queries more narrowly
            mark="%s",
            begin=("BEGIN", f"SELECT pg_advisory_xact_lock({_LOCK})"),
        )
        database._create("track record in PostgreSQL")
        return database

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction that no other writer is in; all or nothing of it stays."""
        try:
            for statement in self._begin:
                self._connection.execute(statement)
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except self._errors as error:
            raise DatabaseError(f"track record: {error}") from error

    def known(self, origin: str) -> dict[str, tuple[str, str]]:
        """Run -> (state of its files, their digest) when it was read, of one folder."""
        rows = self._all(f"SELECT run, state, digest FROM {_RUNS} WHERE origin = ?", (origin,))  # noqa: S608 - our own names
        return {run: (state, digest) for run, state, digest in rows}

    def keep(self, origin: str, run: str, state: str) -> None:
        """Its files were copied or touched, and say the same."""
        query = f"UPDATE {_RUNS} SET state = ? WHERE run = ? AND origin = ?"  # noqa: S608
        self._run(query, (state, run, origin))

    def put(
        self,
        origin: str,
        read: tuple[str, str],
        run: RunShown,
        answers: Iterable[Answer],
        showings: Iterable[Showing],
    ) -> None:
        """The rows of one run, in place of those it had; `read`: as `known` gives it."""
        self._forget_rows(origin, run.run)
        self._insert(
            _RUNS,
            [
                (
                    run.run,
                    origin,
                    *read,
                    None,
                    run.suite,
                    run.environment,
                    (run.at - _EPOCH) // _MICROSECOND,
                    run.verdict,
                    int(run.sealed),
                    run.sequence,
                    run.version,
                )
            ],
        )
        self._insert(
            _ANSWERS,
            [(a.run, a.target, a.verdict, a.trials, a.claim, a.promise) for a in answers],
        )
        self._insert(
            _SHOWINGS,
            [
                (
                    one.run,
                    position,
                    one.finding,
                    one.check,
                    one.target,
                    one.scenario,
                    one.subject,
                    one.verdict,
                    one.trials,
                    one.measure,
                    one.unit,
                    one.value,
                    one.low,
                    one.high,
                    None if one.limit is None else one.limit.worse,
                    None if one.limit is None else one.limit.at,
                )
                for position, one in enumerate(showings)
            ],
        )

    def refuse(self, origin: str, read: tuple[str, str], run: str, because: str) -> None:
        """A run that does not count, and why: it is not read again until it is another."""
        self._forget_rows(origin, run)
        self._insert(
            _RUNS, [(run, origin, *read, because, None, None, None, None, None, None, None)]
        )

    def forget(self, origin: str, runs: Iterable[str]) -> None:
        """Runs that are not there any more: what cannot be looked up is not told."""
        for run in runs:
            self._run(f"DELETE FROM {_RUNS} WHERE run = ? AND origin = ?", (run, origin))  # noqa: S608
            for table in (_ANSWERS, _SHOWINGS):
                self._run(
                    f"DELETE FROM {table} WHERE run = ? "  # noqa: S608
                    f"AND NOT EXISTS (SELECT 1 FROM {_RUNS} WHERE run = ?)",
                    (run, run),
                )

    def runs(self) -> tuple[RunShown, ...]:
        """All that count, oldest first: by their time, then by the number of their seal, then by
        name. A run that lies in two folders is one.
        """
        rows = self._all(
            f"SELECT DISTINCT run, suite, environment, at_us, verdict, sealed, sequence, version "  # noqa: S608
            f"FROM {_RUNS} WHERE refused IS NULL"
        )
        found = [
            RunShown(
                run=run,
                suite=suite,
                environment=environment,
                at=_EPOCH + at_us * _MICROSECOND,
                verdict=Verdict(verdict),
                sealed=bool(sealed),
                sequence=sequence,
                version=version,
            )
            for run, suite, environment, at_us, verdict, sealed, sequence, version in rows
        ]
        unique = {one.run: one for one in found}
        return tuple(
            sorted(
                unique.values(),
                key=lambda one: (one.at, -1 if one.sequence is None else one.sequence, one.run),
            )
        )

    def refused(self) -> tuple[tuple[str, str], ...]:
        """(run, why) of those that do not count."""
        rows = self._all(
            f"SELECT run, refused FROM {_RUNS} WHERE refused IS NOT NULL ORDER BY run"  # noqa: S608
        )
        return tuple((run, because) for run, because in rows)

    def answers(self, target: str | None = None, *, last: int | None = None) -> tuple[Answer, ...]:
        """Of one target, or of all; of the `last` runs of each environment and suite, or of all."""
        where = [] if target is None else ["target = ?"]
        if last is not None:
            where.append(_of_last(last))
        rows = self._all(
            f"SELECT {', '.join(_COLUMNS[_ANSWERS])} FROM {_ANSWERS}"  # noqa: S608
            + (f" WHERE {' AND '.join(where)}" if where else ""),
            () if target is None else (target,),
        )
        verdicts = {one.value: one for one in Verdict}
        return tuple(
            Answer(
                run=run,
                target=target,
                verdict=verdicts[verdict],
                trials=trials,
                claim=claim,
                promise=promise,
            )
            for run, target, verdict, trials, claim, promise in rows
        )

    def measured(self, *, last: int) -> tuple[Showing, ...]:
        """The findings with a number whose worse direction is known: what has a trend.

        Of the `last` runs of each environment and suite.
        """
        return self._showings(f"WHERE worse IS NOT NULL AND {_of_last(last)}", ())

    def about(self, asked: str) -> tuple[Showing, ...]:
        """The findings of that target, scenario, check or id."""
        return self._showings(
            "WHERE target = ? OR scenario = ? OR check_name = ? OR finding = ?", (asked,) * 4
        )

    def scenarios(self, *, last: int) -> tuple[tuple[str, str, Verdict], ...]:
        """(run, scenario, verdict), each once; of the `last` runs of each environment and suite."""
        rows = self._all(
            f"SELECT DISTINCT run, scenario, verdict FROM {_SHOWINGS} "  # noqa: S608
            f"WHERE scenario IS NOT NULL AND {_of_last(last)}"
        )
        return tuple((run, scenario, Verdict(verdict)) for run, scenario, verdict in rows)

    def names(self) -> frozenset[str]:
        """All that may be asked for."""
        found: set[str] = set()
        for table, column in (
            (_ANSWERS, "target"),
            (_SHOWINGS, "target"),
            (_SHOWINGS, "scenario"),
            (_SHOWINGS, "check_name"),
            (_SHOWINGS, "finding"),
        ):
            rows = self._all(f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL")  # noqa: S608
            found.update(name for (name,) in rows)
        return frozenset(found)

    def _showings(self, where: str, parameters: Sequence[str]) -> tuple[Showing, ...]:
        columns = _COLUMNS[_SHOWINGS]
        query = f"SELECT {', '.join(columns)} FROM {_SHOWINGS} {where} ORDER BY run, position"  # noqa: S608
        return tuple(
            _showing(dict(zip(columns, row, strict=True))) for row in self._all(query, parameters)
        )

    def _create(self, what: str) -> None:
        """The tables; PostgreSQL's `IF NOT EXISTS` is no protection from who makes the same."""
        try:
            with self.writing() if self._mark != "?" else contextlib.nullcontext():
                for statement in _SCHEMA:
                    self._run(statement)
        except DatabaseError as error:
            self.close()
            raise DatabaseError(f"{what}: {error}") from error.__cause__

    def _forget_rows(self, origin: str, run: str) -> None:
        self._run(f"DELETE FROM {_RUNS} WHERE run = ? AND origin = ?", (run, origin))  # noqa: S608
        for table in (_ANSWERS, _SHOWINGS):
            self._run(f"DELETE FROM {table} WHERE run = ?", (run,))  # noqa: S608

    def _insert(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        columns = _COLUMNS[table]
        marks = ", ".join("?" for _ in columns)
        query = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608
        for row in rows:
            self._run(query, row)

    def _run(self, query: str, parameters: Sequence[Any] = ()) -> Any:  # noqa: ANN401 - a driver's cursor
        try:
            return self._connection.execute(query.replace("?", self._mark), parameters)
        except self._errors as error:
            raise DatabaseError(f"track record: {error}") from error

    def _all(self, query: str, parameters: Sequence[Any] = ()) -> list[Any]:
        try:
            found: list[Any] = self._run(query, parameters).fetchall()
        except self._errors as error:
            raise DatabaseError(f"track record: {error}") from error
        return found


def _of_last(count: int) -> str:
    """A condition on rows: that they are of the newest runs of their environment and suite."""
    return (
        "run IN (SELECT run FROM (SELECT run, ROW_NUMBER() OVER "  # noqa: S608
        f"(PARTITION BY environment, suite ORDER BY at_us DESC, run DESC) AS back FROM {_RUNS} "
        f"WHERE refused IS NULL) AS newest WHERE back <= {count:d})"
    )


def _showing(row: dict[str, Any]) -> Showing:
    worse, limit_at = row.pop("worse"), row.pop("limit_at")
    del row["position"]
    row["check"] = row.pop("check_name")
    row["verdict"] = Verdict(row["verdict"])
    limit = None if worse is None else Limit(worse=Worse(worse), at=limit_at)
    return Showing(**row, limit=limit)
