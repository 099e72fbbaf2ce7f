"""Writes the ledger to PostgreSQL, one committed row per operation, and reads its rows back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psycopg
from psycopg import conninfo

from harness.drivers.bounded_postgres import (
    BoundedPostgres,
    ConnectionLostError,
    StatementError,
)
from harness.drivers.clock import HostClock
from harness.errors import DeadlineExceededError, SurroundingsError
from harness.ledger.append import JournalAppender
from harness.ledger.journal import Flag, Type
from harness.ledger.naming import LEDGER, check_name
from harness.ledger.rows import ROW, ReadBack, write_rows
from harness.model.history import Outcome
from harness.ports import PostgresEndpoint

_CLOCK = HostClock()

_CREATE = (
    """CREATE TABLE IF NOT EXISTS {name} (
         client integer NOT NULL,
         seq bigint NOT NULL,
         payload bigint NOT NULL,
         written_at timestamptz NOT NULL DEFAULT clock_timestamp())""",
    # Not unique: a row that was applied twice has to be able to show.
    "CREATE INDEX IF NOT EXISTS {name}_client_seq ON {name} (client, seq)",
)

_SERVER = """SELECT pg_is_in_recovery(), (SELECT system_identifier FROM pg_control_system()),
  current_setting('synchronous_commit'), current_setting('synchronous_standby_names')"""

_INSERT = """INSERT INTO {name} (client, seq, payload) VALUES ($1, $2, $3) RETURNING
  (extract(epoch FROM written_at) * 1000000)::bigint, (pg_current_wal_insert_lsn() - '0/0')::bigint
"""

# Answers to COMMIT after which nothing was committed: serialization failure, deadlock, read-only
# transaction, starting up, too many connections, transaction rolled back (class 40), integrity
# constraint (class 23). Everything else after COMMIT was sent, a termination (57P01, 57P02) or a
# broken connection (class 08) above all, may have been committed.
_NOT_COMMITTED = ("40", "23", "25006", "57P03", "53300")

# SyncRepWaitForLSN (syncrep.c): "canceling wait for synchronous replication ...", "The transaction
# has already committed locally, but might not have been replicated to the standby."
_UNREPLICATED = "canceling wait for synchronous replication"


def create_ledger(
    endpoint: PostgresEndpoint, name: str = LEDGER, *, within_s: float = 30.0
) -> None:
    """Makes the ledger's table and index where they are not there; errors of BoundedPostgres."""
    check_name(name)
    _execute(endpoint, [one.format(name=name) for one in _CREATE], within_s)


def drop(endpoint: PostgresEndpoint, name: str, *, within_s: float = 60.0) -> None:
    """Drops a ledger's table where it is there; errors of BoundedPostgres."""
    _execute(endpoint, [f"DROP TABLE IF EXISTS {check_name(name)}"], within_s)


def _execute(endpoint: PostgresEndpoint, statements: Sequence[str], within_s: float) -> None:
    deadline_ns = _CLOCK.monotonic_ns() + int(within_s * 1e9)
    session = BoundedPostgres.connect(endpoint, deadline_ns=deadline_ns)
    try:
        for statement in statements:
            session.execute(statement, deadline_ns=deadline_ns)
    finally:
        session.close()


def describe_server(
    endpoint: PostgresEndpoint, synchronous_commit: str | None = None, *, within_s: float = 30.0
) -> tuple[str, str]:
    """The server's identity and what its acknowledgement promises, for a journal's header.

    Raises SurroundingsError where it is not the writable primary with the endpoint's identifier.
    """
    deadline_ns = _CLOCK.monotonic_ns() + int(within_s * 1e9)
    session = _connect(endpoint, synchronous_commit, deadline_ns)
    try:
        return session.identity, session.durability
    finally:
        session.session.close()


class _Session:
    """A session on the right server, and what was found on it."""

    def __init__(self, session: BoundedPostgres, identity: str, durability: str) -> None:
        self.session = session
        self.identity = identity
        self.durability = durability


def _connect(endpoint: PostgresEndpoint, synchronous_commit: str | None, by_ns: int) -> _Session:
    session = BoundedPostgres.connect(endpoint, deadline_ns=by_ns)
    try:
        if synchronous_commit is not None:
            session.execute(
                "SELECT set_config('synchronous_commit', $1, false)",
                synchronous_commit,
                deadline_ns=by_ns,
            )
        answer = session.execute(_SERVER, deadline_ns=by_ns)
        recovery, identifier, commit, standbys = answer.rows[0]
        _assert_primary(endpoint, recovery=recovery == "t", identifier=str(identifier))
    except BaseException:
        session.close()
        raise
    return _Session(
        session,
        identity=f"system identifier {identifier}",
        durability=f"synchronous_commit={commit} synchronous_standby_names={standbys!r}",
    )


def _assert_primary(endpoint: PostgresEndpoint, *, recovery: bool, identifier: str) -> None:
    where = f"postgresql {endpoint.host}:{endpoint.port}"
    if identifier != endpoint.system_identifier:
        raise SurroundingsError(
            f"{where}: got system identifier {identifier}, expected {endpoint.system_identifier}"
        )
    if recovery:
        raise SurroundingsError(f"{where}: got a server in recovery, expected the primary")


class PostgresWriter:
    """One client of the ledger. One operation at a time, never retried; used by one thread."""

    def __init__(
        self,
        endpoint: PostgresEndpoint,
        journal: JournalAppender,
        *,
        name: str = LEDGER,
        timeout_s: float = 2.0,
        synchronous_commit: str | None = None,
    ) -> None:
        """`timeout_s` bounds connecting and each operation; the client number is the journal's."""
        self._endpoint = endpoint
        self._insert = _INSERT.format(name=check_name(name))
        self._journal = journal
        self._timeout_ns = int(timeout_s * 1e9)
        self._synchronous_commit = synchronous_commit
        self._session: BoundedPostgres | None = None

    @property
    def connected(self) -> bool:
        """Whether the last operation left a usable session."""
        return self._session is not None

    def write_once(self) -> Outcome:
        """Inserts one row in a transaction of its own and journals what came of it.

        FAIL where COMMIT was never sent or was refused; INDETERMINATE where it was sent and not
        answered. Raises RecordError where the journal cannot be written.
        """
        deadline_ns = _CLOCK.monotonic_ns() + self._timeout_ns
        seq, payload = self._journal.invoke()
        try:
            session = self._connected(deadline_ns)
            session.notices.clear()
            session.execute("BEGIN", deadline_ns=deadline_ns)
            answer = session.execute(
                self._insert,
                str(self._journal.header.client),
                str(seq),
                str(payload - (1 << 64) if payload >> 63 else payload),
                deadline_ns=deadline_ns,
            )
        except SurroundingsError:
            # COMMIT was not sent: the server rolls back when the session ends, if not before.
            self.close()
            self._journal.complete(Type.FAIL)
            return Outcome.FAIL
        server_us, position = (int(value or 0) for value in answer.rows[0])
        outcome = self._commit(session, deadline_ns)
        flags = Flag(0)
        if any(_UNREPLICATED in message for _, message in session.notices):
            flags = Flag.UNREPLICATED
        if outcome is not Type.OK:
            self.close()
        self._journal.complete(outcome, server_us=server_us, position=position, flags=flags)
        return Outcome(outcome.name)

    def close(self) -> None:
        """Ends the session; the next operation opens another."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _connected(self, deadline_ns: int) -> BoundedPostgres:
        if self._session is None:
            self._session = _connect(self._endpoint, self._synchronous_commit, deadline_ns).session
        return self._session

    @staticmethod
    def _commit(session: BoundedPostgres, deadline_ns: int) -> Type:
        try:
            answer = session.execute("COMMIT", deadline_ns=deadline_ns)
        except StatementError as error:
            return Type.FAIL if error.sqlstate.startswith(_NOT_COMMITTED) else Type.INDETERMINATE
        except (ConnectionLostError, DeadlineExceededError):
            return Type.INDETERMINATE
        # COMMIT of an aborted transaction succeeds with the tag ROLLBACK.
        return Type.OK if answer.command == "COMMIT" else Type.FAIL


# One COPY BINARY tuple of int4, int8, int8, int8, none of them null: a field count, then each
# value after its length, in network byte order (PostgreSQL manual, COPY, "Binary Format").
_TUPLE = np.dtype(
    [
        ("fields", ">i2"),
        ("client_bytes", ">i4"),
        ("client", ">i4"),
        ("seq_bytes", ">i4"),
        ("seq", ">i8"),
        ("payload_bytes", ">i4"),
        ("payload", ">i8"),
        ("server_us_bytes", ">i4"),
        ("server_us", ">i8"),
    ]
)
_HEADER_BYTES, _TRAILER_BYTES = 19, 2

# A server that went away in the middle is noticed: COPY itself waits for ever.
_SILENT_MS = 10_000

_COPY = """COPY (SELECT client::int4, seq::int8, payload::int8,
  (extract(epoch FROM written_at) * 1000000)::int8 FROM {name}) TO STDOUT (FORMAT binary)"""


def read_back(
    endpoint: PostgresEndpoint, file: Path, *, name: str = LEDGER, within_s: float = 600.0
) -> ReadBack:
    """Writes all rows of the ledger to `file`, from one snapshot on the writable primary.

    Duplicates and foreign rows are among them. A database without the table has no rows, and
    `server` says so. Raises SurroundingsError where the server is another, is in recovery, or does
    not answer within `within_s` seconds.
    """
    where = f"postgresql {endpoint.host}:{endpoint.port}"
    text = conninfo.make_conninfo(
        host=endpoint.host,
        port=endpoint.port,
        dbname=endpoint.database,
        user=endpoint.user,
        connect_timeout=10,
        application_name="harness",
        passfile=endpoint.passfile,
        tcp_user_timeout=_SILENT_MS,
        options=f"-c statement_timeout={int(within_s * 1000)}",
    )
    try:
        with psycopg.connect(text) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            found = connection.execute(
                """SELECT pg_is_in_recovery(), system_identifier::text, timeline_id,
                     to_regclass(%s) IS NOT NULL
                   FROM pg_control_system(), pg_control_checkpoint()""",
                [check_name(name)],
            ).fetchone()
            recovery, identifier, timeline, there = found or (True, "", 0, False)
            _assert_primary(endpoint, recovery=recovery, identifier=identifier)
            content = _copy(connection, name) if there else b""
    except psycopg.Error as error:
        raise SurroundingsError(f"{where}: reading the ledger back: {error}") from error
    tuples = np.frombuffer(content, dtype=_TUPLE)
    rows = np.zeros(len(tuples), dtype=ROW)
    for column in ("client", "seq", "payload", "server_us"):
        # Through the signed type of the same width: a negative value keeps its 64 bits.
        rows[column] = (
            tuples[column]
            .astype(tuples[column].dtype.newbyteorder("="))
            .view(f"u{tuples[column].dtype.itemsize}")
        )
    write_rows(file, rows)
    server = f"{where}, primary, system identifier {identifier}, timeline {timeline}"
    return ReadBack(rows=len(rows), server=server if there else f"{server}, no table {name}")


def _copy(connection: psycopg.Connection[tuple[object, ...]], name: str) -> bytes:
    with connection.cursor().copy(_COPY.format(name=name).encode()) as copy:
        content = b"".join(copy)
    body = content[_HEADER_BYTES : len(content) - _TRAILER_BYTES]
    if len(body) % _TUPLE.itemsize:
        raise SurroundingsError(
            f"COPY of the ledger: got {len(body)} bytes, expected tuples of {_TUPLE.itemsize}"
        )
    return body
