"""What quotas allow, and classes of pods."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from conformances import evidence, judged, plan, promise, running, thing

from harness.judge.conformance.quotas import judge_quota
from harness.model.target import QualityOfService, Quota
from harness.model.verdict import Finding, Verdict

SHOP = Quota(namespace="shop-prod", cores=50, memory="100Gi")
ALL = Quota(cores=100, memory="200Gi")
CRITICAL = QualityOfService(qos="Guaranteed", services="Critical services")
STANDARD = QualityOfService(qos="Burstable", services="Standard services")


def quota(namespace: str = "shop-prod", **hard: str) -> dict[str, Any]:
    return thing(
        "q",
        {"hard": {name.replace("_", "."): one for name, one in hard.items()}},
        namespace=namespace,
    )


DOCUMENTED = quota(requests_cpu="50", limits_memory="100Gi")


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (DOCUMENTED, Verdict.PASS),
        (quota(cpu="40", memory="100Gi"), Verdict.PASS),
        (quota(cpu="51", memory="100Gi"), Verdict.FAIL),
        (quota(cpu="50"), Verdict.FAIL),
        (quota("other", cpu="50", memory="100Gi"), Verdict.FAIL),
    ],
)
def test_the_quota_of_a_namespace(given: dict[str, Any], verdict: Verdict) -> None:
    assert judged(SHOP, {"ResourceQuota": [given]}).verdict is verdict


def test_a_namespace_without_a_quota_is_not_limited() -> None:
    found = judged(SHOP)
    assert found.verdict is Verdict.FAIL
    assert "nothing limits it in shop-prod" in found.headline
    assert judged(SHOP, hidden=["ResourceQuota"]).verdict is Verdict.INCONCLUSIVE


def together(*quotas: dict[str, Any]) -> Finding:
    target = promise(ALL, "all")
    one, other = SHOP, msgspec.structs.replace(SHOP, namespace="platform-prod")
    given = plan(target, promise(one, "one"), promise(other, "other"))
    (found,) = judge_quota(evidence(given, {"ResourceQuota": quotas}), target, ALL)
    return found


def test_quotas_of_all_namespaces_add_up() -> None:
    other = quota("platform-prod", cpu="50", memory="100Gi")
    assert together(DOCUMENTED, other).verdict is Verdict.PASS
    more = quota("platform-prod", cpu="51", memory="100Gi")
    assert together(DOCUMENTED, more).verdict is Verdict.FAIL
    assert together(DOCUMENTED).verdict is Verdict.FAIL
    assert judged(ALL).verdict is Verdict.INCONCLUSIVE


def test_which_services_are_critical_the_suite_says() -> None:
    pods = {
        "Pod": [
            running("a", app="checkout", qosClass="Guaranteed"),
            running("b", app="order", qosClass="Burstable"),
        ]
    }
    assert judged(CRITICAL, pods).verdict is Verdict.INCONCLUSIVE
    assert judged(CRITICAL, pods, critical=("checkout",)).verdict is Verdict.PASS
    assert judged(STANDARD, pods, critical=("checkout",)).verdict is Verdict.PASS
    assert judged(CRITICAL, pods, critical=("order",)).verdict is Verdict.FAIL
    assert judged(CRITICAL, pods, critical=("payment",)).verdict is Verdict.INCONCLUSIVE
    hidden = judged(CRITICAL, pods, critical=("checkout",), hidden=["Pod"])
    assert hidden.verdict is Verdict.INCONCLUSIVE
