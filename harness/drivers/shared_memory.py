"""Removes the shared memory that killed servers leave: nothing else of them is outside their place.

A killed postmaster leaves one small System V segment, its interlock against a second postmaster
(PostgreSQL manual, "Managing Kernel Resources", "Shared Memory and Semaphores"); libfaketime leaves
a POSIX semaphore and a POSIX object.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import shutil
from pathlib import Path

import msgspec

_POSIX = Path("/dev/shm")  # noqa: S108 - where Linux keeps POSIX shared memory and semaphores
_PREFIX = "harness-"

_SYSTEM_V = Path("/proc/sysvipc/shm")
_IPC_RMID = 0
_SHMEM_LINE = 6
"""Line of postmaster.pid, from 0, with the key and the id of the segment (miscadmin.h)."""


class Segment(msgspec.Struct, frozen=True):
    """A System V shared memory segment, identified beyond the reuse of its number."""

    id: int
    creator_pid: int


def segments_below(directory: Path) -> tuple[Segment, ...]:
    """What the postmaster.pid files in or below a directory say; to be asked before it is removed.

    A file that is torn, or has no such line yet, names no segment.
    """
    found = []
    for file in directory.rglob("postmaster.pid"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            lines = file.read_text(encoding="ascii").splitlines()
            found.append(Segment(int(lines[_SHMEM_LINE].split()[1]), int(lines[0])))
    return tuple(found)


def remove_segments(segments: tuple[Segment, ...]) -> tuple[str, ...]:
    """Removes those that still exist and that no process is attached to; which they were."""
    removed = []
    for segment in segments:
        if segment in _unattached():
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.shmctl(segment.id, _IPC_RMID, None) == 0:
                removed.append(f"shared memory segment {segment.id}")
    return tuple(removed)


def _unattached() -> set[Segment]:
    if not _SYSTEM_V.exists():
        return set()
    header, *lines = _SYSTEM_V.read_text(encoding="ascii").splitlines()
    names = header.split()
    rows = [dict(zip(names, map(int, line.split()), strict=False)) for line in lines]
    return {Segment(row["shmid"], row["cpid"]) for row in rows if row["nattch"] == 0}


def make_posix(place: str, purpose: str, content: bytes, user: str | None = None) -> str:
    """Makes a POSIX object with `content` and a free semaphore, both of one name; the name.

    `place` is the place that they go with, see `remove_posix`; `user` may use them, where that is
    not this process's user.
    """
    name = f"{_PREFIX}{place}-{purpose}"
    _remove_posix(name)
    # What multiprocessing.Lock is made of, with a name of our choice and without its unlinking.
    importlib.import_module("_multiprocessing").SemLock(1, 1, 1, f"/{name}", False)
    (_POSIX / name).write_bytes(content)
    for path in (_POSIX / name, _POSIX / f"sem.{name}"):
        path.chmod(0o600)
        if user is not None:
            shutil.chown(path, user)
    return f"/{name}"


def remove_posix(place: str, purpose: str = "*") -> tuple[str, ...]:
    """Removes what `make_posix` made for a place; the names of what there was."""
    pattern = f"{_PREFIX}{place}-{purpose}"
    names = {
        path.name.removeprefix("sem.")
        for wanted in (pattern, f"sem.{pattern}")
        for path in _POSIX.glob(wanted)
    }
    for name in names:
        _remove_posix(name)
    return tuple(f"shared memory {name}" for name in sorted(names))


def _remove_posix(name: str) -> None:
    for path in (_POSIX / name, _POSIX / f"sem.{name}"):
        path.unlink(missing_ok=True)
