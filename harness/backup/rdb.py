"""Reads an RDB file: auxiliary fields, and the name and expiry of every key; values are skipped.

Format: redis 7.0 src/rdb.c and src/rdb.h (RDB version 10); 7.2's types are known too.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import RestoreError

# Opcodes (rdb.h)
_FUNCTION2, _FUNCTION, _MODULE_AUX, _IDLE, _FREQ = 245, 246, 247, 248, 249
_AUX, _RESIZE_DB, _EXPIRES_MS, _EXPIRES_S, _SELECT_DB, _EOF = 250, 251, 252, 253, 254, 255
_LONGEST_MAGIC = 9

# One string each: string, zipmap, ziplists, intset, listpacks (RDB_TYPE_*).
_ONE_STRING = frozenset({0, 9, 10, 11, 12, 13, 16, 17, 20})


class RdbFormatError(RestoreError):
    """The file is cut, damaged, or has a type or opcode that this reader does not know."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of an RDB file."""

    database: int
    name: bytes
    expires_ms: int | None
    """Milliseconds since the epoch."""


def read_aux(path: Path) -> dict[str, str]:
    """The auxiliary fields at the head of the file: `redis-ver`, `ctime` (seconds), `aof-base`."""
    fields: dict[str, str] = {}
    with _opened(path) as reader:
        while reader.byte() == _AUX:
            name = reader.string()
            fields[name.decode()] = reader.string().decode("utf-8", "replace")
    return fields


def read_keys(path: Path) -> Iterator[Key]:
    """Every key, in the order of the file. Raises RdbFormatError where the file cannot be read
    to its end.
    """
    with _opened(path) as reader:
        yield from reader.keys()


class _opened:  # noqa: N801 - used as a function in `with`
    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> _Reader:
        with self._path.open("rb") as file:
            if self._path.stat().st_size < _LONGEST_MAGIC:
                raise RdbFormatError(f"{self._path}: shorter than an RDB header")
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if self._map[:5] != b"REDIS":
            raise RdbFormatError(
                f"{self._path}: got {self._map[:9]!r}, expected REDIS and a number"
            )
        return _Reader(self._map, self._path)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._map.close()
        if isinstance(error, IndexError):
            raise RdbFormatError(f"{self._path}: ends within a value") from error


class _Reader:
    """A position in an RDB file; reading past the end is an IndexError."""

    def __init__(self, content: mmap.mmap, path: Path) -> None:
        self._content = content
        self._size = len(content)
        self._path = path
        self._at = _LONGEST_MAGIC

    def keys(self) -> Iterator[Key]:
        database = 0
        expires_ms: int | None = None
        while True:
            code = self.byte()
            if code == _EXPIRES_MS:
                expires_ms = int.from_bytes(self._take(8), "little")
            elif code == _EXPIRES_S:
                expires_ms = int.from_bytes(self._take(4), "little") * 1000
            elif code == _SELECT_DB:
                database = self._length()
            elif code == _EOF:
                return
            elif not self._skip_opcode(code):
                name = self.string()
                self._skip_value(code)
                yield Key(database, name, expires_ms)
                expires_ms = None

    def _skip_opcode(self, code: int) -> bool:
        """Skips what is neither key nor expiry; False: `code` is the type of a key."""
        if code == _AUX:
            self._skip_strings(2)
        elif code == _RESIZE_DB:
            self._length()
            self._length()
        elif code == _FREQ:
            self._skip(1)
        elif code == _IDLE:
            self._length()
        elif code == _FUNCTION2:
            self._skip_strings(1)
        elif code == _MODULE_AUX:
            self._length()
            self._skip_module()
        elif code < 240:
            return False
        else:
            raise RdbFormatError(f"{self._path}: unknown opcode {code} at offset {self._at - 1}")
        return True

    def _skip_value(self, kind: int) -> None:
        if kind in _ONE_STRING:
            self._skip_strings(1)
            return
        skip = _SKIPS.get(kind)
        if skip is None:
            raise RdbFormatError(f"{self._path}: unknown type {kind} at offset {self._at}")
        skip(self)

    def skip_list_or_set(self) -> None:
        self._skip_strings(self._length())

    def skip_hash(self) -> None:
        self._skip_strings(2 * self._length())

    def skip_zset(self) -> None:
        for _ in range(self._length()):
            self._skip_strings(1)
            text = self.byte()  # a number as text; 253, 254, 255 are nan and the infinities
            self._skip(text if text < 253 else 0)

    def skip_zset2(self) -> None:
        for _ in range(self._length()):
            self._skip_strings(1)
            self._skip(8)

    def skip_quicklist2(self) -> None:
        for _ in range(self._length()):
            self._length()
            self._skip_strings(1)

    def skip_module2(self) -> None:
        self._length()
        self._skip_module()

    def _skip_module(self) -> None:
        """Values of a module until its end mark (RDB_MODULE_OPCODE_*)."""
        while True:
            code = self._length()
            if code == 0:
                return
            if code in (1, 2):
                self._length()
            elif code == 3:
                self._skip(4)
            elif code == 4:
                self._skip(8)
            elif code == 5:
                self._skip_strings(1)
            else:
                raise RdbFormatError(f"{self._path}: unknown module opcode {code}")

    def skip_stream(self, version: int) -> None:
        self._skip_strings(2 * self._length())
        self._skip_lengths(3)
        if version >= 2:
            self._skip_lengths(5)
        for _ in range(self._length()):  # consumer groups
            self._skip_strings(1)
            self._skip_lengths(3 if version >= 2 else 2)
            for _ in range(self._length()):  # entries that are pending in the group
                self._skip(16 + 8)
                self._length()
            for _ in range(self._length()):  # consumers
                self._skip_strings(1)
                self._skip(16 if version >= 3 else 8)
                self._skip(16 * self._length())

    def byte(self) -> int:
        value = self._content[self._at]
        self._at += 1
        return value

    def string(self) -> bytes:
        length, special = self._length_or_special()
        if special is None:
            return self._take(length)
        if special < 3:
            return str(int.from_bytes(self._take(1 << special), "little", signed=True)).encode()
        packed, unpacked = self._length(), self._length()
        return _lzf(self._take(packed), unpacked)

    def _skip_strings(self, count: int) -> None:
        for _ in range(count):
            length, special = self._length_or_special()
            if special is None:
                self._skip(length)
            elif special < 3:
                self._skip(1 << special)
            else:
                packed = self._length()
                self._length()
                self._skip(packed)

    def _skip_lengths(self, count: int) -> None:
        for _ in range(count):
            self._length()

    def _length(self) -> int:
        length, special = self._length_or_special()
        if special is not None:
            raise RdbFormatError(f"{self._path}: no length at offset {self._at - 1}")
        return length

    def _length_or_special(self) -> tuple[int, int | None]:
        """A length, or the number of a special string encoding (rdbLoadLenByRef)."""
        first = self._content[self._at]
        self._at += 1
        kind = first >> 6
        if kind == 0:
            return first, None
        if kind == 1:
            return (first & 63) << 8 | self.byte(), None
        if kind == 2:
            return int.from_bytes(self._take(8 if first & 1 else 4), "big"), None
        if first & 63 > 3:
            raise RdbFormatError(f"{self._path}: unknown encoding at offset {self._at - 1}")
        return 0, first & 63

    def _take(self, count: int) -> bytes:
        start = self._at
        self._skip(count)
        return self._content[start : self._at]

    def _skip(self, count: int) -> None:
        self._at += count
        if self._at > self._size:
            raise IndexError(self._at)


_SKIPS: dict[int, Callable[[_Reader], None]] = {
    1: _Reader.skip_list_or_set,
    2: _Reader.skip_list_or_set,
    3: _Reader.skip_zset,
    4: _Reader.skip_hash,
    5: _Reader.skip_zset2,
    7: _Reader.skip_module2,
    14: _Reader.skip_list_or_set,
    15: lambda reader: reader.skip_stream(1),
    18: _Reader.skip_quicklist2,
    19: lambda reader: reader.skip_stream(2),
    21: lambda reader: reader.skip_stream(3),
}


def _lzf(packed: bytes, size: int) -> bytes:
    """Decompresses LZF (liblzf): literal runs, and copies of what was already written."""
    out = bytearray()
    at = 0
    while at < len(packed):
        control = packed[at]
        at += 1
        if control < 32:
            out += packed[at : at + control + 1]
            at += control + 1
            continue
        length = control >> 5
        if length == 7:
            length += packed[at]
            at += 1
        start = len(out) - ((control & 31) << 8 | packed[at]) - 1
        at += 1
        for offset in range(start, start + length + 2):
            out.append(out[offset])
    if len(out) != size:
        raise RdbFormatError(f"a compressed string has {len(out)} bytes, expected {size}")
    return bytes(out)
