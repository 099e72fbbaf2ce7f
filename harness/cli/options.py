"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def environment(command: Command) -> Command:
    """-e/--environment and the file that defines it; there is no default environment."""
    command = click.option(
        "-e",
        "--environment",
        required=True,
        metavar="NAME",
        help="An environment of harness.toml, `demo`: the practice platform, or `lab`: the lab.",
    )(command)
    return settings(command)


def settings(command: Command) -> Command:
    """The file that defines the environments."""
    return click.option(
        "--settings",
        type=click.Path(path_type=Path),
        default=Path("harness.toml"),
        show_default=True,
        help="Where the environments are defined.",
    )(command)


def targets(command: Command) -> Command:
    """Where targets are read from."""
    return _folder("targets", "Folder of the documented targets.", "targets_directory")(command)


def documents(command: Command) -> Command:
    """Where targets and suites are read from."""
    command = targets(command)
    return _folder("suites", "Folder of the suites.", "suites_directory")(command)


def experiments(command: Command) -> Command:
    """Where experiments are read from."""
    return _folder("experiments", "Folder of the Chaos Toolkit experiments.")(command)


def profiles(command: Command) -> Command:
    """Where load profiles are read from."""
    told = "Load tests: folder of the load profiles."
    return _folder("profiles", told, default=Path("loadtests/profiles"))(command)


def controls(command: Command) -> Command:
    """Where control frameworks are read from."""
    return _folder("controls", "Folder of the control frameworks.", "controls_directory")(command)


def runs(command: Command) -> Command:
    """Where runs are stored."""
    return _folder("runs", "Folder of the run directories.", "runs_directory")(command)


def baseline(command: Command) -> Command:
    """What a load test is compared with."""
    return click.option(
        "--baseline",
        metavar="RUN",
        help="Load tests: the run that this one is compared with; default: the latest whole one of "
        "another version.",
    )(command)


def _folder(
    name: str, told: str, parameter: str | None = None, *, default: Path | None = None
) -> Callable[[Command], Command]:
    """An option that names a folder, by default the one of that name here."""
    return click.option(
        f"--{name}",
        parameter or name,
        type=click.Path(path_type=Path),
        default=default or Path(name),
        show_default=True,
        help=told,
    )


def seed(command: Command) -> Command:
    """The seed of everything random."""
    return click.option(
        "--seed", type=int, default=None, help="Repeats a run's random choices; recorded in it."
    )(command)


def as_json(command: Command) -> Command:
    """--json for machines."""
    return click.option("--json", "json", is_flag=True, help="Print JSON, for a machine.")(command)
