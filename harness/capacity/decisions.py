"""Recomputes each decision of an autoscaler from what it could see, by a timeline of looks. Pure.

A decision lies between two looks, and so does all that it saw: each reading of the pods and of the
metrics that may have been current then is a candidate. What the controller remembers is recomputed
at the moments at which it must have synced: one period, two periods, ... before. A decision is
explained if one of the candidates gives it. Where none gives what is kept, for so long that it must
have synced meanwhile, it should have decided otherwise: that is told as a decision, too.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.capacity.autoscaler import (
    Change,
    Outcome,
    Recommendation,
    View,
    Windows,
    decide,
    recommend,
)
from harness.model.autoscaling import (
    AutoscalerSettings,
    AutoscalerStatus,
    ScaledPod,
    Sighting,
    Timings,
    Usage,
)
from harness.model.instant import NANOSECONDS_PER_SECOND, seconds
from harness.model.load_judgement import Decision

SYNCS_MISSED = 2
"""Periods that a wrong stretch must last: one sync lies in it for certain, one may come late."""

_SLACK_S, _DRIFT_S = 1.0, 0.1
"""A sync comes one period after the last one *ended*: each is late by its own work (horizontal.go,
processNextWorkItem), so that moments are known the less the further back they are."""

_READS_MISSED = 2
"""Scrapes after which the last reading says nothing of what the controller sees."""

_MOST_VARIANTS = 16
_UNSAID = "nobody says why"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """What a timeline says of its autoscaler's decisions."""

    decisions: tuple[Decision, ...]
    wanted: tuple[tuple[float, tuple[int, ...]], ...]
    """Seconds after zero -> what the metrics asked for: one recommendation, or a few."""

    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moment:
    """Between two looks: what was so, and what the controller may have seen."""

    low_s: float
    high_s: float
    current: int
    observed: int
    scaled: bool
    recommendations: tuple[Recommendation, ...]
    """Empty: nobody knows."""

    unknown: str
    """Why nobody does."""

    status: AutoscalerStatus

    @property
    def wanted(self) -> tuple[int, ...]:
        """What metrics asked for, ascending."""
        return tuple(
            sorted({one.replicas for one in self.recommendations if one.replicas is not None})
        )

    @property
    def unsure(self) -> bool:
        """Whether it may have asked for something else, or for nothing."""
        asked = [one.replicas for one in self.recommendations]
        return not asked or None in asked


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    """A change that the autoscaler made."""

    low_s: float
    high_s: float
    by: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Possible:
    """One possible decision, and the sum that gives it."""

    outcome: Outcome
    recommendation: Recommendation


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slot:
    """One earlier sync: how long ago, and what it may have recommended."""

    youngest_s: float
    oldest_s: float
    wanted: tuple[int, ...]
    unsure: bool


def recompute(
    sightings: Sequence[Sighting],
    settings: AutoscalerSettings,
    timings: Timings,
    *,
    zero_ns: int,
) -> Recomputed:
    """Every decision of the timeline, in order. `zero_ns`: monotonic, the zero of all times told.

    Decisions of a stretch in which somebody else froze the autoscaler must be left out by the
    caller: its settings were others then.
    """
    watched = _Watched(sightings, settings, timings, zero_ns)
    moments = watched.moments()
    replay = _Replay(moments, settings, timings, watched.scaled_before_s())
    return Recomputed(
        decisions=tuple(replay.decisions()),
        wanted=tuple((one.high_s, one.wanted) for one in moments if one.wanted),
        notes=tuple(watched.notes),
    )


# What may have been seen between two looks


class _Watched:
    """A timeline, as pairs of looks that a decision may lie between."""

    def __init__(
        self,
        sightings: Sequence[Sighting],
        settings: AutoscalerSettings,
        timings: Timings,
        zero_ns: int,
    ) -> None:
        self._settings, self._timings, self._zero_ns = settings, timings, zero_ns
        self._looks = [one for one in sightings if one.autoscaler is not None]
        self._reads = [
            (number, one) for number, one in enumerate(self._looks) if one.usages is not None
        ]
        self.notes: list[str] = []
        blind = len(sightings) - len(self._looks)
        if blind:
            self.notes.append(f"{blind} of {len(sightings)} looks could not read the autoscaler")

    def scaled_before_s(self) -> float | None:
        """When it last scaled before the first look: seconds after zero; None: never."""
        for first in self._looks[:1]:
            if first.autoscaler is not None and first.autoscaler.last_scaled is not None:
                ago_s = (first.wall - first.autoscaler.last_scaled).total_seconds()
                return self._after_zero(first.began_ns) - ago_s
        return None

    def moments(self) -> list[_Moment]:
        """One for each two looks that follow each other."""
        return [self._moment(number) for number in range(1, len(self._looks))]

    def _moment(self, number: int) -> _Moment:
        earlier, later = self._looks[number - 1], self._looks[number]
        current, scaled, note = _change(earlier, later)
        if note:
            self.notes.append(f"{self._after_zero(later.began_ns):.0f} s: {note}")
        views, unknown = self._views(number, current)
        found: dict[tuple[int | None, tuple[str, ...]], Recommendation] = {}
        for view in views:
            made = recommend(view, self._settings, self._timings)
            found.setdefault((made.replicas, made.because), made)
        status = _status(later)
        return _Moment(
            low_s=self._after_zero(earlier.began_ns),
            high_s=self._after_zero(later.ended_ns),
            current=current,
            observed=status.desired,
            scaled=scaled,
            recommendations=tuple(found.values()),
            unknown=unknown,
            status=status,
        )

    def _views(self, number: int, current: int) -> tuple[list[View], str]:
        """What the controller may have seen between two looks; or why nobody knows."""
        earlier, later = self._looks[number - 1], self._looks[number]
        others = ", ".join(self._settings.other_metrics)
        if others:
            return [], f"it also follows {others}, which is not of a resource"
        gap_s = seconds(later.began_ns - earlier.ended_ns)
        if gap_s > self._timings.sync_s:
            return [], f"nobody looked for {gap_s:.0f} s: it may have decided more than once"
        if earlier.pods is None:
            return [], f"its pods were not read: {earlier.unread.get('pods', _UNSAID)}"
        usages, unknown = self._usages(number)
        return [
            View(now=later.wall, replicas=current, pods=pods, usages=_of_these(pods, measured))
            for pods in self._pods(number, earlier.pods)
            for measured in usages
        ], unknown

    def _pods(self, number: int, seen: tuple[ScaledPod, ...]) -> Iterator[tuple[ScaledPod, ...]]:
        """Those of the look before, of the earlier one, and of the later one without new pods.

        A look takes its time: the earlier one may have read the autoscaler before the decision and
        the pods after it, and new pods in the later one are what came of it.
        """
        before = self._looks[number - 2].pods if number > 1 else None
        known = {pod.name for pod in seen}
        after = tuple(pod for pod in self._looks[number].pods or seen if pod.name in known)
        states: list[tuple[ScaledPod, ...]] = []
        for state in (before, seen, after):
            if state is not None and state not in states:
                states.append(state)
                yield state

    def _usages(self, number: int) -> tuple[list[tuple[Usage, ...]], str]:
        """The reading before, those within, and the next: it may have been there already."""
        later = self._looks[number]
        far_ns = round(_READS_MISSED * self._timings.scrape_s * NANOSECONDS_PER_SECOND)
        before = [one for at, one in self._reads if at < number - 1][-1:]
        newest = before + [one for at, one in self._reads if number - 1 <= at <= number]
        if not newest or later.began_ns - newest[-1].ended_ns > far_ns:
            return [], f"its metrics were not read: {later.unread.get('usages', _UNSAID)}"
        after = [one for at, one in self._reads if at > number][:1]
        soon = [one for one in after if one.began_ns - later.ended_ns <= far_ns]
        found: list[tuple[Usage, ...]] = []
        for one in [*newest, *soon]:
            if one.usages is not None and one.usages not in found:
                found.append(one.usages)
        return found, ""

    def _after_zero(self, at_ns: int) -> float:
        return seconds(at_ns - self._zero_ns)


def _status(look: Sighting) -> AutoscalerStatus:
    if look.autoscaler is None:
        raise ValueError("got a look that did not read the autoscaler")
    return look.autoscaler


def _change(earlier: Sighting, later: Sighting) -> tuple[int, bool, str]:
    """(spec.replicas that it began with, whether it decided, what somebody else did)."""
    before, after = _status(earlier), _status(later)
    stamped = before.last_scaled != after.last_scaled
    replicas = before.desired if earlier.replicas is None else earlier.replicas
    if not stamped and before.desired == after.desired:
        steady = later.replicas is not None and later.replicas == earlier.replicas
        return (replicas if steady else after.desired), False, ""
    if replicas == before.desired:
        return replicas, True, ""
    if replicas != after.desired:
        return replicas, True, f"somebody else had set {replicas} replicas"
    if stamped:
        # The earlier look read the target after the decision, and the status before it.
        return before.desired, True, ""
    return replicas, False, f"somebody else set {replicas} replicas; the autoscaler took them over"


def _of_these(pods: Sequence[ScaledPod], usages: Iterable[Usage]) -> tuple[Usage, ...]:
    known = {pod.name for pod in pods}
    return tuple(one for one in usages if one.pod in known)


# What may have been decided


class _Replay:
    """Goes through the moments of a timeline and compares what was decided."""

    def __init__(
        self,
        moments: Sequence[_Moment],
        settings: AutoscalerSettings,
        timings: Timings,
        scaled_before_s: float | None,
    ) -> None:
        self._moments, self._settings, self._timings = moments, settings, timings
        self._scaled_before_s = scaled_before_s
        self._events: list[_Event] = []
        both = (settings.up, settings.down)
        self._periods = {policy.period_s for rules in both for policy in rules.policies}
        self._longest_period_s = max(self._periods, default=0)

    def decisions(self) -> Iterator[Decision]:
        """What was decided, and what should have been; in order. To be asked once."""
        wrong: list[tuple[_Moment, dict[int, _Possible]]] = []
        for number, moment in enumerate(self._moments):
            possible = self._possible(number)
            if possible and not moment.scaled and moment.current not in possible:
                wrong.append((moment, possible))
                continue
            yield from _stretch(wrong, self._timings)
            wrong = []
            if moment.scaled:
                yield _decision(moment, possible)
                by = moment.observed - moment.current
                self._events.append(_Event(low_s=moment.low_s, high_s=moment.high_s, by=by))
        yield from _stretch(wrong, self._timings)

    def _possible(self, number: int) -> dict[int, _Possible]:
        """Replicas -> how they come about; empty: nobody knows."""
        moment = self._moments[number]
        found: dict[int, _Possible] = {}
        variants = list(self._changes(moment))
        past = _Past(self._slots(number), self._settings, moment.current)
        hidden = self._hides_a_change(moment)
        for recommendation in moment.recommendations:
            wanted = recommendation.replicas
            windows = [None] if wanted is None else list(past.allowed(wanted))
            for allowed, changes in itertools.product(windows, variants):
                outcome = decide(
                    self._settings,
                    current=moment.current,
                    wanted=wanted,
                    allowed=allowed,
                    changes=changes,
                )
                possible = _Possible(outcome=outcome, recommendation=recommendation)
                found.setdefault(outcome.replicas, possible)
                for less in _between(moment.current, outcome.replicas) if hidden else ():
                    found.setdefault(less, possible)
        return found

    def _slots(self, number: int) -> Iterator[_Slot]:
        """Its earlier syncs, as far back as the longer window reaches."""
        at = self._moments[number]
        longest_s = max(self._settings.up.window_s, self._settings.down.window_s)
        end = number
        for step in itertools.count(1):
            ago_s, slack_s = step * self._timings.sync_s, _SLACK_S + _DRIFT_S * step
            if ago_s - slack_s >= longest_s:
                return
            low_s, high_s = at.low_s - ago_s - slack_s, at.high_s - ago_s + slack_s
            while end > 0 and self._moments[end - 1].low_s > high_s:
                end -= 1
            begin = end
            while begin > 0 and self._moments[begin - 1].high_s >= low_s:
                begin -= 1
            among = self._moments[begin:end]
            yield _Slot(
                youngest_s=ago_s - slack_s,
                oldest_s=ago_s + slack_s,
                wanted=tuple(sorted({value for one in among for value in one.wanted})),
                unsure=low_s < self._moments[0].low_s or any(one.unsure for one in among),
            )

    def _changes(self, moment: _Moment) -> Iterator[tuple[Change, ...]]:
        """Those that count for its policies; one on a period's edge counts, or does not."""
        ages: list[list[Change]] = []
        for event in self._events:
            youngest_s = max(0.0, moment.low_s - event.high_s)
            oldest_s = moment.high_s - event.low_s
            if youngest_s < self._longest_period_s:
                edge = any(youngest_s < period <= oldest_s for period in self._periods)
                either = (youngest_s, oldest_s) if edge else (youngest_s,)
                ages.append([Change(age_s=age_s, by=event.by) for age_s in either])
        yield from itertools.islice(itertools.product(*ages), _MOST_VARIANTS)

    def _hides_a_change(self, moment: _Moment) -> bool:
        """Whether a change from before the first look may still count for its policies."""
        if self._scaled_before_s is None:
            return False
        return moment.low_s - self._scaled_before_s < self._longest_period_s


def _between(current: int, other: int) -> range:
    """From the present number to the other, without that one."""
    return range(current, other, 1 if other >= current else -1)


class _Past:
    """What the controller remembers of its recommendations, as far as it was seen."""

    def __init__(self, slots: Iterable[_Slot], settings: AutoscalerSettings, current: int) -> None:
        self._slots, self._settings, self._current = list(slots), settings, current

    def allowed(self, wanted: int) -> Iterator[Windows]:
        """Every pair of bounds that its windows may have."""
        for lowest in self._lowest(wanted):
            for highest in self._highest(wanted):
                yield Windows(lowest=lowest, highest=highest)

    def _lowest(self, wanted: int) -> list[int]:
        maybe, sure = self._within(self._settings.up.window_s)
        values = {wanted, *(value for one in maybe for value in one.wanted)}
        low, high = min(values), min([wanted, *(max(one.wanted) for one in sure)])
        if any(one.unsure for one in maybe):
            # Who knows nothing of the past must allow that it asked for no more than there are.
            values |= set(range(self._current, high))
            low = min(low, self._current)
        return [value for value in sorted(values) if low <= value <= high]

    def _highest(self, wanted: int) -> list[int]:
        maybe, sure = self._within(self._settings.down.window_s)
        values = {wanted, *(value for one in maybe for value in one.wanted)}
        low, high = max([wanted, *(min(one.wanted) for one in sure)]), max(values)
        if any(one.unsure for one in maybe):
            values |= set(range(low, self._current + 1))
            high = max(high, self._current)
        return [value for value in sorted(values) if low <= value <= high]

    def _within(self, window_s: float) -> tuple[list[_Slot], list[_Slot]]:
        """Those that may count for the window, and those that do."""
        maybe = [one for one in self._slots if one.youngest_s < window_s]
        sure = [one for one in maybe if one.oldest_s < window_s and not one.unsure and one.wanted]
        return maybe, sure


def _decision(moment: _Moment, possible: dict[int, _Possible]) -> Decision:
    chosen = possible.get(moment.observed)
    lines: list[str] = []
    if not possible:
        lines.append(moment.unknown or "nobody knows what it saw")
    elif chosen is None:
        lines.append(f"it decided {moment.observed}; by its algorithm {_either(possible)}")
    return Decision(
        low_s=round(moment.low_s, 3),
        high_s=round(moment.high_s, 3),
        before=moment.current,
        observed=moment.observed,
        recomputed=tuple(sorted(possible)),
        explained=chosen is not None,
        because=(
            *lines,
            *_sums(possible.values() if chosen is None else [chosen]),
            *_told_by_itself(moment.status),
        ),
    )


def _stretch(
    wrong: Sequence[tuple[_Moment, dict[int, _Possible]]], timings: Timings
) -> Iterator[Decision]:
    """Nothing was decided for so long that a sync lies within, and each would have."""
    if not wrong:
        return
    first, last = wrong[0][0], wrong[-1][0]
    lasted_s = last.low_s - first.high_s
    if lasted_s <= SYNCS_MISSED * timings.sync_s:
        return
    outcomes: dict[int, _Possible] = {}
    for _, possible in wrong:
        outcomes |= possible
    stayed = f"it stayed at {first.current} for {lasted_s:.0f} s"
    yield Decision(
        low_s=round(first.low_s, 3),
        high_s=round(last.high_s, 3),
        before=first.current,
        observed=first.current,
        recomputed=tuple(sorted(outcomes)),
        explained=False,
        because=(
            f"{stayed}; by its algorithm {_either(outcomes)}",
            *_sums(outcomes.values()),
            *_told_by_itself(last.status),
        ),
    )


def _either(possible: Iterable[int]) -> str:
    return " or ".join(str(one) for one in sorted(possible))


def _sums(possible: Iterable[_Possible]) -> tuple[str, ...]:
    lines = [
        line for one in possible for line in (*one.recommendation.because, *one.outcome.because)
    ]
    return tuple(dict.fromkeys(lines))


def _told_by_itself(status: AutoscalerStatus) -> Iterator[str]:
    told = [f"{name} {share} %" for name, share in status.utilization.items() if share is not None]
    limited = status.conditions.get("ScalingLimited", "").partition(":")[0]
    if limited.startswith("True"):
        told.append(f"ScalingLimited {limited}")
    if told:
        yield f"its status: {', '.join(told)}"
