"""Brings a file of samples that still grows to another machine: in blocks, each until it is taken.

The receiver says how much it has, and the sender begins there: a block that is lost, or comes
twice, changes nothing (go-back-n: A. Tanenbaum, "Computer Networks", section 3.4).
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.errors import RecordError
from harness.model.sample import DTYPE

_AT_MOST = DTYPE.itemsize * 200_000
"""Bytes of one block: 5.4 MB, which is more than a second of any generator makes."""


class Block(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a file of samples."""

    offset: int
    """Bytes, from the file's beginning."""

    content: bytes
    size: int
    """Of the whole file, as far as it is written: bytes of whole samples."""


class GrowingSamples:
    """A file of samples that another process appends to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.taken = 0
        """Bytes that were taken from it; the next block begins there."""

    def block(self) -> Block:
        """What follows what was taken, whole samples only; it is not taken by that."""
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(self.taken)
                content = file.read(min(_AT_MOST, size - self.taken))
        except FileNotFoundError:
            return Block(offset=self.taken, content=b"", size=0)
        whole = len(content) - len(content) % DTYPE.itemsize
        return Block(offset=self.taken, content=content[:whole], size=size - size % DTYPE.itemsize)

    def take(self, up_to: int) -> None:
        """The receiver has so many bytes; never fewer than before."""
        self.taken = max(self.taken, up_to)

    def fresh(self) -> bytes:
        """Takes the next block: for a reader that cannot lose one."""
        block = self.block()
        self.take(block.offset + len(block.content))
        return block.content


class ReceivedSamples:
    """The file that the blocks of one worker make."""

    def __init__(self, path: Path) -> None:
        """Makes an empty file; raises RecordError where that is not possible."""
        self.path = path
        self.written = 0
        """Bytes."""

        self.size = 0
        """Of the sender's file, as it last said."""

        self._write(b"")

    @property
    def whole(self) -> bool:
        """Whether all is here that the sender has said that it has."""
        return self.written >= self.size

    def add(self, block: Block) -> int:
        """Writes what is new of it; how many bytes the file has then."""
        self.size = max(self.size, block.size)
        if block.offset <= self.written < block.offset + len(block.content):
            self._write(block.content[self.written - block.offset :])
        return self.written

    def _write(self, content: bytes) -> None:
        try:
            with self.path.open("ab") as file:
                file.write(content)
        except OSError as error:
            raise RecordError(f"{self.path}: {error.strerror}", hint="df -h .") from error
        self.written += len(content)
