"""Reads a suite, what is rehearsed, from suites/*.yaml."""

from __future__ import annotations

from pathlib import Path

from harness.decoding import read_yaml
from harness.errors import InputError
from harness.model.conformance import Conformance
from harness.model.game_day import GameDay
from harness.model.load_test import LoadTest
from harness.model.suite import Suite

Rehearsed = Suite | GameDay | LoadTest | Conformance
"""What a file of suites/ may be; its `kind` says which."""


def load_suite(name: str, directory: Path) -> Rehearsed:
    """The suite of that name, or in that file; its `kind` says what it rehearses.

    Raises InputError where there is none, or where its name is not its file's.
    """
    path = Path(name) if name.endswith(".yaml") else directory / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in directory.glob("*.yaml"))) or "none"
        raise InputError(
            f"suite: got {name!r}, expected one of {directory}: {known}",
            hint=f"ls {directory}",
        )
    suite: Rehearsed = read_yaml(path, Rehearsed)
    if suite.suite != path.stem:
        raise InputError(f"{path}: $.suite: got {suite.suite!r}, expected {path.stem!r}")
    return suite
