"""Seals runs as their environment says: with a key of a file, or a command that signs."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from harness.errors import HarnessError, RecordError
from harness.ports import Clock
from harness.settings import Sealing
from harness.store import RunDirectory

if TYPE_CHECKING:  # cryptography is read where something is sealed
    from harness.seal.signing import Sign


def seal_at_its_end(run: RunDirectory, sealing: Sealing, clock: Clock) -> None:
    """Seals a run that was just judged. Whatever keeps it from being sealed is told at once, and
    kept with the run: an interruption that is on its way goes first.
    """
    try:
        seal_as_set(run, sealing, clock)
    except HarnessError as error:
        run.not_kept = RecordError(
            f"{run.path}: is not sealed: {error}",
            hint=f"harness seal {run.path} --key PRIVATE",
        )
        sys.stderr.write(f"NOT SEALED: {error}\n")


def seal_as_set(
    run: RunDirectory, sealing: Sealing, clock: Clock, *, unfinished: bool = False
) -> None:
    """Seals a run, and says by which digest; raises what harness.seal.sealing.seal raises."""
    from harness.seal import timestamps
    from harness.seal.sealing import seal

    sealed = seal(
        run,
        signer(sealing),
        clock,
        timestamp=None if sealing.timestamp is None else partial(timestamps.ask, sealing.timestamp),
        unfinished=unfinished,
    )
    if sealed.trouble is not None:
        sys.stderr.write(f"sealed without a timestamp: {sealed.trouble}\n")
    sys.stderr.write(f"sealed: {run.path.name}, SHA-256 {sealed.sha256}\n")


def signer(sealing: Sealing) -> Sign:
    """Whoever signs; raises InputError where a key cannot be read."""
    from harness.seal.signing import CommandSigner, read_public_key, read_signer

    if sealing.key is not None:
        return read_signer(sealing.key.expanduser())
    if sealing.public_key is None:
        raise AssertionError("settings have a public key with every command")
    return CommandSigner(
        command=sealing.command, key=read_public_key(sealing.public_key.expanduser())
    )
