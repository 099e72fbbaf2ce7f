"""Decides when a documented condition for a rollback was first seen to hold after a fault. Pure.

"Canary Deployment" rolls a version back at more than 5 % errors, at responses over 500 ms, at an
availability below 99.9 %. Their numbers are targets of the plan, which a game day does not judge:
here they say when whoever watches clients' answers over the last minute would have known.

Each condition is a share of bad ones among the units of a window that ends now: answers that were
not right; answers that were late (the 95th percentile is above a limit as soon as more than 5 % of
the answers are); seconds in which not most answers were right. What was answered before the prober
began counts as right: a trial begins from a steady state.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from harness.judge.game_day.ways import Probed
from harness.judge.promise import covering
from harness.model.history import Observation, Outcome
from harness.model.instant import NANOSECONDS_PER_SECOND, Bounds, Bracket, nanoseconds, seconds
from harness.model.target import Availability, ErrorRate, Kind, Latency, Target

WINDOW = timedelta(minutes=1)
"""Four scrapes of Prometheus' usual 15 s: Grafana's `$__rate_interval` at its least (Grafana
documentation, "Prometheus template variables"), and what alerts on a rate begin from. A rollback
controller that asks once in a while (Argo Rollouts, `interval` of a metric) is later, by up to its
interval."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One answer, or one second of answers."""

    before_ns: int
    """The last instant at which it was not known yet."""

    known_ns: int
    bad: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """One documented condition of one service in one trial."""

    target: str
    condition: str
    """`errors > 5 %`."""

    bounds: Bounds | None
    """Since the fault; None: it was not seen to begin then."""

    detail: str
    """What was counted when it began to hold; else why it is not seen to."""


def detect(
    probed: Probed,
    fault: Bracket,
    targets: Sequence[Target],
    *,
    until_ns: int | None,
    window: timedelta = WINDOW,
) -> tuple[Detection, ...]:
    """Each condition that the targets name for a service; none where nothing was observed.

    `until_ns`: our rollback; what holds only after it was not detected while it could help.
    """
    seen = sorted(
        (one for one in probed.observations if until_ns is None or one.ended_ns <= until_ns),
        key=lambda one: one.ended_ns,
    )
    if not any(one.ended_ns >= fault.earliest_ns for one in seen):
        return ()
    return tuple(
        _detection(one, fault, window) for one in _conditions(probed, seen, fault, targets)
    )


def first_above(
    units: Sequence[Unit], share: float, window_ns: int, every_ns: int
) -> tuple[int, int, int] | None:
    """(index, bad, all) of the first unit at which more than `share` of the units that became known
    in the window up to it are bad; None: of none.

    Units come one every `every_ns`, in order; those that would have come before the first count as
    good.
    """
    begun, bad = 0, 0
    for index, unit in enumerate(units):
        bad += unit.bad
        from_ns = unit.known_ns - window_ns
        while units[begun].known_ns <= from_ns:
            bad -= units[begun].bad
            begun += 1
        unseen = max(0, (units[0].known_ns - from_ns - 1) // every_ns)
        counted = index - begun + 1 + unseen
        if bad > share * counted:
            return index, bad, counted
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Condition:
    """A documented condition, and the units that it looks at."""

    target: str
    text: str
    share: float
    """Of bad units, that it allows."""

    units: Sequence[Unit]
    every_ns: int
    what: str
    """What a unit is: `answers`."""


def _conditions(
    probed: Probed, seen: Sequence[Observation], fault: Bracket, targets: Sequence[Target]
) -> Iterator[_Condition]:
    for error, asked in covering(targets, Kind.SERVICE, ErrorRate):
        yield _Condition(
            target=error.id,
            text=f"errors > {100 * asked.at_most:g} %",
            share=asked.at_most,
            units=_answers(seen, [one.outcome is not Outcome.OK for one in seen]),
            every_ns=probed.interval_ns,
            what="answers",
        )
    for late, promised in covering(targets, Kind.SERVICE, Latency):
        limit_ns = nanoseconds(promised.at_most)
        yield _Condition(
            target=late.id,
            text=f"response > {1000 * seconds(limit_ns):g} ms (p{promised.percentile:g})",
            share=1 - promised.percentile / 100,
            units=_answers(seen, [one.ended_ns - one.scheduled_ns > limit_ns for one in seen]),
            every_ns=probed.interval_ns,
            what="answers",
        )
    for usable, least in covering(targets, Kind.SERVICE, Availability):
        yield _Condition(
            target=usable.id,
            text=f"availability < {100 * least.at_least:g} %",
            share=1 - least.at_least,
            units=_seconds(seen, fault.earliest_ns),
            every_ns=NANOSECONDS_PER_SECOND,
            what="seconds",
        )


def _answers(seen: Sequence[Observation], bad: Sequence[bool]) -> list[Unit]:
    before = [seen[0].started_ns, *(one.ended_ns for one in seen)]
    return [
        Unit(before_ns=earlier, known_ns=one.ended_ns, bad=is_bad)
        for earlier, one, is_bad in zip(before, seen, bad, strict=False)
    ]


def _seconds(seen: Sequence[Observation], origin_ns: int) -> list[Unit]:
    """Whole seconds, counted from the fault; one without an answer says nothing."""
    right: dict[int, list[bool]] = {}
    for one in seen:
        number = (one.ended_ns - origin_ns) // NANOSECONDS_PER_SECOND
        right.setdefault(number, []).append(one.outcome is Outcome.OK)
    units = []
    for number, answers in sorted(right.items()):
        began_ns = origin_ns + number * NANOSECONDS_PER_SECOND
        ended_ns = began_ns + NANOSECONDS_PER_SECOND
        if ended_ns <= seen[-1].ended_ns:
            units.append(Unit(before_ns=began_ns, known_ns=ended_ns, bad=not _most(answers)))
    return units


def _most(answers: Sequence[bool]) -> bool:
    return 2 * sum(answers) > len(answers)


def _detection(of: _Condition, fault: Bracket, window: timedelta) -> Detection:
    last = f"{window.total_seconds():g} s"
    found = first_above(of.units, of.share, nanoseconds(window), of.every_ns)
    bounds = None
    if found is None:
        detail = f"never over {last}"
    elif of.units[found[0]].known_ns < fault.earliest_ns:
        detail = f"over {last} before the fault already"
    else:
        index, bad, counted = found
        bounds = Bounds(
            low_ns=max(0, of.units[index].before_ns - fault.earliest_ns),
            high_ns=of.units[index].known_ns - fault.earliest_ns,
        )
        detail = f"{bad} of the {counted} {of.what} of the last {last}"
    return Detection(target=of.target, condition=of.text, bounds=bounds, detail=detail)
