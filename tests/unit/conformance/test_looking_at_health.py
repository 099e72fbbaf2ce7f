"""What is asked of pods: their own probes, and the documented ones of services."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import conformances

from harness.conformance.health import questions
from harness.model.configuration import HealthProbe
from harness.model.workload import HttpWorkload, PostgresqlWorkload

SHOP = HttpWorkload(id="checkout", namespace="shop", pods="app=checkout", service="checkout")
READY = conformances.promise(
    HealthProbe(
        probe="readiness",
        path="/health/ready",
        port=8000,
        initial_delay=timedelta(seconds=5),
        period=timedelta(seconds=5),
    )
)


def pod(name: str, *, owner: str = "checkout-5f6", ready: bool = True, **container: Any) -> Any:  # noqa: ANN401 - as the API has it
    """A pod of the service, with one container."""
    return {
        "metadata": {
            "namespace": "shop",
            "name": name,
            "labels": {"app": "checkout"},
            "ownerReferences": [{"name": owner}] if owner else [],
        },
        "spec": {"containers": [container]},
        "status": {
            "podIP": f"10.0.0.{len(name)}",
            "conditions": [{"type": "Ready", "status": str(ready)}],
        },
    }


def get(path: str, port: int | str, **more: str) -> dict[str, Any]:
    """A probe by HTTP."""
    return {"httpGet": {"path": path, "port": port, **more}}


def asked(*pods: Any, documented: bool = True, workload: Any = SHOP) -> list[tuple[str, int, str]]:  # noqa: ANN401 - as above
    """Who is asked what."""
    targets = [READY] if documented else []
    found = questions({"Pod": pods}, [workload], targets)
    return [(one.pod, one.port, one.path) for one in found]


def test_nothing_there_is_nothing_asked() -> None:
    """No pod."""
    assert asked() == []


def test_its_own_probes_and_the_documented_ones() -> None:
    """Whatever it declares; what is documented of a service although it does not."""
    one = pod("a", livenessProbe=get("/live", 8080), startupProbe=get("/start", 8080))
    assert asked(one) == [("a", 8000, "/health/ready"), ("a", 8080, "/live"), ("a", 8080, "/start")]


def test_what_it_declares_as_documented_is_asked_once() -> None:
    """With the scheme that it declares."""
    probe = get("/health/ready", 8000, scheme="HTTPS")
    (found,) = questions({"Pod": (pod("a", readinessProbe=probe),)}, [SHOP], [READY])
    assert found.tls


def test_a_port_by_name_is_that_of_the_container() -> None:
    """One of another name cannot be asked."""
    ports = [{"name": "http", "containerPort": 8000}]
    assert asked(pod("a", ports=ports, livenessProbe=get("/", "http")), documented=False) == [
        ("a", 8000, "/")
    ]
    assert asked(pod("a", ports=ports, livenessProbe=get("/", "grpc")), documented=False) == []


def test_of_each_controller_one_pod_is_asked_a_ready_one_first() -> None:
    """The others are the same."""
    pods = (pod("a", ready=False), pod("b"), pod("c"), pod("d", owner="other", ready=False))
    assert [one for one, _, _ in asked(*pods)] == ["b", "d"]


def test_pods_of_nobody_and_of_other_namespaces_are_left_alone() -> None:
    """Such as those that the harness itself makes."""
    elsewhere = PostgresqlWorkload(id="o", namespace="n", pods="app=p", service="p")
    probe = get("/live", 8080)
    assert asked(pod("a", owner="", livenessProbe=probe)) == []
    assert asked(pod("a", livenessProbe=probe), workload=elsewhere) == []


def test_another_service_is_not_asked_what_is_documented_of_this_one() -> None:
    """The labels choose."""
    other = HttpWorkload(id="cart", namespace="shop", pods="app=cart", service="cart")
    assert asked(pod("a"), workload=other) == []
