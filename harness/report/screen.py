"""Lays out titles, labelled lines and tables for a terminal. Pure."""

from __future__ import annotations

from rich import box
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.model.verdict import Verdict
from harness.report.wording import printable

STYLES = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.INCONCLUSIVE: "yellow"}


def title(text: str) -> RenderableType:
    """A line in bold, with a blank one above it."""
    return Padding(Text(text, style="bold"), (1, 0, 0, 0))


def hanging(label: str, text: str, style: str) -> RenderableType:
    """A label, and a text that wraps beside it and never below it."""
    grid = Table.grid(padding=0)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(printable(label), style=style), Text(printable(text)))
    return grid


def table(*columns: str) -> Table:
    """An empty table; a name that begins with `>` is of numbers."""
    made = Table(box=box.SIMPLE_HEAD, header_style="bold", show_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        name = column.removeprefix(">")
        made.add_column(name, justify="right" if name != column else "left", overflow="fold")
    return made
