"""Decides how long two versions answered at once while one replaced the other. Pure.

Clients see a switch in the answers themselves: from the first of the new version to the last of
the old. What was lost meanwhile, and how long the way back took, is told beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from harness.judge.advice import SHOW_REPORT
from harness.judge.answer import finding
from harness.judge.game_day import ways
from harness.judge.game_day.evidence import GameDayRun, TrialEvidence
from harness.judge.game_day.recovery import Recoveries
from harness.judge.game_day.scenarios import scenarios
from harness.judge.game_day.ways import Probed
from harness.judge.promise import covering
from harness.judge.recovery_time import show, worst_of
from harness.judge.statistics import strength
from harness.judge.trials import TrialAnswer, over_trials
from harness.model.history import Observation, Outcome
from harness.model.instant import Bounds, Bracket, nanoseconds, seconds
from harness.model.plan import subjects
from harness.model.quantity import show_duration
from harness.model.target import Target, TrafficSwitch
from harness.model.verdict import Finding, Measure, Verdict

CHECK = "traffic-switch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One version that replaced another, as clients saw it."""

    old: frozenset[str]
    new: frozenset[str]
    bounds: Bounds
    """How long both answered. Low: from the first new answer to the last request that the old one
    answered. High: from the last request that only the old one can have answered to the first new
    answer after the old one's last; None: the old one answered to the end.
    """

    asked: int
    """Requests from the change to the end of the switch."""

    lost: int
    """Those of them without a right answer."""


def switch(observations: Sequence[Observation], change: Bracket, until_ns: int) -> Switch | None:
    """What the answers until then show of a change; None: no other version than before answered.

    A right answer's `detail` says which version gave it.
    """
    seen = [one for one in observations if one.ended_ns <= until_ns]
    right = [one for one in seen if one.outcome is Outcome.OK and one.detail]
    old = frozenset(one.detail for one in right if one.ended_ns < change.earliest_ns)
    of_old = [one for one in right if one.detail in old]
    of_new = [one for one in right if one.detail not in old]
    if not of_old or not of_new:
        return None
    first_new = min(one.ended_ns for one in of_new)
    last_old = max(one.started_ns for one in of_old)
    settled = min((one.ended_ns for one in of_new if one.started_ns > last_old), default=None)
    before = max(one.started_ns for one in of_old if one.started_ns <= first_new)
    end = until_ns if settled is None else settled
    meanwhile = [
        one for one in seen if one.ended_ns >= change.earliest_ns and one.started_ns <= end
    ]
    return Switch(
        old=old,
        new=frozenset(one.detail for one in of_new),
        bounds=Bounds(
            low_ns=max(0, last_old - first_new),
            high_ns=None if settled is None else settled - before,
        ),
        asked=len(meanwhile),
        lost=sum(one.outcome is not Outcome.OK for one in meanwhile),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """One trial: what was seen of the way there and back, or why nothing was."""

    evidence: TrialEvidence
    probed: Probed | None
    there: Switch | None
    back: Switch | None
    why_not: str


def judge(run: GameDayRun, recoveries: Recoveries) -> Iterator[Finding]:
    """One finding for each experiment that rolls a version out, workload and target."""
    kinds = subjects(run.plan)
    for scenario in scenarios(run.plan):
        for subject in dict.fromkeys(one for trial in scenario.trials for one in trial.rolls_out):
            for target, objective in covering(run.plan.targets, kinds[subject], TrafficSwitch):
                tried = [
                    _look(run, recoveries[trial.id].evidence, subject) for trial in scenario.trials
                ]
                yield _finding(scenario.id, subject, target, objective, tried)


def _look(run: GameDayRun, evidence: TrialEvidence, subject: str) -> _Tried:
    of_subject = [one for one in ways.recorded(run, evidence.trial) if one.subject == subject]
    probed = next((one for one in of_subject if one.observations), None)
    why_not = next(_reasons(evidence, probed), "")
    there, back = None, None
    if not why_not and probed is not None and evidence.bracket is not None:
        end_ns = max(one.ended_ns for one in probed.observations)
        rolled_back_ns = evidence.rolled_back_ns
        there = switch(probed.observations, evidence.bracket, rolled_back_ns or end_ns)
        if there is None:
            why_not = "no answer of another version is on record"
        elif rolled_back_ns is not None:
            back = _back(probed.observations, there, rolled_back_ns, end_ns)
    return _Tried(evidence=evidence, probed=probed, there=there, back=back, why_not=why_not)


def _reasons(evidence: TrialEvidence, probed: Probed | None) -> Iterator[str]:
    yield from evidence.invalid
    if probed is None:
        yield "nothing is on record of its answers"
    elif not any(one.detail for one in probed.observations if one.outcome is Outcome.OK):
        yield "its answers do not say which version answered (version_field)"
    if evidence.bracket is None:
        yield "nobody saw the new version come"


def _back(
    observations: Sequence[Observation], there: Switch, rolled_back_ns: int, end_ns: int
) -> Switch | None:
    """The way back, where the new version answered alone before it."""
    if there.bounds.high_ns is None:
        return None
    last_old = max(
        one.started_ns
        for one in observations
        if one.detail in there.old and one.ended_ns < rolled_back_ns
    )
    since = [one for one in observations if one.started_ns > last_old]
    return switch(since, Bracket(earliest_ns=rolled_back_ns, latest_ns=rolled_back_ns), end_ns)


def _answer(one: _Tried, limit: timedelta) -> TrialAnswer:
    verdict, text = Verdict.INCONCLUSIVE, one.why_not
    if one.there is not None:
        verdict, text = _compare(one.there, limit)
    return TrialAnswer(
        trial=one.evidence.trial.id,
        verdict=verdict,
        text=text,
        detail=() if one.there is None else tuple(_told(one.there, one.back)),
        since=one.evidence.wall,
        evidence=tuple(
            sorted(
                {
                    *(() if one.probed is None else (one.probed.sequence,)),
                    *(fact.sequence for fact in one.evidence.faults),
                    *(fact.sequence for fact in one.evidence.rollbacks),
                }
            )
        ),
    )


def _compare(found: Switch, limit: timedelta) -> tuple[Verdict, str]:
    low_ns, high_ns, limit_ns = found.bounds.low_ns, found.bounds.high_ns, nanoseconds(limit)
    if low_ns > limit_ns:
        still = "" if high_ns is not None else ", the old one to the end of what was watched"
        return Verdict.FAIL, f"both versions answered for {show(low_ns)}{still}"
    if high_ns is None:
        return Verdict.INCONCLUSIVE, (
            f"the old version answered to the end of what was watched, {show(low_ns)} beside the "
            "new one"
        )
    if high_ns <= limit_ns:
        return Verdict.PASS, f"both versions answered for {show(high_ns)} at the most"
    return Verdict.INCONCLUSIVE, (
        f"both versions answered for {show(low_ns)} to {show(high_ns)}: the target lies between"
    )


def _told(there: Switch, back: Switch | None) -> Iterator[str]:
    old, new = ", ".join(sorted(there.old)), ", ".join(sorted(there.new))
    yield f"{old} to {new}: {there.lost} of {there.asked} requests lost until only {new} answered"
    if back is None:
        yield "the way back was not seen in the answers"
    elif back.bounds.high_ns is None:
        yield f"back to {old}: {new} answered to the end of what was watched"
    else:
        low, high = show(back.bounds.low_ns), show(back.bounds.high_ns)
        yield (
            f"back to {old}: both answered for {low} to {high}; {back.lost} of {back.asked} "
            "requests lost from our rollback's beginning on"
        )


def _finding(
    scenario: str,
    subject: str,
    target: Target,
    objective: TrafficSwitch,
    tried: Sequence[_Tried],
) -> Finding:
    answers = [_answer(one, objective.at_most) for one in tried]
    passed = sum(one.verdict is Verdict.PASS for one in answers)
    seen = [one.there for one in tried if one.there is not None]
    lost = float(sum(one.lost for one in seen)) if seen else None
    return finding(
        over_trials(
            f"{subject}, {scenario}",
            answers,
            expected=f"at most {show_duration(objective.at_most)}",
            advice=SHOW_REPORT,
            strength=strength(passed, len(answers)),
            measures=(
                _measure(worst_of([one.bounds for one in seen])),
                Measure(name="requests lost", unit="1", value=lost),
            ),
        ),
        identity=f"{CHECK}/{target.id}/{scenario}/{subject}",
        target=target.id,
        subject=subject,
        scenario=scenario,
    )


def _measure(longest: Bounds | None) -> Measure:
    if longest is None:
        return Measure(name="switch", unit="s", value=None)
    high_s = None if longest.high_ns is None else round(seconds(longest.high_ns), 6)
    return Measure(
        name="switch", unit="s", value=high_s, low=round(seconds(longest.low_ns), 6), high=high_s
    )
