"""Decides whether subjects were back within the RTO, from what the probers saw. Pure.

A trial meets the target only by its upper bound and misses it only by its lower one; between the
two it says nothing, as it does where the fault had no witness or the prober was not looking. A
trial that was not back when it was given up is censored: a miss, never dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from harness.judge.advice import SHOW_REPORT
from harness.judge.answer import finding
from harness.judge.availability import RecoveryMeasured, recovery
from harness.judge.facts import Known, known, sequences
from harness.judge.promise import Promise, promised
from harness.judge.restore import endings
from harness.judge.statistics import strength
from harness.judge.trials import Attempts, TrialAnswer, attempts, fault, over_trials, started
from harness.model.history import Blame, History, ProbesRecorded, RestoreEnded
from harness.model.instant import (
    NANOSECONDS_PER_SECOND,
    Bounds,
    Bracket,
    nanoseconds,
    seconds,
)
from harness.model.plan import Plan, Trial
from harness.model.quantity import show_duration
from harness.model.target import RecoveryTime
from harness.model.verdict import Finding, Measure, Verdict

CHECK = "recovery-time"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecovery:
    """What the probers of one subject saw in one trial, over all classes of probes."""

    trial: str
    bounds: Bounds | None
    """Of the slowest class; None where nothing can be said."""

    missed_ns: int
    """What the recovery time exceeds beyond doubt: seen, not concluded from silence."""

    sustained_at_ns: int | None
    """When every class had been right for as long as the suite asks."""

    bracket: Bracket | None
    wall: datetime | None
    """The fault, by the wall clock."""

    ended: tuple[RestoreEnded, ...]
    invalid: tuple[str, ...]
    """Why the trial says nothing, where it does not; a miss that was seen stands all the same."""

    evidence: tuple[int, ...]


def judge(plan: Plan, history: History) -> Iterator[Finding]:
    """One finding for each scenario, subject and RTO."""
    for asked in attempts(plan):
        recoveries = [measure(plan, history, trial, asked.subject.id) for trial in asked.trials]
        for promise in promised(plan, RecoveryTime):
            if promise.subject.id == asked.subject.id:
                yield _finding(promise, asked, recoveries)


def measure(plan: Plan, history: History, trial: Trial, subject: str) -> TrialRecovery:
    """The recovery time of one subject in one trial, whatever is promised."""
    lost = fault(history, trial, subject)
    ended = endings(history, trial, subject)
    recorded = _probers(history, trial, subject)
    found = TrialRecovery(
        trial=trial.id,
        bounds=None,
        missed_ns=0,
        sustained_at_ns=None,
        bracket=lost.bracket,
        wall=min((one.fact.wall for one in lost.facts), default=None),
        ended=tuple(one.fact for one in ended),
        invalid=(),
        evidence=sequences([*lost.facts, *ended, *recorded]),
    )
    if not started(history, trial):
        return replace(found, invalid=("the trial never began",))
    if lost.bracket is None:
        return replace(found, invalid=(lost.why_not or "nobody witnessed the fault",))
    if not recorded:
        return replace(found, invalid=("no prober's observations are on record",))
    classes = [
        recovery(
            history.observations.get(one.fact.file, ()),
            lost.bracket,
            sustained_ns=nanoseconds(plan.sustained),
            deadline_ns=nanoseconds(trial.deadline),
            interval_ns=one.fact.interval_ns,
            timeout_ns=one.fact.timeout_ns,
        )
        for one in recorded
    ]
    names = [one.fact.probe_class for one in recorded]
    return replace(
        found,
        bounds=worst_of([one.bounds for one in classes]),
        missed_ns=max(missed(one, lost.bracket) for one in classes),
        sustained_at_ns=_latest([one.sustained_at_ns for one in classes]),
        invalid=tuple(
            f"{name}: {reason}"
            for name, one in zip(names, classes, strict=True)
            for reason in _invalid(one)
        ),
    )


def judge_trial(measured: TrialRecovery, objective: RecoveryTime) -> TrialAnswer:
    """One trial against one RTO."""
    limit_ns = nanoseconds(objective.at_most)
    verdict, text = _compare(measured, limit_ns)
    return TrialAnswer(
        trial=measured.trial,
        verdict=verdict,
        text=text,
        detail=(*_bounds(measured), *(reason for reason in measured.invalid if reason != text)),
        since=measured.wall,
        evidence=measured.evidence,
    )


def _compare(  # noqa: PLR0911 - one return for each rule, in their order
    measured: TrialRecovery, limit_ns: int
) -> tuple[Verdict, str]:
    if measured.missed_ns > limit_ns:
        back_ns = None if measured.bounds is None else measured.bounds.high_ns
        if back_ns is not None and not measured.invalid:
            return Verdict.FAIL, f"back only after {show(back_ns)}"
        return Verdict.FAIL, f"not back after {show(measured.missed_ns)}"
    if _blames_the_backup(measured.ended) and (
        measured.bounds is None or measured.bounds.high_ns is None
    ):
        # Nothing that was still to come could have brought it back by then.
        return Verdict.FAIL, f"never back: the restore failed: {measured.ended[0].error}"
    if measured.invalid:
        return Verdict.INCONCLUSIVE, measured.invalid[0]
    if measured.bounds is None:
        return Verdict.INCONCLUSIVE, "nothing was observed"
    low_ns, high_ns = measured.bounds.low_ns, measured.bounds.high_ns
    if high_ns is None:
        return Verdict.INCONCLUSIVE, f"watched for {show(low_ns)} only, and not back by then"
    if high_ns <= limit_ns:
        return Verdict.PASS, f"back after {show(high_ns)}"
    return (
        Verdict.INCONCLUSIVE,
        f"back after {show(low_ns)} to {show(high_ns)}: the target lies between",
    )


def _finding(
    promise: Promise[RecoveryTime], asked: Attempts, recoveries: Sequence[TrialRecovery]
) -> Finding:
    answers = [judge_trial(one, promise.objective) for one in recoveries]
    passed = [
        one
        for one, answer in zip(recoveries, answers, strict=True)
        if answer.verdict is Verdict.PASS
    ]
    answer = over_trials(
        asked.about,
        answers,
        expected=f"at most {show_duration(promise.objective.at_most)}",
        advice=SHOW_REPORT,
        strength=strength(len(passed), len(answers)) if answers else None,
        measures=(rta_of([one.bounds for one in recoveries if one.bounds and not one.invalid]),),
    )
    if answer.verdict is Verdict.PASS and len(passed) > 1:
        slowest = worst_of([one.bounds for one in passed])
        if slowest is not None and slowest.high_ns is not None:
            answer = replace(
                answer,
                headline=f"{asked.subject.id}, {asked.scenario}: back after "
                f"{show(slowest.high_ns)} at most in {len(passed)} trials, expected at most "
                f"{show_duration(promise.objective.at_most)}",
            )
    return finding(
        answer,
        identity=promise.finding_id(CHECK, asked.scenario, asked.subject.id),
        target=promise.target.id,
        subject=asked.subject.id,
        scenario=asked.scenario,
    )


def _probers(history: History, trial: Trial, subject: str) -> list[Known[ProbesRecorded]]:
    """Each observations file of one subject in one trial once, by the class of its probes."""
    of_trial = {
        one.fact.file: one
        for one in known(history, ProbesRecorded)
        if one.fact.trial == trial.id and one.fact.subject == subject
    }
    return sorted(of_trial.values(), key=lambda one: (one.fact.probe_class, one.fact.file))


def missed(measured: RecoveryMeasured, bracket: Bracket) -> int:
    """How long after the fault it was beyond doubt not back: to the last wrong answer, or to the
    deadline where nobody looked away until then.
    """
    if measured.bounds is None:
        return 0
    if not measured.outages:
        return 0
    last_wrong_ns = measured.outages[-1].last_started_ns
    seen_ns = max(0, last_wrong_ns - bracket.latest_ns)
    looked_away = any(window.to_ns > last_wrong_ns for window in measured.unobserved)
    return seen_ns if looked_away else max(seen_ns, measured.bounds.low_ns)


def _invalid(measured: RecoveryMeasured) -> Iterator[str]:
    if measured.bounds is None:
        yield "nothing was observed after the fault"
        return
    if measured.uninterrupted:
        # The scratch place is empty when the clock starts: whoever answers there is someone else.
        yield "right answers from the fault on: another server answered than the restored one"
    if measured.unobserved_where_it_matters:
        longest = max(one.to_ns - one.from_ns for one in measured.unobserved_where_it_matters)
        yield f"the prober did not look for {show(longest)} when the subject may have come back"


def _blames_the_backup(ended: Sequence[RestoreEnded]) -> bool:
    return any(one.error is not None and one.blame in (None, Blame.BACKUP) for one in ended)


def worst_of(bounds: Sequence[Bounds | None]) -> Bounds | None:
    """Bounds of the maximum of several durations; None where one of them is not known."""
    known_ones = [one for one in bounds if one is not None]
    if not known_ones or len(known_ones) < len(bounds):
        return None
    highs = [one.high_ns for one in known_ones if one.high_ns is not None]
    return Bounds(
        low_ns=max(one.low_ns for one in known_ones),
        high_ns=max(highs) if len(highs) == len(known_ones) else None,
    )


def rta_of(bounds: Sequence[Bounds]) -> Measure:
    """The RTA of the slowest of several; no value where one was not back or none was measured."""
    slowest = worst_of(bounds)
    if slowest is None:
        return Measure(name="RTA", unit="s", value=None)
    high_s = None if slowest.high_ns is None else round(seconds(slowest.high_ns), 6)
    return Measure(
        name="RTA", unit="s", value=high_s, low=round(seconds(slowest.low_ns), 6), high=high_s
    )


def _latest(instants: Sequence[int | None]) -> int | None:
    reached = [instant for instant in instants if instant is not None]
    return max(reached) if reached and len(reached) == len(instants) else None


def _bounds(measured: TrialRecovery) -> Iterator[str]:
    if measured.bounds is not None and measured.bounds.high_ns is not None:
        low, high = show(measured.bounds.low_ns), show(measured.bounds.high_ns)
        yield f"RTA between {low} and {high}"
    elif measured.bounds is not None:
        yield f"RTA greater than {show(measured.bounds.low_ns)} (censored)"


def show(duration_ns: int) -> str:
    """Nanoseconds for a person; tenths of a second also beyond a minute: 300.4 s is not 5 min."""
    if duration_ns < 60 * NANOSECONDS_PER_SECOND:
        return show_duration(seconds(duration_ns))
    minutes, tenths = divmod(round(duration_ns / 1e8), 600)
    return f"{minutes} min" + (f" {tenths / 10:g} s" if tenths else "")
