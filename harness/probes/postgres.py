"""Probes PostgreSQL: the right server in the right role, old data, a new commit.

Which server answers is asked by the very statement that writes: a connection may be older than its
server's role.
"""

from __future__ import annotations

import threading

from harness.drivers.bounded_postgres import (
    BoundedPostgres,
    ConnectionLostError,
    NotConnectedError,
    StatementError,
)
from harness.errors import DeadlineExceededError
from harness.model.history import Outcome
from harness.ports import PostgresEndpoint
from harness.probes.config import PostgresRead, PostgresWrite, Sentinel

# A replica refuses the INSERT itself (25006). The first eight digits of a WAL file's name are the
# timeline (manual, "WAL Internals"), which a promotion raises; pg_control_checkpoint() learns of
# that only with the next checkpoint.
_WRITE = """WITH server AS (
    SELECT system_identifier::text AS identifier,
      left(pg_walfile_name(pg_current_wal_lsn()), 8) AS timeline FROM pg_control_system()),
  written AS (
    INSERT INTO {table} (slot) SELECT $1::int FROM server WHERE identifier = $2 RETURNING 1)
  SELECT identifier, timeline FROM server WHERE (SELECT count(*) FROM written) <= 1"""

_READ = "SELECT system_identifier::text, pg_is_in_recovery() FROM pg_control_system()"
_SENTINEL = "SELECT count(*) FROM {ledger} WHERE client = $1 AND seq = $2 AND payload = $3"
_CREATE = """CREATE TABLE IF NOT EXISTS {table} (
  slot integer NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp())"""

_UNDEFINED_TABLE = "42P01"
# Two probes that make the table at once: IF NOT EXISTS looks first and makes later.
_MADE_BY_ANOTHER = ("42P07", "23505")


class PostgresWriteProbe:
    """Commits a row; see open_loop.Probe."""

    def __init__(self, asked: PostgresWrite) -> None:
        self._asked = asked
        self._kept: dict[int, BoundedPostgres] = {}
        """One a slot, used by one thread at a time."""

        self._timeline = 0
        """The highest that was seen."""

        self._lock = threading.Lock()

    def __call__(self, slot: int, deadline_ns: int) -> tuple[Outcome, str]:
        """One probe: on a connection of its own, or on the slot's."""
        session = self._kept.pop(slot, None)
        if session is None:
            try:
                session = BoundedPostgres.connect(self._asked.endpoint, deadline_ns=deadline_ns)
            except NotConnectedError as error:
                return Outcome.FAIL, str(error)
            except DeadlineExceededError as error:
                return Outcome.INDETERMINATE, str(error)
        outcome, detail = Outcome.INDETERMINATE, ""
        try:
            wrong = self._ask(session, slot, deadline_ns)
            outcome, detail = (Outcome.FAIL, wrong) if wrong else (Outcome.OK, "")
        except StatementError as error:
            outcome, detail = Outcome.FAIL, str(error)
        except (ConnectionLostError, DeadlineExceededError) as error:
            detail = str(error)
        # A pool gives a connection up after a wrong answer, too: the next may be led elsewhere.
        if self._asked.kept and outcome is Outcome.OK:
            self._kept[slot] = session
        else:
            session.close()
        return outcome, detail

    def _ask(self, session: BoundedPostgres, slot: int, deadline_ns: int) -> str | None:
        """What is wrong with the answers; None where all are right and the write is committed."""
        asked = self._asked
        if missing := _missing(session, asked.sentinels, asked.ledger, deadline_ns):
            return missing
        write = _WRITE.format(table=asked.table)
        parameters = (str(slot), asked.endpoint.system_identifier)
        try:
            answer = session.execute(write, *parameters, deadline_ns=deadline_ns)
        except StatementError as error:
            if error.sqlstate != _UNDEFINED_TABLE:
                raise
            _create(session, asked.table, deadline_ns)
            answer = session.execute(write, *parameters, deadline_ns=deadline_ns)
        ((identifier, timeline),) = answer.rows
        return _wrong_server(identifier, asked.endpoint) or self._old(int(timeline or "0", 16))

    def _old(self, timeline: int) -> str | None:
        """A primary that another has replaced acknowledges what will be lost."""
        with self._lock:
            self._timeline = max(self._timeline, timeline)
            if self._timeline > timeline:
                return f"timeline {timeline} after {self._timeline} was seen: an old primary"
        return None


class PostgresReadProbe:
    """Reads from a replica on a new connection; see open_loop.Probe."""

    def __init__(self, asked: PostgresRead) -> None:
        self._asked = asked

    def __call__(self, _slot: int, deadline_ns: int) -> tuple[Outcome, str]:
        """One probe."""
        try:
            session = BoundedPostgres.connect(self._asked.endpoint, deadline_ns=deadline_ns)
        except NotConnectedError as error:
            return Outcome.FAIL, str(error)
        except DeadlineExceededError as error:
            return Outcome.INDETERMINATE, str(error)
        try:
            wrong = self._ask(session, deadline_ns)
        except StatementError as error:
            return Outcome.FAIL, str(error)
        except (ConnectionLostError, DeadlineExceededError) as error:
            return Outcome.INDETERMINATE, str(error)
        finally:
            session.close()
        return (Outcome.FAIL, wrong) if wrong else (Outcome.OK, "")

    def _ask(self, session: BoundedPostgres, deadline_ns: int) -> str | None:
        ((identifier, replica),) = session.execute(_READ, deadline_ns=deadline_ns).rows
        if wrong := _wrong_server(identifier, self._asked.endpoint):
            return wrong
        if replica != "t":
            return "not in recovery: a primary answers where replicas should"
        return _missing(session, self._asked.sentinels, self._asked.ledger, deadline_ns)


def remove_table(endpoint: PostgresEndpoint, table: str, *, deadline_ns: int) -> None:
    """Takes away what write probes have written; errors of BoundedPostgres."""
    session = BoundedPostgres.connect(endpoint, deadline_ns=deadline_ns)
    try:
        session.execute(f"DROP TABLE IF EXISTS {table}", deadline_ns=deadline_ns)
    finally:
        session.close()


def _wrong_server(identifier: str | None, endpoint: PostgresEndpoint) -> str | None:
    if identifier == endpoint.system_identifier:
        return None
    return f"got system identifier {identifier}: the wrong server"


def _missing(
    session: BoundedPostgres, sentinels: tuple[Sentinel, ...], ledger: str, deadline_ns: int
) -> str | None:
    """Which acknowledged write is not there."""
    for sentinel in sentinels:
        payload = sentinel.payload - (1 << 64 if sentinel.payload >> 63 else 0)
        ((found,),) = session.execute(
            _SENTINEL.format(ledger=ledger),
            str(sentinel.client),
            str(sentinel.seq),
            str(payload),
            deadline_ns=deadline_ns,
        ).rows
        if found == "0":
            return f"ledger row {sentinel.client}:{sentinel.seq} is missing"
    return None


def _create(session: BoundedPostgres, table: str, deadline_ns: int) -> None:
    try:
        session.execute(_CREATE.format(table=table), deadline_ns=deadline_ns)
    except StatementError as error:
        if error.sqlstate not in _MADE_BY_ANOTHER:
            raise
