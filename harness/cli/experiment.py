"""`harness experiment`: one experiment, as the supervisor of a game day starts it; not for people.

A process of its own for each: Chaos Toolkit keeps its state in its modules.
"""

from __future__ import annotations

from pathlib import Path

import click


@click.command("experiment", hidden=True)
@click.option("--config", type=click.Path(path_type=Path), required=True)
def command(config: Path) -> int:
    """Perform the experiment that a configuration describes, under supervision."""
    from harness.chaos.process import run

    return run(config)
