"""Draws what a search found: for each number of replicas the rates that held and did not. Pure.

A bracket for each capacity, a mark for each rate that was tried, and the law that was fitted:
dashed beyond what was tried, since nothing was measured there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from harness.capacity.scalability import rate as rate_of
from harness.model.load_judgement import CapacityPoint, CapacitySummary, Injection
from harness.report.curves import line, linear
from harness.report.drawing import RIGHT, Pen, as_text, picture, width
from harness.report.load_wording import capacity_bounds, law, rate
from harness.report.wording import plural

_LEFT = 152.0
_TOP = 28.0
_HEIGHT = 250.0
_CAP = 7.0
"""Half of a bracket's crossbar."""

_ROW = 15.0
"""Of labels below the axis."""

_APART = 6.0
"""Between two labels of a row."""

_ASIDE = 16.0
"""Tried rates stand beside their bracket, and those tried again beside each other."""

_LEGEND = (
    ("held", "held"),
    ("did not hold", "missed"),
    ("generator late", "late"),
)


def draw_capacity(searched: CapacitySummary, *, peak: float | None, name: str) -> str:
    """The picture of one search; `name` is unique in its document.

    `peak`: what is expected at the busiest, requests per second; None: the environment says none.
    """
    floor = _TOP + _HEIGHT
    most = max((one.replicas for one in searched.points), default=1)
    axis = linear(_highest(searched, peak), rate, ticks=5)
    per_replica = (RIGHT - _LEFT - 24) / most

    def x(replicas: float) -> float:
        return _LEFT + replicas * per_replica

    def y(value: float) -> float:
        return floor - axis.height(value) * _HEIGHT

    labels = tuple(_labels(searched, x))
    below = floor + _ROW * (1 + max((one.row for one in labels), default=0))
    svg = picture(
        name,
        below,
        f"{searched.trial}: capacity by replicas held",
        _described(searched, peak),
    )
    pen = Pen(svg=svg, name=name)
    for value, label in axis.ticks:
        pen.line("grid", _LEFT, y(value), RIGHT, y(value))
        pen.text("tick", _LEFT - 6, y(value) + 4, label if value else "0", "end")
    pen.line("axis", _LEFT, floor, RIGHT, floor)
    pen.text("strong", 4, _TOP + 10, "requests/s", "start")
    pen.text("tick", RIGHT, below + 31, "replicas held (no autoscaler)", "end")
    _law(pen, searched, most, x, y)
    if peak is not None:
        pen.line("rto", _LEFT, y(peak), RIGHT, y(peak))
        pen.text("rto-label over", _LEFT + 6, y(peak) - 4, f"busiest: {rate(peak)}", "start")
    for point in searched.points:
        _point(pen, point, x(point.replicas), y, top=_TOP)
        pen.text("tick", x(point.replicas), floor + 15, f"{point.replicas}", "middle")
    for one in labels:
        pen.text("label", one.middle, floor + 17 + _ROW * (one.row + 1), one.text, "middle")
    pen.text("tick", 27, floor + 15, "replicas", "start")
    pen.text("tick", 27, floor + 17 + _ROW, "capacity", "start")
    _legend(pen, searched)
    return as_text(svg)


class _Label(NamedTuple):
    """The capacity of one number of replicas, below it; in a lower row where it has no room."""

    text: str
    middle: float
    row: int


def _labels(searched: CapacitySummary, x: Callable[[float], float]) -> Iterator[_Label]:
    ends: list[float] = []
    for point in sorted(searched.points, key=lambda one: one.replicas):
        text = capacity_bounds(point)
        half = width(text) / 2
        middle = min(x(point.replicas), RIGHT - half)
        row = next((row for row, end in enumerate(ends) if end < middle - half), len(ends))
        ends[row : row + 1] = [middle + half + _APART]
        yield _Label(text, middle, row)


def _highest(searched: CapacitySummary, peak: float | None) -> float:
    rates = [probe.rate for point in searched.points for probe in point.probes]
    rates += [
        rate for point in searched.points for rate in (point.holds, point.fails) if rate is not None
    ]
    return max([*rates, peak or 0.0], default=1.0) or 1.0


def _law(
    pen: Pen,
    searched: CapacitySummary,
    most: int,
    x: Callable[[float], float],
    y: Callable[[float], float],
) -> None:
    if searched.fit is None:
        return
    fit = searched.fit
    # What the law rests on: numbers of replicas whose capacity is known from both sides.
    known = [one.replicas for one in searched.points if None not in (one.holds, one.fails)]
    least, last = min(known, default=1), max(known, default=most)
    for style, begin, end in (
        ("curve blue", least, last),
        ("curve blue dashed", last, most),
        ("curve blue dashed", 0, least),
    ):
        if begin < end:
            grid = [begin + (end - begin) * number / 60 for number in range(61)]
            pen.path(style, line([(x(count), y(max(0.0, rate_of(fit, count)))) for count in grid]))


def _point(
    pen: Pen, point: CapacityPoint, x: float, y: Callable[[float], float], *, top: float
) -> None:
    """The bracket, open above where no rate failed, and the rates beside it."""
    low = y(point.holds or 0.0)
    if point.fails is None and point.holds is not None:
        pen.path("open", f"M{x:.1f} {low:.1f}V{top:g}m-5 8l5 -8l5 8")
        pen.path("bracket", f"M{x - _CAP:.1f} {low:.1f}h{2 * _CAP:g}")
    elif point.fails is not None:
        high = y(point.fails)
        pen.path(
            "bracket",
            f"M{x - _CAP:.1f} {low:.1f}h{2 * _CAP:g}M{x - _CAP:.1f} {high:.1f}h{2 * _CAP:g}"
            f"M{x:.1f} {low:.1f}V{high:.1f}",
        )
    tried: Counter[float] = Counter()
    for probe in point.probes:
        tried[probe.rate] += 1
        _tried(pen, point, probe, x - _ASIDE * 0.7 - 8 * (tried[probe.rate] - 1), y(probe.rate))


def _tried(pen: Pen, point: CapacityPoint, probe: Injection, x: float, y: float) -> None:
    if probe.gates:
        pen.path("late", f"M{x:.1f} {y - 3.5:.1f}l3.5 3.5l-3.5 3.5l-3.5 -3.5Z")
    elif point.holds is not None and probe.rate <= point.holds:
        pen.dot("held", x, y, 3)
    else:
        pen.path("missed", f"M{x - 3:.1f} {y - 3:.1f}l6 6m0 -6l-6 6")


def _legend(pen: Pen, searched: CapacitySummary) -> None:
    late = any(probe.gates for point in searched.points for probe in point.probes)
    top = _TOP + 28
    pen.path("bracket", f"M8 {top - 4:g}h12M8 {top + 4:g}h12M14 {top - 4:g}v8")
    pen.text("tick", 27, top + 4, "capacity", "start")
    row = 1
    for word, style in _LEGEND:
        if style == "late" and not late:
            continue
        middle = top + 15 * row
        match style:
            case "held":
                pen.dot("held", 14, middle, 3)
            case "missed":
                pen.path("missed", f"M11 {middle - 3:g}l6 6m0 -6l-6 6")
            case _:
                pen.path("late", f"M14 {middle - 3.5:g}l3.5 3.5l-3.5 3.5l-3.5 -3.5Z")
        pen.text("tick", 27, middle + 4, word, "start")
        row += 1
    if searched.fit is not None:
        middle = top + 15 * row
        pen.path("curve blue", f"M4 {middle:g}h18")
        pen.text("tick", 27, middle + 4, "fitted law", "start")


def _described(searched: CapacitySummary, peak: float | None) -> str:
    return "; ".join(_sentences(searched, peak)) + "."


def _sentences(searched: CapacitySummary, peak: float | None) -> Iterator[str]:
    for point in searched.points:
        yield (
            f"{plural(point.replicas, 'replica')}: {capacity_bounds(point)} requests/s, "
            f"{plural(len(point.probes), 'rate')} tried"
        )
    if not searched.points:
        yield "no rate was tried"
    if searched.fit is not None:
        yield f"law: {law(searched.fit)}"
    if peak is not None:
        yield f"expected at the busiest: {rate(peak)} requests/s"
