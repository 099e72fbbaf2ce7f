"""Prints what is laid out for a terminal: plain text, or colour where a terminal reads it. Pure
but for the stream that it is given.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from io import StringIO
from typing import TextIO

from rich.console import Console, Group, RenderableType

PLAIN_WIDTH = 110
"""Columns where the output is no terminal (as harness.report.terminal)."""


def as_text(parts: Iterable[RenderableType], *, width: int, colour: bool) -> str:
    """The parts as text `width` columns wide; equal input gives equal text, whatever the
    surroundings. Without `colour` there is no control code of ours in it.
    """
    sink = StringIO()
    Console(
        file=sink,
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        markup=False,
        highlight=False,
        emoji=False,
        legacy_windows=False,
        # Else rich asks the environment (NO_COLOR, COLUMNS, TERM) behind the caller's back.
        _environ={},
    ).print(Group(*parts))
    lines = [line.rstrip() for line in sink.getvalue().splitlines()]
    return "\n".join(lines).strip("\n") + "\n"


def write(render: Callable[[int, bool], str], stream: TextIO) -> None:
    """Writes what `render(width, colour)` gives: in colour and as wide as it is on a terminal.

    A character that the stream's encoding lacks is written as its escape, never raised.
    """
    if stream.isatty():
        columns = max(shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns, 60)
        text = render(columns, "NO_COLOR" not in os.environ)
    else:
        text = render(PLAIN_WIDTH, False)
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
