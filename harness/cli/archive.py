"""`harness archive`: keeps sealed runs in a locked bucket, and compares and fetches them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import options
from harness.cli.exit import FAILED, PASSED

if TYPE_CHECKING:  # boto3's types are read where something is archived
    from harness.settings import Archive, Environment


@click.group("archive")
def command() -> None:
    """Keep sealed runs where nobody can change them: a bucket with S3 Object Lock.

    \b
    harness archive put -e staging                    the latest run; again: goes on where it was
    harness archive put -e staging --all              whatever is sealed and not there yet
    harness archive list -e staging                   what is there, until when, and what is here
    harness archive fetch RUN copy -e staging         a copy, as it was put there
    harness verify copy/RUN --key seal.pem.pub        ... which a reviewer then verifies

    [environments.NAME.archive] of harness.toml names the bucket; every run that is sealed goes
    there when it ends (docs/evidence.md).
    """


@command.command("put")
@click.argument("run", required=False)
@options.environment
@options.settings
@click.option("--all", "every", is_flag=True, help="All sealed runs that are not there yet.")
def put(run: str | None, environment: str, settings: Path, *, every: bool) -> int:
    """Put RUN, or the latest one, into the locked bucket: each file once, the seal last.

    Exit code 0: it is there, and its locks were read back.
    """
    from harness.archive.comparing import Here, compare
    from harness.cli.archiving import archive_as_set
    from harness.store import RunDirectory

    found, archive = _settings(environment, settings)
    if every:
        missing = [
            one.run for one in compare(archive.store, found.runs) if one.here is Here.NOT_ARCHIVED
        ]
        for name in missing:
            archive_as_set(RunDirectory.find(name, found.runs), archive)
        if not missing:
            click.echo("nothing to archive: every sealed run is there", err=True)
        return PASSED
    archive_as_set(RunDirectory.find(run, found.runs), archive)
    return PASSED


@command.command("list")
@options.environment
@options.settings
def show(environment: str, settings: Path) -> int:
    """List what is in the locked bucket, beside what is in the folder of runs.

    Exit code 1: a run here has another seal than the one that was archived.
    """
    from harness.archive.comparing import Here, compare

    found, archive = _settings(environment, settings)
    runs = compare(archive.store, found.runs)
    for one in runs:
        where = "-" if one.archived is None else f"archived {one.archived:%Y-%m-%d %H:%M:%S}"
        until = "not locked" if one.archived else "-"
        if one.locked is not None:
            until = f"locked until {one.locked[1]:%Y-%m-%d} ({one.locked[0]})"
        click.echo(f"{one.run}  {where}  {until}  {one.here}")
    if not runs:
        click.echo("no run, neither there nor here", err=True)
    return FAILED if any(one.here is Here.OTHER for one in runs) else PASSED


@command.command("fetch")
@click.argument("run")
@click.argument("into", type=click.Path(path_type=Path, file_okay=False))
@options.environment
@options.settings
def fetch(run: str, into: Path, environment: str, settings: Path) -> int:
    """Copy RUN from the locked bucket to INTO/RUN, as it was put there.

    Exit code 0: all of it was copied; what somebody wrote over it, or tried to delete, is named.
    """
    from harness.archive import fetching

    _, archive = _settings(environment, settings)
    fetched = fetching.fetch(archive.store, run, into)
    for name in fetched.overwritten:
        click.echo(f"{name}: has later versions, which were left there", err=True)
    for name in fetched.hidden:
        click.echo(f"{name}: has a delete marker", err=True)
    click.echo(f"{fetched.files} files; now: harness verify {fetched.path} --key PUBLIC", err=True)
    click.echo(fetched.path)
    return PASSED


def _settings(environment: str, settings: Path) -> tuple[Environment, Archive]:
    from harness.cli.environments import environment_named
    from harness.errors import InputError

    found = environment_named(environment, settings)
    if found.archive is None:
        raise InputError(
            f"environment {environment}: names no archive",
            hint=f"[environments.{environment}.archive] in {settings}: docs/evidence.md",
        )
    return found, found.archive
