"""Reads Redis 7 multi-part AOF: the manifest, and where whole commands end in an increment.

Formats: redis 7.0 src/aof.c ("Manifest file implementations", catAppendOnlyGenericCommand,
genAofTimestampAnnotationIfNeeded). Pure.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from harness.errors import RestoreError

_COMMENT, _ARRAY, _BULK = b"#"[0], b"*"[0], b"$"[0]
_TIMESTAMP = b"#TS:"


class AofFormatError(RestoreError):
    """A manifest or an AOF file is not what Redis writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestEntry:
    """One line of an AOF manifest."""

    name: str
    seq: int
    kind: str
    """`b` base, `i` increment, `h` history (no longer part of the data)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an AOF consists of now."""

    base: ManifestEntry | None
    increments: tuple[ManifestEntry, ...]
    """In the order in which they are loaded."""

    @property
    def entries(self) -> tuple[ManifestEntry, ...]:
        """Base and increments, in the order in which they are loaded."""
        return ((self.base,) if self.base is not None else ()) + self.increments


def parse_manifest(text: str) -> Manifest:
    """A manifest file: `file NAME seq N type b|i|h` a line, `#` comments.

    Raises AofFormatError where Redis would refuse it too: two bases, falling sequence numbers, a
    name with a path in it.
    """
    base: ManifestEntry | None = None
    increments: list[ManifestEntry] = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        entry = _parse_entry(line)
        if entry.kind == "b":
            if base is not None:
                raise AofFormatError(f"AOF manifest: two bases, {base.name} and {entry.name}")
            base = entry
        elif entry.kind == "i":
            if increments and entry.seq <= increments[-1].seq:
                raise AofFormatError(f"AOF manifest: {entry.name} is not after the one before it")
            increments.append(entry)
    if base is None and not increments:
        raise AofFormatError("AOF manifest: names no file")
    return Manifest(base=base, increments=tuple(increments))


def _parse_entry(line: str) -> ManifestEntry:
    try:
        words = shlex.split(line)  # names with spaces are quoted
        fields = dict(zip(words[::2], words[1::2], strict=True))
        entry = ManifestEntry(name=fields["file"], seq=int(fields["seq"]), kind=fields["type"])
    except (ValueError, KeyError) as error:
        raise AofFormatError(
            f"AOF manifest: got {line!r}, expected `file NAME seq N type b|i|h`"
        ) from error
    if "/" in entry.name or entry.kind not in ("b", "i", "h"):
        raise AofFormatError(f"AOF manifest: got {line!r}, expected a bare name, type b, i or h")
    return entry


def write_manifest(names: list[tuple[str, str]]) -> str:
    """A manifest of (name, kind) in the order given, sequence numbers from 1 for each kind."""
    numbers = {"b": 0, "i": 0}
    lines = []
    for name, kind in names:
        numbers[kind] += 1
        lines.append(f"file {name} seq {numbers[kind]} type {kind}\n")
    return "".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a piece of an increment, beginning at a whole command, consists of."""

    whole_bytes: int
    """Its length up to the last whole command outside a transaction: where it may be cut."""

    commands: int
    """Whole commands up to there."""

    first_timestamp: int | None
    last_timestamp: int | None
    """`#TS:` annotations up to there, seconds since the epoch."""


def scan(piece: bytes) -> Scan:
    """Finds where `piece` may be cut: after a whole command or annotation, not within MULTI.

    A transaction is all or nothing to Redis, which drops an unfinished one at the end of a file.
    Raises AofFormatError, with the offset, where no more bytes could make it right.
    """
    position = whole = commands = counted = 0
    first: int | None = None
    last: int | None = None
    in_transaction = False
    stamps: list[int] = []
    while position < len(piece):
        if piece[position] == _COMMENT:
            end = piece.find(b"\n", position)
            if end < 0:
                break
            if piece.startswith(_TIMESTAMP, position):
                stamps.append(_number(piece, position + len(_TIMESTAMP), end))
            position = end + 1
        else:
            command = _command(piece, position)
            if command is None:
                break
            position, verb = command
            counted += 1
            if verb == b"MULTI":
                in_transaction = True
            elif verb == b"EXEC":
                in_transaction = False
        if not in_transaction:
            whole, commands = position, counted
            if stamps:
                first = stamps[0] if first is None else first
                last = stamps[-1]
                stamps.clear()
    return Scan(whole_bytes=whole, commands=commands, first_timestamp=first, last_timestamp=last)


def _command(piece: bytes, start: int) -> tuple[int, bytes] | None:
    """Where the command at `start` ends, and its first word if short; None: it is not whole."""
    header = _header(piece, start, _ARRAY)
    if header is None:
        return None
    words, position = header
    if words < 1:
        raise AofFormatError(f"AOF: a command of {words} words at offset {start}")
    verb = b""
    for number in range(words):
        header = _header(piece, position, _BULK)
        if header is None:
            return None
        length, position = header
        if length < 0:
            raise AofFormatError(f"AOF: a word of {length} bytes at offset {position}")
        end = position + length
        if end + 2 > len(piece):
            return None
        if piece[end : end + 2] != b"\r\n":
            raise AofFormatError(f"AOF: no line end after a word at offset {end}")
        if number == 0 and length <= 5:
            verb = piece[position:end].upper()
        position = end + 2
    return position, verb


def _header(piece: bytes, start: int, mark: int) -> tuple[int, int] | None:
    """The number after `*` or `$`, and where its line ends; None: the line is not whole."""
    if start >= len(piece):
        return None
    if piece[start] != mark:
        raise AofFormatError(
            f"AOF: got {piece[start : start + 1]!r} at offset {start}, expected {chr(mark)!r}"
        )
    end = piece.find(b"\r\n", start, start + 32)
    if end < 0:
        if len(piece) - start >= 32:
            raise AofFormatError(f"AOF: no number after {chr(mark)!r} at offset {start}")
        return None
    return _number(piece, start + 1, end), end + 2


def _number(piece: bytes, start: int, end: int) -> int:
    try:
        return int(piece[start:end])
    except ValueError as error:
        raise AofFormatError(
            f"AOF: got {piece[start:end][:20]!r} at offset {start}, expected a number"
        ) from error
