"""Decides which strikes an experiment makes, from its actions. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.drill.experiment_document import Activity
from harness.drill.strike import OF_NODES, How, Strike
from harness.errors import InputError

HARMLESS = frozenset(
    {"hold", "undo_all", "rehearse", "fault_of_others_begins", "fault_of_others_seen"}
)
"""Actions that break nothing: they wait, put back, restore beside what there is, or tell of what
others break.
"""

_HOW = {
    "delete_pods": How.DELETE,
    "kill_container": How.CONTAINER,
    "kill_process": How.PROCESS,
    "drain_node": How.EVICT,
    "kill_node": How.NODE_POWER,
    "partition_node": How.NODE_NETWORK,
    "kill_zone": How.NODE_POWER,
    "kill_control_plane_member": How.CONTROL_PLANE,
    "partition_pod": How.POD_NETWORK,
    "black_hole_dependency": How.BLACK_HOLE,
    "change_rollout": How.ROLLOUT,
    "stop_service": How.SERVICE,
}
_ALL_PODS = frozenset({How.BLACK_HOLE, How.ROLLOUT})
_ANY = "any"
_ROLES = frozenset({"primary", "replica", "master"})


def strikes_of(activities: Sequence[Activity], *, name: str) -> tuple[Strike, ...]:
    """What the method breaks, in its order; actions of others are none: nobody knows what they do.

    Raises InputError for an action of ours that does not exist; `name` is for messages.
    """
    return tuple(
        _strike(one)
        for one in activities
        if one.action and one.part == "method" and one.is_ours and _breaks(one, name)
    )


def _breaks(activity: Activity, name: str) -> bool:
    if activity.function in HARMLESS:
        return False
    if activity.function not in _HOW:
        raise InputError(
            f"experiment {name}: {activity.name}: got action {activity.module}."
            f"{activity.function}, expected one of {', '.join(sorted({*_HOW, *HARMLESS}))}"
        )
    return True


def _strike(activity: Activity) -> Strike:
    arguments = activity.arguments
    how = _HOW[activity.function]
    if how is How.DELETE and arguments.get("grace_s") == "0":
        how = How.DELETE_AT_ONCE
    workload = arguments.get("workload", "")
    target = arguments.get("target", _ANY)
    # `master:2` is the master of one shard: as any other's.
    role = target.partition(":")[0] if target.partition(":")[0] in _ROLES else ""
    named = () if role or target == _ANY else tuple(filter(None, map(str.strip, target.split(","))))
    of_nodes = how in OF_NODES and not workload
    zone = arguments.get("zone", "")
    return Strike(
        how=how,
        action=activity.function,
        workload=workload,
        role=role,
        pods=() if of_nodes else named,
        count=0 if how in _ALL_PODS else _number(arguments),
        nodes=named if of_nodes else (),
        zone="" if zone == _ANY else zone,
        whole_zone=activity.function == "kill_zone",
        leader=arguments.get("member") == "leader",
        gives_up=arguments.get("gives_up", ""),
        target=_target(arguments),
    )


def _number(arguments: Mapping[str, str]) -> int:
    text = arguments.get("count", "1")
    return int(text) if text.isdigit() else 1


def _target(arguments: Mapping[str, str]) -> str:
    """What is black-holed, rolled out or stopped."""
    for name in ("dependency", "service", "deployment", "version"):
        if arguments.get(name):
            return arguments[name]
    return ""
