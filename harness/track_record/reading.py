"""Reads stored runs: those that ended, and of each other one why it does not count."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.coverage.answering import EndedRun
from harness.errors import InputError
from harness.model.coverage import NotCounted, RunNotCounted
from harness.store import RunDirectory


def run_directories(folder: Path) -> Iterator[RunDirectory]:
    """The run directories of a folder in the order of their names; none where it is not there.

    `latest` is a link to a run; calibrations are no runs, and keep their own below; what begins
    with a dot is the folder's own.
    """
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        hidden = path.name.startswith(".") or path.name == "calibrations"
        if path.is_dir() and not path.is_symlink() and not hidden:
            yield RunDirectory(path)


def read_run(directory: RunDirectory) -> EndedRun | RunNotCounted:
    """One run; it never raises: a torn or missing file is a reason not to count it."""
    environment = None
    try:
        record = directory.read_run_record()
        environment = record.environment
        if record.ended is None:
            return RunNotCounted(
                run=directory.path.name,
                why=NotCounted.UNFINISHED,
                detail=f"begun {record.started.isoformat()}; if it is gone: harness recover",
                environment=environment,
            )
        return EndedRun(
            run=record,
            ended=record.ended,
            plan=directory.read_plan(),
            judgement=directory.read_judgement(),
        )
    except InputError as error:
        hint = f"; try: {error.hint}" if error.hint else ""
        return RunNotCounted(
            run=directory.path.name,
            why=NotCounted.UNREADABLE,
            detail=f"{error}{hint}",
            environment=environment,
        )
