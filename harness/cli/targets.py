"""`harness targets`: lists the documented targets, and checks that their files can be read."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli import options
from harness.model.codec import to_json
from harness.model.quantity import show_duration
from harness.model.target import (
    BackupFrequency,
    Encryption,
    Immutability,
    Integrity,
    Objective,
    RecoveryPoint,
    RecoveryTime,
    Replication,
    Retention,
    Volume,
)


@click.group("targets")
def command() -> None:
    """The documented targets: what the architecture document promises."""


@command.command("list")
@options.documents
@options.as_json
def list_(targets_directory: Path, suites_directory: Path, *, json: bool) -> None:  # noqa: ARG001
    """Print every target with what it covers and where the document says it."""
    from harness.targets import load_targets

    targets = load_targets(targets_directory)
    if json:
        click.echo(to_json(targets))
        return
    width = max(len(target.id) for target in targets)
    for target in targets:
        where = target.source.section if target.source else "not in the document"
        covers = ", ".join(target.covers)
        click.echo(f"{target.id:<{width}}  {promise(target.objective)}  [{covers}]  {where}")


@command.command("check")
@options.documents
def check(targets_directory: Path, suites_directory: Path) -> None:
    """Read all target and suite files; exit 2 where one is wrong, and say which, where and why."""
    from harness.suites import load_suite
    from harness.targets import load_targets

    targets = load_targets(targets_directory)
    suites = [load_suite(path.stem, suites_directory) for path in suites_directory.glob("*.yaml")]
    click.echo(f"{len(targets)} targets and {len(suites)} suites can be read")


def promise(objective: Objective) -> str:  # noqa: PLR0911 - one line for each kind
    """The objective in words."""
    match objective:
        case RecoveryTime(at_most=limit):
            return f"recovery time (RTO) <= {show_duration(limit)}"
        case RecoveryPoint(at_most=limit):
            return f"recovery point (RPO) <= {show_duration(limit)}"
        case BackupFrequency(every=every, grace=grace):
            return f"a backup every {show_duration(every)} (grace {show_duration(grace)})"
        case Retention(at_least=limit, point_in_time=any_second):
            reach = "to any second of" if any_second else "back"
            return f"restores reach {reach} {show_duration(limit)}"
        case Encryption(algorithm=algorithm):
            return f"every object encrypted with {algorithm}"
        case Replication(lag_at_most=limit):
            return f"another region holds all, at most {show_duration(limit)} behind"
        case Immutability(at_least=limit):
            return f"no backup can be deleted for {show_duration(limit)}"
        case Integrity():
            return "restored data is the data that was written"
        case Volume(size=size):
            return f"{size} an instance"
