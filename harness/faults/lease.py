"""One drill at a time in a cluster: a Lease of the Kubernetes API, held while a drill goes on.

Whether a foreign lease has expired is not told by comparing two hosts' clocks alone: one that looks
expired is also watched for as long as its holder may take to renew it, and taken over only where it
did not (as client-go's leader election does it).
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from harness.drivers.clock import HostClock
from harness.drivers.kubernetes import NAMESPACE, ChangedMeanwhileError, Cluster
from harness.drivers.kubernetes_objects import Object
from harness.drivers.kubernetes_objects import time as read_time
from harness.errors import HarnessError, RefusedError
from harness.ports import Clock

NAME = "harness-drill"
LASTS = timedelta(minutes=2)
"""A drill that takes the API away for a minute keeps it; a killed one's is free in two."""

_RENEWALS = 12
"""In the life of a lease: every ten seconds."""

_WATCHES = 1.5
"""How many times the holder could have renewed, before a lease counts as given up."""

_API = ("coordination.k8s.io/v1", "Lease", NAMESPACE, NAME)


def holder(run: str, pid: int | None = None) -> str:
    """Identity of a holder: `host_pid_run`."""
    return f"{socket.gethostname()}_{pid or os.getpid()}_{run}"


class DrillLease:
    """The lease of one cluster, for one holder."""

    def __init__(
        self,
        cluster: Cluster,
        identity: str,
        *,
        clock: Clock | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """`pause` waits, in seconds."""
        self._cluster = cluster
        self._identity = identity
        self._clock = clock or HostClock()
        self._pause = pause
        self.lost = threading.Event()
        """Set when somebody else holds it: nothing more may be broken."""

    @contextmanager
    def held(self) -> Iterator[DrillLease]:
        """Acquires it, renews it from a thread of its own, and releases it."""
        self.acquire()
        ended = threading.Event()
        thread = threading.Thread(
            target=self._renewing, args=(ended,), name="drill lease", daemon=True
        )
        thread.start()
        try:
            yield self
        finally:
            ended.set()
            thread.join()
            self.release()

    def acquire(self) -> None:
        """Takes it; RefusedError, with its holder and since when and until when, where another has
        it.
        """
        self._cluster.ensure_namespace()
        found = self._cluster.get_object(*_API)
        if found is None:
            self._create()
            return
        spec = found["spec"]
        other = spec.get("holderIdentity") or ""
        if other and other != self._identity:
            if _expires(spec) > self._clock.now().utc:
                raise _refusal(spec)
            self._pause(_lasts(spec).total_seconds() / _RENEWALS * _WATCHES)
            seen = self._cluster.get_object(*_API) or found
            if seen["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
                raise _refusal(seen["spec"])
        self._take(found)

    def renew(self) -> None:
        """Says that the holder lives; sets `lost` where another holds it.

        A failure of the API is let through, and says nothing about who holds it.
        """
        found = self._cluster.get_object(*_API)
        if found is None or found["spec"].get("holderIdentity") != self._identity:
            self.lost.set()
            return
        self._patch(
            found, {"op": "replace", "path": "/spec/renewTime", "value": _micro_time(self._now())}
        )

    def release(self) -> bool:
        """Gives it back, where it is this holder's; whether it was."""
        found = self._cluster.get_object(*_API)
        if found is None or found["spec"].get("holderIdentity") != self._identity:
            return False
        self._patch(found, {"op": "remove", "path": "/spec/holderIdentity"})
        return True

    def _renewing(self, ended: threading.Event) -> None:
        while not ended.wait(LASTS.total_seconds() / _RENEWALS):
            try:
                self.renew()
            except HarnessError:
                continue  # the API may be what is broken just now

    def _create(self) -> None:
        api_version, kind, namespace, name = _API
        try:
            self._cluster.create_object(
                {
                    "apiVersion": api_version,
                    "kind": kind,
                    "metadata": {"name": name, "namespace": namespace},
                    "spec": self._spec(),
                }
            )
        except ChangedMeanwhileError as error:
            raise _refusal((self._cluster.get_object(*_API) or {}).get("spec", {})) from error

    def _take(self, found: Object) -> None:
        try:
            self._patch(found, {"op": "replace", "path": "/spec", "value": self._spec()})
        except ChangedMeanwhileError as error:
            raise _refusal((self._cluster.get_object(*_API) or found)["spec"]) from error

    def _patch(self, found: Object, operation: dict[str, object]) -> None:
        version = found["metadata"]["resourceVersion"]
        unchanged = {"op": "test", "path": "/metadata/resourceVersion", "value": version}
        self._cluster.patch_object(*_API, (unchanged, operation))

    def _spec(self) -> Object:
        now = _micro_time(self._now())
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": int(LASTS.total_seconds()),
            "acquireTime": now,
            "renewTime": now,
        }

    def _now(self) -> datetime:
        return self._clock.now().utc


def _lasts(spec: Object) -> timedelta:
    return timedelta(seconds=int(spec.get("leaseDurationSeconds") or LASTS.total_seconds()))


def _expires(spec: Object) -> datetime:
    renewed = read_time(spec.get("renewTime"))
    return datetime.min.replace(tzinfo=UTC) if renewed is None else renewed + _lasts(spec)


def _refusal(spec: Object) -> RefusedError:
    return RefusedError(
        f"a drill is already going on in this cluster: {spec.get('holderIdentity')} since "
        f"{spec.get('acquireTime')}; its lease ends at {_expires(spec):%H:%M:%S} UTC unless it is "
        "renewed",
        hint="harness abort  # on its host; or wait until it has ended",
    )


def _micro_time(moment: datetime) -> str:
    """MicroTime of the API: RFC 3339 with exactly six digits, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
