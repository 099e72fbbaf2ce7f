"""A game day that goes on now: a run directory and a state directory as they are while it does.

Written through the harness's own recorder and structs, by a clock that a test sets. What is in it:
one trial that is over, one whose fault was some minutes ago and that is not back yet, and more to
come.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import game_days as make
from constructors import SECOND
from msgspec.structs import replace

from harness.drill.recorder import Recorder
from harness.faults.intents import Intents
from harness.model.cluster import ClusterAccess
from harness.model.codec import to_json
from harness.model.fault import StartNode
from harness.model.game_day import ExperimentTrial, GameDayPlan, ManualStep, Way
from harness.model.history import (
    ClusterCompared,
    ExperimentEnded,
    FaultInjected,
    GuardsChecked,
    HypothesisMeasured,
    ManualStepEnded,
    Milestone,
    MilestoneSeen,
    Observation,
    Outcome,
    RolledBack,
    TrialEnded,
    TrialStarted,
)
from harness.model.instant import Bracket, Instant
from harness.model.run import RUN_FORMAT, RunRecord
from harness.probes.of_workloads import INTERVAL_NS, file_name
from harness.store import RunDirectory

NODE_FAULT_S = -137.0
"""When the worker of the second trial was cut off, in seconds from now."""

POD_FAULT_S = -428.0
POD_BACK_S = 3.4

FIRST = make.trial(1, scenario="postgresql-pod-delete", ways=tuple(Way))
SECOND_TRIAL = replace(
    make.trial(
        2,
        scenario="postgresql-primary-node",
        ways=tuple(Way),
        manual=(ManualStep(id="call", instruction="Call who is on call, and say so here"),),
    ),
    title="The primary's machine loses power",
)
LATER = tuple(
    replace(make.trial(number, scenario=scenario), title=title)
    for number, (scenario, title) in enumerate(
        (
            ("redis-master-kill", "A Redis master is killed"),
            ("broker-node-partition", "The broker's machine loses its network"),
            ("etcd-leader", "The leader of etcd is stopped"),
            ("zone", "A whole zone is away"),
            ("dns", "The cluster's DNS is away"),
        ),
        start=3,
    )
)

DOWN = "connection refused: 10.1.0.4:5432"

CLASSES: dict[str, tuple[tuple[float, float | None], ...]] = {
    # Seconds after each of the two faults; None: to now.
    "orders: write on a new connection": ((0.1, POD_BACK_S), (0.3, None)),
    "orders: write on a kept connection": ((0.1, POD_BACK_S + 0.9), (0.3, None)),
    "orders: read on a new connection": ((0.0, 0.0), (0.3, 21.6)),
    "carts: write, slots 0-8191": ((0.0, 0.0), (0.0, 0.0)),
    "carts: write, slots 8192-16383": ((0.0, 0.0), (1.1, 8.6)),
    "checkout: POST /orders": ((0.4, POD_BACK_S + 1.2), (0.4, None)),
    "kubernetes: read": ((0.0, 0.0), (0.0, 0.0)),
}


class MovedClock:
    """A clock that stands so many seconds from `now` as it was told."""

    def __init__(self, now: Instant) -> None:
        self._now = now
        self.second = 0.0

    def at(self, second: float) -> MovedClock:
        self.second = second
        return self

    def monotonic_ns(self) -> int:
        return self._now.monotonic_ns + round(self.second * SECOND)

    def now(self) -> Instant:
        return Instant(
            monotonic_ns=self.monotonic_ns(), utc=self._now.utc + timedelta(seconds=self.second)
        )


def plan(title: str = "Game day") -> GameDayPlan:
    """Seven trials on four workloads, with somebody who opens it."""
    return replace(
        make.plan(
            FIRST,
            SECOND_TRIAL,
            *LATER,
            workloads=(make.ORDERS, make.CARTS, make.EVENTS, make.CHECKOUT),
            targets=(
                replace(make.RTO_TARGET, objective=make.RTO_TARGET.objective),
                make.RPO_TARGET,
            ),
            opening=(ManualStep(id="announce", instruction="Announce the game day"),),
        ),
        title=title,
        environment="lab",
    )


def record(name: str, started: datetime, ended: datetime | None = None) -> RunRecord:
    """Who runs it, on this machine: its clock is ours."""
    return RunRecord(
        format=RUN_FORMAT,
        run=name,
        suite="game-day",
        environment="lab",
        started=started,
        ended=ended,
        user="ada",
        host=socket.gethostname(),
        argv=("harness", "run", "game-day", "-e", "lab"),
        versions={},
        settings=(),
        practice=True,
        seed=7,
    )


class RunningDay:
    """The directories, and whoever writes on in them."""

    def __init__(self, runs: Path, now: Instant, *, began_s: float = -470.0) -> None:
        """Just begun: plan.json and run.json, and a history of nothing."""
        self.clock = MovedClock(now)
        started = (now.utc + timedelta(seconds=began_s)).replace(microsecond=0)
        self.run = RunDirectory.create(runs, "game-day", "lab", started.astimezone(UTC))
        self.record = record(self.run.path.name, started)
        self.run.write(self.run.run_record, self.record)
        self.run.write(self.run.plan, plan())
        self.recorder = Recorder(self.run.history, self.clock, self.run.plan.read_bytes())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.recorder.__exit__(None, None, None)

    def first_trial(self) -> None:
        """A pod that was deleted, and was back by itself."""
        self._opened()
        self._until_the_fault(FIRST, POD_FAULT_S)
        self._fault(FIRST, POD_FAULT_S, "pod:infra/postgresql-0", "its container is gone")
        self.clock.at(POD_FAULT_S + 24)
        self.recorder(make.read(FIRST, 600, 20, early=True))
        self.clock.at(POD_FAULT_S + 26)
        self.recorder(
            RolledBack(
                trial=FIRST.id,
                action="delete pod infra/postgresql-0",
                started_ns=self.clock.monotonic_ns() - SECOND,
                ended_ns=self.clock.monotonic_ns(),
                witness="pod postgresql-0 Ready",
            )
        )
        self.recorder(ExperimentEnded(trial=FIRST.id, exit_code=0, journal=None))
        self.clock.at(POD_FAULT_S + 60)
        self.recorder(ClusterCompared(trial=FIRST.id, examined=812))
        self.recorder(TrialEnded(trial=FIRST.id))

    def second_trial(self) -> None:
        """The primary's machine was cut off, and not all is back."""
        self._until_the_fault(SECOND_TRIAL, NODE_FAULT_S)
        self._fault(
            SECOND_TRIAL, NODE_FAULT_S, "node:worker-2", "lease not renewed, no answer to ARP"
        )
        self._seen(8.1, Milestone.PROMOTED, "carts 8192-16383", "10.1.2.6 epoch 4")
        self.clock.at(NODE_FAULT_S + 31)
        self.recorder(
            ManualStepEnded(
                trial=SECOND_TRIAL.id,
                step="call",
                instruction="Call who is on call, and say so here",
                started_ns=self.clock.monotonic_ns() - 30 * SECOND,
                ended_ns=self.clock.monotonic_ns(),
                confirmed_by="Ada",
                note="reached at once",
            )
        )
        self._seen(41.2, Milestone.DETECTED, "node:worker-2", "not Ready any more")

    def _opened(self) -> None:
        self.clock.at(-462)
        self.recorder(
            ManualStepEnded(
                trial="",
                step="announce",
                instruction="Announce the game day",
                started_ns=self.clock.monotonic_ns() - 4 * SECOND,
                ended_ns=self.clock.monotonic_ns(),
                confirmed_by="Ada",
            )
        )

    def _until_the_fault(self, trial: ExperimentTrial, fault_s: float) -> None:
        self.clock.at(fault_s - 22)
        self.recorder(TrialStarted(trial=trial.id))
        self.clock.at(fault_s - 20)
        self.recorder(GuardsChecked(trial=trial.id, passed=("context", "quorum"), refused=()))
        self.clock.at(fault_s - 2)
        self.recorder(
            HypothesisMeasured(trial=trial.id, when="before", met=True, probes=("writes: True",))
        )

    def _fault(self, trial: ExperimentTrial, second: float, what: str, witness: str) -> None:
        at_ns = self.clock.at(second).monotonic_ns()
        self.recorder(
            FaultInjected(
                trial=trial.id,
                subject=what,
                assumed=False,
                bracket=Bracket(earliest_ns=at_ns, latest_ns=at_ns + SECOND // 100),
                wall=self.clock.now().utc,
                witness=witness,
            )
        )

    def _seen(self, after_s: float, what: Milestone, subject: str, detail: str) -> None:
        at_ns = self.clock.at(NODE_FAULT_S + after_s).monotonic_ns()
        bracket = Bracket(earliest_ns=at_ns - SECOND // 3, latest_ns=at_ns)
        self.recorder(
            MilestoneSeen(
                trial=SECOND_TRIAL.id,
                subject=subject,
                milestone=what,
                bracket=bracket,
                detail=detail,
            )
        )

    def probe(self, trial: ExperimentTrial, fault_s: float, from_s: float, until_s: float) -> None:
        """What the probers of a trial wrote, from one second to another before now."""
        for name, gaps in CLASSES.items():
            gap = gaps[0 if trial is FIRST else 1]
            path = self.run.observations / file_name(trial.id, name)
            with path.open("ab") as file:
                for observation in self._answers(fault_s, gap, from_s, until_s):
                    file.write(to_json(observation) + b"\n")

    def _answers(
        self, fault_s: float, gap: tuple[float, float | None], from_s: float, until_s: float
    ) -> Iterator[Observation]:
        start, end = gap
        for number in range(round((until_s - from_s) * SECOND) // INTERVAL_NS):
            second = from_s + number * INTERVAL_NS / SECOND
            wrong = fault_s + start <= second and (end is None or second < fault_s + end)
            at_ns = self.clock.at(second).monotonic_ns()
            yield Observation(
                scheduled_ns=at_ns,
                started_ns=at_ns + 20_000,
                ended_ns=at_ns + 1_500_000,
                outcome=Outcome.FAIL if wrong and end != 0 else Outcome.OK,
                detail=DOWN if wrong and end != 0 else "",
            )

    def break_in(self, state: Path) -> Intents:
        """What is broken now is on record in the state directory."""
        identity = plan().cluster
        intents = Intents(state, clock=self.clock.at(NODE_FAULT_S - 1))
        intents.remember(
            ClusterAccess(
                kubeconfig=Path("config"), identity=identity, provider="none", helper_image="image"
            )
        )
        intents.declare(
            self.run.path.name,
            SECOND_TRIAL.id,
            "lab",
            identity.uid,
            "power cut of worker-2",
            StartNode(node="worker-2", boot_id="5e2f"),
            timedelta(hours=1),
        )
        return intents


def in_an_outage(runs: Path, state: Path, now: Instant) -> RunningDay:
    """All of it: the second trial's fault two minutes ago, three classes still down."""
    day = RunningDay(runs, now)
    day.first_trial()
    day.second_trial()
    day.probe(FIRST, POD_FAULT_S, POD_FAULT_S - 20, POD_FAULT_S + 58)
    day.probe(SECOND_TRIAL, NODE_FAULT_S, NODE_FAULT_S - 20, 0)
    day.break_in(state)
    return day
