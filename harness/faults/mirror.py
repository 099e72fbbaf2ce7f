"""Intents as ConfigMaps of the cluster that they are about, for the watchdog that runs there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from harness.drivers.clock import wait_until
from harness.drivers.kubernetes import (
    DRILL_LABEL,
    NAMESPACE,
    ChangedMeanwhileError,
    Cluster,
    label_value,
)
from harness.drivers.kubernetes_connection import ConnectionBrokenError
from harness.drivers.kubernetes_objects import Object
from harness.errors import DeadlineExceededError
from harness.faults.intents import Intents
from harness.model.cluster import ClusterAccess
from harness.model.codec import from_json, to_json
from harness.model.fault import Intent

INTENT_LABEL = "harness.dev/intent"
"""`true` on each ConfigMap that holds one."""

_KEY = "intent.json"
_ANSWERS_WITHIN_S = 20.0
"""A master that was just cut off takes that long to be left out by a balancer."""


class ConfigMapMirror:
    """Each intent in a ConfigMap of the namespace harness-drill.

    Its name is of one intent only, so that a change without an answer may be made again.
    """

    def __init__(
        self, cluster_of: Callable[[str], Cluster], within_s: float = _ANSWERS_WITHIN_S
    ) -> None:
        """`cluster_of` gives the cluster of an intent's `cluster_uid`; without an answer it is
        asked for `within_s` seconds.
        """
        self._cluster_of = cluster_of
        self._within_s = within_s

    def write(self, intent: Intent) -> None:
        """Makes its ConfigMap; again changes nothing."""
        cluster = self._cluster_of(intent.cluster_uid)

        def make() -> None:
            cluster.ensure_namespace()
            with contextlib.suppress(ChangedMeanwhileError):  # it is there
                cluster.create_object(_config_map(intent))

        self._answered(make, intent)

    def remove(self, intent: Intent) -> None:
        """Deletes its ConfigMap; again does nothing."""
        cluster = self._cluster_of(intent.cluster_uid)
        self._answered(
            lambda: cluster.delete_object("v1", "ConfigMap", NAMESPACE, name_of(intent)), intent
        )

    def _answered(self, change: Callable[[], object], intent: Intent) -> None:
        last: list[ConnectionBrokenError] = []

        def attempt() -> bool:
            try:
                change()
            except ConnectionBrokenError as error:
                last[:] = [error]
                return False
            return True

        try:
            wait_until(attempt, within_s=self._within_s, what=name_of(intent), every_s=0.5)
        except DeadlineExceededError as error:
            raise (last[0] if last else error) from error


def _config_map(intent: Intent) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name_of(intent),
            "namespace": NAMESPACE,
            "labels": {INTENT_LABEL: "true", DRILL_LABEL: label_value(intent.run)},
        },
        "data": {_KEY: to_json(intent).decode()},
    }


def mirrored(state: Path, cluster: Cluster, access: ClusterAccess) -> Intents:
    """The intents of a drill on one cluster: on disk, and in that cluster."""
    intents = Intents(state, mirror=ConfigMapMirror(lambda _uid: cluster))
    intents.remember(access)
    return intents


def name_of(intent: Intent) -> str:
    """Of its ConfigMap."""
    return f"intent-{intent.id}"


def found_in(cluster: Cluster) -> tuple[tuple[Intent, ...], tuple[str, ...]]:
    """The intents in a cluster, in the order of their mutations, and the ConfigMaps that hold a
    torn one.
    """
    intents: list[Intent] = []
    torn: list[str] = []
    for one in cluster.list_objects("v1", "ConfigMap", NAMESPACE, selector=f"{INTENT_LABEL}=true"):
        try:
            intents.append(from_json(one.get("data", {}).get(_KEY, "").encode(), Intent))
        except msgspec.DecodeError as error:
            torn.append(f"{NAMESPACE}/{one['metadata']['name']}: {error}")
    return tuple(sorted(intents, key=lambda one: (one.run, one.id))), tuple(torn)
