"""Decides whether restored data is the data that was written: every verification level. Pure.

A level that the plan asks for and that left no result, that could not be verified, or that looked
at nothing proves nothing. The rows of the ledger are classified by `recovery_point`; here counts
only whether they could be read back.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.judge.advice import SHOW_REPORT
from harness.judge.answer import finding
from harness.judge.facts import Known, known, sequences
from harness.judge.promise import identities
from harness.judge.restore import endings
from harness.judge.statistics import strength
from harness.judge.trials import TrialAnswer, attempts, failed_steps, over_trials
from harness.model.history import History, Outcome, VerificationEnded
from harness.model.plan import Plan, Trial
from harness.model.subject import Subject
from harness.model.suite import Level, RedisInvariant, SqlInvariant
from harness.model.target import Integrity, Kind
from harness.model.verdict import Finding, Verdict, merge

CHECK = "integrity"
_NAMED = 3


def judge(plan: Plan, history: History) -> Iterator[Finding]:
    """One finding for each scenario and subject, over all levels and trials."""
    for asked in attempts(plan):
        subject = asked.subject
        answers = [judge_trial(plan, history, trial, subject) for trial in asked.trials]
        passed = sum(answer.verdict is Verdict.PASS for answer in answers)
        levels = ", ".join(levels_asked(plan, subject)) or "a verification level"
        answer = over_trials(
            asked.about,
            answers,
            expected=f"no damage by {levels}",
            advice=SHOW_REPORT,
            strength=strength(passed, len(answers)),
        )
        for identity, target in identities(
            plan, subject, Integrity, CHECK, asked.scenario, subject.id
        ):
            yield finding(
                answer,
                identity=identity,
                target=target,
                subject=subject.id,
                scenario=asked.scenario,
            )


def levels_asked(plan: Plan, subject: Subject) -> tuple[Level, ...]:
    """The levels that must leave a result, cheapest first.

    Invariants are asked for only where the suite states one of the subject's kind.
    """
    kind = SqlInvariant if subject.kind is Kind.POSTGRESQL else RedisInvariant
    stated = any(isinstance(invariant, kind) for invariant in plan.verification.invariants)
    return tuple(
        level
        for level in Level
        if level in plan.verification.levels and (level is not Level.INVARIANTS or stated)
    )


def verifications(history: History, trial: Trial, subject: str) -> list[Known[VerificationEnded]]:
    """The results of one restore's levels, in the order in which they were reached."""
    return [
        one
        for one in known(history, VerificationEnded)
        if one.fact.trial == trial.id and one.fact.subject == subject
    ]


def judge_trial(plan: Plan, history: History, trial: Trial, subject: Subject) -> TrialAnswer:
    """Whether one restored subject passed every level that was asked for."""
    ended = verifications(history, trial, subject.id)
    asked = levels_asked(plan, subject)
    restored = any(
        one.fact.error is None and one.fact.ended_early is None
        for one in endings(history, trial, subject.id)
    )
    failed = failed_steps(history, trial, subject.id)
    results: list[tuple[Verdict, str]] = []
    for level in Level:
        of_level = [one.fact for one in ended if one.fact.level is level]
        results += [_judge_level(fact, asked=level in asked) for fact in of_level]
        if level in asked and not of_level and restored:
            why = [one.fact.error for one in failed if one.fact.step.endswith(f": {level}")]
            text = f"{level} was not verified: {'; '.join(why) or 'no result on record'}"
            results.append((Verdict.INCONCLUSIVE, text))
    if not restored:
        results.append((Verdict.INCONCLUSIVE, "nothing was restored whole that could be verified"))
    elif not asked:
        results.append((Verdict.INCONCLUSIVE, "the suite asks for no verification level"))
    verdict = merge(each for each, _ in results)
    return TrialAnswer(
        trial=trial.id,
        verdict=verdict,
        text=next(text for each, text in results if each is verdict)
        if verdict is not Verdict.PASS
        else f"{len(results)} levels verified",
        detail=tuple(f"{each}: {text}" for each, text in results),
        since=next(
            (one.at.utc for one in ended if one.fact.outcome is Outcome.FAIL),
            None,
        ),
        evidence=sequences([*ended, *failed]),
    )


def _judge_level(ended: VerificationEnded, *, asked: bool) -> tuple[Verdict, str]:
    """One level's result; a level nobody asked for still counts where it found damage."""
    if ended.outcome is Outcome.FAIL or ended.damage:
        names = ", ".join(ended.damage[:_NAMED]) + (" ..." if len(ended.damage) > _NAMED else "")
        return Verdict.FAIL, f"{ended.level} found damage: {names or ended.detail}"
    if ended.outcome is Outcome.INDETERMINATE:
        return Verdict.INCONCLUSIVE, f"{ended.level} could not be verified: {ended.detail}"
    if asked and ended.examined < 1:
        return Verdict.INCONCLUSIVE, f"{ended.level} examined nothing: {ended.detail}"
    return Verdict.PASS, f"{ended.level}: {ended.examined} examined: {ended.detail}"
