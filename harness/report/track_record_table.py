"""Renders the track record for a terminal: the overview, and one target. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TextIO

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from harness.model.track_record import Course, Detail, Flaky, Record, TargetRecord, Trend
from harness.model.verdict import Verdict
from harness.report import printing
from harness.report import track_record_wording as words
from harness.report.screen import STYLES, hanging, table, title
from harness.report.wording import plural, printable, when

MOST_ROWS = 20
"""Of one target; `--json` has all of them."""


def render_overview(
    record: Record, width: int = printing.PLAIN_WIDTH, *, colour: bool = False
) -> str:
    """The overview as text `width` columns wide; equal input gives equal text."""
    return printing.as_text(_overview(record), width=width, colour=colour)


def render_detail(
    detail: Detail, width: int = printing.PLAIN_WIDTH, *, colour: bool = False
) -> str:
    """One target as text `width` columns wide; equal input gives equal text."""
    return printing.as_text(_detail(detail), width=width, colour=colour)


def write_overview(record: Record, stream: TextIO) -> None:
    """Writes it to `stream`: in colour and as wide as it is where that is a terminal."""
    printing.write(lambda width, colour: render_overview(record, width, colour=colour), stream)


def write_detail(detail: Detail, stream: TextIO) -> None:
    """Writes it to `stream`: in colour and as wide as it is where that is a terminal."""
    printing.write(lambda width, colour: render_detail(detail, width, colour=colour), stream)


def _overview(record: Record) -> Iterator[RenderableType]:
    yield Text.assemble(
        (record.verdict.value, STYLES[record.verdict]), "  ", words.headline(record)
    )
    if record.first is not None and record.last is not None:
        yield Text(
            f"{plural(record.runs, 'run')}, {when(record.first)} to {when(record.last)}",
            style="dim",
        )
    yield from _worse(record)
    for environment, rows in groupby(record.targets, key=lambda one: one.environment):
        yield title(f"Targets in {environment}")
        yield _table(rows)
    yield from _flaky(record.flaky)
    yield from _notes(record.notes)


def _worse(record: Record) -> Iterator[RenderableType]:
    lines = [
        *((one, one.regressed, "worse") for one in record.targets if one.regressed is not None),
        *(
            (one, f"{words.about(one.trend)} {words.course(one.trend.forecast)}", "course")
            for one in record.targets
            if one.trend is not None
            and one.trend.forecast.course in {Course.WILL_MISS, Course.MISSES}
        ),
    ]
    if lines:
        yield title("What gets worse")
    for one, said, label in lines:
        text = f"{one.target} in {one.environment}: {said}; harness history {one.target}"
        yield hanging(f"  {label}  ", text, STYLES[Verdict.FAIL])


def _table(rows: Iterator[TargetRecord]) -> RenderableType:
    made = table("target", f"last verdicts {chr(0x2192)}", "last value", ">limit", "trend")
    for column in made.columns[:3]:
        column.no_wrap = True
    for one in rows:
        newest = one.verdicts[-1]
        made.add_row(
            Text(printable(one.target)),
            Text(words.last_verdicts(one.verdicts), style=STYLES[newest]),
            *_number(one.trend),
        )
    return Padding(made, (0, 0, 0, 2))


def _number(trend: Trend | None) -> Iterator[Text]:
    if trend is None:
        yield from (Text("-"), Text(""), Text(""))
        return
    yield Text(words.value(trend.points[-1], trend.unit))
    yield Text(words.limit(trend))
    yield Text(printable(words.course(trend.forecast)))


def _detail(detail: Detail) -> Iterator[RenderableType]:
    yield Text.assemble(
        (detail.verdict.value, STYLES[detail.verdict]), "  ", printable(words.headline_of(detail))
    )
    answers = sorted(detail.answers, key=lambda one: one[0].environment)
    for environment, said in groupby(answers, key=lambda one: one[0].environment):
        verdicts = tuple(answer.verdict for _, answer in said)
        yield Text(printable(f"{environment}: {words.last_verdicts(verdicts[-60:])}"))
    young = [one for one in detail.trends if _is_young(one)]
    for one in detail.trends:
        if not _is_young(one):
            yield from _trend(one)
    if young:
        yield title("Too few runs to say where it goes")
    for one in young:
        yield hanging("  ", f"{words.about(one)} in {one.environment}: {one.forecast.runs}", "")
    yield from _rows(detail)
    yield from _flaky(detail.flaky)
    yield from _notes(detail.notes)


def _is_young(one: Trend) -> bool:
    return (
        one.forecast.course is Course.TOO_FEW
        and not one.changes
        and one.regression is None
        and not any(words.left_out(one))
    )


def _trend(one: Trend) -> Iterator[RenderableType]:
    limit = f", {words.limit(one)}" if words.limit(one) else ""
    yield title(f"{words.about(one)} in {one.environment}{limit}")
    bad = one.forecast.course in {Course.WILL_MISS, Course.MISSES, Course.CENSORED}
    yield hanging("  course  ", words.course(one.forecast), STYLES[Verdict.FAIL] if bad else "")
    if one.slope is not None:
        yield hanging("  slope   ", words.slope(one), "")
    for change in one.changes:
        yield hanging("  change  ", words.change(change, one), "yellow")
    if one.regression is not None:
        style = STYLES[Verdict.FAIL] if one.regression.worse else ""
        said = "worse than" if one.regression.worse else "not worse than"
        text = f"{said} {one.regression.against}: {one.regression.because}"
        yield hanging("  sealed  ", text, style)
    for left in words.left_out(one):
        yield hanging("  note    ", left, "dim")


def _rows(detail: Detail) -> Iterator[RenderableType]:
    if not detail.rows:
        return
    older = len(detail.rows) - MOST_ROWS
    yield title("Runs, newest first" + (f"; {older} older ones: --json" if older > 0 else ""))
    alike = len({row.showing.check for row in detail.rows}) == 1
    made = table("ended", "in", "verdict", "value", ">trials", "seal", "finding")
    for column in made.columns[:6]:
        column.no_wrap = True
    for row in reversed(detail.rows[-MOST_ROWS:]):
        one = row.showing
        name = one.finding.removeprefix(f"{one.check}/") if alike else one.finding
        made.add_row(
            f"{row.run.at:%Y-%m-%d %H:%M}",
            printable(row.run.environment),
            Text(one.verdict.value, style=STYLES[one.verdict]),
            "-" if one.measure is None else words.value(one, one.unit or "", short=True),
            f"{one.trials}" if one.trials else "-",
            "sealed" if row.run.sealed else "-",
            printable(name),
        )
    yield Padding(made, (0, 0, 0, 2))


def _flaky(found: tuple[Flaky, ...]) -> Iterator[RenderableType]:
    if found:
        yield title("To and fro without a change")
    for one in found:
        text = (
            f"{one.suite} in {one.environment}: {one.flips} of {plural(one.of, 'time')} another "
            f"verdict than the run before, last in {one.runs[-1]}"
        )
        yield hanging(f"  {one.scenario}: ", text, STYLES[Verdict.INCONCLUSIVE])


def _notes(notes: tuple[str, ...]) -> Iterator[RenderableType]:
    if notes:
        yield title("What was not counted, and why")
    for note in notes:
        yield hanging("  ", note, "yellow")
