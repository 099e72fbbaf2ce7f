"""One PostgreSQL connection whose every exchange ends by a deadline, and that never retries.

libpq has no timeout for an answer, psycopg's connect_timeout counts whole seconds from two up, and
cancelling a query opens another connection to the server that does not answer. Whoever measures
availability, or books what was acknowledged, needs to know when a request ended and whether
anything was sent. libpq's asynchronous calls say so (PostgreSQL manual, 34.1 and 34.4).
"""

from __future__ import annotations

import select
from collections.abc import Sequence

import msgspec
import psycopg
from psycopg import conninfo, pq

from harness.drivers.clock import HostClock
from harness.errors import DeadlineExceededError, SurroundingsError
from harness.ports import PostgresEndpoint

_CLOCK = HostClock()

Row = tuple[str | None, ...]


class NotConnectedError(SurroundingsError):
    """No session came about: no statement can have been sent."""


class ConnectionLostError(SurroundingsError):
    """The session ended during an exchange: what was sent may have been executed."""


class StatementError(SurroundingsError):
    """The server answered with an error."""

    def __init__(self, message: str, sqlstate: str) -> None:
        """`sqlstate`: five characters (PostgreSQL manual, appendix A)."""
        super().__init__(message)
        self.sqlstate = sqlstate


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the server answered to one statement."""

    rows: tuple[Row, ...]
    """Values in text format."""

    command: str
    """The command tag: `INSERT 0 1`, `COMMIT`, `ROLLBACK`."""


class BoundedPostgres:
    """One session. After any error but StatementError it is of no more use but to be closed."""

    def __init__(self, connection: pq.abc.PGconn, subject: str) -> None:
        """Use `connect`."""
        self._connection = connection
        self._subject = subject
        self.notices: list[tuple[str, str]] = []
        """(SQLSTATE, message) of every notice and warning since it was last cleared."""

        connection.notice_handler = self._notice

    @classmethod
    def connect(cls, endpoint: PostgresEndpoint, *, deadline_ns: int) -> BoundedPostgres:
        """Opens a session by `deadline_ns` of the monotonic clock.

        What the endpoint does not say comes from libpq's environment (PGPASSFILE, PGSSLMODE, ...).
        Raises NotConnectedError, or DeadlineExceededError; nothing was sent but the start-up.
        """
        subject = f"postgresql {endpoint.host}:{endpoint.port}"
        text = conninfo.make_conninfo(
            host=endpoint.host,
            port=endpoint.port,
            dbname=endpoint.database,
            user=endpoint.user,
            application_name="harness",
            passfile=endpoint.passfile,
        )
        connection = pq.PGconn.connect_start(text.encode())
        try:
            _establish(connection, deadline_ns, subject)
            connection.nonblocking = 1
        except psycopg.Error as error:
            connection.finish()
            raise NotConnectedError(f"{subject}: {error}") from error
        except BaseException:
            connection.finish()
            raise
        return cls(connection, subject)

    def execute(self, sql: str, *parameters: str, deadline_ns: int) -> Answer:
        """Executes one statement; parameters ($1, $2, ...) and results are text.

        Raises StatementError, ConnectionLostError, or DeadlineExceededError.
        """
        connection = self._connection
        try:
            connection.send_query_params(sql.encode(), [value.encode() for value in parameters])
            while connection.flush():
                ready = _await(
                    connection, select.POLLIN | select.POLLOUT, deadline_ns, self._subject
                )
                if ready & select.POLLIN:
                    connection.consume_input()
            results: list[pq.abc.PGresult] = []
            while True:
                while connection.is_busy():
                    _await(connection, select.POLLIN, deadline_ns, self._subject)
                    connection.consume_input()
                result = connection.get_result()
                if result is None:
                    break
                results.append(result)
        except psycopg.Error as error:
            said = str(error).partition("\n")[0]
            raise ConnectionLostError(f"{self._subject}: {said}") from error
        return self._answer(results)

    def close(self) -> None:
        """Ends the session; does not wait for the server."""
        self._connection.finish()

    def _answer(self, results: Sequence[pq.abc.PGresult]) -> Answer:
        for result in results:
            if result.status == pq.ExecStatus.FATAL_ERROR:
                sqlstate = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
                message = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b""
                if not sqlstate:  # libpq's own error: the server said nothing
                    raise ConnectionLostError(f"{self._subject}: {_first_line(result)}")
                raise StatementError(f"{self._subject}: {message.decode()} ({sqlstate})", sqlstate)
        if not results:
            raise ConnectionLostError(f"{self._subject}: {_first_line(self._connection)}")
        last = results[-1]
        rows = tuple(
            tuple(_text(last.get_value(row, column)) for column in range(last.nfields))
            for row in range(last.ntuples)
        )
        return Answer(rows=rows, command=(last.command_status or b"").decode())

    def _notice(self, result: pq.abc.PGresult) -> None:
        sqlstate = result.error_field(pq.DiagnosticField.SQLSTATE) or b""
        message = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b""
        self.notices.append((sqlstate.decode(), message.decode()))


def _establish(connection: pq.abc.PGconn, deadline_ns: int, subject: str) -> None:
    """Drives PQconnectPoll until there is a session, as its manual section says."""
    status = pq.PollingStatus.WRITING
    while status is not pq.PollingStatus.OK:
        if status is pq.PollingStatus.FAILED or connection.status == pq.ConnStatus.BAD:
            raise NotConnectedError(f"{subject}: {_first_line(connection)}")
        events = select.POLLIN if status is pq.PollingStatus.READING else select.POLLOUT
        _await(connection, events, deadline_ns, subject)
        status = pq.PollingStatus(connection.connect_poll())


def _await(connection: pq.abc.PGconn, events: int, deadline_ns: int, subject: str) -> int:
    """Waits until the socket is ready; the poll events that are."""
    poller = select.poll()
    poller.register(connection.socket, events)
    # Rounded up: poll() would return at once for less than a millisecond, and spin.
    remaining_ms = -((_CLOCK.monotonic_ns() - deadline_ns) // 1_000_000)
    ready = poller.poll(remaining_ms) if remaining_ms > 0 else []
    if not ready:
        raise DeadlineExceededError(f"{subject}: no answer in time")
    return ready[0][1]


def _first_line(source: pq.abc.PGconn | pq.abc.PGresult) -> str:
    lines = source.get_error_message().strip().splitlines()
    return lines[0] if lines else "closed the connection"


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()
