"""Performs a plan on a cluster that may be broken: refusals, lease, watchdog, record, verdict.

What drills and load tests have in common; what is performed between is theirs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from harness import nodes
from harness.cli.exit import exit_code
from harness.cli.game_day_planning import connect, kubernetes_of, missing_rights
from harness.cli.left_behind import clear_away
from harness.cli.recording import recorded
from harness.cli.showing import show
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
from harness.model.cluster import ClusterAccess
from harness.model.game_day import GameDayPlan
from harness.model.load_test import LoadPlan
from harness.model.run import Setting
from harness.report.progress import Narrator
from harness.settings import Environment, Kubernetes
from harness.store import RunDirectory

PlanT = TypeVar("PlanT", GameDayPlan, LoadPlan)


@dataclass(frozen=True, kw_only=True)
class SessionOptions:
    """What the command line says beside suite and environment."""

    targets: Path
    experiments: Path
    profiles: Path
    state: Path
    seed: int
    baseline: str | None
    """The run that a load test is compared with; None: the latest of another version."""

    only: Sequence[str] = ()
    production: str | None = None
    unattended: bool = False
    participants: tuple[str, ...] = ()
    json: bool = False


@dataclass(frozen=True, kw_only=True)
class Planned(Generic[PlanT]):
    """A plan, and what its conduct lasts at the longest."""

    plan: PlanT
    longest: timedelta
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Session(Generic[PlanT]):
    """What a plan is performed with; the lease is held, and the watchdog watches."""

    plan: PlanT
    cluster: Cluster
    access: ClusterAccess
    healing: Healing
    directory: Path
    """A place of the harness; it goes with the session."""

    run: RunDirectory
    record: Recorder
    narrator: Narrator
    may_go_on: Callable[[], str | None]
    """Why not, as where the lease is lost; None: it may."""


def on_cluster(
    name: str,
    environment: Environment,
    options: SessionOptions,
    *,
    planned: Callable[[Cluster, ClusterAccess], Planned[PlanT]],
    perform: Callable[[Session[PlanT]], None],
) -> int:
    """Plans, refuses or performs, judges and shows; the exit code.

    Raises RefusedError, with nothing touched, where the environment may not be broken now, the
    account lacks a right, or another drill goes on.
    """
    drill_lock.refuse_another(options.state)
    kubernetes = kubernetes_of(name, environment)
    places = Places(options.state)
    runs: list[RunDirectory] = []

    def told() -> None:
        """Answers `harness abort`."""
        for run in runs:
            broken = [one for one in Intents(options.state).open() if one.run == run.path.name]
            drill_lock.acknowledge(options.state, run.path.name, [one.action for one in broken])

    with interruptible(told), Narrator(HostClock()) as narrator:
        clear_away(places, narrator)
        cluster, access = connect(kubernetes)
        made = planned(cluster, access)
        plan = made.plan
        _refuse_where_it_may_not_be_broken(name, kubernetes, plan, made.longest, cluster, options)

        def performed(run: RunDirectory, record: Recorder) -> None:
            runs.append(run)
            with (
                drill_lock.going_on(
                    options.state, run.path.name, name, cluster_uid=access.identity.uid
                ),
                DrillLease(cluster, holder(run.path.name)).held() as lease,
                places.borrowed(plan.suite) as place,
            ):
                healing = Healing(options.state, partial(nodes.choose, state=options.state))
                healing.intents.remember(access)
                watchdog.start(options.state.absolute(), (sys.executable, "-m", "harness"))
                perform(
                    Session(
                        plan=plan,
                        cluster=cluster,
                        access=access,
                        healing=healing,
                        directory=place.directory,
                        run=run,
                        record=record,
                        narrator=narrator,
                        may_go_on=lambda: "the lease was lost" if lease.lost.is_set() else None,
                    )
                )

        run, judgement = recorded(
            plan,
            performed,
            runs=environment.runs,
            seed=options.seed,
            practice=False,
            sealing=environment.seal,
            masking=environment.masking,
            notes=made.notes,
            settings=(
                Setting(name="environment", value=name, origin="--environment"),
                Setting(name="context", value=access.identity.context, origin="harness.toml"),
            ),
            participants=options.participants,
        )
    show(run, json=options.json)
    return exit_code(judgement.verdict)


def _refuse_where_it_may_not_be_broken(  # noqa: PLR0913 - all that may refuse
    name: str,
    kubernetes: Kubernetes,
    plan: GameDayPlan | LoadPlan,
    longest: timedelta,
    cluster: Cluster,
    options: SessionOptions,
) -> None:
    """All reasons at once: whoever must see to them sees to all of them."""
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
