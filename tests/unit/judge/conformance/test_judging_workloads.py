"""What runs data stores, and how services are replaced and resized."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from conformances import judged, service, thing

from harness.model.configuration import (
    Canary,
    CanaryPhase,
    Rollout,
    Size,
    VerticalAutoscaler,
    WorkloadKind,
)
from harness.model.target import Kind
from harness.model.verdict import Verdict
from harness.model.workload import PostgresqlWorkload

STATEFUL = WorkloadKind(workload="StatefulSet")
ORDERS = PostgresqlWorkload(id="orders", namespace="data", pods="app=orders", service="primary")
COVERED: dict[str, Any] = {"covers": (Kind.POSTGRESQL,), "workloads": (ORDERS,)}
BLUE_GREEN = Rollout(max_surge=100, max_unavailable=0)
CANARY = Canary(
    phases=tuple(CanaryPhase(weight=weight, lasts=timedelta(minutes=5)) for weight in (10, 50, 100))
)
VERTICAL = VerticalAutoscaler(
    mode="Auto",
    minimum=Size(cpu="100m", memory="128Mi"),
    maximum=Size(cpu="2", memory="4Gi"),
)
BOUNDS = {
    "containerPolicies": [
        {
            "minAllowed": {"cpu": "0.1", "memory": "128Mi"},
            "maxAllowed": {"cpu": "2000m", "memory": "4Gi"},
        }
    ]
}


def orders(kind: str) -> dict[str, Any]:
    return {kind: [service("orders", kind=kind, namespace="data")]}


def test_no_data_store_is_inconclusive() -> None:
    assert judged(STATEFUL, covers=(Kind.POSTGRESQL,)).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("kind", "verdict"), [("StatefulSet", Verdict.PASS), ("Deployment", Verdict.FAIL)]
)
def test_what_runs_a_data_store(kind: str, verdict: Verdict) -> None:
    assert judged(STATEFUL, orders(kind), **COVERED).verdict is verdict


def test_a_data_store_that_nothing_runs_is_a_miss_and_hidden_ones_are_none() -> None:
    assert judged(STATEFUL, **COVERED).verdict is Verdict.FAIL
    hidden = judged(STATEFUL, hidden=["StatefulSet"], **COVERED)
    assert hidden.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("strategy", "verdict"),
    [
        ({"rollingUpdate": {"maxSurge": "100%", "maxUnavailable": 0}}, Verdict.PASS),
        ({"rollingUpdate": {"maxSurge": 3, "maxUnavailable": "0%"}}, Verdict.PASS),
        ({"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}, Verdict.FAIL),
        ({}, Verdict.FAIL),
        ({"type": "Recreate"}, Verdict.FAIL),
    ],
)
def test_how_a_service_is_replaced(strategy: dict[str, Any], verdict: Verdict) -> None:
    found = judged(BLUE_GREEN, {"Deployment": [service(strategy=strategy)]})
    assert found.verdict is verdict


def test_without_a_service_nothing_is_replaced() -> None:
    assert judged(BLUE_GREEN).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("weights", "verdict"),
    [
        ((10, 50, 100), Verdict.PASS),
        ((10, 50), Verdict.PASS),
        ((50, 10), Verdict.FAIL),
        ((), Verdict.FAIL),
    ],
)
def test_the_phases_of_a_canary(weights: tuple[int, ...], verdict: Verdict) -> None:
    """The last step, to all of the traffic, is made where it is not said too."""
    steps: list[dict[str, Any]] = []
    for weight in weights:
        steps += [{"setWeight": weight}, {"pause": {}}]
    rollout = thing("checkout", {"strategy": {"canary": {"steps": steps}}})
    assert judged(CANARY, {"Rollout": [rollout]}).verdict is verdict


def test_without_argo_rollouts_there_is_no_canary() -> None:
    found = judged(CANARY, absent=["Rollout"])
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "Rollout: the cluster has no such kind" in found.headline
    assert judged(CANARY).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("spec", "verdict"),
    [
        ({"resourcePolicy": BOUNDS}, Verdict.PASS),
        ({"resourcePolicy": BOUNDS, "updatePolicy": {"updateMode": "Off"}}, Verdict.FAIL),
        ({"updatePolicy": {"updateMode": "Auto"}}, Verdict.FAIL),
    ],
)
def test_a_vertical_autoscaler(spec: dict[str, Any], verdict: Verdict) -> None:
    found = judged(VERTICAL, {"VerticalPodAutoscaler": [thing("checkout", spec)]})
    assert found.verdict is verdict


def test_no_vertical_autoscaler_is_inconclusive() -> None:
    assert judged(VERTICAL).verdict is Verdict.INCONCLUSIVE
    assert judged(VERTICAL, absent=["VerticalPodAutoscaler"]).verdict is Verdict.INCONCLUSIVE
