"""Decides what an order is, and what a client is answered; touches nothing."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

MOST_ITEMS = 100


class BadOrderError(ValueError):
    """The request's body is no order; the message is for the client."""


@dataclass(frozen=True, slots=True)
class Order:
    """One order, named by its client: the same id is the same order, however often it is sent."""

    id: uuid.UUID
    items: list[Any]

    def items_json(self) -> str:
        """The items as they are stored."""
        return json.dumps(self.items, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Recorded:
    """What PostgreSQL acknowledged: an order, by the server's own clock."""

    accepted_at: str
    repeated: bool
    """The order was there before: its client asked again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status code and what the body says."""

    code: int
    body: dict[str, Any]


def parse_order(body: bytes) -> Order:
    """The order in a request's body."""
    try:
        given = json.loads(body)
    except ValueError as error:
        raise BadOrderError("the body is not JSON") from error
    if not isinstance(given, dict):
        raise BadOrderError('expected an object: {"id": UUID, "items": [...]}')
    items = given.get("items")
    if not isinstance(items, list) or not 1 <= len(items) <= MOST_ITEMS:
        raise BadOrderError(f"items: expected a list of 1 to {MOST_ITEMS}")
    return Order(parse_id(given.get("id")), items)


def parse_id(given: object) -> uuid.UUID:
    """An order's id."""
    if not isinstance(given, str):
        raise BadOrderError("id: expected a UUID")
    try:
        return uuid.UUID(given)
    except ValueError as error:
        raise BadOrderError(f"id: got {given[:50]!r}, expected a UUID") from error
