"""Renders the result for a terminal: what failed, since when, how bad, what to do. Pure."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from io import StringIO
from typing import TextIO

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.model.game_day import GameDayPlan
from harness.model.load_judgement import LoadSummary
from harness.model.quantity import show_bytes
from harness.model.verdict import Finding, Verdict
from harness.report import wording
from harness.report.summary import Report, headline, target_rows
from harness.report.wording import listed, printable

PLAIN_WIDTH = 110
"""Columns where the output is no terminal: a mail, a CI log, a file."""

_DETAIL_LINES = 3
_STYLES = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.INCONCLUSIVE: "yellow"}


def render_terminal(report: Report, *, width: int = PLAIN_WIDTH, colour: bool = False) -> str:
    """The result as text `width` columns wide; equal input gives equal text.

    Without `colour` there is no control code in it, whatever names and messages contain.
    """
    sink = StringIO()
    Console(
        file=sink,
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        # Names of objects and messages of servers are text, never rich's markup.
        markup=False,
        highlight=False,
        emoji=False,
        legacy_windows=False,
        # Else rich asks the environment (NO_COLOR, COLUMNS, TERM) behind the caller's back.
        _environ={},
    ).print(Group(*_parts(report)))
    lines = [line.rstrip() for line in sink.getvalue().splitlines()]
    return "\n".join(lines).strip("\n") + "\n"


def write_terminal(report: Report, stream: TextIO) -> None:
    """Writes the result to `stream`: in colour and as wide as it is where that is a terminal.

    A character that the stream's encoding lacks is written as its escape, never raised.
    """
    if stream.isatty():
        columns = max(shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns, 60)
        text = render_terminal(report, width=columns, colour="NO_COLOR" not in os.environ)
    else:
        text = render_terminal(report)
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


def _parts(report: Report) -> Iterator[RenderableType]:
    verdict = report.judgement.verdict
    yield Text.assemble((verdict.value, _STYLES[verdict]), "  ", printable(headline(report)))
    yield Text(printable(_under_headline(report)), style="dim")
    yield from _findings("What failed", report.of(Verdict.FAIL))
    yield from _findings("What could not be judged", report.of(Verdict.INCONCLUSIVE))
    yield from _unjudged(report)
    if isinstance(report.plan, GameDayPlan):
        yield from _experiments(report)
    elif report.judgement.load is not None:
        yield from _loads(report.judgement.load)
    else:
        yield from _restores(report)
    yield from _predictions(report)
    yield from _passed(report.of(Verdict.PASS))


def _under_headline(report: Report) -> str:
    run = report.run
    parts = [run.run]
    if run.ended is None:
        parts.append("cut off before its end")
    else:
        parts.append(f"took {wording.duration((run.ended - run.started).total_seconds())}")
    parts.append(f"{run.user}@{run.host}")
    if run.practice:
        parts.append("practice platform, not production")
    return ", ".join(parts)


def _findings(title: str, findings: tuple[Finding, ...]) -> Iterator[RenderableType]:
    if not findings:
        return
    yield _title(title)
    for number, found in enumerate(findings):
        if number:
            yield Text()
        yield _hanging(f"  {found.verdict.value}  ", found.headline, _STYLES[found.verdict])
        yield Padding(Group(*_facts(found)), (0, 0, 0, 8))


def _facts(found: Finding) -> Iterator[RenderableType]:
    facts: list[tuple[str, str]] = []
    if found.since is not None:
        facts.append(("since", wording.when(found.since)))
    facts.extend((number.name, wording.measure(number)) for number in found.measures)
    facts.extend(("", line) for line in found.detail[:_DETAIL_LINES])
    if len(found.detail) > _DETAIL_LINES:
        facts.append(("", f"and {len(found.detail) - _DETAIL_LINES} more, in report.html"))
    rests_on = f", history.jsonl {wording.evidence(found.evidence)}" if found.evidence else ""
    facts.append(("check", f"{found.id}{rests_on}"))
    for name, value in facts:
        yield _hanging(f"{name}: " if name else "- ", value, "dim")
    if found.advice is not None:
        yield _hanging("do: ", found.advice, "bold")


def _unjudged(report: Report) -> Iterator[RenderableType]:
    rows = [row for row in target_rows(report) if row.unjudged]
    if not rows:
        return
    yield _title("What nothing was found about")
    for row in rows:
        subjects = ", ".join(filter(None, row.unjudged))
        yield _hanging(f"  {row.target.id}: ", subjects or "covers no subject here", "yellow")


def _loads(load: LoadSummary) -> Iterator[RenderableType]:
    yield _title("Loads")
    if not load.injections and not load.capacity:
        yield Text("  nothing was injected: nothing was measured under load")
    if load.injections:
        table = _table("load", ">requests/s", ">sent", ">wrong", ">p50", ">p95", ">p99", ">lag p99")
        for one in load.injections:
            took = one.latencies
            table.add_row(
                one.trial,
                f"{one.rate:.1f}",
                f"{one.sent} of {one.scheduled}",
                f"{one.error_share:.2%}",
                *(
                    ("-", "-", "-")
                    if took is None
                    else (wording.duration(each) for each in (took.p50, took.p95, took.p99))
                ),
                "-" if one.lag_p99_s is None else wording.duration(one.lag_p99_s),
            )
        yield table
    for searched in load.capacity:
        table = _table(">replicas", ">holds, requests/s", ">does not hold", "limited by")
        for point in searched.points:
            table.add_row(
                str(point.replicas),
                "none" if point.holds is None else f"{point.holds:.1f}",
                "-" if point.fails is None else f"{point.fails:.1f}",
                point.limited_by,
            )
        yield table


def _restores(report: Report) -> Iterator[RenderableType]:
    restores = report.judgement.restores
    yield _title("Restores")
    if not restores:
        yield Text("  nothing was restored: no recovery time and no data loss was measured")
        return
    table = _table(
        "scenario", "subject", "verdict", ">RTA", ">RPA", ">lost", ">verified", "bottleneck"
    )
    for restore in restores:
        verdict = Text(restore.verdict.value, style=_STYLES[restore.verdict])
        if restore.invalid:
            verdict.append(" (invalid)")
        table.add_row(
            printable(restore.scenario),
            printable(restore.subject),
            verdict,
            wording.recovery_time(restore),
            wording.recovery_point(restore),
            "-" if restore.lost_records is None else f"{restore.lost_records:,}",
            wording.time_to_verified(restore),
            "-" if restore.bottleneck is None else restore.bottleneck.value,
        )
    yield Padding(table, (0, 0, 0, 2))
    for restore in restores:
        for reason in restore.invalid:
            yield _hanging(f"  {restore.trial}, {restore.subject}: ", reason, "yellow")


def _experiments(report: Report) -> Iterator[RenderableType]:
    yield _title("Experiments: the worst trial of each")
    judgement = report.judgement
    if not judgement.scenarios:
        yield Text("  nothing was tried: no recovery time and no data loss was measured")
        return
    table = _table(
        "experiment", "verdict", ">n", ">predicted", ">RTA", "worst way in", "by itself", ">lost"
    )
    for column in table.columns[:2]:
        column.no_wrap = True
    for row in judgement.scenarios:
        table.add_row(
            printable(row.scenario),
            Text(row.verdict.value, style=_STYLES[row.verdict]),
            f"{row.trials}" if row.valid == row.trials else f"{row.valid} of {row.trials}",
            wording.predicted(row.predicted_low_s, row.predicted_high_s),
            wording.way_time(row.rta_low_s, row.rta_high_s),
            printable(row.worst or "-"),
            wording.by_itself(row.by),
            wording.loss_in_short(row.loss),
        )
    yield Padding(table, (0, 0, 0, 2))
    for trial in judgement.recoveries:
        for reason in trial.invalid:
            yield _hanging(f"  {trial.trial}: ", reason, "yellow")
    if judgement.deviations:
        yield _title("What did not go as planned")
        for line in judgement.deviations:
            yield _hanging("  - ", line, "")


def _predictions(report: Report) -> Iterator[RenderableType]:
    judgement = report.judgement
    if not judgement.predictions and not judgement.not_predicted:
        return
    yield _title("Predictions: extrapolated, not measured")
    if judgement.predictions:
        table = _table("subject", ">size", ">predicted", ">RTO", "caution")
        for guess in judgement.predictions:
            rto = report.rto_s(guess.subject)
            table.add_row(
                printable(guess.subject),
                show_bytes(guess.size_bytes),
                Text(wording.duration(guess.seconds), style="yellow" if guess.exceeds else ""),
                "-" if rto is None else wording.duration(rto),
                printable(guess.caution),
            )
        yield Padding(table, (0, 0, 0, 2))
    for line in judgement.not_predicted:
        yield _hanging("  none for ", line, "dim")


def _passed(findings: tuple[Finding, ...]) -> Iterator[RenderableType]:
    """One line a check: what failed stands above in full, what passed in report.html."""
    if not findings:
        return
    yield _title(f"What passed ({len(findings)}; each with its numbers in report.html)")
    by_check: dict[str, list[Finding]] = {}
    for found in findings:
        by_check.setdefault(found.check, []).append(found)
    for check, of_check in by_check.items():
        text = (
            of_check[0].headline
            if len(of_check) == 1
            else f"{len(of_check)} findings on {listed(dict.fromkeys(map(_about, of_check)), 4)}"
        )
        yield _hanging(f"  {Verdict.PASS.value}  {check}: ", text, _STYLES[Verdict.PASS])
    for claim in dict.fromkeys(found.strength for found in findings if found.strength):
        yield _hanging("  strength: ", claim, "")


def _about(found: Finding) -> str:
    return found.subject or "the drill"


def _title(text: str) -> RenderableType:
    return Padding(Text(text, style="bold"), (1, 0, 0, 0))


def _hanging(label: str, text: str, style: str) -> RenderableType:
    """A label, and a text that wraps beside it and never below it."""
    grid = Table.grid(padding=0)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(printable(label), style=style), Text(printable(text)))
    return grid


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", show_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        name = column.removeprefix(">")
        table.add_column(name, justify="right" if name != column else "left", overflow="fold")
    return table
