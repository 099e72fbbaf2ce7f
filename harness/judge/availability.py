"""Decides from a prober's observations when a subject was back, between which bounds, and when
nobody was looking.

All times are monotonic nanoseconds of the one host that probes and injects. With the fault in
[a, b], L the last wrong or missing answer and S the first right one after it, the recovery time
lies in [L.started - b, S.ended - a]: at L.started the subject did not yet answer, at S.ended it
had. What the prober could not see is neither up nor down.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise

import msgspec

from harness.model.history import Observation, Outcome
from harness.model.instant import Bounds, Bracket


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """A run of wrong or missing answers without a right one between them."""

    first_started_ns: int
    last_started_ns: int
    probes: int
    recovered_ns: int | None
    """End of the first right answer after it; None where there was none."""


class Unobserved(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which the prober itself was late, stopped or not yet started."""

    from_ns: int
    to_ns: int


class RecoveryMeasured(msgspec.Struct, frozen=True, kw_only=True):
    """When the subject was back; times are instants, `bounds` is the time since the fault."""

    bounds: Bounds | None
    """The recovery time; high None where no lasting recovery was seen: it took longer than low.
    None where nothing was observed after the fault."""

    first_success_ns: int | None = None
    """End of the first right answer after the fault, lasting or not."""

    recovered_ns: int | None = None
    """End of the first right answer of the run that lasted: S.ended."""

    sustained_at_ns: int | None = None
    """When answers had been right for as long as asked, all of them seen."""

    censored: bool = False
    """No lasting recovery was seen by the deadline, or for as long as was watched."""

    watched_until_ns: int | None = None
    """End of the last observation."""

    uninterrupted: bool = False
    """No wrong answer after the fault: no outage longer than `bounds.high_ns`, and no proof that
    there was one."""

    outages: tuple[Outage, ...] = ()
    unobserved: tuple[Unobserved, ...] = ()
    """Merged, in order, from the fault on."""

    unobserved_where_it_matters: tuple[Unobserved, ...] = ()
    """Those longer than a probe's timeout, within the time from the last wrong answer to
    `sustained_at_ns`: the recovery may have begun, or have broken off, unseen. A shorter one hides
    no more than a probe that hangs; `bounds` contain it as they do that."""


def recovery(  # noqa: PLR0913 - six facts decide it
    observations: Iterable[Observation],
    fault: Bracket,
    *,
    sustained_ns: int,
    deadline_ns: int,
    interval_ns: int,
    timeout_ns: int,
) -> RecoveryMeasured:
    """When the subject was back for good.

    `sustained_ns`: how long right answers must last. `deadline_ns`: after the fault's earliest
    instant; a recovery seen later is none. `interval_ns`, `timeout_ns`: the prober's own. A
    subject that flaps is back when it is back for the last time; answers of all kinds are taken
    in the order in which they were asked for.
    """
    ordered = sorted(observations, key=lambda one: (one.scheduled_ns, one.started_ns))
    unobserved = _unobserved(ordered, fault, interval_ns, timeout_ns)
    blind = tuple(one for one in unobserved if one.to_ns - one.from_ns > timeout_ns)
    # An answer that had come before the fault says nothing about it.
    seen = [
        one
        for one in ordered
        if one.ended_ns >= fault.earliest_ns and not _stalled(one, interval_ns, timeout_ns)
    ]
    if not seen:
        return RecoveryMeasured(bounds=None, unobserved=unobserved)
    outages = tuple(_outages(seen))
    last_wrong = max((i for i, one in enumerate(seen) if not _right(one)), default=-1)
    right = seen[last_wrong + 1 :]
    first_success = min((one.ended_ns for one in seen if _right(one)), default=None)
    watched_until = max(one.ended_ns for one in seen)
    sustained_at = _sustained_at(right, blind, sustained_ns)
    recovered = min((one.ended_ns for one in right), default=None)
    limit_ns = fault.earliest_ns + deadline_ns
    low = max(0, seen[last_wrong].started_ns - fault.latest_ns) if last_wrong >= 0 else 0
    if sustained_at is None or recovered is None or recovered > limit_ns:
        if (recovered or watched_until) > limit_ns:  # not back by the deadline
            low = max(low, limit_ns - fault.latest_ns)
        return RecoveryMeasured(
            bounds=Bounds(low_ns=low, high_ns=None),
            first_success_ns=first_success,
            censored=True,
            watched_until_ns=watched_until,
            outages=outages,
            unobserved=unobserved,
            unobserved_where_it_matters=_overlapping(blind, fault.latest_ns + low, watched_until),
        )
    if last_wrong < 0:
        high = _longest_unseen(right, fault)
        matters_from = fault.earliest_ns
    else:
        high = recovered - fault.earliest_ns
        matters_from = seen[last_wrong].started_ns
    return RecoveryMeasured(
        bounds=Bounds(low_ns=low, high_ns=max(low, high)),
        first_success_ns=first_success,
        recovered_ns=recovered,
        sustained_at_ns=sustained_at,
        watched_until_ns=watched_until,
        uninterrupted=last_wrong < 0,
        outages=outages,
        unobserved=unobserved,
        unobserved_where_it_matters=_overlapping(blind, matters_from, sustained_at),
    )


def _right(one: Observation) -> bool:
    return one.outcome is Outcome.OK


def _stalled(one: Observation, interval_ns: int, timeout_ns: int) -> bool:
    """Whether the prober was stopped during the probe: its own timeout would have ended it."""
    return one.ended_ns - one.started_ns > timeout_ns + interval_ns


def _unobserved(
    ordered: Sequence[Observation], fault: Bracket, interval_ns: int, timeout_ns: int
) -> tuple[Unobserved, ...]:
    """Where the prober was late, left out a due time, was stopped, or had not begun."""
    windows: list[tuple[int, int]] = []
    before: Observation | None = None
    for one in ordered:
        if one.started_ns - one.scheduled_ns > interval_ns:
            windows.append((one.scheduled_ns, one.started_ns))
        if _stalled(one, interval_ns, timeout_ns):
            windows.append((one.started_ns, one.ended_ns))
        if before is None:
            if one.started_ns - fault.latest_ns > interval_ns:
                windows.append((fault.latest_ns, one.started_ns))
        # Half an interval of tolerance: due times are exact multiples, the next but one is two.
        elif 2 * (one.scheduled_ns - before.scheduled_ns) > 3 * interval_ns:
            windows.append((before.started_ns, one.started_ns))
        before = one
    merged: list[tuple[int, int]] = []
    for start, end in sorted(windows):
        if end < fault.earliest_ns:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(Unobserved(from_ns=start, to_ns=end) for start, end in merged)


def _overlapping(windows: Sequence[Unobserved], from_ns: int, to_ns: int) -> tuple[Unobserved, ...]:
    return tuple(one for one in windows if one.from_ns < to_ns and one.to_ns > from_ns)


def _sustained_at(
    right: Sequence[Observation], blind: Sequence[Unobserved], sustained_ns: int
) -> int | None:
    """The first instant at which right answers had lasted, with nobody looking away."""
    begun: int | None = None
    for one in right:
        if begun is None or _overlapping(blind, begun, one.ended_ns):
            begun = one.started_ns
        if one.ended_ns - begun >= sustained_ns:
            return one.ended_ns
    return None


def _longest_unseen(right: Sequence[Observation], fault: Bracket) -> int:
    """The longest outage that could hide between right answers, from the fault on."""
    instants = [(fault.earliest_ns, right[0].ended_ns)]
    instants += [(before.started_ns, after.ended_ns) for before, after in pairwise(right)]
    return max(end - start for start, end in instants)


def _outages(seen: Sequence[Observation]) -> Iterator[Outage]:
    """Runs of wrong answers in the order of the schedule."""
    runs = [(right, list(group)) for right, group in groupby(seen, key=_right)]
    for index, (right, group) in enumerate(runs):
        if right:
            continue
        after = runs[index + 1][1][0] if index + 1 < len(runs) else None
        yield Outage(
            first_started_ns=group[0].started_ns,
            last_started_ns=group[-1].started_ns,
            probes=len(group),
            recovered_ns=after.ended_ns if after is not None else None,
        )
