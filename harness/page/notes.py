"""Appends notes to the run that goes on, durably; never to one that ended or was sealed."""

from __future__ import annotations

import os

from harness.errors import InputError, RecordError
from harness.model.codec import to_json
from harness.model.note import Note
from harness.seal.bundle import is_sealed
from harness.seal.sealing import alone
from harness.store import RunDirectory


def take_note(run: RunDirectory, note: Note) -> None:
    """Adds a line to notes.jsonl; returns when it is on disk.

    Whoever seals waits until it is there, or has sealed before and the note is refused. Raises
    InputError where the run ended or was sealed, RecordError where the disk does not take it; then
    nothing of it is left.
    """
    with alone(run.path.parent):
        if is_sealed(run.path) or run.read_run_record().ended is not None:
            raise InputError(
                f"{run.path.name}: the run is over: nothing is added to its evidence",
                hint="write it into the after-action report",
            )
        try:
            _append(run, to_json(note) + b"\n")
        except OSError as error:
            raise RecordError(
                f"{run.notes}: the note could not be written: {error}", hint=f"df {run.path}"
            ) from error


def _append(run: RunDirectory, line: bytes) -> None:
    handle = os.open(run.notes, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        end = _end_of_whole_lines(handle)
        try:
            os.ftruncate(handle, end)  # a torn line was never confirmed to who wrote it
            os.lseek(handle, end, os.SEEK_SET)
            rest = line
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, end)
            raise
    finally:
        os.close(handle)
    directory = os.open(run.path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _end_of_whole_lines(handle: int) -> int:
    """Where the last line feed ends; a line is far shorter than what is looked at."""
    size = os.fstat(handle).st_size
    start = max(0, size - 2**16)
    content = os.pread(handle, size - start, start)
    return start + content.rfind(b"\n") + 1
