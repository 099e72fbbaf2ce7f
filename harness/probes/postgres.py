"""Probes PostgreSQL: a new session, the right server in the right role, old data, a new commit."""

from __future__ import annotations

from harness.drivers.bounded_postgres import (
    BoundedPostgres,
    ConnectionLostError,
    NotConnectedError,
    StatementError,
)
from harness.errors import DeadlineExceededError
from harness.model.history import Outcome
from harness.ports import PostgresEndpoint
from harness.probes.config import Sentinel

PROBE_CLASS = "postgresql: write on a new connection"

_SERVER = "SELECT pg_is_in_recovery(), system_identifier FROM pg_control_system()"
_SENTINEL = "SELECT count(*) FROM ledger WHERE client = $1 AND seq = $2 AND payload = $3"
_INSERT = "INSERT INTO harness_probe (slot) VALUES ($1)"
_CREATE = """CREATE TABLE IF NOT EXISTS harness_probe (
  slot integer NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp())"""

_UNDEFINED_TABLE = "42P01"
# Two probes that make the table at once: IF NOT EXISTS looks first and makes later.
_MADE_BY_ANOTHER = ("42P07", "23505")


class PostgresProbe:
    """The probe of one endpoint; see open_loop.Probe."""

    def __init__(self, endpoint: PostgresEndpoint, sentinels: tuple[Sentinel, ...]) -> None:
        self._endpoint = endpoint
        self._sentinels = sentinels

    def __call__(self, slot: int, deadline_ns: int) -> tuple[Outcome, str]:
        """One probe, on a connection of its own."""
        try:
            session = BoundedPostgres.connect(self._endpoint, deadline_ns=deadline_ns)
        except NotConnectedError as error:
            return Outcome.FAIL, str(error)
        except DeadlineExceededError as error:
            return Outcome.INDETERMINATE, str(error)
        try:
            wrong = self._ask(session, slot, deadline_ns)
        except StatementError as error:
            return Outcome.FAIL, str(error)
        except (ConnectionLostError, DeadlineExceededError) as error:
            return Outcome.INDETERMINATE, str(error)
        finally:
            session.close()
        return (Outcome.FAIL, wrong) if wrong else (Outcome.OK, "")

    def _ask(self, session: BoundedPostgres, slot: int, deadline_ns: int) -> str | None:
        """What is wrong with the answers; None where all are right and the write is committed."""
        recovery, identifier = session.execute(_SERVER, deadline_ns=deadline_ns).rows[0]
        if identifier != self._endpoint.system_identifier:
            return f"got system identifier {identifier}: the wrong server"
        if recovery == "t":
            return "in recovery"
        for sentinel in self._sentinels:
            payload = sentinel.payload - (1 << 64 if sentinel.payload >> 63 else 0)
            ((found,),) = session.execute(
                _SENTINEL,
                str(sentinel.client),
                str(sentinel.seq),
                str(payload),
                deadline_ns=deadline_ns,
            ).rows
            if found == "0":
                return f"ledger row {sentinel.client}:{sentinel.seq} is missing"
        try:
            session.execute(_INSERT, str(slot), deadline_ns=deadline_ns)
        except StatementError as error:
            if error.sqlstate != _UNDEFINED_TABLE:
                raise
            _create(session, deadline_ns)
            session.execute(_INSERT, str(slot), deadline_ns=deadline_ns)
        return None


def _create(session: BoundedPostgres, deadline_ns: int) -> None:
    try:
        session.execute(_CREATE, deadline_ns=deadline_ns)
    except StatementError as error:
        if error.sqlstate not in _MADE_BY_ANOTHER:
            raise
