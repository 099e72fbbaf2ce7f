"""Draws one restore as SVG: phases, RTA, RTO, what was lost and the verification. Pure.

One row for each thing, its name at the left and its number beside its mark, so that no two labels
can meet however short a phase is. Time runs to the right from the fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.model.history import Outcome, Phase
from harness.model.judgement import LevelResult, PhaseBar, RestoreSummary
from harness.model.quantity import show_bytes, show_duration
from harness.report import drawing
from harness.report.drawing import BESIDE, LEAST, OFF_SCALE, RIGHT, ROW, TOP, Pen, width
from harness.report.wording import (
    duration,
    extent,
    lost_writes,
    recovery_point,
    recovery_time,
    time_to_verified,
)

_LEFT = 96.0  # the names of the rows end here


def draw(restore: RestoreSummary, *, rto_s: float | None, name: str) -> str:
    """The picture of one restore as an `<svg>` element.

    Args:
        restore: what was measured, in seconds after the fault.
        rto_s: the recovery time objective of its subject, in seconds; None: no line.
        name: an XML name, unique in the document the picture is put in.
    """
    scale = _Scale.of(restore, rto_s)
    rows = list(_rows(restore))
    bottom = TOP + ROW * len(rows)
    svg = drawing.picture(
        name,
        bottom,
        f"Timeline of {restore.trial}, {restore.subject}",
        describe(restore, rto_s),
    )
    canvas = _Canvas(pen=Pen(svg=svg, name=name), scale=scale)
    canvas.axis(bottom)
    canvas.marks(bottom, rto_s)
    for index, row in enumerate(rows):
        canvas.row(TOP + ROW * index, row)
    return drawing.as_text(svg)


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
        beyond = rto_s is not None and rto_s > OFF_SCALE * last
        if rto_s is not None and not beyond:
            last = max(last, rto_s)
        if restore.rta_low_s is not None and restore.rta_high_s is None:
            last = max(last, 1.12 * restore.rta_low_s)  # room for the open end
        room = RIGHT - _LEFT - (70.0 if beyond else 14.0)
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
        return RIGHT - 20 if self.rto_beyond else RIGHT

    def x(self, second: float) -> float:
        return self.fault + second * (self.per_second_before if second < 0 else self.per_second)

    def ticks(self) -> Iterator[float]:
        """Round times; before the fault none where that has a scale of its own."""
        first_s = 0.0 if self.own_before else self.first_s
        yield from drawing.ticks(first_s, self.last_s, self.per_second)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Canvas:
    pen: Pen
    scale: _Scale

    def axis(self, bottom: float) -> None:
        """The time axis with its grid, and a break in it where the time before has its own."""
        scale = self.scale
        for tick in scale.ticks():
            x = scale.x(tick)
            self.pen.line("grid", x, TOP - 4, x, bottom + 4)
            self.pen.text(
                "tick", x, bottom + 16, "0" if tick == 0 else show_duration(tick), "middle"
            )
        self.pen.line("axis", _LEFT, bottom + 4, RIGHT, bottom + 4)
        if scale.own_before:
            x = max(scale.x(scale.first_s), _LEFT)
            self.pen.text("tick", x, bottom + 16, duration(scale.first_s), "start")
            self.pen.break_(scale.fault - 12, bottom + 4)
        what = "time after the fault"
        if scale.own_before:
            what += "; before it on a scale of its own"
        self.pen.text("tick", RIGHT, bottom + 32, what, "end")

    def marks(self, bottom: float, rto_s: float | None) -> None:
        """The fault's line and the RTO's."""
        scale = self.scale
        self.pen.line("fault", scale.fault, TOP - 6, scale.fault, bottom + 4)
        self.pen.text("fault-label", scale.fault - 4, TOP - 10, "fault", "end")
        if rto_s is None:
            return
        if scale.rto_beyond:
            x = RIGHT - 14
            self.pen.line("rto", x, TOP - 6, x, bottom + 4)
            self.pen.break_(x - 22, bottom + 4)
            self.pen.text("rto-label", RIGHT, TOP - 10, f"RTO {duration(rto_s)} \u2192", "end")
            return
        x = scale.x(rto_s)
        label = f"RTO {duration(rto_s)}"
        self.pen.line("rto", x, TOP - 6, x, bottom + 4)
        if x + 4 + width(label, strong=True) < RIGHT:
            self.pen.text("rto-label", x + 4, TOP - 10, label, "start")
        else:
            self.pen.text("rto-label", x, TOP - 10, label, "end")

    def row(self, top: float, row: _Row) -> None:
        """The name, the marks, and the label where there is room for it."""
        middle = top + ROW / 2
        if row.ruled:
            self.pen.line("rule", 0, top, RIGHT, top)
        self.pen.text("name strong" if row.strong else "name", _LEFT, middle + 4, row.name, "end")
        for mark in row.marks:
            self._mark(mark, middle)
        self._label(row, middle)

    def _label(self, row: _Row, middle: float) -> None:
        """Right of the last mark, or left of the first, with as many parts as there is room for;
        over the mark, on a plate of its own, only where not even the first part fits beside it.
        """
        scale = self.scale
        ends = [max(scale.x(mark.end_s), scale.x(mark.start_s) + LEAST) for mark in row.marks]
        if row.after_s is not None:
            ends.append(scale.x(row.after_s))
        right = max(ends, default=scale.fault) + BESIDE
        left = min((scale.x(mark.start_s) for mark in row.marks), default=scale.fault) - BESIDE
        style = "label strong" if row.strong else "label"
        runs_to_edge = any(mark.kind == "open" for mark in row.marks)
        for count in range(len(row.parts), 0, -1):
            text = ", ".join(row.parts[:count])
            length = width(text, strong=row.strong)
            if right + length <= scale.edge and not runs_to_edge:
                self.pen.text(style, right, middle + 4, text, "start")
                return
            if left - length >= scale.fault:
                self.pen.text(style, left, middle + 4, text, "end")
                return
        text = row.parts[0]
        length = width(text, strong=row.strong) + 2 * BESIDE
        ends_at = min(scale.x(row.marks[0].end_s) - 20, scale.edge) if row.marks else scale.edge
        x = max(ends_at - length, scale.fault + 8)
        self.pen.plate(x, middle, length)
        self.pen.text(style, x + length / 2, middle + 4, text, "middle")

    def _mark(self, mark: _Mark, middle: float) -> None:
        x = self.scale.x(mark.start_s)
        end = max(self.scale.x(mark.end_s), x + LEAST)
        match mark.kind:
            case "reach" | "faint":
                self.pen.line(mark.kind, x, middle, end, middle)
                if mark.kind == "faint":
                    self.pen.line("reach", end, middle - 3, end, middle + 3)
            case "bracket":
                self.pen.bracket(x, end, middle)
            case "open":
                self.pen.open_end(x, middle)
            case _:
                self.pen.rectangle(mark.kind, x, middle, end - x, mark.hatch)
