"""Decides whether the game day itself was whole: guarded, ended, and done by people as planned.

Pure. What these findings say bears on every other one.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.judge import hygiene
from harness.judge.advice import RUN_AGAIN
from harness.judge.answer import Answer, finding
from harness.judge.facts import known, sequences
from harness.judge.game_day.evidence import GameDayRun
from harness.model.history import (
    CleanedUp,
    ExperimentEnded,
    GuardsChecked,
    ManualStepEnded,
    TrialStarted,
)
from harness.model.verdict import Finding, Verdict

CHECK = hygiene.CHECK


def judge(run: GameDayRun) -> Iterator[Finding]:
    """The clean-up, the end, the trials, the record, the guards, the experiments, the people."""
    answers = [
        ("clean-up", _clean_up(run)),
        ("end", hygiene.end(run.history)),
        ("trials", hygiene.trials(run.plan, run.history)),
        ("record", hygiene.record(run.history)),
        ("guards", _guards(run)),
        ("experiments", _experiments(run)),
    ]
    if _planned_steps(run):
        answers.append(("manual-steps", _manual_steps(run)))
    for name, answer in answers:
        yield finding(answer, identity=f"{CHECK}/{name}", target=None, subject=None)


def _clean_up(run: GameDayRun) -> Answer:
    """What stood around the game day is gone again: ledgers' rows, helpers, the lease. What the
    experiments broke is another judge's.
    """
    cleaned = known(run.history, CleanedUp)
    if not cleaned or any(one.fact.leaks for one in cleaned):
        return hygiene.clean_up(run.history)
    return Answer(
        verdict=Verdict.PASS,
        headline="drill: nothing left behind",
        detail=tuple(line for one in cleaned for line in one.fact.healed),
        evidence=sequences(cleaned),
    )


def _guards(run: GameDayRun) -> Answer:
    """Something was looked at before every trial, and nothing spoke against it."""
    checked = known(run.history, GuardsChecked)
    began = [one.fact.trial for one in known(run.history, TrialStarted)]
    refused = [f"{one.fact.trial}: {why}" for one in checked for why in one.fact.refused]
    guarded = {one.fact.trial for one in checked if one.fact.passed or one.fact.refused}
    unguarded = [trial for trial in began if trial not in guarded]
    if refused:
        headline = f"drill: guards refused: {refused[0]}"
    elif unguarded:
        headline = f"drill: no guard is on record of {unguarded[0]}, expected one before each trial"
    elif not checked:
        headline = "drill: no guard is on record"
    else:
        return Answer(
            verdict=Verdict.PASS,
            headline=f"drill: guards passed before all {len(checked)} trials",
            evidence=sequences(checked),
        )
    return Answer(
        verdict=Verdict.INCONCLUSIVE,
        headline=headline,
        detail=tuple(refused[1:]),
        advice=RUN_AGAIN,
        evidence=sequences(checked),
    )


def _experiments(run: GameDayRun) -> Answer:
    """Every experiment that began ended, with its journal; its status is no verdict."""
    ended = known(run.history, ExperimentEnded)
    began = [one.fact.trial for one in known(run.history, TrialStarted)]
    refused = {one.fact.trial for one in known(run.history, GuardsChecked) if one.fact.refused}
    of = {one.fact.trial for one in ended}
    problems = [f"{one.fact.trial}: {one.fact.error}" for one in ended if one.fact.error]
    problems += [
        f"{one.fact.trial}: it left no journal" for one in ended if one.fact.journal is None
    ]
    problems += [
        f"{trial}: its end is not on record"
        for trial in began
        if trial not in of and trial not in refused
    ]
    if problems or not ended:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"drill: experiments: {problems[0] if problems else 'none ended'}, expected "
            "each to end in order",
            detail=tuple(problems[1:]),
            advice=RUN_AGAIN,
            evidence=sequences(ended),
        )
    return Answer(
        verdict=Verdict.PASS,
        headline=f"drill: all {len(ended)} experiments ended in order",
        evidence=sequences(ended),
    )


def _planned_steps(run: GameDayRun) -> list[tuple[str, str]]:
    """(trial, step); of the opening and the closing, the trial is empty."""
    plan = run.plan
    return [
        *(("", step.id) for step in (*plan.opening, *plan.closing)),
        *((trial.id, step.id) for trial in plan.trials for step in trial.manual),
    ]


def _manual_steps(run: GameDayRun) -> Answer:
    """What people were to do was done, and somebody says so."""
    planned = _planned_steps(run)
    taken = known(run.history, ManualStepEnded)
    confirmed = {(one.fact.trial, one.fact.step) for one in taken if one.fact.confirmed_by}
    open_ = [
        f"{step} of {trial or 'the game day'}"
        for trial, step in planned
        if (trial, step) not in confirmed
    ]
    if open_:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"drill: {len(open_)} of {len(planned)} steps of people were confirmed by "
            f"nobody: {open_[0]}",
            detail=tuple(open_[1:]),
            advice=RUN_AGAIN,
            evidence=sequences(taken),
        )
    return Answer(
        verdict=Verdict.PASS,
        headline=f"drill: all {len(planned)} steps of people were confirmed",
        evidence=sequences(taken),
    )
