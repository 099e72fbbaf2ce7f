"""Decides whether a restore that was rehearsed under a fault kept what is promised of it. Pure.

Its own judge has compared it with the targets; that counts here only where all of it happened
between the witness of the fault and the rollback.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from harness.judge import recovery_point, recovery_time
from harness.judge.advice import SHOW_REPORT
from harness.judge.answer import finding
from harness.judge.facts import sequences
from harness.judge.game_day.evidence import GameDayRun, TrialEvidence
from harness.judge.game_day.recovery import Recoveries
from harness.judge.game_day.scenarios import scenarios
from harness.judge.statistics import strength
from harness.judge.trials import TrialAnswer, over_trials
from harness.model.history import RestoreRehearsed
from harness.model.subject import Region
from harness.model.target import Objective, RecoveryPoint, RecoveryTime
from harness.model.verdict import Finding, Verdict, merge

CHECK = "rehearsed-restore"

ANSWERS: dict[type[Objective], str] = {
    RecoveryTime: recovery_time.CHECK,
    RecoveryPoint: recovery_point.CHECK,
}
"""Which check of the restore's own judge answers a target."""


def judge(run: GameDayRun, recoveries: Recoveries) -> Iterator[Finding]:
    """A finding for each experiment, each restore that it is to rehearse, and each RTO and RPO."""
    for scenario in scenarios(run.plan):
        restores = dict.fromkeys(name for one in scenario.trials for name in one.rehearses)
        for restore, target in itertools.product(restores, run.plan.targets):
            if type(target.objective) not in ANSWERS:
                continue
            answers = [
                judge_trial(recoveries[trial.id].evidence, restore, type(target.objective))
                for trial in scenario.trials
            ]
            passed = sum(answer.verdict is Verdict.PASS for answer in answers)
            yield finding(
                over_trials(
                    f"{restore}, {scenario.id}",
                    answers,
                    expected=f"a restore under the fault that keeps the {target.id}",
                    advice=SHOW_REPORT,
                    strength=strength(passed, len(answers)),
                ),
                identity=f"{CHECK}/{scenario.id}/{restore}/{target.id}",
                target=target.id,
                subject=None,
                scenario=scenario.id,
            )


def judge_trial(evidence: TrialEvidence, restore: str, asked: type[Objective]) -> TrialAnswer:
    """One restore of one trial against all targets of one kind; the last of several attempts.

    What is damaged, or not restored at all, kept neither its RTO nor its RPO.
    """
    rehearsed = [one for one in evidence.of(RestoreRehearsed) if one.fact.scenario == restore]
    detail: tuple[str, ...] = ()
    if not rehearsed:
        verdict, text = Verdict.INCONCLUSIVE, "no restore is on record"
    else:
        fact = rehearsed[-1].fact
        check = ANSWERS[asked]
        others = set(ANSWERS.values()) - {check}
        about = [one for one in fact.findings if one.check not in others]
        why_not = next(_why_nots(evidence, fact, check), None)
        verdict = Verdict.INCONCLUSIVE if why_not else merge(one.verdict for one in about)
        said = [one for one in about if one.verdict is verdict]
        text = why_not or "; ".join(
            one.headline for one in said if one.check == check or verdict is not Verdict.PASS
        )
        detail = (
            *(f"{one.verdict}: {one.headline}" for one in about if one.headline not in text),
            *_remarks(fact),
        )
    return TrialAnswer(
        trial=evidence.trial.id,
        verdict=verdict,
        text=text,
        detail=detail,
        since=evidence.wall,
        evidence=sequences([*evidence.faults, *rehearsed, *evidence.rollbacks]),
    )


def _why_nots(evidence: TrialEvidence, fact: RestoreRehearsed, check: str) -> Iterator[str]:
    """Why it says nothing of a restore under the fault; the plainest reason first."""
    if fact.error is not None:
        yield f"it came to no verdict: {fact.error}"
    yield from evidence.invalid
    if evidence.bracket is None:
        yield "nobody witnessed the fault"
    elif fact.began_ns < evidence.bracket.latest_ns:
        yield "it began before the fault was witnessed"
    if evidence.rolled_back_ns is None:
        yield "no rollback is on record: whether the fault lasted is not known"
    elif fact.ended_ns > evidence.rolled_back_ns:
        yield "it ended after our rollback began"
    if fact.back:
        yield f"{', '.join(fact.back)} was back when it ended"
    if Region.PRIMARY in fact.regions and _of_primary(evidence):
        yield "something was restored from the region that is said to be away"
    if not fact.regions or check not in {one.check for one in fact.findings}:
        yield f"it says nothing of its {check}"


def _of_primary(evidence: TrialEvidence) -> bool:
    return any(one.fact.subject == f"region:{Region.PRIMARY}" for one in evidence.faults)


def _remarks(fact: RestoreRehearsed) -> Iterator[str]:
    if fact.regions:
        yield f"restored from the {' and the '.join(fact.regions)} region"
    if fact.away:
        yield f"seen when it ended: {', '.join(fact.away)} still away"
    elif fact.error is None and not fact.back:
        yield "nobody looked when it ended whether the fault lasted; our rollback began later"
    if fact.evidence is not None:
        yield f"its own evidence: {fact.evidence} of job {fact.job}"
