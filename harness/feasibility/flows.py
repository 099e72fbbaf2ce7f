"""Policies must allow what services need: names, other services, their sidecars, and scrapes.

A pod that any NetworkPolicy selects may connect only as one of them says; several policies of the
same pods add up (Kubernetes documentation, "Network Policies"). So the documented policies of one
service are joined first. What a kubelet asks is never refused, and is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from harness.feasibility.finding import Finding, Harm, Word, once
from harness.feasibility.ground import Ground, Said
from harness.model.configuration import (
    Component,
    ContainerPorts,
    DaprAnnotations,
    Flow,
    Namespace,
    NetworkPolicyAllows,
    PubSub,
    Scraping,
    ServiceCalls,
    ServiceObject,
)
from harness.model.target import Kind

RULE = "policies-allow-needs"
LAW = "A policy must allow each connection that another promise needs."
NEEDS = "a network policy of a service, and anything that needs a connection: each service does"

_POLICIES = 'Kubernetes documentation, "Network Policies"'
_DNS = 53
_STORES = {"postgresql": 5432, "redis": 6379}
"""Their well-known ports (IANA; Redis documentation)."""

_DAPR = (443, 50001, 6500)
"""Of dapr-sentry (50001) and dapr-api (6500), and of their Services (443): where a sidecar gets its
certificate and its components (dapr/dapr, charts/dapr and pkg/injector)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A connection that must be possible."""

    name: str
    """`names by DNS`."""

    outward: bool
    """True: from the service; False: to it."""

    namespaces: tuple[str, ...]
    """Where the other side may be: any of these will do; empty: nobody says where."""

    ports: tuple[int, ...]
    """Any of these will do; empty: any at all."""

    targets: tuple[str, ...]
    harm: Harm
    why: str
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All documented policies of one service's pods, joined."""

    namespace: str
    app: str
    ingress: tuple[Flow, ...]
    egress: tuple[Flow, ...]
    targets: tuple[str, ...]

    def allows(self, need: Need) -> bool:
        """Whether one of them lets the connection through."""
        return any(
            _meet(flow.namespaces, need.namespaces) and _meet(flow.ports, need.ports)
            for flow in (self.egress if need.outward else self.ingress)
        )


def allow(policy: Policy, need: Need) -> Finding:
    """One need against the policies of one service."""
    allowed = policy.allows(need)
    way, preposition = ("egress", "to") if need.outward else ("ingress", "from")
    flows = policy.egress if need.outward else policy.ingress
    where = f" {preposition} {' or '.join(need.namespaces)}" if need.namespaces else ""
    ports = f" on {' or '.join(map(str, need.ports))}" if need.ports else ""
    return Finding(
        rule=RULE,
        about=f"{policy.namespace}, {policy.app}, {need.name}",
        word=Word.HOLDS if allowed else Word.CONTRADICTION,
        says=f"{policy.app} in {policy.namespace}: {way} "
        f"{'allows' if allowed else 'does not allow'} {need.name}",
        sum=f"needed: {way}{where}{ports}; allowed: {_shown(flows, preposition)}",
        targets=once(*policy.targets, *need.targets),
        harm=need.harm,
        why=need.why,
        resolve=""
        if allowed
        else f"Allow {way}{where}{ports}, in this policy or in one for all pods of the "
        "namespace that is documented, too.",
        assumes=()
        if allowed
        else ("no policy that the document does not show selects the same pods",),
        sources=(_POLICIES, *need.sources),
        telling=("port:", way.capitalize(), "dapr.io/enabled"),
    )


def look(ground: Ground) -> Iterator[Finding]:
    """Each documented service with a policy, and each connection that it needs."""
    for policy in _policies(ground):
        for need in (*_outward(ground, policy), *_inward(ground)):
            yield allow(policy, need)


def _policies(ground: Ground) -> Iterator[Policy]:
    by_service: dict[tuple[str, str], list[Said[NetworkPolicyAllows]]] = {}
    for one in ground.said(NetworkPolicyAllows):
        key = (one.objective.namespace, one.objective.app)
        by_service.setdefault(key, []).append(one)
    for (namespace, app), said in by_service.items():
        yield Policy(
            namespace=namespace,
            app=app,
            ingress=tuple(one.objective.ingress for one in said),
            egress=tuple(one.objective.egress for one in said),
            targets=tuple(one.id for one in said),
        )


def _outward(ground: Ground, policy: Policy) -> Iterator[Need]:
    yield Need(
        name="names by DNS",
        outward=True,
        namespaces=("kube-system",),
        ports=(_DNS,),
        targets=(),
        harm=Harm.OUTAGE,
        why="Whatever a service connects to by name is looked up first, and the cluster's DNS is "
        "in kube-system: without it no other permission is of use.",
        sources=('Kubernetes documentation, "DNS for Services and Pods"',),
    )
    places = _with_services(ground)
    ports = ground.said(ContainerPorts)
    if places and ports:
        for calls in ground.said(ServiceCalls):
            yield Need(
                name="calls to other services",
                outward=True,
                namespaces=_same_environment(tuple(places), policy.namespace),
                ports=tuple(sorted({port for p in ports for port in p.objective.ports.values()})),
                targets=once(calls.id, *(one.id for one in ports)),
                harm=Harm.OUTAGE,
                why="Services call each other on the ports that their containers open. What one "
                "side's ingress lets in the other side's egress must let out.",
            )
    yield from _to_stores(ground)
    yield from _to_dapr(ground)


def _to_stores(ground: Ground) -> Iterator[Need]:
    """What is beside the services in the document, on its port."""
    for one in ground.said(Namespace):
        for name in one.objective.services:
            port = _STORES.get(name.lower())
            if port is not None:
                yield Need(
                    name=f"connections to {name}",
                    outward=True,
                    namespaces=(one.objective.name,),
                    ports=(port,),
                    targets=(one.id,),
                    harm=Harm.OUTAGE,
                    why="A service that cannot reach its data does not work.",
                )


def _to_dapr(ground: Ground) -> Iterator[Need]:
    for sidecar in ground.said(DaprAnnotations):
        if sidecar.objective.annotations.get("dapr.io/enabled") != "true":
            continue
        homes = [one for one in ground.said(Namespace) if "dapr" in one.objective.services]
        yield Need(
            name="the sidecar's connections to Dapr's control plane",
            outward=True,
            namespaces=tuple(one.objective.name for one in homes) or ("dapr-system",),
            ports=_DAPR,
            targets=once(
                sidecar.id,
                *(one.id for one in homes),
                *(one.id for one in ground.said(PubSub)),
            ),
            harm=Harm.OUTAGE,
            why="A sidecar takes its certificate from dapr-sentry and its components from dapr-api "
            "when it starts. Without them it is not ready, and so its pod never is.",
            sources=('Dapr documentation, "Dapr Sentry control plane service overview"',),
        )


def _inward(ground: Ground) -> Iterator[Need]:
    """Prometheus asks each pod itself; a ServiceMonitor or a scrape interval says that it does."""
    monitors = [
        one for one in ground.said(ServiceObject) if one.objective.object == "ServiceMonitor"
    ]
    scrapes = (*(one.id for one in ground.said(Scraping)), *(one.id for one in monitors))
    homes = [
        one
        for one in ground.said(Namespace)
        if {"monitoring", "prometheus"} & set(one.objective.services)
    ]
    prometheus = [one for one in ground.said(Component) if one.objective.name == "Prometheus"]
    if not scrapes or not homes:
        return
    yield Need(
        name="scrapes by Prometheus",
        outward=False,
        namespaces=tuple(one.objective.name for one in homes),
        ports=(),
        targets=once(*(one.id for one in homes), *scrapes, *(one.id for one in prometheus)),
        harm=Harm.SIGHT,
        why="Prometheus connects to each pod. A service that it may not ask has no metrics, and "
        "what is judged by them is judged blind.",
        sources=("Prometheus documentation, Overview: metrics are pulled over HTTP",),
    )


def _with_services(ground: Ground) -> dict[str, Said[Namespace]]:
    stores = {"dapr", "monitoring", *(str(kind) for kind in Kind)}
    return {
        one.objective.name: one
        for one in ground.said(Namespace)
        if any(name.lower() not in stores for name in one.objective.services)
    }


def _meet(allowed: Collection[object], needed: Collection[object]) -> bool:
    """Whether any of what is needed is allowed; nothing named means any, on either side."""
    return not allowed or not needed or any(one in allowed for one in needed)


def _same_environment(names: tuple[str, ...], namespace: str) -> tuple[str, ...]:
    """Those with the same ending, where there are any: `core-business-prod`, `platform-prod`."""
    ending = namespace.rpartition("-")[2]
    return tuple(one for one in names if one.rpartition("-")[2] == ending) or names


def _shown(flows: tuple[Flow, ...], preposition: str) -> str:
    return "; ".join(
        f"{preposition} {' or '.join(flow.namespaces) or 'any'} on "
        f"{' or '.join(map(str, flow.ports)) or 'any port'}"
        for flow in flows
    )
