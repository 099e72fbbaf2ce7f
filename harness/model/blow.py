"""Blows: what one mutation would take away, told to the guards before it is made."""

from __future__ import annotations

import msgspec


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class QuorumGroup(_Value, frozen=True, kw_only=True):
    """Members of which a number must be up for the whole to work: etcd, Redis' masters."""

    name: str
    """`etcd`, `orders: members of PostgreSQL`, `carts: masters of Redis`."""

    members: dict[str, str]
    """Each member, and what it goes with: a node, a machine of the control plane, or a pod as
    `namespace/name`."""

    up: frozenset[str]
    """The members that were seen up."""

    quorum: int
    """How many must be up."""


class Blow(_Value, frozen=True, kw_only=True):
    """All that one mutation would take away."""

    action: str
    """In words: `power cut of worker-2`."""

    pods: frozenset[str] = frozenset()
    """`namespace/name` of those chosen themselves; what runs on `nodes` is taken with them."""

    nodes: frozenset[str] = frozenset()
    zone: str | None = None
    """Set where all nodes of a zone are meant."""

    control_plane: frozenset[str] = frozenset()
    """Machines of the control plane, nodes of the API or not."""

    voluntary: bool = False
    """Whether it asks the Eviction API, which keeps PodDisruptionBudgets: they do not count
    otherwise (Kubernetes documentation, "Disruptions")."""

    quorums: tuple[QuorumGroup, ...] = ()
    """Of all groups that have a member in it."""

    gives_up: frozenset[str] = frozenset()
    """Names of the groups whose quorum the experiment says that it takes away, in its
    configuration: the plan shows it, and nothing else may."""
