"""Removes old run directories whole, and keeps a log of who removed what.

Each run is renamed aside at once and then deleted: whoever is killed in between leaves whole runs
only, and the next one clears what lies aside. The log is written before anything is touched: it
may name a run that is still there, and none is gone that it does not name.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from harness.errors import RecordError
from harness.model.codec import to_json
from harness.seal import bundle
from harness.seal.chain import digest
from harness.seal.pruned import LOG, PrunedRun
from harness.seal.sealing import alone
from harness.seal.statement import STATEMENT

ASIDE = ".pruned"
"""Below the folder of runs: what is renamed there is about to be deleted."""


def prune(runs: Path, names: Iterable[str], now: datetime) -> tuple[str, ...]:
    """Removes those run directories, in that order; the names of those that were there.

    Nobody seals meanwhile. Raises RecordError where the disk does not take the log, or a run cannot
    be removed.
    """
    with alone(runs):
        clear(runs)
        there = [name for name in names if (runs / name).is_dir()]
        try:
            _log(runs / LOG, [_entry(runs / name, now) for name in there])
            (runs / ASIDE).mkdir(exist_ok=True)
            for name in there:
                (runs / name).rename(runs / ASIDE / name)
        except OSError as error:
            raise RecordError(
                f"{runs}: could not be pruned: {error}", hint="harness history prune again"
            ) from error
        clear(runs)
    return tuple(there)


def clear(runs: Path) -> None:
    """Deletes what lies aside; RecordError where it cannot be."""
    if not (runs / ASIDE).exists():
        return
    try:
        shutil.rmtree(runs / ASIDE)
    except OSError as error:
        raise RecordError(
            f"{runs / ASIDE}: cannot be deleted: {error}", hint=f"ls -ld {runs / ASIDE}"
        ) from error


def _entry(run: Path, now: datetime) -> PrunedRun:
    sealed = bundle.is_sealed(run)
    return PrunedRun(
        run=run.name,
        sha256=digest((run / STATEMENT).read_bytes()) if sealed else None,
        at=now,
        user=getpass.getuser(),
        host=socket.gethostname(),
    )


def _log(path: Path, entries: Iterable[PrunedRun]) -> None:
    """Appends, and has it on the disk before anything is removed."""
    with path.open("ab") as file:
        for one in entries:
            file.write(to_json(one) + b"\n")
        file.flush()
        os.fsync(file.fileno())
