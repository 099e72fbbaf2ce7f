"""Keeps orders in PostgreSQL through a pool that forgets every connection that failed.

The address is one Service name, whoever is the primary behind it. So after a failover: a connection
that failed in any way is dropped, never used again and never waited for; one that turns out to be
read-only makes the whole pool connect anew; and only servers that take writes are connected to.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

import asyncpg

from checkout.errors import DependencyAwayError, OrderConflictError, describe
from checkout.orders import BadOrderError, Order, Recorded

NAME = "postgresql"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    id uuid PRIMARY KEY,
    items jsonb NOT NULL,
    version text NOT NULL,
    accepted_at timestamptz NOT NULL DEFAULT clock_timestamp()
)"""
_SCHEMA_LOCK = 0x636865636B6F7574  # "checkout": two sessions that make one table at once may fail
_INSERT = """
INSERT INTO orders (id, items, version) VALUES ($1, $2::jsonb, $3)
ON CONFLICT (id) DO NOTHING RETURNING accepted_at"""
_SAME = "SELECT accepted_at, items = $2::jsonb AS same FROM orders WHERE id = $1"
_SELECT = "SELECT items::text, version, accepted_at FROM orders WHERE id = $1"

# RuntimeError: how a transport shows that it was closed meanwhile.
_FAILURES = (
    OSError,
    RuntimeError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
_CONNECTION_LOST = (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError)

Result = TypeVar("Result")


class PostgreSQL:
    """The orders' database."""

    def __init__(self, url: str, *, version: str, timeout: float, pool_size: int) -> None:
        self._url = url
        self._version = version
        self._timeout = timeout
        self._pool_size = pool_size
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._watch: asyncpg.Connection[asyncpg.Record] | None = None

    async def open(self) -> None:
        """Makes the pool; connects to nothing yet."""
        self._pool = asyncpg.create_pool(
            self._url, min_size=0, max_size=self._pool_size, reset=_keep_as_it_is, **self._options()
        )
        await self._pool

    async def close(self) -> None:
        """Drops all connections, also those that would not answer."""
        self._drop_watch()
        if self._pool is not None:
            self._pool.terminate()

    async def record(self, order: Order) -> Recorded:
        """Returns once the server acknowledged the commit, as safely as its own settings ask."""

        async def insert(connection: _Connection) -> Recorded | None:
            items = order.items_json()
            # One statement is one transaction: the answer to it is the acknowledgement.
            accepted_at = await connection.fetchval(_INSERT, order.id, items, self._version)
            if accepted_at is not None:
                return Recorded(accepted_at.isoformat(), repeated=False)
            row = await connection.fetchrow(_SAME, order.id, items)
            if row is None or not row["same"]:
                return None
            return Recorded(row["accepted_at"].isoformat(), repeated=True)

        recorded = await self._with_connection(insert)
        if recorded is None:
            raise OrderConflictError("another order has this id")
        return recorded

    async def find(self, order_id: UUID) -> dict[str, Any] | None:
        """An order as it is stored."""

        async def select(connection: _Connection) -> asyncpg.Record | None:
            row: asyncpg.Record | None = await connection.fetchrow(_SELECT, order_id)
            return row

        row = await self._with_connection(select)
        if row is None:
            return None
        return {
            "id": str(order_id),
            "items": json.loads(row["items"]),
            "version": row["version"],
            "accepted_at": row["accepted_at"].isoformat(),
        }

    async def ask(self) -> None:
        """Asks whether orders can be kept, on a connection of its own: a full pool is no outage.

        The schema is made with each new connection: whatever server answers behind the name now, an
        empty one after a disaster too, has the table.
        """
        try:
            async with asyncio.timeout(self._timeout):
                if self._watch is None or self._watch.is_closed():
                    self._watch = await asyncpg.connect(self._url, **self._options())
                    await _make_schema(self._watch)
                read_only = await self._watch.fetchval("SHOW transaction_read_only")
        except _FAILURES as error:
            self._drop_watch()
            raise DependencyAwayError(NAME, describe(error, self._timeout)) from error
        except asyncio.CancelledError:
            self._drop_watch()
            raise
        if read_only != "off":
            self._drop_watch()
            raise DependencyAwayError(NAME, "the server takes no writes")

    async def _with_connection(self, work: Callable[[_Connection], Awaitable[Result]]) -> Result:
        if self._pool is None:
            raise DependencyAwayError(NAME, "not opened yet")
        try:
            async with asyncio.timeout(self._timeout):
                connection = await self._pool.acquire()
                try:
                    return await work(connection)
                except BaseException:
                    # Also where the deadline passed: closing politely would wait for a dead server,
                    # and cancelling would make a server that waits for its standby acknowledge.
                    with contextlib.suppress(asyncpg.InterfaceError):  # the server was faster
                        connection.terminate()
                    raise
                finally:
                    await self._pool.release(connection)
        except asyncpg.DataError as error:
            # Valid JSON that jsonb does not take, such as the character U+0000.
            raise BadOrderError(f"items: {error}") from error
        except _FAILURES as error:
            if isinstance(error, (asyncpg.ReadOnlySQLTransactionError, *_CONNECTION_LOST)):
                await self._pool.expire_connections()
            raise DependencyAwayError(NAME, describe(error, self._timeout)) from error

    def _options(self) -> dict[str, Any]:
        return {
            "timeout": self._timeout,
            "target_session_attrs": "read-write",
            "server_settings": {"application_name": "checkout"},
        }

    def _drop_watch(self) -> None:
        if self._watch is not None:
            self._watch.terminate()
            self._watch = None


_Connection = Any
"""A pool's connection; asyncpg makes its methods at run time."""


async def _make_schema(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _SCHEMA_LOCK)
        await connection.execute(_SCHEMA)


async def _keep_as_it_is(_connection: object) -> None:
    """Nothing to reset, which spares a round trip: no session state is ever changed."""
