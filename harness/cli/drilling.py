"""Conducts a game day from the command line's options: what `run` does with such a suite."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import msgspec

from harness.cli.clients import Clients
from harness.cli.cluster_session import Planned, Session, SessionOptions, on_cluster
from harness.cli.game_day_planning import plan_of
from harness.cli.ground import Ground
from harness.cli.person import person
from harness.drill.game_day import GameDaySurroundings, conduct_game_day
from harness.drivers.clock import HostClock
from harness.drivers.kubernetes import Cluster
from harness.model.cluster import ClusterAccess
from harness.model.game_day import GameDay, GameDayPlan
from harness.report.scene import GameDayScreen
from harness.settings import Environment


def drill(suite: GameDay, name: str, environment: Environment, options: SessionOptions) -> int:
    """Conducts the game day and returns its exit code; errors as on_cluster."""

    def planned(cluster: Cluster, access: ClusterAccess) -> Planned[GameDayPlan]:
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
        longest = sum(
            (one.watch + one.delay + one.pause + timedelta(minutes=5) for one in plan.trials),
            timedelta(),
        )
        return Planned(plan=plan, longest=longest, notes=notes)

    def perform(at: Session[GameDayPlan]) -> None:
        with contextlib.closing(GameDayScreen(at.narrator)) as screen:
            clients = Clients.begun(at.plan, at.cluster, at.access, at.directory, at.run)
            ground = Ground(
                plan=at.plan,
                cluster=at.cluster,
                access=at.access,
                experiments=options.experiments,
                directory=at.directory,
                healing=at.healing,
                state=options.state,
                run=at.run,
                probing=clients.begin,
                may_go_on=at.may_go_on,
            )
            conduct_game_day(
                at.plan,
                GameDaySurroundings(
                    ground=ground,
                    ledgers=clients.ledgers,
                    person=person(
                        options.participants, screen.close, unattended=options.unattended
                    ),
                    view=screen,
                    clock=HostClock(),
                    record=at.record,
                    narrator=at.narrator,
                ),
            )

    return on_cluster(name, environment, options, planned=planned, perform=perform)


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
