"""Puts one number's values over all runs into a trend: changes, slope, forecast, regression. Pure.

Never over a change point: slope and forecast rest on the runs since the last one. Never further
ahead than those runs reach back. A value that was not recovered by the deadline counts as more than
any below it where changes are looked for, and is no number: a stretch with one has no slope.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from harness.model.track_record import (
    ChangePoint,
    Course,
    Forecast,
    Limit,
    Point,
    Regression,
    RunShown,
    Showing,
    Slope,
    Trend,
    Worse,
)
from harness.model.verdict import Verdict
from harness.track_record.change_points import cuts
from harness.track_record.theil_sen import line_through, slope_interval

Numbers = npt.NDArray[np.float64]

WINDOW = 104
"""Runs that are analysed: two years of weekly ones. Older ones are listed, and predict nothing."""

LEAST = 8
"""Runs of which a slope is told: of fewer, one outlier decides about its interval."""

TOLERANCE = 0.10
"""Relative to the last sealed run: less is nobody's regression (harness.judge.load.regression)."""

UNUSUAL = 3.0
"""Standard deviations from the median, by the median absolute deviation (F. R. Hampel, "The
Influence Curve and Its Role in Robust Estimation", JASA 69, 1974)."""

_AS_DEVIATION = 1.4826
"""Of a normal distribution, in median absolute deviations."""

_WEEK_S = 7 * 86_400.0


def trend(shown: Sequence[tuple[RunShown, Showing]], now: datetime) -> Trend:
    """Of one finding's measure in one environment and suite; oldest first, one at least."""
    newest_run, newest = shown[-1]
    points = tuple(_point(run, one) for run, one in shown)
    known = [point for point in points if point.value is not None or point.low is not None]
    analysed = known[-WINDOW:]
    limit = newest.limit
    changes: tuple[ChangePoint, ...] = ()
    slope = None
    segment: Sequence[Point] = analysed
    if analysed and limit is not None:
        changes, segment = _changes(analysed)
        slope = _slope(segment)
    return Trend(
        environment=newest_run.environment,
        suite=newest_run.suite,
        finding=newest.finding,
        target=newest.target,
        scenario=newest.scenario,
        subject=newest.subject,
        measure=newest.measure or "",
        unit=newest.unit or "",
        limit=limit,
        points=points,
        analysed=len(analysed),
        changes=changes,
        slope=slope,
        forecast=forecast(segment, slope, limit, now),
        regression=regression(points, limit, segment),
        censored=sum(1 for point in points if _censored(point)),
        not_measured=len(points) - len(known),
    )


def forecast(
    segment: Sequence[Point], slope: Slope | None, limit: Limit | None, now: datetime
) -> Forecast:
    """When the line through the runs since the last change crosses the limit, in weeks from now.

    The line is that of the median: single runs miss before it does. Its interval is that of the
    slope, all lines through the middle of the stretch. A slope whose interval has 0 in it, or that
    leads away, is on no course to miss; nor is one that crosses after the horizon.
    """
    runs = len(segment)
    if slope is None or limit is None or limit.at is None:
        return Forecast(course=_unknown(segment, slope), runs=runs)
    sign = 1.0 if limit.worse is Worse.HIGHER else -1.0
    horizon = _weeks(segment[0].at, segment[-1].at)
    if (slope.now - limit.at) * sign > 0:
        return Forecast(course=Course.MISSES, runs=runs, horizon_weeks=horizon)
    steepest, flattest = sorted((sign * slope.low, sign * slope.high), reverse=True)
    not_on_course = Forecast(course=Course.NOT_ON_COURSE, runs=runs, horizon_weeks=horizon)
    if flattest <= 0:
        return not_on_course
    room = sign * (limit.at - slope.level)
    passed = _weeks(slope.middle, now)
    weeks = max(0.0, room / (sign * slope.per_week) - passed)
    if weeks > horizon:
        return not_on_course
    latest = room / flattest - passed
    return Forecast(
        course=Course.WILL_MISS,
        runs=runs,
        weeks=weeks,
        low=max(0.0, room / steepest - passed),
        high=max(0.0, latest) if latest <= horizon else None,
        horizon_weeks=horizon,
    )


def _unknown(segment: Sequence[Point], slope: Slope | None) -> Course:
    """Why there is no forecast."""
    if any(_censored(point) for point in segment):
        return Course.CENSORED
    return Course.TOO_FEW if slope is None else Course.NO_LIMIT


def regression(
    points: Sequence[Point], limit: Limit | None, segment: Sequence[Point] = ()
) -> Regression | None:
    """The newest value against the last sealed one before it; None: there is none.

    A verdict that went from PASS to FAIL is one; so is a value whose better bound is worse than the
    worse bound of the sealed one, by more than TOLERANCE of it. Those bounds are of one measurement
    each: it is sure only where it is also further from the median of the `segment` (the runs since
    the last change) than UNUSUAL times what their values usually are.
    """
    newest = points[-1]
    sealed = next((point for point in reversed(points[:-1]) if point.sealed), None)
    if sealed is None:
        return None
    if newest.verdict is Verdict.FAIL and sealed.verdict is Verdict.PASS:
        told = "it passed then, and fails now"
        return Regression(against=sealed.run, worse=True, sure=True, because=told)
    best, bound = _bounds(newest, limit)[0], _bounds(sealed, limit)[1]
    if limit is None or best is None or bound is None:
        told = "one of them has no value, or was not recovered by its deadline"
        return Regression(against=sealed.run, worse=False, sure=False, because=told)
    sign = 1.0 if limit.worse is Worse.HIGHER else -1.0
    if sign * (best - bound) <= TOLERANCE * abs(bound):
        told = f"within {TOLERANCE:.0%} of its interval, or better"
        return Regression(against=sealed.run, worse=False, sure=False, because=told)
    earlier = [
        point.value for point in segment if point.value is not None and point.run != newest.run
    ]
    if len(earlier) < LEAST:
        told = f"beyond its interval; of {len(earlier)} earlier runs nobody can say what is usual"
        return Regression(against=sealed.run, worse=True, sure=False, because=told)
    median = float(np.median(earlier))
    usual = UNUSUAL * _AS_DEVIATION * float(np.median(np.abs(np.array(earlier) - median)))
    sure = sign * (best - median) > usual
    told = "beyond its interval, and " + (
        "more than runs differ from each other" if sure else "as much as runs differ"
    )
    return Regression(against=sealed.run, worse=True, sure=sure, because=told)


def _bounds(point: Point, limit: Limit | None) -> tuple[float | None, float | None]:
    """The better and the worse bound; None: unknown, as the upper one of a censored value."""
    low = point.value if point.low is None else point.low
    high = point.value if point.high is None else point.high
    return (low, high) if limit is None or limit.worse is Worse.HIGHER else (high, low)


def _changes(analysed: Sequence[Point]) -> tuple[tuple[ChangePoint, ...], Sequence[Point]]:
    """And the points since the last one."""
    low = np.array([_lowest(point) for point in analysed])
    high = np.array([np.inf if point.value is None else point.value for point in analysed])
    found = cuts(_times(analysed), low, high)
    edges = [0, *(cut.at for cut in found), len(analysed)]
    made = tuple(
        ChangePoint(
            run=analysed[cut.at].run,
            at=analysed[cut.at].at,
            before=_median(high[before:start]),
            after=_median(high[start:end]),
            p=cut.p,
        )
        for cut, before, start, end in zip(found, edges, edges[1:], edges[2:], strict=False)
    )
    return made, analysed[edges[-2] :]


def _slope(segment: Sequence[Point]) -> Slope | None:
    values = [point.value for point in segment if point.value is not None]
    times = _times(segment)
    if len(values) < len(segment) or len(values) < LEAST or times[0] == times[-1]:
        return None
    numbers = np.array(values)
    per_week, level, middle = line_through(times, numbers)
    low, high = slope_interval(times, numbers)
    return Slope(
        per_week=per_week,
        low=low,
        high=high,
        since=segment[0].at,
        runs=len(segment),
        now=level + per_week * (float(times[-1]) - middle),
        middle=datetime.fromtimestamp(middle * _WEEK_S, UTC),
        level=level,
    )


def _times(points: Sequence[Point]) -> Numbers:
    """In weeks."""
    return np.array([point.at.timestamp() / _WEEK_S for point in points])


def _weeks(first: datetime, last: datetime) -> float:
    return (last - first).total_seconds() / _WEEK_S


def _median(values: Numbers) -> float | None:
    """With an even number the upper one, so that half of them censored is censored."""
    middle = float(np.sort(values)[len(values) // 2])
    return None if np.isinf(middle) else middle


def _lowest(point: Point) -> float:
    """Its value, or what it is at least."""
    known = point.low if point.value is None else point.value
    if known is None:
        raise ValueError(f"{point.run}: nothing is known of its value")
    return known


def _censored(point: Point) -> bool:
    return point.value is None and point.low is not None


def _point(run: RunShown, one: Showing) -> Point:
    return Point(
        run=run.run,
        at=run.at,
        verdict=one.verdict,
        value=one.value,
        low=one.low,
        high=one.high,
        trials=one.trials,
        sealed=run.sealed,
        limit=None if one.limit is None else one.limit.at,
    )
