"""Reads the files of a run directory as a bundle: their digests, the chain, the envelope."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from harness.seal.chain import ChainRead, digest, read_chain
from harness.seal.statement import SEAL_FILES, STATEMENT, SUMS

_BLOCK = 2**20


def is_sealed(run: Path) -> bool:
    """Whether there is a seal, right or wrong."""
    return (run / STATEMENT).exists()


def files(run: Path) -> Iterator[str]:
    """The paths of all that a seal covers, with `/`, in their order; SHA256SUMS is not among them.

    Whatever is no regular file is named too: a link could lead to what changes.
    """
    for path in sorted(run.rglob("*")):
        name = path.relative_to(run).as_posix()
        if name in SEAL_FILES or name == SUMS or (path.is_dir() and not path.is_symlink()):
            continue
        yield name


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in blocks; raises OSError."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
    return found.hexdigest()


def chain_of(run: Path) -> ChainRead:
    """The chain of a run's history, which begins with the digest of plan.json; raises OSError."""
    begins_with = digest((run / "plan.json").read_bytes())
    with (run / "history.jsonl").open("rb") as lines:
        return read_chain(lines, begins_with)


def sealed_runs(runs: Path) -> Iterator[Path]:
    """The run directories of a folder that have a seal, in the order of their names."""
    for path in sorted(runs.iterdir()):
        if path.is_dir() and not path.is_symlink() and is_sealed(path):
            yield path
