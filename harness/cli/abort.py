"""`harness abort`: tells the drill that is going on to stop, and says what it puts back."""

from __future__ import annotations

from pathlib import Path

import click

from harness.faults.places import default_state_directory


@click.command("abort")
@click.argument("run", required=False)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    default=default_state_directory,
    show_default="HARNESS_STATE_DIR, else /var/tmp/harness-<uid>",
    help="Where the harness wrote down what it broke.",
)
def command(run: str | None, state: Path) -> None:
    """Stops the drill that is going on; it puts everything back, as after Ctrl-C.

    RUN, where it is given, must be the one that is going on. Returns as soon as the drill has
    answered, within two seconds; the drill itself ends when all is as it was.
    """
    from harness.faults import drill_lock

    drill, stopping = drill_lock.abort(state, run)
    click.echo(f"{drill.run} stops (process {drill.pid})")
    for action in stopping.putting_back or ("nothing is broken just now",):
        click.echo(f"  putting back: {action}" if stopping.putting_back else f"  {action}")
