"""Draws a trend as SVG: values with their bounds, the limit, changes, slope and forecast. Pure.

A dot passed, a cross failed, a ring could not tell; an arrow upwards was not recovered by its
deadline. What is extrapolated is dashed and never reaches over a change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from harness.model.track_record import Course, Point, Trend, Worse
from harness.model.verdict import Verdict
from harness.report import curves
from harness.report import track_record_wording as words
from harness.report.coverage_picture import as_file
from harness.report.drawing import RIGHT, Pen, as_text, picture, ticks, width
from harness.report.wording import amount

_LEFT = 84.0
_TOP = 58.0
_FLOOR = 246.0
_BOTTOM = 282.0
_ROOM = 1.08  # above the highest mark
_TEXT_LINES = 18.0
_RIGHT = RIGHT - 10
_APART = 74.0  # between two dates below the axis
_WEEK = timedelta(weeks=1)


def render_trend(trend: Trend) -> str:
    """The picture as a file of its own, with the colours that a page would give it."""
    return as_file(draw_trend(trend, name="trend"))


def draw_trend(trend: Trend, *, name: str) -> str:
    """The picture as an `<svg>` element; `name` is unique in its document.

    It takes its rules of style and its colours from the page's (report.css).
    """
    changes = [f"Changed {words.change(one, trend)}" for one in trend.changes]
    bottom = _BOTTOM + _TEXT_LINES * len(changes)
    svg = picture(name, bottom, f"Trend of the {words.about(trend)}", describe(trend))
    pen = Pen(svg=svg, name=name)
    pen.text("label", 0, 14, f"{words.about(trend)} in {trend.environment}", "start")
    slope = words.slope(trend)
    said = words.course(trend.forecast)
    pen.text("label", 0, 34, f"{said}; {slope}" if slope else said, "start")
    _Canvas.of(trend, pen).draw()
    for number, line in enumerate(changes):
        pen.text("label", 0, _BOTTOM + 14 + _TEXT_LINES * number, line, "start")
    return as_text(svg)


def describe(trend: Trend) -> str:
    """The picture in words, for people who do not see it."""
    newest = trend.points[-1]
    parts = [
        f"{len(trend.points)} runs, the newest {words.value(newest, trend.unit)}",
        words.limit(trend),
        words.slope(trend),
        *(words.change(one, trend) for one in trend.changes),
        words.course(trend.forecast),
        *words.left_out(trend),
    ]
    return "; ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Canvas:
    trend: Trend
    pen: Pen
    first: datetime
    last: datetime
    axis: curves.Axis

    @classmethod
    def of(cls, trend: Trend, pen: Pen) -> _Canvas:
        first, last = trend.points[0].at, trend.points[-1].at
        forecast = trend.forecast
        if forecast.course is Course.WILL_MISS and forecast.weeks is not None:
            ahead = forecast.high if forecast.high is not None else forecast.weeks
            last += _WEEK * ahead
        if last == first:
            first, last = first - _WEEK, last + _WEEK
        highest = max(_heights(trend), default=0.0) * _ROOM
        axis = _axis(highest or 1.0, trend.unit)
        return cls(trend=trend, pen=pen, first=first, last=last, axis=axis)

    def draw(self) -> None:
        self._frame()
        self._limit()
        self._changes()
        self._slope()
        for point in self.trend.points:
            self._point(point)

    def _x(self, at: datetime) -> float:
        return _LEFT + (at - self.first) / (self.last - self.first) * (_RIGHT - _LEFT)

    def _y(self, value: float) -> float:
        return _FLOOR - self.axis.height(max(value, 0.0)) * (_FLOOR - _TOP)

    def _frame(self) -> None:
        self.pen.line("axis", _LEFT, _FLOOR, _RIGHT, _FLOOR)
        self.pen.line("axis", _LEFT, _TOP, _LEFT, _FLOOR)
        for number, label in self.axis.ticks:
            self.pen.line("axis", _LEFT - 4, self._y(number), _LEFT, self._y(number))
            self.pen.text("tick", _LEFT - 7, round(self._y(number) + 4, 1), label, "end")
        count = max(1, int((_RIGHT - _LEFT) / _APART / 1.5))
        for number in range(count + 1):
            at = self.first + (self.last - self.first) * (number / count)
            x = self._x(at)
            self.pen.line("axis", x, _FLOOR, x, _FLOOR + 4)
            anchor = "end" if number == count else "middle"
            self.pen.text("tick", x, _FLOOR + 18, words.day(at), anchor)

    def _limit(self) -> None:
        limit = self.trend.limit
        if limit is None or limit.at is None:
            return
        if not _is_near(self.trend, limit.at):
            text = f"{words.limit(self.trend)}: above {chr(0x2191)}"
            self.pen.text("rto-label", _RIGHT, _TOP - 6, text, "end")
            return
        y = self._y(limit.at)
        self.pen.line("rto", _LEFT, y, _RIGHT, y)
        text = words.limit(self.trend)
        self.pen.plate(_LEFT + 6, y - 8, width(text, strong=True))
        self.pen.text("rto-label", _LEFT + 8, round(y - 5, 1), text, "start")

    def _changes(self) -> None:
        for one in self.trend.changes:
            x = self._x(one.at)
            self.pen.path("curve dotted", f"M{x:.1f} {_TOP:g}V{_FLOOR:g}")

    def _slope(self) -> None:
        slope = self.trend.slope
        if slope is None:
            return

        def at(when: datetime, per_week: float) -> tuple[float, float]:
            return self._x(when), self._y(slope.level + per_week * ((when - slope.middle) / _WEEK))

        newest = self.trend.points[-1].at
        known = [at(slope.since, slope.per_week), at(newest, slope.per_week)]
        self.pen.path("curve blue", curves.line(known))
        if self.trend.forecast.course is Course.WILL_MISS:
            ahead = [at(newest, slope.per_week), at(self.last, slope.per_week)]
            self.pen.path("curve blue dashed", curves.line(ahead))
            band = [
                at(newest, slope.low),
                at(self.last, slope.low),
                at(self.last, slope.high),
                at(newest, slope.high),
            ]
            corners = "L".join(f"{x:.1f} {max(y, _TOP - 12):.1f}" for x, y in band)
            self.pen.path("band", f"M{corners}Z")

    def _point(self, point: Point) -> None:
        x = self._x(point.at)
        if point.value is None:
            if point.low is not None:
                y = self._y(point.low)
                self.pen.path("missed", f"M{x:.1f} {y:.1f}v-12m-4 5l4 -5l4 5M{x - 4:.1f} {y:.1f}h8")
            else:
                self.pen.path("bracket", f"M{x - 3:.1f} {_FLOOR - 3:g}l6 6m-6 0l6 -6")
            return
        y = self._y(point.value)
        if point.low is not None and point.high is not None and point.high > point.low:
            self.pen.line("bracket", x, self._y(point.low), x, self._y(point.high))
        match point.verdict:
            case Verdict.PASS:
                self.pen.dot("held", x, y, 2.6)
            case Verdict.FAIL:
                self.pen.path("missed", f"M{x - 3.5:.1f} {y - 3.5:.1f}l7 7m-7 0l7 -7")
            case Verdict.INCONCLUSIVE:
                self.pen.dot("late", x, y, 3.2)


def _axis(highest: float, unit: str) -> curves.Axis:
    """Round times are 5 min and not 500 s."""

    def label(number: float) -> str:
        return amount(float(f"{number:.6g}"), unit)

    if unit != "s":
        return curves.linear(highest, label)
    marks = ticks(0.0, highest, (_FLOOR - _TOP) / highest)
    return curves.Axis(
        height=lambda value: value / highest,
        ticks=tuple((number, label(number)) for number in marks),
    )


def _heights(trend: Trend) -> Iterator[float]:
    for point in trend.points:
        yield from (one for one in (point.value, point.low, point.high) if one is not None)
    limit = trend.limit
    if limit is not None and limit.at is not None and _is_near(trend, limit.at):
        yield limit.at


def _is_near(trend: Trend, limit: float) -> bool:
    """Whether it can be drawn; one of 1 h above values of 8 s would press them to the floor."""
    highest = max((point.value or point.low or 0.0 for point in trend.points), default=0.0)
    return trend.limit is not None and (
        trend.limit.worse is Worse.LOWER or limit <= 6 * highest or not highest
    )
