"""Seals a run directory: digests of all its files, signed, and linked to the run sealed before.

The envelope is written last and at once: a run is sealed whole, or not at all.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from harness import __version__
from harness.errors import HarnessError, InputError, RecordError
from harness.faults.places import write_durably
from harness.ports import Clock
from harness.seal import bundle
from harness.seal.chain import digest
from harness.seal.signing import Sign, open_envelope, read_statement, wrap
from harness.seal.statement import (
    STATEMENT,
    SUMS,
    TIMESTAMP,
    HistorySeal,
    RunBefore,
    SealedRun,
    Statement,
    decode,
    state,
    sums,
)
from harness.store import RunDirectory

LOCK = ".sealing"
"""In the folder of runs: two who seal at once would both name the same run before."""


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """A run that was sealed."""

    statement: Statement
    sha256: str
    """Of the envelope's file: what a reviewer may be told by another way."""

    timestamped: bool
    trouble: str | None = None
    """Why there is no timestamp, although a service was named."""


def seal(
    run: RunDirectory,
    signer: Sign,
    clock: Clock,
    *,
    timestamp: Callable[[bytes], bytes] | None = None,
    unfinished: bool = False,
) -> Sealed:
    """Seals a judged run. `timestamp`: gives the answer of a service over the envelope's bytes.

    Raises InputError where it is sealed already, did not end (but `unfinished`: it is gone, and is
    sealed as it stands), was not judged, or holds what is no file; RecordError where the disk does
    not take the seal; and what the signer raises. A timestamp service that does not answer is no
    reason to have no seal.
    """
    with alone(run.path.parent):
        if bundle.is_sealed(run.path):
            raise InputError(
                f"{run.path}: is sealed already", hint=f"harness verify {run.path} --key PUBLIC"
            )
        try:
            for name in (SUMS, STATEMENT, TIMESTAMP):
                # Of a sealer that was killed: it would be sealed with the rest, and then go.
                (run.path / name).with_suffix(".tmp").unlink(missing_ok=True)
            predicate = _predicate(run, clock, unfinished=unfinished)
            digests = _digests(run.path)
            listed = sums(digests)
            write_durably(run.path / SUMS, listed)
            digests[SUMS] = digest(listed)
            payload = state(predicate, digests)
            envelope = wrap(payload, signer)
            write_durably(run.path / STATEMENT, envelope)
        except OSError as error:
            raise RecordError(
                f"{run.path}: could not be sealed: {error}", hint=f"df {run.path}"
            ) from error
        trouble = _timestamp(run.path, envelope, timestamp)
    return Sealed(
        statement=decode(payload),
        sha256=digest(envelope),
        timestamped=timestamp is not None and trouble is None,
        trouble=trouble,
    )


def _predicate(run: RunDirectory, clock: Clock, *, unfinished: bool) -> SealedRun:
    record = run.read_run_record()
    if record.ended is None and not unfinished:
        raise InputError(
            f"{run.path}: did not end",
            hint=f"harness seal {run.path} --unfinished  # where nothing of it goes on any more",
        )
    judgement = run.read_judgement()
    chain = bundle.chain_of(run.path)
    if chain.breaks:
        raise InputError(f"{run.history}: is broken before it was sealed: {chain.breaks[0].says}")
    sequence, before = _head(run.path.parent)
    return SealedRun(
        run=record.run,
        suite=record.suite,
        environment=record.environment,
        verdict=judgement.verdict,
        started=record.started,
        ended=record.ended,
        sealed=clock.now().utc,
        user=getpass.getuser(),
        host=socket.gethostname(),
        harness=__version__,
        sequence=sequence,
        before=before,
        history=HistorySeal(lines=chain.lines, head=chain.head, chained=chain.chained),
    )


def _digests(run: Path) -> dict[str, str]:
    found = {}
    for name in bundle.files(run):
        path = run / name
        if path.is_symlink() or not path.is_file():
            raise InputError(f"{path}: is no file of its own: it cannot be sealed")
        found[name] = bundle.digest_of(path)
    return found


def _head(runs: Path) -> tuple[int, RunBefore | None]:
    """How many were sealed, and the last of them: by its number, as a clock may have been set."""
    last: tuple[int, RunBefore] | None = None
    for path in bundle.sealed_runs(runs):
        content = (path / STATEMENT).read_bytes()
        try:
            statement = read_statement(open_envelope(content, ()))
        except ValueError as error:
            raise InputError(
                f"{path / STATEMENT}: cannot be read, and might be the run sealed last: {error}",
                hint=f"harness verify {runs} --key PUBLIC",
            ) from error
        sealed = statement.predicate
        if last is None or sealed.sequence > last[0]:
            last = sealed.sequence, RunBefore(run=sealed.run, sha256=digest(content))
    return (0, None) if last is None else (last[0] + 1, last[1])


def _timestamp(
    run: Path, envelope: bytes, timestamp: Callable[[bytes], bytes] | None
) -> str | None:
    if timestamp is None:
        return None
    try:
        write_durably(run / TIMESTAMP, timestamp(envelope))
    except (HarnessError, OSError) as error:
        return str(error)
    return None


@contextlib.contextmanager
def alone(runs: Path) -> Iterator[None]:
    """Waits for whoever seals or prunes in the same folder; the lock goes with its process.

    Whoever adds to a run holds it too, so that nothing is added while it is sealed.
    """
    try:
        lock = os.open(runs / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise RecordError(f"{runs / LOCK}: cannot be made: {error}", hint=f"df {runs}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
