"""`harness recover`: removes what killed harness processes left running and on disk."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli import options
from harness.faults.places import Places, default_state_directory


@click.command("recover")
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    default=default_state_directory,
    show_default="HARNESS_STATE_DIR, else /var/tmp/harness-<uid>",
    help="Where the harness wrote down what it started.",
)
@options.settings
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
def command(state: Path, settings: Path, *, dry_run: bool) -> None:
    """Puts back what a killed harness left behind.

    Every directory that the harness fills and every server that it starts was written down before,
    in its state directory or on the scratch disk of an environment; what belongs to a harness that
    still runs is left alone. So is a lab that is up; one that was left half made goes.
    """
    from harness.faults.recover import recover
    from harness.lab import lab
    from harness.settings import scratch_directories

    done: list[str] = []
    for where in dict.fromkeys((state, *scratch_directories(settings))):
        if not Places.are_at(where):
            continue
        places = Places(where)
        if dry_run:
            done += [f"would remove {place.directory}" for place in places.abandoned()]
        else:
            done += recover(places)
    if lab.left_half_made(state):
        done += ["would remove a half made lab"] if dry_run else lab.down(state)
    for line in done or ("nothing was left behind",):
        click.echo(line)
