"""`harness plan`: prints what a run would do and touch; touches nothing."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli import options


@click.command("plan")
@click.argument("suite")
@options.environment
@options.documents
@options.seed
@options.as_json
@click.option("--only", multiple=True, metavar="SCENARIO", help="Only these; may be repeated.")
def command(  # noqa: PLR0913 - one for each option
    suite: str,
    environment: str,
    settings: Path,
    targets_directory: Path,
    suites_directory: Path,
    seed: int | None,
    only: tuple[str, ...],
    *,
    json: bool,
) -> None:
    """Print the trials of SUITE in an environment, their deadlines and their blast radius."""
    from harness.cli.planning import plan_for, show_plan
    from harness.model.codec import to_indented_json

    plan = plan_for(
        suite, environment, settings, targets_directory, suites_directory, seed=seed or 0, only=only
    )
    click.echo(to_indented_json(plan) if json else show_plan(plan), nl=False)
