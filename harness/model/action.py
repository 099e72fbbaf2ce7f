"""Improvement actions: what a run found to be mended, and what people decided of it."""

from __future__ import annotations

import enum
from datetime import date
from typing import Annotated

import msgspec

from harness.model.verdict import Verdict


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class State(enum.StrEnum):
    """How an action stands after a run, in the order in which they are read."""

    OVERDUE = "overdue"
    NEW = "new"
    """The run found it; the one before did not."""

    CARRIED_OVER = "carried over"
    ACCEPTED = "accepted"
    """Somebody decided to live with it, until a day."""

    CLOSED = "closed"
    """In this run the question was answered with PASS; the next run does not name it any more."""


class Assignment(_Value, frozen=True, kw_only=True):
    """What people decided of an action: one entry of actions.yaml."""

    id: Annotated[str, msgspec.Meta(pattern="^A-[0-9a-f]{8}$")]
    owner: Annotated[str, msgspec.Meta(min_length=1)]
    due: date
    accepted: str = ""
    """Why it is lived with until `due`; empty: it is to be done by then."""


class Assignments(_Value, frozen=True, kw_only=True):
    """The file actions.yaml."""

    actions: tuple[Assignment, ...] = ()

    def __post_init__(self) -> None:
        ids = [one.id for one in self.actions]
        if len(set(ids)) != len(ids):
            raise ValueError("actions: an id is given twice")


class Action(_Value, frozen=True, kw_only=True):
    """One improvement action as it stands after a run."""

    id: str
    state: State
    finding: str
    """Id of the finding that it comes from."""

    verdict: Verdict
    """Of the newest finding."""

    what: str
    """Its headline."""

    advice: str
    opened: date
    """UTC day of the run that first found it."""

    opened_by: str
    """That run."""

    owner: str = ""
    """Empty: nobody's yet."""

    due: date | None = None
    accepted: str = ""

    @property
    def open(self) -> bool:
        """Whether something is still to be done, or lived with."""
        return self.state is not State.CLOSED
