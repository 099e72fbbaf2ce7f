"""Reads what a project keeps beside its runs for whoever follows them up: controls and actions."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from harness.decoding import read_yaml
from harness.frameworks import load_frameworks
from harness.model.action import Assignment, Assignments
from harness.model.compliance import Framework

CONTROLS = Path("controls")
ACTIONS = Path("actions.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """The frameworks that runs are held against, and who takes care of what they found."""

    frameworks: tuple[Framework, ...] = ()
    assignments: dict[str, Assignment] = field(default_factory=dict)


def read_follow_up(project: Path = Path()) -> FollowUp:
    """From `controls/` and `actions.yaml` of a folder; either may be missing.

    Raises InputError where one is there and is wrong.
    """
    directory = project / CONTROLS
    return FollowUp(
        frameworks=load_frameworks(directory) if directory.is_dir() else (),
        assignments=read_assignments(project / ACTIONS),
    )


def read_assignments(path: Path) -> dict[str, Assignment]:
    """Action -> what people decided of it; nothing where there is no such file.

    Raises InputError.
    """
    if not path.is_file():
        return {}
    return {one.id: one for one in read_yaml(path, Assignments).actions}
