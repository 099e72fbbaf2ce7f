"""A cluster that is to be broken, for conduct: guards, experiments, what is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from harness.chaos.context import ExperimentConfig
from harness.chaos.supervisor import ExperimentProcess
from harness.drivers import wholeness
from harness.drivers.kubernetes import Cluster
from harness.errors import HarnessError
from harness.faults.healing import Healing
from harness.model.cluster import ClusterAccess, Snapshot
from harness.model.game_day import ExperimentTrial, GameDayPlan
from harness.model.history import GuardsChecked, RolledBack
from harness.model.load_test import LoadPlan
from harness.store import RunDirectory

_HOLDS_LONGER = timedelta(minutes=10)
"""How much longer than its watch an experiment holds by itself, where nobody releases it."""


@dataclass(frozen=True, kw_only=True)
class ClusterGround:
    """What drills and load tests do to a real cluster alike."""

    plan: GameDayPlan | LoadPlan
    cluster: Cluster
    access: ClusterAccess
    experiments: Path
    directory: Path
    """A place of the harness, where experiments work."""

    healing: Healing
    state: Path
    run: RunDirectory
    may_go_on: Callable[[], str | None]
    """Why the drill may not go on, as where its lease is lost; None: it may."""

    def check_guards(self, trial: str) -> GuardsChecked:
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
        return GuardsChecked(trial=trial, passed=tuple(passed), refused=tuple(refused))

    def snapshot(self) -> Snapshot:
        """As the API has it."""
        return self.cluster.snapshot()

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
            self.run.masker,
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
