"""Reads harness.toml: the environments whose backups may be rehearsed."""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.decoding import read_toml
from harness.errors import InputError
from harness.model.subject import Subject

PRACTICE = "demo"
"""The one built-in environment: the practice platform, which may be broken."""


class Environment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One environment: its subjects, and where the harness may work."""

    subjects: tuple[Subject, ...]
    """One table each: `[[environments.staging.subjects]]`."""

    runs: Path = Path("runs")
    """Where run directories are written."""

    scratch: Path | None = None
    """Where restores are made: a disk with room for the largest subject, on a path that the
    servers' user may enter. None: the state directory (HARNESS_STATE_DIR)."""


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    environments: dict[str, Environment]


def load_environment(name: str, path: Path) -> Environment:
    """The environment of that name in harness.toml.

    Raises InputError where it is not there, has no subject, or takes the built-in's name.
    """
    environments = read_toml(path, _File).environments
    if PRACTICE in environments:
        raise InputError(
            f"{path}: $.environments.{PRACTICE}: the name is taken by the practice platform"
        )
    if name not in environments:
        known = ", ".join(sorted(environments)) or "none"
        raise InputError(
            f"environment: got {name!r}, expected {PRACTICE} or one of {path}: {known}",
            hint="harness run SUITE -e NAME",
        )
    environment = environments[name]
    if not environment.subjects:
        raise InputError(f"{path}: $.environments.{name}.subjects: got none, expected one or more")
    ids = [subject.id for subject in environment.subjects]
    if len(set(ids)) != len(ids):
        raise InputError(f"{path}: $.environments.{name}.subjects: an id is given twice: {ids}")
    return environment


def scratch_directories(path: Path) -> tuple[Path, ...]:
    """Where the environments of harness.toml make their restores, where that is their own disk;
    none where there is no such file. Raises InputError where it is wrong.
    """
    if not path.is_file():
        return ()
    chosen = (one.scratch for one in read_toml(path, _File).environments.values())
    return tuple(dict.fromkeys(scratch for scratch in chosen if scratch is not None))
