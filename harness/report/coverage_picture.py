"""Draws the coverage as SVG: a row for each target, a column for each run or week. Pure.

A cell says by its colour, its shape and its sign what the run said of the target: a full box where
it was tested, a frame where settings were read, faint where the proof is too old by now.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from itertools import groupby
from xml.etree import ElementTree as ET

from harness.model.coverage import Basis, Coverage, RunAnswer, State, TargetCoverage
from harness.model.quantity import show_duration
from harness.model.verdict import Verdict
from harness.report import coverage_wording as words
from harness.report.drawing import RIGHT, ROW, Pen, as_text, picture, width
from harness.report.wording import plural

MOST_COLUMNS = 14
"""What is older is not drawn, and it is said."""

_WEEKS = 4
"""More runs than there are columns are shown by weeks, where they are of so many weeks."""

_LEFT = 232.0  # the names of the targets end here
_FIRST = _LEFT + 10
_PITCH = 20.0
_CELL = 17.0
_TALL = 15.0
_SUMMARY = 18.0
_HEAD = 22.0
_MARGIN = 20.0  # of a file of its own
_NAME = 37  # characters of a name that there is room for

_SIGNS = {Verdict.PASS: "\u2713", Verdict.FAIL: "\u2715", Verdict.INCONCLUSIVE: "?"}
_LETTERS = {"restores": "R", "game-day": "G", "load-test": "L", "conformance": "C"}
_STATES: dict[State, tuple[str, str | None]] = {
    State.PROVED: ("held", None),
    State.CONFIGURED: ("frame", None),
    State.OVERDUE: ("level", "lost"),
    State.FAILED: ("lost", "lost"),
    State.INCONCLUSIVE: ("unsure", "unsure"),
    State.NEVER: ("empty", None),
    State.NO_CHECK: ("empty away", None),
}
"""How a state is filled, and hatched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """One run, or all runs of one week."""

    day: date
    """Of the run's end, or the week's Monday."""

    under: str
    """Which kind of run, or how many."""

    runs: frozenset[str]


def draw_coverage(coverage: Coverage, *, name: str, styled: bool = True) -> str:
    """The picture as an `<svg>` element; `name` is unique in its document.

    It brings its own rules of style, unless the page has them (not `styled`: coverage.css), and
    takes its colours from the page's (report.css).
    """
    columns, before = _columns(coverage)
    sections = list(words.by_section(coverage))
    drills = coverage.debt.drills
    legend = list(_legend(coverage))
    top = _SUMMARY + 24 + 18 * len(legend) + 34
    below = top + sum(_HEAD + ROW * len(rows) for _, rows in sections)
    bottom = below + 44 + ROW * len(drills)
    svg = picture(name, bottom, "Coverage of the documented targets", describe(coverage))
    svg.set("class", "timeline coverage")
    if styled:
        ET.SubElement(svg, "style").text = _style("coverage.css")
    canvas = _Canvas(pen=Pen(svg=svg, name=name), columns=columns, now=coverage.now)
    canvas.summary(coverage, legend)
    canvas.heads(top, below, before)
    for section, rows in sections:
        canvas.section(top, section)
        top += _HEAD
        for row in rows:
            canvas.row(top, row)
            top += ROW
    canvas.debt(below + 24, coverage)
    return as_text(svg)


def as_file(svg: str) -> str:
    """The picture as a file of its own, with the colours that a page would give it."""
    root = ET.fromstring(svg)  # noqa: S314 - our own
    root.set("xmlns", "http://www.w3.org/2000/svg")
    _, _, across, down = (float(part) for part in root.get("viewBox", "").split())
    box = (-_MARGIN, -_MARGIN, across + 2 * _MARGIN, down + 2 * _MARGIN)
    root.set("viewBox", " ".join(f"{part:g}" for part in box))
    colours = ET.Element("style")
    colours.text = f"{_style('report.css')}svg {{ background: var(--paper); }}"
    root.insert(0, colours)
    return as_text(root) + "\n"


def describe(coverage: Coverage) -> str:
    """The picture in words, for people who do not see it."""
    rows = "; ".join(f"{row.target}: {words.stand(row, coverage.now)}" for row in coverage.targets)
    return f"{words.headline(coverage)} {rows or 'No target'}. {words.debt(coverage)}"


@cache
def _style(name: str) -> str:
    return files("harness.report").joinpath("templates", name).read_text(encoding="utf-8")


def _columns(coverage: Coverage) -> tuple[list[_Column], int]:
    """Columns, oldest first, and how many runs lie before them."""
    weeks = [
        (monday, frozenset(run.run for run in of_week))
        for monday, of_week in groupby(coverage.runs, key=lambda run: _monday(run.ended))
    ]
    if len(coverage.runs) > MOST_COLUMNS and len(weeks) >= _WEEKS:
        columns = [_Column(day=day, under=f"{len(of)}", runs=of) for day, of in weeks]
    else:
        columns = [
            _Column(day=run.ended.date(), under=_LETTERS[run.kind], runs=frozenset({run.run}))
            for run in coverage.runs
        ]
    return columns[-MOST_COLUMNS:], sum(len(one.runs) for one in columns[:-MOST_COLUMNS])


def _monday(moment: datetime) -> date:
    day = moment.date()
    return day - timedelta(days=day.weekday())


def _legend(coverage: Coverage) -> Iterator[list[tuple[State, str]]]:
    """The states that there are, with their counts, in lines."""
    line: list[tuple[State, str]] = []
    x = 0.0
    for state, count in words.counts(coverage):
        if not count:
            continue
        text = f"{count} {words.COUNTED[state]}"
        if x + _legend_width(text) > RIGHT and line:
            yield line
            line, x = [], 0.0
        line.append((state, text))
        x += _legend_width(text)
    if line:
        yield line


def _legend_width(text: str) -> float:
    return 20 + width(text) + 14


@dataclass(frozen=True, slots=True, kw_only=True)
class _Canvas:
    pen: Pen
    columns: Sequence[_Column]
    now: datetime

    def summary(self, coverage: Coverage, legend: Sequence[Sequence[tuple[State, str]]]) -> None:
        """One bar of all targets by their states, and what its parts are."""
        total = max(len(coverage.targets), 1)
        x = 0.0
        for state, count in words.counts(coverage):
            length = RIGHT * count / total
            if count:
                style, hatch = _STATES[state]
                self.pen.box(style, x, 4, max(length - 2, 1), _SUMMARY, hatch)
            x += length
        y = _SUMMARY + 22
        for line in legend:
            x = 0.0
            for state, text in line:
                style, hatch = _STATES[state]
                self.pen.box(style, x, y - 10, 14, 12, hatch)
                self.pen.text("label", x + 20, y, text, "start")
                x += _legend_width(text)
            y += 18

    def heads(self, top: float, below: float, before: int) -> None:
        """Days and kinds of the columns, and what the letters mean."""
        last, free_from = None, 0.0
        for number, column in enumerate(self.columns):
            middle = self._x(number) + _CELL / 2
            if column.day != last and middle - 16 >= free_from:
                self.pen.text("tick", middle, top - 14, f"{column.day:%m-%d}", "middle")
                free_from = middle + 20
                last = column.day
            self.pen.text("tick", middle, top, column.under, "middle")
        by_week = any(column.under.isdigit() for column in self.columns)
        meaning = (
            "runs of each week, from Monday; the newest of it decides"
            if by_week
            else "R restores, G game day, L load test, C conformance"
        )
        if before:
            meaning = f"{plural(before, 'run')} before not drawn; {meaning}"
        if self.columns:
            self.pen.text("tick", RIGHT, below + 14, meaning, "end")

    def section(self, top: float, title: str) -> None:
        """A heading within the rows."""
        self.pen.text("name strong", 0, top + 16, title, "start")
        self.pen.line("rule", 0, top + 21, RIGHT, top + 21)

    def row(self, top: float, row: TargetCoverage) -> None:
        """The name, the cells, and where it stands."""
        middle = top + ROW / 2
        style = "name strong" if row.state in {State.FAILED, State.OVERDUE} else "name"
        name = row.target if len(row.target) <= _NAME else f"{row.target[: _NAME - 1]}\u2026"
        self.pen.text(style, _LEFT, middle + 4, name, "end")
        for number, column in enumerate(self.columns):
            self._cell(self._x(number), middle, row, column)
        self._words(middle, row)

    def debt(self, top: float, coverage: Coverage) -> None:
        """The drills that pay what is owed: a bar for the time of each."""
        self.pen.text("name strong", 0, top + 14, words.debt_in_short(coverage), "start")
        drills = coverage.debt.drills
        longest = max((drill.takes.total_seconds() for drill in drills), default=0.0)
        for number, drill in enumerate(drills):
            middle = top + 20 + ROW * number + ROW / 2
            length = 200 * drill.takes.total_seconds() / longest if longest else 1.0
            self.pen.text("name", _LEFT, middle + 4, drill.suite, "end")
            self.pen.rectangle("phase", _FIRST, middle, max(length, 2))
            text = (
                f"{plural(len(drill.pays), 'target')}, {show_duration(drill.takes)}, "
                f"{words.ratio(drill)}"
            )
            self.pen.text("label", _FIRST + max(length, 2) + 6, middle + 4, text, "start")

    def _x(self, number: int) -> float:
        return _FIRST + _PITCH * number

    def _cell(self, x: float, middle: float, row: TargetCoverage, column: _Column) -> None:
        answer = next((one for one in reversed(row.answers) if one.run in column.runs), None)
        if answer is None:
            self.pen.dot("nothing", x + _CELL / 2, middle, 1.4)
            return
        style, hatch, sign = self._look(answer, row)
        self.pen.box(style, x, middle - _TALL / 2, _CELL, _TALL, hatch)
        self.pen.text(sign, x + _CELL / 2, middle + 4, _SIGNS[answer.verdict], "middle")

    def _look(self, answer: RunAnswer, row: TargetCoverage) -> tuple[str, str | None, str]:
        """Classes of the box and of the sign, and the hatching."""
        match answer.verdict:
            case Verdict.FAIL:
                return "lost", None, "sign on-fail"
            case Verdict.INCONCLUSIVE:
                return "unsure", None, "sign on-unsure"
            case Verdict.PASS if answer.basis is Basis.CONFIGURATION:
                return "frame", None, "sign"
            case Verdict.PASS if row.period is not None and answer.at + row.period < self.now:
                return "held old", None, "sign"
            case Verdict.PASS:
                return "held", None, "sign on-pass"

    def _words(self, middle: float, row: TargetCoverage) -> None:
        x = _FIRST + _PITCH * len(self.columns) + 8
        urgent = row.state in {State.FAILED, State.OVERDUE}
        style = "rto-label" if urgent else "label"
        parts = list(self._parts(row))
        while len(parts) > 1 and width(", ".join(parts), strong=urgent) > RIGHT - x:
            parts.pop()
        self.pen.text(style, x, middle + 4, ", ".join(parts), "start")

    def _parts(self, row: TargetCoverage) -> Iterator[str]:
        """Weightiest first: where room is short, the rest goes."""
        stand = words.stand(row, self.now)
        proof = row.proved
        match row.state:
            case State.PROVED | State.CONFIGURED if proof is not None:
                yield f"{stand}, {words.age(proof.at, self.now)} ago"
                if row.state is State.PROVED and row.tested is not None:
                    yield words.strength(row.tested)
            case State.FAILED | State.INCONCLUSIVE if row.not_passed_since is not None:
                yield stand
                yield f"since {row.not_passed_since:%Y-%m-%d}"
            case _:
                yield stand
