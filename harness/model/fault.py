"""Intents: what is about to be broken, written down before, and how it is put back."""

from __future__ import annotations

from datetime import datetime

import msgspec


class _Inverse(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do"
):
    pass


class Nothing(_Inverse, frozen=True, kw_only=True, tag="nothing"):
    """The platform puts it back itself (a deleted pod, a killed container): only looked after."""


class StartNode(_Inverse, frozen=True, kw_only=True, tag="start-node"):
    """Switches a machine on again, and waits until it is back in a new boot."""

    node: str
    boot_id: str
    """Of the boot that the fault ended; empty where the machine is no node of the API."""


class HealNode(_Inverse, frozen=True, kw_only=True, tag="heal-node"):
    """Connects a machine again, and lets its processes go on."""

    node: str


class Uncordon(_Inverse, frozen=True, kw_only=True, tag="uncordon"):
    """Makes a node schedulable again."""

    node: str


class RestoreObject(_Inverse, frozen=True, kw_only=True, tag="restore-object"):
    """Gives an object of the API back the part of its spec that it had before."""

    api_version: str
    kind: str
    namespace: str
    """Empty where the kind has none."""

    name: str
    before: bytes
    """JSON: what was at `pointer` before; `null` where there was nothing."""

    pointer: str
    """JSON pointer (RFC 6901): `/spec/template`."""


class RemoveRoutes(_Inverse, frozen=True, kw_only=True, tag="remove-routes"):
    """Takes the black-hole routes out of a pod's network, where the pod still is."""

    namespace: str
    pod: str
    pod_uid: str
    node: str
    destinations: tuple[str, ...]
    """IPv4 prefixes."""


class StartService(_Inverse, frozen=True, kw_only=True, tag="start-service"):
    """Starts a process of a machine again that its supervisor was told to keep down."""

    node: str
    service: str


Inverse = Nothing | StartNode | HealNode | Uncordon | RestoreObject | RemoveRoutes | StartService


class Intent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One mutation of a system under test; on disk, fsynced, before it is made."""

    id: str
    """Unique; sorts in the order of the mutations of one run. Also a label on what is touched."""

    run: str
    trial: str
    environment: str
    cluster_uid: str
    """Of the cluster that it is about: an inverse is never sent to another one."""

    action: str
    """In words: `power cut of worker-2`."""

    inverse: Inverse
    made: datetime
    expires: datetime
    """Wall clock: after it, whoever finds the intent undoes it, whether or not its run lives."""

    owner_pid: int
    owner_started: float
    """As in faults.places.Place."""
