"""Orders at the checkout, and what PostgreSQL knows of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from harness.drivers.clock import wait_until
from harness.errors import DeadlineExceededError
from harness.lab.lab import Lab
from harness.lab.platform import INFRASTRUCTURE, primary

SHOP = ("-n", "core-business-prod")

Shop = Callable[..., str]
"""Runs a program on the checkout's address, beside the cluster, and returns what it prints."""

ORDER = """
import json, sys, urllib.error, urllib.request
body = json.dumps({"id": sys.argv[2], "items": [{"sku": "a", "quantity": 1}]}).encode()
request = urllib.request.Request(sys.argv[1] + "/checkout", data=body, method="POST",
                                 headers={"Content-Type": "application/json"})
try:
    with urllib.request.urlopen(request, timeout=5) as answer:
        print(answer.status)
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
except OSError as error:
    print("away", error)
"""


def order_placed(shop: Shop) -> str:
    """An order that was acknowledged; its id."""
    order, said = str(uuid.uuid4()), ""

    def acknowledged() -> bool:
        nonlocal said
        said = shop(ORDER, order)
        return said.startswith("201")

    try:
        wait_until(acknowledged, within_s=180, what=f"order {order} acknowledged", every_s=0.5)
    except DeadlineExceededError as error:
        raise AssertionError(f"{error}; the last answer: {said}") from error
    return order


def count_of(lab: Lab, order: str) -> str:
    return query(lab, primary(lab), f"select count(*) from orders where id = '{order}'")  # noqa: S608


def query(lab: Lab, pod: str, sql: str) -> str:
    words = ("exec", "-n", INFRASTRUCTURE, pod, "-c", "postgresql", "--")
    psql = ("psql", "-h", "/run/postgresql", "-U", "postgres", "-d", "checkout", "-Atc", sql)
    return lab.kubectl.call(*words, *psql).strip()
