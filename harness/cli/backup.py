"""`harness backup redis`: writes Redis backups in the layout of docs/redis-backup-layout.md."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import click

from harness.errors import InputError


@click.group("backup")
def command() -> None:
    """Backups for those who have no tool for it: Redis, above all clusters."""


@command.command("redis")
@click.argument("task", type=click.Choice(["snapshot", "ship-aof"]))
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    required=True,
    help="Nodes and bucket, JSON: docs/redis-backup-layout.md.",
)
def redis(task: str, config: Path) -> None:
    """Take one snapshot of every shard, or ship the AOF until SIGTERM.

    Daily snapshots alone may lose a day of writes; shipping loses at most its interval. Shipping
    reads the servers' own files: run it beside them.
    """
    from harness.backup.job import read_configuration, ship_until, snapshot_once

    job = read_configuration(config)
    if job.task != task:
        raise InputError(f"{config}: $.task: got {job.task!r}, expected {task!r}")
    if job.task == "snapshot":
        click.echo(snapshot_once(job).label)
        return
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    ship_until(job, stop, lambda text: click.echo(text, err=True))
