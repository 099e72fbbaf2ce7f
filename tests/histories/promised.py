"""Targets with nothing but their objectives, for what compares several of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

from harness.feasibility.finding import Finding, Word
from harness.feasibility.ground import Ground
from harness.model.configuration import (
    ContainerResources,
    Flow,
    Namespace,
    NetworkPolicyAllows,
    Size,
    SyncPolicy,
    SyncWave,
)
from harness.model.target import Kind, Objective, Quota, RecoveryTime, Source, Target

Look = Callable[[Ground], Iterator[Finding]]

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SIZE = Size(cpu="500m", memory="512Mi")
LIMIT = Size(cpu="2", memory="2Gi")


def promise(identity: str, objective: Objective, *covers: Kind) -> Target:
    """A target; of a service where nothing else is said."""
    return Target(
        id=identity,
        covers=covers or (Kind.SERVICE,),
        objective=objective,
        source=Source(section="Promises", quote=f"{identity}: as it is written"),
    )


def rto(minutes: float, *covers: Kind) -> Target:
    return promise(
        "rto", RecoveryTime(at_most=timedelta(minutes=minutes)), *(covers or tuple(Kind))
    )


def wave(number: int, minutes: float, *services: str, identity: str | None = None) -> Target:
    return promise(
        identity or f"wave-{number}",
        SyncWave(wave=number, services=services, takes=timedelta(minutes=minutes)),
        Kind.KUBERNETES,
    )


def namespace(name: str, *services: str) -> Target:
    return promise(f"namespace-{name}", Namespace(name=name, services=services), Kind.KUBERNETES)


def quota(cores: float, memory: str = "100Gi", of: str | None = None) -> Target:
    return promise(
        f"quota-{of or 'global'}",
        Quota(cores=cores, memory=memory, namespace=of),
        Kind.KUBERNETES,
    )


def resources(
    namespaces: str = "*", requests: Size = SIZE, limits: Size = LIMIT, identity: str = "resources"
) -> Target:
    return promise(
        identity, ContainerResources(namespaces=namespaces, requests=requests, limits=limits)
    )


def policy(ingress: Flow, egress: Flow, identity: str = "policy") -> Target:
    return promise(
        identity,
        NetworkPolicyAllows(namespace="shop-prod", app="checkout", ingress=ingress, egress=egress),
    )


def synced(
    namespaces: str, *, automated: bool, prune: bool = True, self_heal: bool = True
) -> Target:
    return promise(
        f"sync{namespaces.replace('*', '')}",
        SyncPolicy(namespaces=namespaces, automated=automated, prune=prune, self_heal=self_heal),
        Kind.KUBERNETES,
    )


def looked(look: Look, *targets: Target) -> dict[str, Finding]:
    """What a rule finds in targets alone, by what it is about."""
    found = list(look(Ground(targets=targets)))
    by_name = {one.about: one for one in found}
    assert len(by_name) == len(found), "two findings of one rule are about the same"
    return by_name


def words(look: Look, *targets: Target) -> dict[str, Word]:
    """The same, the words alone."""
    return {name: one.word for name, one in looked(look, *targets).items()}
