"""Conducts a game day: proves a steady state, lets an experiment break something, watches clients
recover, has it put back, and compares; records it all.

Nothing is judged here. A trial whose guards refuse, or whose steady state never comes, is recorded
as such and breaks nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from harness.drill.blame import blame
from harness.drill.milestones import Milestones
from harness.drill.plan import allowed_loss
from harness.drivers import process
from harness.drivers.clock import wait_until
from harness.errors import DeadlineExceededError, HarnessError, HealError, RecordError
from harness.faults.comparison import compare
from harness.model.cluster import Snapshot
from harness.model.game_day import ExperimentTrial, GameDayPlan, ManualStep, When
from harness.model.history import (
    CleanedUp,
    ClusterCompared,
    FaultInjected,
    ManualStepEnded,
    RolledBack,
    RunEnded,
    StepFailed,
    TrialEnded,
    TrialStarted,
)
from harness.model.instant import nanoseconds
from harness.model.target import RecoveryTime
from harness.ports import (
    Clock,
    DrillGround,
    Ledgers,
    LiveView,
    Narrator,
    Person,
    Record,
    RunningExperiment,
    Scene,
    WaysIn,
)

_LOOKS_EVERY_S = 0.3
_STEADY_WITHIN_S = 180.0
_PASSES_WITHIN_S = 120.0
"""How long a guard's refusal is waited for to go away."""
_BREAKS_WITHIN_S = 240.0
"""From the start of an experiment to its first witnessed fault: a drain waits for budgets."""
_PUTS_BACK_WITHIN_S = 300.0
_WHOLE_WITHIN_S = 300.0
"""From the end of the rollbacks to a platform with all its replicas."""


@dataclass(frozen=True, kw_only=True)
class GameDaySurroundings:
    """All that a game day touches, chosen by the command line."""

    ground: DrillGround
    ledgers: Ledgers
    person: Person
    view: LiveView
    clock: Clock
    record: Record
    narrator: Narrator


def conduct_game_day(plan: GameDayPlan, at: GameDaySurroundings) -> None:
    """Performs every trial of the plan and records the end of the run.

    Raises HealError where something could not be put back: the trials that would follow are not
    begun. Lets an interruption through, after all has been put back.
    """
    interrupted: str | None = None
    try:
        for step in plan.opening:
            _ask(at, "", step)
        for index, trial in enumerate(plan.trials, start=1):
            at.narrator.trial_started(trial.id, index, len(plan.trials))
            again = index > 1 and plan.trials[index - 2].scenario == trial.scenario
            _Trial(plan, trial, at).perform(after=trial.pause if again else timedelta())
        for step in plan.closing:
            _ask(at, "", step)
    except BaseException as error:
        interrupted = type(error).__name__ if isinstance(error, HarnessError) else str(error)
        raise
    finally:
        process.allow_children()
        for copied in at.ledgers.stop():
            at.record(copied)
        at.record(CleanedUp(trial="", healed=(), leaks=at.ledgers.left_behind))
        at.record(RunEnded(interrupted=interrupted))


class _Trial:
    """One trial: from the guards to the comparison of what is left."""

    def __init__(
        self, plan: GameDayPlan, trial: ExperimentTrial, surroundings: GameDaySurroundings
    ) -> None:
        self._plan = plan
        self._trial = trial
        self._at = surroundings
        self._record = surroundings.record
        self._before: Snapshot | None = None
        self._ways: WaysIn | None = None
        self._experiment: RunningExperiment | None = None
        self._milestones: Milestones | None = None
        self._fault_ns: int | None = None
        self._broken: list[str] = []
        self._healed: list[str] = []
        self._interrupted = False
        self._rto_ns = max(
            (
                nanoseconds(one.objective.at_most)
                for one in plan.targets
                if isinstance(one.objective, RecoveryTime)
            ),
            default=None,
        )

    def perform(self, *, after: timedelta) -> None:
        """Performs it, `after` a pause; whatever happens, what it broke is put back."""
        self._record(TrialStarted(trial=self._trial.id))
        try:
            for step, action in self._actions(after):
                with self._recorded(step) as done:
                    action()
                if not done:
                    break
        except BaseException:
            self._interrupted = True
            raise
        finally:
            process.allow_children()  # an interruption ends here; putting back needs children
            self._put_back()
        self._record(TrialEnded(trial=self._trial.id))

    def _actions(self, after: timedelta) -> tuple[tuple[str, Callable[[], None]], ...]:
        def rest() -> None:
            self._wait(after, "resting, so that the last trial slows nothing")

        return (
            ("resting", rest),
            ("checking the guards", self._check_guards),
            ("awaiting a steady state", self._await_steady),
            ("breaking and watching", self._break_and_watch),
        )

    def _wait(self, pause: timedelta, doing: str) -> None:
        if not pause:
            return
        until_ns = self._at.clock.monotonic_ns() + nanoseconds(pause)
        self._keep_looking(
            lambda: self._at.clock.monotonic_ns() >= until_ns,
            within_s=pause.total_seconds() + 1,
            doing=doing,
        )

    def _check_guards(self) -> None:
        """What refuses may pass by: a replica that still catches up after the trial before."""
        checked = self._at.ground.guards(self._trial)

        def let_pass() -> bool:
            nonlocal checked
            checked = self._at.ground.guards(self._trial)
            return not checked.refused

        if checked.refused:
            with contextlib.suppress(DeadlineExceededError):
                self._keep_looking(
                    let_pass,
                    within_s=_PASSES_WITHIN_S,
                    doing=f"a guard refuses: {checked.refused[0]}",
                )
        self._record(checked)
        if checked.refused:
            raise HarnessError(f"refused: {checked.refused[0]}")
        self._before = self._at.ground.snapshot()

    def _await_steady(self) -> None:
        """Every way in right for as long as the plan asks, and ledgers that would show a loss."""
        self._ways = self._at.ground.begin_ways_in(self._trial)
        windows = [
            window
            for one in self._plan.workloads
            if (window := allowed_loss(self._plan.targets, one.target_kind)) is not None
        ]
        window = min(windows, default=None)

        def unsteady() -> list[str]:
            wrong = self._not_right_for(self._plan.steady, since_ns=None)
            if window is not None:
                wrong += self._at.ledgers.unsteady(window)
            return wrong

        try:
            self._keep_looking(
                lambda: not unsteady(), within_s=_STEADY_WITHIN_S, doing="proving the steady state"
            )
        except DeadlineExceededError as error:
            raise HarnessError(f"no steady state: {'; '.join(unsteady())}") from error
        self._milestones = Milestones(
            self._trial.id, self._at.ground.look(), self._at.clock.monotonic_ns()
        )
        for step in self._steps(When.BEFORE):
            _ask(self._at, self._trial.id, step)

    def _break_and_watch(self) -> None:
        self._wait(self._trial.delay, "steady; awaiting the drawn moment of the fault")
        experiment = self._experiment = self._at.ground.begin_experiment(self._trial)
        self._keep_looking(
            lambda: self._fault_ns is not None or experiment.exit_code() is not None,
            within_s=_BREAKS_WITHIN_S,
            doing="the experiment checks its hypothesis and breaks",
        )
        self._take_in()  # it may have ended just after its last fact
        if self._fault_ns is None:
            raise HarnessError("the experiment ended without a fault on record")
        for step in self._steps(When.DURING):
            _ask(self._at, self._trial.id, step)
        with contextlib.suppress(DeadlineExceededError):  # the judge sees that it never was
            self._keep_looking(
                self._recovered,
                within_s=self._trial.watch.total_seconds(),
                doing="watching clients recover by themselves",
            )
        for read in self._at.ledgers.read_back(self._trial.id, early=True):
            self._record(read)

    def _recovered(self) -> bool:
        """Every way in is right for good, and the fault was there for as long as is asked."""
        fault_ns = self._fault_ns or 0
        if self._at.clock.monotonic_ns() - fault_ns < nanoseconds(self._trial.observe):
            return False
        return not self._not_right_for(self._plan.sustained, since_ns=fault_ns)

    def _not_right_for(self, at_least: timedelta, *, since_ns: int | None) -> list[str]:
        """The ways in that were not right all the time for so long, after an instant."""
        if self._ways is None:
            return ["nothing is probed"]
        wrong = []
        for way in self._ways.now():
            if way.right_since_ns is None or way.right_until_ns is None:
                wrong.append(f"{way.probe_class}: {way.detail or 'no answer yet'}")
                continue
            begun_ns = max(way.right_since_ns, since_ns or 0)
            if way.right_until_ns - begun_ns < nanoseconds(at_least):
                wrong.append(f"{way.probe_class}: right for too short a time")
        return wrong

    def _put_back(self) -> None:
        """Has the rollbacks run, does itself what they left, reads back finally, compares."""
        failures = [*self._end_experiment()]
        if self._experiment is not None and not failures:
            with self._recorded("awaiting that the platform is whole again"):
                self._await_whole()
        for step in self._steps(When.AFTER):
            _ask(self._at, self._trial.id, step)
        if self._fault_ns is not None:
            with self._recorded("reading the ledgers back"):
                for read in self._at.ledgers.read_back(self._trial.id, early=False):
                    self._record(read)
        for recorded in self._ways.stop() if self._ways is not None else ():
            self._record(recorded)
        if self._before is not None:
            self._record(self._compared(self._before))
        self._record(
            CleanedUp(trial=self._trial.id, healed=tuple(self._healed), leaks=tuple(failures))
        )
        if failures:
            raise HealError("; ".join(failures), hint="harness recover")

    def _end_experiment(self) -> Iterator[str]:
        """Releases it to its rollbacks and does what they left; what could not be put back."""
        experiment = self._experiment
        if experiment is not None:
            experiment.release()
            if self._interrupted:  # also an action that is still at it, such as a drain
                experiment.interrupt()
            with contextlib.suppress(DeadlineExceededError):  # `ended` ends it
                self._keep_looking(
                    lambda: experiment.exit_code() is not None,
                    within_s=_PUTS_BACK_WITHIN_S,
                    doing="putting back what was broken",
                )
            ended = experiment.ended()
            self._take_in()
            self._record(ended)
        for rolled_back in self._at.ground.undo_left_over():
            self._record(rolled_back)
            if rolled_back.error is None:
                self._healed.append(rolled_back.action)
            else:
                yield f"{rolled_back.action}: {rolled_back.error}"

    def _await_whole(self) -> None:
        missing: tuple[str, ...] = ()

        def is_whole() -> bool:
            nonlocal missing
            missing = self._at.ground.whole()
            return not missing and not self._not_right_for(self._plan.sustained, since_ns=None)

        try:
            self._keep_looking(is_whole, within_s=_WHOLE_WITHIN_S, doing="awaiting all replicas")
        except DeadlineExceededError as error:
            raise HarnessError(
                f"{error}: {'; '.join(missing) or 'a way in is not right'}"
            ) from error

    def _compared(self, before: Snapshot) -> ClusterCompared:
        try:
            after = self._at.ground.snapshot()
        except HarnessError as error:
            return ClusterCompared(trial=self._trial.id, examined=0, error=str(error))
        return ClusterCompared(
            trial=self._trial.id,
            examined=len(before.facts),
            differences=compare(before, after),
        )

    def _keep_looking(self, done: Callable[[], bool], *, within_s: float, doing: str) -> None:
        """Takes in facts, looks for milestones and shows the scene until it is done."""

        def look() -> bool:
            self._take_in()
            self._look_for_milestones()
            self._show(doing)
            return done()

        wait_until(look, within_s=within_s, what=doing, every_s=_LOOKS_EVERY_S)

    def _take_in(self) -> None:
        """Records what the experiment's process has written since the last time."""
        if self._experiment is None:
            return
        for fact in self._experiment.facts():
            self._record(fact)
            if isinstance(fact, FaultInjected):
                self._broken.append(fact.subject)
                if fact.bracket is not None and self._fault_ns is None:
                    self._fault_ns = fact.bracket.earliest_ns
            elif isinstance(fact, RolledBack):
                self._healed.append(fact.action)

    def _look_for_milestones(self) -> None:
        if self._milestones is None or self._fault_ns is None:
            return
        with contextlib.suppress(HarnessError):  # the API may be what is broken; look again
            sighting = self._at.ground.look()
            for seen in self._milestones.look(sighting, self._at.clock.monotonic_ns()):
                self._record(seen)

    def _show(self, doing: str) -> None:
        now_ns = self._at.clock.monotonic_ns()
        self._at.view.show(
            Scene(
                trial=self._trial.id,
                title=self._trial.title,
                doing=doing,
                since_fault_ns=None if self._fault_ns is None else now_ns - self._fault_ns,
                target_ns=self._rto_ns,
                broken=() if self._healed else tuple(self._broken),
                ways=() if self._ways is None else self._ways.now(),
                now_ns=now_ns,
            )
        )

    def _steps(self, when: When) -> Sequence[ManualStep]:
        return [step for step in self._trial.manual if step.when is when]

    @contextlib.contextmanager
    def _recorded(self, step: str) -> Iterator[list[bool]]:
        """Records an error of a step as a fact; the list is then empty."""
        done: list[bool] = []
        try:
            yield done
            done.append(True)
        except (RecordError, HealError, process.InterruptedChildError):
            raise
        except HarnessError as error:
            self._at.narrator.warning(f"{step}: {error}")
            self._record(
                StepFailed(
                    trial=self._trial.id,
                    subject=None,
                    step=step,
                    error=str(error),
                    blame=blame(error),
                )
            )


def _ask(at: GameDaySurroundings, trial: str, step: ManualStep) -> None:
    started_ns = at.clock.monotonic_ns()
    who, note = at.person.confirm(step)
    at.record(
        ManualStepEnded(
            trial=trial,
            step=step.id,
            instruction=step.instruction,
            started_ns=started_ns,
            ended_ns=at.clock.monotonic_ns(),
            confirmed_by=who,
            note=note,
        )
    )
