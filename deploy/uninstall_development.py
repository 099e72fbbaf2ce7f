"""Uninstalls from the running environment what only developing the harness needs.

requirements.lock has everything in one list, with one set of hashes; the image wants a part of it.
What the harness needs is asked of pyproject.toml and, from there, of what is installed; pip itself
goes, too. Touches only the environment of the Python that runs it.
"""

# ruff: noqa: INP001 - a script of its own

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distributions, requires
from itertools import chain
from pathlib import Path

from pip._internal.cli.main import main as pip
from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name


def needed(texts: list[str]) -> set[str]:
    """The packages that these requirements ask for, and those that they need in turn."""
    found: set[str] = set()
    left = [(Requirement(text), "") for text in texts]
    seen = set()
    while left:
        requirement, extra = left.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        found.add(name)
        for wanted in ("", *requirement.extras):
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                left += [(Requirement(text), wanted) for text in _requires(name)]
    return found


def _requires(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:  # for another platform or version of Python
        return []


def main(pyproject: Path) -> int:
    """Keeps what the project and all of its extras need."""
    project = tomllib.loads(pyproject.read_text())["project"]
    extras = chain.from_iterable(project["optional-dependencies"].values())
    keep = needed([*project["dependencies"], *extras])
    installed = {canonicalize_name(found.metadata["Name"]) for found in distributions()}
    return pip(["uninstall", "--yes", *sorted((installed - keep) | {"pip"})])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
