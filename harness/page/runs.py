"""Reads the folder of runs for the page: each run once, and again where its files changed.

A name that somebody asks for is looked up in a listing; no path is ever made of it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from harness.errors import HarnessError, InputError
from harness.model.judgement import Judgement
from harness.model.run import RunRecord
from harness.model.target import Objective
from harness.model.verdict import Measure, Verdict
from harness.report.summary import Report, headline
from harness.seal.bundle import is_sealed
from harness.store import RunDirectory

MOST_BYTES = 64 * 2**20
"""Of a run.json, plan.json or verdict.json that is read for a page."""

_NOT_RUNS = ("calibrations",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One finding of one run about one target."""

    target: str
    promised: Objective | None
    """What the target promised then."""

    subject: str | None
    scenario: str | None
    verdict: Verdict
    measures: tuple[Measure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRun:
    """What the lists show of one run directory."""

    name: str
    directory: Path
    record: RunRecord | None = None
    verdict: Verdict | None = None
    """None: it was not judged, or cannot be read."""

    headline: str = ""
    counts: tuple[tuple[Verdict, int], ...] = ()
    traces: tuple[Trace, ...] = ()
    sealed: bool = False
    trouble: str | None = None

    @property
    def ended(self) -> datetime | None:
        """UTC."""
        return self.record.ended if self.record is not None else None


_Stamp = tuple[tuple[int, int, int] | None, ...]


class Runs:
    """The run directories of one folder. Safe from several threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._read: dict[str, tuple[_Stamp, ListedRun]] = {}

    def all(self) -> tuple[ListedRun, ...]:
        """Every run, the newest first; none where there is no such folder yet."""
        with self._lock:
            paths = {path.name: path for path in self._paths()}
            for name in self._read.keys() - paths.keys():
                del self._read[name]
            return tuple(self._listed(paths[name]) for name in sorted(paths, reverse=True))

    def stamp(self) -> int:
        """Changes where the folder's runs do."""
        with self._lock:
            return hash(tuple((path.name, _stamp(path)) for path in self._paths()))

    def find(self, name: str) -> ListedRun | None:
        """The run of that name; None: there is none."""
        with self._lock:
            return next((self._listed(path) for path in self._paths() if path.name == name), None)

    def _paths(self) -> Iterator[Path]:
        """Directories that are runs; `latest` is a link to one, and no link is followed."""
        if not self.folder.is_dir():
            return
        for path in sorted(self.folder.iterdir()):
            if path.name in _NOT_RUNS or path.is_symlink() or not path.is_dir():
                continue
            if (path / "run.json").is_file() or (path / "plan.json").is_file():
                yield path

    def _listed(self, path: Path) -> ListedRun:
        stamp = _stamp(path)
        known = self._read.get(path.name)
        if known is not None and known[0] == stamp:
            return known[1]
        listed = _read(path)
        self._read[path.name] = stamp, listed
        return listed


def report_of_listed(run: ListedRun) -> Report:
    """All that is shown of a judged run; raises InputError where a file of it is torn or huge."""
    directory = RunDirectory(run.directory)
    for path in (directory.run_record, directory.plan, directory.verdict):
        _refuse_huge(path)
    return Report(
        judgement=directory.read_judgement(),
        plan=directory.read_plan(),
        run=directory.read_run_record(),
    )


def _read(path: Path) -> ListedRun:
    directory = RunDirectory(path)
    record = None
    sealed = is_sealed(path)
    try:
        _refuse_huge(directory.run_record)
        record = directory.read_run_record()
        if not directory.verdict.exists():
            return ListedRun(name=path.name, directory=path, record=record, sealed=sealed)
        report = report_of_listed(ListedRun(name=path.name, directory=path))
    except HarnessError as error:
        return ListedRun(
            name=path.name, directory=path, record=record, sealed=sealed, trouble=str(error)
        )
    judgement = report.judgement
    promised = {target.id: target.objective for target in report.plan.targets}
    return ListedRun(
        name=path.name,
        directory=path,
        record=record,
        verdict=judgement.verdict,
        headline=headline(report),
        counts=_counts(judgement),
        traces=tuple(
            Trace(
                target=found.target,
                promised=promised.get(found.target),
                subject=found.subject,
                scenario=found.scenario,
                verdict=found.verdict,
                measures=found.measures,
            )
            for found in judgement.findings
            if found.target is not None
        ),
        sealed=sealed,
    )


def _counts(judgement: Judgement) -> tuple[tuple[Verdict, int], ...]:
    return tuple(
        (verdict, sum(found.verdict is verdict for found in judgement.findings))
        for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)
    )


def _refuse_huge(path: Path) -> None:
    try:
        size = path.stat().st_size
    except OSError:
        return  # whoever reads it says what is wrong
    if size > MOST_BYTES:
        raise InputError(f"{path}: got {size:,} bytes, expected {MOST_BYTES:,} at most")


def _stamp(path: Path) -> _Stamp:
    return tuple(
        _stamp_of(path / name)
        for name in ("run.json", "plan.json", "verdict.json", "statement.dsse.json")
    )


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
