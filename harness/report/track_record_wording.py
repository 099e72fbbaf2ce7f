"""Puts the track record into words, alike for the terminal and the picture. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from harness.model.track_record import (
    ChangePoint,
    Course,
    Detail,
    Forecast,
    Point,
    Record,
    Showing,
    Trend,
    Worse,
)
from harness.model.verdict import Verdict
from harness.report.wording import NOT_MEASURED, amount, plural, span

SIGNS = {Verdict.PASS: ".", Verdict.FAIL: "F", Verdict.INCONCLUSIVE: "?"}
"""As a row of test results is written; they read alike without colour."""

_MOST_WEEKS = 104.0


def day(moment: datetime) -> str:
    """`2026-11-24`."""
    return f"{moment:%Y-%m-%d}"


def last_verdicts(verdicts: tuple[Verdict, ...]) -> str:
    """Newest at the right: `....F?.`."""
    return "".join(SIGNS[one] for one in verdicts)


def value(one: Point | Showing, unit: str, *, short: bool = False) -> str:
    """A value with its bounds: `8.02 s (7.8..8.02 s)`, `> 10 min`, `not measured`.

    `short`: without the bounds, in a narrow column.
    """
    if one.value is None:
        return NOT_MEASURED if one.low is None else f"> {amount(one.low, unit)}"
    text = amount(one.value, unit)
    if short or one.low is None or one.high is None or one.low >= one.high:
        return text
    bounds = (
        span(one.low, one.high)
        if unit == "s"
        else f"{amount(one.low, unit)}..{amount(one.high, unit)}"
    )
    return text if bounds == text else f"{text} ({bounds})"


def limit(trend: Trend) -> str:
    """`at most 5 min`, `at least 80 requests/s`; empty where none is promised."""
    if trend.limit is None or trend.limit.at is None:
        return ""
    word = "at most" if trend.limit.worse is Worse.HIGHER else "at least"
    return f"{word} {amount(trend.limit.at, trend.unit)}"


def course(forecast: Forecast) -> str:
    """`will miss it in 12 weeks (8 to 20)`, `not on course to miss, within 51 weeks`."""
    match forecast.course:
        case Course.WILL_MISS:
            return f"will miss its limit in {_weeks(forecast)}"
        case Course.MISSES:
            return "misses its limit now, by the line through its runs"
        case Course.NOT_ON_COURSE:
            return f"not on course to miss, within {_ahead(forecast.horizon_weeks)}"
        case Course.TOO_FEW:
            return f"too few runs to say: {forecast.runs}"
        case Course.CENSORED:
            return "no slope: a run since the last change did not recover by its deadline"
        case Course.NO_LIMIT:
            return "no limit is promised"


def slope(trend: Trend) -> str:
    """`+1.2 s a week (0.9..1.5 s), 51 runs since 2025-11-03`; empty where there is none."""
    if trend.slope is None:
        return ""
    one = trend.slope
    bounds = f"{_signed(one.low, trend.unit)} to {_signed(one.high, trend.unit)}"
    return (
        f"{_signed(one.per_week, trend.unit)} a week (95 %: {bounds}), "
        f"{plural(one.runs, 'run')} since {day(one.since)}"
    )


def change(one: ChangePoint, trend: Trend) -> str:
    """`since 2026-03-02 (RUN): 12.1 s, before 8 s; p = 0.001`."""
    after, before = (
        "not recovered by the deadline" if level is None else amount(level, trend.unit)
        for level in (one.after, one.before)
    )
    return f"since {day(one.at)} ({one.run}): {after}, before {before}; p = {one.p:.3f}"


def left_out(trend: Trend) -> Iterator[str]:
    """What is not a number in it, and what is not looked at."""
    if trend.censored:
        yield (
            f"{plural(trend.censored, 'run')} did not recover by the deadline: more than any value "
            "below it where changes are looked for, and no number in a slope"
        )
    if trend.not_measured:
        yield f"{plural(trend.not_measured, 'run')} measured nothing: not in the trend"
    rest = len(trend.points) - trend.not_measured - trend.analysed
    if rest > 0:
        yield f"{plural(rest, 'older run')} not in the trend, which is of the last {trend.analysed}"


def about(trend: Trend) -> str:
    """`RTA of orders, latest-backup`."""
    parts = [f"{trend.measure} of {trend.subject}" if trend.subject else trend.measure]
    if trend.scenario:
        parts.append(trend.scenario)
    return ", ".join(parts)


def headline(record: Record) -> str:
    """What stands beside the verdict of the overview."""
    if not record.runs:
        return "no run here: nothing is known"
    if not record.targets:
        return f"{plural(record.runs, 'run')}, and none said anything of a target"
    failed = sum(1 for one in record.targets if one.verdicts[-1] is Verdict.FAIL)
    regressed = sum(1 for one in record.targets if one.regressed is not None)
    missing = sum(
        1
        for one in record.targets
        if one.trend is not None and one.trend.forecast.course in {Course.WILL_MISS, Course.MISSES}
    )
    return (
        f"{plural(len(record.targets), 'target')}: {failed} failed in the newest run, "
        f"{regressed} worse than the last sealed run, {missing} on course to miss"
    )


def headline_of(detail: Detail) -> str:
    """What stands beside the verdict of one target."""
    if not detail.rows and not detail.answers:
        return f"{detail.asked}: no run of that environment and time said anything of it"
    runs = {one.run.run for one in detail.rows} | {run.run for run, _ in detail.answers}
    return f"{detail.asked}: {plural(len(runs), 'run')}"


def _weeks(forecast: Forecast) -> str:
    if forecast.weeks is None:
        return "an unknown time"
    low = f"{forecast.low or 0:.0f}"
    high = (
        f"{forecast.high:.0f}"
        if forecast.high is not None
        else f"more than {forecast.horizon_weeks or 0:.0f}"
    )
    number = f"{forecast.weeks:.0f}"
    weeks = "week" if number == "1" else "weeks"
    return f"{number} {weeks} (95 %: {low} to {high})"


def _ahead(weeks: float | None) -> str:
    return plural(int(min(weeks or 0.0, _MOST_WEEKS)), "week")


def _signed(number: float, unit: str) -> str:
    if number in {float("inf"), float("-inf")}:
        return "unknown"
    return f"{'-' if number < 0 else '+'}{amount(float(f'{abs(number):.3g}'), unit)}"
