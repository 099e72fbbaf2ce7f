"""Renders improvement actions for a terminal: overdue ones first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

from rich.console import RenderableType
from rich.text import Text

from harness.model.action import Action, State
from harness.model.verdict import Verdict
from harness.report import printing
from harness.report.screen import STYLES, hanging
from harness.report.wording import plural, printable

_STYLES = {
    State.OVERDUE: STYLES[Verdict.FAIL],
    State.NEW: STYLES[Verdict.INCONCLUSIVE],
    State.CLOSED: STYLES[Verdict.PASS],
}


def render_actions_screen(
    actions: Sequence[Action], width: int = printing.PLAIN_WIDTH, *, colour: bool = False
) -> str:
    """The actions as text `width` columns wide; equal input gives equal text."""
    return printing.as_text(_parts(actions), width=width, colour=colour)


def write_actions(actions: Sequence[Action], stream: TextIO) -> None:
    """Writes them to `stream`: in colour and as wide as it is where that is a terminal."""
    printing.write(
        lambda width, colour: render_actions_screen(actions, width, colour=colour), stream
    )


def _parts(actions: Iterable[Action]) -> Iterator[RenderableType]:
    shown = list(actions)
    if not shown:
        yield Text("no action is open")
        return
    nobody = sum(one.open and not one.owner for one in shown)
    said = plural(len(shown), "action")
    yield Text(f"{said}, {nobody} without an owner: harness actions assign ID --owner --due")
    for one in shown:
        due = "no date" if one.due is None else one.due.isoformat()
        head = Text.assemble(
            (f"{one.id}  ", "bold"),
            (one.state.value, _STYLES.get(one.state, "")),
            f"  {printable(one.owner) or 'nobody'}, {due}; open since {one.opened.isoformat()}",
        )
        yield head
        lines = [one.what, *([f"accepted: {one.accepted}"] if one.accepted else [])]
        lines += [f"next: {one.advice}"] if one.advice else []
        for line in lines:
            yield hanging("    ", line, "")
