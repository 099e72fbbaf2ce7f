"""`harness history prune`: which old runs may go, and, when told so, lets them go."""

from __future__ import annotations

import click


@click.command("prune")
def command() -> int:
    """Not there yet."""
    return 2
