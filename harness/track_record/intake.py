"""Takes run directories into the track record, each once, and finds a database that answers."""

from __future__ import annotations

import hashlib
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from harness.coverage.answering import EndedRun
from harness.seal import bundle
from harness.seal.statement import STATEMENT
from harness.store import RunDirectory
from harness.track_record.database import FILE, Database, DatabaseError
from harness.track_record.reading import read_run, run_directories
from harness.track_record.showing import answers, showings, shown

Asked = TypeVar("Asked")

_MADE_ANEW = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}
"""Damaged, no database, or with other columns: nothing in it is worth to be kept."""


def ask(
    folder: Path,
    question: Callable[[Database], Asked],
    *,
    postgresql: str | None = None,
    origin: str | None = None,
) -> tuple[Asked, tuple[str, ...]]:
    """Takes in what is new in `folder`, and asks; with notes on what was wrong with the database.

    The database is FILE in the folder. Damaged, it is made anew; where the disk is full, the folder
    may not be written or another process does not let go of it, the runs are read into memory: the
    answer is the same, only slower. With `postgresql` (a connection string) it is there, and an
    answer that does not come is a DatabaseError. `origin`: the folder's name among those that share
    a PostgreSQL; None: host and path.
    """
    if postgresql is not None:
        name = origin or f"{socket.gethostname()}:{folder.resolve()}"
        return _ask(Database.postgresql(postgresql), folder, name, question), ()
    if not folder.is_dir():
        return _ask(Database.sqlite(None), folder, "", question), ()
    path = folder / FILE
    notes: list[str] = []
    for _ in range(2):
        try:
            return _ask(Database.sqlite(path), folder, "", question), tuple(notes)
        except DatabaseError as error:
            if not _is_damaged(error):
                notes.append(f"{path} cannot be used ({_cause(error)}): all runs were read anew")
                break
            notes.append(f"{path} was damaged ({_cause(error)}): made anew from the runs")
            _remove(path)
    return _ask(Database.sqlite(None), folder, "", question), tuple(notes)


def take_in(database: Database, folder: Path, origin: str) -> None:
    """Rows of each run that is new or changed; none any more of those that are gone.

    Files are looked at where the state of one of them changed; a run is read again where it is
    another verdict, or was sealed since. DatabaseError.
    """
    found = {one.path.name: (one, _state(one)) for one in run_directories(folder)}
    states = {name: state for name, (_, state) in found.items()}
    if {name: state for name, (state, _) in database.known(origin).items()} == states:
        return
    with database.writing():
        known = database.known(origin)  # another process may have taken in the same meanwhile
        database.forget(origin, known.keys() - found.keys())
        for name, (directory, state) in found.items():
            was, digest = known.get(name, ("", ""))
            if was == state:
                continue
            now = _digest(directory)
            if now == digest:
                database.keep(origin, name, state)
            else:
                _take_in(database, origin, directory, (state, now))


def _ask(
    database: Database, folder: Path, origin: str, question: Callable[[Database], Asked]
) -> Asked:
    try:
        take_in(database, folder, origin)
        return question(database)
    finally:
        database.close()


def _take_in(
    database: Database, origin: str, directory: RunDirectory, read: tuple[str, str]
) -> None:
    run = read_run(directory)
    name = directory.path.name
    if not isinstance(run, EndedRun):
        database.refuse(origin, read, name, f"{run.why.value}: {run.detail}")
        return
    if run.run.run != name:
        database.refuse(origin, read, name, f"is run {run.run.run} under another name")
        return
    sealed, sequence = _seal(directory)
    database.put(
        origin, read, shown(run, sealed=sealed, sequence=sequence), answers(run), showings(run)
    )


def _seal(directory: RunDirectory) -> tuple[bool, int | None]:
    if not bundle.is_sealed(directory.path):
        return False, None
    from harness.seal.signing import open_envelope, read_statement  # cryptography: only if needed

    try:
        opened = open_envelope((directory.path / STATEMENT).read_bytes(), ())
        return True, read_statement(opened).predicate.sequence
    except (OSError, ValueError):
        return True, None  # whether it is a right one, `harness verify` says


def _state(directory: RunDirectory) -> str:
    """Size and times of all files that the record rests on: what changes with any of them."""
    states = []
    for path in _files(directory):
        try:
            one = path.stat()
        except OSError:
            states.append("none")
        else:
            states.append(f"{one.st_size} {one.st_mtime_ns} {one.st_ctime_ns}")
    return "; ".join(states)


def _digest(directory: RunDirectory) -> str:
    found = hashlib.sha256()
    for path in _files(directory):
        try:
            found.update(hashlib.sha256(path.read_bytes()).digest())
        except OSError:
            found.update(b"none")
    return found.hexdigest()


def _files(directory: RunDirectory) -> tuple[Path, ...]:
    return (
        directory.verdict,
        directory.run_record,
        directory.plan,
        directory.path / STATEMENT,
    )


def _is_damaged(error: DatabaseError) -> bool:
    cause = error.__cause__
    code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return isinstance(cause, sqlite3.Error) and (code & 0xFF) in _MADE_ANEW


def _cause(error: DatabaseError) -> str:
    return str(error.__cause__ or error)


def _remove(path: Path) -> None:
    for one in (path, path.with_name(f"{path.name}-journal")):
        try:
            one.unlink(missing_ok=True)
        except OSError:
            return  # the next try says what is wrong
