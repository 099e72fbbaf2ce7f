"""Renders and reads actions.csv: the improvement actions as they stand after a run. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from harness.model.action import Action
from harness.report.csv_table import read_csv, write_csv

_COLUMNS = (
    *("id", "state", "owner", "due", "what", "advice", "verdict", "finding"),
    *("opened", "opened_by", "accepted"),
)


def render_actions(actions: Iterable[Action]) -> str:
    """The whole file; equal input gives equal text."""
    return write_csv(
        _COLUMNS,
        (
            [
                *(one.id, one.state, one.owner, one.due.isoformat() if one.due else ""),
                *(one.what, one.advice, one.verdict, one.finding),
                *(one.opened.isoformat(), one.opened_by, one.accepted),
            ]
            for one in actions
        ),
    )


def read_actions(text: str) -> tuple[Action, ...]:
    """The actions of a file; ValueError where it is none, or was changed into none."""
    try:
        return tuple(
            msgspec.convert({**row, "due": row["due"] or None}, Action)
            for row in read_csv(text, _COLUMNS)
        )
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
