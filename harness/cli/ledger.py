"""`harness ledger write`: keeps the ledger of acknowledged writes that the RPA is measured by."""

from __future__ import annotations

from pathlib import Path

import click


@click.group("ledger")
def command() -> None:
    """The ledger: a few writes a second, and a journal of which were acknowledged."""


@command.command("write")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    required=True,
    help="Subject, endpoint, rate, folder of the journals: docs/environments.md.",
)
def write(config: Path) -> int:
    """Write and keep the journal until SIGTERM.

    Run it outside the database's blast radius, on the machine whose clock measures: the one that
    runs the harness.
    """
    from harness.ledger.continuous import main

    return main(["--config", str(config)])
