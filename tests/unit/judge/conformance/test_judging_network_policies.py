"""NetworkPolicies as they are written, together."""

from __future__ import annotations

from typing import Any

import pytest
from conformances import evidence, plan, promise, read, thing

from harness.judge.conformance.network_policies import judge
from harness.model.configuration import Flow, NetworkPolicyAllows
from harness.model.verdict import Finding, Verdict

DOCUMENTED = NetworkPolicyAllows(
    namespace="shop-prod",
    app="checkout",
    ingress=Flow(namespaces=("shop-prod", "platform-prod"), ports=(8000,)),
    egress=Flow(namespaces=("infrastructure",), ports=(5432,)),
)
TARGET = promise(DOCUMENTED, "checkout")
NAMESPACES = [
    {"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}}}
    for name in ("shop-prod", "platform-prod", "infrastructure", "kube-system")
]


def peer(*names: str) -> dict[str, Any]:
    expression = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [*names]}
    return {"namespaceSelector": {"matchExpressions": [expression]}}


def port(number: int, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of a port
    return {"port": number, **more}


INGRESS = {"from": [peer("shop-prod", "platform-prod")], "ports": [port(8000)]}
EGRESS = {"to": [peer("infrastructure")], "ports": [port(5432)]}
WRITTEN: dict[str, Any] = {
    "podSelector": {"matchLabels": {"app": "checkout"}},
    "policyTypes": ["Ingress", "Egress"],
    "ingress": [INGRESS],
    "egress": [EGRESS],
}


def judged(*policies: dict[str, Any], hidden: str | None = None) -> Finding:
    written = [thing(f"p{number}", spec) for number, spec in enumerate(policies)]
    unread = {hidden: read(hidden, forbidden=True, error="not allowed: them")} if hidden else None
    objects = {"NetworkPolicy": written, "Namespace": NAMESPACES}
    run = evidence(plan(TARGET), objects, hidden=unread)
    (found,) = judge(run, TARGET, DOCUMENTED)
    assert found.id == "network-policy/checkout/written"
    return found


def said(*policies: dict[str, Any]) -> str:
    found = judged(*policies)
    assert found.verdict is Verdict.FAIL
    return " ".join((found.headline, *found.detail))


def test_as_documented() -> None:
    assert judged(WRITTEN).verdict is Verdict.PASS


def test_no_policy_lets_everything_through() -> None:
    assert "no NetworkPolicy selects its pods: everything may connect" in said()
    other = {**WRITTEN, "podSelector": {"matchLabels": {"app": "order"}}}
    assert "no NetworkPolicy selects its pods" in said(other)


@pytest.mark.parametrize("kind", ["NetworkPolicy", "Namespace"])
def test_hidden_policies_are_inconclusive(kind: str) -> None:
    assert judged(WRITTEN, hidden=kind).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"ingress": [{"ports": [port(8000)]}]}, "from kube-system, port 8000: is allowed"),
        ({"ingress": [{"from": INGRESS["from"]}]}, "from shop-prod, any other port: is allowed"),
        ({"ingress": []}, "from shop-prod, port 8000: is not allowed"),
        ({"egress": [{"to": [{"podSelector": {}}]}]}, "to shop-prod, port 5432: is allowed"),
        (
            {"egress": [EGRESS, {"to": [peer("kube-system")], "ports": [port(53)]}]},
            "to kube-system, port 53: is allowed",
        ),
        (
            {"egress": [EGRESS, {"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}]},
            "an address outside of the cluster (192.0.2.0/24)",
        ),
        (
            {"egress": [{**EGRESS, "ports": [port(5432, endPort=5440)]}, EGRESS]},
            "",
        ),
    ],
)
def test_each_difference_is_named(changed: dict[str, Any], line: str) -> None:
    spec = {**WRITTEN, **changed}
    if line:
        assert line in said(spec)
    else:
        # A range beyond the documented port is seen only at ports that somebody names.
        assert judged(spec).verdict is Verdict.PASS


def test_a_direction_that_no_policy_is_about_is_open() -> None:
    assert "Egress: no policy is about it" in said({**WRITTEN, "policyTypes": ["Ingress"]})
    silent = {key: value for key, value in WRITTEN.items() if key != "policyTypes"}
    assert judged(silent).verdict is Verdict.PASS


def test_policies_add_up() -> None:
    """A second one that denies all takes nothing away, and one that allows adds."""
    deny = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert judged(deny, WRITTEN).verdict is Verdict.PASS
    more = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]}
    assert "from kube-system" in said(WRITTEN, more)
