"""Gathers what the history shows of one trial of a game day: fault, rollback, why it says nothing.

Pure. Nothing here knows a target.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from harness.judge.facts import Fact, Known, known
from harness.judge.ledger_trial import Ledgers, ReadBacks, wall_of
from harness.model.game_day import ExperimentTrial, GameDayPlan
from harness.model.history import (
    Event,
    FaultInjected,
    GuardsChecked,
    History,
    HypothesisMeasured,
    ManualStepEnded,
    RolledBack,
    StepFailed,
    TrialEnded,
    TrialStarted,
)
from harness.model.instant import Bracket
from harness.model.subscription import SubscriptionEvent

Subscriptions = Mapping[str, Sequence[SubscriptionEvent]]
"""By the file name in SubscriptionsRecorded."""

BEFORE = "before"
AFTER = "after"
"""Of HypothesisMeasured.when."""

_STEP = timedelta(milliseconds=500)
"""Two clocks of one host that part by more were set apart: NTP slews by 0.5 ms a second at most
(RFC 5905, section 11.3), and facts are seconds apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GameDayRun:
    """All the evidence of one run of a game day."""

    plan: GameDayPlan
    history: History
    ledgers: Ledgers = field(default_factory=dict)
    read_backs: ReadBacks = field(default_factory=dict)
    subscriptions: Subscriptions = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialEvidence:
    """One trial, as far as the history shows it."""

    trial: ExperimentTrial
    history: History
    bracket: Bracket | None
    """From just before the first of its faults to the witness of the last; None: not witnessed."""

    wall: datetime | None
    """Its fault, by the wall clock."""

    faults: tuple[Known[FaultInjected], ...]
    rollbacks: tuple[Known[RolledBack], ...]
    manual: tuple[Known[ManualStepEnded], ...]
    invalid: tuple[str, ...]
    """Why the trial as a whole says nothing, where it does not."""

    notes: tuple[str, ...]
    """What a reader must know of it: steps of the wall clock, people's steps."""

    @property
    def rolled_back_ns(self) -> int | None:
        """When the first rollback began; what answers only after it did not recover by itself."""
        return min((one.fact.started_ns for one in self.rollbacks), default=None)

    def of(self, kind: type[Fact]) -> list[Known[Fact]]:
        """The trial's facts of one kind, in their order."""
        return of_trial(self.history, self.trial, kind)


def of_trial(history: History, trial: ExperimentTrial, kind: type[Fact]) -> list[Known[Fact]]:
    """The facts of one kind that name the trial, in the order of the history."""
    return [one for one in known(history, kind) if _trial_of(one.fact) == trial.id]


def gather(history: History, trial: ExperimentTrial) -> TrialEvidence:
    """What the history shows of one trial."""
    faults = of_trial(history, trial, FaultInjected)
    bracket = _bracket(faults)
    manual = of_trial(history, trial, ManualStepEnded)
    return TrialEvidence(
        trial=trial,
        history=history,
        bracket=bracket,
        wall=wall_of(bracket, faults) or min((one.fact.wall for one in faults), default=None),
        faults=tuple(faults),
        rollbacks=tuple(of_trial(history, trial, RolledBack)),
        manual=tuple(manual),
        invalid=tuple(_invalid(history, trial, faults)),
        notes=tuple(_clock_steps(history, trial)),
    )


def _trial_of(fact: Event) -> str | None:
    return getattr(fact, "trial", None)


def _bracket(faults: Sequence[Known[FaultInjected]]) -> Bracket | None:
    brackets = [one.fact.bracket for one in faults if one.fact.bracket is not None]
    if not faults or len(brackets) < len(faults):
        return None
    return Bracket(
        earliest_ns=min(one.earliest_ns for one in brackets),
        latest_ns=max(one.latest_ns for one in brackets),
    )


def _invalid(
    history: History, trial: ExperimentTrial, faults: Sequence[Known[FaultInjected]]
) -> Iterator[str]:
    if not of_trial(history, trial, TrialStarted):
        yield "the trial never began"
        return
    refused = [why for one in of_trial(history, trial, GuardsChecked) for why in one.fact.refused]
    if refused:
        yield f"nothing was tried: guards refused: {'; '.join(refused)}"
    before = [
        one.fact for one in of_trial(history, trial, HypothesisMeasured) if one.fact.when == BEFORE
    ]
    for one in before:
        if not one.met:
            yield f"the steady state was not met before the fault: {', '.join(one.probes)}"
    if not faults and not refused:
        failed = [
            f" ({one.fact.step}: {one.fact.error})" for one in of_trial(history, trial, StepFailed)
        ]
        yield f"no fault is on record{failed[0] if failed else ''}"
    elif faults and not before:
        yield "whether the steady state was met before the fault is not on record"
    for fault in faults:
        if fault.fact.bracket is None:
            yield f"nobody witnessed the fault of {fault.fact.subject}"


def _clock_steps(history: History, trial: ExperimentTrial) -> Iterator[str]:
    """Where the wall clock was set during the trial; no interval is of that clock."""
    began = [one.sequence for one in of_trial(history, trial, TrialStarted)]
    if not began:
        return
    ended = [one.sequence for one in of_trial(history, trial, TrialEnded)]
    later = [one.sequence for one in known(history, TrialStarted) if one.sequence > began[0]]
    last = min([*ended, *later], default=None)
    entries = [
        entry
        for entry in sorted(history.entries, key=lambda entry: entry.sequence)
        if entry.sequence >= began[0] and (last is None or entry.sequence <= last)
    ]
    for earlier, one in itertools.pairwise(entries):
        passed = timedelta(microseconds=(one.at.monotonic_ns - earlier.at.monotonic_ns) // 1_000)
        step = one.at.utc - earlier.at.utc - passed
        if abs(step) > _STEP:
            yield (
                f"the wall clock was set by {step.total_seconds():+.3g} s between facts "
                f"{earlier.sequence} and {one.sequence}: intervals are of the monotonic clock, "
                "and stand"
            )
