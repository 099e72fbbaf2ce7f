"""`harness controls`: what stored runs say of the objectives of control frameworks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import options
from harness.cli.exit import FAILED, INCONCLUSIVE, PASSED

if TYPE_CHECKING:  # read when the command is called, so that --help is quick
    from harness.compliance.support import JudgedRun
    from harness.model.compliance import Framework
    from harness.store import RunDirectory


@click.command("controls")
@click.argument("run", required=False)
@click.option("-e", "--environment", metavar="NAME", help="Only its runs; default: all.")
@click.option("--framework", "only", multiple=True, metavar="NAME", help="Only these.")
@options.runs
@options.controls
@options.targets
@click.option("--csv", is_flag=True, help="Print controls.csv.")
@options.as_json
def command(  # noqa: PLR0913 - one for each option
    run: str | None,
    environment: str | None,
    only: tuple[str, ...],
    runs_directory: Path,
    controls_directory: Path,
    targets_directory: Path,
    *,
    csv: bool,
    json: bool,
) -> int:
    """Say what RUN, or the newest run of each suite, says of control frameworks.

    \b
    harness controls -e staging                          what stands today, all frameworks
    harness controls -e staging --framework nist-800-53  one of them
    harness controls RUN --csv > controls.csv            of one run, for a spreadsheet

    A run supports an objective where all evidence that it asks for is there and every finding is
    PASS; one FAIL contradicts it. Whether a control is met, an assessor says. Runs on the practice
    platform say nothing.

    \b
    Exit code 0: every objective that a run can show is supported.
    Exit code 1: one is contradicted.
    Exit code 3: none is, but of some the runs cannot tell, or say nothing.
    """
    import sys

    from harness.compliance.support import newest_of_each_suite, support
    from harness.drivers.clock import HostClock
    from harness.frameworks import load_frameworks
    from harness.model.codec import to_indented_json
    from harness.model.compliance import Support
    from harness.report.controls_screen import write_controls
    from harness.report.controls_table import render_controls
    from harness.store import RunDirectory
    from harness.targets import load_targets

    known = {target.id for target in load_targets(targets_directory)}
    frameworks = _chosen(load_frameworks(controls_directory, known), only)
    if run is not None:
        runs: tuple[JudgedRun, ...] = (_judged(RunDirectory.find(run, runs_directory)),)
        now = runs[0].ended
    else:
        read = [_judged(one) for one in _ended(runs_directory)]
        asked = [one for one in read if environment in {None, one.run.environment}]
        runs = newest_of_each_suite(asked)
        now = HostClock().now().utc
    found = support(frameworks, runs, now)
    if json:
        click.echo(to_indented_json(found), nl=False)
    elif csv:
        click.echo(render_controls(found), nl=False)
    else:
        write_controls(found, [one.run.run for one in runs], sys.stdout)
    said = {one.support for one in found if one.support is not Support.NOTHING or not one.beyond}
    if Support.CONTRADICTS in said:
        return FAILED
    return PASSED if said == {Support.SUPPORTS} else INCONCLUSIVE


def _chosen(frameworks: tuple[Framework, ...], only: tuple[str, ...]) -> tuple[Framework, ...]:
    from harness.errors import InputError

    names = [one.framework for one in frameworks]
    for name in only:
        if name not in names:
            raise InputError(f"--framework: got {name!r}, expected one of {', '.join(names)}")
    return tuple(one for one in frameworks if not only or one.framework in only)


def _ended(runs: Path) -> list[RunDirectory]:
    """The runs of a folder that ended and were judged; others have nothing to say."""
    from harness.errors import InputError
    from harness.store import RunDirectory

    if not runs.is_dir():
        return []
    found = []
    for path in sorted(runs.iterdir()):
        directory = RunDirectory(path)
        if path.is_symlink() or not directory.verdict.is_file():
            continue
        try:
            if directory.read_run_record().ended is not None:
                found.append(directory)
        except InputError as error:
            click.echo(f"left out: {error}", err=True)
    return found


def _judged(directory: RunDirectory) -> JudgedRun:
    from harness.compliance.support import JudgedRun
    from harness.seal.bundle import is_sealed
    from harness.seal.statement import TIMESTAMP

    return JudgedRun(
        run=directory.read_run_record(),
        judgement=directory.read_judgement(),
        sealed=is_sealed(directory.path),
        timestamped=(directory.path / TIMESTAMP).is_file(),
    )
