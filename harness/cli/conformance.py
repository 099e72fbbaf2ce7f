"""Plans and makes a conformance check from the command line's options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness import nodes
from harness.cli.exit import exit_code
from harness.cli.game_day_planning import connect, kubernetes_of
from harness.cli.left_behind import clear_away
from harness.cli.recording import recorded
from harness.cli.showing import show
from harness.conformance.conduct import ConformanceSurroundings, conduct_conformance
from harness.conformance.looks import ACTIVE
from harness.conformance.plan import make_conformance_plan
from harness.drill.interruption import interruptible
from harness.drill.recorder import Recorder
from harness.drivers.clock import HostClock
from harness.faults import drill_lock
from harness.faults.healing import Healing
from harness.faults.lease import DrillLease, holder
from harness.faults.places import Places
from harness.faults.rights import parse_rights, render_rbac
from harness.model.cluster import ClusterAccess
from harness.model.conformance import Conformance, ConformancePlan
from harness.model.run import Setting
from harness.report.progress import Narrator
from harness.settings import Environment
from harness.store import RunDirectory
from harness.targets import load_targets

ROLE = "harness-conformance"
"""Name of its roles and bindings: those of drills, of another account, stay as they are."""


@dataclass(frozen=True, kw_only=True)
class ConformanceOptions:
    """What the command line says beside suite and environment."""

    targets: Path
    state: Path
    seed: int
    """Kept in the record of the run; nothing is drawn."""

    only: Sequence[str] = ()
    """Looks; the objects are read in any case."""

    json: bool = False


def conformance_plan_of(  # noqa: PLR0913 - what a plan is made of
    suite: Conformance,
    name: str,
    environment: Environment,
    access: ClusterAccess,
    *,
    targets: Path,
    only: Sequence[str] = (),
) -> ConformancePlan:
    """The plan of a conformance check; files are read, nothing is touched."""
    return make_conformance_plan(
        suite,
        environment=name,
        cluster=access.identity,
        targets=load_targets(targets),
        workloads=environment.workloads,
        known=ACTIVE,
        only=only,
    )


def roles_of(plan: ConformancePlan, account: str) -> str:
    """The Kubernetes roles that an account needs for exactly this plan, as YAML."""
    return render_rbac(
        [right for text in plan.rights for right in parse_rights(text)],
        account,
        ROLE,
    )


def check_conformance(
    suite: Conformance, name: str, environment: Environment, options: ConformanceOptions
) -> int:
    """Looks at the platform, judges and shows; the exit code.

    Nothing is broken, so that production and its windows ask for nothing; but while a drill breaks
    something no look is worth anything, so that this holds the lease of drills. Raises RefusedError
    where a drill goes on, or where the context leads to another cluster than the environment's.
    """
    drill_lock.refuse_another(options.state)
    kubernetes = kubernetes_of(name, environment)
    runs: list[RunDirectory] = []

    def told() -> None:
        """Answers `harness abort`: there is nothing to be put back."""
        for run in runs:
            drill_lock.acknowledge(options.state, run.path.name, ())

    with interruptible(told), Narrator(HostClock()) as narrator:
        clear_away(Places(options.state), narrator)
        cluster, access = connect(kubernetes)
        cluster.require(kubernetes.cluster)
        plan = conformance_plan_of(
            suite, name, environment, access, targets=options.targets, only=options.only
        )

        def performed(run: RunDirectory, record: Recorder) -> None:
            runs.append(run)
            with (
                drill_lock.going_on(
                    options.state, run.path.name, name, cluster_uid=access.identity.uid
                ),
                DrillLease(cluster, holder(run.path.name)).held() as lease,
            ):
                _remember(options.state, access)
                conduct_conformance(
                    plan,
                    ConformanceSurroundings(
                        cluster=cluster,
                        access=access,
                        looks={one.name: one for one in ACTIVE},
                        run=run.path.name,
                        observations=run.observations,
                        record=record,
                        narrator=narrator,
                        should_stop=lambda: (
                            "the lease of drills was lost" if lease.lost.is_set() else None
                        ),
                    ),
                )

        run, judgement = recorded(
            plan,
            performed,
            runs=environment.runs,
            seed=options.seed,
            practice=False,
            sealing=environment.seal,
            masking=environment.masking,
            settings=(
                Setting(name="environment", value=name, origin="--environment"),
                Setting(name="context", value=access.identity.context, origin="harness.toml"),
            ),
        )
    show(run, json=options.json)
    return exit_code(judgement.verdict)


def _remember(state: Path, access: ClusterAccess) -> None:
    """By which `harness recover` finds the cluster that a killed run left pods in."""
    Healing(state, partial(nodes.choose, state=state)).intents.remember(access)
