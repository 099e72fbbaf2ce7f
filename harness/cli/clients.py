"""Decides what writes and asks during a game day, as clients of the platform would."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from harness.drivers.kubernetes import Cluster
from harness.ledger.game_day import GameDayLedgers, ledgers_for, probe_name
from harness.model.cluster import ClusterAccess
from harness.model.game_day import ExperimentTrial, GameDayPlan
from harness.probes.of_workloads import Resolved, Schedule, probes_for, subscriptions_for
from harness.probes.resolving import resolve
from harness.probes.ways_in import ProbedWaysIn
from harness.store import RunDirectory

LEDGERS = "ledgers"
"""Folder of a game day's place where the ledgers' writers work: what they were told is there."""


@dataclass(frozen=True, kw_only=True)
class Clients:
    """The clients of one game day; all that they write has one name, and goes with it."""

    plan: GameDayPlan
    resolved: Resolved
    directory: Path
    """A place of the harness, where its processes work."""

    run: RunDirectory
    name: str
    ledgers: GameDayLedgers

    @classmethod
    def begun(
        cls,
        plan: GameDayPlan,
        cluster: Cluster,
        access: ClusterAccess,
        directory: Path,
        run: RunDirectory,
    ) -> Clients:
        """Asks the cluster where everything is, and starts the ledgers' writers."""
        resolved = resolve(plan.workloads, cluster, access)
        name = f"drill_{secrets.token_hex(4)}"
        kept = ledgers_for(plan.workloads, resolved, name=name, directory=run.ledger.absolute())
        return cls(
            plan=plan,
            resolved=resolved,
            directory=directory,
            run=run,
            name=name,
            ledgers=GameDayLedgers(kept, _made(directory / LEDGERS)),
        )

    def begin(self, trial: ExperimentTrial) -> ProbedWaysIn:
        """Starts the probers of a trial."""
        schedule = Schedule(
            output=self.run.observations.absolute(), trial=trial.id, name=probe_name(self.name)
        )
        workloads, ways = self.plan.workloads, trial.ways
        channel = f"{probe_name(self.name)}:{trial.id}"
        return ProbedWaysIn(
            trial.id,
            probes_for(workloads, ways, self.resolved, self.ledgers.held(), schedule),
            subscriptions_for(workloads, ways, self.resolved, schedule, channel),
            _made(self.directory / f"probe-{trial.id}"),
        )


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory
