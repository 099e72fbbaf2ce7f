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
@click.option(
    "--runs",
    "runs_directory",
    type=click.Path(path_type=Path),
    default=None,
    show_default="the environment's",
    help="Where the run directory is made.",
)
@click.option(
    "--seal-key",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    show_default="the environment's",
    help="Seal the run with this private key when it ends; `harness seal --new-key` makes one.",
)
@options.experiments
@options.profiles
@options.baseline
@click.option(
    "--production",
    metavar="NAME",
    help="Game days, load tests: the production environment that may be broken.",
)
@click.option(
    "--unattended", is_flag=True, help="Game days: nobody is there; manual steps are not done."
)
@click.option(
    "--participant",
    "participants",
    multiple=True,
    metavar="WHO",
    help="Game days: `Ada (conducts)`; may be repeated.",
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
    runs_directory: Path | None,
    seal_key: Path | None,
    experiments: Path,
    profiles: Path,
    baseline: str | None,
    production: str | None,
    participants: tuple[str, ...],
    *,
    unattended: bool,
    json: bool,
) -> int:
    """Perform SUITE in an environment and say which documented targets it met.

    \b
    harness run weekly-restore -e staging          restores, on scratch servers
    harness run game-day -e lab                    breaks the lab's cluster, and heals it
    harness run game-day -e lab --only pod-delete  one experiment of it
    harness run pre-release-load -e lab            load against the autoscaler's limits
    harness run conformance -e lab                 looks at the cluster; breaks nothing

    Restores break nothing but the practice platform: elsewhere losses are assumed, restores go to
    scratch servers on the loopback address, and all of it is removed afterwards. Game days break
    what `harness plan` prints, in an environment that names its cluster, and put it back; load
    tests send requests to a service, hold its autoscaler, and give it back; conformance checks
    change nothing (--only names their looks). Ctrl-C or `harness abort` ends any of them at once.
    """
    import msgspec

    from harness.calibrations import cited
    from harness.cli.environments import environment_named
    from harness.cli.left_behind import clear_away
    from harness.cli.planning import needs_cluster, plan_for
    from harness.cli.practising import practise
    from harness.cli.rehearsal import Rehearsal, rehearse
    from harness.cli.showing import show
    from harness.drill.interruption import interruptible
    from harness.drivers.clock import HostClock
    from harness.faults.places import Places, default_state_directory
    from harness.faults.standing import StandingPlatform
    from harness.model.conformance import Conformance
    from harness.model.game_day import GameDay
    from harness.model.load_test import LoadTest
    from harness.model.run import Setting
    from harness.model.suite import Suite
    from harness.report.progress import Narrator
    from harness.settings import PRACTICE, Sealing
    from harness.suites import load_suite

    chosen_seed = secrets.randbits(32) if seed is None else seed
    chosen = load_suite(suite, suites_directory)
    sealing = None if seal_key is None else Sealing(key=seal_key)
    if environment == PRACTICE and not isinstance(chosen, Suite):
        raise needs_cluster(chosen, environment)
    if environment == PRACTICE:
        return practise(
            suite,
            targets_directory,
            suites_directory,
            scale=scale,
            seed=chosen_seed,
            only=only,
            json=json,
            runs=runs_directory or Path("runs"),
            paper=True,
            sealing=sealing,
        )
    found = environment_named(environment, settings)
    if runs_directory is not None:
        found = msgspec.structs.replace(found, runs=runs_directory)
    if sealing is not None:
        found = msgspec.structs.replace(found, seal=sealing)
    if isinstance(chosen, GameDay | LoadTest):
        from harness.cli.cluster_session import SessionOptions

        session = SessionOptions(
            targets=targets_directory,
            experiments=experiments,
            profiles=profiles,
            baseline=baseline,
            state=default_state_directory(),
            seed=chosen_seed,
            only=only,
            production=production,
            unattended=unattended,
            participants=participants,
            json=json,
        )
        if isinstance(chosen, GameDay):
            from harness.cli.drilling import drill

            return drill(chosen, environment, found, session)
        from harness.cli.load_testing import load_test

        return load_test(chosen, environment, found, session)
    if isinstance(chosen, Conformance):
        from harness.cli.conformance import ConformanceOptions, check_conformance

        return check_conformance(
            chosen,
            environment,
            found,
            ConformanceOptions(
                targets=targets_directory,
                state=default_state_directory(),
                seed=chosen_seed,
                only=only,
                json=json,
            ),
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
    places = Places(default_state_directory())
    scratch = Places(found.scratch) if found.scratch else places
    with interruptible(), Narrator(HostClock()) as narrator:
        for where in dict.fromkeys((places, scratch)):
            clear_away(where, narrator)
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
                told=found,
                settings=(
                    Setting(name="environment", value=environment, origin="--environment"),
                    Setting(name="settings", value=str(settings), origin="--settings"),
                ),
            ),
        )
    show(run, json=json)
    return exit_code(judgement.verdict)
