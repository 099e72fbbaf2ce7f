"""Draws one trial of a game day as SVG: a lane for each way in, and what happened beside it. Pure.

Time runs to the right from the fault. A lane is plain where answers were right, hatched where they
were wrong, and dotted where nobody looked; so it is told without colour.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.model.judgement import RecoveredBy, RecoverySummary, Step, WayRecovery
from harness.model.quantity import show_duration
from harness.report import drawing
from harness.report.drawing import BESIDE, LEAST, OFF_SCALE, RIGHT, ROW, TOP, Pen, width
from harness.report.wording import duration, way_time

_LEFT = 220.0  # the names of the ways in end here
_NAME = 31  # characters of a name that there is room for
_BEFORE = 0.06  # share of the width that shows the steady state before the fault

_SHOWN_STEPS = (Step.DETECTED, Step.REPLACED, Step.PROMOTED, Step.REDUNDANT, Step.RETURNED)
"""What the platform did; what clients saw stands in the lanes."""


def draw_lanes(trial: RecoverySummary, *, name: str) -> str:
    """The picture of one trial as an `<svg>` element; `name` is unique in its document."""
    rows = list(_rows(trial))
    bottom = TOP + ROW * len(rows)
    svg = drawing.picture(name, bottom, f"Timeline of {trial.trial}", describe_lanes(trial))
    canvas = _Canvas(pen=Pen(svg=svg, name=name), scale=_Scale.of(trial), trial=trial)
    canvas.axis(bottom)
    canvas.marks(bottom)
    for index, row in enumerate(rows):
        canvas.row(TOP + ROW * index, row)
    return drawing.as_text(svg)


def describe_lanes(trial: RecoverySummary) -> str:
    """The picture in words, for people who do not see it."""
    parts = [f"{way.probe_class}: {way.text}" for way in trial.ways]
    parts += [f"{row.name} {row.label}" for row in _rows(trial) if row.way is None]
    if trial.rolled_back_from_s is not None:
        parts.append(f"our rollback began {duration(trial.rolled_back_from_s)} after the fault")
    return "; ".join(parts) + "." if parts else "Nothing was observed."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    name: str
    label: str
    way: WayRecovery | None = None
    seen: tuple[tuple[float, float], ...] = ()
    """Of a step of the platform: each between two looks."""

    ruled: bool = False


def _rows(trial: RecoverySummary) -> Iterator[_Row]:
    for way in trial.ways:
        yield _Row(name=way.probe_class, label=_label(way), way=way)
    ruled = True
    for step in _SHOWN_STEPS:
        seen = [one for one in trial.steps if one.step is step]
        if seen:
            first = min(seen, key=lambda one: one.high_s)
            more = f" and {len(seen) - 1} more" if len(seen) > 1 else ""
            yield _Row(
                name=step.value,
                label=f"{duration(first.high_s)}: {first.subject}{more}",
                seen=tuple((max(one.low_s, 0.0), one.high_s) for one in seen),
                ruled=ruled,
            )
            ruled = False
    for taken in trial.manual_steps:
        if taken.start_s is not None:
            who = taken.confirmed_by or "nobody"
            yield _Row(
                name=f"step {taken.step}",
                label=f"{duration(taken.seconds)}, {who}",
                seen=((taken.start_s, taken.start_s + taken.seconds),),
                ruled=ruled,
            )
            ruled = False


def _label(way: WayRecovery) -> str:
    if not way.judged:
        return f"{_outcome(way)} (not judged)"
    return _outcome(way)


def _outcome(way: WayRecovery) -> str:
    match way.by:
        case RecoveredBy.NO_OUTAGE:
            return "no outage"
        case RecoveredBy.ITSELF:
            return way_time(way.rta_low_s, way.rta_high_s)
        case RecoveredBy.ROLLBACK if way.after_rollback_s is not None:
            return f"back after our rollback, {duration(way.after_rollback_s)}"
        case RecoveredBy.UNKNOWN:
            return "unknown"
        case _:
            return f"not back, {way_time(way.rta_low_s, way.rta_high_s)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """Seconds after the fault to user units."""

    fault: float
    per_second: float
    last_s: float
    until_s: float
    """How far the lanes go: nobody looked later."""

    rto_s: float | None
    rto_beyond: bool

    @classmethod
    def of(cls, trial: RecoverySummary) -> _Scale:
        ends = [
            end
            for way in trial.ways
            for gap in (*way.outages, *way.unobserved)
            for end in (gap.start_s, gap.end_s)
            if end is not None
        ]
        ends += [end for way in trial.ways for end in (way.rta_low_s, way.rta_high_s) if end]
        ends += [one.high_s for one in trial.steps if one.step is not Step.VERIFIED]
        ends += [one.start_s + one.seconds for one in trial.manual_steps if one.start_s is not None]
        ends += [
            end
            for end in (
                trial.rolled_back_from_s,
                trial.rolled_back_until_s,
                trial.fault_width_s,
            )
            if end is not None
        ]
        last = max([*ends, 0.0]) or trial.watched_until_s or 1.0
        rto_s = min((way.rto_s for way in trial.ways if way.rto_s is not None), default=None)
        beyond = rto_s is not None and rto_s > OFF_SCALE * last
        if rto_s is not None and not beyond:
            last = max(last, rto_s)
        last *= 1.02
        room = RIGHT - _LEFT - 12 - (70.0 if beyond else 6.0)
        return cls(
            fault=_LEFT + 12 + _BEFORE * room,
            per_second=(1 - _BEFORE) * room / last,
            last_s=last,
            until_s=min(last, trial.watched_until_s or last),
            rto_s=rto_s,
            rto_beyond=beyond,
        )

    @property
    def left(self) -> float:
        return _LEFT + 12

    @property
    def edge(self) -> float:
        """No label goes further right."""
        return RIGHT - 20 if self.rto_beyond else RIGHT

    def x(self, second: float) -> float:
        return max(self.fault + second * self.per_second, self.left)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Canvas:
    pen: Pen
    scale: _Scale
    trial: RecoverySummary

    def axis(self, bottom: float) -> None:
        """The time axis with its grid."""
        scale = self.scale
        for tick in drawing.ticks(0.0, scale.last_s, scale.per_second):
            x = scale.x(tick)
            self.pen.line("grid", x, TOP - 4, x, bottom + 4)
            shown = "0" if tick == 0 else show_duration(tick)
            if x + width(shown) / 2 <= RIGHT:
                self.pen.text("tick", x, bottom + 16, shown, "middle")
        self.pen.line("axis", _LEFT, bottom + 4, RIGHT, bottom + 4)
        self.pen.text("tick", RIGHT, bottom + 32, "time after the fault", "end")

    def marks(self, bottom: float) -> None:
        """The fault with its bracket, our rollback, and the RTO."""
        scale, trial = self.scale, self.trial
        begin = scale.fault
        self.pen.line("fault", begin, TOP - 6, begin, bottom + 4)
        if trial.fault_width_s:
            end = scale.x(trial.fault_width_s)
            self.pen.path(
                "between", f"M{begin:.1f} {TOP - 6:g}H{end:.1f}V{bottom + 4:g}H{begin:.1f}Z"
            )
        label = "fault"
        self.pen.text("fault-label", begin - 4, TOP - 10, label, "end")
        taken = [(begin - 4 - width(label, strong=True), begin)]
        if scale.rto_s is not None:
            taken.append(self._rto(scale.rto_s, bottom, taken))
        if trial.rolled_back_from_s is not None:
            x = scale.x(trial.rolled_back_from_s)
            self.pen.line("rollback", x, TOP - 6, x, bottom + 4)
            self._beside("rollback-label", x, "our rollback", taken)

    def _rto(
        self, rto_s: float, bottom: float, taken: list[tuple[float, float]]
    ) -> tuple[float, float]:
        """Its line and its label, or the arrow where it is far away; where the label stands."""
        label = f"RTO {duration(rto_s)}"
        if not self.scale.rto_beyond:
            x = self.scale.x(rto_s)
            self.pen.line("rto", x, TOP - 6, x, bottom + 4)
            return self._beside("rto-label", x, label, taken)
        x = RIGHT - 14
        self.pen.line("rto", x, TOP - 6, x, bottom + 4)
        self.pen.break_(x - 22, bottom + 4)
        label += " \u2192"
        self.pen.text("rto-label", RIGHT, TOP - 10, label, "end")
        return RIGHT - width(label, strong=True), RIGHT

    def _beside(
        self, style: str, x: float, label: str, taken: list[tuple[float, float]]
    ) -> tuple[float, float]:
        """A label right or left of its line, or near it, where nothing else stands; else none."""
        length = width(label, strong=True)
        nearest = min((begin for begin, end in taken if end > x), default=x)
        for left, anchor in (
            (x + 4, "start"),
            (x - 4 - length, "end"),
            (nearest - 4 - length, "end"),
        ):
            free = all(left + length <= begin or left >= end for begin, end in taken)
            if free and left >= 0 and left + length <= RIGHT:
                edge = left if anchor == "start" else left + length
                self.pen.text(style, edge, TOP - 10, label, anchor)
                return left, left + length
        return x, x

    def row(self, top: float, row: _Row) -> None:
        """The name, the lane or the marks, and the label."""
        middle = top + ROW / 2
        if row.ruled:
            self.pen.line("rule", 0, top, RIGHT, top)
        shown = row.name if len(row.name) <= _NAME else f"{row.name[: _NAME - 1]}\u2026"
        self.pen.text("name", _LEFT, middle + 4, shown, "end")
        if row.way is not None:
            self._lane(row.way, middle)
            marks = [(gap.start_s, self._end(gap.end_s)) for gap in row.way.outages]
        else:
            for start, end in row.seen:
                x = self.scale.x(start)
                self.pen.bracket(x, max(self.scale.x(end), x + LEAST), middle)
            marks = list(row.seen)
        self._label(row, marks, middle)

    def _end(self, end_s: float | None) -> float:
        return self.scale.until_s if end_s is None else end_s

    def _lane(self, way: WayRecovery, middle: float) -> None:
        scale = self.scale
        self.pen.rectangle("right", scale.left, middle, scale.x(scale.until_s) - scale.left)
        for gaps, style in ((way.outages, "lost"), (way.unobserved, "unsure")):
            for gap in gaps:
                x = scale.x(gap.start_s)
                end = max(scale.x(self._end(gap.end_s)), x + LEAST)
                self.pen.rectangle(style, x, middle, end - x, style)

    def _label(self, row: _Row, marks: list[tuple[float, float]], middle: float) -> None:
        """Right of the last mark, left of the first, or else within the longest."""
        scale, text = self.scale, row.label
        strong = row.way is not None and row.way.judged and bool(row.way.outages)
        style = "label strong" if strong else "label"
        length = width(text, strong=strong)
        right = max((scale.x(end) for _, end in marks), default=scale.fault) + BESIDE + LEAST
        left = min((scale.x(start) for start, _ in marks), default=scale.fault) - BESIDE
        if right + length <= scale.edge:
            self.pen.text(style, right, middle + 4, text, "start")
        elif left - length >= scale.fault:
            self.pen.text(style, left, middle + 4, text, "end")
        else:
            start, end = max(marks, key=lambda mark: mark[1] - mark[0])
            centre = (scale.x(start) + scale.x(end)) / 2
            half = length / 2 + BESIDE
            centre = max(min(centre, scale.edge - half), scale.left + half)
            self.pen.plate(centre - half, middle, 2 * half)
            self.pen.text(style, centre, middle + 4, text, "middle")
