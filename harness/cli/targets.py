"""`harness targets`: lists the documented targets, and checks them against their document."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import options
from harness.cli.target_pages import command as pages_command
from harness.errors import InputError
from harness.model.codec import to_indented_json, to_json

if TYPE_CHECKING:
    from harness.document.drift import Drift
    from harness.document.mapping import DocumentMapping

NO_DRIFT, DRIFT = 0, 1


@click.group("targets")
def command() -> None:
    """The documented targets: what the architecture document promises."""


command.add_command(pages_command)


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
@click.option(
    "--document",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Compare the targets with this architecture document, both ways.",
)
@click.option(
    "--mapping",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where that document has what the targets name; docs/document.md.",
)
@click.option(
    "--today",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The day at which a review is overdue; default: today, UTC.",
)
@click.option(
    "--feasibility",
    is_flag=True,
    help="Look for contradictions between the targets instead; --document gives their lines.",
)
@click.option(
    "-e",
    "--environment",
    metavar="NAME",
    help="--feasibility: an environment whose cluster's settings count, read-only.",
)
@options.settings
@click.option(
    "--runs",
    type=click.Path(file_okay=False, path_type=Path),
    help="--feasibility: folder of the runs whose measured restores count.",
)
@options.documents
@options.as_json
@click.pass_context
def check(  # noqa: PLR0913 - each is an option
    context: click.Context,
    targets_directory: Path,
    suites_directory: Path,
    *,
    document: Path | None,
    mapping: Path | None,
    today: datetime | None,
    feasibility: bool,
    environment: str | None,
    settings: Path,
    runs: Path | None,
    json: bool,
) -> None:
    """Read all target and suite files; exit 2 where one is wrong, and say which, where and why.

    With --document: exit 0 where the document and the targets say the same, 1 where they differ,
    2 where nothing of it is what a target names, or a file cannot be read.

    With --feasibility: exit 0 without a contradiction, 1 with one, 2 with nothing to compare;
    --document and --mapping give their lines.
    """
    if feasibility:
        from harness.cli.feasibility import show_feasibility
        from harness.document.mapping import NO_MAPPING

        if mapping is not None and document is None:
            raise _mapping_alone(mapping)
        context.exit(
            show_feasibility(
                targets_directory,
                document=document,
                environment=environment,
                settings=settings,
                suites_directory=suites_directory,
                runs=runs,
                json=json,
                mapping=NO_MAPPING if mapping is None else _mapping(mapping, targets_directory),
            )
        )
    if document is not None:
        found = _drift(targets_directory, document, mapping, today or _now())
        _show(found, document, json=json)
        context.exit(DRIFT if found.drifted else NO_DRIFT)
    if mapping is not None:
        raise _mapping_alone(mapping)
    _read_all(targets_directory, suites_directory, json=json)


def _read_all(targets_directory: Path, suites_directory: Path, *, json: bool) -> None:
    from harness.suites import load_suite
    from harness.targets import load_targets

    targets = load_targets(targets_directory)
    suites = [load_suite(path.stem, suites_directory) for path in suites_directory.glob("*.yaml")]
    if json:
        click.echo(to_json({"targets": len(targets), "suites": len(suites)}))
        return
    click.echo(f"{len(targets)} targets and {len(suites)} suites can be read")


def _mapping_alone(mapping: Path) -> InputError:
    return InputError(
        "--mapping is of a document, and none was given",
        hint=f"harness targets check --document FILE --mapping {mapping}",
    )


def _mapping(file: Path, targets_directory: Path) -> DocumentMapping:
    from harness.decoding import read_yaml
    from harness.document.mapping import DocumentMapping, check_names
    from harness.targets import load_targets

    mapping = read_yaml(file, DocumentMapping)
    check_names(mapping, load_targets(targets_directory), str(file))
    return mapping


def _drift(
    targets_directory: Path, document: Path, mapping_file: Path | None, today: datetime
) -> Drift:
    from harness.document.drift import drift
    from harness.document.mapping import NO_MAPPING
    from harness.document.reading import read_document
    from harness.targets import load_target_files

    files = load_target_files(targets_directory)
    mapping = NO_MAPPING if mapping_file is None else _mapping(mapping_file, targets_directory)
    found = drift(read_document(document), files.values(), today=today.date(), mapping=mapping)
    if not found.recognised:
        raise InputError(
            f"{document}: nothing recognisable: got {_named(found.sections, 'headings')} and "
            f"{found.statements} statements, expected any of the {found.quoted} lines that "
            f"{found.targets} targets quote of {_named(found.sections_looked_for, 'headings')}",
            hint="name in a file where it has what: --mapping FILE (docs/document.md)",
        )
    return found


def _now() -> datetime:
    from harness.drivers.clock import HostClock

    return HostClock().now().utc


def _named(sections: tuple[str, ...], what: str, most: int = 12) -> str:
    if not sections:
        return f"no {what}"
    shown = ", ".join(f'"{one}"' for one in sections[:most])
    more = f" and {len(sections) - most} more" if len(sections) > most else ""
    return f"the {what} {shown}{more}"


def _show(found: Drift, document: Path, *, json: bool) -> None:
    from harness.document.show import next_command, written

    if json:
        click.echo(to_indented_json(found), nl=False)
        return
    for line in written(found, str(document)):
        click.echo(line)
    click.echo(next_command(found), file=sys.stderr)
