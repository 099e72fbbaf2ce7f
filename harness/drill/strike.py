"""Strikes: what an experiment's actions do to a cluster, as predictions and plans see it."""

from __future__ import annotations

import enum

import msgspec


class How(enum.StrEnum):
    """In which way members are taken."""

    NODE_POWER = "the node loses its power"
    NODE_NETWORK = "the node is cut off"
    POD_NETWORK = "the pod is cut off"
    PROCESS = "the process is killed"
    CONTAINER = "the container is killed"
    DELETE = "the pod is deleted, with its grace period"
    DELETE_AT_ONCE = "the pod is deleted without a grace period"
    EVICT = "the pod is evicted, and its node stays closed"
    BLACK_HOLE = "a dependency is black-holed"
    ROLLOUT = "another version is rolled out"
    CONTROL_PLANE = "a machine of the control plane loses its power"
    SERVICE = "a service beside the cluster is stopped"


OF_NODES = frozenset({How.NODE_POWER, How.NODE_NETWORK, How.EVICT})
"""All that is on the node is taken."""


class Strike(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One action: how, and what it chooses."""

    how: How
    action: str
    """Its function: `kill_node`."""

    workload: str = ""
    """Whose members, or whose members' nodes; empty: any of the cluster's."""

    role: str = ""
    """`primary`, `master`, `replica`; empty: any member."""

    count: int = 1
    """How many of them at once; 0: all."""

    pods: tuple[str, ...] = ()
    """Named by the experiment itself."""

    nodes: tuple[str, ...] = ()
    """Named by the experiment itself."""

    zone: str = ""
    """Named by the experiment itself; with `whole_zone` and no name: any zone."""

    whole_zone: bool = False
    leader: bool = False
    """Of the control plane: the machine that leads etcd."""

    gives_up: str = ""
    """The group whose quorum it says that it takes away."""

    target: str = ""
    """What is black-holed, rolled out or stopped."""
