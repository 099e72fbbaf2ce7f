"""Writes samples to their file, in blocks: as they come, without an object for each."""

from __future__ import annotations

import struct
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError, RecordError
from harness.model.sample import DTYPE, Answer

_FORMAT = struct.Struct("<qqqhB")
"""One item of DTYPE."""


class SampleFile:
    """A new file of samples. Not on disk before `flush`, or the end of the `with` block."""

    def __init__(self, path: Path) -> None:
        """Raises InputError where the file exists already, or cannot be made."""
        try:
            self._file = path.open("xb", buffering=0)
        except OSError as error:
            raise InputError(f"{path}: samples cannot be written: {error.strerror}") from error
        self._path = path
        self._waiting = bytearray()
        self._flushed = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        try:
            self.flush()
        finally:
            self._file.close()

    @property
    def count(self) -> int:
        """How many were added."""
        return (self._flushed + len(self._waiting)) // _FORMAT.size

    def add(self, intended_ns: int, sent_ns: int, ended_ns: int, status: int, answer: int) -> None:
        """One sample: nanoseconds after the load's beginning."""
        self._waiting += _FORMAT.pack(intended_ns, sent_ns, ended_ns, status, answer)

    def add_unsent(self, intended_ns: NDArray[np.int64], at_ns: int) -> None:
        """What was not sent when the generator ended at `at_ns`, and will not be.

        Nothing was done about it: its other times are that end, or its own time where that is
        later, so that no difference of them is below 0.
        """
        samples = np.zeros(len(intended_ns), DTYPE)
        samples["intended"] = intended_ns
        samples["sent"] = samples["ended"] = np.maximum(intended_ns, at_ns)
        samples["answer"] = Answer.UNSENT
        self._waiting += samples.tobytes()

    def flush(self) -> None:
        """Gives all to the kernel; raises RecordError where it does not take it."""
        block, self._waiting = self._waiting, bytearray()
        try:
            while block:
                written = self._file.write(block)
                self._flushed += written
                del block[:written]
        except OSError as error:
            raise RecordError(
                f"{self._path}: samples cannot be written: {error.strerror}", hint="df -h ."
            ) from error
