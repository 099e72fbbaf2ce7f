"""Customers who look around and place an order: an ordinary locustfile, whose users wait.

Runs by Locust alone (`locust -f loadtests/checkout_closed_loop.py --host http://checkout:8000`) and
unchanged under the harness, which takes the number of users from a profile and keeps a sample of
each request. What it posts stays in the service's data.
"""

# ruff: noqa: INP001 - a script of its own

from __future__ import annotations

import uuid

from locust import FastHttpUser, between, task

_CREATED = 201


class Customer(FastHttpUser):
    """One customer: several looks for each order."""

    wait_time = between(0.5, 1.5)

    @task(3)
    def look(self) -> None:
        """Whether the shop is open."""
        self.client.get("/health", name="/health")

    @task
    def order(self) -> None:
        """An order with an id of its own: only 201 is right."""
        order = {"id": str(uuid.uuid4()), "items": [{"sku": "drill", "quantity": 1}]}
        with self.client.post("/checkout", json=order, catch_response=True) as answer:
            if answer.status_code != _CREATED:
                answer.failure(f"got {answer.status_code}, expected {_CREATED}")
