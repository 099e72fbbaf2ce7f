"""Appends to journals: an INVOKE reaches the kernel before its request is sent.

Completions reach the kernel at once, and the disk with the next group fsync, at most 50 ms later:
a killed process loses no record, a dead host at most the last 50 ms, which then read as open.
"""

from __future__ import annotations

import fcntl
import os
import struct
import threading
from pathlib import Path

from harness.drivers.clock import HostClock, boot_id
from harness.errors import InputError, RecordError
from harness.ledger.journal import (
    RECORD_BYTES,
    SUFFIX,
    Flag,
    Header,
    Type,
    checksum,
    encode_header,
    journal_files,
    payload_of,
    read_header,
)

FSYNC_EVERY_S = 0.05

# type, flags, log, client, seq, payload, monotonic_ns, wall_ns, server_us, position; see RECORD.
_BODY = struct.Struct("<BBHIQQqqqQ")
_CHECKSUM = struct.Struct("<Q")

_NO_FLAGS = Flag(0)


class JournalAppender:
    """One client's journal, open for appending; used by one thread."""

    def __init__(self, directory: Path, header: Header, *, clock: HostClock | None = None) -> None:
        """Makes `<directory>/client-<n>.journal` and writes its header to disk.

        Raises RecordError where the file is there already or cannot be written.
        """
        self.header = header
        self.path = directory / f"client-{header.client:06d}{SUFFIX}"
        self._clock = clock or HostClock()
        self._seq = 0
        self._dirty = False
        self._failure: OSError | None = None
        try:
            self._file = os.open(
                self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644
            )
            # Held while the writer lives: `seal_abandoned` of the next start tells by it.
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._write(encode_header(header))
            os.fsync(self._file)
            _fsync_directory(directory)
        except OSError as error:
            raise RecordError(f"{self.path}: the journal cannot be made: {error}") from error

    @property
    def next_seq(self) -> int:
        """The number that `invoke` will give."""
        return self._seq + 1

    def invoke(self, log: int = 0) -> tuple[int, int]:
        """Records that the next operation is about to be sent: its (seq, payload).

        Raises RecordError where it cannot be recorded: it must then not be sent.
        """
        self._seq += 1
        payload = payload_of(self.header.seed, self.header.client, self._seq)
        self._append(Type.INVOKE, payload=payload, log=log)
        return self._seq, payload

    def complete(
        self,
        outcome: Type,
        *,
        log: int = 0,
        server_us: int = 0,
        position: int = 0,
        flags: Flag = _NO_FLAGS,
    ) -> None:
        """Records what came of the operation that `invoke` announced last."""
        payload = payload_of(self.header.seed, self.header.client, self._seq)
        self._append(
            outcome,
            payload=payload,
            log=log,
            server_us=server_us,
            position=position,
            flags=flags,
        )
        self._dirty = True

    def sync(self) -> None:
        """Brings what was appended to disk; called by SyncThread, from another thread.

        A failure is raised by the next append: after a failed fsync nothing can be trusted.
        """
        if not self._dirty:
            return
        self._dirty = False
        try:
            os.fdatasync(self._file)
        except OSError as error:
            self._failure = error

    def close(self) -> None:
        """Records an orderly end, on disk."""
        self._append(Type.CLOSED)
        try:
            os.fsync(self._file)
        except OSError as error:
            raise RecordError(f"{self.path}: fsync: {error}") from error
        finally:
            os.close(self._file)

    def _append(  # noqa: PLR0913 - a record has that many fields
        self,
        kind: Type,
        *,
        payload: int = 0,
        log: int = 0,
        server_us: int = 0,
        position: int = 0,
        flags: Flag = _NO_FLAGS,
    ) -> None:
        now = self._clock.now()
        record = encode_record(
            kind,
            client=self.header.client,
            seq=self._seq,
            payload=payload,
            monotonic_ns=now.monotonic_ns,
            wall_ns=int(now.utc.timestamp() * 1_000_000) * 1_000,
            server_us=server_us,
            position=position,
            log=log,
            flags=flags,
        )
        if self._failure is not None:
            raise RecordError(f"{self.path}: fsync failed: {self._failure}") from self._failure
        try:
            self._write(record)
        except OSError as error:
            raise RecordError(f"{self.path}: {error}", hint=f"df {self.path.parent}") from error

    def _write(self, content: bytes) -> None:
        written = os.write(self._file, content)
        if written != len(content):
            raise OSError(f"got {written} of {len(content)} bytes written")


def encode_record(  # noqa: PLR0913 - a record has that many fields
    kind: Type,
    *,
    client: int,
    seq: int,
    payload: int = 0,
    monotonic_ns: int = 0,
    wall_ns: int = 0,
    server_us: int = 0,
    position: int = 0,
    log: int = 0,
    flags: Flag = _NO_FLAGS,
) -> bytes:
    """The 64 bytes of one record, check sum included."""
    body = _BODY.pack(
        kind, flags, log, client, seq, payload, monotonic_ns, wall_ns, server_us, position
    )
    record = body + _CHECKSUM.pack(checksum(body))
    if len(record) != RECORD_BYTES:
        raise AssertionError(f"a record is {len(record)} bytes, expected {RECORD_BYTES}")
    return record


class SyncThread(threading.Thread):
    """Group-fsyncs some journals every 50 ms; `finish` ends it after a last time."""

    def __init__(self, journals: tuple[JournalAppender, ...]) -> None:
        super().__init__(name="journal-fsync", daemon=True)
        self._journals = journals
        self._finishing = threading.Event()

    def run(self) -> None:
        """Until `finish`."""
        while not self._finishing.wait(FSYNC_EVERY_S):
            for journal in self._journals:
                journal.sync()

    def finish(self) -> None:
        """Returns when the thread has ended."""
        self._finishing.set()
        self.join()


def next_client(directory: Path, first: int = 1) -> int:
    """The lowest client number, from `first`, above all that have a journal in the directory."""
    used = [int(path.stem.rpartition("-")[2]) for path in journal_files(directory)]
    return max([first - 1, *used]) + 1


def seal_abandoned(directory: Path) -> tuple[Path, ...]:
    """Ends the journals of killed writers of this boot with a SEALED record; which they were.

    Only whole journals whose writer is gone (nobody holds their lock) and whose last record is not
    already an end. A journal of an earlier boot stays as it is: a dead host may have lost records.
    """
    sealed: list[Path] = []
    for path in journal_files(directory):
        with path.open("r+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                header = read_header(file, path.name)
            except (BlockingIOError, InputError):
                continue
            body = path.stat().st_size - file.tell()
            if header.boot_id != boot_id() or body % RECORD_BYTES:
                continue
            last = seq = 0
            if body:
                file.seek(-RECORD_BYTES, os.SEEK_END)
                tail = file.read(RECORD_BYTES)
                last, seq = tail[0], int.from_bytes(tail[8:16], "little")
            if last in (Type.CLOSED, Type.SEALED):
                continue
            now = HostClock().now()
            file.seek(0, os.SEEK_END)
            file.write(
                encode_record(
                    Type.SEALED,
                    client=header.client,
                    seq=seq,
                    monotonic_ns=now.monotonic_ns,
                    wall_ns=int(now.utc.timestamp() * 1_000_000) * 1_000,
                )
            )
            file.flush()
            os.fsync(file.fileno())
            sealed.append(path)
    return tuple(sealed)


def _fsync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
