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


def documents(command: Command) -> Command:
    """Where targets and suites are read from."""
    command = click.option(
        "--targets",
        "targets_directory",
        type=click.Path(path_type=Path),
        default=Path("targets"),
        show_default=True,
        help="Folder of the documented targets.",
    )(command)
    return click.option(
        "--suites",
        "suites_directory",
        type=click.Path(path_type=Path),
        default=Path("suites"),
        show_default=True,
        help="Folder of the suites.",
    )(command)


def experiments(command: Command) -> Command:
    """Where experiments are read from."""
    return click.option(
        "--experiments",
        type=click.Path(path_type=Path),
        default=Path("experiments"),
        show_default=True,
        help="Folder of the Chaos Toolkit experiments.",
    )(command)


def runs(command: Command) -> Command:
    """Where runs are stored."""
    return click.option(
        "--runs",
        "runs_directory",
        type=click.Path(path_type=Path),
        default=Path("runs"),
        show_default=True,
        help="Folder of the run directories.",
    )(command)


def seed(command: Command) -> Command:
    """The seed of everything random."""
    return click.option(
        "--seed", type=int, default=None, help="Repeats a run's random choices; recorded in it."
    )(command)


def as_json(command: Command) -> Command:
    """--json for machines."""
    return click.option("--json", "json", is_flag=True, help="Print JSON, for a machine.")(command)
