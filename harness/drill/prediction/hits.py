"""Decides which members of which workloads a strike takes, by each choice it may make. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from harness.drill.prediction.recovery import UnpredictableError
from harness.drill.strike import OF_NODES, How, Strike
from harness.model.cluster_settings import ClusterSettings, Member
from harness.model.workload import Workload

MOST_CHOICES = 64
"""Of a large cluster's, the others are like those that were looked at."""


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """What one choice of a strike takes."""

    members: Mapping[str, tuple[Member, ...]]
    """Workload -> those of its members that are taken."""

    nodes: tuple[str, ...] = ()
    machines: tuple[str, ...] | None = ()
    """Of the control plane; `one` where only their number is known; None: not known at all."""

    leader: bool | None = False
    """Whether etcd's leader is among the machines; None: not known."""


def hits(
    strike: Strike, workloads: Sequence[Workload], settings: ClusterSettings
) -> tuple[Hit, ...]:
    """Every choice that the strike may make of the cluster as it was read.

    Raises UnpredictableError where what it would choose from was not read.
    """
    if strike.how is How.SERVICE:
        return (Hit(members={}),)
    if strike.how is How.CONTROL_PLANE:
        return (Hit(members={}, machines=("one",), leader=strike.leader or None),)
    if strike.how in OF_NODES:
        choices = itertools.islice(_choices_of_nodes(strike, settings), MOST_CHOICES)
        return tuple(_on(nodes, zone, workloads, settings) for nodes, zone in choices)
    members = itertools.islice(_choices_of_members(strike, settings), MOST_CHOICES)
    return tuple(Hit(members={strike.workload: chosen}) for chosen in members)


def _choices_of_nodes(
    strike: Strike, settings: ClusterSettings
) -> Iterator[tuple[frozenset[str], str]]:
    """Nodes, and the zone where it is a whole one."""
    if strike.nodes:
        yield frozenset(strike.nodes), ""
    elif strike.whole_zone:
        nodes = _workers(settings)
        zones = {strike.zone} if strike.zone else set(nodes.values()) - {""}
        if not zones:
            raise UnpredictableError("no node says which zone it is in")
        for zone in sorted(zones):
            yield frozenset(node for node, its in nodes.items() if its == zone), zone
    elif strike.workload:
        chosen = (
            frozenset(member.node for member in members)
            for members in _choices_of_members(strike, settings)
        )
        for some in dict.fromkeys(chosen):
            yield some, ""
    else:
        workers = sorted(_workers(settings))
        for several in itertools.combinations(workers, _number(strike, len(workers), "workers")):
            yield frozenset(several), ""


def _choices_of_members(strike: Strike, settings: ClusterSettings) -> Iterator[tuple[Member, ...]]:
    of = settings.of(strike.workload)
    if not of.members:
        raise UnpredictableError(of.unknown.get("members", f"no pod of {strike.workload} was read"))
    if strike.role and any(not member.role for member in of.members):
        raise UnpredictableError(
            of.unknown.get("roles", f"who of {strike.workload} is {strike.role} was not read")
        )
    candidates = [
        one
        for one in of.members
        if strike.role in {"", one.role} and (not strike.pods or one.pod in strike.pods)
    ]
    if not candidates:
        named = ", ".join(strike.pods) or strike.role or "pod"
        raise UnpredictableError(f"{strike.workload} has no {named} now")
    yield from itertools.combinations(
        candidates, _number(strike, len(candidates), f"{strike.role or 'pod'}s")
    )


def _number(strike: Strike, there: int, what: str) -> int:
    """How many are taken; more than there are is what the experiment refuses."""
    if strike.count > there or not there:
        raise UnpredictableError(f"{strike.count} {what} are asked for, and {there} are there")
    return strike.count or there


def _on(
    nodes: frozenset[str], zone: str, workloads: Sequence[Workload], settings: ClusterSettings
) -> Hit:
    machines: tuple[str, ...] | None = ()
    if zone:
        known = settings.control_plane.machines if settings.control_plane is not None else {}
        machines = tuple(name for name, its in known.items() if its == zone) if known else None
    return Hit(
        members={
            workload.id: tuple(
                member for member in settings.of(workload.id).members if member.node in nodes
            )
            for workload in workloads
        },
        nodes=tuple(sorted(nodes)),
        machines=machines,
        leader=None,
    )


def _workers(settings: ClusterSettings) -> dict[str, str]:
    """Each worker and its zone."""
    if settings.state is None:
        raise UnpredictableError("the cluster's nodes were not read")
    return {one.name: one.zone for one in settings.state.nodes if not one.control_plane}
