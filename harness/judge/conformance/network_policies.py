"""Decides whether NetworkPolicies are written as documented: whom they let in and out, together.
Pure. Whether they are enforced is harness.judge.conformance.connections' question.

Policies add up: what one of those that select a pod allows is allowed, and what none does is not
(Kubernetes documentation, Network Policies).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.judge.answer import Answer
from harness.judge.conformance.evidence import ConformanceEvidence, JudgeFunction
from harness.judge.conformance.selectors import labels_of, selects
from harness.judge.conformance.services import name_of, said
from harness.model.configuration import Flow, NetworkPolicyAllows
from harness.model.target import Target
from harness.model.verdict import Finding, Verdict

_KINDS = ("NetworkPolicy", "Namespace", "Pod")
_DNS = 53
_ELSEWHERE = 1
"""A port that no document names: stands for all the others."""

_OUTSIDE = "an address outside of the cluster"

Peers = Mapping[str, Mapping[str, str]]
"""Namespace -> its labels."""


def judge(
    run: ConformanceEvidence, target: Target, objective: NetworkPolicyAllows
) -> Iterator[Finding]:
    """Ingress and egress of the documented pods, against each namespace and port."""
    yield said(run, target, _answer(run, objective), kinds=_KINDS, part="written")


def _answer(run: ConformanceEvidence, objective: NetworkPolicyAllows) -> Answer:
    about = f"{objective.app} in {objective.namespace}"
    labels = _labels_of_pods(run, objective)
    unread = run.unread("NetworkPolicy", "Namespace")
    if unread:
        return Answer(verdict=Verdict.INCONCLUSIVE, headline=f"{about}: {unread[0]}")
    policies = [
        one
        for one in run.of_kind("NetworkPolicy", objective.namespace)
        if selects(one["spec"].get("podSelector") or {}, labels)
    ]
    advice = f"kubectl -n {objective.namespace} get networkpolicies -o yaml"
    if not policies:
        return Answer(
            verdict=Verdict.FAIL,
            headline=f"{about}: no NetworkPolicy selects its pods: everything may connect",
            advice=advice,
        )
    peers = {name_of(one): labels_of(one) for one in run.of_kind("Namespace")}
    names = ", ".join(name_of(one) for one in policies)
    wrong = [
        *_compared("Ingress", policies, objective.ingress, objective.namespace, peers),
        *_compared("Egress", policies, objective.egress, objective.namespace, peers),
    ]
    if wrong:
        return Answer(
            verdict=Verdict.FAIL,
            headline=f"{about}: written otherwise than documented: {wrong[0]}",
            detail=(*wrong[1:], f"policies: {names}"),
            advice=advice,
        )
    return Answer(verdict=Verdict.PASS, headline=f"{about}: written as documented", detail=(names,))


def _labels_of_pods(run: ConformanceEvidence, objective: NetworkPolicyAllows) -> dict[str, str]:
    """Of a pod that is meant; where none runs, the label that the document gives."""
    wanted = {"app": objective.app}
    found = [
        labels_of(one)
        for one in run.of_kind("Pod", objective.namespace)
        if labels_of(one).get("app") == objective.app
    ]
    return found[0] if found else wanted


def _compared(
    direction: str, policies: Sequence[Mapping[str, Any]], flow: Flow, own: str, peers: Peers
) -> Iterator[str]:
    of_direction = [one["spec"] for one in policies if direction in _types(one["spec"])]
    if not of_direction:
        yield f"{direction}: no policy is about it, so that everything may"
        return
    key, side = direction.lower(), "from" if direction == "Ingress" else "to"
    rules = [rule for spec in of_direction for rule in spec.get(key) or ()]
    ports = sorted({*flow.ports, *_ports(rules), _DNS, _ELSEWHERE})
    for name, labels in peers.items():
        for port in ports:
            allowed = any(_allows(rule, side, own, name, labels, port) for rule in rules)
            if allowed != flow.allows(name, port):
                shown = f"port {port}" if port != _ELSEWHERE else "any other port"
                word = "is allowed and not documented" if allowed else "is not allowed"
                yield f"{direction} {side} {name}, {shown}: {word}"
    for rule in rules:
        blocks = [peer["ipBlock"]["cidr"] for peer in rule.get(side) or () if "ipBlock" in peer]
        if blocks and flow.namespaces:
            yield f"{direction} {side} {_OUTSIDE} ({', '.join(blocks)}): allowed, not documented"


def _types(spec: Mapping[str, Any]) -> Sequence[str]:
    """Ingress always where it does not say, Egress where it has rules of it (NetworkPolicySpec)."""
    given = spec.get("policyTypes")
    return given or ("Ingress", *(("Egress",) if spec.get("egress") else ()))


def _ports(rules: Sequence[Mapping[str, Any]]) -> Iterator[int]:
    for rule in rules:
        for one in rule.get("ports") or ():
            if isinstance(one.get("port"), int):
                yield one["port"]


def _allows(  # noqa: PLR0913 - a rule, and one connection
    rule: Mapping[str, Any], side: str, own: str, name: str, labels: Mapping[str, str], port: int
) -> bool:
    peers = rule.get(side)
    fits_peer = not peers or any(_is_peer(peer, own, name, labels) for peer in peers)
    ports = rule.get("ports")
    return fits_peer and (not ports or any(_is_port(one, port) for one in ports))


def _is_peer(peer: Mapping[str, Any], own: str, name: str, labels: Mapping[str, str]) -> bool:
    """A selector of pods alone is of the policy's own namespace; some pods of one count as it."""
    if "ipBlock" in peer:
        return False
    if "namespaceSelector" in peer:
        return selects(peer["namespaceSelector"] or {}, labels)
    return name == own


def _is_port(given: Mapping[str, Any], port: int) -> bool:
    """A port's name is a pod's matter and counts as none; DNS may be asked over UDP as over TCP."""
    if given.get("protocol", "TCP") != "TCP" and port != _DNS:
        return False
    first = given.get("port")
    if first is None:
        return True
    return isinstance(first, int) and first <= port <= given.get("endPort", first)


JUDGES: dict[type, JudgeFunction] = {NetworkPolicyAllows: judge}
