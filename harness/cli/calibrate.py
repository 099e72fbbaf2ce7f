"""`harness calibrate`: plants damage on the practice platform, and demands that it is found."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

import click

from harness.cli import options
from harness.cli.exit import FAILED, PASSED


@click.command("calibrate")
@options.documents
@options.runs
@options.seed
@options.as_json
@click.option(
    "--scale",
    type=click.FloatRange(min=0.1),
    default=0.3,
    show_default=True,
    help="Size of the data: 1 is about 200 MB.",
)
@click.option(
    "--only", "names", multiple=True, metavar="DAMAGE", help="Only these; may be repeated."
)
@click.option("--list", "listing", is_flag=True, help="Print what would be planted.")
@click.option("--suite", default="weekly-restore", show_default=True)
def command(  # noqa: PLR0913 - one for each option
    targets_directory: Path,
    suites_directory: Path,
    runs_directory: Path,
    seed: int | None,
    suite: str,
    scale: float,
    names: tuple[str, ...],
    *,
    json: bool,
    listing: bool,
) -> int:
    """Prove that the harness notices damage.

    On a practice platform of its own, damage is planted, one kind at a time, read back to be sure
    that it is there, looked for by an ordinary run of the suite, and put right again. Each must be
    named by its own finding; a clean run before and one after must find nothing. The result is kept
    in RUNS/calibrations, and later runs cite it.

    Exit code 0: all found, and nothing else; 1: the harness cannot be believed, the table says why.
    """
    from harness import calibrations
    from harness.cli.calibrating import Calibrating, chosen
    from harness.cli.planning import plan_for
    from harness.cli.practising import practice_platform
    from harness.drivers.clock import HostClock
    from harness.model.codec import to_indented_json
    from harness.model.plan import Plan
    from harness.model.subject import Subject
    from harness.report.calibration import render_table
    from harness.settings import PRACTICE

    planted = chosen(names)
    if listing:
        width = max(len(one.name) for one in planted)
        for one in planted:
            click.echo(f"{one.name:<{width}}  {one.title}")
        return PASSED
    chosen_seed = secrets.randbits(32) if seed is None else seed

    def plan(subjects: Sequence[Subject], scenarios: Sequence[str]) -> Plan:
        return plan_for(
            suite,
            PRACTICE,
            Path("harness.toml"),
            targets_directory,
            suites_directory,
            seed=chosen_seed,
            only=scenarios,
            practice_subjects=subjects,
        )

    plan((), ())  # input files are refused before anything is started
    directory = calibrations.begin(runs_directory, HostClock().now().utc)
    with practice_platform(scale) as (practice, places, narrator):
        calibration = Calibrating(
            practice=practice,
            places=places,
            narrator=narrator,
            plan=plan,
            directory=directory,
            seed=chosen_seed,
            scale=scale,
        ).perform(planted)
    click.echo(to_indented_json(calibration) if json else render_table(calibration), nl=False)
    click.echo(f"kept: {directory / 'calibration.md'}", err=True)
    return FAILED if calibration.problems else PASSED
