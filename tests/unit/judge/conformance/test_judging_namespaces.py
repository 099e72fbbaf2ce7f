"""Namespaces, the services in them, and the objects that each service comes with."""

from __future__ import annotations

from typing import Any

import pytest
from conformances import SHOP, judged, service, thing

from harness.model.configuration import Namespace, NamespacePattern, ServiceObject, Services
from harness.model.verdict import Verdict

SHOPS = Namespace(name=SHOP, services=("checkout", "order"))
THERE = {"Namespace": [{"metadata": {"name": SHOP}}]}
HPA = thing("scaler", {"scaleTargetRef": {"kind": "Deployment", "name": "checkout"}})


def test_a_namespace_that_is_not_there_is_a_miss() -> None:
    found = judged(SHOPS, {"Deployment": [service("checkout"), service("order")]})
    assert found.verdict is Verdict.FAIL
    assert f"{SHOP}: is not there" in found.headline


def test_a_service_of_the_namespace_that_does_not_run_there_is_a_miss() -> None:
    elsewhere = service("order", namespace="other")
    found = judged(SHOPS, {**THERE, "Deployment": [service("checkout"), elsewhere]})
    assert found.verdict is Verdict.FAIL
    assert "order: does not run there" in found.headline


def test_services_run_under_their_name_or_with_a_dash_behind_it() -> None:
    objects = {
        **THERE,
        "Deployment": [service("checkout")],
        "StatefulSet": [service("order-0", kind="StatefulSet")],
    }
    assert judged(SHOPS, objects).verdict is Verdict.PASS


@pytest.mark.parametrize("kind", ["Namespace", "Deployment", "StatefulSet"])
def test_of_what_may_not_be_listed_nothing_is_said(kind: str) -> None:
    found = judged(SHOPS, {**THERE, "Deployment": [service("checkout")]}, hidden=[kind])
    assert found.verdict is Verdict.INCONCLUSIVE
    assert f"{kind}: the account may not list them" in found.headline


def test_a_namespace_is_called_after_each_service() -> None:
    """`{service}-prod`, of the documented services of namespaces that end so."""
    pattern = NamespacePattern(pattern="{service}-prod")
    assert judged(pattern, THERE).verdict is Verdict.FAIL
    named = {"Namespace": [{"metadata": {"name": "checkout-prod"}}]}
    assert judged(pattern, named).verdict is Verdict.PASS
    assert judged(pattern, named, hidden=["Namespace"]).verdict is Verdict.INCONCLUSIVE


def test_without_a_documented_service_no_namespace_can_be_called_after_it() -> None:
    assert judged(NamespacePattern(pattern="{service}-dev"), THERE).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("names", "verdict"),
    [((), Verdict.INCONCLUSIVE), (("a",), Verdict.FAIL), (("a", "b"), Verdict.PASS)],
)
def test_so_many_services(names: tuple[str, ...], verdict: Verdict) -> None:
    found = judged(Services(count=2), {"Deployment": [service(name) for name in names]})
    assert found.verdict is verdict


def test_services_are_not_counted_by_half() -> None:
    objects = {"Deployment": [service("a"), service("b")]}
    assert judged(Services(count=2), objects, hidden=["StatefulSet"]).verdict is (
        Verdict.INCONCLUSIVE
    )


@pytest.mark.parametrize(
    ("kind", "belongs", "does_not"),
    [
        ("Service", thing("a", {"selector": {"app": "checkout"}}), thing("b", {"selector": {}})),
        (
            "PodDisruptionBudget",
            thing("a", {"selector": {"matchLabels": {"app": "checkout"}}}),
            thing("b", {"selector": {"matchLabels": {"app": "order"}}}),
        ),
        (
            "PodDisruptionBudget",
            thing(
                "a",
                {
                    "selector": {
                        "matchExpressions": [
                            {"key": "app", "operator": "In", "values": ["checkout", "order"]}
                        ]
                    }
                },
            ),
            thing("b", {"selector": {}}),
        ),
        (
            "NetworkPolicy",
            thing("a", {"podSelector": {"matchLabels": {"app": "checkout"}}}),
            thing("default-deny", {"podSelector": {}}),
        ),
        ("HorizontalPodAutoscaler", HPA, thing("b", {"scaleTargetRef": {}})),
        ("ConfigMap", thing("checkout-settings"), thing("checkouts")),
        ("Secret", thing("checkout"), thing("checkout", namespace="other")),
        (
            "ServiceMonitor",
            thing("a", {"selector": {"matchLabels": {"app": "checkout"}}}),
            thing("b", {"selector": {"matchLabels": {"app": "order"}}}),
        ),
    ],
)
def test_what_belongs_to_a_service(
    kind: Any,  # noqa: ANN401 - one of the literals
    belongs: dict[str, Any],
    does_not: dict[str, Any],
) -> None:
    services = {"Deployment": [service("checkout")]}
    objective = ServiceObject(object=kind)
    assert judged(objective, {**services, kind: [belongs]}).verdict is Verdict.PASS
    missed = judged(objective, {**services, kind: [does_not]})
    assert missed.verdict is Verdict.FAIL
    assert f"{SHOP}/checkout: has no {kind}" in missed.headline
    assert judged(objective, services, hidden=[kind]).verdict is Verdict.INCONCLUSIVE
    assert judged(objective, {}).verdict is Verdict.INCONCLUSIVE


def test_a_kind_that_the_cluster_lacks_is_no_miss_of_every_service() -> None:
    found = judged(
        ServiceObject(object="ServiceMonitor"),
        {"Deployment": [service("checkout")]},
        absent=["ServiceMonitor"],
    )
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "the cluster has no such kind (monitoring.coreos.com/v1)" in found.headline
