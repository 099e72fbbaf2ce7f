"""Facts and observations in, the live page out: each state is planted once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import constructors
import game_day_run
import game_days as make
import judged_runs
import load_tests
import pytest
import running_days
from constructors import SECOND
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.drivers.clock import HostClock
from harness.model.codec import from_json
from harness.model.conformance import ConformancePlan
from harness.model.game_day import GameDayPlan, ManualStep, When
from harness.model.history import (
    CleanedUp,
    ClusterCompared,
    Entry,
    Event,
    ExperimentEnded,
    FaultInjected,
    GuardsChecked,
    HypothesisMeasured,
    LoadInjected,
    ManualStepEnded,
    Observation,
    Outcome,
    RolledBack,
    RunEnded,
    StepFailed,
    TrialEnded,
    TrialStarted,
)
from harness.model.instant import Bracket, Instant
from harness.model.plan import RunPlan
from harness.model.subscription import Published, Received, Subscribed
from harness.page.live_state import WINDOW_NS, LiveState
from harness.page.live_steps import Stand
from harness.page.live_view import Around, Life, LiveView, Ticking, Way, news

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
FILE = "pod-delete-1-orders-write-on-a-new-connection.jsonl"
RECORD = running_days.record("20261124T025900Z-game-day-lab", NOW - timedelta(minutes=1))


def at(second: float) -> Instant:
    """After the fault."""
    return Instant(monotonic_ns=make.at(second), utc=NOW + timedelta(seconds=second))


class Live:
    """A state, and what is planted in it."""

    def __init__(self, plan: RunPlan | None = None) -> None:
        self.state = LiveState(RECORD, make.plan(make.trial()) if plan is None else plan)
        self.sequence = 0

    def fact(self, second: float, *facts: Event) -> Live:
        for fact in facts:
            self.state.take(Entry(sequence=self.sequence, at=at(second), fact=fact))
            self.sequence += 1
        return self

    def answers(
        self,
        *down: tuple[float, float],
        file: str = FILE,
        from_s: float = -10,
        until_s: float = 56,
    ) -> Live:
        for one in make.answers(*down, from_s=from_s, until_s=until_s):
            self.state.observed(file, one)
        return self

    def view(self, second: float, life: Life = Life.GOES_ON) -> LiveView:
        return self.state.view(Around(now=at(second), life=life))


def broken(second: float = 0) -> FaultInjected:
    bracket = Bracket(earliest_ns=make.at(second), latest_ns=make.at(second + 0.01))
    return replace(make.broken(make.trial()), bracket=bracket)


def parts(view: LiveView, step: int = 0) -> list[tuple[str, Stand]]:
    return [(part.name, part.stand) for part in view.steps[step].parts]


def test_of_nothing_it_is_beginning() -> None:
    """No step has begun, nothing is broken, no clock runs."""
    view = Live().view(0)
    assert view.doing == "beginning"
    assert [step.stand for step in view.steps] == [Stand.NEXT]
    assert (view.broken, view.clocks, view.lanes, view.events, view.notes) == ((),) * 5


def test_a_class_is_up_down_or_not_looked_at() -> None:
    """By its newest answer; an old one says nothing."""
    live = Live().answers((0, 100), until_s=0)
    assert live.view(0).lanes[0].way is Way.UP
    down = Live().answers((0, 100), until_s=20).view(20)
    assert down.lanes[0].way is Way.DOWN
    assert down.lanes[0].detail == "connection refused"
    assert down.lanes[0].for_ns == pytest.approx(20 * SECOND, abs=SECOND / 10)
    assert live.view(4).lanes[0].way is Way.UNSEEN


def test_a_class_is_named_by_its_file_and_then_by_its_record() -> None:
    """While it goes on, only the name of the file is there."""
    live = Live().answers(until_s=1)
    assert live.view(1).lanes[0].name == "orders: write on a new connection"
    without = replace(make.probed(make.trial()), file=FILE, probe_class="write")
    assert live.fact(1, without).view(1).lanes[0].name == "orders: write"
    fact = replace(make.probed(make.trial()), file=FILE, probe_class="orders: the recorded name")
    lane = live.fact(1, fact).view(1).lanes[0]
    assert lane.name == "orders: the recorded name"
    assert lane.way is Way.UNSEEN


def test_the_same_class_of_two_trials_has_one_strip() -> None:
    """With a gap between them, in which nobody looked."""
    two = make.plan(make.trial(1), make.trial(2))
    live = Live(two).answers(until_s=5)
    live.answers(file=FILE.replace("delete-1", "delete-2"), from_s=60, until_s=70)
    (lane,) = live.view(70).lanes
    assert len(lane.pieces) == 2
    assert lane.pieces[0].start + lane.pieces[0].width < lane.pieces[1].start


def test_strips_forget_what_is_older_than_they_show() -> None:
    """Memory does not grow with the run."""
    live = Live()
    for minute in range(60):
        live.answers((minute * 60, minute * 60 + 1), from_s=minute * 60, until_s=minute * 60 + 10)
    (lane,) = live.state._lanes.values()
    assert len(lane.stretches) <= 25
    assert min(one.end_ns for one in lane.stretches) >= lane.last_ns - WINDOW_NS


def test_a_clock_runs_from_the_fault_until_it_is_back_for_good() -> None:
    """Running, over its target, recovered: with the time of the first right answer."""
    live = Live().fact(-12, TrialStarted(trial="pod-delete-1")).fact(0.1, broken())
    live.answers((0.1, 400), until_s=20)
    (clock,) = live.view(20).clocks
    assert (clock.subject, clock.ticking) == ("orders", Ticking.RUNNING)
    assert clock.elapsed_ns == 20 * SECOND
    assert clock.target_ns == 300 * SECOND
    assert not clock.over
    live.answers((0.1, 310), from_s=20, until_s=311)
    over = live.view(311).clocks[0]
    assert over.over
    assert over.share == 100
    assert over.ticking is Ticking.RUNNING  # right for a second, where two are asked for
    live.answers(from_s=311, until_s=313)
    (back,) = live.view(330).clocks
    assert back.ticking is Ticking.RECOVERED
    assert back.elapsed_ns == pytest.approx(310 * SECOND, abs=SECOND / 10)
    assert back.over


def test_a_clock_of_a_subject_that_was_never_down_does_not_run() -> None:
    """It has nothing to recover from."""
    live = Live().fact(0.1, broken()).answers(until_s=10)
    (clock,) = live.view(10).clocks
    assert (clock.ticking, clock.elapsed_ns, clock.over) == (Ticking.UNHIT, None, False)


def test_a_clock_waits_for_every_class_of_its_subject() -> None:
    """The slowest way in counts."""
    kept = FILE.replace("new", "kept")
    live = Live().fact(0.1, broken())
    live.answers((0.1, 3), until_s=12).answers((0.1, 8), file=kept, until_s=9)
    assert live.view(10).clocks[0].ticking is Ticking.RUNNING
    live.answers((0.1, 8), file=kept, from_s=9, until_s=12)
    back = live.view(12).clocks[0]
    assert back.ticking is Ticking.RECOVERED
    assert back.elapsed_ns == pytest.approx(8 * SECOND, abs=SECOND / 10)


def test_a_fault_that_nobody_saw_starts_no_clock() -> None:
    """When it was is not known."""
    live = Live().fact(0.1, replace(broken(), bracket=None)).answers(until_s=5)
    assert live.view(5).clocks == ()


def test_the_steps_of_a_trial_follow_its_facts() -> None:
    """Each part is done when its fact is there; the first that is not goes on."""
    trial = make.trial()
    live = Live()
    expected: list[tuple[Event, str]] = [
        (TrialStarted(trial=trial.id), "checking the guards"),
        (GuardsChecked(trial=trial.id, passed=("x",), refused=()), "proving the steady state"),
        (
            HypothesisMeasured(trial=trial.id, when="before", met=True, probes=()),
            "breaking",
        ),
        (broken(), "clients recover by themselves"),
        (make.rolled_back(trial), "putting back"),
        (experiment_ended(trial.id), "comparing with before"),
    ]
    for second, (fact, doing) in enumerate(expected):
        view = live.fact(second, fact).view(second)
        assert view.doing == f"{trial.title}: {doing}"
    live.fact(9, ClusterCompared(trial=trial.id, examined=1), TrialEnded(trial=trial.id))
    view = live.view(9)
    assert view.steps[0].stand is Stand.DONE
    assert {stand for _, stand in parts(view)} == {Stand.DONE}
    assert live.fact(10, RunEnded()).view(10).doing == "ended"
    assert Live().fact(1, RunEnded(interrupted="SIGTERM")).view(1).doing == "ended by SIGTERM"


def experiment_ended(trial: str) -> Event:
    return ExperimentEnded(trial=trial, exit_code=0, journal=None)


def test_a_person_who_is_waited_for_is_said() -> None:
    """Before the fault, during it, and at the opening."""
    call = ManualStep(id="call", instruction="Call her")
    trial = make.trial(manual=(call, replace(call, id="before", when=When.BEFORE)))
    opening = (ManualStep(id="open", instruction="Announce it"),)
    live = Live(make.plan(trial, opening=opening))
    assert live.view(-20).doing == "Announce it: person: Announce it"
    live.fact(-19, manual("", "open", "Ada"), TrialStarted(trial=trial.id))
    live.fact(-18, GuardsChecked(trial=trial.id, passed=(), refused=()))
    live.fact(-17, HypothesisMeasured(trial=trial.id, when="before", met=True, probes=()))
    view = live.view(-16)
    assert view.doing.endswith("person: Call her")
    now = next(part for part in view.steps[1].parts if part.stand is Stand.NOW)
    assert now.detail == "waits for a person"
    live.fact(-15, manual(trial.id, "before", "Ada")).fact(0, broken())
    assert live.view(1).doing.endswith("person: Call her")
    live.fact(2, manual(trial.id, "call", ""))
    nobody = next(part for part in live.view(3).steps[1].parts if part.stand is Stand.FAILED)
    assert nobody.detail == "nobody confirmed it"


def manual(trial: str, step: str, who: str) -> ManualStepEnded:
    return ManualStepEnded(
        trial=trial, step=step, instruction=step, started_ns=0, ended_ns=1, confirmed_by=who
    )


def test_what_failed_is_marked_and_says_why() -> None:
    """A refusal, a failed step, what was not put back, what is not as it was."""
    trial = make.trial()
    refused = Live().fact(0, TrialStarted(trial=trial.id))
    refused.fact(1, GuardsChecked(trial=trial.id, passed=(), refused=("no quorum",)))
    refused.fact(2, StepFailed(trial=trial.id, subject=None, step="guards", error="refused"))
    refused.fact(3, TrialEnded(trial=trial.id))
    view = refused.view(3)
    assert view.steps[0].stand is Stand.FAILED
    assert ("checking the guards", Stand.FAILED) in parts(view)
    assert view.events[2].text == "refused: no quorum"
    assert view.events[2].bad
    left = Live().fact(0, TrialStarted(trial=trial.id)).fact(1, broken())
    left.fact(2, make.rolled_back(trial, error="node is gone", witness=""))
    left.fact(3, ClusterCompared(trial=trial.id, examined=3, differences=("Node/x",)))
    failed = [name for name, stand in parts(left.view(3)) if stand is Stand.FAILED]
    assert failed == ["putting back", "comparing with before"]
    assert [event.bad for event in left.view(3).events] == [True, True, True, False]


def test_a_run_that_was_cut_off_in_a_trial_says_so() -> None:
    """Nothing goes on in what ended."""
    trial = make.trial()
    live = Live().fact(0, TrialStarted(trial=trial.id)).fact(1, RunEnded(interrupted="SIGINT"))
    assert live.view(1).steps[0].stand is Stand.FAILED


def test_long_plans_show_what_is_near() -> None:
    """And how much is left out on each side."""
    trials = [make.trial(number) for number in range(1, 21)]
    live = Live(make.plan(*trials))
    for number in range(1, 10):
        live.fact(number, TrialStarted(trial=f"pod-delete-{number}"))
        if number < 9:
            live.fact(number, ClusterCompared(trial=f"pod-delete-{number}", examined=1))
            live.fact(number, TrialEnded(trial=f"pod-delete-{number}"))
    view = live.view(11)
    assert [step.name for step in view.steps][2] == "pod-delete-9"
    assert view.steps_before == 6
    assert view.steps_before + len(view.steps) + view.steps_after == 20


def test_restores_have_steps_clocks_and_what_is_lost() -> None:
    """Each subject by itself; a clean-up gives back."""
    trial = constructors.trial()
    live = Live(constructors.plan(trials=[trial]))
    live.fact(-1, StepFailed(trial="", subject=None, step="checking the backups", error="x"))
    assert live.view(-1).doing == "before the first step"
    assumed = replace(constructors.lost(trial), assumed=True)
    live.fact(0, TrialStarted(trial=trial.id), assumed)
    assert live.view(1).broken == ()
    live.fact(1, replace(assumed, assumed=False))
    view = live.view(1)
    assert view.doing.endswith("restoring")
    assert len(view.broken) == 1
    file = f"{trial.id}-orders.jsonl"
    live.answers((-20, 7), file=file, from_s=0, until_s=30)
    clock = next(one for one in live.view(31).clocks if one.subject == "orders")
    assert clock.ticking is Ticking.RECOVERED
    live.fact(31, constructors.restored(trial))
    assert live.view(32).doing.endswith("reading the ledger back")
    live.fact(33, CleanedUp(trial=trial.id, healed=("x",), leaks=()))
    assert live.view(33).broken == ()


def test_a_region_that_is_away_starts_no_clock_of_a_restore() -> None:
    """Only what is restored in this trial has one, though others were before."""
    trial = constructors.trial()
    live = Live(constructors.plan(trials=[trial]))
    away = replace(constructors.lost(trial), subject="region:primary", assumed=False)
    live.fact(0, TrialStarted(trial=trial.id), away)
    live.answers(file=f"{trial.id}-orders.jsonl", until_s=2)
    assert [one.action for one in live.view(2).broken] == ["region:primary: lost"]
    assert live.view(2).clocks == ()
    live.fact(2, constructors.lost(trial))
    assert [one.subject for one in live.view(3).clocks] == ["orders"]


def test_a_load_test_has_steps() -> None:
    """Guards, load, comparison."""
    plan = load_tests.plan(trials=[load_tests.trial()])
    (trial,) = plan.trials
    live = Live(plan).fact(0, TrialStarted(trial=trial.id))
    assert live.view(0).doing.endswith("checking the guards")
    live.fact(1, GuardsChecked(trial=trial.id, passed=(), refused=()))
    assert "load" in live.view(1).doing
    live.fact(2, replace(injected(trial.id)))
    assert live.view(2).doing.endswith("comparing with before")


def injected(trial: str) -> LoadInjected:
    return LoadInjected(
        trial=trial, step="", began=at(0), scheduled=100, lasts_s=1, rate=5, workers=1, samples=()
    )


def test_a_conformance_check_counts_what_it_read() -> None:
    """It has no trials."""
    plan = from_plan("conformance")
    live = Live(plan)
    assert live.view(0).steps[0].stand is Stand.NEXT
    live.fact(1, StepFailed(trial="", subject=None, step="x", error="y"))
    assert live.view(1).steps[0].stand is Stand.NOW


def from_plan(name: str) -> RunPlan:
    plan = judged_runs.judged(name).plan
    assert isinstance(plan, ConformancePlan)
    return plan


def test_subscribers_are_ways_in_too() -> None:
    """Up while they hear, down from the first message that they do not hear in time."""
    live = Live(make.plan(make.trial(), workloads=(make.EVENTS,)))
    file = "pod-delete-1-events-subscriptions.jsonl"
    live.state.heard(file, Subscribed(subscriber="till-1", at_ns=make.at(-1), node="n"))
    for seq in range(1, 31):
        sent = make.at(seq / 5)
        live.state.heard(
            file,
            Published(
                seq=seq, scheduled_ns=sent, started_ns=sent, ended_ns=sent + 1, outcome=Outcome.OK
            ),
        )
        if seq <= 10:
            live.state.heard(file, Received(subscriber="till-1", seq=seq, at_ns=sent + 1000))
    (lane,) = live.view(6).lanes
    assert lane.name == "events: heard by till-1"
    assert lane.way is Way.DOWN
    assert lane.detail == "not heard"
    assert lane.for_ns == pytest.approx(3.8 * SECOND, abs=SECOND / 10)
    late = Received(subscriber="till-1", seq=30, at_ns=make.at(6.1))
    live.state.heard(file, late)
    assert live.view(6.1).lanes[0].way is Way.UP


def test_what_turned_is_said_and_nothing_else() -> None:
    """A clock that only ticks is no news."""
    live = Live().fact(-1, TrialStarted(trial="pod-delete-1")).answers((0, 400), until_s=0)
    before = live.view(0)
    assert news(None, before)[0].startswith("run 2026")
    assert news(before, live.view(0.5)) == ()
    live.fact(0, broken()).answers((0, 400), from_s=0, until_s=2)
    down = live.view(2)
    said = news(before, down)
    assert "orders: write on a new connection: down" in said
    assert any("clients recover" in line for line in said)
    assert news(down, live.answers((0, 400), from_s=2, until_s=3).view(3)) == ()
    live.answers((0, 400), from_s=3, until_s=301)
    assert news(down, live.view(301)) == ("orders: the recovery time target is missed",)
    silent = live.view(301, Life.SILENT)
    assert news(live.view(301), silent) == ("no sign of life of the run",)


@given(
    st.lists(
        st.tuples(st.integers(0, 9_000), st.integers(0, 1_200), st.sampled_from(Outcome)),
        max_size=60,
    )
)
def test_strips_are_within_their_width_whatever_was_observed(
    seen: Sequence[tuple[int, int, Outcome]],
) -> None:
    """Any order, any length: what is drawn is within the strip, and the newest answer decides."""
    live = Live()
    for start_ms, length_ms, outcome in seen:
        started_ns = make.at(start_ms / 1000)
        ended_ns = started_ns + length_ms * 1_000_000
        live.state.observed(FILE, Observation(started_ns, started_ns, ended_ns, outcome))
    view = live.view(10.2)
    for lane in view.lanes:
        for piece in lane.pieces:
            assert piece.start >= 0
            assert piece.width > 0
            assert piece.start + piece.width <= 1000
        if lane.way is not Way.UNSEEN:
            assert (lane.way is Way.UP) is (seen[-1][2] is Outcome.OK)


def test_a_whole_recorded_day_ends_with_every_step_decided() -> None:
    """The game day of tests/histories: no step is left going on."""
    day = game_day_run.day()
    plan = day.plan
    assert isinstance(plan, GameDayPlan)
    live = Live(plan)
    for entry in day.history().entries:
        live.state.take(entry)
        live.view(entry.at.monotonic_ns / SECOND)
    view = live.view(10_000, Life.ENDED)
    assert view.doing == "ended"
    assert all(step.stand in {Stand.DONE, Stand.FAILED} for step in view.steps)


def test_an_outage_that_goes_on(tmp_path: Path) -> None:
    """The picture of docs/page.md: what is shown, from the files' bytes."""
    now = HostClock().now()
    with running_days.in_an_outage(tmp_path / "runs", tmp_path / "state", now) as day:
        state = LiveState(day.record, day.run.read_plan())
        for line in day.run.history.read_bytes().splitlines():
            state.take(from_json(line, Entry))
        for path in sorted(day.run.observations.iterdir()):
            for line in path.read_bytes().splitlines():
                state.observed(path.name, from_json(line, Observation))
    view = state.view(Around(now=now, life=Life.GOES_ON))
    ticking = {clock.subject: clock.ticking for clock in view.clocks}
    assert ticking == {
        "orders": Ticking.RUNNING,
        "carts": Ticking.RECOVERED,
        "checkout": Ticking.RUNNING,
        "kubernetes": Ticking.UNHIT,
    }
    assert sum(lane.way is Way.DOWN for lane in view.lanes) == 3
    assert len(view.faults) == 2
    assert isinstance(day.run.read_plan(), GameDayPlan)
    assert not any(isinstance(fact, RolledBack) and fact.error for fact in state._facts)
