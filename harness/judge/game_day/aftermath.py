"""Decides what a trial left behind: the cluster as it was, everything put back, steady again. Pure.

These questions answer no documented target: they say whether the drill kept its own promise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harness.judge.advice import SHOW_REPORT
from harness.judge.answer import finding
from harness.judge.facts import sequences
from harness.judge.game_day.evidence import AFTER, GameDayRun, TrialEvidence
from harness.judge.game_day.recovery import Recoveries
from harness.judge.game_day.scenarios import scenarios
from harness.judge.game_day.untried import untried
from harness.judge.statistics import strength
from harness.judge.trials import TrialAnswer, over_trials
from harness.model.history import ClusterCompared, HypothesisMeasured, RolledBack
from harness.model.verdict import Finding, Verdict

PUT_BACK = "put-back"
LEFT_AS_IT_WAS = "left-as-it-was"
STEADY_AGAIN = "steady-again"

RECOVER = "harness recover"
_NAMED = 3

Ask = Callable[[TrialEvidence], TrialAnswer]


def judge(run: GameDayRun, recoveries: Recoveries) -> Iterator[Finding]:
    """Three findings for each experiment that was tried; of another, what it left all the same."""
    questions: tuple[tuple[str, Ask, str, str], ...] = (
        (PUT_BACK, put_back, "every fault to be put back, and seen so", RECOVER),
        (LEFT_AS_IT_WAS, left_as_it_was, "the cluster as it was before", RECOVER),
        (STEADY_AGAIN, steady_again, "the steady state after the recovery", SHOW_REPORT),
    )
    for scenario in scenarios(run.plan):
        evidence = [recoveries[trial.id].evidence for trial in scenario.trials]
        for check, ask, expected, advice in questions:
            answers = [ask(one) for one in evidence]
            passed = sum(answer.verdict is Verdict.PASS for answer in answers)
            answer = over_trials(
                scenario.id,
                answers,
                expected=expected,
                advice=advice,
                strength=strength(passed, len(answers)),
            )
            if untried(scenario, recoveries) and answer.verdict is Verdict.INCONCLUSIVE:
                continue  # that nothing was broken is said where the targets are
            yield finding(
                answer,
                identity=f"{check}/{scenario.id}",
                target=None,
                subject=None,
                scenario=scenario.id,
            )


def put_back(evidence: TrialEvidence) -> TrialAnswer:
    """Whether each mutation was undone; of one that was tried twice, the last attempt counts."""
    last: dict[str, RolledBack] = {one.fact.action: one.fact for one in evidence.rollbacks}
    failed = [f"{one.action}: {one.error}" for one in last.values() if one.error is not None]
    unseen = [
        f"{one.action}: nobody saw it back"
        for one in last.values()
        if one.error is None and not one.witness
    ]
    again = [
        f"{one.fact.action}: put back only at another attempt: {one.fact.error}"
        for one in evidence.rollbacks
        if one.fact.error is not None and last[one.fact.action].error is None
    ]
    wrong = [*failed, *unseen]
    if wrong:
        verdict, text = Verdict.FAIL, f"not put back: {wrong[0]}"
    elif not evidence.faults:
        verdict, text = Verdict.INCONCLUSIVE, "nothing was broken"
    elif not last:
        verdict, text = Verdict.INCONCLUSIVE, "no rollback is on record"
    else:
        verdict, text = Verdict.PASS, f"{len(last)} put back"
    return TrialAnswer(
        trial=evidence.trial.id,
        verdict=verdict,
        text=text,
        detail=(*wrong[1:], *again),
        since=None if not evidence.rollbacks else evidence.rollbacks[0].at.utc,
        evidence=sequences([*evidence.faults, *evidence.rollbacks]),
    )


def left_as_it_was(evidence: TrialEvidence) -> TrialAnswer:
    """Whether specs, cordons, taints, labels and finalizers are those of before."""
    compared = evidence.of(ClusterCompared)
    last = compared[-1].fact if compared else None
    if last is None:
        verdict, text = Verdict.INCONCLUSIVE, "it was not compared"
    elif last.differences:
        shown = ", ".join(last.differences[:_NAMED])
        more = " ..." if len(last.differences) > _NAMED else ""
        verdict, text = Verdict.FAIL, f"{len(last.differences)} not as before: {shown}{more}"
    elif last.error is not None:
        verdict, text = Verdict.INCONCLUSIVE, f"it could not be compared: {last.error}"
    elif last.examined < 1:
        verdict, text = Verdict.INCONCLUSIVE, "nothing was compared"
    else:
        verdict, text = Verdict.PASS, f"{last.examined} facts as they were"
    return TrialAnswer(
        trial=evidence.trial.id,
        verdict=verdict,
        text=text,
        detail=() if last is None else last.differences[_NAMED:],
        since=None if not compared else compared[-1].at.utc,
        evidence=sequences(compared),
    )


def steady_again(evidence: TrialEvidence) -> TrialAnswer:
    """Whether the experiment's own hypothesis held once more when it was over."""
    after = [one for one in evidence.of(HypothesisMeasured) if one.fact.when == AFTER]
    broken = [one for one in after if not one.fact.met]
    if broken:
        verdict, text = Verdict.FAIL, f"not met: {', '.join(broken[0].fact.probes)}"
    elif not evidence.faults:
        verdict, text = Verdict.INCONCLUSIVE, "nothing was broken"
    elif not after:
        verdict, text = Verdict.INCONCLUSIVE, "it was not measured"
    elif not after[-1].fact.probes:
        verdict, text = Verdict.INCONCLUSIVE, "no probe was asked"
    else:
        verdict, text = Verdict.PASS, f"met by {len(after[-1].fact.probes)} probes"
    return TrialAnswer(
        trial=evidence.trial.id,
        verdict=verdict,
        text=text,
        since=None if not broken else broken[0].at.utc,
        evidence=sequences(after),
    )
