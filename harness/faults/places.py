"""Places: the directories that the harness fills and runs servers in, written down before use.

A place is declared on disk, and fsynced, before anything is put in it. Removing it kills what works
in it, deletes it, and only then forgets the declaration: a harness killed at any step leaves either
nothing or a declaration from which the next command cleans up.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil

from harness.drivers import process
from harness.errors import HealError, InputError
from harness.model.codec import from_json, to_json


class Place(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One declared directory and the process that owns it."""

    name: str
    directory: Path
    owner_pid: int
    owner_started: float
    """Start time of the owner, seconds since the epoch, as the kernel gives it: with the process
    id it identifies a process even after the id was used again."""


class Places:
    """The declarations under one state directory."""

    def __init__(self, state: Path) -> None:
        """`state` is made if need be; it must be traversable by the users servers run as."""
        self._declarations = state / "places"
        self._root = state / "p"  # short: a Unix socket's path has at most 107 bytes
        for directory in (state, self._declarations, self._root):
            directory.mkdir(mode=0o755, parents=True, exist_ok=True)

    @staticmethod
    def are_at(state: Path) -> bool:
        """Whether anything was ever declared there; makes nothing."""
        return (state / "places").is_dir()

    def declare(self, purpose: str) -> Place:
        """Declares and makes an empty directory for `purpose`."""
        me = psutil.Process()
        name = f"{purpose}-{secrets.token_hex(3)}"
        place = Place(
            name=name,
            directory=self._root / name,
            owner_pid=me.pid,
            owner_started=me.create_time(),
        )
        write_durably(self._declarations / f"{name}.json", to_json(place))
        place.directory.mkdir(mode=0o755)
        return place

    def remove(self, place: Place) -> tuple[str, ...]:
        """Kills what works in the place, deletes it and forgets it; what it had to kill.

        Raises HealError where something cannot be removed; the declaration then stays.
        """
        killed = process.kill_below(place.directory)
        failures: list[str] = []
        if place.directory.exists():
            shutil.rmtree(
                place.directory,
                onerror=lambda _call, path, error: failures.append(f"{path}: {error[1]}"),
            )
        if failures:
            raise HealError(
                f"{place.directory} could not be removed: {failures[0]}", hint="harness recover"
            )
        with contextlib.suppress(FileNotFoundError):
            (self._declarations / f"{place.name}.json").unlink()
        return tuple(f"process {pid} in {place.name}" for pid in killed)

    def declared(self) -> tuple[Place, ...]:
        """All declared places, oldest name order; a torn declaration is an InputError."""
        return tuple(self._read(path) for path in sorted(self._declarations.glob("*.json")))

    def abandoned(self) -> tuple[Place, ...]:
        """The declared places whose owner is gone."""
        return tuple(place for place in self.declared() if not _alive(place))

    @contextlib.contextmanager
    def borrowed(self, purpose: str) -> Iterator[Place]:
        """A place for the length of a block."""
        place = self.declare(purpose)
        try:
            yield place
        finally:
            self.remove(place)

    def _read(self, path: Path) -> Place:
        try:
            return from_json(path.read_bytes(), Place)
        except msgspec.DecodeError as error:
            raise InputError(f"{path}: {error}", hint=f"rm {path}") from error


def default_state_directory() -> Path:
    """`HARNESS_STATE_DIR`, else a directory of this user's in the system's large temporary place.

    Not below a home directory: PostgreSQL runs as a user who may not enter root's.
    """
    chosen = os.environ.get("HARNESS_STATE_DIR")
    if chosen:
        return Path(chosen)
    large = Path("/var/tmp")  # noqa: S108 - a directory of our own, checked by its owner's id
    base = large if large.is_dir() else Path(tempfile.gettempdir())
    return base / f"harness-{os.getuid()}"


def _alive(place: Place) -> bool:
    try:
        return abs(psutil.Process(place.owner_pid).create_time() - place.owner_started) < 1
    except psutil.NoSuchProcess:
        return False


def write_durably(path: Path, content: bytes) -> None:
    """Write to a temporary name, fsync, rename, fsync the directory: all or nothing on disk.

    Raises OSError, and leaves no temporary file, where the disk does not take it.
    """
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
