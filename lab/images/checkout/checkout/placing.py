"""Decides what becomes of a checkout: the order of its steps, and the answer to each that fails."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Protocol

from checkout.clock import now
from checkout.errors import DependencyAwayError, OrderConflictError
from checkout.orders import Answer, BadOrderError, Order, Recorded, parse_order
from checkout.settings import Behaviour


class Database(Protocol):
    """Keeps orders."""

    async def record(self, order: Order) -> Recorded:
        """Returns once the server acknowledged the order, and never otherwise."""


class Cache(Protocol):
    """Knows recent orders, and counts them."""

    async def remember(self, order: Order, recorded: Recorded) -> None:
        """Sets the order's key, and counts the order once."""


class Events(Protocol):
    """Tells others."""

    async def publish(self, order: Order, recorded: Recorded) -> int:
        """Sends the event; returns its number in the sequence of this process."""


class Placing:
    """Takes one request's body to its answer.

    An order whose answer is 503 may have been recorded: "recorded": true says so, false says only
    that it is not known. Sending it again with the same id is safe, and completes it.
    """

    def __init__(
        self,
        behaviour: Behaviour,
        database: Database,
        cache: Cache,
        events: Events,
        burn: Callable[[float], Awaitable[None]],
    ) -> None:
        self._behaviour = behaviour
        self._database = database
        self._cache = cache
        self._events = events
        self._burn = burn
        self.in_flight = 0

    async def place(self, body: bytes) -> Answer:
        """Answers 201, or why not."""
        if self.in_flight >= self._behaviour.max_in_flight:
            return _not_now("checkout", "too many checkouts in flight", recorded=False)
        self.in_flight += 1
        try:
            return await self._place(body)
        finally:
            self.in_flight -= 1

    async def _place(self, body: bytes) -> Answer:
        started = now()
        try:
            order = parse_order(body)
        except BadOrderError as error:
            return Answer(400, {"error": str(error)})
        if self._behaviour.delay:
            await asyncio.sleep(self._behaviour.delay)
        if self._behaviour.cpu:
            await self._burn(self._behaviour.cpu)
        # Before anything is recorded: what a broken version refuses has no effect.
        if random.random() < self._behaviour.error_rate:  # noqa: S311 - no secret depends on it
            return Answer(500, {"id": str(order.id), "error": "this version is broken"})
        recorded: Recorded | None = None
        try:
            asked = now()
            recorded = await self._database.record(order)
            acknowledged = now()
            await self._cache.remember(order, recorded)
            sequence = await self._events.publish(order, recorded)
        except BadOrderError as error:
            return Answer(400, {"id": str(order.id), "error": str(error)})
        except OrderConflictError as error:
            return Answer(409, {"id": str(order.id), "error": str(error)})
        except DependencyAwayError as error:
            return _not_now(error.dependency, error.reason, recorded=recorded is not None)
        return Answer(
            201,
            {
                "id": str(order.id),
                "accepted_at": recorded.accepted_at,
                "repeated": recorded.repeated,
                "sequence": sequence,
                "database_ms": _milliseconds(acknowledged - asked),
                "total_ms": _milliseconds(now() - started),
            },
        )


def _not_now(dependency: str, reason: str, *, recorded: bool) -> Answer:
    return Answer(503, {"dependency": dependency, "error": reason, "recorded": recorded})


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
