"""`harness watchdog`: undoes what a harness that is gone has broken; started by drills."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import click

from harness.faults.places import default_state_directory


@click.command("watchdog", hidden=True)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    default=default_state_directory,
    help="Where the harness wrote down what it broke.",
)
@click.option("--owner-pid", type=int, help="The process of the drill; none: it is gone.")
@click.option("--owner-started", type=float, default=0.0, help="When that process began.")
@click.option(
    "--in-cluster", is_flag=True, help="Watch the cluster of this pod, for ever (deploy/watchdog)."
)
@click.option("--helper-image", help="For pods on nodes; needed with --in-cluster.")
def command(
    state: Path,
    owner_pid: int | None,
    owner_started: float,
    *,
    in_cluster: bool,
    helper_image: str | None,
) -> None:
    """Undoes what a drill has broken when it is gone, or when its time is over.

    A drill starts it by itself. It ends when the drill has ended and nothing is left to undo.
    """
    from harness.drill.interruption import interruptible
    from harness.faults import owners, watchdog
    from harness.faults.healing import Healing
    from harness.nodes import choose

    if in_cluster:
        if helper_image is None:
            raise click.UsageError("--in-cluster needs --helper-image")
        _watch_cluster(helper_image)
        return
    with interruptible():
        watchdog.watch(
            Healing(state, partial(choose, state=state)),
            lambda: owner_pid is not None and owners.lives(owner_pid, owner_started),
            click.echo,
            pause=time.sleep,
        )


def _watch_cluster(helper_image: str) -> None:
    from harness.drill.interruption import interruptible
    from harness.drivers.kubernetes import Cluster
    from harness.faults import watchdog

    with interruptible():
        watchdog.watch_cluster(Cluster.in_cluster(), helper_image, click.echo, pause=time.sleep)
