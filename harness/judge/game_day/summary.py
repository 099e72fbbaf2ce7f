"""Puts together what a report shows of each trial and each experiment of a game day. Pure.

Nothing is decided here: verdicts and bounds are the judges' own. Times are seconds after the
earliest instant of the fault.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from harness.judge import ledger_integrity
from harness.judge import recovery_point as against_rpo
from harness.judge.facts import known
from harness.judge.game_day import (
    aftermath,
    prediction,
    pubsub,
    recovery_time,
    rehearsal,
    ways,
)
from harness.judge.game_day.detection import Detection, detect
from harness.judge.game_day.evidence import GameDayRun, TrialEvidence
from harness.judge.game_day.recovery import ClassRecovery, Recoveries, TrialRecovery
from harness.judge.game_day.recovery_point import Examined, ledgers
from harness.judge.game_day.scenarios import Scenario
from harness.judge.ledger_trial import LedgerTrial
from harness.judge.promise import covering
from harness.judge.statistics import strength
from harness.model.game_day import Way
from harness.model.history import (
    ClusterCompared,
    HypothesisMeasured,
    LedgerReadBack,
    ManualStepEnded,
    Milestone,
    MilestoneSeen,
    StepFailed,
    SubscriptionsRecorded,
)
from harness.model.instant import seconds
from harness.model.judgement import (
    Hearing,
    Interval,
    LedgerLoss,
    ManualStepTaken,
    RecoveredBy,
    RecoverySummary,
    ScenarioSummary,
    Step,
    StepSeen,
    WayRecovery,
)
from harness.model.plan import subjects
from harness.model.target import RecoveryPoint, RecoveryTime
from harness.model.verdict import Verdict, merge

_DECIMALS = 6  # microseconds: finer than any clock here is read

_GAPS = 20
"""Runs of messages that are named; the rest is counted."""

_STEPS = {
    Milestone.DETECTED: Step.DETECTED,
    Milestone.REPLACED: Step.REPLACED,
    Milestone.PROMOTED: Step.PROMOTED,
    Milestone.REDUNDANT: Step.REDUNDANT,
    Milestone.RETURNED: Step.RETURNED,
}


def summarise(run: GameDayRun, measured: TrialRecovery, examined: Examined) -> RecoverySummary:
    """One trial."""
    evidence = measured.evidence
    trial, bracket = evidence.trial, evidence.bracket
    origin_ns = None if bracket is None else bracket.earliest_ns
    detections = tuple(_detections(run, measured))
    recoveries = tuple(
        _way(run, measured, one, _undetected(one, detections)) for one in measured.classes
    )
    losses = tuple(_losses(run, measured, examined))
    worst = worst_way(measured)
    return RecoverySummary(
        trial=trial.id,
        scenario=trial.scenario,
        title=trial.title,
        verdict=merge(_verdicts(run, measured, examined)),
        fault=evidence.wall,
        fault_width_s=None if bracket is None else _s(bracket.latest_ns - bracket.earliest_ns),
        witnesses=tuple(f"{one.fact.subject}: {one.fact.witness}" for one in evidence.faults),
        worst=None if worst is None else worst.probe_class,
        by=_by(measured),
        rta_low_s=None if worst is None or worst.bounds is None else _s(worst.bounds.low_ns),
        rta_high_s=None
        if worst is None or worst.bounds is None or worst.bounds.high_ns is None
        else _s(worst.bounds.high_ns),
        ways=recoveries,
        steps=tuple(_steps(measured, detections)),
        losses=losses,
        hearings=tuple(_hearings(run, evidence)),
        rollbacks=tuple(
            f"{one.fact.action}: {one.fact.error or one.fact.witness or 'nobody saw it back'}"
            for one in evidence.rollbacks
        ),
        rolled_back_from_s=_since(origin_ns, evidence.rolled_back_ns),
        rolled_back_until_s=_since(
            origin_ns, max((one.fact.ended_ns for one in evidence.rollbacks), default=None)
        ),
        watched_until_s=_since(origin_ns, measured.watched_until_ns),
        differences=tuple(
            difference
            for one in evidence.of(ClusterCompared)[-1:]
            for difference in one.fact.differences
        ),
        manual_steps=tuple(_manual(run, trial.id, origin_ns)),
        notes=evidence.notes,
        unpredicted=trial.unpredicted,
        invalid=measured.invalid,
    )


def summarise_scenario(
    scenario: Scenario,
    recoveries: Recoveries,
    of_trials: Sequence[RecoverySummary],
) -> ScenarioSummary:
    """One row: the worst of the trials, never a mean."""
    valid = [one for one in of_trials if not one.invalid]
    timed = [one for one in valid if one.rta_low_s is not None]
    worst = max(timed, key=_longest, default=None)
    way = _worst_of(worst)
    losses = [loss for one in of_trials for loss in one.losses if loss.rpa_s is not None]
    passed = sum(one.verdict is Verdict.PASS for one in valid)
    predicted = None
    if worst is not None and way is not None:
        trial = recoveries[worst.trial].evidence.trial
        predicted = prediction.expected_of(trial.expected, way.subject, way.way, way.probe_class)
    return ScenarioSummary(
        scenario=scenario.id,
        title=scenario.title,
        verdict=merge(one.verdict for one in of_trials),
        trials=len(of_trials),
        valid=len(valid),
        worst=None if worst is None else worst.worst,
        by=RecoveredBy.UNKNOWN if worst is None else worst.by,
        rta_low_s=None if worst is None else worst.rta_low_s,
        rta_high_s=None if worst is None else worst.rta_high_s,
        rto_s=None if way is None else way.rto_s,
        predicted_low_s=None if predicted is None else predicted.low_s,
        predicted_high_s=None if predicted is None else predicted.high_s,
        predicted_misses=None if predicted is None else predicted.misses,
        against=None if way is None else way.against,
        loss=max(losses, key=lambda one: (one.lost_records or 0, one.rpa_s or 0.0), default=None),
        strength=strength(passed, len(valid)),
    )


def manual_steps(run: GameDayRun) -> tuple[ManualStepTaken, ...]:
    """The opening and closing steps of the game day."""
    return tuple(_manual(run, "", None))


def deviations(run: GameDayRun, recoveries: Recoveries) -> Iterator[str]:
    """What did not go as planned, in the order in which it was recorded."""
    told: list[tuple[int, str]] = [
        (one.sequence, f"{one.fact.trial or 'game day'}: {one.fact.step}: {one.fact.error}")
        for one in known(run.history, StepFailed)
    ]
    told += [
        (one.sequence, f"{one.fact.trial or 'game day'}: step {one.fact.step} confirmed by nobody")
        for one in known(run.history, ManualStepEnded)
        if not one.fact.confirmed_by
    ]
    for measured in recoveries.values():
        evidence = measured.evidence
        told += [
            (one.sequence, f"{evidence.trial.id}: steady state not met {one.fact.when} it")
            for one in evidence.of(HypothesisMeasured)
            if not one.fact.met
        ]
        told += [
            (one.sequence, f"{evidence.trial.id}: {one.fact.action}: {one.fact.error}")
            for one in evidence.rollbacks
            if one.fact.error is not None
        ]
        last = max((entry.sequence for entry in run.history.entries), default=0)
        told += [(last, f"{evidence.trial.id}: {note}") for note in evidence.notes]
    yield from dict.fromkeys(text for _, text in sorted(told))


def worst_way(measured: TrialRecovery) -> ClassRecovery | None:
    """The way in that was away longest, of those that must recover."""
    judged = [one for one in measured.classes if one.judged and one.bounds is not None]
    return min(judged, key=recovery_time.slowest_first, default=None)


def _by(measured: TrialRecovery) -> RecoveredBy:
    """What brought the trial back: the worst answer of any way in."""
    found = {one.by for one in measured.classes if one.judged}
    order = (
        RecoveredBy.NOTHING,
        RecoveredBy.ROLLBACK,
        RecoveredBy.UNKNOWN,
        RecoveredBy.ITSELF,
        RecoveredBy.NO_OUTAGE,
    )
    return next((one for one in order if one in found), RecoveredBy.UNKNOWN)


def _verdicts(run: GameDayRun, measured: TrialRecovery, examined: Examined) -> Iterator[Verdict]:
    kinds = subjects(run.plan)
    evidence = measured.evidence
    for subject in ways.asked(run, evidence.trial):
        for _, objective in covering(run.plan.targets, kinds[subject], RecoveryTime):
            yield recovery_time.judge_trial(measured, subject, objective).verdict
    for loss in _losses(run, measured, examined):
        if loss.verdict is not None:
            yield loss.verdict
    asked = ways.asked(run, evidence.trial)
    for ledger, workload in ledgers(run).items():
        if workload.id in asked and (evidence.trial.id, ledger) in examined:
            yield ledger_integrity.judge_trial(examined[evidence.trial.id, ledger]).verdict
    for restore, promise in itertools.product(evidence.trial.rehearses, rehearsal.ANSWERS):
        yield rehearsal.judge_trial(evidence, restore, promise).verdict
    for ask in (aftermath.put_back, aftermath.left_as_it_was, aftermath.steady_again):
        yield ask(evidence).verdict


def _way(
    run: GameDayRun, measured: TrialRecovery, one: ClassRecovery, undetected: Iterable[str]
) -> WayRecovery:
    trial, bracket = measured.evidence.trial, measured.evidence.bracket
    kind = subjects(run.plan).get(one.subject)
    promises = [] if kind is None else covering(run.plan.targets, kind, RecoveryTime)
    limits = [objective.at_most for _, objective in promises]
    limit = min(limits, default=None)
    verdict, text = one.compare(timedelta.max if limit is None else limit)
    if measured.invalid:
        verdict = Verdict.INCONCLUSIVE
    expected = prediction.expected_of(trial.expected, one.subject, one.way, one.probe_class)
    origin_ns = 0 if bracket is None else bracket.earliest_ns
    return WayRecovery(
        subject=one.subject,
        probe_class=one.probe_class,
        way=one.way,
        judged=one.judged,
        verdict=verdict if one.judged and limit is not None else None,
        text="; ".join((text, *one.remarks(), *undetected)),
        by=one.by,
        rta_low_s=None if one.bounds is None else _s(one.bounds.low_ns),
        rta_high_s=None
        if one.bounds is None or one.bounds.high_ns is None
        else _s(one.bounds.high_ns),
        after_rollback_s=None if one.after_rollback_ns is None else _s(one.after_rollback_ns),
        rto_s=None if limit is None else limit.total_seconds(),
        predicted_low_s=None if expected is None else expected.low_s,
        predicted_high_s=None if expected is None else expected.high_s,
        against=None if measured.invalid else prediction.against(expected, one.bounds),
        outages=tuple(
            Interval(
                start_s=_s(outage.first_started_ns - origin_ns),
                end_s=_since(origin_ns, outage.recovered_ns),
            )
            for outage in one.outages
        ),
        unobserved=tuple(
            Interval(start_s=_s(gap.from_ns - origin_ns), end_s=_s(gap.to_ns - origin_ns))
            for gap in one.unobserved
        ),
    )


def _losses(run: GameDayRun, measured: TrialRecovery, examined: Examined) -> Iterator[LedgerLoss]:
    trial = measured.evidence.trial
    asked = ways.asked(run, trial)
    for ledger, workload in ledgers(run).items():
        found = examined.get((trial.id, ledger))
        if found is None:
            continue
        promises = covering(run.plan.targets, workload.target_kind, RecoveryPoint)
        strictest = min((one for _, one in promises), key=lambda one: one.at_most, default=None)
        judged = workload.id in asked
        yield _loss(ledger, found, strictest, judged=judged)


def _loss(
    ledger: str, found: LedgerTrial, strictest: RecoveryPoint | None, *, judged: bool
) -> LedgerLoss:
    objective = strictest or RecoveryPoint(at_most=timedelta(minutes=1))
    answer = against_rpo.judge_trial(found, objective)
    cost = against_rpo.describe_loss(found, objective.at_most)
    return LedgerLoss(
        ledger=ledger,
        verdict=answer.verdict if judged and strictest is not None else None,
        text=answer.text,
        rpa_s=cost.high_s,
        lost_records=cost.lost_records,
        acknowledged_records=cost.acknowledged_records,
        rpo_s=None if strictest is None else strictest.at_most.total_seconds(),
        loss_from_s=cost.from_s,
        loss_to_s=cost.to_s,
    )


def _detections(run: GameDayRun, measured: TrialRecovery) -> Iterator[tuple[str, Detection]]:
    """The documented conditions for a rollback, with each way in by HTTP that was to recover."""
    evidence = measured.evidence
    if evidence.bracket is None or measured.invalid:
        return
    for one in ways.recorded(run, evidence.trial):
        if one.way is Way.HTTP and ways.judged(one, evidence.trial):
            for found in detect(
                one, evidence.bracket, run.plan.targets, until_ns=evidence.rolled_back_ns
            ):
                yield one.probe_class, found


def _undetected(of: ClassRecovery, detections: Sequence[tuple[str, Detection]]) -> Iterator[str]:
    """Conditions that were not seen to begin after the fault, together where it is for one reason;
    those that were are steps.
    """
    told: dict[str, list[str]] = {}
    for probe_class, one in detections:
        if probe_class == of.probe_class and one.bounds is None:
            told.setdefault(one.detail, []).append(one.condition)
    for why, conditions in told.items():
        yield f"{', '.join(conditions)}: {why}"


def _steps(
    measured: TrialRecovery, detections: Sequence[tuple[str, Detection]]
) -> Iterator[StepSeen]:
    """Milestones, and what clients saw, in the order of the steps and then of time."""
    evidence = measured.evidence
    if evidence.bracket is None:
        return
    origin_ns = evidence.bracket.earliest_ns
    found: list[StepSeen] = [
        StepSeen(
            step=_STEPS[one.fact.milestone],
            subject=one.fact.subject,
            low_s=_s(one.fact.bracket.earliest_ns - origin_ns),
            high_s=_s(one.fact.bracket.latest_ns - origin_ns),
            detail=one.fact.detail,
        )
        for one in evidence.of(MilestoneSeen)
    ]
    found += [
        StepSeen(
            step=Step.DETECTED,
            subject=f"{probe_class}: {one.condition}",
            low_s=_s(one.bounds.low_ns),
            high_s=_s(one.bounds.high_ns),
            detail=one.detail,
        )
        for probe_class, one in detections
        if one.bounds is not None and one.bounds.high_ns is not None
    ]
    for one in measured.classes:
        seen = (
            (Step.FIRST_FAILURE, one.first_failure_ns),
            (Step.FIRST_SUCCESS, one.first_success_ns),
            (Step.SUSTAINED, one.sustained_at_ns if one.outages else None),
        )
        found += [
            StepSeen(
                step=step,
                subject=one.probe_class,
                low_s=_s(at_ns - origin_ns),
                high_s=_s(at_ns - origin_ns),
            )
            for step, at_ns in seen
            if at_ns is not None
        ]
    found += [
        StepSeen(
            step=Step.VERIFIED,
            subject=read.fact.subject,
            low_s=_s(read.at.monotonic_ns - origin_ns),
            high_s=_s(read.at.monotonic_ns - origin_ns),
        )
        for read in evidence.of(LedgerReadBack)
        if not read.fact.early and read.fact.error is None
    ]
    order = list(Step)
    yield from sorted(
        found, key=lambda one: (order.index(one.step), one.high_s, one.subject, one.detail)
    )


def _hearings(run: GameDayRun, evidence: TrialEvidence) -> Iterator[Hearing]:
    bracket = evidence.bracket
    origin_ns = None if bracket is None else bracket.earliest_ns
    for recorded in evidence.of(SubscriptionsRecorded):
        events = run.subscriptions.get(recorded.fact.file, ())
        for one in pubsub.deliveries(events, recorded.fact.subscribers, bracket):
            yield Hearing(
                subject=recorded.fact.subject,
                subscriber=one.subscriber,
                taken=one.taken,
                heard=one.heard,
                ratio=round(one.heard / one.taken, _DECIMALS) if one.taken else None,
                gaps=one.gaps[:_GAPS],
                gap_count=len(one.gaps),
                cut_off_s=_since(origin_ns, one.cut_off_ns),
                subscribed_s=_since(origin_ns, one.subscribed_ns),
            )


def _manual(run: GameDayRun, trial: str, origin_ns: int | None) -> Iterator[ManualStepTaken]:
    for one in known(run.history, ManualStepEnded):
        step = one.fact
        if step.trial != trial:
            continue
        before = timedelta(microseconds=(one.at.monotonic_ns - step.started_ns) // 1_000)
        yield ManualStepTaken(
            trial=trial,
            step=step.step,
            instruction=step.instruction,
            began=one.at.utc - before,
            seconds=_s(step.ended_ns - step.started_ns),
            start_s=_since(origin_ns, step.started_ns),
            confirmed_by=step.confirmed_by,
            note=step.note,
        )


def _worst_of(worst: RecoverySummary | None) -> WayRecovery | None:
    if worst is None:
        return None
    return next((way for way in worst.ways if way.probe_class == worst.worst), None)


def _longest(one: RecoverySummary) -> tuple[bool, float]:
    """Not back at all is worse than any recovery."""
    if one.rta_high_s is None:
        return True, one.rta_low_s or 0.0
    return False, one.rta_high_s


def _s(duration_ns: int) -> float:
    return round(seconds(duration_ns), _DECIMALS)


def _since(origin_ns: int | None, instant_ns: int | None) -> float | None:
    return None if origin_ns is None or instant_ns is None else _s(instant_ns - origin_ns)
