"""`harness history`: what each target and scenario showed over all runs, and where it goes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import options
from harness.cli.exit import exit_code
from harness.cli.pruning import command as prune_command

if TYPE_CHECKING:  # read when the command is called, so that --help is quick
    from harness.model.track_record import Detail, Trend
    from harness.settings import TrackRecord
    from harness.track_record.compose import Asked, Rows


class _ShowOrPrune(click.Group):
    """`harness history TARGET` without another word for showing it."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(context, args if args[:1] == ["prune"] else ["show", *args])

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, found, rest = super().resolve_command(context, args)
        return ("" if name == "show" else name), found, rest


@click.group("history", cls=_ShowOrPrune)
def command() -> None:
    """What each target showed over all runs."""


command.add_command(prune_command)


@command.command("show")
@click.argument("target", required=False)
@click.option("-e", "--environment", metavar="NAME", help="Its runs only.")
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d"]), metavar="DAY", help="Runs from that day on, UTC."
)
@options.settings
@click.option(
    "--runs",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    show_default="the environment's, else runs",
    help="Folder of the run directories.",
)
@click.option("--local", is_flag=True, help="Without the PostgreSQL that harness.toml names.")
@options.as_json
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the trend of TARGET there, as SVG.",
)
def show(  # noqa: PLR0913 - one for each option
    target: str | None,
    environment: str | None,
    since: datetime | None,
    settings: Path,
    folder: Path | None,
    picture: Path | None,
    *,
    local: bool,
    json: bool,
) -> int:
    """Say what each target showed over all runs; with TARGET, all that is known of it.

    \b
    harness history                              every target: last verdicts, value, trend
    harness history rto-postgresql -e staging    its runs, changes, slope and forecast
    harness history latest-backup                a scenario; or a check, or a finding's id
    harness history rto-postgresql -e staging --picture rto.svg
    harness history prune --older-than 400d      which old runs could go

    It reads stored runs and touches no system. What it read is kept beside them, so that each run
    is read once; `harness verify` says whether the runs are as they were sealed.

    \b
    Exit code 0: the newest runs passed, and nothing gets worse.
    Exit code 1: one FAILED, surely is worse than the last sealed one, or is on course to miss.
    Exit code 3: none of these, but one was INCONCLUSIVE; so it is where there is no run at all.
    """
    import sys

    from harness.drivers.clock import HostClock
    from harness.errors import InputError
    from harness.model.codec import to_indented_json
    from harness.report.track_record_table import write_detail, write_overview
    from harness.settings import load_track_record
    from harness.track_record.compose import Asked, detail, overview
    from harness.track_record.intake import ask
    from harness.track_record.questions import of_every_target, of_one

    if picture is not None and target is None:
        raise InputError("--picture: expected a TARGET", hint="harness history, for their names")
    runs = folder or folder_of(environment, settings)
    kept: TrackRecord | None = None if local else load_track_record(settings)
    asked = Asked(
        now=HostClock().now().utc,
        environment=environment,
        since=None if since is None else since.replace(tzinfo=UTC),
    )
    rows, notes = ask(
        runs,
        of_every_target if target is None else of_one(target),
        postgresql=None if kept is None else kept.postgresql,
        origin=None if kept is None else kept.origin,
    )
    if environment is not None and not any(run.environment == environment for run in rows.runs):
        notes = (*notes, f"no run of environment {environment} lies in {runs}")
    if target is None:
        record = overview(rows, asked, notes)
        if json:
            click.echo(to_indented_json(record), nl=False)
        else:
            write_overview(record, sys.stdout)
        return exit_code(record.verdict)
    _known(target, rows, asked)
    found = detail(target, rows, asked, notes)
    if picture is not None:
        _write(picture, found)
    if json:
        click.echo(to_indented_json(found), nl=False)
    else:
        write_detail(found, sys.stdout)
    return exit_code(found.verdict)


def folder_of(environment: str | None, settings: Path) -> Path:
    """Where the runs of an environment lie; `runs` where none is named or nothing is said."""
    from harness.settings import LAB, PRACTICE, load_environment

    if environment in {None, LAB, PRACTICE} or not settings.is_file():
        return Path("runs")
    return load_environment(environment or "", settings).runs


def _known(target: str, rows: Rows, asked: Asked) -> None:
    """InputError where there are runs, and none ever said anything of that name."""
    from harness.errors import InputError
    from harness.track_record.compose import near

    if rows.answers or rows.showings or not asked.counted(rows.runs):
        return
    like = near(target, rows.names)
    named = f": {', '.join(like)}" if like else ""
    raise InputError(
        f"target: got {target!r}, expected a target, scenario, check or finding that a run said "
        f"something of{named}",
        hint=f"harness history {like[0]}" if like else "harness history",
    )


def _write(path: Path, found: Detail) -> None:
    from harness.errors import InputError
    from harness.report.trend_picture import render_trend

    trend = _one(found)
    try:
        path.write_text(render_trend(trend), encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written: {error.strerror}", hint=f"ls -ld {path.parent}"
        ) from error


def _one(found: Detail) -> Trend:
    """The trend that a picture is made of; InputError where there is none, or several."""
    from harness.errors import InputError

    if not found.trends:
        raise InputError(f"--picture: no run has a number of {found.asked} that could get worse")
    if len(found.trends) > 1:
        names = dict.fromkeys(f"{one.finding} -e {one.environment}" for one in found.trends)
        raise InputError(
            f"--picture: {found.asked} has {len(found.trends)} trends, expected one of them: "
            f"{', '.join(names)}",
            hint=f"harness history {next(iter(names))} --picture FILE",
        )
    return found.trends[0]
