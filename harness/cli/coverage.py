"""`harness coverage`: which documented targets stored runs prove, and what is owed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import options
from harness.cli.exit import exit_code

if TYPE_CHECKING:  # read when the command is called, so that --help is quick
    from collections.abc import Sequence

    from harness.coverage.compose import RunsRead
    from harness.coverage.suites import Ground
    from harness.model.coverage import Coverage
    from harness.model.target import Target
    from harness.settings import Environment


@click.command("coverage")
@click.option(
    "-e",
    "--environment",
    "environments",
    required=True,
    multiple=True,
    metavar="NAME",
    help="Whose runs count; may be repeated, where one has the backups and another the cluster.",
)
@options.settings
@options.documents
@options.profiles
@click.option(
    "--runs",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    show_default="the environment's",
    help="Folder of run directories; may be repeated.",
)
@click.option(
    "--restores-every",
    type=click.IntRange(min=1),
    metavar="DAYS",
    show_default="the target of kind restore-test, else 7",
    help="How old a proof may be of what a restore could prove.",
)
@click.option(
    "--others-every",
    type=click.IntRange(min=1),
    metavar="DAYS",
    show_default="the target of kind review-cycle, else 92",
    help="How old any other proof may be.",
)
@click.option("--cluster", metavar="UID", help="Only runs against this cluster count.")
@options.as_json
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page there, too."
)
@click.option(
    "--picture", type=click.Path(path_type=Path, dir_okay=False), help="Write an SVG there, too."
)
def command(  # noqa: PLR0913 - one for each option
    environments: tuple[str, ...],
    settings: Path,
    targets_directory: Path,
    suites_directory: Path,
    profiles: Path,
    folders: tuple[Path, ...],
    restores_every: int | None,
    others_every: int | None,
    cluster: str | None,
    html: Path | None,
    picture: Path | None,
    *,
    json: bool,
) -> int:
    """Say of every documented target when it was last proved, by which run and how strongly.

    \b
    harness coverage -e lab                      the table, what is owed, what to run next
    harness coverage -e backups -e staging       restores there, game days here
    harness coverage -e lab --html coverage.html a page with the picture

    It reads stored runs and touches no system. A run proves a target where all its findings of it
    are PASS; the newest run decides, and a PASS counts for its own environment only. A run that
    did not end proves nothing; one that cannot be read is named.

    \b
    Exit code 0: the newest run of every target is a PASS, none older than its period.
    Exit code 1: a target FAILED, or its proof is too old.
    Exit code 3: none of these, but a target has no proof or is INCONCLUSIVE, or a run cannot be
                 read; so it is where there is no run at all.
    Targets that no check can see decide nothing; each is named, with what would be needed.
    """
    import sys

    from harness.model.codec import to_indented_json
    from harness.report.coverage_page import render_page
    from harness.report.coverage_picture import as_file, draw_coverage
    from harness.report.coverage_table import write_coverage
    from harness.targets import load_targets

    targets = load_targets(targets_directory)
    coverage = covered(
        targets,
        environments,
        settings=settings,
        suites_directory=suites_directory,
        profiles=profiles,
        folders=folders,
        restores_every=restores_every,
        others_every=others_every,
        cluster=cluster,
    )
    if html is not None:
        _write(html, render_page(coverage, targets))
    if picture is not None:
        _write(picture, as_file(draw_coverage(coverage, name="coverage")))
    if json:
        click.echo(to_indented_json(coverage), nl=False)
    else:
        write_coverage(coverage, sys.stdout)
    return exit_code(coverage.verdict)


def covered(  # noqa: PLR0913 - what a coverage is made of
    targets: Sequence[Target],
    environments: Sequence[str],
    *,
    settings: Path,
    suites_directory: Path,
    profiles: Path,
    folders: Sequence[Path] = (),
    restores_every: int | None = None,
    others_every: int | None = None,
    cluster: str | None = None,
) -> Coverage:
    """The coverage today, of the runs in `folders` or, without any, of the environments' own; what
    `harness coverage` and the page show. Periods are in days. Raises InputError.
    """
    from datetime import timedelta

    from harness.coverage.compose import Periods, cover
    from harness.drivers.clock import HostClock
    from harness.load.profiles import load_profiles
    from harness.suites import load_suite

    known = {name: _known(name, settings) for name in environments}
    own = tuple(dict.fromkeys(_runs_of(one) for one in known.values()))
    return cover(
        targets,
        _read_runs(tuple(folders) or own),
        [
            load_suite(path.stem, suites_directory)
            for path in sorted(suites_directory.glob("*.yaml"))
        ],
        grounds=[_ground(name, one) for name, one in known.items()],
        now=HostClock().now().utc,
        periods=Periods.of(
            targets,
            restores=None if restores_every is None else timedelta(days=restores_every),
            others=None if others_every is None else timedelta(days=others_every),
        ),
        profiles=load_profiles(profiles) if profiles.is_dir() else {},
        clusters=_clusters(known, cluster),
    )


def _write(path: Path, text: str) -> None:
    from harness.errors import InputError

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written: {error.strerror}", hint=f"ls -ld {path.parent}"
        ) from error


def _known(name: str, settings: Path) -> Environment | None:
    """What harness.toml says of it; None for a built-in, or where there is no such file: stored
    runs can be read anywhere.
    """
    from harness.settings import LAB, PRACTICE, load_environment

    if name in {LAB, PRACTICE} or not settings.is_file():
        return None
    return load_environment(name, settings)


def runs_of(environment: str, settings: Path) -> Path:
    """The folder that an environment's runs are written to; raises InputError."""
    return _runs_of(_known(environment, settings))


def _runs_of(known: Environment | None) -> Path:
    return Path("runs") if known is None else known.runs


def _ground(name: str, known: Environment | None) -> Ground:
    from harness.coverage.suites import Ground
    from harness.settings import LAB, PRACTICE

    if known is None:
        return Ground(name=name, restores=name != LAB, cluster=name != PRACTICE)
    return Ground(
        name=name,
        restores=bool(known.subjects),
        cluster=known.kubernetes is not None and bool(known.workloads),
    )


def _clusters(known: dict[str, Environment | None], given: str | None) -> dict[str, str]:
    """Environment -> UID of its cluster, where that is known; that of the lab changes with it."""
    if given is not None:
        return dict.fromkeys(known, given)
    return {
        name: one.kubernetes.cluster
        for name, one in known.items()
        if one is not None and one.kubernetes is not None
    }


def _read_runs(folders: tuple[Path, ...]) -> RunsRead:
    """Every run directory of the folders; none of a folder that does not exist yet."""
    from harness.coverage.answering import EndedRun
    from harness.coverage.compose import RunsRead
    from harness.track_record.reading import read_run, run_directories

    read = [read_run(one) for folder in folders for one in run_directories(folder)]
    return RunsRead(
        ended=[one for one in read if isinstance(one, EndedRun)],
        not_counted=[one for one in read if not isinstance(one, EndedRun)],
    )
