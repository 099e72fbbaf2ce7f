"""`harness run`: performs a suite in an environment, judges it, writes its report."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from harness.cli import options
from harness.cli.exit import exit_code


@click.command("run")
@click.argument("suite")
@options.environment
@options.documents
@options.seed
@options.as_json
@click.option("--only", multiple=True, metavar="SCENARIO", help="Only these; may be repeated.")
@click.option(
    "--scale", type=float, default=1.0, show_default=True, help="Practice platform only: its size."
)
def command(  # noqa: PLR0913 - one for each option
    suite: str,
    environment: str,
    settings: Path,
    targets_directory: Path,
    suites_directory: Path,
    seed: int | None,
    scale: float,
    only: tuple[str, ...],
    *,
    json: bool,
) -> int:
    """Perform SUITE in an environment and say which documented targets it met.

    Nothing but the practice platform is ever broken: elsewhere losses are assumed, restores go to
    scratch servers on the loopback address, and all of it is removed afterwards. `harness plan`
    prints what would be done.
    """
    from harness.calibrations import cited
    from harness.cli.planning import plan_for
    from harness.cli.practising import practise
    from harness.cli.rehearsal import Rehearsal, rehearse
    from harness.cli.showing import show
    from harness.drill.interruption import interruptible
    from harness.drivers.clock import HostClock
    from harness.faults.places import Places, default_state_directory
    from harness.faults.recover import recover
    from harness.faults.standing import StandingPlatform
    from harness.model.run import Setting
    from harness.report.progress import Narrator
    from harness.settings import PRACTICE, load_environment

    chosen_seed = secrets.randbits(32) if seed is None else seed
    if environment == PRACTICE:
        return practise(
            suite,
            targets_directory,
            suites_directory,
            scale=scale,
            seed=chosen_seed,
            only=only,
            json=json,
        )
    plan = plan_for(
        suite,
        environment,
        settings,
        targets_directory,
        suites_directory,
        seed=chosen_seed,
        only=only,
    )
    found = load_environment(environment, settings)
    places = Places(default_state_directory())
    scratch = Places(found.scratch) if found.scratch else places
    with interruptible(), Narrator(HostClock()) as narrator:
        for line in (*recover(places), *recover(scratch)):
            narrator.step(f"left behind by a killed harness: {line}")
        run, judgement = rehearse(
            plan,
            Rehearsal(
                platform=StandingPlatform(),
                places=places,
                scratch=scratch,
                narrator=narrator,
                runs=found.runs,
                notes=(cited(found.runs),),
                seed=chosen_seed,
                practice=False,
                settings=(
                    Setting(name="environment", value=environment, origin="--environment"),
                    Setting(name="settings", value=str(settings), origin="--settings"),
                ),
            ),
        )
    show(run, json=json)
    return exit_code(judgement.verdict)
