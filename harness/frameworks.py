"""Reads the control frameworks from controls/*.yaml."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from harness.decoding import read_yaml
from harness.errors import InputError
from harness.model.compliance import Framework


def load_frameworks(
    directory: Path, targets: Collection[str] | None = None
) -> tuple[Framework, ...]:
    """All frameworks of a directory, in the order of the file names.

    Raises InputError for an unknown key, an id given twice, a target that is none of `targets`
    (where they are given), and for a directory without any framework.
    """
    frameworks = []
    for path in sorted(directory.glob("*.yaml")):
        framework = read_yaml(path, Framework)
        if framework.framework != path.stem:
            raise InputError(f"{path}: framework: got {framework.framework!r}, expected the name")
        seen: set[str] = set()
        for control in framework.controls:
            for objective in control.objectives:
                if objective.id in seen:
                    raise InputError(f"{path}: objective {objective.id} is given twice")
                seen.add(objective.id)
                for one in objective.evidence:
                    if targets is not None and one.target is not None and one.target not in targets:
                        raise InputError(
                            f"{path}: objective {objective.id}: evidence: got target "
                            f"{one.target!r}, which is none",
                            hint="harness targets list",
                        )
        frameworks.append(framework)
    if not frameworks:
        raise InputError(
            f"{directory}: got no framework, expected controls/*.yaml", hint=f"ls {directory}"
        )
    return tuple(frameworks)
