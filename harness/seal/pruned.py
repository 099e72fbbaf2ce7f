"""Reads the log of runs that were pruned: what a folder says of runs that are not there any more.

It is not signed, and no proof: whoever can delete runs can write it. It tells the verifier that the
beginning of a chain was removed on purpose, by whom and when; and it explains nothing else.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

LOG = "pruned.jsonl"
"""In the folder of runs, one line for each run; only ever appended to."""


class PrunedRun(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run that was removed."""

    run: str
    sha256: str | None
    """Of its envelope's file; None: it was not sealed."""

    at: datetime
    """UTC, by the clock of `host`."""

    user: str
    host: str


def read_pruned(runs: Path) -> dict[str, PrunedRun]:
    """Run -> its last line; a line that cannot be read explains nothing."""
    try:
        lines = (runs / LOG).read_bytes().splitlines()
    except OSError:
        return {}
    found = {}
    for line in lines:
        try:
            one = msgspec.json.decode(line, type=PrunedRun)
        except msgspec.DecodeError:
            continue
        found[one.run] = one
    return found
