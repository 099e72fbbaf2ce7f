"""What the live page shows at one moment, and what of it is news. Values only; pure."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from harness.model.fault import Intent
from harness.model.instant import Instant
from harness.model.note import Note
from harness.page.live_steps import Part, Stand


class Way(enum.StrEnum):
    """What a client class finds now."""

    UP = "up"
    DOWN = "down"
    UNSEEN = "nobody looks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stretch on a strip, in thousandths of its width."""

    start: int
    width: int
    right: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneView:
    """One client class."""

    name: str
    way: Way
    for_ns: int | None
    """How long it has been so."""

    detail: str
    """Of the newest wrong answer, where it is down."""

    pieces: tuple[Piece, ...]
    described: str
    """The strip in words."""


class Ticking(enum.StrEnum):
    """Whether a clock goes."""

    RUNNING = "running"
    RECOVERED = "recovered"
    UNHIT = "no wrong answer since the fault"
    UNSEEN = "nobody looks"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockView:
    """The time of one subject since the fault, against its target."""

    subject: str
    ticking: Ticking
    elapsed_ns: int | None
    target_ns: int | None
    """The strictest RTO that covers it; None: no target does."""

    @property
    def over(self) -> bool:
        """Whether the target is missed already, as far as this view can tell."""
        return (
            self.target_ns is not None
            and self.elapsed_ns is not None
            and self.elapsed_ns > self.target_ns
        )

    @property
    def share(self) -> int:
        """How much of the target is used up, in percent, 100 at most."""
        if not self.target_ns or self.elapsed_ns is None:
            return 0
        return min(100, self.elapsed_ns * 100 // self.target_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """One step of the plan, and the parts of it where it goes on."""

    name: str
    title: str
    stand: Stand
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """Something that is broken now."""

    action: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerView:
    """What the writers of one ledger have on record."""

    subject: str
    acknowledged: int
    failed: int
    unresolved: int
    """Sent, and neither acknowledged nor refused."""

    last_acknowledged_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """One line of what happened."""

    at: datetime
    text: str
    bad: bool


class Life(enum.StrEnum):
    """Whether the run goes on."""

    GOES_ON = "goes on"
    SILENT = "silent"
    """It did not end, and nothing of it is written any more."""

    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What is known beside the history."""

    now: Instant
    life: Life
    intents: Sequence[Intent] = ()
    """Open ones, of this run."""

    ledgers: Sequence[LedgerView] = ()
    notes: Sequence[Note] = ()
    written: datetime | None = None
    """When something of it was last written."""

    trouble: str | None = None
    """What of it cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveView:
    """All that the page shows of a run that goes on."""

    run: str
    suite: str
    environment: str
    started: datetime
    now: datetime
    elapsed_ns: int
    life: Life
    written: datetime | None
    trouble: str | None
    doing: str
    broken: tuple[Broken, ...]
    clocks: tuple[ClockView, ...]
    lanes: tuple[LaneView, ...]
    window_from: datetime
    faults: tuple[int, ...]
    """Where on the strips a fault was, in thousandths."""

    steps: tuple[StepView, ...]
    steps_before: int
    """How many are done and not shown."""

    steps_after: int
    ledgers: tuple[LedgerView, ...]
    notes: tuple[Note, ...]
    """The newest first."""

    events: tuple[EventView, ...]
    """The newest first."""


def news(before: LiveView | None, after: LiveView) -> tuple[str, ...]:
    """What a person who does not see the page must hear: turns, not values."""
    if before is None or before.run != after.run:
        return (f"run {after.run}: {after.doing}",)
    said = []
    if after.doing != before.doing:
        said.append(after.doing)
    known = {one.action for one in before.broken}
    said += [f"broken: {one.action}" for one in after.broken if one.action not in known]
    now = {one.action for one in after.broken}
    said += [f"put back: {one.action}" for one in before.broken if one.action not in now]
    ways = {lane.name: lane.way for lane in before.lanes}
    said += [
        f"{lane.name}: {lane.way}"
        for lane in after.lanes
        if ways.get(lane.name, Way.UP) is not lane.way
    ]
    over = {clock.subject for clock in before.clocks if clock.over}
    said += [
        f"{clock.subject}: the recovery time target is missed"
        for clock in after.clocks
        if clock.over and clock.subject not in over
    ]
    if after.life is Life.SILENT and before.life is not Life.SILENT:
        said.append("no sign of life of the run")
    return tuple(said)
