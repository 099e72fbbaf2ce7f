"""The cache of what a lab is made from: where it is, and what an interrupted build left in it."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness.drivers import process

_WORK = "work"


def cache_directory() -> Path:
    """`HARNESS_CACHE_DIR`, else `harness` in the user's cache directory (XDG Base Directory)."""
    chosen = os.environ.get("HARNESS_CACHE_DIR")
    if chosen:
        return Path(chosen).resolve()
    base = os.environ.get("XDG_CACHE_HOME")
    return ((Path(base) if base else Path.home() / ".cache") / "harness").resolve()


def sweep(cache: Path) -> None:
    """Kills and removes what a build that was killed left; nobody else may be building."""
    work = cache / _WORK
    work.mkdir(parents=True, exist_ok=True)
    process.kill_below(work)
    for left in work.iterdir():
        shutil.rmtree(left, ignore_errors=True)


def work_directory(cache: Path) -> Path:
    """Where the processes of builds work, so that `sweep` finds them."""
    work = cache / _WORK
    work.mkdir(parents=True, exist_ok=True)
    return work


@contextlib.contextmanager
def renamed_when_done(path: Path, cache: Path) -> Iterator[Path]:
    """A directory which becomes `path` when the block ends well, and goes otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=work_directory(cache)))
    try:
        yield made
        made.chmod(0o755)
        made.rename(path)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def prune(folder: Path, pattern: str, keep: Path) -> None:
    """Removes what a folder keeps under a pattern, but for `keep`: earlier contents."""
    for path in folder.glob(pattern):
        if path != keep:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
