"""Decides whether a restore that was rehearsed under a fault kept what is promised of it. Pure.

Its own judge has compared it with the targets; that counts here only where all of it happened
between the witness of the fault and the rollback.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.judge import recovery_point, recovery_time
from harness.judge.advice import SHOW_REPORT
from harness.judge.answer import finding
from harness.judge.facts import sequences
from harness.judge.game_day.evidence import TrialEvidence
from harness.judge.game_day.recovery import Recoveries
from harness.judge.game_day.scenarios import Scenario
from harness.judge.statistics import strength
from harness.judge.trials import TrialAnswer, over_trials
from harness.model.history import RestoreRehearsed
from harness.model.subject import Region
from harness.model.verdict import Finding, Verdict, merge

CHECK = "rehearsed-restore"

_NEEDED = (recovery_time.CHECK, recovery_point.CHECK)
"""Without an answer to each of these a restore shows nothing."""


def judge(scenarios: Iterable[Scenario], recoveries: Recoveries) -> Iterator[Finding]:
    """One finding for each experiment and each restore that it is to rehearse."""
    for scenario in scenarios:
        for restore in dict.fromkeys(name for one in scenario.trials for name in one.rehearses):
            answers = [
                judge_trial(recoveries[trial.id].evidence, restore) for trial in scenario.trials
            ]
            passed = sum(answer.verdict is Verdict.PASS for answer in answers)
            yield finding(
                over_trials(
                    f"{restore}, {scenario.id}",
                    answers,
                    expected="a restore under the fault that keeps its RTO and RPO",
                    advice=SHOW_REPORT,
                    strength=strength(passed, len(answers)),
                ),
                identity=f"{CHECK}/{scenario.id}/{restore}",
                target=None,
                subject=None,
                scenario=scenario.id,
            )


def judge_trial(evidence: TrialEvidence, restore: str) -> TrialAnswer:
    """One restore of one trial; the last of several attempts."""
    rehearsed = [one for one in evidence.of(RestoreRehearsed) if one.fact.scenario == restore]
    detail: tuple[str, ...] = ()
    if not rehearsed:
        verdict, text = Verdict.INCONCLUSIVE, "no restore is on record"
    else:
        fact = rehearsed[-1].fact
        why_not = next(_why_nots(evidence, fact), None)
        verdict = Verdict.INCONCLUSIVE if why_not else merge(one.verdict for one in fact.findings)
        said = [one.headline for one in fact.findings if one.verdict is verdict]
        text = why_not or (
            f"restored from the {' and the '.join(fact.regions)} region: {len(fact.findings)} "
            "findings passed"
            if verdict is Verdict.PASS
            else said[0]
        )
        detail = tuple(_remarks(fact, text))
    return TrialAnswer(
        trial=evidence.trial.id,
        verdict=verdict,
        text=text,
        detail=detail,
        since=evidence.wall,
        evidence=sequences([*evidence.faults, *rehearsed, *evidence.rollbacks]),
    )


def _why_nots(evidence: TrialEvidence, fact: RestoreRehearsed) -> Iterator[str]:
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
    lacking = [one for one in _NEEDED if one not in {found.check for found in fact.findings}]
    if lacking or not fact.regions:
        yield f"it says nothing of {', '.join(lacking) or 'any restore'}"


def _of_primary(evidence: TrialEvidence) -> bool:
    return any(one.fact.subject == f"region:{Region.PRIMARY}" for one in evidence.faults)


def _remarks(fact: RestoreRehearsed, text: str) -> Iterator[str]:
    for one in fact.findings:
        if one.headline != text:
            yield f"{one.verdict}: {one.headline}"
    if fact.away:
        yield f"seen when it ended: {', '.join(fact.away)} still away"
    elif fact.error is None and not fact.back:
        yield "nobody looked when it ended whether the fault lasted; our rollback began later"
    if fact.evidence is not None:
        yield f"its own evidence: {fact.evidence} of job {fact.job}"
