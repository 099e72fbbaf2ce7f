"""Decides whether a NetworkPolicy is enforced: whom it lets through, and whom it does not. Pure.

A connection that must be refused and came about is a FAIL; so is one that must come about and did
not. Silence proves a policy only where the same destination answered somebody else, and where the
pod that met with silence reached anything at all. `connection refused` is an answer of the
destination, unless it let somebody else in: then it is the policy's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness.judge.answer import Answer, finding, worst
from harness.judge.conformance.covered import unseen
from harness.judge.conformance.evidence import ConformanceEvidence, JudgeFunction
from harness.judge.facts import Known, sequences
from harness.model.configuration import Flow, NetworkPolicyAllows
from harness.model.conformance import ConnectionTried
from harness.model.target import Target
from harness.model.verdict import Finding, Verdict

CHECK = "network-policy"
_LOOK = "connections"
_DNS_PORT = 53

_BEYOND = "the documented policy alone allows no DNS: another policy does, or none is enforced"

Tried = Known[ConnectionTried]


@dataclass(frozen=True, kw_only=True)
class _Direction:
    """One direction of a policy, and what was tried in it."""

    name: str
    flow: Flow
    tried: tuple[tuple[Tried, bool], ...]
    """With whether it must come about."""

    peers: frozenset[tuple[str, int]]
    """Namespaces and ports that something was tried with."""


def judge(
    run: ConformanceEvidence, target: Target, objective: NetworkPolicyAllows
) -> Iterator[Finding]:
    """Egress, ingress, and whether a name can be resolved at all."""
    facts = run.facts(ConnectionTried)
    about = f"{objective.app} in {objective.namespace}"
    answers = {
        "enforced-egress": _enforced(run, about, _egress(objective, facts), facts),
        "enforced-ingress": _enforced(run, about, _ingress(objective, facts), facts),
        "enforced-dns": _dns(run, about, objective, facts),
    }
    for part, answer in answers.items():
        yield finding(
            answer, identity=f"{CHECK}/{target.id}/{part}", target=target.id, subject=None
        )


def _egress(objective: NetworkPolicyAllows, facts: Sequence[Tried]) -> _Direction:
    tried = [one for one in facts if _is_from(one, objective) and one.fact.port != _DNS_PORT]
    return _Direction(
        name="egress",
        flow=objective.egress,
        tried=tuple(
            (one, objective.egress.allows(one.fact.destination_namespace, one.fact.port))
            for one in tried
        ),
        peers=frozenset((one.fact.destination_namespace, one.fact.port) for one in tried),
    )


def _ingress(objective: NetworkPolicyAllows, facts: Sequence[Tried]) -> _Direction:
    own = (objective.namespace, objective.app)
    tried = [
        one
        for one in facts
        if (one.fact.destination_namespace, one.fact.destination_app) == own
        and not _is_from(one, objective)
    ]
    return _Direction(
        name="ingress",
        flow=objective.ingress,
        tried=tuple(
            (one, objective.ingress.allows(one.fact.source_namespace, one.fact.port))
            for one in tried
        ),
        peers=frozenset((one.fact.source_namespace, one.fact.port) for one in tried),
    )


def _is_from(tried: Tried, objective: NetworkPolicyAllows) -> bool:
    source = (tried.fact.source_namespace, tried.fact.source_app)
    return source == (objective.namespace, objective.app)


def _enforced(
    run: ConformanceEvidence, about: str, direction: _Direction, facts: Sequence[Tried]
) -> Answer:
    if not direction.tried:
        return unseen(run, _LOOK, f"{about}, {direction.name}")
    answers = [
        _must_come_about(about, one, facts) if allowed else _must_not(about, one, facts)
        for one, allowed in direction.tried
    ]
    answers += [_inconclusive(f"{about}, {direction.name}: {one}") for one in _gaps(direction)]
    why = run.not_looked(_LOOK)
    if why is not None:
        answers.append(_inconclusive(f"{about}, {direction.name}: {why}"))
    answer = replace(worst(answers), evidence=sequences([one for one, _ in direction.tried]))
    if answer.verdict is Verdict.PASS:
        allowed = sum(must for _, must in direction.tried)
        refused = len(direction.tried) - allowed
        return replace(
            answer,
            headline=f"{about}, {direction.name}: {allowed} of {allowed} connections that are "
            f"allowed came about, {refused} of {refused} others did not",
        )
    return replace(answer, advice=_advice(direction))


def _must_come_about(about: str, tried: Tried, facts: Sequence[Tried]) -> Answer:
    words = f"{about}: {_described(tried)}"
    if tried.fact.connected is None:
        return _inconclusive(f"{words} could not be tried: {tried.fact.detail}")
    if tried.fact.connected:
        return Answer(verdict=Verdict.PASS, headline=f"{words} came about, as documented")
    if tried.fact.refused and not _answers_others(tried, facts):
        return _inconclusive(f"{words} was let through, but nobody listens there")
    return Answer(
        verdict=Verdict.FAIL,
        headline=f"{words} did not come about, expected it to be allowed ({tried.fact.detail})",
    )


def _must_not(about: str, tried: Tried, facts: Sequence[Tried]) -> Answer:
    words = f"{about}: {_described(tried)}"
    if tried.fact.connected is None:
        return _inconclusive(f"{words} could not be tried: {tried.fact.detail}")
    others = _answers_others(tried, facts)
    if tried.fact.connected or (tried.fact.refused and not others):
        how = "came about" if tried.fact.connected else "was answered: connection refused"
        return Answer(
            verdict=Verdict.FAIL,
            headline=f"{words} {how}, expected none: the policy is not enforced",
        )
    if not others:
        return _inconclusive(
            f"{words} did not come about, and nobody reached that destination: its silence says "
            "nothing"
        )
    if not _reaches_anything(tried, facts):
        return _inconclusive(f"{words} did not come about, but that pod reached nothing at all")
    return Answer(verdict=Verdict.PASS, headline=f"{words} did not come about, as documented")


def _answers_others(tried: Tried, facts: Sequence[Tried]) -> bool:
    """Whether the same destination let another source in."""
    return any(
        one.fact.connected and one.fact.destination == tried.fact.destination for one in facts
    )


def _reaches_anything(tried: Tried, facts: Sequence[Tried]) -> bool:
    source = (tried.fact.source_namespace, tried.fact.source_app)
    return any(
        one.fact.connected and (one.fact.source_namespace, one.fact.source_app) == source
        for one in facts
    )


def _gaps(direction: _Direction) -> Iterator[str]:
    """What is documented and was not tried."""
    flow = direction.flow
    for namespace in flow.namespaces:
        for port in flow.ports:
            if (namespace, port) not in direction.peers:
                yield (
                    f"port {port} with {namespace} was not tried: no such namespace, or no ready "
                    "pod that listens there"
                )
    if not any(allowed for _, allowed in direction.tried):
        yield "nothing that is allowed was tried"
    if (flow.namespaces or flow.ports) and all(allowed for _, allowed in direction.tried):
        yield "nothing that is to be refused was tried"


def _dns(
    run: ConformanceEvidence,
    about: str,
    objective: NetworkPolicyAllows,
    facts: Sequence[Tried],
) -> Answer:
    asked = [one for one in facts if one.fact.port == _DNS_PORT and not one.fact.destination_app]
    own = [one for one in asked if _is_from(one, objective)]
    if not own:
        return unseen(run, _LOOK, f"{about}, DNS")
    last = own[-1]
    evidence = sequences(asked)
    documented = objective.egress.allows("kube-system", _DNS_PORT)
    if last.fact.connected is None:
        answer = _inconclusive(f"{about}: DNS could not be tried: {last.fact.detail}")
    elif last.fact.connected:
        answer = Answer(
            verdict=Verdict.PASS,
            headline=f"{about}: names are resolved",
            detail=() if documented else (_BEYOND,),
        )
    elif any(one.fact.connected for one in asked):
        answer = Answer(
            verdict=Verdict.FAIL,
            headline=f"{about}: no name is resolved, expected DNS to be reached: without it "
            "nothing else is by name",
            detail=() if documented else ("the documented policy allows no DNS",),
            advice=f"kubectl -n {objective.namespace} get networkpolicies",
        )
    else:
        answer = _inconclusive(f"{about}: DNS answers nobody, whatever the policy says")
    return replace(answer, evidence=evidence)


def _described(tried: Tried) -> str:
    fact = tried.fact
    source = f"{fact.source_namespace}/{fact.source_app or 'a pod without app'}"
    target = f"{fact.destination_namespace}/{fact.destination_app or 'no pod'}"
    return f"from {source} to {fact.destination} ({target})"


def _inconclusive(headline: str) -> Answer:
    return Answer(verdict=Verdict.INCONCLUSIVE, headline=headline)


def _advice(direction: _Direction) -> str:
    fact = direction.tried[0][0].fact
    where = fact.source_namespace if direction.name == "egress" else fact.destination_namespace
    return f"kubectl -n {where} get networkpolicies  # and which network plugin enforces them"


JUDGES: dict[type, JudgeFunction] = {NetworkPolicyAllows: judge}
