"""Finds an environment by its name: of harness.toml, or the lab that is up."""

from __future__ import annotations

import sys
from pathlib import Path

from harness.faults.places import default_state_directory
from harness.settings import LAB, Environment, load_environment


def environment_named(name: str, settings: Path) -> Environment:
    """The environment of that name; for `lab` this command begins anew inside the lab's network.

    Raises InputError where there is none, or no lab is up.
    """
    if name != LAB:
        return load_environment(name, settings)
    from harness.lab.environment import enter, lab_environment

    state = default_state_directory()
    enter(state, [sys.executable, "-m", "harness", *sys.argv[1:]])
    return lab_environment(state)
