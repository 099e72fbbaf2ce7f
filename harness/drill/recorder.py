"""Writes history.jsonl: one fact a line, each with the digest of the line before it, on disk before
anyone acts on it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.errors import RecordError
from harness.model.codec import to_json
from harness.model.history import Entry, Event
from harness.ports import Clock
from harness.seal.chain import digest


class Recorder:
    """Appends facts; each call returns when its line is fsynced. Safe from several threads."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        begins_with: bytes = b"",
        mask: Callable[[Event], Event] | None = None,
    ) -> None:
        """Creates the file; RecordError where there is one already, or where it cannot be made.

        `begins_with`: the content of plan.json, whose digest the first fact names.
        `mask`: takes out of a fact what is not for others.
        """
        self._path = path
        self._clock = clock
        self._mask = mask
        self._lock = threading.Lock()
        self._sequence = 0
        self._previous = digest(begins_with)
        try:
            self._file = path.open("xb", buffering=0)
        except OSError as error:
            raise RecordError(f"{path}: the history cannot be begun: {error}") from error

    def __call__(self, fact: Event) -> None:
        """Writes one fact; RecordError if the disk does not take it."""
        if self._mask is not None:
            fact = self._mask(fact)
        with self._lock:
            entry = Entry(
                sequence=self._sequence,
                at=self._clock.now(),
                fact=fact,
                previous=self._previous,
            )
            line = to_json(entry)
            try:
                self._file.write(line + b"\n")
                os.fsync(self._file.fileno())
            except (OSError, ValueError) as error:
                raise RecordError(
                    f"{self._path}: fact {self._sequence} could not be written: {error}",
                    hint=f"df {self._path.parent}",
                ) from error
            self._sequence += 1
            self._previous = digest(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()
