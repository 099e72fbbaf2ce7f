"""Which drill is going on under a state directory, and how it is told to stop.

`drill.json` names the process; an exclusive lock on `drill.lock` beside it is held as long as it
lives, so that two never begin at once. `drill-stopping.json` is its answer to `harness abort`.
"""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO

import msgspec

from harness.drivers.clock import HostClock, wait_until
from harness.errors import InputError, RefusedError
from harness.faults import owners
from harness.faults.places import write_durably
from harness.model.codec import from_json, to_json

_DRILL = "drill.json"
_LOCK = "drill.lock"
_STOPPING = "drill-stopping.json"
_ACKNOWLEDGED_WITHIN_S = 2.0


class Drill(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A drill and the process that conducts it."""

    run: str
    environment: str
    pid: int
    started: float
    """As faults.owners."""

    since: datetime
    cluster_uid: str = ""
    """Empty where it is about no cluster."""


class Stopping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A drill's word that it has been told to stop."""

    run: str
    putting_back: tuple[str, ...]
    """The actions that it undoes now."""


@contextmanager
def going_on(state: Path, run: str, environment: str, *, cluster_uid: str = "") -> Iterator[Drill]:
    """Says that this process conducts a drill, for the length of a block.

    RefusedError where another one does.
    """
    state.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (state / _LOCK).open("w", encoding="ascii") as lock:
        _lock(lock, state)
        pid, started = owners.me()
        drill = Drill(
            run=run,
            environment=environment,
            pid=pid,
            started=started,
            since=HostClock().now().utc,
            cluster_uid=cluster_uid,
        )
        (state / _STOPPING).unlink(missing_ok=True)
        write_durably(state / _DRILL, to_json(drill))
        try:
            yield drill
        finally:
            (state / _DRILL).unlink(missing_ok=True)


def refuse_another(state: Path) -> None:
    """RefusedError where a drill goes on, before anything is made; the lock that counts is taken by
    `going_on`.
    """
    drill = current(state)
    if drill is not None:
        raise _refusal(drill)


def acknowledge(state: Path, run: str, putting_back: Sequence[str]) -> None:
    """Answers `harness abort`: called as soon as the signal arrived, before anything is undone."""
    stopping = Stopping(run=run, putting_back=tuple(putting_back))
    write_durably(state / _STOPPING, to_json(stopping))


def current(state: Path) -> Drill | None:
    """The drill that goes on; None where none does."""
    drill = last(state)
    return drill if drill is not None and owners.lives(drill.pid, drill.started) else None


def last(state: Path) -> Drill | None:
    """The drill that is written down, whether or not its process lives: a killed one stays."""
    path = state / _DRILL
    try:
        return from_json(path.read_bytes(), Drill)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise InputError(f"{path}: {error}", hint=f"rm {path}") from error


def forget(state: Path, drill: Drill) -> None:
    """Removes what a killed drill left, where it is still that one."""
    if last(state) == drill:
        (state / _DRILL).unlink(missing_ok=True)


def abort(state: Path, run: str | None) -> tuple[Drill, Stopping]:
    """Stops the drill that goes on, which must be `run` where one is given: what `harness abort`
    and the page do.

    Raises InputError where none goes on, or another one does; DeadlineExceededError as `stop`.
    """
    drill = current(state)
    if drill is None:
        raise InputError("no drill is going on", hint="harness recover  # where one was killed")
    if run is not None and run != drill.run:
        raise InputError(
            f"run {run} is not going on, but {drill.run} is", hint=f"harness abort {drill.run}"
        )
    return drill, stop(state, drill)


def stop(state: Path, drill: Drill) -> Stopping:
    """Sends it SIGTERM and awaits its answer; DeadlineExceededError after two seconds without.

    Again it only asks: while it heals, a drill is not ended by more signals.
    """
    with suppress(ProcessLookupError):
        os.kill(drill.pid, signal.SIGTERM)
    return wait_until(
        lambda: _answer(state, drill),
        within_s=_ACKNOWLEDGED_WITHIN_S,
        what=f"answer of drill {drill.run} (process {drill.pid})",
        hint=f"ps -p {drill.pid}  # and, when it is gone: harness recover",
    )


def _answer(state: Path, drill: Drill) -> Stopping | None:
    try:
        stopping = from_json((state / _STOPPING).read_bytes(), Stopping)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return stopping if stopping.run == drill.run else None


def _lock(lock: IO[str], state: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _refusal(current(state)) from None


def _refusal(drill: Drill | None) -> RefusedError:
    told = (
        f"{drill.run} in {drill.environment}, process {drill.pid}, since {drill.since:%H:%M:%S}"
        if drill
        else "it begins just now"
    )
    return RefusedError(
        f"a drill is already going on: {told}",
        hint=f"harness abort {drill.run}" if drill else "harness abort",
    )
