"""`harness targets`: lists the documented targets, and checks that their files can be read."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli import options
from harness.model.codec import to_json


@click.group("targets")
def command() -> None:
    """The documented targets: what the architecture document promises."""


@command.command("list")
@options.documents
@options.as_json
def list_(targets_directory: Path, suites_directory: Path, *, json: bool) -> None:  # noqa: ARG001
    """Print every target with what it covers and where the document says it."""
    from harness.report.wording import objective
    from harness.targets import load_targets

    targets = load_targets(targets_directory)
    if json:
        click.echo(to_json(targets))
        return
    width = max(len(target.id) for target in targets)
    for target in targets:
        where = target.source.section if target.source else "not in the document"
        covers = ", ".join(target.covers)
        click.echo(f"{target.id:<{width}}  {objective(target.objective)}  [{covers}]  {where}")


@command.command("check")
@options.documents
def check(targets_directory: Path, suites_directory: Path) -> None:
    """Read all target and suite files; exit 2 where one is wrong, and say which, where and why."""
    from harness.suites import load_suite
    from harness.targets import load_targets

    targets = load_targets(targets_directory)
    suites = [load_suite(path.stem, suites_directory) for path in suites_directory.glob("*.yaml")]
    click.echo(f"{len(targets)} targets and {len(suites)} suites can be read")
