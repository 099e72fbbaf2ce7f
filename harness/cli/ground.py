"""The cluster of a game day, for conduct: guards, roles, probers, experiments, what is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from harness.chaos.context import ExperimentConfig
from harness.chaos.supervisor import ExperimentProcess
from harness.drivers import roles, wholeness
from harness.drivers.kubernetes import Cluster
from harness.errors import HarnessError
from harness.faults.healing import Healing
from harness.model.cluster import ClusterAccess, Pod, Snapshot
from harness.model.game_day import ExperimentTrial, GameDayPlan
from harness.model.history import GuardsChecked, RolledBack
from harness.model.load_test import LoadPlan
from harness.model.workload import (
    PostgresqlWorkload,
    RedisWorkload,
)
from harness.ports import Sighting, WaysIn
from harness.store import RunDirectory

_HOLDS_LONGER = timedelta(minutes=10)
"""How much longer than its watch an experiment holds by itself, where nobody releases it."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """ports.DrillGround on a real cluster."""

    plan: GameDayPlan | LoadPlan
    cluster: Cluster
    access: ClusterAccess
    experiments: Path
    directory: Path
    """A place of the harness, where experiments work."""

    healing: Healing
    state: Path
    run: RunDirectory
    probing: Callable[[ExperimentTrial], WaysIn]
    """Starts the probers of a trial."""

    may_go_on: Callable[[], str | None]
    """Why the drill may not go on, as where its lease is lost; None: it may."""

    def guards(self, trial: ExperimentTrial) -> GuardsChecked:
        """That the drill may go on, that the cluster is the planned one, and that it is whole:
        a fault on top of another tells nothing of either, and may take a quorum.

        What would be taken is checked by the experiment itself, just before each mutation.
        """
        passed: list[str] = []
        refused: list[str] = []

        def check(name: str, reasons: Callable[[], Sequence[str]]) -> None:
            try:
                found = reasons()
            except HarnessError as error:  # what cannot be told is a refusal
                found = (str(error),)
            refused.extend(f"{name}: {reason}" for reason in found)
            if not found:
                passed.append(name)

        check("the drill may go on", lambda: [one] if (one := self.may_go_on()) else [])
        check("the planned cluster answers", self._another_cluster)
        check("nothing is left broken", lambda: [one.action for one in self.healing.intents.open()])
        check("the platform is whole", self.whole)
        return GuardsChecked(trial=trial.id, passed=tuple(passed), refused=tuple(refused))

    def snapshot(self) -> Snapshot:
        """As the API has it."""
        return self.cluster.snapshot()

    def begin_ways_in(self, trial: ExperimentTrial) -> WaysIn:
        """All of them, in processes of their own."""
        return self.probing(trial)

    def begin_experiment(self, trial: ExperimentTrial) -> ExperimentProcess:
        """Its process, in a directory of its own."""
        place = self.directory / f"experiment-{trial.id}"
        place.mkdir()
        return ExperimentProcess(
            ExperimentConfig(
                run=self.run.path.name,
                trial=trial.id,
                environment=self.plan.environment,
                experiment=(self.experiments / f"{trial.experiment}.yaml").absolute(),
                digest=trial.digest,
                configuration=trial.configuration,
                cluster=self.access,
                workloads=self.plan.workloads,
                caps=self.plan.caps,
                seed=trial.seed,
                state=self.state.absolute(),
                facts=place / "facts.jsonl",
                journal=place / "journal.json",
                release=place / "release",
                deadline=trial.watch + _HOLDS_LONGER,
            ),
            place,
            self.run.artefacts,
        )

    def look(self) -> Sighting:
        """Asked of the API and of the databases themselves."""
        writers: dict[str, str] = {}
        redundant: dict[str, bool] = {}
        ready: dict[str, tuple[str, ...]] = {}
        for workload in self.plan.workloads:
            pods = self.cluster.pods(workload.namespace, workload.pods)
            ready[workload.id] = tuple(sorted(one.uid for one in pods if _serves(one)))
            match workload:
                case PostgresqlWorkload():
                    members = roles.postgres_members(workload, pods)
                    primaries = [one for one in members if one.primary]
                    if len(primaries) == 1:
                        writers[workload.id] = (
                            f"{primaries[0].pod.name} timeline {primaries[0].timeline}"
                        )
                    redundant[workload.id] = (
                        len(primaries) == 1 and primaries[0].streaming >= len(pods) - 1
                    )
                case RedisWorkload():
                    shards = roles.redis_shards(workload, pods, roles.access_of(workload))
                    for shard in shards:
                        host, port = shard.master
                        writers[f"{workload.id} {shard.slots}"] = (
                            f"{host}:{port} epoch {shard.epoch}"
                        )
                    redundant[workload.id] = bool(shards) and all(one.replicas for one in shards)
                case _:
                    continue
        return Sighting(
            ready_nodes={one.name: one.boot_id for one in self.cluster.nodes() if one.ready},
            writers=writers,
            redundant=redundant,
            ready_pods=ready,
        )

    def undo_left_over(self) -> tuple[RolledBack, ...]:
        """What the experiment's own rollbacks did not put back, newest first; all are tried."""
        return self.healing.undo(
            [one for one in self.healing.intents.open() if one.run == self.run.path.name]
        )

    def whole(self) -> tuple[str, ...]:
        """What is missing of nodes and workloads; none: the platform is as it should be."""
        return (
            *wholeness.lacks_of_nodes(self.cluster),
            *(
                line
                for workload in self.plan.workloads
                for line in wholeness.lacks_of_workload(self.cluster, workload)
            ),
        )

    def _another_cluster(self) -> Sequence[str]:
        self.cluster.require(self.plan.cluster.uid)
        return ()


def _serves(pod: Pod) -> bool:
    return pod.ready and not pod.terminating
