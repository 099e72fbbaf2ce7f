"""Performs a plan: checks the backups, breaks, restores, probes, verifies, heals; records it all.

Nothing is judged here. What goes wrong with a restore is a fact like any other; only what prevents
recording or healing ends the run.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from harness.drill.blame import blame
from harness.drill.plan import allowed_loss, promised_retention
from harness.drill.watch import RecordingWatch
from harness.drivers import process
from harness.drivers.clock import wait_until
from harness.errors import DeadlineExceededError, HarnessError, HealError, RecordError
from harness.faults.places import Place, Places
from harness.model.history import (
    CleanedUp,
    FaultInjected,
    LogsKept,
    Outcome,
    ProbesRecorded,
    RestoreEnded,
    RunEnded,
    StepFailed,
    TrialEnded,
    TrialStarted,
    VerificationEnded,
)
from harness.model.instant import Bracket, nanoseconds, seconds
from harness.model.plan import Plan, Trial
from harness.model.subject import Region, Subject
from harness.model.suite import Level, Loss, PointChoice
from harness.ports import (
    Clock,
    Ledger,
    Narrator,
    Platform,
    Prober,
    Record,
    Restored,
    RestoreTool,
    Scratch,
)
from harness.store import RunDirectory

_PORTS_PER_SCRATCH = 16
_PROBER_STARTS_WITHIN_S = 20.0


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """All that a run touches, chosen by the command line."""

    tools: Mapping[str, RestoreTool]
    ledgers: Mapping[str, Ledger]
    """Both by subject id."""

    platform: Platform
    places: Places
    scratch: Places
    """Where restores are made: `places`, or the environment's own disk."""

    clock: Clock
    record: Record
    narrator: Narrator
    run: RunDirectory
    free_ports: Callable[[int], tuple[int, ...]]
    """So many consecutive loopback ports that nobody uses."""


@dataclass(kw_only=True)
class _Attempt:
    """One restore of one subject within a trial, as far as it has come."""

    subject: Subject
    tool: RestoreTool
    ledger: Ledger
    scratch: Scratch
    point: datetime | None
    prober: Prober
    restored: Restored | None = None


def conduct(plan: Plan, surroundings: Surroundings) -> None:
    """Performs every trial of the plan and records the end of the run.

    Raises HealError where something could not be put back, RecordError where a fact could not be
    written, and lets an interruption through; in each case all has been healed that can be.
    """
    interrupted: str | None = None
    try:
        if plan.check_backups:
            _check_backups(plan, surroundings)
        for index, trial in enumerate(plan.trials, start=1):
            surroundings.narrator.trial_started(trial.id, index, len(plan.trials))
            _Trial(plan, trial, surroundings).perform()
    except BaseException as error:
        interrupted = type(error).__name__ if isinstance(error, HarnessError) else str(error)
        raise
    finally:
        process.allow_children()
        for subject in plan.subjects:
            copied = surroundings.ledgers[subject.id].copy_journals(surroundings.run.ledger)
            if copied is not None:
                surroundings.record(copied)
        surroundings.record(RunEnded(interrupted=interrupted))


def _check_backups(plan: Plan, surroundings: Surroundings) -> None:
    """Records what both regions hold of every subject, before anything is restored."""

    def check(subject: Subject) -> None:
        tool = surroundings.tools[subject.id]
        for region in Region:
            if region is Region.REPLICA and subject.replica is None:
                continue
            step = f"checking the backups of {subject.id} in the {region} region"
            with _steps_recorded(surroundings.record, "", subject.id, step):
                surroundings.narrator.step(step)
                surroundings.record(tool.discover(region))
                for fact in tool.check(region):
                    surroundings.record(fact)

    with ThreadPoolExecutor(max_workers=len(plan.subjects)) as threads:
        for done in [threads.submit(check, subject) for subject in plan.subjects]:
            done.result()


class _Trial:
    """One trial: from the choice of the point to the last thing put back."""

    def __init__(self, plan: Plan, trial: Trial, surroundings: Surroundings) -> None:
        self._plan = plan
        self._trial = trial
        self._at = surroundings
        self._record = surroundings.record
        self._attempts: list[_Attempt] = []
        self._scratch_places: list[Place] = []
        self._given_back: list[Callable[[], str]] = []

    def perform(self) -> None:
        """Performs it; whatever happens, what it broke and started is put back."""
        self._record(TrialStarted(trial=self._trial.id))
        try:
            for step, action in (
                ("awaiting a steady ledger", self._await_steady),
                ("preparing the restore", self._prepare),
                ("losing the subject", self._lose),
                ("restoring", lambda: self._in_parallel(self._restore)),
                ("verifying", lambda: self._in_parallel(self._verify)),
            ):
                with _steps_recorded(self._record, self._trial.id, None, step) as done:
                    action()
                if not done:
                    break
        finally:
            self._heal()
        self._record(TrialEnded(trial=self._trial.id))

    def _prepare(self) -> None:
        for subject_id in self._trial.subjects:
            self._prepare_restore(self._plan.subject(subject_id))

    def _prepare_restore(self, subject: Subject) -> None:
        """Reserves a scratch place, chooses the point, and has the prober probing."""
        tool, ledger = self._at.tools[subject.id], self._at.ledgers[subject.id]
        place = self._at.scratch.declare("restore")
        self._scratch_places.append(place)
        scratch = Scratch(
            trial=self._trial.id,
            directory=place.directory,
            ports=self._at.free_ports(_PORTS_PER_SCRATCH),
            deadline_ns=self._at.clock.monotonic_ns() + nanoseconds(self._trial.deadline),
        )
        point = self._choose_point(subject, tool)
        prober_place = self._at.places.declare("probe")
        self._given_back.append(lambda: _remove(self._at.places, prober_place))
        prober = ledger.begin_probing(
            tool.endpoint(self._trial.region, scratch),
            point,
            self._at.run.observations / _observations_file(self._trial, subject),
            prober_place.directory,
        )
        self._given_back.append(lambda: _stop(prober))
        self._attempts.append(
            _Attempt(
                subject=subject,
                tool=tool,
                ledger=ledger,
                scratch=scratch,
                point=point,
                prober=prober,
            )
        )
        wait_until(
            prober.begun, within_s=_PROBER_STARTS_WITHIN_S, what=f"first probe of {subject.id}"
        )

    def _choose_point(self, subject: Subject, tool: RestoreTool) -> datetime | None:
        """The time to restore to, by the subject's clock; None: everything in the store."""
        if self._trial.point is PointChoice.LATEST:
            return None
        if self._trial.point is PointChoice.OLDEST_PROMISED:
            retention = promised_retention(self._plan.targets, subject.kind)
            if retention is None:
                raise HarnessError(f"{subject.id}: no target promises a retention")
            return (self._at.clock.now().utc - retention).replace(microsecond=0)
        catalogue = tool.discover(self._trial.region)
        if catalogue.oldest_point is None or catalogue.newest_point is None:
            raise HarnessError(
                f"{subject.id}: no window to draw a second from: {catalogue.error or 'no backup'}"
            )
        window_s = int((catalogue.newest_point - catalogue.oldest_point).total_seconds())
        if window_s < 1:
            raise HarnessError(
                f"{subject.id}: no window to draw a second from: it begins at "
                f"{catalogue.oldest_point} and ends at {catalogue.newest_point}"
            )
        draw = random.Random(self._trial.seed)  # noqa: S311 - repeatable from the plan's seed
        after_s = draw.randint(1, window_s)
        return (catalogue.oldest_point + timedelta(seconds=after_s)).replace(microsecond=0)

    def _await_steady(self) -> None:
        """A loss shows only in a ledger that was steady before it: waits until it was, for as long
        as the RPO allows to be lost; where it never is, the judge says so.
        """
        if self._trial.point is not PointChoice.LATEST:
            return
        for subject_id in self._trial.subjects:
            window = allowed_loss(self._plan.targets, self._plan.subject(subject_id).kind)
            ledger = self._at.ledgers[subject_id]
            if window is None or ledger.steady(window):
                continue
            with self._at.narrator.phase(f"{subject_id}: a steady ledger"):
                try:
                    wait_until(
                        lambda ledger=ledger, window=window: ledger.steady(window),  # type: ignore[misc]
                        within_s=2 * window.total_seconds(),
                        every_s=0.2,
                        what=f"{subject_id}: a steady ledger",
                    )
                except DeadlineExceededError as error:
                    self._at.narrator.warning(str(error))

    def _lose(self) -> None:
        """Inflicts or assumes the loss and records when it took effect."""
        started_ns = self._at.clock.monotonic_ns()
        if self._trial.primary_region_dead:
            if self._at.platform.inflicts:
                self._given_back.append(lambda: self._at.platform.give_back_region(Region.PRIMARY))
                bracket, witness = self._at.platform.lose_region(Region.PRIMARY)
            else:
                bracket, witness = self._assumed(started_ns), "assumed"
            self._record_fault(f"region:{Region.PRIMARY}", bracket, witness)
        for attempt in self._attempts:
            subject = attempt.subject.id
            if self._trial.loss is Loss.INFLICTED:
                self._given_back.append(
                    lambda subject=subject: self._at.platform.give_back(subject)  # type: ignore[misc]
                )
                bracket, witness = self._at.platform.lose(subject)
            else:
                bracket, witness = self._assumed(started_ns), "assumed"
            self._record_fault(subject, bracket, witness)

    def _assumed(self, started_ns: int) -> Bracket:
        return Bracket(earliest_ns=started_ns, latest_ns=self._at.clock.monotonic_ns())

    def _record_fault(self, subject: str, bracket: Bracket, witness: str) -> None:
        self._record(
            FaultInjected(
                trial=self._trial.id,
                subject=subject,
                assumed=witness == "assumed",
                bracket=bracket,
                wall=self._at.clock.now().utc,
                witness=witness,
            )
        )

    def _in_parallel(self, step: Callable[[_Attempt], None]) -> None:
        """Whole losses restore their subjects at once, as an operator would have to."""
        with ThreadPoolExecutor(max_workers=len(self._attempts)) as threads:
            for done in [threads.submit(step, attempt) for attempt in self._attempts]:
                done.result()

    def _restore(self, attempt: _Attempt) -> None:
        watch = RecordingWatch(
            trial=self._trial.id,
            subject=attempt.subject.id,
            clock=self._at.clock,
            record=self._record,
            narrator=self._at.narrator,
        )
        try:
            attempt.restored = attempt.tool.restore(
                self._trial.region, attempt.point, attempt.scratch, watch
            )
            self._record(attempt.restored.ended)
            self._await_sustained(attempt)
        except process.InterruptedChildError:
            raise
        except RecordError:
            raise
        except HarnessError as error:
            self._at.narrator.warning(f"{attempt.subject.id}: {error}")
            if attempt.restored is None:
                self._record(
                    RestoreEnded(
                        trial=self._trial.id,
                        subject=attempt.subject.id,
                        backup=None,
                        target_time=attempt.point,
                        error=str(error),
                        blame=blame(error),
                    )
                )
        finally:
            attempt.prober.stop()
            self._record(
                ProbesRecorded(
                    trial=self._trial.id,
                    subject=attempt.subject.id,
                    probe_class=attempt.prober.probe_class,
                    file=_observations_file(self._trial, attempt.subject),
                    interval_ns=attempt.prober.interval_ns,
                    timeout_ns=attempt.prober.timeout_ns,
                )
            )

    def _await_sustained(self, attempt: _Attempt) -> None:
        """Right answers for as long as the suite asks; by the deadline or never."""
        remaining_s = seconds(attempt.scratch.deadline_ns - self._at.clock.monotonic_ns())
        with contextlib.suppress(DeadlineExceededError):  # the judge sees that it never was
            wait_until(
                lambda: attempt.prober.sustained(self._plan.sustained),
                within_s=max(0.0, remaining_s),
                what=f"sustained answers of {attempt.subject.id}",
            )

    def _verify(self, attempt: _Attempt) -> None:
        """Every level of the plan; the ledger first, before any level restarts the server."""
        if attempt.restored is None:
            return
        levels = sorted(self._plan.verification.levels, key=lambda level: level is not Level.LEDGER)
        for level in levels:
            step = f"verifying {attempt.subject.id}: {level}"
            self._at.narrator.step(step)
            with _steps_recorded(self._record, self._trial.id, attempt.subject.id, step):
                if level is Level.LEDGER:
                    self._record(self._read_ledger_back(attempt.restored, attempt))
                else:
                    self._record(
                        attempt.tool.verify(attempt.restored, self._plan.verification, level)
                    )

    def _read_ledger_back(self, restored: Restored, attempt: _Attempt) -> VerificationEnded:
        started_ns = self._at.clock.monotonic_ns()
        file = f"readback-{self._trial.id}-{attempt.subject.id}.npy"
        fact = attempt.ledger.read_back(
            self._trial.id, restored.endpoint, self._at.run.ledger / file
        )
        self._record(fact)
        return VerificationEnded(
            trial=self._trial.id,
            subject=attempt.subject.id,
            level=Level.LEDGER,
            outcome=Outcome.OK if fact.error is None else Outcome.INDETERMINATE,
            started_ns=started_ns,
            ended_ns=self._at.clock.monotonic_ns(),
            examined=fact.rows,
            detail=fact.error or f"{fact.rows} rows read back from {fact.server}",
        )

    def _heal(self) -> None:
        """Removes the scratch servers and gives back what was lost, the last thing broken first."""
        process.allow_children()
        healed: list[str] = []
        leaks: list[str] = []
        for attempt in self._attempts:
            self._keep_logs(attempt)
            with _leaks_named(leaks):
                leaks.extend(attempt.tool.remove(attempt.scratch))
                healed.append(f"removed the scratch servers of {attempt.subject.id}")
        for place in self._scratch_places:
            with _leaks_named(leaks):
                # What a tool stopped is gone by now: what still works here leaked.
                leaks.extend(self._at.scratch.remove(place))
        for give_back in reversed(self._given_back):
            with _leaks_named(leaks):
                healed.append(give_back())
        self._record(CleanedUp(trial=self._trial.id, healed=tuple(healed), leaks=tuple(leaks)))
        if leaks:
            raise HealError(
                f"{self._trial.id}: not everything was put back: {'; '.join(leaks)}",
                hint="harness recover",
            )

    def _keep_logs(self, attempt: _Attempt) -> None:
        """What a restore's place says of it goes with the place; not even a full disk keeps that
        from being put back.
        """
        subject, place = attempt.subject.id, attempt.scratch
        try:
            kept = self._at.run.keep_logs(
                self._trial.id, subject, attempt.tool.logs(place), place.directory
            )
        except RecordError as error:
            self._at.narrator.warning(str(error))
        else:
            self._record(LogsKept(trial=self._trial.id, subject=subject, files=kept))


@contextlib.contextmanager
def _leaks_named(leaks: list[str]) -> Iterator[None]:
    """One thing that cannot be put back does not keep the others from being put back."""
    try:
        yield
    except HarnessError as error:
        leaks.append(str(error))


def _stop(prober: Prober) -> str:
    prober.stop()
    return "stopped the prober"


def _remove(places: Places, place: Place) -> str:
    left = places.remove(place)
    if left:
        raise HealError(f"left running: {', '.join(left)}")
    return f"removed {place.name}"


def _observations_file(trial: Trial, subject: Subject) -> str:
    return f"{trial.id}-{subject.id}.jsonl"


@contextlib.contextmanager
def _steps_recorded(
    record: Record, trial: str, subject: str | None, step: str
) -> Iterator[list[str]]:
    """Records an error of the surroundings as a fact and goes on; recording and healing errors,
    and an interruption, go through. What it yields is empty until the block has ended well.
    """
    done: list[str] = []
    try:
        yield done
        done.append(step)
    except (RecordError, HealError, process.InterruptedChildError):
        raise
    except HarnessError as error:
        record(
            StepFailed(
                trial=trial, subject=subject, step=step, error=str(error), blame=blame(error)
            )
        )
