"""Where calibrations are kept beside the runs, and what a later run cites of the last one."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

import msgspec

from harness.errors import InputError
from harness.model.calibration import Calibration
from harness.model.codec import from_json, to_indented_json
from harness.report.calibration import headline, render_markdown

_FOLDER = "calibrations"
_LATEST = "latest"
_FILE = "calibration.json"


def begin(runs: Path, started: datetime) -> Path:
    """Makes the folder of a new calibration; InputError where it cannot be made."""
    directory = runs / _FOLDER / f"{started:%Y%m%dT%H%M%SZ}"
    try:
        directory.mkdir(parents=True)
    except OSError as error:
        raise InputError(
            f"calibration {directory}: cannot be made: {error}", hint=f"ls -ld {runs}"
        ) from error
    return directory


def keep(directory: Path, calibration: Calibration) -> None:
    """Writes it for machines and for people; a complete one is what later runs cite."""
    (directory / _FILE).write_bytes(to_indented_json(calibration))
    (directory / "calibration.md").write_text(render_markdown(calibration), encoding="utf-8")
    if calibration.complete:
        latest = directory.parent / _LATEST
        latest.unlink(missing_ok=True)
        latest.symlink_to(directory.name)


def cited(runs: Path) -> str:
    """One sentence for a run's notes: how the last complete calibration beside it ended."""
    file = runs / _FOLDER / _LATEST / _FILE
    try:
        content = file.read_bytes()
        found = from_json(content, Calibration)
    except FileNotFoundError:
        return "Not calibrated here: `harness calibrate` shows whether damage would be noticed."
    except (OSError, msgspec.DecodeError, ValueError) as error:
        return f"The last calibration, {file}, cannot be read: {error}."
    return (
        f"Last calibration, {found.started:%Y-%m-%d %H:%M} UTC, at commit "
        f"{(found.git_head or 'unknown')[:12]}{' with changed files' if found.git_dirty else ''}: "
        f"{headline(found)}; {file.resolve().relative_to(runs.resolve())}, "
        f"sha256 {hashlib.sha256(content).hexdigest()}."
    )
