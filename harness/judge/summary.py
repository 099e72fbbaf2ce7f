"""Puts together what a report shows of one restore: its phases, times, losses and levels. Pure.

Nothing is decided here: verdicts and bounds are the judges' own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.judge import (
    integrity,
    ledger_integrity,
    point_in_time,
    recovery_point,
    recovery_time,
    restore,
)
from harness.judge.facts import known
from harness.judge.ledger_trial import LedgerEvidence, LedgerTrial, examine
from harness.judge.promise import promised
from harness.judge.trials import TrialAnswer
from harness.model.history import History, Outcome, Phase, PhaseEnded, VerificationEnded
from harness.model.instant import seconds
from harness.model.judgement import LevelResult, PhaseBar, RestoreSummary
from harness.model.plan import Plan, Trial
from harness.model.subject import Subject
from harness.model.suite import Level, PointChoice
from harness.model.target import RecoveryPoint, RecoveryTime
from harness.model.verdict import Verdict, merge

_DECIMALS = 6  # microseconds: finer than any clock here is read


_OUTCOMES = {
    Verdict.PASS: Outcome.OK,
    Verdict.FAIL: Outcome.FAIL,
    Verdict.INCONCLUSIVE: Outcome.INDETERMINATE,
}


def summarise(run: LedgerEvidence, trial: Trial, subject_id: str) -> RestoreSummary:
    """One restore of one subject; times are seconds after the earliest instant of its fault."""
    plan, history = run.plan, run.history
    subject = plan.subject(subject_id)
    measured = recovery_time.measure(plan, history, trial, subject_id)
    examined = examine(run, trial, subject_id)
    cost = recovery_point.measure(run, trial, subject_id)
    rows = ledger_integrity.judge_trial(examined)
    verified = [one.fact for one in integrity.verifications(history, trial, subject_id)]
    ended = [one.fact for one in restore.endings(history, trial, subject_id)]
    times = [
        recovery_time.judge_trial(measured, promise.objective).verdict
        for promise in promised(plan, RecoveryTime)
        if promise.subject.id == subject_id
    ]
    verdicts = [
        *times,
        *_against_ledger(plan, trial, subject, examined),
        restore.judge_trial(history, trial, subject_id).verdict,
        integrity.judge_trial(plan, history, trial, subject).verdict,
        rows.verdict,
    ]
    origin_ns = None if measured.bracket is None else measured.bracket.earliest_ns
    phases = _phases(history, trial, subject_id)
    asked = set(integrity.levels_asked(plan, subject))
    return RestoreSummary(
        trial=trial.id,
        scenario=trial.scenario,
        title=trial.title,
        subject=subject_id,
        region=trial.region,
        verdict=merge(verdicts),
        backup=next((one.backup for one in ended if one.backup), None),
        target_time=next((one.target_time for one in ended if one.target_time), None),
        phases=() if origin_ns is None else tuple(_bar(one, origin_ns) for one in phases),
        bottleneck=bottleneck(phases),
        rta_low_s=None if measured.bounds is None else _s(measured.bounds.low_ns),
        rta_high_s=None
        if measured.bounds is None or measured.bounds.high_ns is None
        else _s(measured.bounds.high_ns),
        sustained_s=_since(origin_ns, measured.sustained_at_ns),
        verified_s=_since(origin_ns, max(one.ended_ns for one in verified))
        if verified and asked <= {one.level for one in verified}
        else None,
        rpa_s=cost.high_s,
        lost_records=cost.lost_records,
        acknowledged_records=cost.acknowledged_records,
        loss_from_s=cost.from_s,
        loss_to_s=cost.to_s,
        restored_bytes=next((one.restored_bytes for one in ended if one.restored_bytes), None),
        levels=tuple(_level(one, rows, origin_ns) for one in verified),
        # A miss that was seen stands whatever went unseen beside it: that trial says something.
        invalid=() if Verdict.FAIL in times else measured.invalid,
    )


def _against_ledger(
    plan: Plan, trial: Trial, subject: Subject, examined: LedgerTrial
) -> Iterator[Verdict]:
    """The trial's own verdict on each RPO, or on the exactness of the point it restored to."""
    if trial.point is not PointChoice.LATEST:
        yield point_in_time.judge_trial(examined).verdict
        return
    for promise in promised(plan, RecoveryPoint):
        if promise.subject.id == subject.id:
            yield recovery_point.judge_trial(examined, promise.objective).verdict


def bottleneck(phases: Sequence[PhaseEnded]) -> Phase | None:
    """The phase that took longest, the earlier one of two alike; None of none.

    Parts of one phase that ran at once, such as three shards' fetches, count once.
    """
    taken = {
        phase: _covered_ns([(p.started_ns, p.ended_ns) for p in phases if p.phase is phase])
        for phase in Phase
    }
    longest = max(Phase, key=lambda phase: taken[phase])
    return longest if taken[longest] > 0 else None


def _covered_ns(intervals: Sequence[tuple[int, int]]) -> int:
    """The length of the union of some intervals."""
    covered, reached = 0, None
    for start, end in sorted(intervals):
        begin = start if reached is None else max(start, reached)
        covered += max(0, end - begin)
        reached = end if reached is None else max(reached, end)
    return covered


def _phases(history: History, trial: Trial, subject: str) -> list[PhaseEnded]:
    order = list(Phase)
    return sorted(
        (
            one.fact
            for one in known(history, PhaseEnded)
            if one.fact.trial == trial.id and one.fact.subject == subject
        ),
        key=lambda phase: (phase.started_ns, order.index(phase.phase), phase.ended_ns),
    )


def _bar(phase: PhaseEnded, origin_ns: int) -> PhaseBar:
    return PhaseBar(
        phase=phase.phase,
        start_s=_s(phase.started_ns - origin_ns),
        end_s=_s(phase.ended_ns - origin_ns),
        amount_bytes=phase.amount_bytes,
    )


def _level(ended: VerificationEnded, rows: TrialAnswer, origin_ns: int | None) -> LevelResult:
    """One level; of the ledger the history knows only that it was read back: what the rows are was
    decided here.
    """
    of_ledger = ended.level is Level.LEDGER and ended.outcome is Outcome.OK
    return LevelResult(
        level=ended.level,
        outcome=_OUTCOMES[rows.verdict] if of_ledger else ended.outcome,
        seconds=_s(ended.ended_ns - ended.started_ns),
        examined=ended.examined,
        detail=rows.text if of_ledger else ended.detail,
        start_s=_since(origin_ns, ended.started_ns),
    )


def _s(duration_ns: int) -> float:
    return round(seconds(duration_ns), _DECIMALS)


def _since(origin_ns: int | None, instant_ns: int | None) -> float | None:
    return None if origin_ns is None or instant_ns is None else _s(instant_ns - origin_ns)
