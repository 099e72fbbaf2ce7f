"""Renders a conformance check for one screen: a line for each promise, by section. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType

from harness.model.conformance import ConformancePlan
from harness.model.verdict import Finding, Verdict
from harness.report.promises import PromiseRow, sections
from harness.report.screen import STYLES, hanging, title


def render_promises(
    plan: ConformancePlan, findings: tuple[Finding, ...]
) -> Iterator[RenderableType]:
    """Each promise with its verdict; beside what is not kept in full above, what was seen."""
    for section in sections(plan, findings):
        yield title(f"{section.name} ({section.count})")
        for row in section.rows:
            yield from _row(row)


def _row(row: PromiseRow) -> Iterator[RenderableType]:
    verdict = row.verdict
    label = f"  {verdict.value:<{len(Verdict.INCONCLUSIVE.value)}}  "
    if verdict is Verdict.FAIL:
        # What was seen stands above, with what to do.
        yield hanging(label, row.target.id, STYLES[verdict])
        return
    seen = "; ".join(row.seen) or "nothing was found"
    told = seen if seen.startswith(row.target.id) else f"{row.target.id}: {seen}"
    yield hanging(label, told, STYLES[verdict])
    needed = next((one.advice for one in row.findings if one.advice), None)
    if verdict is Verdict.INCONCLUSIVE and needed:
        yield hanging(" " * len(label) + "do: ", needed, "bold")
