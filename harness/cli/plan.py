"""`harness plan`: prints what a run would do and touch; touches nothing."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli import options


@click.command("plan")
@click.argument("suite")
@options.environment
@options.documents
@options.seed
@options.as_json
@click.option("--only", multiple=True, metavar="SCENARIO", help="Only these; may be repeated.")
@options.experiments
@options.profiles
@options.baseline
@click.option(
    "--rbac",
    metavar="ACCOUNT",
    help="On a cluster: print the roles that a NAMESPACE/NAME needs for exactly this.",
)
def command(  # noqa: PLR0913 - one for each option
    suite: str,
    environment: str,
    settings: Path,
    targets_directory: Path,
    suites_directory: Path,
    seed: int | None,
    only: tuple[str, ...],
    experiments: Path,
    profiles: Path,
    baseline: str | None,
    rbac: str | None,
    *,
    json: bool,
) -> None:
    """Print the trials of SUITE in an environment, their deadlines and their blast radius.

    For a game day the cluster is read: what would be hit now, how long each recovery will take by
    the cluster's own settings, and which documented target that misses. For a load test too: what
    is sent, held and broken, and what arithmetic says of the autoscaler beforehand. For a
    conformance check: what is read, which pods are made to look from, how many promises are judged.
    """
    from harness.cli.environments import environment_named
    from harness.cli.planning import plan_for, show_plan
    from harness.model.codec import to_indented_json
    from harness.model.conformance import Conformance
    from harness.model.game_day import GameDay
    from harness.model.load_test import LoadTest
    from harness.settings import PRACTICE
    from harness.suites import load_suite

    chosen = load_suite(suite, suites_directory)
    if isinstance(chosen, GameDay) and environment != PRACTICE:
        from harness.cli.game_day_planning import connect, kubernetes_of, plan_of, roles_of
        from harness.report.game_day_plan import show_game_day_plan

        found = environment_named(environment, settings)
        cluster, access = connect(kubernetes_of(environment, found))
        drawn = plan_of(
            chosen,
            environment,
            found,
            cluster,
            access,
            targets=targets_directory,
            experiments=experiments,
            seed=seed or 0,
            only=only,
        )
        if rbac is not None:
            click.echo(roles_of(drawn, rbac), nl=False)
        else:
            click.echo(to_indented_json(drawn) if json else show_game_day_plan(drawn), nl=False)
        return
    if isinstance(chosen, LoadTest) and environment != PRACTICE:
        from harness.cli.game_day_planning import connect, kubernetes_of, roles_of
        from harness.cli.load_planning import load_plan_of
        from harness.report.load_plan import show_load_plan

        found = environment_named(environment, settings)
        cluster, access = connect(kubernetes_of(environment, found))
        loaded = load_plan_of(
            chosen,
            environment,
            found,
            cluster,
            access,
            targets=targets_directory,
            experiments=experiments,
            profiles=profiles,
            seed=seed or 0,
            only=only,
            baseline=baseline,
        )
        if rbac is not None:
            click.echo(roles_of(loaded, rbac), nl=False)
        else:
            click.echo(to_indented_json(loaded) if json else show_load_plan(loaded), nl=False)
        return
    if isinstance(chosen, Conformance) and environment != PRACTICE:
        from harness.cli import conformance
        from harness.cli.game_day_planning import connect, kubernetes_of
        from harness.report.conformance_plan import show_conformance_plan

        found = environment_named(environment, settings)
        _, access = connect(kubernetes_of(environment, found))
        looked = conformance.conformance_plan_of(
            chosen, environment, found, access, targets=targets_directory, only=only
        )
        if rbac is not None:
            click.echo(conformance.roles_of(looked, rbac), nl=False)
        else:
            click.echo(
                to_indented_json(looked) if json else show_conformance_plan(looked), nl=False
            )
        return
    plan = plan_for(
        suite, environment, settings, targets_directory, suites_directory, seed=seed or 0, only=only
    )
    click.echo(to_indented_json(plan) if json else show_plan(plan), nl=False)
