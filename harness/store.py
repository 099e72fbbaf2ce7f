"""The run directory: where a run's evidence is written, and read again to be judged."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from harness.errors import InputError, RecordError
from harness.masking import Masker
from harness.model import sample
from harness.model.autoscaling import Sighting
from harness.model.codec import from_json, to_indented_json
from harness.model.conformance import ConformancePlan, Objects, ObjectsRead
from harness.model.game_day import GameDayPlan
from harness.model.history import (
    Entry,
    History,
    LoadInjected,
    Observation,
    ProbesRecorded,
    SubscriptionsRecorded,
    TimelineRecorded,
)
from harness.model.judgement import Judgement
from harness.model.load_test import LoadPlan
from harness.model.note import Note
from harness.model.plan import Plan, RunPlan
from harness.model.run import RunRecord
from harness.model.subscription import SubscriptionEvent

Value = TypeVar("Value")

_LATEST = "latest"


class RunDirectory:
    """One run's folder `<utc>-<suite>-<environment>` and the names within it."""

    def __init__(self, path: Path, masker: Masker | None = None) -> None:
        """`path` need not exist yet; `create` makes it. `masker`: of what is written while it runs;
        None: secrets and personal data are masked, by a key of its own.
        """
        self.path = path
        self.masker = masker or Masker(secrets.token_bytes(32))
        self.not_kept: RecordError | None = None
        """Why it is not sealed or not archived, although it was to be; the command that ran it
        raises it when it has shown the result."""
        self.run_record = path / "run.json"
        self.plan = path / "plan.json"
        self.history = path / "history.jsonl"
        self.observations = path / "observations"
        self.ledger = path / "ledger"
        self.artefacts = path / "artefacts"
        self.baseline = path / "baseline"
        self.notes = path / "notes.jsonl"
        self.verdict = path / "verdict.json"
        self.report = path / "report.html"
        self.paper = path / "report.pdf"
        self.junit = path / "junit.xml"
        self.metrics = path / "metrics.prom"
        self.summary = path / "summary.md"
        self.actions = path / "actions.csv"
        self.controls = path / "controls.csv"
        self.oscal = path / "oscal-assessment-results.json"

    @classmethod
    def create(
        cls,
        runs: Path,
        suite: str,
        environment: str,
        started: datetime,
        masker: Masker | None = None,
    ) -> RunDirectory:
        """Makes a new run's folder; InputError where it is there already or cannot be made."""
        name = f"{started:%Y%m%dT%H%M%SZ}-{suite}-{environment}"
        run = cls(runs / name, masker)
        try:
            for folder in (run.path, run.observations, run.ledger, run.artefacts):
                folder.mkdir(parents=True)
        except OSError as error:
            raise InputError(
                f"run directory {run.path}: cannot be made: {error}", hint=f"ls -ld {runs}"
            ) from error
        latest = runs / _LATEST
        latest.unlink(missing_ok=True)
        latest.symlink_to(name)
        return run

    @classmethod
    def find(cls, given: str | None, runs: Path) -> RunDirectory:
        """The run of that path or name; the latest where none is given; else InputError."""
        candidates = [Path(given), runs / given] if given else [runs / _LATEST]
        for path in candidates:
            if (path / "plan.json").is_file():
                return cls(path.resolve())
        raise InputError(
            f"run: got {given or 'none'}, expected a run directory, or a name in {runs}",
            hint=f"ls {runs}",
        )

    def before(self) -> RunDirectory | None:
        """The run of the same suite and environment before this one; None for the first."""
        kin = self.path.name.partition("-")[2]
        earlier = [path for path in self.path.parent.glob(f"*-{kin}") if path < self.path]
        return RunDirectory(max(earlier)) if earlier else None

    def write(self, path: Path, value: object) -> None:
        """Writes one of the run's JSON files."""
        path.write_bytes(to_indented_json(value))

    def keep_logs(
        self, trial: str, subject: str, logs: Sequence[Path], below: Path
    ) -> tuple[str, ...]:
        """Copies logs that are `below` a directory to `artefacts/<trial>-<subject>/`, under the
        same names, masked; their paths in the run directory.

        RecordError where the disk does not take them.
        """
        kept = [self.artefacts / f"{trial}-{subject}" / log.relative_to(below) for log in logs]
        try:
            for log, copy in zip(logs, kept, strict=True):
                copy.parent.mkdir(parents=True, exist_ok=True)
                with log.open("rb") as source, copy.open("wb") as target:
                    self.masker.copy(source, target)
        except OSError as error:
            raise RecordError(
                f"{self.artefacts}: a log could not be kept: {error}", hint=f"df {self.path}"
            ) from error
        return tuple(str(copy.relative_to(self.path)) for copy in kept)

    def read_run_record(self) -> RunRecord:
        """run.json; InputError where it is missing or torn."""
        return _read(self.run_record, RunRecord)

    def read_plan(self) -> RunPlan:
        """plan.json; InputError where it is missing or torn.

        One without a word of what it plans is of before there were game days.
        """
        tag = _read(self.plan, _PlanTag).plan
        if tag == _tag(GameDayPlan):
            return _read(self.plan, GameDayPlan)
        if tag == _tag(LoadPlan):
            return _read(self.plan, LoadPlan)
        if tag == _tag(ConformancePlan):
            return _read(self.plan, ConformancePlan)
        return _read(self.plan, Plan)

    def read_judgement(self) -> Judgement:
        """verdict.json; InputError where it is missing or torn."""
        return _read(self.verdict, Judgement, hint=f"harness analyse {self.path}")

    def read_notes(self) -> tuple[Note, ...]:
        """What people noted while it went on, in their order; none where nobody did.

        A last line that is torn was never confirmed to who wrote it: it is left out. A torn line
        elsewhere is an InputError.
        """
        if not self.notes.exists():
            return ()
        *lines, torn = _bytes(self.notes).split(b"\n")
        del torn  # empty, but where the writer was killed
        try:
            return tuple(from_json(line, Note) for line in lines)
        except msgspec.DecodeError as error:
            raise InputError(f"{self.notes}: {error}") from error

    def read_history(self) -> History:
        """history.jsonl with the observations it names.

        The last line of a run that was killed may be torn: it is left out, and the judges see a
        history without its last event. A torn line elsewhere, or a file that is named and not
        there, is an InputError: evidence is missing.
        """
        entries: list[Entry] = []
        lines = _bytes(self.history).split(b"\n")
        for number, line in enumerate(lines, start=1):
            if not line:
                continue
            try:
                entries.append(from_json(line, Entry))
            except msgspec.DecodeError as error:
                if number == len(lines):
                    break
                raise InputError(f"{self.history}:{number}: {error}") from error
        observations = {
            entry.fact.file: self.read_observations(entry.fact.file)
            for entry in entries
            if isinstance(entry.fact, ProbesRecorded)
        }
        return History(entries=tuple(entries), observations=observations)

    def read_subscriptions(self, history: History) -> dict[str, tuple[SubscriptionEvent, ...]]:
        """File name of a SubscriptionsRecorded -> what was published and heard, in its order."""
        return {
            entry.fact.file: self._read_lines(
                entry.fact.file, msgspec.json.Decoder(SubscriptionEvent)
            )
            for entry in history.entries
            if isinstance(entry.fact, SubscriptionsRecorded)
        }

    def read_samples(self, history: History) -> dict[str, npt.NDArray[Any]]:
        """Name of a file of samples -> its array."""
        return {
            name: self.read_sample_file(name)
            for entry in history.entries
            if isinstance(entry.fact, LoadInjected)
            for name in entry.fact.samples
        }

    def read_sample_file(self, name: str) -> npt.NDArray[Any]:
        """One file of samples, of model.sample.DTYPE, in the order of the ends of requests.

        A last sample that is torn, of a generator that was killed, is left out.
        """
        content = _bytes(self.observations / name)
        whole = len(content) // sample.DTYPE.itemsize
        return np.frombuffer(content, dtype=sample.DTYPE, count=whole)

    def read_timelines(self, history: History) -> dict[str, tuple[Sighting, ...]]:
        """Name of a timeline's file -> its looks, in their order."""
        decoder = msgspec.json.Decoder(Sighting)
        return {
            entry.fact.file: self._read_lines(entry.fact.file, decoder)
            for entry in history.entries
            if isinstance(entry.fact, TimelineRecorded)
        }

    def read_objects(self, history: History) -> Objects:
        """Kind -> the objects that were read of it; a kind that could not be read is missing."""
        return {
            entry.fact.kind: _read(self.observations / entry.fact.file, tuple[dict[str, Any], ...])
            for entry in history.entries
            if isinstance(entry.fact, ObjectsRead) and entry.fact.file is not None
        }

    def read_observations(self, file: str) -> tuple[Observation, ...]:
        """One prober's file, in the order of its schedule."""
        found = self._read_lines(file, msgspec.json.Decoder(Observation))
        return tuple(sorted(found, key=lambda observation: observation.scheduled_ns))

    def _read_lines(self, file: str, decoder: msgspec.json.Decoder[Value]) -> tuple[Value, ...]:
        """Each line of a file of observations/."""
        path = self.observations / file
        try:
            return tuple(decoder.decode(line) for line in _bytes(path).splitlines() if line)
        except msgspec.DecodeError as error:
            raise InputError(f"{path}: {error}") from error


class _PlanTag(msgspec.Struct):
    plan: str = ""


def _tag(kind: type[msgspec.Struct]) -> object:
    return kind.__struct_config__.tag


def _read(path: Path, kind: type[Value], hint: str | None = None) -> Value:
    try:
        return from_json(_bytes(path, hint), kind)
    except msgspec.DecodeError as error:
        raise InputError(f"{path}: {error}", hint=hint) from error


def _bytes(path: Path, hint: str | None = None) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}", hint=hint) from error
