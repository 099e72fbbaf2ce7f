"""Conducts a load test from the command line's options: what `run` does with such a suite."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from harness.cli.cluster_ground import ClusterGround
from harness.cli.cluster_session import Planned, Session, SessionOptions, on_cluster
from harness.cli.load_ground import ClusterLoadGround
from harness.cli.load_planning import load_plan_of
from harness.drill.load_plan import longest
from harness.drill.load_test import LoadSurroundings, conduct_load_test
from harness.drivers.clock import HostClock
from harness.drivers.kubernetes import Cluster
from harness.model.cluster import ClusterAccess
from harness.model.load_test import LoadPlan, LoadTest
from harness.settings import Environment
from harness.store import RunDirectory


def load_test(suite: LoadTest, name: str, environment: Environment, options: SessionOptions) -> int:
    """Conducts the load test and returns its exit code; errors as on_cluster."""

    def planned(cluster: Cluster, access: ClusterAccess) -> Planned[LoadPlan]:
        plan = load_plan_of(
            suite,
            name,
            environment,
            cluster,
            access,
            targets=options.targets,
            experiments=options.experiments,
            profiles=options.profiles,
            seed=options.seed,
            only=options.only,
            baseline=options.baseline,
        )
        return Planned(plan=plan, longest=longest(plan))

    def perform(at: Session[LoadPlan]) -> None:
        if at.plan.baseline is not None:
            _keep(RunDirectory(Path(at.plan.baseline.run)), at.run)
        ground = ClusterGround(
            plan=at.plan,
            cluster=at.cluster,
            access=at.access,
            experiments=options.experiments,
            directory=at.directory,
            healing=at.healing,
            state=options.state,
            run=at.run,
            may_go_on=at.may_go_on,
        )
        conduct_load_test(
            at.plan,
            LoadSurroundings(
                ground=ClusterLoadGround(
                    plan=at.plan, ground=ground, directory=at.directory, run=at.run
                ),
                clock=HostClock(),
                record=at.record,
                narrator=at.narrator,
            ),
        )

    return on_cluster(name, environment, options, planned=planned, perform=perform)


def _keep(before: RunDirectory, run: RunDirectory) -> None:
    """Copies what the earlier run is judged by: the comparison needs no other run's directory.

    Without the baseline that it had itself.
    """
    kept = RunDirectory(run.baseline)
    kept.observations.mkdir(parents=True)
    plan = before.read_plan()
    if isinstance(plan, LoadPlan):
        plan = msgspec.structs.replace(plan, baseline=None)
    kept.write(kept.plan, plan)
    shutil.copyfile(before.history, kept.history)
    for file in before.observations.iterdir():
        shutil.copyfile(file, kept.observations / file.name)
