"""Reads the documented targets from targets/*.yaml."""

from __future__ import annotations

from pathlib import Path

from harness.decoding import read_yaml
from harness.errors import InputError
from harness.model.configuration import CONFIGURATION
from harness.model.target import Target, TargetFile


def load_targets(directory: Path) -> tuple[Target, ...]:
    """All targets of a directory, in the order of file name and place.

    Raises InputError for an unknown key, a number without a unit, an id given twice, and for a
    directory without any target: nothing would be judged, and all would look well.
    """
    return tuple(target for one in load_target_files(directory).values() for target in one.targets)


def load_drilled_targets(directory: Path) -> tuple[Target, ...]:
    """Those that a restore, a game day or a load test needs: all but how a platform is set up,
    which a conformance check alone looks at. Raises InputError as `load_targets`.
    """
    return tuple(
        one for one in load_targets(directory) if not isinstance(one.objective, CONFIGURATION)
    )


def load_target_files(directory: Path) -> dict[str, TargetFile]:
    """The files of a directory by their names without `.yaml`, in the order of the names.

    Raises InputError as `load_targets`.
    """
    files: dict[str, TargetFile] = {}
    said: dict[str, Path] = {}
    for path in sorted(directory.glob("*.yaml")):
        files[path.stem] = read_yaml(path, TargetFile)
        for target in files[path.stem].targets:
            if target.id in said:
                raise InputError(
                    f"{path}: target `{target.id}` is given twice, first in {said[target.id]}"
                )
            said[target.id] = path
    if not said:
        raise InputError(
            f"{directory}: got no target, expected targets/*.yaml",
            hint="harness targets list --targets DIRECTORY",
        )
    return files
