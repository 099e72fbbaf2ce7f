"""Simulates a service under a load with its autoscaler, kubelets and metrics-server. Pure.

A derivation aid for predictions and tests: the autoscaler is the recomputed algorithm, all else is
arithmetic. Kubelets sample counters, metrics-server takes the last two samples of each container
(kubernetes-sigs/metrics-server, FAQ), the controller syncs; each with a period and a phase. Work is
spread evenly over ready pods, and none gets more than its limit.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from harness.capacity.autoscaler import Change, View, decide, recommend, windows
from harness.model.autoscaling import (
    AutoscalerSettings,
    ContainerResources,
    Resource,
    ScaledPod,
    Timings,
    Usage,
)

KUBELET_S = 10.0
"""The period in which a kubelet samples containers: cAdvisor's housekeeping interval."""

ZERO = datetime(2000, 1, 1, tzinfo=UTC)
"""Wall time of second 0."""

_LONG_AGO_S = -3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What one pod of it asks for, may use and takes to be ready."""

    request: float
    """Cores."""

    limit: float | None
    """Cores; None: it may use all that it needs."""

    ready_s: float
    """From its creation to ready."""

    memory: float = 0.4
    """Share of its memory request that it uses, whatever the load."""

    starting: float = 0.3
    """Share of its CPU request that it uses until it is ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """By how much each period is shifted, seconds."""

    kubelet_s: float = 0.0
    scrape_s: float = 0.0
    sync_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that could be seen at one moment."""

    at_s: float
    replicas: int
    scaled_s: float | None
    """When the autoscaler last changed them."""

    pods: tuple[ScaledPod, ...]
    usages: tuple[Usage, ...]

    @property
    def ready(self) -> int:
        """Pods that are."""
        return sum(pod.ready for pod in self.pods)


@dataclass(slots=True)
class _Pod:
    name: str
    created_s: float
    ready_s: float
    used: float = 0.0
    """Core seconds since its creation."""

    samples: list[tuple[float, float]] = field(default_factory=list)
    """(when, used) by its kubelet: the last two."""

    scraped: list[tuple[float, float]] = field(default_factory=list)
    """Those that metrics-server has."""


class Simulation:
    """One run. `demand`: from which second on so many cores are asked for, until the next."""

    def __init__(  # noqa: PLR0913 - a service, its load, and the three that follow it
        self,
        settings: AutoscalerSettings,
        timings: Timings,
        service: Service,
        demand: Sequence[tuple[float, float]],
        phases: Phases,
        *,
        begin_s: float = -60.0,
        replicas: int | None = None,
    ) -> None:
        self._settings, self._timings, self._service = settings, timings, service
        self._demand = sorted(demand)
        self._steps = [at_s for at_s, _ in self._demand]
        self._now = begin_s
        self._next = {
            "kubelet": begin_s + phases.kubelet_s,
            "scrape": begin_s + phases.scrape_s,
            "sync": begin_s + phases.sync_s,
        }
        self._periods = {
            "kubelet": KUBELET_S,
            "scrape": timings.scrape_s,
            "sync": timings.sync_s,
        }
        self._made = 0
        self._seen: tuple[tuple[int, int, int], tuple[ScaledPod, ...]] = ((0, 0, 0), ())
        self._pods: list[_Pod] = []
        self._grow(settings.minimum if replicas is None else replicas, at_s=_LONG_AGO_S)
        self._past: list[tuple[float, int]] = [(begin_s, len(self._pods))]
        self._changes: list[tuple[float, int]] = []
        self._usages: tuple[Usage, ...] = ()
        self._containers = (_container(service),)

    def states(self, until_s: float, every_s: float) -> Iterator[State]:
        """A state each `every_s`, to `until_s`."""
        look_s = self._now
        while look_s <= until_s:
            while (upcoming := min(self._next.values())) <= look_s:
                self._advance(upcoming)
                for name in ("kubelet", "scrape", "sync"):
                    if self._next[name] <= upcoming:
                        self._next[name] += self._periods[name]
                        getattr(self, f"_{name}")()
            self._advance(look_s)
            yield State(
                at_s=look_s,
                replicas=len(self._pods),
                scaled_s=self._changes[-1][0] if self._changes else None,
                pods=self._seen_pods(),
                usages=self._usages,
            )
            look_s += every_s

    def _advance(self, to_s: float) -> None:
        """Work until then, from one change of the demand or of the ready pods to the next."""
        while self._now < to_s:
            changes = [at_s for at_s in self._steps if at_s > self._now]
            changes += [pod.ready_s for pod in self._pods if pod.ready_s > self._now]
            end_s = min([to_s, *changes])
            ready = sum(pod.ready_s <= self._now for pod in self._pods)
            share = min(self._asked() / max(1, ready), self._service.limit or math.inf)
            starting = self._service.starting * self._service.request
            for pod in self._pods:
                rate = share if pod.ready_s <= self._now else starting
                pod.used += rate * (end_s - self._now)
            self._now = end_s

    def _asked(self) -> float:
        number = bisect.bisect_right(self._steps, self._now)
        return self._demand[number - 1][1] if number else 0.0

    def _kubelet(self) -> None:
        for pod in self._pods:
            pod.samples = [*pod.samples[-1:], (self._now, pod.used)]

    def _scrape(self) -> None:
        for pod in self._pods:
            if pod.samples and pod.scraped[-1:] != pod.samples[-1:]:
                pod.scraped = [*pod.scraped[-1:], pod.samples[-1]]
        self._usages = tuple(self._usage(pod) for pod in self._pods if len(pod.scraped) > 1)

    def _usage(self, pod: _Pod) -> Usage:
        (from_s, before), (to_s, after) = pod.scraped
        memory = self._service.memory * self._containers[0].requests[Resource.MEMORY]
        return Usage(
            pod=pod.name,
            measured=_wall(to_s),
            window_s=to_s - from_s,
            containers={
                self._containers[0].name: {
                    Resource.CPU: (after - before) / (to_s - from_s),
                    Resource.MEMORY: memory,
                }
            },
        )

    def _sync(self) -> None:
        current = len(self._pods)
        view = View(
            now=_wall(self._now), replicas=current, pods=self._seen_pods(), usages=self._usages
        )
        wanted = recommend(view, self._settings, self._timings).replicas
        allowed = None
        if wanted is not None:
            past = [(self._now - at_s, one) for at_s, one in self._past]
            allowed = windows(self._settings, wanted, past)
            self._past.append((self._now, wanted))
        changes = [Change(age_s=self._now - at_s, by=by) for at_s, by in self._changes]
        decided = decide(
            self._settings, current=current, wanted=wanted, allowed=allowed, changes=changes
        ).replicas
        if decided != current:
            self._changes.append((self._now, decided - current))
            self._grow(decided - current, at_s=self._now)

    def _grow(self, by: int, *, at_s: float) -> None:
        if by < 0:
            del self._pods[by:]
        for _ in range(by):
            self._pods.append(
                _Pod(
                    name=f"pod-{self._made}",
                    created_s=at_s,
                    ready_s=at_s + self._service.ready_s,
                )
            )
            self._made += 1

    def _seen_pods(self) -> tuple[ScaledPod, ...]:
        """Made anew only where one came, went or became ready."""
        ready = sum(pod.ready_s <= self._now for pod in self._pods)
        state = (self._made, len(self._pods), ready)
        if self._seen[0] != state:
            self._seen = (state, tuple(self._seen_pod(pod) for pod in self._pods))
        return self._seen[1]

    def _seen_pod(self, pod: _Pod) -> ScaledPod:
        ready = pod.ready_s <= self._now
        return ScaledPod(
            name=pod.name,
            uid=pod.name,
            phase="Running",
            ready=ready,
            terminating=False,
            node="node",
            created=_wall(pod.created_s),
            started=_wall(pod.created_s),
            ready_changed=_wall(pod.ready_s if ready else pod.created_s),
            containers=self._containers,
        )


def _container(service: Service) -> ContainerResources:
    limits = {} if service.limit is None else {Resource.CPU: service.limit}
    return ContainerResources(
        name="service",
        requests={Resource.CPU: service.request, Resource.MEMORY: 2.0**20},
        limits=limits,
    )


def _wall(at_s: float) -> datetime:
    return ZERO + timedelta(seconds=at_s)
