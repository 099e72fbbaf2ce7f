"""`harness recover`: removes what killed harness processes left running and on disk."""

from __future__ import annotations

from pathlib import Path

import click

from harness.faults.places import Places, default_state_directory


@click.command("recover")
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    default=default_state_directory,
    show_default="HARNESS_STATE_DIR, else /var/tmp/harness-<uid>",
    help="Where the harness wrote down what it started.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
def command(state: Path, *, dry_run: bool) -> None:
    """Puts back what a killed harness left behind.

    Every directory that the harness fills and every server that it starts was written down before;
    what belongs to a harness that still runs is left alone.
    """
    from harness.faults.recover import recover

    places = Places(state)
    if dry_run:
        done = tuple(f"would remove {place.directory}" for place in places.abandoned())
    else:
        done = recover(places)
    for line in done or ("nothing was left behind",):
        click.echo(line)
