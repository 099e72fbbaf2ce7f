"""Appends facts of an experiment's process to the file that its supervisor follows."""

from __future__ import annotations

import os
from pathlib import Path

from harness.errors import RecordError
from harness.model.codec import to_json
from harness.model.history import Event


def append(file: Path, fact: Event) -> None:
    """One line of JSON; returns when it is on disk. Raises RecordError where it cannot be."""
    line = to_json(fact) + b"\n"
    try:
        # One write: a reader sees the whole line, or a torn last one where this process died.
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            written = os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise RecordError(f"{file}: a fact could not be written: {error}") from error
    if written != len(line):
        raise RecordError(f"{file}: a fact was written in part only", hint=f"df {file.parent}")
