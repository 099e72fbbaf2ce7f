"""Picks facts out of a history by kind, with where they stand in it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from harness.model.history import Event, History, StepFailed
from harness.model.instant import Instant

Fact = TypeVar("Fact", bound=Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known(Generic[Fact]):
    """One fact, when it was recorded and as which line of the history."""

    sequence: int
    at: Instant
    fact: Fact


def known(history: History, kind: type[Fact]) -> list[Known[Fact]]:
    """The facts of one kind in the order of the history."""
    return [
        Known(sequence=entry.sequence, at=entry.at, fact=entry.fact)
        for entry in sorted(history.entries, key=lambda entry: entry.sequence)
        if isinstance(entry.fact, kind)
    ]


def sequences(facts: Iterable[Known[Any]]) -> tuple[int, ...]:
    """The evidence of a finding: each fact's line once, ascending."""
    return tuple(sorted({one.sequence for one in facts}))


def failed_checks(history: History, subject: str) -> list[Known[StepFailed]]:
    """What kept the checks of a subject's backups, before any trial, from being made."""
    return [
        one
        for one in known(history, StepFailed)
        if one.fact.trial == "" and one.fact.subject in (subject, None)
    ]
