"""Gives out the files of a run: what is listed, as text or to keep, never as a page of ours.

Artefacts hold what servers and tools said: a browser must run none of it.
"""

from __future__ import annotations

import itertools
import mimetypes
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from starlette.responses import StreamingResponse

from harness.seal import bundle
from harness.seal.statement import SEAL_FILES, SUMS

MOST_LISTED = 2_000
MOST_SHOWN_BYTES = 8 * 2**20
"""What is longer is given to keep: a browser would choke on it."""

_BLOCK = 2**16

_FILE_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"
"""`sandbox` without a word after it: no script, no form, an origin of its own (CSP Level 3)."""

_REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'none'"
)
"""Of report.html, whose style stands in it and which may not run anything."""

_REPORT = "report.html"
_TEXTS = frozenset({
    ".json", ".jsonl", ".log", ".txt", ".prom", ".xml", ".md", ".csv", ".conf", ".toml", ".yaml",
    ".yml", ".out", ".err",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFile:
    """One regular file of a run."""

    name: str
    """Its path in the run directory, with `/`."""

    size: int


def listed(run: Path) -> tuple[tuple[RunFile, ...], bool]:
    """The files of a run by their names, and whether there are more than are listed."""
    found = tuple(itertools.islice(_files(run), MOST_LISTED + 1))
    return found[:MOST_LISTED], len(found) > MOST_LISTED


def find(run: Path, name: str) -> RunFile | None:
    """The file of that name among all of the run's; None: there is none."""
    return next((file for file in _files(run) if file.name == name), None)


def _files(run: Path) -> Iterator[RunFile]:
    of_seal = sorted([*SEAL_FILES, SUMS])
    for name in itertools.chain(bundle.files(run), of_seal):
        try:
            found = os.lstat(run / name)
        except OSError:
            continue  # it went just now
        if stat.S_ISREG(found.st_mode):  # a link could lead anywhere
            yield RunFile(name=name, size=found.st_size)


def response(run: Path, file: RunFile, *, keep: bool) -> StreamingResponse:
    """The content of a file of the listing; raises OSError where it is gone, or is a link now."""
    handle = _open_below(run, file.name)
    size = os.fstat(handle).st_size
    suffix = Path(file.name).suffix.lower()
    shown = not keep and size <= MOST_SHOWN_BYTES
    if file.name == _REPORT and not keep:
        kind, policy, shown = "text/html; charset=utf-8", _REPORT_POLICY, True
    elif shown and (suffix in _TEXTS or not suffix):
        kind, policy = "text/plain; charset=utf-8", _FILE_POLICY
    else:
        guessed = mimetypes.guess_type(file.name)[0] if suffix == ".pdf" else None
        kind, policy, shown = guessed or "application/octet-stream", _FILE_POLICY, False
    disposition = "inline" if shown else "attachment"
    headers = {
        "content-security-policy": policy,
        "content-disposition": f"{disposition}; filename*=UTF-8''{quote(Path(file.name).name)}",
        "content-length": str(size),
    }
    return StreamingResponse(_blocks(handle, size), media_type=kind, headers=headers)


def _blocks(handle: int, size: int) -> Iterator[bytes]:
    """Exactly `size` bytes, or fewer where the file became shorter: what is appended waits."""
    with os.fdopen(handle, "rb") as file:
        left = size
        while left and (block := file.read(min(_BLOCK, left))):
            left -= len(block)
            yield block


def _open_below(run: Path, name: str) -> int:
    """Opens a file folder by folder: no link is followed, whatever changed since the listing."""
    directory = os.open(run, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        *folders, last = name.split("/")
        for folder in folders:
            below = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
            os.close(directory)
            directory = below
        return os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    finally:
        os.close(directory)
