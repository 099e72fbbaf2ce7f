"""Decides what an error speaks against: the backup, the time allowed or the surroundings. Pure."""

from __future__ import annotations

from harness.errors import DeadlineExceededError, HarnessError, RestoreError
from harness.model.history import Blame

# What tools pass on from strerror(3) (errno ENOSPC, EDQUOT, EMFILE, ENOMEM, EADDRINUSE), and what
# drivers/process.py says where a program is missing: a tool's text is all that there is of them.
_OF_THE_SURROUNDINGS = (
    "No space left on device",
    "Disk quota exceeded",
    "Too many open files",
    "Cannot allocate memory",
    "Address already in use",
    "no such program",
)


def blame(error: HarnessError) -> Blame:
    """What the error of a restore or of a step is to be judged as.

    RestoreError is what drivers raise where a backup could not be listed, fetched, decrypted or
    replayed: it speaks against the backup unless its text names a resource of this host.
    """
    if isinstance(error, DeadlineExceededError):
        return Blame.DEADLINE
    if isinstance(error, RestoreError) and not any(
        text in str(error) for text in _OF_THE_SURROUNDINGS
    ):
        return Blame.BACKUP
    return Blame.SURROUNDINGS
