"""Decides whether each backup that was tried did restore, all of it. Pure.

What the drill's surroundings refused (a full disk, a store that is away) and what ran out of time
says nothing of the backup: INCONCLUSIVE here; the time is the recovery time's question.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.judge.advice import list_backups
from harness.judge.answer import finding
from harness.judge.facts import Known, known, sequences
from harness.judge.promise import identities
from harness.judge.statistics import strength
from harness.judge.trials import TrialAnswer, attempts, failed_steps, over_trials, started
from harness.model.history import Blame, History, LogsKept, RestoreEnded
from harness.model.plan import Plan, Trial
from harness.model.target import Integrity
from harness.model.verdict import Finding, Verdict, merge

CHECK = "restore"


def judge(plan: Plan, history: History) -> Iterator[Finding]:
    """One finding for each scenario and subject; it answers for the restore validation."""
    for asked in attempts(plan):
        subject = asked.subject
        answers = [judge_trial(history, trial, subject.id) for trial in asked.trials]
        passed = sum(answer.verdict is Verdict.PASS for answer in answers)
        answer = over_trials(
            asked.about,
            answers,
            expected="every restore to succeed",
            advice=list_backups(subject, asked.trials[0].region),
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


def endings(history: History, trial: Trial, subject: str) -> list[Known[RestoreEnded]]:
    """What is on record of the ends of one restore; one, where all went as it should."""
    return [
        one
        for one in known(history, RestoreEnded)
        if one.fact.trial == trial.id and one.fact.subject == subject
    ]


def judge_trial(history: History, trial: Trial, subject: str) -> TrialAnswer:
    """Whether one restore of one subject succeeded."""
    ended = endings(history, trial, subject)
    if not ended:
        return _without_end(history, trial, subject)
    judged = [_judge_end(one.fact) for one in ended]
    verdict = merge(each for each, _ in judged)
    return TrialAnswer(
        trial=trial.id,
        verdict=verdict,
        text=next(text for each, text in judged if each is verdict),
        detail=() if verdict is Verdict.PASS else _logs(history, trial, subject),
        since=next((one.at.utc for one in ended), None),
        evidence=sequences(ended),
    )


def _logs(history: History, trial: Trial, subject: str) -> tuple[str, ...]:
    """Where the tools' and servers' own words are, for who has to know more."""
    return tuple(
        f"log: {file}"
        for one in known(history, LogsKept)
        if (one.fact.trial, one.fact.subject) == (trial.id, subject)
        for file in one.fact.files
    )


def _judge_end(ended: RestoreEnded) -> tuple[Verdict, str]:
    if ended.error is not None:
        match ended.blame:
            case Blame.SURROUNDINGS:
                text = f"the drill's surroundings kept it from being restored: {ended.error}"
                return Verdict.INCONCLUSIVE, text
            case Blame.DEADLINE:
                return Verdict.INCONCLUSIVE, f"the restore was given up: {ended.error}"
            case Blame.BACKUP | None:
                return Verdict.FAIL, f"the restore failed: {ended.error}"
    if ended.ended_early is not None:
        text = (
            f"the restore ended early, at {ended.recovered_to or 'an unknown point'} of "
            f"{ended.archive_end or 'an unknown end'}: {ended.ended_early}"
        )
        return Verdict.FAIL, text
    recovered = f" to {ended.recovered_to}" if ended.recovered_to else ""
    return Verdict.PASS, f"{ended.backup or 'the backup'} restored{recovered}"


def _without_end(history: History, trial: Trial, subject: str) -> TrialAnswer:
    """A restore that left no end: what is known of why, and INCONCLUSIVE unless that blames it."""
    failed = failed_steps(history, trial, subject)
    if failed:
        text = f"nothing was restored: {failed[0].fact.step}: {failed[0].fact.error}"
    elif started(history, trial):
        text = "the restore never ended"
    else:
        text = "the trial never began"
    blamed = any(one.fact.blame is Blame.BACKUP for one in failed)
    return TrialAnswer(
        trial=trial.id,
        verdict=Verdict.FAIL if blamed else Verdict.INCONCLUSIVE,
        text=text,
        detail=_logs(history, trial, subject),
        since=next((one.at.utc for one in failed), None),
        evidence=sequences(failed),
    )
