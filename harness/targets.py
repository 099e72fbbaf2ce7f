"""Reads the documented targets from targets/*.yaml."""

from __future__ import annotations

from pathlib import Path

from harness.decoding import read_yaml
from harness.errors import InputError
from harness.model.target import Target, TargetFile


def load_targets(directory: Path) -> tuple[Target, ...]:
    """All targets of a directory, in the order of file name and place.

    Raises InputError for an unknown key, a number without a unit, an id given twice, and for a
    directory without any target: nothing would be judged, and all would look well.
    """
    targets: list[Target] = []
    said: dict[str, Path] = {}
    for path in sorted(directory.glob("*.yaml")):
        for target in read_yaml(path, TargetFile).targets:
            if target.id in said:
                raise InputError(
                    f"{path}: target `{target.id}` is given twice, first in {said[target.id]}"
                )
            said[target.id] = path
            targets.append(target)
    if not targets:
        raise InputError(
            f"{directory}: got no target, expected targets/*.yaml",
            hint="harness targets list --targets DIRECTORY",
        )
    return tuple(targets)
