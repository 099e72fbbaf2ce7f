"""The conduct of a load test on a ground of fakes: order, what is recorded, what is put back."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import load_tests
import pytest
from msgspec.structs import replace

from harness.drill import load_test
from harness.drill.load_test import LoadSurroundings, conduct_load_test
from harness.drivers.clock import HostClock
from harness.errors import HealError, Interrupted
from harness.model.autoscaling import Sighting
from harness.model.cluster import Snapshot
from harness.model.game_day import ExperimentTrial
from harness.model.history import (
    CleanedUp,
    ClusterCompared,
    Event,
    ExperimentEnded,
    GuardsChecked,
    LoadInjected,
    QuotasFilled,
    ReplicasHeld,
    RolledBack,
    RunEnded,
    StepFailed,
    TimelineRecorded,
    TrialEnded,
    TrialStarted,
)
from harness.model.load_judgement import Injection, Latencies
from harness.model.load_profile import Profile, Stage
from harness.model.load_test import Drive, Fill, LoadTrial, Search
from harness.model.target import Latency
from harness.ports import Load, LoadProgress

CLOCK = HostClock()
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SHORT = Profile(
    profile="short", title="Short", stages=(Stage(rate=1.0, hold=timedelta(seconds=1)),)
)
CAPACITY = 50.0
"""Requests per second that one replica of the service under test takes."""


class FakeLoad:
    """One that has ended when it is asked for the third time."""

    def __init__(self, fact: LoadInjected) -> None:
        self._fact = fact
        self._asked = 0
        self.stopped = False

    def progress(self) -> LoadProgress:
        return LoadProgress(
            elapsed_s=self._asked, lasts_s=3, sent=1, ended=1, wrong=0, longest_lag_s=0
        )

    def ended(self) -> LoadInjected | None:
        self._asked += 1
        return self._fact if self._asked > 2 else None

    def stop(self) -> LoadInjected:
        self.stopped = True
        return self._fact


class FakeTimeline:
    stopped = False

    def now(self) -> Sighting | None:
        return None

    def stop(self) -> TimelineRecorded:
        self.stopped = True
        return TimelineRecorded(trial="t", file="t.timeline.jsonl", looks=1)


class FakeExperiment:
    released = False

    def facts(self) -> tuple[Event, ...]:
        return ()

    def exit_code(self) -> int | None:
        return 0 if self.released else None

    def release(self) -> None:
        self.released = True

    def interrupt(self) -> None: ...

    def ended(self) -> ExperimentEnded:
        return ExperimentEnded(trial="t", exit_code=0, journal=None)


class FakeGround:
    def __init__(self) -> None:
        self.refused: tuple[str, ...] = ()
        self.held: list[int] = []
        self.hold_fails: str | None = None
        self.load_fails: str | None = None
        self.rates: list[float] = []
        self.loads: list[FakeLoad] = []
        self.timeline = FakeTimeline()
        self.experiment: FakeExperiment | None = None
        self.interrupts: Callable[[], None] = lambda: None
        self.cannot_undo = False

    def guards(self, trial: str) -> GuardsChecked:
        return GuardsChecked(trial=trial, passed=("whole",), refused=self.refused)

    def snapshot(self) -> Snapshot:
        return Snapshot(taken=NOW, facts={"hpa spec": "[]"})

    def begin_timeline(self, trial: str) -> FakeTimeline:
        return self.timeline

    def hold(self, trial: str, replicas: int) -> ReplicasHeld:
        self.held.append(replicas)
        return ReplicasHeld(
            trial=trial, replicas=replicas, began_ns=0, ready_ns=1, error=self.hold_fails
        )

    def begin_load(self, trial: str, step: str, load: Load, *, replicas: int | None) -> FakeLoad:
        self.interrupts()
        self.rates.append(load.peak)
        self.loads.append(
            FakeLoad(
                LoadInjected(
                    trial=trial,
                    step=step,
                    began=CLOCK.now(),
                    scheduled=100,
                    lasts_s=1,
                    rate=load.peak,
                    workers=1,
                    samples=(),
                    replicas=replicas,
                    error=self.load_fails,
                )
            )
        )
        return self.loads[-1]

    def measured(self, injected: LoadInjected) -> Injection:
        """Right up to the capacity of so many replicas, and far too slow beyond it."""
        rate, replicas = injected.rate or 0, injected.replicas or 1
        slow = 0.1 if rate <= CAPACITY * replicas else 3.0
        return Injection(
            trial=injected.trial,
            step=injected.step,
            rate=rate,
            scheduled=100,
            sent=100,
            answered=100,
            errors={},
            latencies=Latencies(p50=slow, p90=slow, p95=slow, p99=slow, p999=slow, longest=slow),
            lag_p99_s=0.001,
            lag_longest_s=0.001,
            gates=(),
            replicas=replicas,
        )

    def begin_experiment(self, trial: ExperimentTrial) -> FakeExperiment:
        self.experiment = FakeExperiment()
        return self.experiment

    def fill(self, trial: str, tell: Callable[[str], None]) -> QuotasFilled:
        return QuotasFilled(trial=trial, nodes=10, node_cores=10, node_memory=2**34, filled=())

    def undo_left_over(self) -> tuple[RolledBack, ...]:
        if not self.held:
            return ()
        return (
            RolledBack(
                trial="t",
                action="hold of HorizontalPodAutoscaler shop/checkout",
                started_ns=0,
                ended_ns=1,
                witness="as before",
                error="refused" if self.cannot_undo else None,
            ),
        )

    def whole(self) -> tuple[str, ...]:
        return ()


class Silent:
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def step(self, text: str) -> None: ...
    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def trial_started(self, trial: str, index: int, count: int) -> None: ...
    def phase(self, name: str) -> NoReturn:
        raise AssertionError(name)


class Test:
    """One load test, and what came of it."""

    __test__ = False

    def __init__(self) -> None:
        self.ground, self.narrator = FakeGround(), Silent()
        self.facts: list[Event] = []

    def conduct(self, *trials: LoadTrial) -> list[type[object]]:
        conduct_load_test(
            load_tests.plan(Latency(at_most=timedelta(milliseconds=500)), trials=trials),
            LoadSurroundings(
                ground=self.ground, clock=CLOCK, record=self.record, narrator=self.narrator
            ),
        )
        return self.kinds()

    def record(self, fact: Event) -> None:
        self.facts.append(fact)

    def kinds(self) -> list[type[object]]:
        return [type(fact) for fact in self.facts]

    def of(self, kind: type[Any]) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]


@pytest.fixture
def test(monkeypatch: pytest.MonkeyPatch) -> Test:
    """Waits are short."""
    monkeypatch.setattr(load_test, "_LOOKS_EVERY_S", 0.001)
    monkeypatch.setattr(load_test, "_AT_REST_WITHIN_S", 0.01)
    monkeypatch.setattr(load_test, "_PASSES_WITHIN_S", 0.01)
    return Test()


def driven(**changes: Any) -> LoadTrial:  # noqa: ANN401
    drive = Drive(id="drive", title="Driven", profile="short", **changes)
    return LoadTrial(id="drive", scenario=drive, profile=SHORT, peak=10, seed=1)


def searched(*replicas: int) -> LoadTrial:
    scenario = Search(
        id="capacity",
        title="Searched",
        replicas=replicas,
        rest=timedelta(0),
        start_rate=10,
        resolution=0.1,
    )
    return LoadTrial(id="capacity", scenario=scenario, profile=None, peak=100, seed=1)


def test_a_drive_is_guarded_watched_injected_and_compared(test: Test) -> None:
    """In that order; the autoscaler is left alone."""
    assert test.conduct(driven()) == [
        TrialStarted,
        GuardsChecked,
        LoadInjected,
        TimelineRecorded,
        ClusterCompared,
        CleanedUp,
        TrialEnded,
        CleanedUp,
        RunEnded,
    ]
    assert test.ground.held == []
    assert "did not come down" in test.narrator.warnings[0]


def test_a_service_is_held_and_given_back(test: Test) -> None:
    """What was held is undone before the cluster is compared."""
    kinds = test.conduct(driven(replicas=4))
    assert kinds.index(ReplicasHeld) < kinds.index(LoadInjected) < kinds.index(RolledBack)
    assert kinds.index(RolledBack) < kinds.index(ClusterCompared)
    assert test.ground.held == [4]


def test_a_refusal_sends_nothing(test: Test) -> None:
    """Nor is anything held."""
    test.ground.refused = ("node worker-1 is not Ready",)
    test.conduct(driven(replicas=4))
    assert test.ground.loads == []
    assert test.ground.held == []
    assert "refused: node worker-1 is not Ready" in test.of(StepFailed)[0].error


@pytest.mark.parametrize("what", ["hold_fails", "load_fails"])
def test_a_failure_is_a_fact_and_the_next_trial_goes_on(test: Test, what: str) -> None:
    """All is put back in between."""
    setattr(test.ground, what, "no answer")
    second = replace(driven(), id="second")
    test.conduct(driven(replicas=2), second)
    assert "no answer" in test.of(StepFailed)[0].error
    assert [one.trial for one in test.of(TrialEnded)] == ["drive", "second"]


def test_what_is_taken_away_meanwhile_is_put_back_after_the_load(test: Test) -> None:
    """The experiment begins during the load, and is released at its end."""
    away = ExperimentTrial(
        id="drive",
        scenario="drive",
        title="away",
        experiment="node-power-cut",
        digest="",
        configuration={},
        ways=(),
        observe=timedelta(0),
        watch=timedelta(seconds=1),
        pause=timedelta(0),
        delay=timedelta(0),
        seed=1,
    )
    kinds = test.conduct(
        replace(driven(away="node-power-cut", away_after=timedelta(seconds=1)), away=away)
    )
    assert test.ground.experiment is not None
    assert test.ground.experiment.released
    assert kinds.index(LoadInjected) < kinds.index(ExperimentEnded)


def test_a_search_finds_the_capacity_of_each_number_of_replicas(test: Test) -> None:
    """It ends by itself, and never sends more than about twice what holds."""
    test.conduct(searched(1, 2))
    assert test.ground.held == [1, 2]
    for replicas in (1, 2):
        rates = [one.rate for one in test.of(LoadInjected) if one.replicas == replicas]
        holding = [rate for rate in rates if rate <= CAPACITY * replicas]
        failing = [rate for rate in rates if rate > CAPACITY * replicas]
        assert min(failing) - max(holding) <= 0.1 * max(holding) + 1e-9
        assert max(rates) <= 2.2 * CAPACITY * replicas
    steps = [one.step for one in test.of(LoadInjected)]
    assert len(set(steps)) == len(steps)
    assert steps[0] == "1-replicas-1"


def test_quotas_are_filled_without_the_cluster(test: Test) -> None:
    """No guard of the cluster is asked, and nothing is watched."""
    kinds = test.conduct(
        LoadTrial(
            id="quotas", scenario=Fill(id="quotas", title="Filled"), profile=None, peak=0, seed=1
        )
    )
    assert kinds == [TrialStarted, QuotasFilled, CleanedUp, TrialEnded, CleanedUp, RunEnded]


def test_an_interruption_stops_the_load_and_puts_back(test: Test) -> None:
    """It goes through, after all is put back."""

    def interrupt() -> None:
        raise Interrupted(signal.SIGINT)

    test.ground.interrupts = interrupt
    with pytest.raises(Interrupted):
        test.conduct(driven(replicas=3))
    kinds = test.kinds()
    assert kinds[-1] is RunEnded
    assert test.of(RunEnded)[0].interrupted is not None
    assert RolledBack in kinds
    assert test.ground.timeline.stopped


def test_what_cannot_be_put_back_ends_the_run(test: Test) -> None:
    """With what is left, named; the next trial is not begun."""
    test.ground.cannot_undo = True
    with pytest.raises(HealError, match="hold of HorizontalPodAutoscaler"):
        test.conduct(driven(replicas=3), replace(driven(), id="second"))
    assert [one.trial for one in test.of(TrialStarted)] == ["drive"]
    assert test.of(CleanedUp)[0].leaks
