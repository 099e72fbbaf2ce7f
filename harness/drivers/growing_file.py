"""Reads the whole lines that another process appends to a file, each once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_BLOCK = 2**20


class GrowingFile:
    """A file of lines that another process appends to.

    It is read in blocks: however much came at once, no more is held than a block and a line.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    @property
    def begun(self) -> bool:
        """Whether a whole line was read."""
        return self._offset > 0

    def fresh(self) -> Iterator[bytes]:
        """The whole lines that were appended since the last call; one that is torn waits for its
        end.
        """
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            torn = b""
            while block := file.read(_BLOCK):
                content = torn + block
                whole = content[: content.rfind(b"\n") + 1]
                torn = content[len(whole) :]
                self._offset += len(whole)
                yield from whole.splitlines()
