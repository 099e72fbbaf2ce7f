"""Renders a load test for one screen: a line for each drive, search, quota and change. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from harness.model.judgement import Judgement
from harness.model.load_judgement import CapacitySummary, Comparison, Headroom, LoadSummary
from harness.model.verdict import Verdict
from harness.report.load_summary import drive_rows
from harness.report.load_wording import (
    capacity_line,
    drive_line,
    fits,
    law,
    quota_of,
    scaling_line,
    tight,
)
from harness.report.screen import STYLES, hanging, title

_UNCHANGED = 3
"""Numbers that are no regression, told one by one; the rest is counted."""


def render_load(judgement: Judgement) -> Iterator[RenderableType]:
    """All of a load test that is not a finding, the worst of each kind first."""
    load = judgement.load or LoadSummary()
    yield title("Loads")
    if not load.injections and not any(one.points for one in load.capacity):
        yield Text("  nothing was injected: nothing was measured under load")
    for row in drive_rows(judgement):
        yield _line(row.verdict, row.injection.trial, drive_line(row.injection, row.scaled))
    driven = {one.trial for one in load.injections}
    for scaled in load.autoscaler:
        if scaled.trial not in driven:
            yield _line(None, scaled.trial, scaling_line(scaled))
        odd = [one for one in scaled.decisions if not one.explained]
        if odd:
            yield hanging(
                "        ", f"{len(odd)} of {len(scaled.decisions)} decisions not explained", ""
            )
    yield from _capacities(load.capacity)
    yield from _quotas(load.headroom, load.filled)
    yield from _compared(load.compared)


def _line(verdict: Verdict | None, name: str, text: str) -> RenderableType:
    word, style = ("-", "") if verdict is None else (verdict.value, STYLES[verdict])
    return hanging(f"  {word:<4}  {name}: ", text, style)


def _capacities(searches: tuple[CapacitySummary, ...]) -> Iterator[RenderableType]:
    for searched in searches:
        yield title(f"Capacity ({searched.trial})")
        yield hanging("  ", capacity_line(searched), "")
        if searched.fit is not None:
            yield hanging("  law: ", law(searched.fit), "")
        elif searched.note:
            yield hanging("  ", searched.note, "")
        if searched.cost_per_million is not None:
            yield hanging("  cost: ", f"{searched.cost_per_million:.2f} for a million requests", "")


def _quotas(rows: tuple[Headroom, ...], filled: tuple[str, ...]) -> Iterator[RenderableType]:
    if not rows and not filled:
        return
    without_room = tight(rows)
    yield title("Quotas")
    if rows and not without_room:
        yield Text(f"  all {len(rows)} have room for all that may be asked for at once")
    for row in without_room:
        detail = "; ".join((fits(row), *row.out_of_reach))
        yield hanging(f"  {quota_of(row)}: ", detail, STYLES[Verdict.FAIL])
    for line in filled:
        yield hanging("  filled: ", line, "")


def _compared(compared: tuple[Comparison, ...]) -> Iterator[RenderableType]:
    if not compared:
        return
    yield title("Compared with the version before")
    worse = [one for one in compared if one.verdict is not Verdict.PASS]
    rest = [one for one in compared if one.verdict is Verdict.PASS]
    for one in (*worse, *rest[:_UNCHANGED]):
        yield _line(one.verdict, one.what, one.text)
    if len(rest) > _UNCHANGED:
        yield hanging("  ", f"and {len(rest) - _UNCHANGED} more that are no worse", "")
