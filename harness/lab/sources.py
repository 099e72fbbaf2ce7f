"""Where the lab's own sources are (programs, images, manifests), and what identifies them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from harness.errors import InputError

SOURCES = Path(__file__).parents[2] / "lab"


def source(*names: str) -> Path:
    """A file or folder of the lab's sources; raises InputError where this is no checkout."""
    path = SOURCES.joinpath(*names)
    if not path.exists():
        raise InputError(
            f"{path}: no such path; the lab is made from its sources, which a checkout has"
        )
    return path


def digest_of(*paths: Path) -> str:
    """SHA-256 over the relative names and contents of files and folders; order does not matter."""
    digest = hashlib.sha256()
    files = sorted(
        (file.relative_to(path.parent), file)
        for path in paths
        for file in (path.rglob("*") if path.is_dir() else (path,))
        if file.is_file() and not _is_cache(file.relative_to(path.parent))
    )
    for name, file in files:
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{name} {content}\n".encode())
    return digest.hexdigest()


def _is_cache(file: Path) -> bool:
    """What tools leave beside the sources: `__pycache__`, `.mypy_cache` and their like."""
    return any(part.startswith(".") or part == "__pycache__" for part in file.parts[:-1])
