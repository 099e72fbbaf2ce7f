"""Takes nodes, zones and members of the control plane away, by the environment's node provider."""

from __future__ import annotations

from collections.abc import Sequence

from harness.chaos.activity import action
from harness.chaos.injector import Fault, Injector, current
from harness.chaos.targets import Targets, whole_number
from harness.errors import RefusedError
from harness.model.blow import Blow
from harness.model.cluster import Node
from harness.model.fault import HealNode, Inverse, StartNode

LEADER = "leader"


@action
def kill_node(
    target: str = "any", workload: str = "", count: int | str = 1, gives_up: str = ""
) -> list[str]:
    """Takes nodes away as a power cut does, all at once; their disks stay.

    `target`: `any` ready worker, or names; with a `workload`, the nodes of its pods of that role.
    Witness: the provider's. Rollback: switched on again, Ready in a new boot.
    """
    injector = current()
    nodes = _nodes(injector, target, workload, count)
    names = [node.name for node in nodes]
    what = f"power cut of {', '.join(names)}"
    fault = Fault(
        subject=f"node:{','.join(names)}",
        action=what,
        inverses=tuple(StartNode(node=node.name, boot_id=node.boot_id) for node in nodes),
        strike=lambda: injector.nodes.kill(names),
        refuses_untouched=True,
    )
    return list(injector.inject(_blow(what, names, gives_up), [fault]))


@action
def partition_node(
    target: str = "any", workload: str = "", count: int | str = 1, gives_up: str = ""
) -> list[str]:
    """Takes the network of nodes away; all that runs on them goes on. As `kill_node` otherwise."""
    injector = current()
    names = [node.name for node in _nodes(injector, target, workload, count)]
    what = f"partition of {', '.join(names)}"
    fault = Fault(
        subject=f"node:{','.join(names)}",
        action=what,
        inverses=tuple(HealNode(node=name) for name in names),
        strike=lambda: injector.nodes.partition(names),
        refuses_untouched=True,
    )
    return list(injector.inject(_blow(what, names, gives_up), [fault]))


@action
def kill_zone(zone: str = "any", gives_up: str = "") -> list[str]:
    """Takes a whole zone away as a power cut does: all its nodes, and the machines of the control
    plane in it that are no nodes.

    `zone`: value of the label topology.kubernetes.io/zone, or `any`.
    """
    injector = current()
    name, nodes = Targets(injector.config, injector.cluster).zone(zone)
    masters = injector.nodes.control_plane_of(name)
    boots = {node.name: node.boot_id for node in nodes}
    machines = [*boots, *(one for one in masters if one not in boots)]
    what = f"power cut of zone {name}: {', '.join(machines)}"
    fault = Fault(
        subject=f"zone:{name}",
        action=what,
        inverses=_started(machines, boots),
        strike=lambda: injector.nodes.kill(machines),
        refuses_untouched=True,
    )
    blow = Blow(
        action=what,
        nodes=frozenset(boots),
        zone=name,
        control_plane=frozenset(masters),
        gives_up=frozenset(filter(None, [gives_up])),
    )
    return list(injector.inject(blow, [fault]))


@action
def kill_control_plane_member(member: str = "any") -> list[str]:
    """Takes one machine of the control plane away as a power cut does.

    `member`: `any`, `leader` (whoever leads etcd now), or a name.
    """
    injector = current()
    members = injector.nodes.control_plane()
    if not members:
        raise RefusedError(
            "control plane: none of its machines can be switched off here (it is managed), "
            "expected one or more"
        )
    match member:
        case "any":
            targets = Targets(injector.config, injector.cluster)
            chosen = targets.one_of(members, "members of the control plane")
        case "leader":
            chosen = injector.nodes.etcd_leader()
        case _:
            chosen = member
    if chosen not in members:
        raise RefusedError(
            f"control plane: {chosen} is none of it, expected any, leader or one of "
            f"{', '.join(members)}"
        )
    known = {node.name: node.boot_id for node in injector.cluster.nodes()}
    what = f"power cut of {chosen}" + (", leader of etcd" if member == LEADER else "")
    fault = Fault(
        subject=f"control-plane:{chosen}",
        action=what,
        inverses=_started([chosen], known),
        strike=lambda: injector.nodes.kill([chosen]),
        refuses_untouched=True,
    )
    nodes = frozenset({chosen} & known.keys())
    blow = Blow(action=what, nodes=nodes, control_plane=frozenset({chosen}))
    return list(injector.inject(blow, [fault]))


def _nodes(injector: Injector, target: str, workload: str, count: int | str) -> tuple[Node, ...]:
    number = whole_number("count", count)
    return Targets(injector.config, injector.cluster).nodes(workload, target, number)


def _started(machines: Sequence[str], boots: dict[str, str]) -> tuple[Inverse, ...]:
    return tuple(StartNode(node=one, boot_id=boots.get(one, "")) for one in machines)


def _blow(what: str, names: Sequence[str], gives_up: str) -> Blow:
    return Blow(action=what, nodes=frozenset(names), gives_up=frozenset(filter(None, [gives_up])))
