"""The journal of acknowledged writes: its file format, and reading it back with its damage named.

One file per client and start of the writer, kept outside the blast radius. A client has one
outstanding operation and numbers its operations from 1 without a gap. Each operation leaves an
INVOKE record, written before the request is sent, and a completion record (OK, FAIL,
INDETERMINATE: Jepsen's ok, fail and info) after the answer. What the journal does not show
completed OK was never acknowledged; a harness that crashes can therefore only hide a loss, which
is why every gap is reported.

File: an 8-byte magic, the format (u4) and the length (u4) of a JSON header, the header's check sum
(u8), the header, zeros up to a multiple of 64 bytes, then records of 64 bytes. Little-endian.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError

MAGIC = b"RHLEDGER"
FORMAT = 1
RECORD_BYTES = 64
SUFFIX = ".journal"

_PREFIX = np.dtype([("magic", "S8"), ("format", "<u4"), ("length", "<u4"), ("checksum", "<u8")])
_MAX_HEADER_BYTES = 1 << 16

RECORD = np.dtype(
    [
        ("type", "u1"),
        ("flags", "u1"),
        ("log", "<u2"),
        ("client", "<u4"),
        ("seq", "<u8"),
        ("payload", "<u8"),
        ("monotonic_ns", "<i8"),
        ("wall_ns", "<i8"),
        ("server_us", "<i8"),
        ("position", "<u8"),
        ("checksum", "<u8"),
    ]
)
"""One record. `log`: the shard for Redis, 0 for PostgreSQL; operations of one log are totally
ordered. `monotonic_ns`: CLOCK_MONOTONIC of the writer's host. `wall_ns`: its wall clock, since the
epoch. `server_us`: the server's clock while it executed the write, microseconds since the epoch, 0
where unknown. `position`: WAL insert position (LSN) before the commit, or the master's replication
offset after the write; 0 where unknown. Payloads are 64 bits of any kind."""


class Type(enum.IntEnum):
    """What a record says."""

    INVOKE = 1
    OK = 2
    FAIL = 3
    INDETERMINATE = 4
    CLOSED = 5
    """The writer ended in order; nothing follows."""

    SEALED = 6
    """A later writer of the same boot found this file without its writer: the kernel kept every
    record that was written, so at most the last operation's completion is missing."""


OPEN = 0
"""Outcome of an operation whose completion is not in the journal: it may have been acknowledged."""


class Flag(enum.IntFlag):
    """What else is known of an acknowledged write."""

    UNREPLICATED = 1
    """Acknowledged without the replication asked for: PostgreSQL's "canceling wait for synchronous
    replication" warning, or WAIT returned fewer replicas than asked."""


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for a whole file."""

    subject: str
    client: int
    """1 to 2^23 - 1; no two files of a subject have the same."""

    seed: int
    """Payloads are derived from (seed, client, seq)."""

    boot_id: str
    """Monotonic times of two boots cannot be compared."""

    started: datetime
    server: str
    """Identity of the server (PostgreSQL's system identifier, Redis node ids), as the first
    connection found it."""

    durability: str
    """What an acknowledgement promised: `synchronous_commit=on`, `WAIT 1 100`."""


class DamageKind(enum.StrEnum):
    """What can be wrong with a journal."""

    BAD_HEADER = "bad header"
    TORN_TAIL = "torn tail"
    """The file ends within a record."""

    BAD_CHECKSUM = "bad check sum"
    SEQUENCE_GAP = "sequence gap"
    """Operations are missing, repeated or out of order."""

    ORPHAN_COMPLETION = "completion without invocation"
    WRONG_CLIENT = "record of another client"
    UNCLEAN_END = "no closing record"
    """The writer still ran when the file was copied, or it was killed. Harmless where the last
    record is later than the fault."""

    OTHER_BOOT = "another boot"
    """Not damage of the file: its monotonic times do not compare with the newest boot's."""


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of damage of one file."""

    kind: DamageKind
    file: str
    client: int
    """0 where the header cannot be read."""

    count: int
    """How many records or operations."""

    offset_bytes: int
    """Where the first is."""

    last_intact_wall_ns: int
    """Wall clock of the last intact record of the file; 0 where there is none."""

    def __str__(self) -> str:
        """For a person: the file, the kind, how many and where."""
        return f"{self.file}: {self.kind} ({self.count}, first at byte {self.offset_bytes})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """All operations of some files, one array element per operation, by client then seq."""

    headers: tuple[Header, ...]
    damage: tuple[Damage, ...]
    boot_id: str
    """The newest boot: the one whose monotonic times are used. Empty where there is no file."""

    client: NDArray[np.uint32]
    seq: NDArray[np.uint64]
    outcome: NDArray[np.uint8]
    """Type.OK, Type.FAIL, Type.INDETERMINATE or OPEN."""

    flags: NDArray[np.uint8]
    log: NDArray[np.uint16]
    payload: NDArray[np.uint64]
    invoked_ns: NDArray[np.int64]
    completed_ns: NDArray[np.int64]
    """0 where open."""

    invoked_wall_ns: NDArray[np.int64]
    completed_wall_ns: NDArray[np.int64]
    server_us: NDArray[np.int64]
    position: NDArray[np.uint64]
    this_boot: NDArray[np.bool_]
    """Whether the operation's monotonic times are of `boot_id`."""

    def __len__(self) -> int:
        return len(self.seq)


# Multilinear hashing modulo 2^64 over the record's fourteen 32-bit halves, with one odd 64-bit key
# per half and one to begin with (Lemire and Kaser, "Strongly universal string hashing is fast",
# The Computer Journal 57(11), 2014, section 3). Halves and not 64-bit words: two flipped top bits
# of 64-bit words would cancel for any odd keys, since 2^63 * odd = 2^63 modulo 2^64. The keys are
# splitmix64 outputs of the seeds 1..15, made odd; a chance mistake passes with probability 2^-32
# at most, a changed single half never.
_HALVES = 14


def splitmix64(value: int) -> int:
    """One step of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): a bijection of 64-bit words."""
    mask = (1 << 64) - 1
    mixed = (value + 0x9E3779B97F4A7C15) & mask
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & mask
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & mask
    return mixed ^ (mixed >> 31)


_KEYS = np.array([splitmix64(seed) | 1 for seed in range(1, _HALVES + 2)], dtype=np.uint64)
_KEY_LIST = [int(key) for key in _KEYS]


def checksums(records: NDArray[Any]) -> NDArray[np.uint64]:
    """The check sum that each record of a contiguous array ought to carry."""
    halves = records.view("<u4").reshape(len(records), RECORD_BYTES // 4)
    total = np.full(len(records), _KEYS[0], dtype=np.uint64)
    for column in range(_HALVES):
        total += halves[:, column] * _KEYS[column + 1]
    return total


def checksum(words: bytes) -> int:
    """The check sum of the first 56 bytes of one record; as `checksums`, without numpy."""
    total = _KEY_LIST[0]
    for column in range(_HALVES):
        half = int.from_bytes(words[4 * column : 4 * column + 4], "little")
        total += half * _KEY_LIST[column + 1]
    return total & 0xFFFFFFFFFFFFFFFF


def payload_of(seed: int, client: int, seq: int) -> int:
    """The payload of one operation, 64 bits: an altered, moved or invented row cannot guess it."""
    return splitmix64(splitmix64(splitmix64(seed) ^ client) ^ seq)


def encode_header(header: Header) -> bytes:
    """The bytes of a file before its first record, a multiple of 64."""
    body = msgspec.json.encode(header)
    prefix = np.array([(MAGIC, FORMAT, len(body), _checksum_of_text(body))], dtype=_PREFIX)
    content = prefix.tobytes() + body
    return content + b"\0" * (-len(content) % RECORD_BYTES)


def _checksum_of_text(text: bytes) -> int:
    """Folds a text of any length with the records' check sum, 56 bytes at a time."""
    total = len(text)
    for start in range(0, len(text), 56):
        total = splitmix64(total ^ checksum(text[start : start + 56].ljust(56, b"\0")))
    return total


def read_header(file: BinaryIO, name: str) -> Header:
    """Reads a file's header and leaves the file at its first record.

    Raises InputError where the header is torn, altered, or of another format.
    """
    head = file.read(_PREFIX.itemsize)
    if len(head) < _PREFIX.itemsize:
        raise InputError(f"{name}: got {len(head)} bytes, expected a journal's header")
    (prefix,) = np.frombuffer(head, dtype=_PREFIX)
    if bytes(prefix["magic"]) != MAGIC:
        raise InputError(f"{name}: got {head[:8]!r}, expected a journal, which begins {MAGIC!r}")
    if int(prefix["format"]) != FORMAT:
        raise InputError(f"{name}: got format {int(prefix['format'])}, expected {FORMAT}")
    length = int(prefix["length"])
    body = file.read(length) if length <= _MAX_HEADER_BYTES else b""
    if len(body) != length or _checksum_of_text(body) != int(prefix["checksum"]):
        raise InputError(f"{name}: the journal's header is torn or altered")
    file.seek(-(_PREFIX.itemsize + length) % RECORD_BYTES, 1)
    try:
        return msgspec.json.decode(body, type=Header)
    except msgspec.DecodeError as error:
        raise InputError(f"{name}: the journal's header: {error}") from error


def journal_files(directory: Path) -> tuple[Path, ...]:
    """The journals of a directory, by name."""
    return tuple(sorted(directory.glob(f"*{SUFFIX}")))


def read_journals(where: Path | Iterable[Path]) -> Journal:
    """Reads all journals of a directory, or the files given, and checks every record.

    Damage is in the value, not raised: what is intact is read. InputError only where a file cannot
    be opened.
    """
    if isinstance(where, Path):
        files: Sequence[Path] = journal_files(where) if where.is_dir() else (where,)
    else:
        files = tuple(where)
    try:
        return _Reader(files).read()
    except OSError as error:
        raise InputError(f"journal {error.filename}: {error.strerror}") from error


_CHUNK_RECORDS = 1 << 14  # 1 MiB: the chunk and its temporaries stay in the processor's cache


class _Reader:
    """Fills one array per column; capacity is virtual memory until it is written to."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        # As many operations as records at the worst: every one invoked, none completed.
        capacity = sum(file.stat().st_size // RECORD_BYTES for file in files)
        self._client = np.empty(capacity, np.uint32)
        self._seq = np.empty(capacity, np.uint64)
        self._outcome = np.empty(capacity, np.uint8)
        self._flags = np.empty(capacity, np.uint8)
        self._log = np.empty(capacity, np.uint16)
        self._payload = np.empty(capacity, np.uint64)
        self._invoked_ns = np.empty(capacity, np.int64)
        self._completed_ns = np.empty(capacity, np.int64)
        self._invoked_wall_ns = np.empty(capacity, np.int64)
        self._completed_wall_ns = np.empty(capacity, np.int64)
        self._server_us = np.empty(capacity, np.int64)
        self._position = np.empty(capacity, np.uint64)
        self._this_boot = np.empty(capacity, np.bool_)
        self._count = 0
        self._damage: list[Damage] = []

    def read(self) -> Journal:
        readable: list[tuple[Header, Path]] = []
        for path in self._files:
            with path.open("rb") as file:
                try:
                    readable.append((read_header(file, path.name), path))
                except InputError:
                    self._damage.append(_damage(DamageKind.BAD_HEADER, path.name, 0, 1, 0, 0))
        readable.sort(key=lambda item: (item[0].client, item[0].started))
        newest = max((header for header, _ in readable), key=lambda h: h.started, default=None)
        boot_id = newest.boot_id if newest is not None else ""
        for header, path in readable:
            start = self._count
            self._read_file(header, path, other_boot=header.boot_id != boot_id)
            self._this_boot[start : self._count] = header.boot_id == boot_id
        kept = slice(0, self._count)
        return Journal(
            headers=tuple(header for header, _ in readable),
            damage=tuple(self._damage),
            boot_id=boot_id,
            client=self._client[kept],
            seq=self._seq[kept],
            outcome=self._outcome[kept],
            flags=self._flags[kept],
            log=self._log[kept],
            payload=self._payload[kept],
            invoked_ns=self._invoked_ns[kept],
            completed_ns=self._completed_ns[kept],
            invoked_wall_ns=self._invoked_wall_ns[kept],
            completed_wall_ns=self._completed_wall_ns[kept],
            server_us=self._server_us[kept],
            position=self._position[kept],
            this_boot=self._this_boot[kept],
        )

    def _read_file(self, header: Header, path: Path, *, other_boot: bool) -> None:
        state = _FileState(header=header, start=self._count)
        with path.open("rb") as file:
            read_header(file, path.name)
            offset = file.tell()
            raw = bytearray(_CHUNK_RECORDS * RECORD_BYTES)
            buffer = np.frombuffer(raw, RECORD)
            while True:
                got = file.readinto(raw)
                whole = got // RECORD_BYTES
                if whole:
                    self._take(buffer[:whole], offset, state)
                if got % RECORD_BYTES:
                    state.found(DamageKind.TORN_TAIL, 1, offset + whole * RECORD_BYTES)
                offset += got
                if got < len(raw):
                    break
        if state.last_type not in (Type.CLOSED, Type.SEALED):
            state.found(DamageKind.UNCLEAN_END, 1, offset)
        if other_boot:
            state.found(DamageKind.OTHER_BOOT, 1, 0)
        self._damage.extend(
            _damage(kind, path.name, header.client, count, first, state.last_wall_ns)
            for kind, (count, first) in state.damage.items()
        )

    def _take(self, chunk: NDArray[Any], offset: int, state: _FileState) -> None:
        """Adds one chunk's operations; the last one of the chunk before may still be open."""
        good = checksums(chunk) == chunk["checksum"]
        bad = np.flatnonzero(~good)
        if len(bad):
            state.found(DamageKind.BAD_CHECKSUM, len(bad), offset + int(bad[0]) * RECORD_BYTES)
        foreign = np.flatnonzero(good & (chunk["client"] != state.header.client))
        if len(foreign):
            state.found(
                DamageKind.WRONG_CLIENT, len(foreign), offset + int(foreign[0]) * RECORD_BYTES
            )
            good[foreign] = False
        if len(bad) or len(foreign):
            chunk = chunk[good]
        if not len(chunk):
            return
        state.last_type = int(chunk["type"][-1])
        state.last_wall_ns = int(chunk["wall_ns"][-1])
        types = chunk["type"]
        first = self._count
        gaps = self._add_invoked(chunk[types == Type.INVOKE], state)
        if gaps:
            state.found(DamageKind.SEQUENCE_GAP, gaps, offset)
        completed = chunk[(types >= Type.OK) & (types <= Type.INDETERMINATE)]
        # The open operation of the chunk before, if any, is the one just before `first`.
        lowest = max(first - 1, state.start)
        orphans = self._add_completed(completed, lowest, whole=not gaps)
        if orphans:
            state.found(DamageKind.ORPHAN_COMPLETION, orphans, offset)

    def _add_invoked(self, invoked: NDArray[Any], state: _FileState) -> int:
        """Adds open operations; how often their numbers did not go up by one."""
        if not len(invoked):
            return 0
        kept = slice(self._count, self._count + len(invoked))
        self._count = kept.stop
        self._client[kept] = invoked["client"]
        self._seq[kept] = invoked["seq"]
        self._payload[kept] = invoked["payload"]
        self._invoked_ns[kept] = invoked["monotonic_ns"]
        self._invoked_wall_ns[kept] = invoked["wall_ns"]
        self._log[kept] = invoked["log"]
        self._outcome[kept] = OPEN
        self._flags[kept] = 0
        self._completed_ns[kept] = 0
        self._completed_wall_ns[kept] = 0
        self._server_us[kept] = 0
        self._position[kept] = 0
        steps = np.diff(invoked["seq"], prepend=np.uint64(state.last_seq))
        state.last_seq = int(invoked["seq"][-1])
        return int((steps != np.uint64(1)).sum())

    def _add_completed(self, completed: NDArray[Any], lowest: int, *, whole: bool) -> int:
        """Completes operations from index `lowest`; how many completions have no operation."""
        among = self._seq[lowest : self._count]
        if whole and len(among):  # without a gap, the position follows from the number
            distance = completed["seq"] - among[0]
            matched = distance < np.uint64(len(among))  # earlier numbers wrap to something large
            where = distance[matched].astype(np.intp)
        else:
            matched, where = _match(among, completed["seq"])
        completed = completed[matched]
        where += lowest
        self._outcome[where] = completed["type"]
        self._flags[where] = completed["flags"]
        self._log[where] = completed["log"]
        self._completed_ns[where] = completed["monotonic_ns"]
        self._completed_wall_ns[where] = completed["wall_ns"]
        self._server_us[where] = completed["server_us"]
        self._position[where] = completed["position"]
        return int((~matched).sum())


@dataclass(slots=True, kw_only=True)
class _FileState:
    """What one chunk must know of the chunks before it."""

    header: Header
    start: int
    """Index of this file's first operation; an earlier file's are never completed here."""

    last_type: int = 0
    last_seq: int = 0
    last_wall_ns: int = 0
    damage: dict[DamageKind, tuple[int, int]] = field(default_factory=dict)

    def found(self, kind: DamageKind, count: int, offset: int) -> None:
        before, first = self.damage.get(kind, (0, offset))
        self.damage[kind] = (before + count, first)


def _match(
    among: NDArray[np.uint64], wanted: NDArray[np.uint64]
) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Where each wanted number is among numbers that may repeat or run backwards."""
    if not len(among):
        return np.zeros(len(wanted), np.bool_), np.empty(0, np.intp)
    order = np.argsort(among, kind="stable")
    found = np.minimum(np.searchsorted(among[order], wanted), len(among) - 1)
    matched = among[order][found] == wanted
    return matched, order[found[matched]]


def _damage(  # noqa: PLR0913 - one line each
    kind: DamageKind, file: str, client: int, count: int, offset: int, last_wall_ns: int
) -> Damage:
    return Damage(
        kind=kind,
        file=file,
        client=client,
        count=count,
        offset_bytes=offset,
        last_intact_wall_ns=last_wall_ns,
    )
