"""The conduct of a game day on a ground of fakes: order, what is recorded, that all is put back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NoReturn

import msgspec
import pytest

from harness.drill import game_day
from harness.drill.game_day import GameDaySurroundings, conduct_game_day
from harness.drivers.clock import HostClock
from harness.errors import HealError, Interrupted
from harness.model.cluster import Identity, Snapshot
from harness.model.game_day import Caps, ExperimentTrial, GameDayPlan, ManualStep, Way, When
from harness.model.history import (
    CleanedUp,
    ClusterCompared,
    Event,
    ExperimentEnded,
    FaultInjected,
    GuardsChecked,
    LedgerCopied,
    LedgerReadBack,
    ManualStepEnded,
    MilestoneSeen,
    ProbesRecorded,
    RolledBack,
    RunEnded,
    StepFailed,
    SubscriptionsRecorded,
    TrialEnded,
    TrialStarted,
)
from harness.model.instant import Bracket
from harness.ports import Scene, Sighting, WayNow

CLOCK = HostClock()
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = 1_000_000_000


def _fault(bracket: Bracket | None = None) -> FaultInjected:
    now_ns = CLOCK.monotonic_ns()
    return FaultInjected(
        trial="t-1",
        subject="node:worker-1",
        assumed=False,
        bracket=bracket or Bracket(earliest_ns=now_ns, latest_ns=now_ns),
        wall=NOW,
        witness="seen",
    )


class FakeExperiment:
    def __init__(self, breaks: Callable[[], FaultInjected] | None) -> None:
        self._breaks = breaks
        self._given = False
        self.released = False
        self.interrupted = False

    def facts(self) -> tuple[Event, ...]:
        if self._given or self._breaks is None:
            return ()
        self._given = True
        return (self._breaks(),)

    def exit_code(self) -> int | None:
        return 0 if self.released or self._breaks is None else None

    def release(self) -> None:
        self.released = True

    def interrupt(self) -> None:
        self.interrupted = True

    def ended(self) -> ExperimentEnded:
        return ExperimentEnded(trial="t-1", exit_code=0, journal=None)


class FakeWays:
    """Right all along, or never again after it was told so."""

    def __init__(self) -> None:
        self.right = True
        self.stopped = False

    def now(self) -> tuple[WayNow, ...]:
        now_ns = CLOCK.monotonic_ns()
        return (
            WayNow(
                probe_class="orders: write",
                right_since_ns=0 if self.right else None,
                right_until_ns=now_ns + 60 * SECOND if self.right else None,
                wrong_since_ns=None if self.right else now_ns,
            ),
        )

    def stop(self) -> tuple[ProbesRecorded | SubscriptionsRecorded, ...]:
        self.stopped = True
        return (
            ProbesRecorded(
                trial="t-1",
                subject="orders",
                probe_class="orders: write",
                file="x",
                interval_ns=1,
                timeout_ns=1,
            ),
        )


class FakeGround:
    def __init__(self) -> None:
        self.refused: tuple[str, ...] = ()
        self.breaks: Callable[[], FaultInjected] | None = _fault
        self.experiment: FakeExperiment | None = None
        self.ways = FakeWays()
        self.left_over: tuple[RolledBack, ...] = ()
        self.differs = False
        self.snapshots = 0
        self.sightings = 0

    def guards(self, trial: ExperimentTrial) -> GuardsChecked:
        return GuardsChecked(trial=trial.id, passed=("caps",), refused=self.refused)

    def snapshot(self) -> Snapshot:
        self.snapshots += 1
        value = "[1]" if self.differs and self.snapshots > 1 else "[]"
        return Snapshot(taken=NOW, facts={"node//worker-1 spec": value})

    def begin_ways_in(self, trial: ExperimentTrial) -> FakeWays:
        return self.ways

    def begin_experiment(self, trial: ExperimentTrial) -> FakeExperiment:
        self.experiment = FakeExperiment(self.breaks)
        return self.experiment

    def look(self) -> Sighting:
        self.sightings += 1
        ready = {"worker-1": "a"} if self.sightings == 1 else {}
        return Sighting(ready_nodes=ready, writers={}, redundant={}, ready_pods={})

    def undo_left_over(self) -> tuple[RolledBack, ...]:
        return self.left_over

    def whole(self) -> tuple[str, ...]:
        return ()


class FakeLedgers:
    left_behind: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.stopped = False

    def unsteady(self, window: timedelta) -> tuple[str, ...]:
        return ()

    def read_back(self, trial: str, *, early: bool) -> tuple[LedgerReadBack, ...]:
        return (
            LedgerReadBack(
                trial=trial, subject="orders", file="x", rows=1, server="p", early=early
            ),
        )

    def stop(self) -> tuple[LedgerCopied, ...]:
        self.stopped = True
        return (LedgerCopied(subject="orders", files=()),)


class Silent:
    def step(self, text: str) -> None: ...
    def warning(self, text: str) -> None: ...
    def trial_started(self, trial: str, index: int, count: int) -> None: ...
    def phase(self, name: str) -> NoReturn:
        raise AssertionError(name)


class FakePerson:
    def confirm(self, step: ManualStep) -> tuple[str, str]:
        return "Ada", "done"


class FakeView:
    def __init__(self) -> None:
        self.scenes: list[Scene] = []

    def show(self, scene: Scene) -> None:
        self.scenes.append(scene)


def _trial(**changes: object) -> ExperimentTrial:
    trial = ExperimentTrial(
        id="t-1",
        scenario="t",
        title="A worker goes",
        experiment="x",
        digest="",
        configuration={},
        ways=tuple(Way),
        observe=timedelta(0),
        watch=timedelta(seconds=0.5),
        pause=timedelta(0),
        delay=timedelta(0),
        seed=1,
    )
    return msgspec.structs.replace(trial, **changes)


class Day:
    """One game day of one trial, and what came of it."""

    def __init__(self) -> None:
        self.ground, self.ledgers, self.view = FakeGround(), FakeLedgers(), FakeView()
        self.facts: list[Event] = []
        self.trial = _trial()
        self.opening: tuple[ManualStep, ...] = ()

    def conduct(self) -> list[type[object]]:
        plan = GameDayPlan(
            suite="game-day",
            title="Game day",
            environment="test",
            cluster=Identity(context="c", server="s", uid="u", version="v"),
            sustained=timedelta(0),
            steady=timedelta(0),
            caps=Caps(),
            workloads=(),
            targets=(),
            trials=(self.trial,),
            opening=self.opening,
            closing=(),
            blast_radius=(),
        )
        conduct_game_day(
            plan,
            GameDaySurroundings(
                ground=self.ground,
                ledgers=self.ledgers,
                person=FakePerson(),
                view=self.view,
                clock=CLOCK,
                record=self.record,
                narrator=Silent(),
            ),
        )
        return [type(fact) for fact in self.facts]

    def record(self, fact: Event) -> None:
        self.facts.append(fact)

    def of(self, kind: type[Event]) -> list[Event]:
        return [fact for fact in self.facts if isinstance(fact, kind)]


@pytest.fixture
def day(monkeypatch: pytest.MonkeyPatch) -> Day:
    monkeypatch.setattr(game_day, "_LOOKS_EVERY_S", 0.001)
    monkeypatch.setattr(game_day, "_PASSES_WITHIN_S", 0.05)
    monkeypatch.setattr(game_day, "_STEADY_WITHIN_S", 0.05)
    monkeypatch.setattr(game_day, "_WHOLE_WITHIN_S", 0.05)
    return Day()


def test_a_trial_is_recorded_from_its_guards_to_what_is_left(day: Day) -> None:
    assert day.conduct() == [
        TrialStarted,
        GuardsChecked,
        FaultInjected,
        MilestoneSeen,
        LedgerReadBack,
        ExperimentEnded,
        LedgerReadBack,
        ProbesRecorded,
        ClusterCompared,
        CleanedUp,
        TrialEnded,
        LedgerCopied,
        CleanedUp,
        RunEnded,
    ]
    early, final = (one for one in day.facts if isinstance(one, LedgerReadBack))
    assert (early.early, final.early) == (True, False)
    assert day.ground.ways.stopped
    assert day.view.scenes[-1].broken == ("node:worker-1",)


def test_a_refused_trial_breaks_nothing(day: Day) -> None:
    """Nothing is probed and no experiment begun; the refusal is on record."""
    day.ground.refused = ("PostgreSQL has no majority",)
    day.conduct()
    assert day.ground.experiment is None
    assert [one.error for one in day.facts if isinstance(one, StepFailed)] == [
        "refused: PostgreSQL has no majority"
    ]
    assert not day.of(FaultInjected)


def test_a_refusal_that_goes_away_is_waited_for(day: Day) -> None:
    """Only the last look is on record."""
    day.ground.refused = ("orders: 1 of 2 replicas stream",)
    guards = day.ground.guards

    def catching_up(trial: ExperimentTrial) -> GuardsChecked:
        checked = guards(trial)
        day.ground.refused = ()
        return checked

    day.ground.guards = catching_up  # type: ignore[method-assign]
    day.conduct()
    (checked,) = (one for one in day.facts if isinstance(one, GuardsChecked))
    assert checked.refused == ()
    assert day.of(FaultInjected)


def test_without_a_steady_state_nothing_is_broken(day: Day) -> None:
    day.ground.ways.right = False
    day.conduct()
    assert day.ground.experiment is None
    (failed,) = (one for one in day.facts if isinstance(one, StepFailed))
    assert "no steady state: orders: write" in failed.error


def test_clients_that_do_not_recover_are_given_up_and_all_is_put_back(day: Day) -> None:
    """After `watch` the experiment is released to its rollbacks."""

    def breaks() -> FaultInjected:
        day.ground.ways.right = False
        return _fault()

    day.ground.breaks = breaks
    kinds = day.conduct()
    assert day.ground.experiment is not None
    assert day.ground.experiment.released
    assert kinds.count(LedgerReadBack) == 2
    assert any("whole again" in one.step for one in day.facts if isinstance(one, StepFailed))


def test_an_experiment_without_a_fault_says_so(day: Day) -> None:
    """The process ended by itself: nothing is read back, since nothing was broken."""
    day.ground.breaks = None
    day.conduct()
    assert not day.of(LedgerReadBack)
    assert any("without a fault" in one.error for one in day.facts if isinstance(one, StepFailed))


def test_an_interruption_in_the_middle_puts_all_back(day: Day) -> None:
    """It goes through, after the experiment was released and everything recorded."""

    def interrupts() -> FaultInjected:
        raise Interrupted(__import__("signal").SIGTERM)

    day.ground.breaks = interrupts
    experiment: list[FakeExperiment] = []
    begin = day.ground.begin_experiment

    def begun(trial: ExperimentTrial) -> FakeExperiment:
        experiment.append(begin(trial))
        return experiment[0]

    day.ground.begin_experiment = begun  # type: ignore[method-assign]

    def once() -> FaultInjected:
        day.ground.breaks = None
        experiment[0]._breaks = _fault
        return interrupts()

    day.ground.breaks = once
    with pytest.raises(Interrupted):
        day.conduct()
    assert experiment[0].released
    assert experiment[0].interrupted
    assert day.ledgers.stopped
    (ended,) = (one for one in day.facts if isinstance(one, RunEnded))
    assert ended.interrupted is not None


def test_what_cannot_be_put_back_ends_the_day_loudly(day: Day) -> None:
    day.ground.left_over = (
        RolledBack(
            trial="t-1",
            action="power cut of worker-1",
            started_ns=1,
            ended_ns=2,
            witness="",
            error="it does not boot",
        ),
    )
    with pytest.raises(HealError, match="it does not boot"):
        day.conduct()
    assert day.of(ClusterCompared)
    assert day.of(RunEnded)


def test_a_difference_is_recorded(day: Day) -> None:
    day.ground.differs = True
    day.conduct()
    (compared,) = (one for one in day.facts if isinstance(one, ClusterCompared))
    assert compared.differences
    assert compared.examined == 1


def test_manual_steps_are_timed_where_they_belong(day: Day) -> None:
    """Those during a trial lie between the fault and the early read-back."""
    day.opening = (ManualStep(id="briefing", instruction="Tell them", when=When.BEFORE),)
    day.trial = _trial(
        manual=(
            ManualStep(id="promote", instruction="Promote", when=When.DURING),
            ManualStep(id="tell", instruction="Tell", when=When.AFTER),
        )
    )
    kinds = day.conduct()
    steps = [one for one in day.facts if isinstance(one, ManualStepEnded)]
    assert [(one.step, one.trial) for one in steps] == [
        ("briefing", ""),
        ("promote", "t-1"),
        ("tell", "t-1"),
    ]
    assert all(one.confirmed_by == "Ada" and one.ended_ns >= one.started_ns for one in steps)
    assert (
        kinds.index(FaultInjected) < kinds.index(ManualStepEnded, 1) < kinds.index(LedgerReadBack)
    )


def test_the_day_of_no_trial_ends_whole(day: Day) -> None:
    """The end is on record all the same, and ledgers are stopped."""
    day.ground.refused = ("x",)
    assert day.conduct()[-3:] == [LedgerCopied, CleanedUp, RunEnded]
