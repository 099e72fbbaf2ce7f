"""Renders what runs say of controls for a terminal: what they contradict first. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TextIO

from rich.console import RenderableType
from rich.text import Text

from harness.model.compliance import ObjectiveSupport, Support
from harness.model.verdict import Verdict
from harness.report import printing
from harness.report.controls_table import SAYS, cited
from harness.report.screen import STYLES, hanging, title
from harness.report.wording import printable

_STYLES = {
    Support.CONTRADICTS: STYLES[Verdict.FAIL],
    Support.INCONCLUSIVE: STYLES[Verdict.INCONCLUSIVE],
    Support.NOTHING: "",
    Support.SUPPORTS: STYLES[Verdict.PASS],
}
_SHOWN = 3
"""Findings of an objective; how many more there are is said."""


def render_controls_screen(
    controls: Sequence[ObjectiveSupport],
    runs: Sequence[str],
    width: int = printing.PLAIN_WIDTH,
    *,
    colour: bool = False,
) -> str:
    """The objectives as text `width` columns wide; equal input gives equal text."""
    return printing.as_text(_parts(controls, runs), width=width, colour=colour)


def write_controls(
    controls: Sequence[ObjectiveSupport], runs: Sequence[str], stream: TextIO
) -> None:
    """Writes them to `stream`: in colour and as wide as it is where that is a terminal."""
    printing.write(
        lambda width, colour: render_controls_screen(controls, runs, width, colour=colour), stream
    )


def _parts(controls: Sequence[ObjectiveSupport], runs: Sequence[str]) -> Iterator[RenderableType]:
    counted = {one: [each for each in controls if each.support is one] for one in SAYS}
    said = ", ".join(f"{SAYS[one]} {len(rows)}" for one, rows in counted.items())
    subject = "no run" if not runs else "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    yield Text(f"{subject}, {len(controls)} objectives: {said}")
    for run in runs:
        yield Text(f"  {printable(run)}", style="dim")
    for support, rows in counted.items():
        if rows:
            yield title(SAYS[support])
        for one in rows:
            yield from _objective(one, _STYLES[support])


def _objective(one: ObjectiveSupport, style: str) -> Iterator[RenderableType]:
    yield Text.assemble((f"{one.framework} {one.objective}", style or "bold"), f"  {one.name}")
    lines = [one.asks]
    lines += [cited(each) for each in one.cited[:_SHOWN]]
    if len(one.cited) > _SHOWN:
        lines.append(f"... and {len(one.cited) - _SHOWN} findings more")
    lines += [*one.properties[:_SHOWN]]
    lines += [f"missing: {line}" for line in one.missing]
    lines += [f"beyond: {one.beyond}"] if one.beyond else []
    for line in lines:
        yield hanging("    ", line, "")
