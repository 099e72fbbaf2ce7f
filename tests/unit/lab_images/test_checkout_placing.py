"""What becomes of a checkout when its dependencies answer, refuse, or are away."""

from __future__ import annotations

import asyncio
import importlib
import json
from typing import Any

import pytest

errors = importlib.import_module("checkout.errors")
orders = importlib.import_module("checkout.orders")
placing = importlib.import_module("checkout.placing")
settings = importlib.import_module("checkout.settings")

Value = Any
"""Of a class that is imported at run time."""

ID = "8d8ac610-566d-4ef0-9c22-186b2a5ed793"
BODY = json.dumps({"id": ID, "items": [{"sku": "a"}]}).encode()


class Dependencies:
    """Stands for all three; what is in `away` raises, and what was reached is noted."""

    def __init__(self, *away: str, error: Exception | None = None) -> None:
        self.away = away
        self.error = error
        self.reached: list[str] = []

    def _reach(self, name: str) -> None:
        if name in self.away:
            raise self.error or errors.DependencyAwayError(name, "no answer within 500 ms")
        self.reached.append(name)

    async def record(self, order: object) -> Value:
        self._reach("postgresql")
        return orders.Recorded("2026-02-07T12:00:00+00:00", repeated=False)

    async def remember(self, order: object, recorded: object) -> None:
        self._reach("redis")

    async def publish(self, order: object, recorded: object) -> int:
        self._reach("broker")
        return 7


async def burn(_seconds: float) -> None:
    await asyncio.sleep(0)


def behaviour(**changes: float) -> Value:
    normal: dict[str, float] = {"cpu": 0.0, "delay": 0.0, "error_rate": 0.0, "max_in_flight": 10}
    return settings.Behaviour(**{**normal, **changes})


def place(stands: Dependencies, body: bytes = BODY, **changes: float) -> Value:
    subject = placing.Placing(behaviour(**changes), stands, stands, stands, burn)
    answer = asyncio.run(subject.place(body))
    assert subject.in_flight == 0
    return answer


def test_an_order_is_acknowledged_after_all_three() -> None:
    stands = Dependencies()
    answer = place(stands)
    assert stands.reached == ["postgresql", "redis", "broker"]
    assert answer.code == 201
    assert answer.body.items() >= {"id": ID, "repeated": False, "sequence": 7}.items()


@pytest.mark.parametrize(
    ("away", "recorded"), [("postgresql", False), ("redis", True), ("broker", True)]
)
def test_a_dependency_away_is_no_acknowledgement(away: str, recorded: bool) -> None:  # noqa: FBT001
    """503 names it, and says whether PostgreSQL had acknowledged before."""
    answer = place(Dependencies(away))
    assert answer.code == 503
    assert answer.body["dependency"] == away
    assert answer.body["recorded"] is recorded
    assert "500 ms" in answer.body["error"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.OrderConflictError("another order has this id"), 409),
        (orders.BadOrderError("items: no such character"), 400),
    ],
)
def test_what_the_database_refuses_is_the_clients_matter(error: Exception, code: int) -> None:
    stands = Dependencies("postgresql", error=error)
    assert place(stands).code == code
    assert stands.reached == []


def test_a_broken_version_has_no_effect() -> None:
    """What it refuses must not be found in the database later."""
    stands = Dependencies()
    assert place(stands, error_rate=1.0).code == 500
    assert stands.reached == []


def test_more_than_fits_is_refused_at_once() -> None:
    """And leaves room for what is in flight already."""
    stands = Dependencies()
    answer = place(stands, max_in_flight=0)
    assert (answer.code, answer.body["dependency"]) == (503, "checkout")
    assert stands.reached == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"items": [1]}',
        b'{"id": 5, "items": [1]}',
        b'{"id": "x", "items": [1]}',
        json.dumps({"id": ID}).encode(),
        json.dumps({"id": ID, "items": []}).encode(),
        json.dumps({"id": ID, "items": "ab"}).encode(),
        json.dumps({"id": ID, "items": [0] * 101}).encode(),
    ],
)
def test_what_is_no_order_is_refused(body: bytes) -> None:
    stands = Dependencies()
    assert place(stands, body).code == 400
    assert stands.reached == []


def test_a_reason_is_one_line() -> None:
    """A timeout says the deadline; others their kind and first line."""
    assert errors.describe(TimeoutError(), 0.5) == "no answer within 500 ms"
    assert errors.describe(OSError("gone\nhint"), 0.5) == "OSError: gone"
