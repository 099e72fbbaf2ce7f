"""`harness demo`: a whole rehearsal on real servers of its own, in about two minutes."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from harness.cli import options


@click.command("demo")
@options.documents
@options.runs
@options.seed
@options.as_json
@click.option(
    "--scale",
    type=click.FloatRange(min=0.1),
    default=1.0,
    show_default=True,
    help="Size of the data: 1 is about 200 MB, 20 is gigabytes.",
)
@click.option(
    "--break",
    "broken",
    metavar="NAME",
    help="Plant one damage first and see it found; `--break list` names them.",
)
@click.option("--suite", default="weekly-restore", show_default=True)
@click.option("--only", multiple=True, metavar="SCENARIO", help="Only these; may be repeated.")
def command(  # noqa: PLR0913 - one for each option
    targets_directory: Path,
    suites_directory: Path,
    runs_directory: Path,
    seed: int | None,
    suite: str,
    scale: float,
    broken: str | None,
    only: tuple[str, ...],
    *,
    json: bool,
) -> int:
    """Rehearse the weekly restore validation on real servers, started for it and removed after it.

    Two S3 regions with replication, PostgreSQL with pgBackRest, a Redis cluster with AOF shipping,
    writers that keep a ledger; every number in the report comes from this run.
    """
    from harness.cli.practising import practise
    from harness.practice.damage.catalogue import damage_named, list_damages

    if broken == "list":
        for line in list_damages():
            click.echo(line)
        return 0
    return practise(
        suite,
        targets_directory,
        suites_directory,
        scale=scale,
        seed=secrets.randbits(32) if seed is None else seed,
        only=only,
        json=json,
        damage=None if broken is None else damage_named(broken),
        runs=runs_directory,
    )
