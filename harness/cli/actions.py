"""`harness actions`: what runs found to be mended, whose it is, and until when."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import options
from harness.cli.exit import FAILED, INCONCLUSIVE, PASSED

if TYPE_CHECKING:  # read when the command is called, so that --help is quick
    from harness.model.action import Action, Assignment


@click.group("actions")
def command() -> None:
    """What runs found to be mended: whose it is, and until when.

    \b
    harness actions list                                    open ones, overdue first
    harness actions assign A-1f2e3d4c --owner ada --due 2026-12-24
    harness actions assign A-1f2e3d4c --owner ada --due 2027-03-01 --accept "moves in March"

    Every finding that is not PASS opens an action, and the same question answered with PASS in a
    later run closes it. What people decide stands in actions.yaml: keep it with the targets.
    """


@command.command("list")
@options.runs
@options.as_json
def show(runs_directory: Path, *, json: bool) -> int:
    """List the actions that the newest run of each suite and environment left open.

    Exit code 1: one is overdue. Exit code 3: there is no run that could have left one.
    """
    import sys

    from harness.model.action import State
    from harness.model.codec import to_indented_json
    from harness.report.actions_screen import write_actions

    found, newest = _open(runs_directory)
    if json:
        click.echo(to_indented_json(found), nl=False)
    else:
        write_actions(found, sys.stdout)
    if not newest:
        click.echo(f"no run with actions in {runs_directory}", err=True)
        return INCONCLUSIVE
    return FAILED if any(one.state is State.OVERDUE for one in found) else PASSED


@command.command("assign")
@click.argument("action", metavar="ID")
@click.option("--owner", required=True, help="Whose it is.")
@click.option("--due", required=True, type=click.DateTime(["%Y-%m-%d"]), help="Until when.")
@click.option("--accept", default="", metavar="WHY", help="It is lived with until then.")
@options.runs
def assign(action: str, owner: str, due: datetime, accept: str, runs_directory: Path) -> int:
    """Give the action ID an owner and a date, in actions.yaml.

    It shows from the next run on: a run that ended is not written again.
    """
    from harness.errors import InputError
    from harness.follow_up import ACTIONS, read_assignments
    from harness.model.action import Assignment

    found, _ = _open(runs_directory)
    if action not in {one.id for one in found}:
        raise InputError(
            f"{action}: is no open action of the runs in {runs_directory}",
            hint=f"harness actions list --runs {runs_directory}",
        )
    assigned = read_assignments(ACTIONS)
    given = Assignment(id=action, owner=owner, due=due.date(), accepted=accept)
    assigned[action] = given
    _write(ACTIONS, assigned)
    click.echo(f"{action}: {owner}, until {given.due}, in {ACTIONS}")
    return PASSED


def _open(runs: Path) -> tuple[tuple[Action, ...], tuple[str, ...]]:
    """The open actions with what is assigned today, and the runs that they are of."""
    from harness.compliance.actions import assigned_on
    from harness.drivers.clock import HostClock
    from harness.errors import InputError
    from harness.follow_up import ACTIONS, read_assignments
    from harness.report.actions_table import read_actions
    from harness.store import RunDirectory

    newest: dict[str, RunDirectory] = {}
    for path in sorted(runs.iterdir()) if runs.is_dir() else ():
        directory = RunDirectory(path)
        if not path.is_symlink() and directory.actions.is_file():
            newest[path.name.partition("-")[2]] = directory
    assignments = read_assignments(ACTIONS)
    today = HostClock().now().utc.date()
    found: list[Action] = []
    for directory in newest.values():
        try:
            left = read_actions(directory.actions.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise InputError(
                f"{directory.actions}: {error}", hint=f"harness report {directory.path}"
            ) from error
        found += [one for one in left if one.open]
    return assigned_on(found, assignments, today), tuple(one.path.name for one in newest.values())


def _write(path: Path, assigned: dict[str, Assignment]) -> None:
    """The whole file, at once: a reader sees the old one or the new one."""
    import msgspec
    import yaml

    from harness.errors import InputError
    from harness.faults.places import write_durably
    from harness.model.action import Assignments

    content = msgspec.to_builtins(
        Assignments(actions=tuple(assigned[key] for key in sorted(assigned)))
    )
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    said = "# Whose the actions are that runs have found; `harness actions assign` writes it.\n"
    try:
        write_durably(path, (said + text).encode())
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
