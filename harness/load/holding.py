"""Holds a service at a number of replicas: changes its autoscaler, or its Deployment where it has
none, after writing down how that is put back.
"""

from __future__ import annotations

import json

from harness.drivers.clock import wait_until
from harness.drivers.kubernetes import Cluster
from harness.errors import DeadlineExceededError, HarnessError, InputError, SurroundingsError
from harness.faults import self_heal
from harness.model.fault import RestoreObject
from harness.model.history import ReplicasHeld
from harness.model.workload import HttpWorkload
from harness.ports import Clock

READY_WITHIN_S = 300.0
"""An autoscaler's sync of 15 s, and pods that start; images may have to be fetched."""

_AUTOSCALING, _AUTOSCALER = "autoscaling/v2", "HorizontalPodAutoscaler"
_APPS, _DEPLOYMENT = "apps/v1", "Deployment"


class Holding:
    """The replicas of one service, for one trial."""

    def __init__(  # noqa: PLR0913 - what it holds, and with what
        self,
        cluster: Cluster,
        workload: HttpWorkload,
        autoscaler: str | None,
        declare: self_heal.Declare,
        clock: Clock,
        *,
        ready_within_s: float = READY_WITHIN_S,
    ) -> None:
        """`autoscaler`: its name; None: it has none. `declare` writes an intent down, durably."""
        self._cluster = cluster
        self._workload = workload
        self._autoscaler = autoscaler
        self._declare = declare
        self._clock = clock
        self._ready_within_s = ready_within_s
        self._declared = False

    def hold(self, trial: str, replicas: int) -> ReplicasHeld:
        """Returns when so many pods are ready, and no other; an error is in the fact.

        Again, with another number, needs no second intent: what it was before is written down.
        """
        began_ns = self._clock.monotonic_ns()
        ready_ns, failure = None, None
        try:
            if not self._declared:
                self._declare_before()
                self._declared = True
            self._set(replicas)
            self._await(replicas)
            ready_ns = self._clock.monotonic_ns()
        except HarnessError as error:
            failure = str(error)
        return ReplicasHeld(
            trial=trial, replicas=replicas, began_ns=began_ns, ready_ns=ready_ns, error=failure
        )

    def _declare_before(self) -> None:
        api_version, kind, name, pointer = self._held()
        found = self._cluster.get_object(api_version, kind, self._workload.namespace, name)
        if found is None:
            raise InputError(f"{kind} {self._workload.namespace}/{name}: is not there")
        before = found["spec"] if pointer == "/spec" else found["spec"].get("replicas", 1)
        # Paused first, and so given back last: Argo CD would undo the change, and then our undoing.
        self_heal.pause(self._cluster, found, self._declare)
        self._declare(
            f"hold of {kind} {self._workload.namespace}/{name}",
            RestoreObject(
                api_version=api_version,
                kind=kind,
                namespace=self._workload.namespace,
                name=name,
                before=json.dumps(before).encode(),
                pointer=pointer,
            ),
        )

    def _held(self) -> tuple[str, str, str, str]:
        if self._autoscaler is not None:
            return _AUTOSCALING, _AUTOSCALER, self._autoscaler, "/spec"
        if self._workload.deployment is None:
            raise InputError(f"workload {self._workload.id}: names no deployment to hold")
        return _APPS, _DEPLOYMENT, self._workload.deployment, "/spec/replicas"

    def _set(self, replicas: int) -> None:
        """An autoscaler beyond its limits goes to them at once, whatever its metrics and windows
        say (horizontal.go, reconcileAutoscaler).
        """
        api_version, kind, name, _ = self._held()
        operations = (
            [
                {"op": "add", "path": "/spec/minReplicas", "value": replicas},
                {"op": "replace", "path": "/spec/maxReplicas", "value": replicas},
            ]
            if kind == _AUTOSCALER
            else [{"op": "replace", "path": "/spec/replicas", "value": replicas}]
        )
        self._cluster.patch_object(api_version, kind, self._workload.namespace, name, operations)

    def _await(self, replicas: int) -> None:
        last: list[str] = []

        def ready() -> bool:
            try:
                pods = self._cluster.pods(self._workload.namespace, self._workload.pods)
            except SurroundingsError as error:
                last[:] = [str(error)]
                return False
            serving = sum(1 for pod in pods if pod.ready and not pod.terminating)
            last[:] = [f"{serving} ready of {len(pods)} pods"]
            return serving == len(pods) == replicas

        try:
            wait_until(
                ready,
                within_s=self._ready_within_s,
                what=f"{replicas} replicas of {self._workload.id} ready",
                every_s=0.5,
            )
        except DeadlineExceededError as error:
            raise DeadlineExceededError(f"{error}; {'; '.join(last)}") from error
