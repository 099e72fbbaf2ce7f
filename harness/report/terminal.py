"""Renders the result for a terminal: what failed, since when, how bad, what to do. Pure."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from io import StringIO
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from harness.model.conformance import ConformancePlan
from harness.model.game_day import GameDayPlan
from harness.model.quantity import show_bytes
from harness.model.verdict import Finding, Verdict
from harness.report import wording
from harness.report.conformance_terminal import render_promises
from harness.report.load_terminal import render_load
from harness.report.screen import STYLES, hanging, table, title
from harness.report.summary import Report, headline, target_rows
from harness.report.wording import listed, printable

PLAIN_WIDTH = 110
"""Columns where the output is no terminal: a mail, a CI log, a file."""

_DETAIL_LINES = 3


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
    yield Text.assemble((verdict.value, STYLES[verdict]), "  ", printable(headline(report)))
    yield Text(printable(_under_headline(report)), style="dim")
    yield from _findings("What failed", report.of(Verdict.FAIL))
    if isinstance(report.plan, ConformancePlan):
        yield from _of_conformance(report, report.plan)
        return
    yield from _findings("What could not be judged", report.of(Verdict.INCONCLUSIVE))
    yield from _unjudged(report)
    if isinstance(report.plan, GameDayPlan):
        yield from _experiments(report)
    elif report.judgement.load is not None:
        yield from render_load(report.judgement)
    else:
        yield from _restores(report)
    yield from _deviations(report)
    yield from _predictions(report)
    yield from _passed(report.of(Verdict.PASS))


def _of_conformance(report: Report, plan: ConformancePlan) -> Iterator[RenderableType]:
    """Each promise has one line: what could not be judged is told there, once."""
    own = [found for found in report.judgement.findings if found.target is None]
    unsure = tuple(found for found in own if found.verdict is Verdict.INCONCLUSIVE)
    yield from _findings("What could not be judged of the check itself", unsure)
    yield from render_promises(plan, report.judgement.findings)
    yield from _passed(tuple(found for found in own if found.verdict is Verdict.PASS))


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


def _findings(heading: str, findings: tuple[Finding, ...]) -> Iterator[RenderableType]:
    if not findings:
        return
    yield title(heading)
    for number, found in enumerate(findings):
        if number:
            yield Text()
        yield hanging(f"  {found.verdict.value}  ", found.headline, STYLES[found.verdict])
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
        yield hanging(f"{name}: " if name else "- ", value, "dim")
    if found.advice is not None:
        yield hanging("do: ", found.advice, "bold")


def _unjudged(report: Report) -> Iterator[RenderableType]:
    rows = [row for row in target_rows(report) if row.unjudged]
    if not rows:
        return
    yield title("What nothing was found about")
    for row in rows:
        subjects = ", ".join(filter(None, row.unjudged))
        yield hanging(f"  {row.target.id}: ", subjects or "covers no subject here", "yellow")


def _restores(report: Report) -> Iterator[RenderableType]:
    restores = report.judgement.restores
    yield title("Restores")
    if not restores:
        yield Text("  nothing was restored: no recovery time and no data loss was measured")
        return
    rows = table(
        "scenario", "subject", "verdict", ">RTA", ">RPA", ">lost", ">verified", "bottleneck"
    )
    for restore in restores:
        verdict = Text(restore.verdict.value, style=STYLES[restore.verdict])
        if restore.invalid:
            verdict.append(" (invalid)")
        rows.add_row(
            printable(restore.scenario),
            printable(restore.subject),
            verdict,
            wording.recovery_time(restore),
            wording.recovery_point(restore),
            "-" if restore.lost_records is None else f"{restore.lost_records:,}",
            wording.time_to_verified(restore),
            "-" if restore.bottleneck is None else restore.bottleneck.value,
        )
    yield Padding(rows, (0, 0, 0, 2))
    for restore in restores:
        for reason in restore.invalid:
            yield hanging(f"  {restore.trial}, {restore.subject}: ", reason, "yellow")


def _experiments(report: Report) -> Iterator[RenderableType]:
    yield title("Experiments: the worst trial of each")
    judgement = report.judgement
    if not judgement.scenarios:
        yield Text("  nothing was tried: no recovery time and no data loss was measured")
        return
    rows = table(
        "experiment", "verdict", ">n", ">predicted", ">RTA", "worst way in", "by itself", ">lost"
    )
    for column in rows.columns[:2]:
        column.no_wrap = True
    for row in judgement.scenarios:
        rows.add_row(
            printable(row.scenario),
            Text(row.verdict.value, style=STYLES[row.verdict]),
            f"{row.trials}" if row.valid == row.trials else f"{row.valid} of {row.trials}",
            wording.predicted(row.predicted_low_s, row.predicted_high_s),
            wording.way_time(row.rta_low_s, row.rta_high_s),
            printable(row.worst or "-"),
            wording.by_itself(row.by),
            wording.loss_in_short(row.loss),
        )
    yield Padding(rows, (0, 0, 0, 2))
    for trial in judgement.recoveries:
        for reason in trial.invalid:
            yield hanging(f"  {trial.trial}: ", reason, "yellow")


def _deviations(report: Report) -> Iterator[RenderableType]:
    if report.judgement.deviations:
        yield title("What did not go as planned")
    for line in report.judgement.deviations:
        yield hanging("  - ", line, "")


def _predictions(report: Report) -> Iterator[RenderableType]:
    judgement = report.judgement
    if not judgement.predictions and not judgement.not_predicted:
        return
    yield title("Predictions: extrapolated, not measured")
    if judgement.predictions:
        rows = table("subject", ">size", ">predicted", ">RTO", "caution")
        for guess in judgement.predictions:
            rto = report.rto_s(guess.subject)
            rows.add_row(
                printable(guess.subject),
                show_bytes(guess.size_bytes),
                Text(wording.duration(guess.seconds), style="yellow" if guess.exceeds else ""),
                "-" if rto is None else wording.duration(rto),
                printable(guess.caution),
            )
        yield Padding(rows, (0, 0, 0, 2))
    for line in judgement.not_predicted:
        yield hanging("  none for ", line, "dim")


def _passed(findings: tuple[Finding, ...]) -> Iterator[RenderableType]:
    """One line a check: what failed stands above in full, what passed in report.html."""
    if not findings:
        return
    yield title(f"What passed ({len(findings)}; each with its numbers in report.html)")
    by_check: dict[str, list[Finding]] = {}
    for found in findings:
        by_check.setdefault(found.check, []).append(found)
    for check, of_check in by_check.items():
        text = (
            of_check[0].headline
            if len(of_check) == 1
            else f"{len(of_check)} findings on {listed(dict.fromkeys(map(_about, of_check)), 4)}"
        )
        yield hanging(f"  {Verdict.PASS.value}  {check}: ", text, STYLES[Verdict.PASS])
    for claim in dict.fromkeys(found.strength for found in findings if found.strength):
        yield hanging("  strength: ", claim, "")


def _about(found: Finding) -> str:
    return found.subject or "the drill"
