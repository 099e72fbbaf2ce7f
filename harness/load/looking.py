"""Looks at all that scales one service: each look is a Sighting, whatever is away meanwhile."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

import msgspec

from harness.drivers import autoscaling
from harness.drivers.kubernetes import Cluster, OtherClusterError
from harness.drivers.kubernetes_connection import Answer, ConnectionBrokenError, Transport
from harness.errors import HarnessError
from harness.model.autoscaling import ClusterEvent, Sighting, Usage
from harness.model.instant import seconds
from harness.ports import Clock

Read = TypeVar("Read")

_STALE_SCRAPES = 3
"""Each measures every pod anew; after so many without a newer measurement, nothing measures."""

_HASH = "[bcdfghjklmnpqrstvwxz2456789]"
"""Letters of what controllers append to names (apimachinery, pkg/util/rand, SafeEncodeString)."""


class Service(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is looked at."""

    namespace: str
    pods: str
    """Label selector."""

    service: str
    controller: str
    """`Deployment/checkout`."""

    autoscaler: str | None
    """Its name; None: there is none to look at."""


class Looks:
    """Looks at one service again and again, and knows what it saw before."""

    def __init__(  # noqa: PLR0913 - what it looks at, and how often
        self,
        cluster: Cluster,
        uid: str,
        service: Service,
        clock: Clock,
        *,
        usages_every_ns: int,
        scrape_ns: int,
    ) -> None:
        """`uid`: of the cluster that it must be. `scrape_ns`: how often pods are measured, as
        metrics-server is set (model.autoscaling.Timings).
        """
        self._cluster = cluster
        self._uid = uid
        self._service = service
        self._clock = clock
        self._usages_every_ns = usages_every_ns
        self._stale_after_ns = _STALE_SCRAPES * scrape_ns
        self._known_cluster = False
        self._usages_due_ns = 0
        self._measured: datetime | None = None
        self._measured_ns = 0
        self._counted: dict[str, int] | None = None
        self._pods: set[str] = set()

    def look(self) -> Sighting:
        """All that there is to see. OtherClusterError, a RefusedError, where another cluster
        answers than the first look should find; no other error: what is away is in `unread`.
        """
        at = self._clock.now()
        unread: dict[str, str] = {}
        self._require_cluster(unread)
        cluster, one = self._cluster, self._service
        namespace = one.namespace

        def read(what: str, ask: Callable[[], Read]) -> Read | None:
            if not self._known_cluster:
                unread[what] = unread["cluster"]
                return None
            try:
                return ask()
            except (HarnessError, KeyError, ValueError, TypeError, AttributeError) as error:
                unread[what] = str(error) or repr(error)
                return None

        replicas = read(
            "replicas", lambda: autoscaling.read_replicas(cluster, namespace, one.controller)
        )
        name = one.autoscaler
        status = (
            None
            if name is None
            else read("autoscaler", lambda: autoscaling.read_status(cluster, namespace, name))
        )
        pods = read("pods", lambda: autoscaling.read_pods(cluster, namespace, one.pods))
        endpoints = read(
            "endpoints", lambda: autoscaling.read_endpoints(cluster, namespace, one.service)
        )
        usages = None
        if self._is_usages_turn(at.monotonic_ns):
            usages = read("usages", lambda: autoscaling.read_usages(cluster, namespace, one.pods))
        if usages is not None:
            self._note_age(usages, at.monotonic_ns, unread)
        quotas = read("quotas", lambda: autoscaling.read_quotas(cluster, namespace))
        self._pods |= {pod.name for pod in pods or ()}
        events = read("events", lambda: autoscaling.read_events(cluster, namespace))
        return Sighting(
            began_ns=at.monotonic_ns,
            ended_ns=self._clock.monotonic_ns(),
            wall=at.utc,
            replicas=replicas,
            autoscaler=status,
            pods=pods,
            endpoints=endpoints,
            usages=usages,
            quotas=quotas,
            events=() if events is None else self._fresh(events),
            unread=unread,
        )

    def _require_cluster(self, unread: dict[str, str]) -> None:
        """A kubeconfig may lead elsewhere since the drill was planned; asked until it is known."""
        if self._known_cluster:
            return
        try:
            self._cluster.require(self._uid)
            self._known_cluster = True
        except OtherClusterError:
            raise
        except HarnessError as error:
            unread["cluster"] = str(error)

    def _is_usages_turn(self, now_ns: int) -> bool:
        """By a schedule: a look that begins a moment too early must not wait for a whole turn."""
        if now_ns < self._usages_due_ns:
            return False
        due_ns = (self._usages_due_ns or now_ns) + self._usages_every_ns
        self._usages_due_ns = due_ns if due_ns > now_ns else now_ns + self._usages_every_ns
        return True

    def _note_age(self, usages: tuple[Usage, ...], now_ns: int, unread: dict[str, str]) -> None:
        """By our clock since the newest measurement last became a newer one: the cluster's clocks
        may be others.
        """
        newest = max((one.measured for one in usages), default=None)
        if newest is None or self._measured is None or newest > self._measured:
            self._measured, self._measured_ns = newest, now_ns
        elif now_ns - self._measured_ns > self._stale_after_ns:
            unread["fresh usages"] = (
                f"no measurement newer than {newest:%H:%M:%S} for "
                f"{seconds(now_ns - self._measured_ns):.0f} s: metrics are stale"
            )

    def _fresh(self, events: tuple[ClusterEvent, ...]) -> tuple[ClusterEvent, ...]:
        """Those about the service that are new or were counted up. The first look has none: what
        is there then is from before it.
        """
        about = [one for one in events if self._is_about(one)]
        known, self._counted = self._counted, {one.uid: one.count for one in about}
        if known is None:
            return ()
        return tuple(one for one in about if one.count > known.get(one.uid, 0))

    def _is_about(self, event: ClusterEvent) -> bool:
        return is_about(event.about, self._service, self._pods)


def is_about(about: str, service: Service, pods: set[str]) -> bool:
    """Whether an event's `Kind/name` is the service's: its autoscaler, its controller, one of its
    pods, also such as were never seen, or a ReplicaSet of it, which may have no pod at all.

    A ReplicaSet is named after its Deployment, and a pod after it, each with a hash appended
    (pkg/controller/deployment/sync.go, getNewReplicaSet); a StatefulSet's pods have numbers.
    """
    kind, _, name = about.partition("/")
    above, _, base = service.controller.partition("/")
    made_by = {
        "Deployment": {"ReplicaSet": f"{_HASH}+", "Pod": f"{_HASH}+-{_HASH}{{5}}"},
        "ReplicaSet": {"Pod": f"{_HASH}{{5}}"},
        "StatefulSet": {"Pod": r"\d+"},
    }.get(above, {})
    if about == service.controller:
        return True
    if kind == "HorizontalPodAutoscaler":
        return name == service.autoscaler
    if kind == "Pod" and name in pods:
        return True
    pattern = made_by.get(kind)
    return pattern is not None and bool(re.fullmatch(f"{re.escape(base)}-{pattern}", name))


class OneLook:
    """A Transport that asks an API no more that is silent: a look at it must not take minutes."""

    def __init__(self, transport: Transport, clock: Clock, *, lasts_ns: int) -> None:
        """`lasts_ns`: how long a look may take whose API has failed to answer once."""
        self.server = transport.server
        self._send = transport
        self._clock = clock
        self._lasts_ns = lasts_ns
        self._until_ns = 0
        self._broken: str | None = None

    def begin(self) -> None:
        """A look begins: the API is asked again."""
        self._broken = None
        self._until_ns = self._clock.monotonic_ns() + self._lasts_ns

    def __call__(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
    ) -> Answer:
        """As Transport."""
        if self._broken is not None and self._clock.monotonic_ns() > self._until_ns:
            raise ConnectionBrokenError(self._broken)
        try:
            return self._send(method, path, query=query, body=body, content_type=content_type)
        except ConnectionBrokenError as error:
            self._broken = str(error)
            raise
