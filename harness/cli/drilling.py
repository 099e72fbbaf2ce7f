"""Conducts a game day from the command line's options: what `run` does with such a suite."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import msgspec

from harness import nodes
from harness.cli.clients import Clients
from harness.cli.exit import exit_code
from harness.cli.game_day_planning import connect, kubernetes_of, missing_rights, plan_of
from harness.cli.ground import Ground
from harness.cli.left_behind import clear_away
from harness.cli.person import person
from harness.cli.recording import recorded
from harness.cli.showing import show
from harness.drill.game_day import GameDaySurroundings, conduct_game_day
from harness.drill.interruption import interruptible
from harness.drill.recorder import Recorder
from harness.drivers.clock import HostClock
from harness.drivers.kubernetes import Cluster
from harness.errors import RefusedError
from harness.faults import drill_lock, watchdog
from harness.faults.guards import conduct_refusals
from harness.faults.healing import Healing
from harness.faults.intents import Intents
from harness.faults.lease import DrillLease, holder
from harness.faults.places import Places
from harness.model.game_day import GameDay, GameDayPlan
from harness.model.run import Setting
from harness.report.progress import Narrator
from harness.report.scene import GameDayScreen
from harness.settings import Environment, Kubernetes
from harness.store import RunDirectory


@dataclass(frozen=True, kw_only=True)
class DrillOptions:
    """What the command line says beside suite and environment."""

    targets: Path
    experiments: Path
    state: Path
    seed: int
    only: Sequence[str] = ()
    production: str | None = None
    unattended: bool = False
    participants: tuple[str, ...] = ()
    json: bool = False


def drill(suite: GameDay, name: str, environment: Environment, options: DrillOptions) -> int:
    """Conducts the game day and returns its exit code.

    Raises RefusedError, with nothing touched, where the environment may not be broken now, the
    account lacks a right, or another drill goes on.
    """
    drill_lock.refuse_another(options.state)
    clock = HostClock()
    kubernetes = kubernetes_of(name, environment)
    places = Places(options.state)
    runs: list[RunDirectory] = []

    def told() -> None:
        """Answers `harness abort`."""
        for run in runs:
            broken = [one for one in Intents(options.state).open() if one.run == run.path.name]
            drill_lock.acknowledge(options.state, run.path.name, [one.action for one in broken])

    with interruptible(told), Narrator(clock) as narrator:
        clear_away(places, narrator)
        cluster, access = connect(kubernetes)
        plan = plan_of(
            suite,
            name,
            environment,
            cluster,
            access,
            targets=options.targets,
            experiments=options.experiments,
            seed=options.seed,
            only=options.only,
        )
        plan, notes = _without_people(plan) if options.unattended else (plan, ())
        _refuse_where_it_may_not_be_broken(name, kubernetes, plan, cluster, options)
        screen = GameDayScreen(narrator)

        def perform(run: RunDirectory, record: Recorder) -> None:
            runs.append(run)
            with (
                drill_lock.going_on(
                    options.state, run.path.name, name, cluster_uid=access.identity.uid
                ),
                DrillLease(cluster, holder(run.path.name)).held() as lease,
                contextlib.closing(screen),
                places.borrowed("game-day") as place,
            ):
                healing = Healing(options.state, partial(nodes.choose, state=options.state))
                healing.intents.remember(access)
                watchdog.start(options.state.absolute(), (sys.executable, "-m", "harness"))
                clients = Clients.begun(plan, cluster, access, place.directory, run)
                ground = Ground(
                    plan=plan,
                    cluster=cluster,
                    access=access,
                    experiments=options.experiments,
                    directory=place.directory,
                    healing=healing,
                    state=options.state,
                    run=run,
                    probing=clients.begin,
                    may_go_on=lambda: "the lease was lost" if lease.lost.is_set() else None,
                )
                conduct_game_day(
                    plan,
                    GameDaySurroundings(
                        ground=ground,
                        ledgers=clients.ledgers,
                        person=person(
                            options.participants, screen.close, unattended=options.unattended
                        ),
                        view=screen,
                        clock=clock,
                        record=record,
                        narrator=narrator,
                    ),
                )

        run, judgement = recorded(
            plan,
            perform,
            runs=environment.runs,
            seed=options.seed,
            practice=False,
            notes=notes,
            settings=(
                Setting(name="environment", value=name, origin="--environment"),
                Setting(name="context", value=access.identity.context, origin="harness.toml"),
            ),
            participants=options.participants,
        )
    show(run, json=options.json)
    return exit_code(judgement.verdict)


def _without_people(plan: GameDayPlan) -> tuple[GameDayPlan, tuple[str, ...]]:
    """The plan without what people do, and what a reader of the report must know of that."""
    steps = [*plan.opening, *plan.closing, *(step for one in plan.trials for step in one.manual)]
    if not steps:
        return plan, ()
    alone = msgspec.structs.replace(
        plan,
        opening=(),
        closing=(),
        trials=tuple(msgspec.structs.replace(one, manual=()) for one in plan.trials),
    )
    left_out = ", ".join(step.id for step in steps)
    return alone, (f"Unattended: what people do was left out of the plan: {left_out}.",)


def _refuse_where_it_may_not_be_broken(
    name: str,
    kubernetes: Kubernetes,
    plan: GameDayPlan,
    cluster: Cluster,
    options: DrillOptions,
) -> None:
    """All reasons at once: whoever must see to them sees to all of them."""
    longest = sum(
        (one.watch + one.delay + one.pause + timedelta(minutes=5) for one in plan.trials),
        timedelta(),
    )
    reasons = [
        *conduct_refusals(
            environment=name,
            expected={kubernetes.context: kubernetes.cluster},
            found=plan.cluster,
            production=kubernetes.production,
            named=options.production,
            windows=kubernetes.windows,
            now=HostClock().now().utc,
            lasting=longest if kubernetes.windows else timedelta(),
            holder=None,
        )
    ]
    if reasons:
        raise RefusedError("; ".join(reasons), hint=f"harness plan {plan.suite} -e {name}")
    missing = missing_rights(plan, cluster)
    if missing:
        raise RefusedError(
            f"context {kubernetes.context}: its account may not {', '.join(missing)}",
            hint=f"harness plan {plan.suite} -e {name} --rbac ACCOUNT | kubectl apply -f -",
        )
