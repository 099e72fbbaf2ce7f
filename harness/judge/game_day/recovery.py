"""Decides when each way in was back after a fault, and whether by itself or by our rollback. Pure.

Two views of the same observations. Up to the first rollback, they show what the platform did; from
then on, what our putting back did. Right answers that begin only after the rollback are no
recovery by itself: the trial was then watched until the rollback, and is censored there.

What the prober did not see counts as down: where it looked away between the last wrong answer and
the sustained recovery, the upper bound is the first right answer after it looked again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from harness.judge.availability import Outage, RecoveryMeasured, Unobserved, recovery
from harness.judge.game_day import ways
from harness.judge.game_day.evidence import GameDayRun, TrialEvidence, gather
from harness.judge.game_day.ways import Probed
from harness.judge.recovery_time import missed, show
from harness.model.game_day import ExperimentTrial, GameDayPlan, Way
from harness.model.history import Observation, Outcome
from harness.model.instant import Bounds, Bracket, nanoseconds
from harness.model.judgement import RecoveredBy
from harness.model.verdict import Verdict

_NO_DEADLINE_NS = 2**62
"""What is not back is watched until the rollback, or for as long as the prober ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRecovery:
    """One way in of one trial: when it was back, whatever is promised. Instants, but `bounds`."""

    subject: str
    probe_class: str
    way: Way | None
    judged: bool
    """False: the trial does not ask for it; it is shown."""

    bounds: Bounds | None
    """The recovery time; high None: not back by itself for as long as was watched (censored). None:
    nothing was observed after the fault."""

    by: RecoveredBy
    missed_ns: int
    """How long after the fault it was beyond doubt not back."""

    watched_ns: int
    """How long after the fault it was watched before our rollback."""

    after_rollback_ns: int | None
    """Since the fault: back only after our rollback began. None: not so, or not seen."""

    first_failure_ns: int | None
    first_success_ns: int | None
    sustained_at_ns: int | None
    outages: tuple[Outage, ...]
    """Before and after the rollback."""

    unobserved: tuple[Unobserved, ...]
    looked_away_ns: int
    """The longest time without a look where it mattered; the bounds contain it."""

    wrong_after_rollback: int
    """Wrong answers of one that had recovered by itself, after our rollback began."""

    sequence: int

    def compare(  # noqa: PLR0911 - one return for each rule, in their order
        self, limit: timedelta
    ) -> tuple[Verdict, str]:
        """Against one RTO; the fault is known to be witnessed and the baseline steady."""
        limit_ns = nanoseconds(limit)
        helped = (
            ""
            if self.after_rollback_ns is None
            else f"; back after our rollback, {show(self.after_rollback_ns)} after the fault"
        )
        if self.bounds is None:
            return Verdict.INCONCLUSIVE, "nothing was observed after the fault"
        if self.missed_ns > limit_ns:
            if self.bounds.high_ns is not None:
                return Verdict.FAIL, f"back only after {show(self.bounds.high_ns)}"
            return Verdict.FAIL, f"not back by itself after {show(self.missed_ns)}{helped}"
        high_ns = self.bounds.high_ns
        if high_ns is None and not self.outages:
            return Verdict.INCONCLUSIVE, f"watched for {show(self.watched_ns)} only: too short"
        if high_ns is None:
            return Verdict.INCONCLUSIVE, (
                f"not back by itself in the {show(self.watched_ns)} that were watched{helped}"
            )
        if self.by is RecoveredBy.NO_OUTAGE:
            text = f"no outage longer than {show(high_ns)}, watched for {show(self.watched_ns)}"
        else:
            text = f"back after {show(high_ns)}"
        if high_ns <= limit_ns:
            return Verdict.PASS, text
        return (
            Verdict.INCONCLUSIVE,
            f"back after {show(self.bounds.low_ns)} to {show(high_ns)}: the target lies between",
        )

    def bounds_in_words(self) -> Iterator[str]:
        """The recovery time with both its bounds, or that it has but one."""
        if self.bounds is not None and self.bounds.high_ns is not None and self.bounds.low_ns:
            low, high = show(self.bounds.low_ns), show(self.bounds.high_ns)
            yield f"RTA between {low} and {high}"
        elif self.bounds is not None and self.bounds.high_ns is None:
            yield f"RTA greater than {show(self.bounds.low_ns)} (censored)"

    def remarks(self) -> Iterator[str]:
        """What a reader must know beside the comparison."""
        if self.looked_away_ns:
            yield (
                f"the prober did not look for {show(self.looked_away_ns)} where it mattered: "
                "counted as down"
            )
        if self.wrong_after_rollback:
            yield (
                f"{self.wrong_after_rollback} wrong answers after our rollback began: not part of "
                "the RTA"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecovery:
    """All ways in of one trial."""

    evidence: TrialEvidence
    classes: tuple[ClassRecovery, ...]
    invalid: tuple[str, ...]
    """Why no class says anything: the trial's own reasons, and the baseline's."""

    missing: dict[str, tuple[str, ...]]
    """Workload -> what should have been probed of it, and was not."""

    watched_until_ns: int | None
    """End of the last observation."""

    def judged(self, subject: str) -> tuple[ClassRecovery, ...]:
        """The ways in to one workload that must recover."""
        return tuple(one for one in self.classes if one.subject == subject and one.judged)


Recoveries = Mapping[str, TrialRecovery]
"""By trial."""


def measure(run: GameDayRun) -> dict[str, TrialRecovery]:
    """When each way in was back in each trial, whatever is promised."""
    recorded = {trial.id: ways.recorded(run, trial) for trial in run.plan.trials}
    return {
        trial.id: _measure_trial(run, trial, recorded[trial.id], ways.missing(run, trial, recorded))
        for trial in run.plan.trials
    }


def _measure_trial(
    run: GameDayRun,
    trial: ExperimentTrial,
    probed: Sequence[Probed],
    missing: dict[str, tuple[str, ...]],
) -> TrialRecovery:
    evidence = gather(run.history, trial)
    bracket = evidence.bracket
    watched_until = max(
        (seen.ended_ns for one in probed for seen in one.observations), default=None
    )
    if bracket is None:
        return TrialRecovery(
            evidence=evidence,
            classes=(),
            invalid=evidence.invalid,
            missing=missing,
            watched_until_ns=watched_until,
        )
    return TrialRecovery(
        evidence=evidence,
        missing=missing,
        watched_until_ns=watched_until,
        classes=tuple(
            measure_class(
                one,
                bracket,
                judged=ways.judged(one, trial),
                rolled_back_ns=evidence.rolled_back_ns,
                sustained=run.plan.sustained,
            )
            for one in probed
        ),
        invalid=(*evidence.invalid, *_unsteady(run.plan, trial, probed, bracket)),
    )


def measure_class(
    probed: Probed,
    fault: Bracket,
    *,
    judged: bool,
    rolled_back_ns: int | None,
    sustained: timedelta,
) -> ClassRecovery:
    """When one way in was back."""
    whole = _recovery(probed, probed.observations, fault, sustained)
    own = whole
    if rolled_back_ns is not None:
        until = [one for one in probed.observations if one.ended_ns <= rolled_back_ns]
        own = _recovery(probed, until, fault, sustained)
        begun = whole.recovered_ns is not None and whole.recovered_ns <= rolled_back_ns
        if own.sustained_at_ns is None and begun and not whole.uninterrupted:
            own = whole  # it answered right before our rollback, and went on to
    helped = own.sustained_at_ns is None and whole.recovered_ns is not None
    wrong = [
        one
        for one in probed.observations
        if one.outcome is not Outcome.OK and one.ended_ns >= fault.earliest_ns
    ]
    return ClassRecovery(
        subject=probed.subject,
        probe_class=probed.probe_class,
        way=probed.way,
        judged=judged,
        bounds=_widened(own, probed.observations, fault),
        by=_by(own, whole),
        missed_ns=missed(own, fault),
        watched_ns=max(0, (own.watched_until_ns or fault.latest_ns) - fault.latest_ns),
        after_rollback_ns=whole.recovered_ns - fault.earliest_ns
        if helped and whole.recovered_ns is not None and own.outages
        else None,
        first_failure_ns=min((one.started_ns for one in wrong), default=None),
        first_success_ns=own.outages[0].recovered_ns if own.outages else None,
        sustained_at_ns=own.sustained_at_ns,
        outages=whole.outages,
        unobserved=whole.unobserved,
        looked_away_ns=max(
            (one.to_ns - one.from_ns for one in own.unobserved_where_it_matters), default=0
        ),
        wrong_after_rollback=0
        if own.sustained_at_ns is None or rolled_back_ns is None
        else sum(one.ended_ns > rolled_back_ns for one in wrong),
        sequence=probed.sequence,
    )


def _recovery(
    probed: Probed, observations: Sequence[Observation], fault: Bracket, sustained: timedelta
) -> RecoveryMeasured:
    return recovery(
        observations,
        fault,
        sustained_ns=nanoseconds(sustained),
        deadline_ns=_NO_DEADLINE_NS,
        interval_ns=probed.interval_ns,
        timeout_ns=probed.timeout_ns,
    )


def _by(own: RecoveryMeasured, whole: RecoveryMeasured) -> RecoveredBy:
    if own.bounds is None:
        return RecoveredBy.UNKNOWN
    if own.sustained_at_ns is not None:
        return RecoveredBy.NO_OUTAGE if own.uninterrupted else RecoveredBy.ITSELF
    if not own.outages:
        return RecoveredBy.UNKNOWN  # right, but not watched for long enough
    return RecoveredBy.ROLLBACK if whole.recovered_ns is not None else RecoveredBy.NOTHING


def _widened(
    measured: RecoveryMeasured, observations: Sequence[Observation], fault: Bracket
) -> Bounds | None:
    """The bounds, with the time that nobody saw counted as down."""
    bounds = measured.bounds
    if bounds is None or bounds.high_ns is None or measured.uninterrupted:
        return bounds  # without an outage, the bound is the longest time between two looks already
    looked_again = max((one.to_ns for one in measured.unobserved_where_it_matters), default=None)
    if looked_again is None:
        return bounds
    after = [
        one.ended_ns
        for one in observations
        if one.started_ns >= looked_again and one.outcome is Outcome.OK
    ]
    high_ns = max(bounds.high_ns, min(after, default=looked_again) - fault.earliest_ns)
    return Bounds(low_ns=bounds.low_ns, high_ns=high_ns)


def _unsteady(
    plan: GameDayPlan, trial: ExperimentTrial, probed: Sequence[Probed], fault: Bracket
) -> Iterator[str]:
    """Which ways in had not answered right for `plan.steady` before the fault."""
    from_ns = fault.earliest_ns - nanoseconds(plan.steady)
    for one in probed:
        if not ways.judged(one, trial):
            continue
        before = [seen for seen in one.observations if seen.ended_ns < fault.earliest_ns]
        within = [seen for seen in before if seen.ended_ns >= from_ns]
        wrong = [seen for seen in within if seen.outcome is not Outcome.OK]
        if wrong:
            yield (
                f"{one.probe_class}: {len(wrong)} wrong answers in the "
                f"{show(nanoseconds(plan.steady))} before the fault: no steady state to return to"
            )
        elif not within:
            yield f"{one.probe_class}: nothing was observed just before the fault"
        elif (first := min(seen.started_ns for seen in before)) > (
            from_ns + one.interval_ns + one.timeout_ns
        ):
            yield (
                f"{one.probe_class}: observed for only "
                f"{show(fault.earliest_ns - first)} before the fault"
            )
