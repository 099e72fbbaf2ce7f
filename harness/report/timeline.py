"""Draws one restore as SVG: phases, RTA, RTO, what was lost and the verification. Pure.

One row for each thing, its name at the left and its number beside its mark, so that no two labels
can meet however short a phase is. Time runs to the right from the fault. Colours are set by class
in templates/report.css, from the palette of Okabe and Ito, "Color Universal Design" (2008), which
people with any of the common colour deficiencies can tell apart; hatching and words say the same
once more, for black-and-white paper.

Lengths are SVG user units: 760 across, which is 180 mm on A4, so that 12 units of text are 8 pt.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from harness.model.history import Outcome, Phase
from harness.model.judgement import LevelResult, PhaseBar, RestoreSummary
from harness.model.quantity import show_bytes, show_duration
from harness.report.wording import (
    duration,
    extent,
    lost_writes,
    printable,
    recovery_point,
    recovery_time,
    time_to_verified,
)

_WIDTH = 760.0
_LEFT = 96.0  # the names of the rows end here
_RIGHT = _WIDTH - 8
_TOP = 24.0  # above the first row: the labels of the fault and of the RTO
_ROW = 21.0
_BAR = 11.0
_BESIDE = 5.0  # between a mark and its label
_LEAST = 2.0  # a mark is never narrower: 0.01 s of 10 min is still a mark

_OFF_SCALE = 2.5
"""An RTO further away than so many times the last mark is drawn as an arrow at the edge."""

_STEPS_S = (
    *(digit * 10.0**power for power in (-3, -2, -1, 0) for digit in (1, 2, 5)),
    *(10.0, 15.0, 30.0),
    *(60.0 * minutes for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 1440)),
)


def draw(restore: RestoreSummary, *, rto_s: float | None, name: str) -> str:
    """The picture of one restore as an `<svg>` element.

    Args:
        restore: what was measured, in seconds after the fault.
        rto_s: the recovery time objective of its subject, in seconds; None: no line.
        name: an XML name, unique in the document the picture is put in.
    """
    scale = _Scale.of(restore, rto_s)
    rows = list(_rows(restore))
    bottom = _TOP + _ROW * len(rows)
    svg = ET.Element(
        "svg",
        {
            "class": "timeline",
            "viewBox": f"0 0 {_WIDTH:g} {bottom + 38:g}",
            "role": "img",
            "aria-labelledby": f"{name}-t {name}-d",
        },
    )
    ET.SubElement(svg, "title", id=f"{name}-t").text = printable(
        f"Timeline of {restore.trial}, {restore.subject}"
    )
    ET.SubElement(svg, "desc", id=f"{name}-d").text = printable(describe(restore, rto_s))
    _hatching(svg, name)
    canvas = _Canvas(svg=svg, scale=scale, name=name)
    canvas.axis(bottom)
    canvas.marks(bottom, rto_s)
    for index, row in enumerate(rows):
        canvas.row(_TOP + _ROW * index, row)
    return ET.tostring(svg, encoding="unicode", short_empty_elements=True)


def describe(restore: RestoreSummary, rto_s: float | None) -> str:
    """The picture in words, for people who do not see it."""
    parts = [f"Recovery time {recovery_time(restore)} after the fault"]
    if rto_s is not None:
        parts.append(f"objective {duration(rto_s)}")
    parts.extend(
        f"{row.name} {', '.join(row.parts)}" for row in _rows(restore) if row.name != "RTA"
    )
    return "; ".join(parts) + "."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    """One bar or bracket, in seconds after the fault."""

    kind: str
    start_s: float
    end_s: float
    hatch: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    name: str
    parts: tuple[str, ...]
    """What is written beside the marks, weightiest first: where room is short, the rest goes."""

    marks: tuple[_Mark, ...] = ()
    after_s: float | None = None
    """The label stands right of this instant at least."""

    strong: bool = False
    ruled: bool = False
    """A line above it sets it apart from the rows before."""


def _rows(restore: RestoreSummary) -> Iterator[_Row]:
    if restore.rpa_s is not None or restore.lost_records is not None:
        yield _lost(restore)
    yield _recovery(restore)
    for phase in Phase:
        bars = [bar for bar in restore.phases if bar.phase is phase]
        if bars:
            yield _phase(restore, phase, bars)
    start = _level_starts(restore)
    for index, level in enumerate(restore.levels):
        yield _level(level, start[index], ruled=index == 0)
    if restore.levels or restore.verified_s is not None:
        verified = restore.verified_s
        marks = () if verified is None else (_Mark(kind="reach", start_s=0, end_s=verified),)
        yield _Row(name="verified", parts=(time_to_verified(restore),), marks=marks, strong=True)


def _lost(restore: RestoreSummary) -> _Row:
    writes = lost_writes(restore)
    point = f"RPA {recovery_point(restore)}"
    if restore.loss_from_s is None or restore.loss_to_s is None:
        if restore.lost_records == 0 and writes is not None:
            return _Row(name="lost", parts=(f"nothing ({writes})",), after_s=0.0)
        return _Row(name="lost", parts=(writes or point,), after_s=0.0)
    bar = _Mark(kind="lost", start_s=restore.loss_from_s, end_s=restore.loss_to_s, hatch="lost")
    parts = (writes, point) if writes is not None else (point,)
    return _Row(name="lost", parts=parts, marks=(bar,), after_s=0.0, strong=True)


def _recovery(restore: RestoreSummary) -> _Row:
    low, high = restore.rta_low_s, restore.rta_high_s
    if low is None:
        return _Row(name="RTA", parts=(recovery_time(restore),), after_s=0.0)
    reach = _Mark(kind="reach", start_s=0.0, end_s=low)
    if high is None:
        return _Row(
            name="RTA",
            parts=(f"not recovered within {duration(low)}",),
            marks=(reach, _Mark(kind="open", start_s=low, end_s=low)),
            strong=True,
        )
    marks: tuple[_Mark, ...] = (reach, _Mark(kind="bracket", start_s=low, end_s=high))
    parts: tuple[str, ...] = (recovery_time(restore),)
    if restore.sustained_s is not None and restore.sustained_s > high:
        marks = (*marks, _Mark(kind="faint", start_s=high, end_s=restore.sustained_s))
        parts = (*parts, f"sustained until {duration(restore.sustained_s)}")
    return _Row(name="RTA", parts=parts, marks=marks, strong=True)


def _phase(restore: RestoreSummary, phase: Phase, bars: list[PhaseBar]) -> _Row:
    slowest = phase is restore.bottleneck
    parts = [duration(extent(bars))]
    if slowest:
        parts.append("bottleneck")
    amounts = [bar.amount_bytes for bar in bars if bar.amount_bytes is not None]
    if amounts:
        parts.append(show_bytes(sum(amounts)))
    if len(bars) > 1:
        parts.append(f"{len(bars)} parts")
    return _Row(
        name=phase.value,
        parts=tuple(parts),
        marks=tuple(
            _Mark(kind="slowest" if slowest else "phase", start_s=bar.start_s, end_s=bar.end_s)
            for bar in bars
        ),
        strong=slowest,
    )


def _width(text: str, *, strong: bool = False) -> float:
    """Of 12-unit sans-serif text, on the wide side: no font is at hand to measure it with."""
    return len(text) * (7.9 if strong else 7.0)


def _level_starts(restore: RestoreSummary) -> list[float | None]:
    """Where each level is drawn: where it ran, else back to back up to the time to verified."""
    remaining = sum(level.seconds for level in restore.levels)
    starts: list[float | None] = []
    for level in restore.levels:
        if level.start_s is not None:
            starts.append(level.start_s)
        elif restore.verified_s is not None:
            starts.append(max(0.0, restore.verified_s - remaining))
        else:
            starts.append(None)
        remaining -= level.seconds
    return starts


def _level(level: LevelResult, start_s: float | None, *, ruled: bool) -> _Row:
    found = {
        Outcome.OK: f"{level.examined:,} examined",
        Outcome.FAIL: "damage found",
        Outcome.INDETERMINATE: "could not be verified",
    }
    kind = {Outcome.OK: "level", Outcome.FAIL: "damage", Outcome.INDETERMINATE: "unsure"}
    hatch = {Outcome.OK: None, Outcome.FAIL: "lost", Outcome.INDETERMINATE: "unsure"}
    marks: tuple[_Mark, ...] = ()
    if start_s is not None:
        marks = (
            _Mark(
                kind=kind[level.outcome],
                start_s=start_s,
                end_s=start_s + level.seconds,
                hatch=hatch[level.outcome],
            ),
        )
    return _Row(
        name=level.level.value,
        parts=(duration(level.seconds), found[level.outcome])
        if level.outcome is Outcome.OK
        else (found[level.outcome], duration(level.seconds)),
        marks=marks,
        after_s=0.0,
        strong=level.outcome is not Outcome.OK,
        ruled=ruled,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """Seconds after the fault to user units; before the fault perhaps on a scale of its own."""

    fault: float
    per_second: float
    per_second_before: float
    last_s: float
    first_s: float
    rto_s: float | None
    own_before: bool
    rto_beyond: bool

    @classmethod
    def of(cls, restore: RestoreSummary, rto_s: float | None) -> _Scale:
        ends = [bar.end_s for bar in restore.phases]
        ends += [
            second
            for second in (
                restore.rta_low_s,
                restore.rta_high_s,
                restore.sustained_s,
                restore.verified_s,
                restore.loss_to_s,
            )
            if second is not None
        ]
        starts = _level_starts(restore)
        ends += [
            start + level.seconds
            for start, level in zip(starts, restore.levels, strict=True)
            if start is not None
        ]
        last = max([*ends, 0.0]) or rto_s or 1.0
        beyond = rto_s is not None and rto_s > _OFF_SCALE * last
        if rto_s is not None and not beyond:
            last = max(last, rto_s)
        if restore.rta_low_s is not None and restore.rta_high_s is None:
            last = max(last, 1.12 * restore.rta_low_s)  # room for the open end
        room = _RIGHT - _LEFT - (70.0 if beyond else 14.0)
        before = -min(restore.loss_from_s or 0.0, 0.0)
        share = before / (before + last)
        # A day of lost writes beside a recovery of seconds, or the reverse, would leave one of them
        # invisible: then the time before the fault gets a fifth of the width and its own scale.
        own = bool(before) and not 0.04 <= share <= 0.4
        left = 0.2 * room if own else share * room
        return cls(
            fault=_LEFT + 12 + left,
            per_second=(room - 12 - left) / last,
            per_second_before=left / before if before else 0.0,
            last_s=last,
            first_s=-before,
            rto_s=rto_s,
            own_before=own,
            rto_beyond=beyond,
        )

    @property
    def edge(self) -> float:
        """No label goes further right."""
        return _RIGHT - 20 if self.rto_beyond else _RIGHT

    def x(self, second: float) -> float:
        return self.fault + second * (self.per_second_before if second < 0 else self.per_second)

    def ticks(self) -> Iterator[float]:
        """At round times, 56 units apart or more."""
        step = next(
            (step for step in _STEPS_S if step * self.per_second >= 56),
            86_400.0 * max(1, math.ceil(56 / (self.per_second * 86_400))),
        )
        first = 0 if self.own_before else math.ceil(self.first_s / step)
        for count in range(first, math.floor(self.last_s / step + 1e-9) + 1):
            yield count * step


@dataclass(frozen=True, slots=True, kw_only=True)
class _Canvas:
    svg: ET.Element
    scale: _Scale
    name: str

    def axis(self, bottom: float) -> None:
        """The time axis with its grid, and a break in it where the time before has its own."""
        scale = self.scale
        for tick in scale.ticks():
            x = scale.x(tick)
            self._line("grid", x, _TOP - 4, x, bottom + 4)
            self._text("tick", x, bottom + 16, "0" if tick == 0 else show_duration(tick), "middle")
        self._line("axis", _LEFT, bottom + 4, _RIGHT, bottom + 4)
        if scale.own_before:
            x = max(scale.x(scale.first_s), _LEFT)
            self._text("tick", x, bottom + 16, duration(scale.first_s), "start")
            self._break(scale.fault - 12, bottom + 4)
        what = "time after the fault"
        if scale.own_before:
            what += "; before it on a scale of its own"
        self._text("tick", _RIGHT, bottom + 32, what, "end")

    def marks(self, bottom: float, rto_s: float | None) -> None:
        """The fault's line and the RTO's."""
        scale = self.scale
        self._line("fault", scale.fault, _TOP - 6, scale.fault, bottom + 4)
        self._text("fault-label", scale.fault - 4, _TOP - 10, "fault", "end")
        if rto_s is None:
            return
        if scale.rto_beyond:
            x = _RIGHT - 14
            self._line("rto", x, _TOP - 6, x, bottom + 4)
            self._break(x - 22, bottom + 4)
            self._text("rto-label", _RIGHT, _TOP - 10, f"RTO {duration(rto_s)} \u2192", "end")
            return
        x = scale.x(rto_s)
        label = f"RTO {duration(rto_s)}"
        self._line("rto", x, _TOP - 6, x, bottom + 4)
        if x + 4 + _width(label, strong=True) < _RIGHT:
            self._text("rto-label", x + 4, _TOP - 10, label, "start")
        else:
            self._text("rto-label", x, _TOP - 10, label, "end")

    def row(self, top: float, row: _Row) -> None:
        """The name, the marks, and the label where there is room for it."""
        middle = top + _ROW / 2
        if row.ruled:
            self._line("rule", 0, top, _RIGHT, top)
        self._text("name strong" if row.strong else "name", _LEFT, middle + 4, row.name, "end")
        for mark in row.marks:
            self._mark(mark, middle)
        self._label(row, middle)

    def _label(self, row: _Row, middle: float) -> None:
        """Right of the last mark, or left of the first, with as many parts as there is room for;
        over the mark, on a plate of its own, only where not even the first part fits beside it.
        """
        scale = self.scale
        ends = [max(scale.x(mark.end_s), scale.x(mark.start_s) + _LEAST) for mark in row.marks]
        if row.after_s is not None:
            ends.append(scale.x(row.after_s))
        right = max(ends, default=scale.fault) + _BESIDE
        left = min((scale.x(mark.start_s) for mark in row.marks), default=scale.fault) - _BESIDE
        style = "label strong" if row.strong else "label"
        runs_to_edge = any(mark.kind == "open" for mark in row.marks)
        for count in range(len(row.parts), 0, -1):
            text = ", ".join(row.parts[:count])
            width = _width(text, strong=row.strong)
            if right + width <= scale.edge and not runs_to_edge:
                self._text(style, right, middle + 4, text, "start")
                return
            if left - width >= scale.fault:
                self._text(style, left, middle + 4, text, "end")
                return
        text = row.parts[0]
        width = _width(text, strong=row.strong) + 2 * _BESIDE
        ends_at = min(scale.x(row.marks[0].end_s) - 20, scale.edge) if row.marks else scale.edge
        x = max(ends_at - width, scale.fault + 8)
        box = {"x": f"{x:.1f}", "y": f"{middle - 8:g}", "width": f"{width:.1f}", "height": "16"}
        ET.SubElement(self.svg, "rect", {"class": "plate", **box})
        self._text(style, x + width / 2, middle + 4, text, "middle")

    def _mark(self, mark: _Mark, middle: float) -> None:
        x = self.scale.x(mark.start_s)
        end = max(self.scale.x(mark.end_s), x + _LEAST)
        match mark.kind:
            case "reach" | "faint":
                self._line(mark.kind, x, middle, end, middle)
                if mark.kind == "faint":
                    self._line("reach", end, middle - 3, end, middle + 3)
            case "bracket":
                path = (
                    f"M{x + 3:.1f} {middle - 6:g}H{x:.1f}V{middle + 6:g}H{x + 3:.1f}"
                    f"M{end - 3:.1f} {middle - 6:g}H{end:.1f}V{middle + 6:g}H{end - 3:.1f}"
                )
                self._rectangle("between", x, middle, end - x, None)
                ET.SubElement(self.svg, "path", {"class": "bracket", "d": path})
            case "open":
                path = (
                    f"M{x:.1f} {middle:g}H{_RIGHT - 8:g}"
                    f"M{_RIGHT - 15:g} {middle - 6:g}L{_RIGHT - 7:g} {middle:g}"
                    f"L{_RIGHT - 15:g} {middle + 6:g}"
                )
                ET.SubElement(self.svg, "path", {"class": "open", "d": path})
                self._line("bracket", x, middle - 6, x, middle + 6)
            case _:
                self._rectangle(mark.kind, x, middle, end - x, mark.hatch)

    def _rectangle(
        self, style: str, x: float, middle: float, width: float, hatch: str | None
    ) -> None:
        box = {
            "x": f"{x:.1f}",
            "y": f"{middle - _BAR / 2:g}",
            "width": f"{width:.1f}",
            "height": f"{_BAR:g}",
        }
        ET.SubElement(self.svg, "rect", {"class": style, **box})
        if hatch is not None:
            ET.SubElement(self.svg, "rect", {"fill": f"url(#{self.name}-{hatch})", **box})

    def _line(self, style: str, x: float, y: float, to_x: float, to_y: float) -> None:
        ends = {"x1": x, "y1": y, "x2": to_x, "y2": to_y}
        shown = {key: f"{round(value, 1):g}" for key, value in ends.items()}
        ET.SubElement(self.svg, "line", {"class": style, **shown})

    def _text(self, style: str, x: float, y: float, text: str, anchor: str) -> None:
        attributes = {"class": style, "x": f"{round(x, 1):g}", "y": f"{y:g}"}
        if anchor != "start":
            attributes["text-anchor"] = anchor
        ET.SubElement(self.svg, "text", attributes).text = printable(text)

    def _break(self, x: float, y: float) -> None:
        """Two slanted strokes: the axis is not continuous here."""
        path = f"M{x - 5:.1f} {y + 5:g}l5 -10M{x:.1f} {y + 5:g}l5 -10"
        ET.SubElement(self.svg, "path", {"class": "break", "d": path})


def _hatching(svg: ET.Element, name: str) -> None:
    """The patterns that tell lost, damaged and unsure apart without colour."""
    definitions = ET.SubElement(svg, "defs")
    for kind, path in (("lost", "M0 6L6 0"), ("unsure", "M3 3h.1")):
        pattern = ET.SubElement(
            definitions,
            "pattern",
            id=f"{name}-{kind}",
            width="6",
            height="6",
            patternUnits="userSpaceOnUse",
        )
        ET.SubElement(pattern, "path", {"class": f"hatch-{kind}", "d": path})
