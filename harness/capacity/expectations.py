"""Predicts how an autoscaler will follow a load, before it is run: by its settings. Pure.

The chain is: a kubelet's sample, metrics-server's scrape, the controller's sync, the start of a
pod. Its phases are unknown, so that many of them are drawn, by a seed, and ranges are told. The
load is a step to as much as the maximum is made for; a smaller one needs fewer steps.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from harness.capacity.autoscaler import Change, Windows, decide, growth_limit, tolerances
from harness.capacity.simulation import KUBELET_S, Phases, Service, Simulation
from harness.model.autoscaling import (
    AutoscalerSettings,
    ContainerResources,
    Resource,
    ResourceTarget,
    Timings,
    Usage,
)

DRAWS = 60
"""Phases that are drawn: the 5th and the 95th of a hundred, near enough, in about a second."""

READY_S = (10.0, 30.0)
"""From a pod's creation to ready, where nobody measured it: a quick service and a slow one."""

_IDLE = 0.05
"""Share of one request that is used without a load."""

_CHAINS = 3
"""Chains of measuring and deciding that the way back is given beyond its window and its period."""

_STEPS_BACK = 6
"""Windows that the way back may need where memory lets only a part of the replicas go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """5 % of the draws are below `low`, 95 % below `high`; seconds."""

    low: float
    typical: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What arithmetic says; None: not within the time that was looked at."""

    onset_s: Range | None
    """From the load's beginning to the first wish for more."""

    wanted_s: Range | None
    """To the wish for the maximum."""

    to_maximum_s: Range | None
    """To all of the maximum ready."""

    back_s: Range | None
    """From the load's end to the minimum."""

    path: tuple[int, ...]
    """The most frequent numbers of replicas on the way up."""

    lines: tuple[str, ...]
    """For a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    onset_s: float | None
    wanted_s: float | None
    ready_s: float | None
    back_s: float | None
    path: tuple[int, ...]


def expect(  # noqa: PLR0913 - what a load and those who follow it are set to
    settings: AutoscalerSettings,
    timings: Timings,
    containers: Sequence[ContainerResources],
    *,
    seed: int,
    lasts_s: float = 450.0,
    ready_s: tuple[float, float] = READY_S,
    memory: float | None = None,
    draws: int = DRAWS,
) -> Expectation:
    """`containers`: of one pod. `lasts_s`: how long the load is on.

    `memory`: the share of its memory request that a pod uses without a load. It does not fall when
    pods go, so that it holds a part of them back in each window (kubernetes#78761). None: nobody
    knows, and memory is left out.
    """
    metric = next((one for one in settings.metrics if one.resource is Resource.CPU), None)
    request = _sum(containers, metric, "requests")
    if metric is None or metric.utilization is None or request is None:
        return Expectation(
            onset_s=None,
            wanted_s=None,
            to_maximum_s=None,
            back_s=None,
            path=(),
            lines=("nothing is predicted: no share of a CPU request is its target",),
        )
    limit = _sum(containers, metric, "limits")
    random_ = random.Random(seed)  # noqa: S311 - phases of periods, no secret
    followed = _followed(settings, memory)
    runs = [
        _simulate(
            followed,
            timings,
            Service(
                request=request,
                limit=limit,
                ready_s=random_.uniform(*ready_s),
                memory=memory or 0.0,
            ),
            needed=settings.maximum * request * metric.utilization / 100,
            lasts_s=lasts_s,
            phases=Phases(
                kubelet_s=random_.uniform(0, KUBELET_S),
                scrape_s=random_.uniform(0, timings.scrape_s),
                sync_s=random_.uniform(0, timings.sync_s),
            ),
        )
        for _ in range(draws)
    ]
    paths = [one.path for one in runs]
    found = Expectation(
        onset_s=_range([one.onset_s for one in runs]),
        wanted_s=_range([one.wanted_s for one in runs]),
        to_maximum_s=_range([one.ready_s for one in runs]),
        back_s=_range([one.back_s for one in runs]),
        path=max(paths, key=lambda path: (paths.count(path), path)),
        lines=(),
    )
    lines = (
        *_lines(settings, timings, metric.utilization, request, limit, ready_s, found),
        *_told_memory(settings, timings, memory),
    )
    return Expectation(
        onset_s=found.onset_s,
        wanted_s=found.wanted_s,
        to_maximum_s=found.to_maximum_s,
        back_s=found.back_s,
        path=found.path,
        lines=lines,
    )


def memory_share(usages: Sequence[Usage], containers: Sequence[ContainerResources]) -> float | None:
    """The share of its memory request that a pod uses, the mean of those that were measured.

    Of what `containers`, those of one pod, ask for; None: none was measured, or one asks for none.
    """
    requests = {one.name: one.requests.get(Resource.MEMORY) for one in containers}
    asked = sum(one or 0.0 for one in requests.values())
    if not usages or not asked or None in requests.values():
        return None
    used = sum(
        used.get(Resource.MEMORY, 0.0)
        for usage in usages
        for name, used in usage.containers.items()
        if name in requests
    )
    return used / (asked * len(usages))


def _followed(settings: AutoscalerSettings, memory: float | None) -> AutoscalerSettings:
    """Without what nothing is known of."""
    return msgspec.structs.replace(
        settings,
        metrics=tuple(
            one
            for one in settings.metrics
            if one.resource is Resource.CPU or (one.utilization is not None and memory is not None)
        ),
    )


def _told_memory(
    settings: AutoscalerSettings, timings: Timings, memory: float | None
) -> Iterator[str]:
    tolerance, _ = tolerances(settings, timings)
    for one in settings.metrics:
        if one.resource is not Resource.MEMORY:
            continue
        if memory is None or one.utilization is None:
            yield "memory is left out: nobody said what a pod uses; it may hold replicas up"
            continue
        ratio = memory / (one.utilization / 100)
        steps = [settings.maximum]
        while steps[-1] > settings.minimum and ratio < 1 - tolerance:
            fewer = max(settings.minimum, math.ceil(steps[-1] * ratio))
            if fewer >= steps[-1]:
                break
            steps.append(fewer)
        yield (
            f"memory: {memory:.0%} of the request without a load, target {one.utilization} %: on "
            f"the way back {', '.join(map(str, steps))}, each after a window of "
            f"{settings.down.window_s} s"
        )


def fastest_s(settings: AutoscalerSettings, timings: Timings, *, up: bool) -> float | None:
    """What windows and policies alone take, from one limit to the other, seconds; None: for ever.

    As if metrics had asked for it all from second 0 on, and pods were ready at once.
    """
    current, goal = settings.minimum, settings.maximum
    if not up:
        current, goal = goal, current
    rules = settings.up if up else settings.down
    at_s, last_s = float(rules.window_s), float(rules.window_s)
    changes: list[tuple[float, int]] = []
    longest_s = max((one.period_s for one in rules.policies), default=0)
    while current != goal:
        decided = decide(
            settings,
            current=current,
            wanted=goal,
            allowed=Windows(lowest=goal, highest=goal),
            changes=[Change(age_s=at_s - since_s, by=by) for since_s, by in changes],
        ).replicas
        if decided == current and at_s - last_s > longest_s:
            return None
        if decided != current:
            changes.append((at_s, decided - current))
            current, last_s = decided, at_s
        if current != goal:
            at_s += timings.sync_s
    return at_s


def _simulate(  # noqa: PLR0913 - as above
    settings: AutoscalerSettings,
    timings: Timings,
    service: Service,
    *,
    needed: float,
    lasts_s: float,
    phases: Phases,
) -> _Run:
    idle = _IDLE * service.request
    made = Simulation(
        settings, timings, service, [(-60.0, idle), (0.0, needed), (lasts_s, idle)], phases
    )
    onset = wanted = ready = back = None
    path: list[int] = []
    period_s = max((one.period_s for one in settings.down.policies), default=0)
    chain_s = KUBELET_S + timings.scrape_s + timings.sync_s
    once_s = settings.down.window_s + period_s + _CHAINS * chain_s
    until_s = lasts_s + once_s * (_STEPS_BACK if len(settings.metrics) > 1 else 1)
    before = settings.minimum
    for state in made.states(until_s, every_s=1.0):
        if state.at_s < lasts_s and state.replicas > before:
            path.append(state.replicas)
            onset = state.at_s if onset is None else onset
            if wanted is None and state.replicas >= settings.maximum:
                wanted = state.at_s
        if ready is None and state.ready >= settings.maximum:
            ready = state.at_s
        if state.at_s > lasts_s and state.replicas <= settings.minimum:
            back = state.at_s - lasts_s
            break
        before = state.replicas
    return _Run(
        onset_s=onset,
        wanted_s=wanted,
        ready_s=ready,
        back_s=back if path else None,
        path=tuple(path),
    )


def _range(values: Sequence[float | None]) -> Range | None:
    """None where one of them was never reached: there is no upper bound then."""
    known = sorted(one for one in values if one is not None)
    if not known or len(known) < len(values):
        return None

    def rank(share: float) -> float:
        return known[max(0, math.ceil(share * len(known)) - 1)]

    return Range(low=rank(0.05), typical=rank(0.5), high=rank(0.95))


def _sum(
    containers: Sequence[ContainerResources], metric: ResourceTarget | None, what: str
) -> float | None:
    """Of all containers that the metric counts; None where one says nothing."""
    if metric is None:
        return None
    counted = [one for one in containers if metric.container in (None, one.name)]
    values = [getattr(one, what).get(Resource.CPU) for one in counted]
    if not values or None in values:
        return None
    return float(sum(values))


def _lines(  # noqa: PLR0913 - what the sum is made of
    settings: AutoscalerSettings,
    timings: Timings,
    percent: int,
    request: float,
    limit: float | None,
    ready_s: tuple[float, float],
    found: Expectation,
) -> tuple[str, ...]:
    chain_s = KUBELET_S + timings.scrape_s + timings.sync_s
    periods = (
        f"sampled each {KUBELET_S:g} s, scraped each {timings.scrape_s:g} s, decided each "
        f"{timings.sync_s:g} s ({timings.source})"
    )
    lines = [f"a change is seen after {chain_s:g} s at the most: {periods}"]
    first = growth_limit(settings.up, settings.minimum, ())
    if limit is None:
        lines.append("no CPU limit: one measurement may show all of the load")
    else:
        most = math.ceil(settings.minimum * limit / request / (percent / 100))
        lines.append(
            f"{settings.minimum} saturated at {limit / request:g} x the request ask for {most} at "
            f"the most, and policies allow {first}: on the way to {settings.maximum}, each step "
            "waits for new pods to be ready and measured"
        )
    lines.append(
        f"under all that {settings.maximum} are made for, pods ready in {ready_s[0]:g} to "
        f"{ready_s[1]:g} s: first more after {_told(found.onset_s)}, {settings.maximum} wanted "
        f"after {_told(found.wanted_s)}, all ready after {_told(found.to_maximum_s)}"
        + (f", by {', '.join(map(str, found.path))}" if found.path else "")
    )
    lines.append(
        f"back at {settings.minimum} {_told(found.back_s)} after the load, of which the window is "
        f"{settings.down.window_s} s"
    )
    return tuple(lines)


def _told(found: Range | None) -> str:
    if found is None:
        return "more than is looked at"
    return f"{found.low:.0f} to {found.high:.0f} s"
