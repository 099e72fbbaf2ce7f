"""What is written down of a lab, and the lock of the command that changes it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
import psutil

from harness.drivers.clock import boot_id
from harness.errors import InputError, RefusedError
from harness.faults.places import write_durably
from harness.lab.directories import Directories
from harness.lab.layout import Layout
from harness.model.codec import from_json, to_json

_LOCK = Path("/run/harness-lab.lock")

Phase = Literal["starting", "up"]


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is written down of a lab before anything of it is made."""

    layout: Layout
    phase: Phase
    owner_pid: int
    """Of the `up` that makes it."""

    owner_started: float
    """Start time of that process, seconds since the epoch, as the kernel gives it."""

    boot_id: str
    """The boot of the host that it was made in: of an earlier one, only files can be left."""

    api_port: int
    """Where the API is reached on the host's loopback address."""

    programs: str
    """The directory of the Kubernetes programs."""

    @property
    def of_this_boot(self) -> bool:
        """Whether anything of it but files can be there."""
        return self.boot_id == boot_id()

    @property
    def owned(self) -> bool:
        """Whether the `up` that makes it, or made it, still runs."""
        try:
            process = psutil.Process(self.owner_pid)
            return abs(process.create_time() - self.owner_started) < 1
        except psutil.NoSuchProcess:
            return False


def read(directories: Directories) -> Record | None:
    """What was written down of a lab; None where nothing was.

    Raises InputError where it was written by another version: what it stands for may be up.
    """
    try:
        return from_json(directories.record.read_bytes(), Record)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except msgspec.DecodeError as error:
        raise InputError(
            f"{directories.record}: not of this version of the harness: {error}",
            hint="harness lab down",
        ) from error


def write(directories: Directories, record: Record) -> None:
    """Writes it durably: all of it or nothing."""
    write_durably(directories.record, to_json(record))


@contextlib.contextmanager
def changing(directories: Directories) -> Iterator[None]:
    """One command at a time changes the lab; the lock goes with the process that holds it.

    The lock is this machine's, as the names of namespaces and control groups are. It says whose
    lab it was last: one of another state directory that is there is not touched.
    """
    try:
        lock = _LOCK.open("a+", encoding="utf-8")
    except OSError as error:
        raise RefusedError(f"the lab needs Linux and root: {error}", hint="sudo") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            pid = lock.read().partition(" ")[0]
            raise RefusedError(
                f"process {pid or 'unknown'} is changing the lab now", hint="harness lab status"
            ) from error
        lock.seek(0)
        _, _, root = lock.read().partition(" ")
        other = Directories(Path(root)) if root else directories
        if other != directories and (found := read(other)) is not None and found.of_this_boot:
            raise RefusedError(
                f"a lab of the state directory {other.root.parent} is on this machine",
                hint=f"HARNESS_STATE_DIR={other.root.parent} harness lab down",
            )
        lock.truncate(0)
        lock.write(f"{os.getpid()} {directories.root}")
        lock.flush()
        yield


def refuse_strange_state(state: Path) -> None:
    """Makes the state directory; refuses one in which another user could write.

    Root executes what is in it.
    """
    state.mkdir(mode=0o755, parents=True, exist_ok=True)
    found = state.lstat()
    if stat.S_ISLNK(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise RefusedError(
            f"{state}: root would execute what is in it, and others may write there",
            hint="HARNESS_STATE_DIR=/var/lib/harness harness lab up",
        )
    if state.resolve().is_relative_to("/run"):
        raise RefusedError(
            f"{state}: machines have a /run of their own, and would not see it",
            hint="HARNESS_STATE_DIR=/var/lib/harness harness lab up",
        )
