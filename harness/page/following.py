"""Follows the run that goes on: reads what is appended to its files, each byte once.

Only files of the run directory and of the state directory are read. A file that cannot be read is
said on the page; what could be read stays.
"""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from harness.drivers.growing_file import GrowingFile
from harness.errors import HarnessError
from harness.faults import drill_lock
from harness.faults.intents import Intents
from harness.model.codec import from_json
from harness.model.fault import Intent
from harness.model.history import Entry, Observation
from harness.model.instant import Instant
from harness.model.note import Note
from harness.model.run import RunRecord
from harness.model.subscription import SubscriptionEvent
from harness.page.ledger_counts import GrowingLedgers
from harness.page.live_state import LiveState
from harness.page.live_view import Around, LedgerView, Life, LiveView
from harness.ports import Clock
from harness.store import RunDirectory

SILENT_AFTER_S = 60.0
"""Of the wall clock: a run of which no drill process is known, and whose files stand still."""

_SUBSCRIPTIONS = "-subscriptions.jsonl"
"""End of the name of a broker's file (harness.probes.of_workloads.subscriptions_for)."""


class Followed:
    """One run directory, from its first byte on."""

    def __init__(self, run: RunDirectory, record: RunRecord) -> None:
        """Reads its plan; raises InputError where that is torn."""
        self.run = run
        self._state = LiveState(record, run.read_plan())
        self._history = GrowingFile(run.history)
        self._observations: dict[str, GrowingFile] = {}
        self._notes_file = GrowingFile(run.notes)
        self._notes: list[Note] = []
        self._ledgers = GrowingLedgers(run.ledger)
        self._here = record.host == socket.gethostname()

    def look(self, now: Instant, state: Path) -> LiveView:
        """Reads what is new, and says how it stands."""
        troubles: list[str] = []
        ledgers: tuple[LedgerView, ...] = ()
        for read in (self._read_history, self._read_observations, self._read_notes):
            try:
                read()
            except (OSError, msgspec.DecodeError) as error:
                troubles.append(str(error))
        try:
            ledgers = self._ledgers.now()
        except OSError as error:
            troubles.append(str(error))
        drill, intents = self._of_state(state, troubles)
        written = self._written()
        try:
            self._state.record = self.run.read_run_record()
        except HarnessError as error:
            troubles.append(str(error))
        life = self._life(now, written, alive=drill)
        if life is not Life.GOES_ON or not self._here:
            # Another boot's or another host's monotonic clock: the newest time that was read.
            now = msgspec.structs.replace(now, monotonic_ns=self._state.last_ns)
        return self._state.view(
            Around(
                now=now,
                life=life,
                intents=intents,
                ledgers=ledgers,
                notes=self._notes,
                written=written,
                trouble="; ".join(troubles) or None,
            )
        )

    def _read_history(self) -> None:
        for line in self._history.fresh():
            self._state.take(from_json(line, Entry))

    def _read_observations(self) -> None:
        if not self.run.observations.is_dir():
            return
        paths = self.run.observations.glob("*.jsonl")
        for path in sorted(paths, key=lambda one: self._state.place(one.name)):
            if path.is_symlink():
                continue
            file = self._observations.setdefault(path.name, GrowingFile(path))
            if path.name.endswith(_SUBSCRIPTIONS):
                for line in file.fresh():
                    self._state.heard(path.name, _EVENT.decode(line))
            else:
                for line in file.fresh():
                    if line.startswith(b"["):  # a timeline's lines are objects: nobody's answers
                        self._state.observed(path.name, _OBSERVATION.decode(line))

    def _read_notes(self) -> None:
        self._notes += [from_json(line, Note) for line in self._notes_file.fresh()]

    def _of_state(self, state: Path, troubles: list[str]) -> tuple[bool, tuple[Intent, ...]]:
        """Whether a drill process has it in hand, and what it has broken."""
        name = self.run.path.name
        try:
            drill = drill_lock.current(state)
        except HarnessError as error:
            troubles.append(str(error))
            drill = None
        if not Intents.are_at(state):
            return drill is not None and drill.run == name, ()
        found = tuple(one for one in Intents(state).readable() if one.run == name)
        return drill is not None and drill.run == name, found

    def _written(self) -> datetime | None:
        """When a file of it was last written, by the file system's clock."""
        times = []
        for path in (self.run.history, *self.run.observations.glob("*"), self.run.run_record):
            try:
                times.append(path.stat().st_mtime)
            except OSError:
                continue
        return datetime.fromtimestamp(max(times), UTC) if times else None

    def _life(self, now: Instant, written: datetime | None, *, alive: bool) -> Life:
        if self._state.record.ended is not None:
            return Life.ENDED
        if alive or (written is not None and (now.utc - written).total_seconds() < SILENT_AFTER_S):
            return Life.GOES_ON
        return Life.SILENT


_OBSERVATION = msgspec.json.Decoder(Observation)
_EVENT = msgspec.json.Decoder(SubscriptionEvent)


class Follower:
    """Whichever run of a folder goes on; the last one that did, until the next begins."""

    def __init__(self, runs: Path, state: Path, clock: Clock) -> None:
        self._runs = runs
        self._state = state
        self._clock = clock
        self._followed: Followed | None = None

    def look(self) -> LiveView | None:
        """How it stands; None where no run was seen to go on since this began."""
        newest = self._newest()
        if newest is not None and (
            self._followed is None or self._followed.run.path != newest.path
        ):
            begun = self._begin(newest)
            self._followed = begun or self._followed
        if self._followed is None:
            return None
        return self._followed.look(self._clock.now(), self._state)

    def _newest(self) -> RunDirectory | None:
        try:
            return RunDirectory.find(None, self._runs)
        except HarnessError:
            return None

    def _begin(self, run: RunDirectory) -> Followed | None:
        """None where it is over, or its first files are not whole yet."""
        if run.path.parent != self._runs.resolve():
            return None  # a link to elsewhere
        try:
            record = run.read_run_record()
            return Followed(run, record) if record.ended is None else None
        except HarnessError:
            return None
