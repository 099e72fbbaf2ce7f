"""Renders the coverage for a terminal: what is proved, what is not, what is owed. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from harness.model.coverage import Coverage, State, TargetCoverage
from harness.model.quantity import show_duration
from harness.model.verdict import Verdict
from harness.report import coverage_wording as words
from harness.report import printing
from harness.report.screen import STYLES, hanging, table, title
from harness.report.wording import printable

STATE_STYLES = {
    State.PROVED: STYLES[Verdict.PASS],
    State.CONFIGURED: "cyan",
    State.OVERDUE: STYLES[Verdict.FAIL],
    State.FAILED: STYLES[Verdict.FAIL],
    State.INCONCLUSIVE: STYLES[Verdict.INCONCLUSIVE],
    State.NEVER: STYLES[Verdict.INCONCLUSIVE],
    State.NO_CHECK: "dim",
}


def render_coverage(
    coverage: Coverage, width: int = printing.PLAIN_WIDTH, *, colour: bool = False
) -> str:
    """The coverage as text `width` columns wide; equal input gives equal text."""
    return printing.as_text(_parts(coverage), width=width, colour=colour)


def write_coverage(coverage: Coverage, stream: TextIO) -> None:
    """Writes it to `stream`: in colour and as wide as it is where that is a terminal."""
    printing.write(lambda width, colour: render_coverage(coverage, width, colour=colour), stream)


def _parts(coverage: Coverage) -> Iterator[RenderableType]:
    verdict = coverage.verdict
    yield Text.assemble((verdict.value, STYLES[verdict]), "  ", words.headline(coverage))
    yield Text(printable(words.under_headline(coverage)), style="dim")
    yield from _not_proved(coverage)
    yield from _targets(coverage)
    yield from _debt(coverage)
    yield from _no_check(coverage)
    yield from _not_counted(coverage)


def _not_proved(coverage: Coverage) -> Iterator[RenderableType]:
    """What failed first; targets that share a history share a line."""
    alike: dict[tuple[State, str], list[str]] = {}
    for state in (State.FAILED, State.INCONCLUSIVE):
        for row in coverage.targets:
            if row.state is state:
                alike.setdefault((state, words.not_proved(row)), []).append(row.target)
    if alike:
        yield title("What the newest run did not prove")
    for (state, said), names in alike.items():
        verdict = Verdict.FAIL if state is State.FAILED else Verdict.INCONCLUSIVE
        yield hanging(f"  {verdict}  ", f"{', '.join(names)}: {said}", STATE_STYLES[state])


def _targets(coverage: Coverage) -> Iterator[RenderableType]:
    yield title("Targets")
    rows = table("target", "state", "last proved", "by")
    for column in rows.columns[:3]:
        column.no_wrap = True
    for section, of_section in words.by_section(coverage):
        rows.add_row(Text(printable(section), style="bold"))
        for row in of_section:
            rows.add_row(*_cells(row, coverage))
    yield Padding(rows, (0, 0, 0, 2))


def _cells(row: TargetCoverage, coverage: Coverage) -> Iterator[Text]:
    yield Text(f"  {printable(row.target)}")
    yield Text(words.stand(row, coverage.now), style=STATE_STYLES[row.state])
    if row.proved is None:
        yield from (Text("-" if row.reason else "never"), Text(""))
        return
    yield Text(f"{words.age(row.proved.at, coverage.now)} ago")
    yield Text(printable(f"{row.proved.run}, {words.how(row.proved)}"))


def _debt(coverage: Coverage) -> Iterator[RenderableType]:
    yield title("What is owed")
    yield hanging("  ", words.debt(coverage), "")
    owed = coverage.debt
    if owed.drills:
        rows = table(">pays", ">takes", "which is", ">targets an hour", "type")
        for drill in owed.drills:
            rows.add_row(
                f"{len(drill.pays)}",
                show_duration(drill.takes),
                printable(drill.basis),
                f"{drill.per_hour:.3g}",
                printable(drill.command),
            )
        yield Padding(rows, (0, 0, 0, 2))
    said = words.next_drill(coverage)
    if owed.next is not None and said is not None:
        yield hanging("  next: ", f"{owed.next.command}  # {said}", "bold")
    if owed.unpayable:
        yield hanging(f"  {words.UNREACHABLE}: ", ", ".join(owed.unpayable), "yellow")


def _no_check(coverage: Coverage) -> Iterator[RenderableType]:
    rows = [row for row in coverage.targets if row.reason is not None]
    if rows:
        yield title("What nothing here can see")
    for row in rows:
        yield hanging(f"  {row.target}: ", row.reason or "", "dim")


def _not_counted(coverage: Coverage) -> Iterator[RenderableType]:
    changed = [(row.target, run) for row in coverage.targets for run in row.of_another_promise]
    if coverage.not_counted or coverage.elsewhere or changed:
        yield title("What was not counted")
    for one in coverage.not_counted:
        yield hanging(f"  {one.run}: ", f"{one.why.value}: {one.detail}", "yellow")
    for environment, count in coverage.elsewhere.items():
        runs = "run" if count == 1 else "runs"
        yield hanging("  ", f"{count} {runs} of {environment}: not of this environment", "")
    for target, run in changed:
        yield hanging(f"  {run}: ", f"judged {target} when it promised something else", "")
