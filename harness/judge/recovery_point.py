"""Decides how much acknowledged work a restore of everything lost, against the RPO. Pure.

RPA is by time, from the ledger: the fault minus the first acknowledged write that is not in the
restored data, with bounds; and by count. A trial meets the target only by its upper bound and
misses it only by its lower one. What it could not have seen, it does not claim.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from harness.judge import ledger_integrity, point_in_time
from harness.judge.advice import SHOW_REPORT
from harness.judge.answer import finding
from harness.judge.ledger_trial import (
    LedgerEvidence,
    Ledgers,
    LedgerTrial,
    ReadBacks,
    examine,
)
from harness.judge.promise import Promise, promised
from harness.judge.statistics import strength
from harness.judge.trials import Attempts, TrialAnswer, attempts, over_trials
from harness.ledger.classify import Loss
from harness.model.history import History
from harness.model.instant import Bracket, nanoseconds, seconds
from harness.model.plan import Plan, Trial
from harness.model.quantity import show_duration
from harness.model.suite import PointChoice
from harness.model.target import RecoveryPoint
from harness.model.verdict import Finding, Measure, Verdict

CHECK = "recovery-point"

KEEP_A_LEDGER = "harness ledger write --config FILE.json"

# A tenth of the target: measure.md, 2.5. A ledger that writes more rarely could not have shown a
# loss that matters.
_RESOLUTION_SHARE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialLoss:
    """What one trial lost, in the terms of a report; all None where it cannot be told."""

    low_s: float | None = None
    high_s: float | None = None
    """The RPA. Where nothing was lost, the resolution: a shorter loss could not have been seen."""

    lost_records: int | None = None
    acknowledged_records: int | None = None
    from_s: float | None = None
    """First lost write, seconds after the fault (negative: before it)."""

    to_s: float | None = None


def judge(
    plan: Plan, history: History, ledgers: Ledgers, read_backs: ReadBacks
) -> Iterator[Finding]:
    """All that the ledger answers: losses, exactness of points, and integrity of every row.

    One finding for each scenario and subject and question; each read-back is classified once.
    """
    run = LedgerEvidence(plan=plan, history=history, ledgers=ledgers, read_backs=read_backs)
    for asked in attempts(plan):
        examined = [examine(run, trial, asked.subject.id) for trial in asked.trials]
        if asked.trials[0].point is PointChoice.LATEST:
            for promise in promised(plan, RecoveryPoint):
                if promise.subject.id == asked.subject.id:
                    yield _finding(promise, asked, examined)
        else:
            yield from point_in_time.judge(plan, asked, examined)
        yield from ledger_integrity.judge(plan, asked, examined)


def measure(run: LedgerEvidence, trial: Trial, subject: str) -> TrialLoss:
    """What one trial lost, for the summary of its restore."""
    examined = examine(run, trial, subject)
    targets = [
        promise.objective.at_most
        for promise in promised(run.plan, RecoveryPoint)
        if promise.subject.id == subject
    ]
    return describe_loss(examined, min(targets, default=timedelta(minutes=1)))


def describe_loss(examined: LedgerTrial, window: timedelta) -> TrialLoss:
    """What one trial lost, in the terms of a report; `window` is the strictest RPO."""
    cost = examined.loss(nanoseconds(window))
    if cost is None or examined.bracket is None:
        return TrialLoss()
    low_ns, high_ns = _bounds(cost)
    zero_ns = examined.bracket.earliest_ns
    return TrialLoss(
        low_s=_seconds(low_ns),
        high_s=None if high_ns is None else _seconds(high_ns),
        lost_records=cost.records,
        acknowledged_records=cost.acknowledged,
        from_s=None if cost.first_ns is None else _seconds(cost.first_ns - zero_ns),
        to_s=None if cost.last_ns is None else _seconds(cost.last_ns - zero_ns),
    )


def judge_trial(examined: LedgerTrial, objective: RecoveryPoint) -> TrialAnswer:
    """One trial against one RPO."""
    limit_ns = nanoseconds(objective.at_most)
    cost = examined.loss(limit_ns)
    if cost is None:
        verdict, text = Verdict.INCONCLUSIVE, next(iter(examined.invalid), "nothing was classified")
    else:
        verdict, text = _compare(
            cost, limit_ns, examined.invalid, late=_all_late(examined.bracket, cost)
        )
    said = () if cost is None else tuple(_describe(examined, cost))
    return TrialAnswer(
        trial=examined.trial,
        verdict=verdict,
        text=text,
        detail=said + tuple(reason for reason in examined.invalid if reason != text),
        since=_since(examined, cost),
        evidence=examined.evidence,
    )


def _all_late(fault: Bracket | None, cost: Loss) -> bool:
    """Whether all that is lost was written after the fault, to a server that was not yet fenced."""
    return fault is not None and cost.first_ns is not None and cost.first_ns > fault.latest_ns


def _compare(
    cost: Loss, limit_ns: int, invalid: Sequence[str], *, late: bool
) -> tuple[Verdict, str]:
    lost = f"{cost.records} of {cost.acknowledged} acknowledged writes lost"
    low_ns, high_ns = _bounds(cost)
    if cost.records and low_ns > limit_ns:
        how = (
            f"acknowledged over {_show(low_ns)} or more after the fault"
            if late
            else f"back to {_show(low_ns)} before the fault or more"
        )
        return Verdict.FAIL, f"{lost}, {how}"
    doubt = next(_doubts(cost, limit_ns), None)
    if invalid:
        doubt = invalid[0]
    if doubt is not None or high_ns is None:
        return Verdict.INCONCLUSIVE, doubt or "no write was acknowledged before the fault"
    if cost.records:
        how = (
            f"acknowledged within {_show(high_ns)} after the fault"
            if late
            else f"of the last {_show(high_ns)} before the fault"
        )
        return Verdict.PASS, f"{lost}, {how}"
    return Verdict.PASS, f"{lost}, seen to {_show(high_ns)}"


def _doubts(cost: Loss, limit_ns: int) -> Iterator[str]:
    """Why a loss within the target does not show that the target was met."""
    if cost.resolution_ns is None or not cost.acknowledged:
        yield "no write was acknowledged before the fault"
        return
    if cost.resolution_ns * _RESOLUTION_SHARE > limit_ns:
        yield (
            f"nothing was acknowledged for {_show(cost.resolution_ns)} before the fault: a loss "
            f"could not be seen to a tenth of {_show(limit_ns)}"
        )
    if cost.records and not cost.older_survived:
        yield "all that the ledger acknowledged is lost: what is older may be lost as well"
    low_ns, high_ns = max(cost.low_ns, 0), max(cost.high_ns, cost.span_ns)
    if high_ns > limit_ns:
        yield (
            f"{cost.records} acknowledged writes lost, of the last {_show(low_ns)} to "
            f"{_show(high_ns)}: the target lies between"
        )
    elif cost.high_with_indeterminate_ns > limit_ns:
        yield (
            f"{cost.indeterminate} writes without an answer are absent: if they were committed, "
            f"{_show(cost.high_with_indeterminate_ns)} are lost"
        )


def _bounds(cost: Loss) -> tuple[int, int | None]:
    """RPA in nanoseconds; where nothing is lost, at most the ledger's resolution."""
    if cost.records:
        return cost.low_ns, max(cost.high_ns, cost.span_ns)
    return 0, cost.resolution_ns if cost.acknowledged else None


def _describe(examined: LedgerTrial, cost: Loss) -> Iterator[str]:
    if examined.classification is not None:
        yield ledger_integrity.counted(examined.classification)
    if cost.indeterminate:
        yield f"{cost.indeterminate} writes without an answer are absent: not counted as lost"
    if cost.unreplicated:
        yield f"{cost.unreplicated} of the lost were acknowledged without being replicated"
    if examined.clocked is not None and examined.clocked.uncertainty_ns:
        yield (
            "the ledger's writer had another clock than the fault: times by wall clock, "
            f"± {_show(examined.clocked.uncertainty_ns)}"
        )


def _since(examined: LedgerTrial, cost: Loss | None) -> datetime | None:
    """The first lost write, by the wall clock of the fault; else the fault."""
    if cost is None or cost.first_ns is None or examined.wall is None or examined.bracket is None:
        return examined.wall
    return examined.wall - timedelta(
        microseconds=(examined.bracket.latest_ns - cost.first_ns) // 1_000
    )


def _finding(
    promise: Promise[RecoveryPoint], asked: Attempts, examined: Sequence[LedgerTrial]
) -> Finding:
    answers = [judge_trial(one, promise.objective) for one in examined]
    passed = sum(answer.verdict is Verdict.PASS for answer in answers)
    window_ns = nanoseconds(promise.objective.at_most)
    costs = [cost for one in examined if (cost := one.loss(window_ns)) is not None]
    answer = over_trials(
        asked.about,
        answers,
        expected=f"at most {show_duration(promise.objective.at_most)} lost",
        advice=KEEP_A_LEDGER if asked.subject.ledger is None else SHOW_REPORT,
        strength=strength(passed, len(answers)),
        measures=tuple(measures(costs)),
    )
    return finding(
        answer,
        identity=promise.finding_id(CHECK, asked.scenario, asked.subject.id),
        target=promise.target.id,
        subject=asked.subject.id,
        scenario=asked.scenario,
    )


def measures(costs: Sequence[Loss]) -> Iterator[Measure]:
    """The worst trial's RPA and count; no value where none was measured."""
    bounds = [_bounds(cost) for cost in costs]
    highs = [high for _, high in bounds if high is not None]
    if not costs or len(highs) < len(bounds):
        yield Measure(name="RPA", unit="s", value=None)
        return
    yield Measure(
        name="RPA",
        unit="s",
        value=_seconds(max(highs)),
        low=_seconds(max(low for low, _ in bounds)),
        high=_seconds(max(highs)),
    )
    yield Measure(
        name="lost writes", unit="records", value=float(max(cost.records for cost in costs))
    )


def _seconds(duration_ns: int) -> float:
    return round(seconds(duration_ns), 6)


def _show(duration_ns: int) -> str:
    return show_duration(seconds(duration_ns))
