"""Shared memory that killed servers leave is found by their place, and nobody else's is touched."""

from __future__ import annotations

import ctypes
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.drivers import shared_memory
from harness.drivers.shared_memory import Segment

POSIX = Path("/dev/shm")  # noqa: S108 - where the kernel has it


@pytest.fixture
def place() -> Iterator[str]:
    """A place's name; what a test leaves of it is removed."""
    name = f"test-{secrets.token_hex(4)}"
    yield name
    shared_memory.remove_posix(name)


def postmaster_pid(pid: int, segment: int) -> str:
    """A postmaster.pid file as PostgreSQL 15 writes it."""
    return (
        f"{pid}\n/data\n1795493693\n15432\n/sockets\n127.0.0.1\n  1234567     {segment}\nready   \n"
    )


def new_segment() -> int:
    """A System V segment of this process, which is not attached to it."""
    identifier = ctypes.CDLL(None).shmget(0, 56, 0o600)
    assert identifier >= 0
    return int(identifier)


def exists(identifier: int) -> bool:
    lines = Path("/proc/sysvipc/shm").read_text(encoding="ascii").splitlines()[1:]
    return identifier in {int(line.split()[1]) for line in lines}


def test_an_empty_directory_names_no_segment(tmp_path: Path) -> None:
    """The vacuous case, and a directory that is not there."""
    assert shared_memory.segments_below(tmp_path) == ()
    assert shared_memory.segments_below(tmp_path / "none") == ()
    assert shared_memory.remove_segments(()) == ()


@pytest.mark.parametrize("content", ["", "123\n", "123\n/data\n1\n1\n/s\n*\n\n", "torn\n" * 8])
def test_a_torn_file_names_no_segment(tmp_path: Path, content: str) -> None:
    """A postmaster that was killed while it started has not written the line yet."""
    (tmp_path / "postmaster.pid").write_text(content, encoding="ascii")
    assert shared_memory.segments_below(tmp_path) == ()


def test_the_segment_of_a_killed_postmaster_is_removed(tmp_path: Path) -> None:
    """Wherever below the directory its data is; a second time there is nothing to remove."""
    identifier = new_segment()
    data = tmp_path / "orders" / "data"
    data.mkdir(parents=True)
    (data / "postmaster.pid").write_text(postmaster_pid(os.getpid(), identifier), encoding="ascii")
    segments = shared_memory.segments_below(tmp_path)
    assert segments == (Segment(identifier, os.getpid()),)
    assert shared_memory.remove_segments(segments) == (f"shared memory segment {identifier}",)
    assert not exists(identifier)
    assert shared_memory.remove_segments(segments) == ()


def test_a_segment_of_another_creator_is_left_alone() -> None:
    """Its number was used again by somebody else."""
    identifier = new_segment()
    assert shared_memory.remove_segments((Segment(identifier, 1),)) == ()
    assert exists(identifier)
    ctypes.CDLL(None).shmctl(identifier, 0, None)


def test_a_segment_in_use_is_left_alone() -> None:
    """Its server still runs."""
    libc = ctypes.CDLL(None)
    libc.shmat.restype = ctypes.c_void_p
    identifier = new_segment()
    attached = ctypes.c_void_p(libc.shmat(identifier, None, 0))
    segment = Segment(identifier, os.getpid())
    assert shared_memory.remove_segments((segment,)) == ()
    libc.shmdt(attached)
    assert shared_memory.remove_segments((segment,)) != ()


def test_posix_objects_go_with_their_place(place: str) -> None:
    """All of a place, or one purpose; those of another place whose name begins alike stay."""
    other = f"{place}0"
    first = shared_memory.make_posix(place, "first", b"content")
    shared_memory.make_posix(place, "second", b"")
    shared_memory.make_posix(other, "first", b"")
    assert (POSIX / first[1:]).read_bytes() == b"content"
    assert (POSIX / first[1:]).stat().st_mode & 0o777 == 0o600
    assert len(list(POSIX.glob(f"*{place}-*"))) == 4
    assert shared_memory.remove_posix(place, "first") == (f"shared memory {first[1:]}",)
    assert len(shared_memory.remove_posix(place)) == 1
    assert shared_memory.remove_posix(place) == ()
    assert len(shared_memory.remove_posix(other)) == 1
