"""Starts, awaits and stops child processes; the only module that may.

Every child works in a directory that the harness owns (its current directory). That is how a
later command finds what a killed one left running: servers such as PostgreSQL and Redis overwrite
their environment and start sessions of their own, but they stay in their directory.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from harness.errors import DeadlineExceededError, RestoreError

_TERMINATE_GRACE_S = 5.0
_KILL_GRACE_S = 5.0
_KILL_POLL_S = 0.005

Child = subprocess.Popen[bytes]
"""A child process of the harness."""

_children: set[Child] = set()
_children_lock = threading.Lock()
_stopping = threading.Event()


class InterruptedChildError(RestoreError):
    """A child was not started, or was ended, because the whole command is being interrupted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A child that ended."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str

    def last_line(self) -> str:
        """The last line that says something, for an error message; standard error first."""
        for text in (self.stderr, self.stdout):
            lines = [line for line in text.splitlines() if line.strip()]
            if lines:
                return lines[-1]
        return f"exit code {self.returncode}, no output"


def start(  # noqa: PLR0913 - a process has that many sides
    argv: Sequence[str | Path],
    *,
    directory: Path,
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
    log: Path | None = None,
    stdin: int | IO[bytes] | None = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
) -> subprocess.Popen[bytes]:
    """Starts a child in a session of its own, working in `directory`.

    `environment` is added to this process's; `user` is an operating-system user to become (root
    only); `log` takes both streams where they are not given.
    """
    if _stopping.is_set():
        raise InterruptedChildError(f"{argv[0]}: not started, the command is being interrupted")
    with contextlib.ExitStack() as files:
        if log is not None:
            sink = files.enter_context(log.open("ab"))
            stdout, stderr = stdout or sink, stderr or sink
        become = user if user is not None and os.geteuid() == 0 else None
        child = subprocess.Popen(  # noqa: S603 - the argument vector is ours, no shell is involved
            [str(word) for word in argv],
            cwd=directory,
            env={**os.environ, **(environment or {})},
            user=become,
            group=become_group(become),
            extra_groups=[] if become is not None else None,
            stdin=stdin,
            stdout=stdout if stdout is not None else subprocess.DEVNULL,
            stderr=stderr if stderr is not None else subprocess.DEVNULL,
            start_new_session=True,
        )
    with _children_lock:
        _children.add(child)
    return child


def become_group(user: str | None) -> int | None:
    """The primary group of an operating-system user; None for None."""
    if user is None:
        return None
    import pwd

    return pwd.getpwnam(user).pw_gid


def run(  # noqa: PLR0913 - as `start`
    argv: Sequence[str | Path],
    *,
    directory: Path,
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
    timeout_s: float,
    stdin: bytes | None = None,
) -> Completed:
    """Runs a child to its end and returns what it said, whatever its exit code.

    Raises DeadlineExceededError, with the child terminated, after `timeout_s`; RestoreError where
    the program does not exist.
    """
    try:
        child = start(
            argv,
            directory=directory,
            environment=environment,
            user=user,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except FileNotFoundError as error:
        raise RestoreError(
            f"{argv[0]}: no such program", hint="make setup  # installs the programs needed"
        ) from error
    try:
        out, err = child.communicate(stdin, timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise DeadlineExceededError(f"{argv[0]}: still running after {timeout_s:g} s") from error
    finally:
        stop(child)
    if _stopping.is_set():
        raise InterruptedChildError(f"{argv[0]}: ended, the command is being interrupted")
    return Completed(
        argv=tuple(str(word) for word in argv),
        returncode=child.returncode,
        stdout=out.decode("utf-8", "replace"),
        stderr=err.decode("utf-8", "replace"),
    )


def stop(child: subprocess.Popen[bytes], first: signal.Signals = signal.SIGTERM) -> None:
    """Ends a child: `first`, then SIGKILL after five seconds; returns when it is reaped."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(first)
        try:
            child.wait(_TERMINATE_GRACE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait(_KILL_GRACE_S)
    with _children_lock:
        _children.discard(child)


def raise_if_interrupted(what: str) -> None:
    """Raises InterruptedChildError while the command is being interrupted."""
    if _stopping.is_set():
        raise InterruptedChildError(f"{what}: given up, the command is being interrupted")


def interrupt_children() -> None:
    """Ends every running `run` child and refuses new ones, until `allow_children` is called.

    For the moment of an interruption: threads that wait for a tool come back at once.
    """
    _stopping.set()
    with _children_lock:
        running = list(_children)
    for child in running:
        if child.stdout is not None and child.poll() is None:  # `run`, not a server
            with contextlib.suppress(ProcessLookupError):
                child.terminate()


def allow_children() -> None:
    """Lets children be started again, for healing after an interruption."""
    _stopping.clear()


def working_below(directory: Path) -> Iterator[psutil.Process]:
    """The live processes whose current directory is `directory` or below it, this one excepted."""
    prefix = str(directory.resolve())
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        with contextlib.suppress(psutil.Error):
            # A directory that was deleted under its process shows as `/path (deleted)`.
            where = process.cwd().removesuffix(" (deleted)")
            if (
                where == prefix or where.startswith(prefix + "/")
            ) and process.status() != psutil.STATUS_ZOMBIE:
                yield process


def kill_below(directory: Path) -> tuple[int, ...]:
    """Kills (SIGKILL) all that works in or below a directory of ours; the process ids killed."""
    killed: list[psutil.Process] = []
    for _ in range(5):  # a server may fork while it is being killed
        found = list(working_below(directory))
        if not found:
            break
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.kill()
        _reap({one.pid for one in found})
        await_ends(found)
        killed.extend(found)
    return tuple(dict.fromkeys(process.pid for process in killed))


def await_ends(killed: Sequence[psutil.Process]) -> None:
    """Returns when they have ended, at the latest after five seconds.

    A zombie has ended: an orphan's is reaped by init, which may take its time over it.
    """
    for _ in range(int(_KILL_GRACE_S / _KILL_POLL_S)):
        if all(map(_has_ended, killed)):
            return
        time.sleep(_KILL_POLL_S)


def _has_ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _reap(killed: set[int]) -> None:
    """Takes the exit codes of our own children among the killed, before psutil would."""
    with _children_lock:
        ours = [child for child in _children if child.pid in killed]
        _children.difference_update(ours)
    for child in ours:
        child.wait(_KILL_GRACE_S)
