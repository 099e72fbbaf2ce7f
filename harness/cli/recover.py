"""`harness recover`: puts back what killed harness processes left broken, running and on disk."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from harness.cli import options
from harness.errors import HarnessError, HealError
from harness.faults.places import Places, default_state_directory


@click.command("recover")
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    default=default_state_directory,
    show_default="HARNESS_STATE_DIR, else /var/tmp/harness-<uid>",
    help="Where the harness wrote down what it started and what it broke.",
)
@options.settings
@click.option("--dry-run", is_flag=True, help="Only say what would be put back and removed.")
def command(state: Path, settings: Path, *, dry_run: bool) -> None:
    """Puts back what a killed harness left behind.

    Every directory that the harness fills, every server that it starts and everything that it
    breaks in a cluster was written down before, in its state directory or on the scratch disk of an
    environment; what belongs to a harness that still runs is left alone. So is a lab that is up;
    one that was left half made goes.

    What could not be put back is named, with exit code 5; the next `harness recover` tries again.
    """
    _enter_the_lab(state)
    done: list[str] = []
    failed: list[str] = []
    steps: tuple[Callable[[], tuple[list[str], list[str]]], ...] = (
        partial(_faults, state, dry_run=dry_run),
        partial(_places, state, settings, dry_run=dry_run),
        partial(_half_made_lab, state, dry_run=dry_run),
    )
    for step in steps:
        try:
            lines, failures = step()
        except HealError as error:
            lines, failures = [], [str(error)]
        done += lines
        failed += failures
    for line in done or ([] if failed else ["nothing was left behind"]):
        click.echo(line)
    if failed:
        raise HealError("; ".join(failed), hint="harness recover  # tries again")


def _faults(state: Path, *, dry_run: bool) -> tuple[list[str], list[str]]:
    """What drills broke in clusters; first, since what is broken may be somebody's service."""
    from harness.drivers.clock import HostClock
    from harness.faults.healing import Healing
    from harness.faults.intents import Intents
    from harness.faults.left_over import cleared_up

    if not Intents.are_at(state):
        return [], []
    from harness.nodes import choose

    healing = Healing(state, partial(choose, state=state))
    abandoned = healing.intents.abandoned(HostClock().now().utc)
    if dry_run:
        return [f"would put back: {one.action} (run {one.run})" for one in abandoned], []
    facts = healing.undo(abandoned)
    done = [f"{one.action}: {one.witness}" for one in facts if one.error is None]
    failed = [one.error for one in facts if one.error is not None]
    done += cleared_up(state, healing.cluster)
    try:
        healing.intents.open()
    except HarnessError as error:
        failed.append(str(error))
    return done, failed


def _enter_the_lab(state: Path) -> None:
    """Where a drill reached the lab's cluster from inside its network, so must whoever heals."""
    from harness.errors import InputError
    from harness.faults.intents import Intents
    from harness.lab.environment import enter, inside_kubeconfig

    if not Intents.are_at(state):
        return
    with contextlib.suppress(InputError):  # no lab is up
        if inside_kubeconfig(state) in Intents(state).kubeconfigs():
            enter(state, [sys.executable, "-m", "harness", *sys.argv[1:]])


def _places(state: Path, settings: Path, *, dry_run: bool) -> tuple[list[str], list[str]]:
    from harness.cli.left_behind import cleared
    from harness.settings import scratch_directories

    done: list[str] = []
    failed: list[str] = []
    for where in dict.fromkeys((state, *scratch_directories(settings))):
        if not Places.are_at(where):
            continue
        places = Places(where)
        if dry_run:
            done += [f"would remove {place.directory}" for place in places.abandoned()]
        else:
            lines, failures = cleared(places)
            done += lines
            failed += failures
    return done, failed


def _half_made_lab(state: Path, *, dry_run: bool) -> tuple[list[str], list[str]]:
    from harness.lab import lab

    if not lab.left_half_made(state):
        return [], []
    return (["would remove a half made lab"] if dry_run else list(lab.down(state))), []
