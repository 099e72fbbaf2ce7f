"""Settings of autoscalers, and replicas of services."""

from __future__ import annotations

from typing import Any

import pytest
from conformances import judged, service, thing

from harness.model.target import AutoscalerRange, AutoscalerUtilization, Objective, Replicas
from harness.model.verdict import Verdict

RANGE = AutoscalerRange(minimum=1, maximum=10)
CPU = AutoscalerUtilization(resource="cpu", percent=70)
REPLICAS = Replicas(namespaces="*-prod", count=3)


def scaler(
    minimum: int | None = 1, maximum: int = 10, cpu: int | None = 70, namespace: str = "shop-prod"
) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "scaleTargetRef": {"kind": "Deployment", "name": "checkout"},
        "maxReplicas": maximum,
    }
    if minimum is not None:
        spec["minReplicas"] = minimum
    if cpu is not None:
        target = {"type": "Utilization", "averageUtilization": cpu}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    return {"HorizontalPodAutoscaler": [thing("checkout", spec, namespace=namespace)]}


@pytest.mark.parametrize("objective", [RANGE, CPU], ids=["range", "cpu"])
def test_no_autoscaler_is_inconclusive(objective: Objective) -> None:
    assert judged(objective).verdict is Verdict.INCONCLUSIVE
    assert judged(objective, scaler(namespace="other")).verdict is Verdict.INCONCLUSIVE
    assert judged(objective, hidden=["HorizontalPodAutoscaler"]).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("objective", "given", "verdict"),
    [
        (RANGE, scaler(), Verdict.PASS),
        (RANGE, scaler(None), Verdict.PASS),
        (RANGE, scaler(2), Verdict.FAIL),
        (RANGE, scaler(maximum=9), Verdict.FAIL),
        (CPU, scaler(), Verdict.PASS),
        (CPU, scaler(cpu=80), Verdict.FAIL),
        (CPU, scaler(cpu=None), Verdict.FAIL),
    ],
)
def test_an_autoscaler(objective: Objective, given: dict[str, Any], verdict: Verdict) -> None:
    assert judged(objective, given).verdict is verdict


def test_so_many_replicas() -> None:
    three, two = {"Deployment": [service(replicas=3)]}, {"Deployment": [service(replicas=2)]}
    assert judged(REPLICAS).verdict is Verdict.INCONCLUSIVE
    assert judged(REPLICAS, three).verdict is Verdict.PASS
    assert judged(REPLICAS, two).verdict is Verdict.FAIL
    hidden = judged(REPLICAS, three, hidden=["HorizontalPodAutoscaler"])
    assert hidden.verdict is Verdict.INCONCLUSIVE


def test_an_autoscaler_may_take_what_a_deployment_says() -> None:
    """Three run now, and may be one tomorrow."""
    found = judged(REPLICAS, {"Deployment": [service(replicas=3)], **scaler(1)})
    assert found.verdict is Verdict.FAIL
    assert "its autoscaler keeps 1, expected 3" in found.headline
