"""Conducts a load test: injects loads, searches capacities, fills quotas, watches what scales, and
has everything put back; records it all.

Nothing is judged here. The search goes by what its probes measured, for it must choose a next rate;
the judge measures the same samples again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from harness.capacity.search import Search
from harness.drill.blame import blame
from harness.drivers import process
from harness.drivers.clock import wait_until
from harness.errors import DeadlineExceededError, HarnessError, HealError, RecordError
from harness.faults.comparison import compare
from harness.model.autoscaling import Sighting
from harness.model.cluster import Snapshot
from harness.model.game_day import ExperimentTrial
from harness.model.history import (
    CleanedUp,
    ClusterCompared,
    RunEnded,
    StepFailed,
    TrialEnded,
    TrialStarted,
)
from harness.model.load_judgement import Injection
from harness.model.load_profile import Arrivals, Profile, Stage
from harness.model.load_test import Drive, Fill, LoadPlan, LoadTrial
from harness.model.load_test import Search as SearchScenario
from harness.ports import (
    Clock,
    Load,
    LoadGround,
    LoadProgress,
    Narrator,
    Record,
    RunningExperiment,
    RunningLoad,
    RunningTimeline,
)

_LOOKS_EVERY_S = 0.5
_PASSES_WITHIN_S = 120.0
"""How long a guard's refusal is waited for to go away."""
_AT_REST_WITHIN_S = 420.0
"""An autoscaler's way down: a stabilisation window of 300 s, and what measuring adds (load.md)."""
_ENDS_WITHIN_S = 150.0
"""Beyond a load's own length: processes that begin on a busy machine, the last answers, files."""
_PODS_END_WITHIN_S = 600.0
"""The same of pods: images that are pulled, samples that are fetched."""
_PUTS_BACK_WITHIN_S = 300.0
_WHOLE_WITHIN_S = 300.0
_TELLS_EVERY_S = 5.0


@dataclass(frozen=True, kw_only=True)
class LoadSurroundings:
    """All that a load test touches, chosen by the command line."""

    ground: LoadGround
    clock: Clock
    record: Record
    narrator: Narrator


def conduct_load_test(plan: LoadPlan, at: LoadSurroundings) -> None:
    """Performs every trial of the plan and records the end of the run.

    Raises HealError where something could not be put back: the trials that would follow are not
    begun. Lets an interruption through, after all has been put back.
    """
    interrupted: str | None = None
    try:
        for index, trial in enumerate(plan.trials, start=1):
            at.narrator.trial_started(trial.id, index, len(plan.trials))
            _Trial(plan, trial, at).perform()
    except BaseException as error:
        interrupted = type(error).__name__ if isinstance(error, HarnessError) else str(error)
        raise
    finally:
        process.allow_children()
        at.record(CleanedUp(trial="", healed=(), leaks=()))
        at.record(RunEnded(interrupted=interrupted))


class _Trial:
    """One trial: from the guards to the comparison of what is left."""

    def __init__(self, plan: LoadPlan, trial: LoadTrial, surroundings: LoadSurroundings) -> None:
        self._plan = plan
        self._trial = trial
        self._at = surroundings
        self._ground = surroundings.ground
        self._record = surroundings.record
        self._before: Snapshot | None = None
        self._timeline: RunningTimeline | None = None
        self._load: RunningLoad | None = None
        self._experiment: RunningExperiment | None = None
        self._told_ns = 0

    def perform(self) -> None:
        """Performs it; whatever happens, what it held or broke is put back."""
        self._record(TrialStarted(trial=self._trial.id))
        try:
            for step, action in self._actions():
                with self._recorded(step) as done:
                    action()
                if not done:
                    break
        finally:
            process.allow_children()  # an interruption ends here; putting back needs children
            self._put_back()
        self._record(TrialEnded(trial=self._trial.id))

    def _actions(self) -> tuple[tuple[str, Callable[[], None]], ...]:
        match self._trial.scenario:
            case Drive() as drive:
                return (
                    ("checking the guards", self._check_guards),
                    ("driving", lambda: self._drive(drive)),
                )
            case SearchScenario() as search:
                return (
                    ("checking the guards", self._check_guards),
                    ("searching", lambda: self._search(search)),
                )
            case Fill():
                return (("filling the quotas", self._fill),)

    # --- before ------------------------------------------------------------------------------

    def _check_guards(self) -> None:
        """What refuses may pass by: a replica that still starts after the trial before."""
        checked = self._ground.guards(self._trial.id)

        def let_pass() -> bool:
            nonlocal checked
            checked = self._ground.guards(self._trial.id)
            return not checked.refused

        if checked.refused:
            self._at.narrator.step(f"a guard refuses, waiting: {checked.refused[0]}")
            with contextlib.suppress(DeadlineExceededError):
                wait_until(
                    let_pass, within_s=_PASSES_WITHIN_S, what="the guards", every_s=_LOOKS_EVERY_S
                )
        self._record(checked)
        if checked.refused:
            raise HarnessError(f"refused: {checked.refused[0]}")
        self._before = self._ground.snapshot()
        self._timeline = self._ground.begin_timeline(self._trial.id)

    # --- a drive -----------------------------------------------------------------------------

    def _drive(self, drive: Drive) -> None:
        profile = self._trial.profile
        if profile is None:
            raise HarnessError(f"{self._trial.id}: the plan has no profile for it")
        if drive.replicas is None:
            self._await_rest()
        else:
            self._hold(drive.replicas)
        load = Load(
            profile=profile,
            peak=self._trial.peak,
            seed=self._trial.seed,
            workers=drive.workers,
            from_pods=drive.from_pods,
            locustfile=self._trial.locustfile,
        )
        self._inject("", load, replicas=drive.replicas, away=self._trial.away, drive=drive)
        if drive.settle:
            self._settle(drive.settle)

    def _await_rest(self) -> None:
        """The autoscaler at its minimum, all of it ready: else the way up is not from there."""
        minimum = self._plan.autoscaler.minimum if self._plan.autoscaler is not None else None

        def at_rest() -> bool:
            seen = self._timeline.now() if self._timeline is not None else None
            self._tell(lambda: f"awaiting {minimum or 'steady'} replicas: {_replicas(seen)}")
            return seen is not None and _is_at_rest(seen, minimum)

        try:
            wait_until(
                at_rest, within_s=_AT_REST_WITHIN_S, what="replicas at rest", every_s=_LOOKS_EVERY_S
            )
        except DeadlineExceededError:
            # The timeline shows where it began; an autoscaler that stays up is found by its judge.
            self._at.narrator.warning(
                f"{self._trial.id}: the autoscaler did not come down to {minimum} before the load"
            )

    def _hold(self, replicas: int) -> None:
        self._at.narrator.step(f"holding the service at {replicas} replicas")
        held = self._ground.hold(self._trial.id, replicas)
        self._record(held)
        if held.error is not None:
            raise HarnessError(f"held at {replicas} replicas: {held.error}")

    def _inject(
        self,
        step: str,
        load: Load,
        *,
        replicas: int | None,
        away: ExperimentTrial | None = None,
        drive: Drive | None = None,
    ) -> Injection:
        """Injects a load to its end; `away` is broken meanwhile, and put back after it."""
        self._load = running = self._ground.begin_load(
            self._trial.id, step, load, replicas=replicas
        )
        waiting = away
        away_after_s = drive.away_after.total_seconds() if drive is not None else 0.0

        def ended() -> bool:
            nonlocal waiting
            progress = running.progress()
            elapsed_s = progress.elapsed_s if progress is not None else 0.0
            if waiting is not None and elapsed_s >= away_after_s:
                self._experiment = self._ground.begin_experiment(waiting)
                waiting = None
            self._take_in()
            if progress is not None:
                self._tell(lambda: self._told_of(step, load, progress))
            return running.ended() is not None

        wait_until(
            ended,
            within_s=load.profile.lasts.total_seconds()
            + (_PODS_END_WITHIN_S if load.from_pods else _ENDS_WITHIN_S),
            what=f"the end of load {self._trial.id} {step}".rstrip(),
            every_s=_LOOKS_EVERY_S,
        )
        injected = running.stop()
        self._load = None
        self._record(injected)
        self._end_experiment()
        if injected.error is not None:
            raise HarnessError(f"load {self._trial.id} {step}".rstrip() + f": {injected.error}")
        return self._ground.measured(injected)

    def _told_of(self, step: str, load: Load, progress: LoadProgress) -> str:
        seen = self._timeline.now() if self._timeline is not None else None
        return (
            f"{step or self._trial.id}: {progress.elapsed_s:.0f} of {progress.lasts_s:.0f} s, "
            f"{_rate_at(load, progress.elapsed_s):.0f} "
            f"{'users' if load.locustfile is not None else 'requests/s'}, {progress.sent} sent, "
            f"{progress.wrong} wrong; {_replicas(seen)}"
        )

    def _settle(self, within: timedelta) -> None:
        minimum = self._plan.autoscaler.minimum if self._plan.autoscaler is not None else None

        def at_rest() -> bool:
            seen = self._timeline.now() if self._timeline is not None else None
            self._tell(lambda: f"{self._trial.id}: the load is over; {_replicas(seen)}")
            return seen is not None and _is_at_rest(seen, minimum)

        with contextlib.suppress(DeadlineExceededError):  # the judge sees that it never was
            wait_until(
                at_rest,
                within_s=within.total_seconds(),
                what="the autoscaler's way down",
                every_s=_LOOKS_EVERY_S,
            )

    # --- a search ----------------------------------------------------------------------------

    def _search(self, scenario: SearchScenario) -> None:
        for replicas in scenario.replicas:
            self._hold(replicas)
            self._search_at(scenario, replicas)

    def _search_at(self, scenario: SearchScenario, replicas: int) -> None:
        search = Search.of(scenario, self._trial, self._plan.targets)
        probes: list[Injection] = []
        while (rate := search.next_rate(probes)) is not None:
            if probes:
                self._rest(scenario.rest)
            step = f"{replicas}-replicas-{len(probes) + 1}"
            profile = Profile(
                profile=step,
                title="one rate",
                stages=(Stage(rate=1.0, hold=scenario.probe),),
                arrivals=Arrivals.POISSON,
            )
            # Another schedule for each probe: one that happened to be kind is not tried again.
            load = Load(profile=profile, peak=rate, seed=self._trial.seed + len(probes))
            probes.append(self._inject(step, load, replicas=replicas))

    def _rest(self, pause: timedelta) -> None:
        until_ns = self._at.clock.monotonic_ns() + int(pause.total_seconds() * 1e9)
        wait_until(
            lambda: self._at.clock.monotonic_ns() >= until_ns,
            within_s=pause.total_seconds() + 1,
            what="queues that empty",
            every_s=0.1,
        )

    # --- quotas ------------------------------------------------------------------------------

    def _fill(self) -> None:
        filled = self._ground.fill(self._trial.id, self._at.narrator.step)
        self._record(filled)
        if filled.error is not None:
            raise HarnessError(f"filling the quotas: {filled.error}")

    # --- after -------------------------------------------------------------------------------

    def _put_back(self) -> None:
        """Ends what goes on, puts back what was held or broken, compares."""
        if self._load is not None:
            self._record(self._load.stop())
            self._load = None
        self._end_experiment(interrupted=True)
        failures: list[str] = []
        healed: list[str] = []
        for rolled_back in self._ground.undo_left_over():
            self._record(rolled_back)
            if rolled_back.error is None:
                healed.append(rolled_back.action)
            else:
                failures.append(f"{rolled_back.action}: {rolled_back.error}")
        if healed and not failures:
            with self._recorded("awaiting that the platform is whole again"):
                self._await_whole()
        if self._timeline is not None:
            self._record(self._timeline.stop())
        if self._before is not None:
            self._record(self._compared(self._before))
        self._record(CleanedUp(trial=self._trial.id, healed=tuple(healed), leaks=tuple(failures)))
        if failures:
            raise HealError("; ".join(failures), hint="harness recover")

    def _end_experiment(self, *, interrupted: bool = False) -> None:
        """Releases it to its rollbacks; what they leave is undone with the rest."""
        experiment = self._experiment
        if experiment is None:
            return
        experiment.release()
        if interrupted:
            experiment.interrupt()
        with contextlib.suppress(DeadlineExceededError):  # `ended` ends it
            wait_until(
                lambda: experiment.exit_code() is not None,
                within_s=_PUTS_BACK_WITHIN_S,
                what="putting back what was broken",
                every_s=_LOOKS_EVERY_S,
            )
        ended = experiment.ended()
        self._take_in()
        self._record(ended)
        self._experiment = None

    def _take_in(self) -> None:
        """Records what the experiment's process has written since the last time."""
        if self._experiment is not None:
            for fact in self._experiment.facts():
                self._record(fact)

    def _await_whole(self) -> None:
        missing: tuple[str, ...] = ()

        def is_whole() -> bool:
            nonlocal missing
            missing = self._ground.whole()
            return not missing

        try:
            wait_until(
                is_whole, within_s=_WHOLE_WITHIN_S, what="all replicas", every_s=_LOOKS_EVERY_S
            )
        except DeadlineExceededError as error:
            raise HarnessError(f"{error}: {'; '.join(missing)}") from error

    def _compared(self, before: Snapshot) -> ClusterCompared:
        try:
            after = self._ground.snapshot()
        except HarnessError as error:
            return ClusterCompared(trial=self._trial.id, examined=0, error=str(error))
        return ClusterCompared(
            trial=self._trial.id, examined=len(before.facts), differences=compare(before, after)
        )

    def _tell(self, line: Callable[[], str]) -> None:
        now_ns = self._at.clock.monotonic_ns()
        if now_ns - self._told_ns >= _TELLS_EVERY_S * 1e9:
            self._told_ns = now_ns
            self._at.narrator.step(line())

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


def _is_at_rest(seen: Sighting, minimum: int | None) -> bool:
    """So many replicas as the autoscaler may have at least, all ready, and no more wanted."""
    if seen.pods is None or seen.replicas is None:
        return False
    ready = sum(1 for pod in seen.pods if pod.ready and not pod.terminating)
    wanted = seen.autoscaler.desired if seen.autoscaler is not None else seen.replicas
    return len(seen.pods) == ready == wanted == (minimum or wanted)


def _replicas(seen: Sighting | None) -> str:
    if seen is None or seen.pods is None:
        return "replicas not seen"
    ready = sum(1 for pod in seen.pods if pod.ready and not pod.terminating)
    wanted = seen.autoscaler.desired if seen.autoscaler is not None else seen.replicas
    return f"{ready} replicas ready, {wanted} wanted"


def _rate_at(load: Load, elapsed_s: float) -> float:
    """Scheduled requests per second at a moment; 0 after the last stage."""
    begun_s = 0.0
    for stage in load.profile.stages:
        lasts_s = stage.hold.total_seconds()
        if elapsed_s < begun_s + lasts_s:
            share = max(0.0, elapsed_s - begun_s) / lasts_s
            return load.peak * (stage.rate + (stage.end_rate - stage.rate) * share)
        begun_s += lasts_s
    return 0.0
