"""Puts back what an intent says was broken, and proves it by a witness.

Every inverse may be undone again, after a death at any step: it looks first, changes what is not
yet as it was, and looks again until it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from harness.drivers.clock import wait_until
from harness.drivers.kubernetes import Cluster
from harness.errors import (
    DeadlineExceededError,
    HarnessError,
    HealError,
    RefusedError,
    SurroundingsError,
)
from harness.faults import pointer, routes
from harness.model.cluster import Node
from harness.model.fault import (
    HealNode,
    Intent,
    Inverse,
    Nothing,
    RemoveRoutes,
    RestoreObject,
    StartNode,
    StartService,
    Uncordon,
)
from harness.ports import NodeProvider

WITHIN = timedelta(minutes=5)
"""A machine of a cloud takes minutes to boot; in the lab it takes seconds."""

_HELPER_POD_S = 30.0
_RENEWALS_OF_AN_OLD_BOOT = 2
"""A machine that is in the boot that the fault should have ended was never off, or its kubelet has
not told the new boot yet: it does so within a second of its start, and renews its lease every 10 s.
"""


@dataclass(frozen=True, kw_only=True)
class Healer:
    """Undoes the intents of one cluster."""

    cluster: Cluster
    provider: NodeProvider | None
    """None: machines cannot be put right from here (in the cluster itself)."""

    helper_image: str
    within: timedelta = WITHIN
    """How long is tried, for each step of an inverse."""

    every_s: float = 0.5
    """Between two looks."""

    def undo(self, intent: Intent) -> str:
        """Puts it back; who saw it back. Again does no harm.

        Raises HealError, which names what is still broken; the intent must then stay.
        """
        try:
            self._require(intent)
            return self._undo(intent.inverse, intent.run)
        except HarnessError as error:
            raise HealError(
                f"{intent.action} (run {intent.run}) could not be put back: {error}",
                hint="harness recover  # tries again",
            ) from error

    def _undo(self, inverse: Inverse, run: str) -> str:  # noqa: PLR0911 - one for each
        match inverse:
            case Nothing():
                return "the platform puts it back itself"
            case StartNode():
                return self._start_node(inverse)
            case HealNode():
                return self._heal_node(inverse)
            case Uncordon():
                return self._uncordon(inverse.node)
            case RestoreObject():
                return self._restore(inverse)
            case RemoveRoutes():
                return self._remove_routes(inverse, run)
            case StartService():
                return self._persist(
                    lambda: self._machines().start_service(inverse.node, inverse.service),
                    f"{inverse.service} of {inverse.node} running",
                )

    def _require(self, intent: Intent) -> None:
        """Never another cluster. Without any answer only machines are put right: they may be why
        there is none, and the provider knows them by itself.
        """
        try:
            self.cluster.require(intent.cluster_uid)
        except SurroundingsError:
            if not isinstance(intent.inverse, StartNode | HealNode | StartService | Nothing):
                self._persist(lambda: self._is(intent.cluster_uid), "an answer of the API")

    def _is(self, uid: str) -> str:
        self.cluster.require(uid)
        return uid

    # --- machines ----------------------------------------------------------------------------

    def _start_node(self, inverse: StartNode) -> str:
        started = self._persist(
            lambda: self._machines().start(inverse.node), f"machine {inverse.node} on"
        )
        if not inverse.boot_id:
            return started
        return self._back(inverse.node, old_boot=inverse.boot_id)

    def _heal_node(self, inverse: HealNode) -> str:
        healed = self._persist(
            lambda: self._machines().heal(inverse.node), f"machine {inverse.node} connected"
        )
        known = self._persist(
            lambda: "a node" if self.cluster.node(inverse.node) else "no node",
            f"the API's word on {inverse.node}",
        )
        return healed if known == "no node" else self._back(inverse.node)

    def _back(self, name: str, old_boot: str = "") -> str:
        """Awaits the node Ready, with a lease that was renewed since this looked first: its clock
        is compared with itself only.
        """
        renewals: list[datetime] = []

        def look() -> str | None:
            node = self.cluster.node(name)
            renewed = self.cluster.lease_renewed(name)
            if renewed is not None and (not renewals or renewed > renewals[-1]):
                renewals.append(renewed)
            needed = _RENEWALS_OF_AN_OLD_BOOT if node and node.boot_id == old_boot else 1
            if node is None or not node.ready or len(renewals) - 1 < needed:
                return None
            return _witness(node, old_boot, renewals[-1])

        return self._persist(look, f"node {name} Ready with a renewed lease")

    def _machines(self) -> NodeProvider:
        if self.provider is None:
            raise RefusedError("machines cannot be reached from inside the cluster")
        return self.provider

    # --- objects of the API ------------------------------------------------------------------

    def _uncordon(self, name: str) -> str:
        def look() -> str | None:
            node = self.cluster.node(name)
            if node is None:
                return f"node {name} does not exist any more"
            if not node.unschedulable:
                return f"node {name} is schedulable"
            self.cluster.set_unschedulable(name, False)
            return None

        return self._persist(look, f"node {name} schedulable")

    def _restore(self, inverse: RestoreObject) -> str:
        before = json.loads(inverse.before)
        which = (inverse.api_version, inverse.kind, inverse.namespace, inverse.name)
        named = f"{inverse.kind} {inverse.namespace}/{inverse.name}"

        def look() -> str | None:
            found = self.cluster.get_object(*which)
            if found is None:
                return f"{named} does not exist any more"
            operations = pointer.restoring(found, inverse.pointer, before)
            if not operations:
                return f"{named} {inverse.pointer} is as it was before"
            self.cluster.patch_object(*which, operations)
            return None

        return self._persist(look, f"{named} {inverse.pointer} as it was before")

    def _remove_routes(self, inverse: RemoveRoutes, run: str) -> str:
        def look() -> str:
            pod = self.cluster.pod(inverse.namespace, inverse.pod)
            gone = pod is None or pod.uid != inverse.pod_uid
            if gone or (pod and pod.phase in ("Succeeded", "Failed")):
                return f"pod {inverse.namespace}/{inverse.pod} is gone, and its network with it"
            said = self.cluster.run_helper_pod(
                inverse.node,
                self.helper_image,
                routes.remove(inverse.pod_uid, inverse.destinations),
                _HELPER_POD_S,
                run=run,
            )
            return f"pod {inverse.namespace}/{inverse.pod}: {said.strip()}"

        return self._persist(look, f"no black hole in pod {inverse.namespace}/{inverse.pod}")

    def _persist(self, look: Callable[[], str | None], what: str) -> str:
        """Looks until there is a witness. What surrounds may fail meanwhile: it is being put right
        just now. A refusal is final.
        """
        last: list[SurroundingsError] = []

        def attempt() -> str | None:
            try:
                return look()
            except SurroundingsError as error:
                last[:] = [error]
                return None

        try:
            return wait_until(
                attempt, within_s=self.within.total_seconds(), what=what, every_s=self.every_s
            )
        except DeadlineExceededError as error:
            if not last:
                raise
            raise SurroundingsError(f"{error}; last: {last[0]}") from last[0]


def _witness(node: Node, old_boot: str, renewed: datetime) -> str:
    same = bool(old_boot) and node.boot_id == old_boot
    boot = f"boot {node.boot_id}" + (", which was never ended," if same else "")
    return f"node {node.name} in {boot} is Ready, lease renewed {renewed:%H:%M:%S}"
