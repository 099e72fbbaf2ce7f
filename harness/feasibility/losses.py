"""Schedules bound losses: what was acknowledged since the last copy is lost with the original.

Where only whole copies are kept, the worst loss is the time between two of them. Where the log is
kept too, it is the time until a piece of the log is away.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.feasibility.finding import Finding, Harm, Word, once
from harness.feasibility.ground import Ground
from harness.model.quantity import show_duration
from harness.model.target import (
    BackupFrequency,
    Kind,
    RecoveryPoint,
    Replication,
    Retention,
)

RULE = "schedules-bound-losses"
LAW = "What is copied every so often can be lost for as long as that."
NEEDS = "a recovery point, and how often what it covers is backed up or replicated"

_ARCHIVE_TIMEOUT = (
    "PostgreSQL documentation, archive_timeout: 0 by default, so that a segment of the log is "
    "archived when it is full, however long that takes"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """How a kind of data is copied; seconds."""

    kind: str
    every_s: float
    log_kept: bool
    """Whether a restore reaches any moment between two copies."""

    allowed_s: float
    """The recovery point."""

    targets: tuple[str, ...]


def bound(copies: Copies) -> Finding:
    """The worst loss that the schedule allows, against what may be lost."""
    every, allowed = show_duration(copies.every_s), show_duration(copies.allowed_s)
    times = copies.every_s / copies.allowed_s if copies.allowed_s else None
    if copies.every_s <= copies.allowed_s:
        word, says, resolve = Word.HOLDS, f"a copy every {every} loses {every} at most", ""
        text = f"{every} between two copies <= {allowed} RPO"
    elif copies.log_kept:
        word = Word.TIGHT
        says = (
            f"copies every {every} lose less than {allowed} only where the log between them is "
            f"away within {allowed}"
        )
        text = f"log archived within ? <= {allowed} RPO < {every} between two copies"
        resolve = (
            f"Document archive_timeout of at most {allowed}, or a receiver of the log as it is "
            "written; and measure it on a quiet database."
        )
        times = None
    else:
        word = Word.CONTRADICTION
        says = f"a copy every {every} and nothing between loses up to {every}, allowed {allowed}"
        text = f"{every} between two copies > {allowed} RPO"
        resolve = (
            "Keep the log away from the original, too (of Redis: its append-only files), as often "
            f"as every {allowed}; or promise {every} for what only a backup brings back."
        )
    return Finding(
        rule=RULE,
        about=f"{copies.kind}, {copies.targets[0]}",
        word=word,
        says=f"{copies.kind}: {says}",
        sum=text,
        targets=copies.targets,
        harm=Harm.DATA,
        times=times,
        why="A replica copies a wrong deletion and corruption at once, and is lost with its site: "
        "what brings the data back then is the last backup, and all since it is gone.",
        resolve=resolve,
        assumes=("the recovery point is promised for what only a backup brings back, too",),
        sources=(_ARCHIVE_TIMEOUT,) if copies.log_kept else (),
    )


def look(ground: Ground) -> Iterator[Finding]:
    """Each recovery point against the schedule of each kind of data that it covers."""
    for point in ground.said(RecoveryPoint):
        allowed_s = point.objective.at_most.total_seconds()
        for kind in point.target.covers:
            yield from _backups(ground, point.id, kind, allowed_s)
            yield from _replicas(ground, point.id, kind, allowed_s)


def _backups(ground: Ground, point: str, kind: Kind, allowed_s: float) -> Iterator[Finding]:
    schedules = [one for one in ground.said(BackupFrequency) if one.covers(kind)]
    if not schedules:
        return
    best = min(schedules, key=lambda one: one.objective.every)
    logs = [
        one for one in ground.said(Retention) if one.covers(kind) and one.objective.point_in_time
    ]
    yield bound(
        Copies(
            kind=str(kind),
            every_s=best.objective.every.total_seconds(),
            log_kept=bool(logs),
            allowed_s=allowed_s,
            targets=once(point, best.id, *(one.id for one in logs)),
        )
    )


def _replicas(ground: Ground, point: str, kind: Kind, allowed_s: float) -> Iterator[Finding]:
    """A site that is behind loses as much when it must take over."""
    for one in ground.said(Replication):
        if one.covers(kind):
            yield bound(
                Copies(
                    kind=f"{kind} in the other region",
                    every_s=one.objective.lag_at_most.total_seconds(),
                    log_kept=False,
                    allowed_s=allowed_s,
                    targets=once(point, one.id),
                )
            )
