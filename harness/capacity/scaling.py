"""Measures how an autoscaler followed a load: onset, time to its maximum, way back, flaps. Pure.

What lies between two looks is told as bounds; what was not seen is told as None. Times are seconds
after the zero that the caller names.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from harness.capacity.autoscaler import View, recommend, tolerances
from harness.model.autoscaling import AutoscalerSettings, Sighting, Timings
from harness.model.instant import seconds
from harness.model.load_judgement import Decision

KUBELET_S = 15.0
"""A kubelet samples a container about every 10 s, at most 15 s (cAdvisor's housekeeping interval;
metrics-server FAQ, "How often metrics are scraped")."""

_SCRAPES = 3
"""A sample waits for the scrape that takes it, and is served until the next one ends: two, and a
third where one failed."""

_Holds = Callable[[Sighting], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """When the load of a trial was on, seconds after zero."""

    began_s: float
    ended_s: float
    settled_s: tuple[float, float] | None = None
    """The part in which its rate was at its highest for so long that replicas had settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """How the autoscaler followed; the fields are those of an AutoscalerSummary."""

    onset_s: tuple[float, float] | None
    to_maximum_s: tuple[float, float] | None
    back_s: tuple[float, float] | None
    highest_wanted: int | None
    highest_ready: int | None
    overshoot: int | None
    flaps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """A stretch in which all measurements were too old, and the greatest age in it."""

    low_s: float
    high_s: float
    oldest_s: float


def measure(  # noqa: PLR0913 - what a timeline, its settings and its load say
    sightings: Sequence[Sighting],
    settings: AutoscalerSettings,
    timings: Timings,
    load: Load,
    *,
    decisions: Sequence[Decision] = (),
    wanted: Sequence[tuple[float, tuple[int, ...]]] = (),
    zero_ns: int,
) -> Scaling:
    """`decisions`, `wanted`: of harness.capacity.decisions.recompute for the same timeline."""
    looks = _Looks(sightings, zero_ns)
    above = above_target(sightings, settings, timings, load, zero_ns=zero_ns)
    onset = _first_growth(decisions, load)
    reached = looks.first(
        lambda one: _ready(one) is not None and (_ready(one) or 0) >= settings.maximum,
        from_s=load.began_s,
    )
    back = looks.first(
        lambda one: one.autoscaler is not None and one.autoscaler.desired <= settings.minimum,
        from_s=load.ended_s,
    )
    desired = [one.autoscaler.desired for one in sightings if one.autoscaler is not None]
    ready = [count for one in sightings if (count := _ready(one)) is not None]
    rose = any(one.observed > one.before for one in decisions)
    needed = _needed(wanted, settings, load)
    highest = max(desired, default=None)
    return Scaling(
        onset_s=_between(above, onset),
        to_maximum_s=_between(above, reached),
        back_s=_between((load.ended_s, load.ended_s), back) if rose else None,
        highest_wanted=highest,
        highest_ready=max(ready, default=None),
        overshoot=None if highest is None or needed is None else max(0, highest - needed),
        flaps=flaps(decisions, settings),
    )


def above_target(
    sightings: Sequence[Sighting],
    settings: AutoscalerSettings,
    timings: Timings,
    load: Load,
    *,
    zero_ns: int,
) -> tuple[float, float] | None:
    """When the pods first used more than the target and its tolerance: bounds; None: never seen.

    A measurement is an average over its window: the first that is above was so by its end, and the
    last that was not leaves its whole window open.
    """
    low_s = load.began_s
    for one in sightings:
        if one.usages is None or not one.usages or one.pods is None:
            continue
        newest = max(one.usages, key=lambda usage: usage.measured)
        ended_s = _after_zero(newest.measured, one, zero_ns)
        if ended_s < load.began_s:
            continue
        if ended_s > load.ended_s + newest.window_s:
            return None
        if _above(one, settings, timings):
            return min(low_s, ended_s), ended_s
        low_s = max(low_s, ended_s - newest.window_s)
    return None


def flaps(decisions: Sequence[Decision], settings: AutoscalerSettings) -> int:
    """Changes of direction within one stabilisation window, the longer one of the two."""
    window_s = max(settings.up.window_s, settings.down.window_s)
    moved = [one for one in decisions if one.observed != one.before]
    return sum(
        (earlier.observed > earlier.before) != (later.observed > later.before)
        and later.low_s - earlier.high_s < window_s
        for earlier, later in itertools.pairwise(moved)
    )


def stale(sightings: Sequence[Sighting], timings: Timings, *, zero_ns: int) -> Iterator[Stale]:
    """Where the newest of all measurements was older than a working metrics-server leaves it."""
    limit_s = oldest_expected_s(timings)
    open_: list[tuple[float, float]] = []
    for one in sightings:
        if not one.usages:
            continue
        age_s = min((one.wall - usage.measured).total_seconds() for usage in one.usages)
        if age_s > limit_s:
            open_.append((seconds(one.began_ns - zero_ns), age_s))
            continue
        yield from _closed(open_)
        open_ = []
    yield from _closed(open_)


def oldest_expected_s(timings: Timings) -> float:
    """The age that a measurement has at the most while no two scrapes in a row fail, seconds."""
    return KUBELET_S + _SCRAPES * timings.scrape_s


def _closed(stretch: Sequence[tuple[float, float]]) -> Iterator[Stale]:
    if stretch:
        yield Stale(
            low_s=stretch[0][0], high_s=stretch[-1][0], oldest_s=max(age for _, age in stretch)
        )


class _Looks:
    """The looks of a timeline, to find when something first was so."""

    def __init__(self, sightings: Sequence[Sighting], zero_ns: int) -> None:
        self._sightings, self._zero_ns = sightings, zero_ns

    def first(self, holds: _Holds, *, from_s: float) -> tuple[float, float] | None:
        """Between the look before and the first look at which it holds; None: it never did."""
        earlier_s = from_s
        for one in self._sightings:
            ended_s = seconds(one.ended_ns - self._zero_ns)
            if ended_s < from_s:
                continue
            if holds(one):
                return min(earlier_s, ended_s), ended_s
            earlier_s = max(from_s, seconds(one.began_ns - self._zero_ns))
        return None


def _ready(look: Sighting) -> int | None:
    if look.pods is None:
        return None
    return sum(pod.ready and not pod.terminating for pod in look.pods)


def _above(look: Sighting, settings: AutoscalerSettings, timings: Timings) -> bool:
    view = View(
        now=look.wall,
        replicas=len(look.pods or ()),
        pods=look.pods or (),
        usages=look.usages or (),
    )
    _, tolerance = tolerances(settings, timings)
    ratios = [one.ratio for one in recommend(view, settings, timings).proposals]
    return any(ratio is not None and ratio > 1 + tolerance for ratio in ratios)


def _after_zero(moment: datetime, look: Sighting, zero_ns: int) -> float:
    """A moment of the wall clock, by the look at which both clocks were read."""
    return seconds(look.began_ns - zero_ns) - (look.wall - moment).total_seconds()


def _first_growth(decisions: Sequence[Decision], load: Load) -> tuple[float, float] | None:
    for one in decisions:
        if one.observed > one.before and one.high_s >= load.began_s:
            return one.low_s, one.high_s
    return None


def _between(
    earlier: tuple[float, float] | None, later: tuple[float, float] | None
) -> tuple[float, float] | None:
    if earlier is None or later is None:
        return None
    low_s = max(0.0, later[0] - earlier[1])
    return round(low_s, 3), round(max(low_s, later[1] - earlier[0]), 3)


def _needed(
    wanted: Sequence[tuple[float, tuple[int, ...]]], settings: AutoscalerSettings, load: Load
) -> int | None:
    """What the metrics asked for once they had settled: the median, within the limits."""
    if load.settled_s is None:
        return None
    low_s, high_s = load.settled_s
    values = [max(several) for at_s, several in wanted if low_s <= at_s <= high_s]
    if not values:
        return None
    return min(settings.maximum, max(settings.minimum, statistics.median_high(values)))
