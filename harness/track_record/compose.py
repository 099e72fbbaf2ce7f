"""Puts the rows of the record together: the overview, and all that is known of one target. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from harness.model.track_record import (
    TRACK_RECORD_FORMAT,
    Answer,
    Course,
    Detail,
    Record,
    Row,
    RunShown,
    Showing,
    TargetRecord,
    Trend,
)
from harness.model.verdict import Verdict, merge
from harness.track_record.flaky import flaky
from harness.track_record.trend import trend

LAST = 20
"""Verdicts that the overview shows of each target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What was asked of the database."""

    runs: Sequence[RunShown]
    """Oldest first."""

    refused: Sequence[tuple[str, str]]
    answers: Sequence[Answer]
    showings: Sequence[Showing]
    scenarios: Sequence[tuple[str, str, Verdict]]
    names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which runs count."""

    now: datetime
    environment: str | None = None
    since: datetime | None = None

    def counted(self, runs: Iterable[RunShown]) -> list[RunShown]:
        """Those of the environment and the time; what ended after now does not count."""
        return [
            run
            for run in runs
            if run.at <= self.now
            and (self.environment is None or run.environment == self.environment)
            and (self.since is None or run.at >= self.since)
        ]


def overview(rows: Rows, asked: Asked, notes: Sequence[str] = ()) -> Record:
    """Every target of every environment that some run said something of."""
    runs = asked.counted(rows.runs)
    trends = _trends(runs, rows.showings, asked.now)
    targets = tuple(_targets(runs, rows.answers, trends))
    fluttering = flaky(runs, rows.scenarios)
    return Record(
        format=TRACK_RECORD_FORMAT,
        now=asked.now,
        verdict=merge([*(one.verdicts[-1] for one in targets), *(_verdict(one) for one in trends)]),
        runs=len(runs),
        first=runs[0].at if runs else None,
        last=runs[-1].at if runs else None,
        targets=targets,
        flaky=fluttering,
        notes=(*notes, *_notes(rows, asked)),
    )


def detail(name: str, rows: Rows, asked: Asked, notes: Sequence[str] = ()) -> Detail:
    """All that is known of a target, a scenario, a check or a finding."""
    runs = asked.counted(rows.runs)
    known = {run.run: run for run in runs}
    order = {run.run: number for number, run in enumerate(runs)}
    showings = sorted(
        (one for one in rows.showings if one.run in known), key=lambda one: order[one.run]
    )
    answers = sorted(
        (one for one in rows.answers if one.target == name and one.run in known),
        key=lambda one: order[one.run],
    )
    trends = _trends(runs, showings, asked.now)
    latest = _latest(runs, showings)
    fluttering = flaky(runs, rows.scenarios)
    scenarios = {one.scenario for one in showings} | {name}
    return Detail(
        format=TRACK_RECORD_FORMAT,
        now=asked.now,
        asked=name,
        verdict=merge([*(one.verdict for one in latest), *(_verdict(one) for one in trends)]),
        answers=tuple((known[one.run], one) for one in answers),
        rows=tuple(Row(run=known[one.run], showing=one) for one in showings),
        trends=trends,
        flaky=tuple(one for one in fluttering if one.scenario in scenarios),
        notes=(*notes, *_notes(rows, asked)),
    )


def near(name: str, names: Iterable[str]) -> list[str]:
    """Names like that one, the most alike first."""
    known = sorted(names)
    within = [one for one in known if name.lower() in one.lower()]
    return list(dict.fromkeys([*difflib.get_close_matches(name, known, n=3), *within]))[:5]


def _targets(
    runs: Sequence[RunShown], answers: Sequence[Answer], trends: Sequence[Trend]
) -> Iterable[TargetRecord]:
    known = {run.run: number for number, run in enumerate(runs)}
    said: dict[tuple[str, str], list[tuple[int, Answer]]] = {}
    for answer in answers:
        number = known.get(answer.run)
        if number is not None:
            key = (runs[number].environment, answer.target)
            said.setdefault(key, []).append((number, answer))
    worst: dict[tuple[str, str], list[Trend]] = {}
    for one in trends:
        worst.setdefault((one.environment, one.target or ""), []).append(one)
    for (environment, target), of_target in sorted(said.items()):
        of_target.sort(key=lambda one: one[0])
        number, newest = of_target[-1]
        mine = worst.get((environment, target), [])
        passed = [one.run for _, one in of_target if one.verdict is Verdict.PASS]
        yield TargetRecord(
            environment=environment,
            target=target,
            verdicts=tuple(one.verdict for _, one in of_target[-LAST:]),
            runs=len(of_target),
            newest=newest.run,
            at=runs[number].at,
            trials=newest.trials,
            passed=passed[-1] if passed else None,
            trend=min(mine, key=_bad, default=None),
            regressed=next(
                (
                    f"{one.finding}: {one.regression.because}"
                    for one in mine
                    if one.regression is not None and one.regression.worse
                ),
                None,
            ),
        )


def _trends(
    runs: Sequence[RunShown], showings: Iterable[Showing], now: datetime
) -> tuple[Trend, ...]:
    """Of each finding with a number; environments and suites are never pooled."""
    known = {run.run: number for number, run in enumerate(runs)}
    series: dict[tuple[str, str, str, str], list[tuple[int, Showing]]] = {}
    for one in showings:
        number = known.get(one.run)
        if number is not None and one.measure is not None and one.limit is not None:
            run = runs[number]
            key = (run.environment, run.suite, one.finding, one.measure)
            series.setdefault(key, []).append((number, one))
    made = []
    for _, of_series in sorted(series.items()):
        of_series.sort(key=lambda one: one[0])
        made.append(trend([(runs[number], one) for number, one in of_series], now))
    return tuple(made)


def _latest(runs: Sequence[RunShown], showings: Sequence[Showing]) -> list[Showing]:
    """Of each environment and finding, what the newest run says of it."""
    of = {run.run: run for run in runs}
    found = {(of[one.run].environment, of[one.run].suite, one.finding): one for one in showings}
    return list(found.values())


_ORDER = (
    Course.MISSES,
    Course.CENSORED,
    Course.WILL_MISS,
    Course.NOT_ON_COURSE,
    Course.TOO_FEW,
    Course.NO_LIMIT,
)


def _bad(one: Trend) -> tuple[int, int, float, str]:
    """Smallest first: what fails, then what will, then what has the least room."""
    newest = one.points[-1]
    verdicts = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)
    used = newest.value if newest.value is not None else newest.low
    room = 0.0
    if used is not None and one.limit is not None and one.limit.at:
        room = abs(one.limit.at - used) / abs(one.limit.at)
    return (
        verdicts.index(newest.verdict),
        _ORDER.index(one.forecast.course),
        room,
        one.finding,
    )


def _verdict(one: Trend) -> Verdict:
    """A trend fails where its limit will be missed, or the newest run is surely a regression."""
    worse = one.regression is not None and one.regression.worse and one.regression.sure
    will = one.forecast.course in {Course.MISSES, Course.WILL_MISS}
    return Verdict.FAIL if worse or will else Verdict.PASS


def _notes(rows: Rows, asked: Asked) -> Iterable[str]:
    for run, because in rows.refused:
        yield f"{run} does not count: {because}"
    for later in rows.runs:
        if later.at > asked.now:
            yield f"{later.run} does not count: it says that it ended at {later.at.isoformat()}"
    sealed = [run for run in rows.runs if run.sequence is not None]
    back = [
        (before, after)
        for before, after in pairwise(sealed)
        if (after.sequence or 0) < (before.sequence or 0) and before.at < after.at
    ]
    for before, after in back:
        yield (
            f"a clock was set back: {before.run} was sealed after {after.run}, and says an "
            "earlier time; runs stand by what they say"
        )
