"""Says of an experiment that broke nothing that it was not tried: once for each target. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from harness.judge.advice import RUN_AGAIN
from harness.judge.answer import finding
from harness.judge.game_day import ways
from harness.judge.game_day.evidence import GameDayRun
from harness.judge.game_day.recovery import Recoveries
from harness.judge.game_day.scenarios import Scenario
from harness.judge.trials import TrialAnswer, over_trials
from harness.model.plan import subjects
from harness.model.target import Target
from harness.model.verdict import Finding, Verdict


def untried(scenario: Scenario, recoveries: Recoveries) -> bool:
    """Whether no trial of the experiment has a fault or a rollback on record."""
    evidence = [recoveries[trial.id].evidence for trial in scenario.trials]
    return not any(one.faults or one.rollbacks for one in evidence)


def not_tried(
    check: str,
    run: GameDayRun,
    scenario: Scenario,
    recoveries: Recoveries,
    asked: tuple[Target, str],
) -> Iterator[Finding]:
    """One finding about all that a target covers, where all of it was to be tried; else one for
    each workload that was. `asked`: the target, and what it expects in words.
    """
    target, expected = asked
    kinds = subjects(run.plan)
    covered = [subject for subject, kind in kinds.items() if kind in target.covers]
    wanted = {subject for trial in scenario.trials for subject in ways.asked(run, trial)}
    tried = [subject for subject in covered if subject in wanted]
    for subject in [None] if tried and tried == covered else tried:
        yield _finding(check, scenario, recoveries, target, expected, subject)


def _finding(  # noqa: PLR0913 - what one finding is about
    check: str,
    scenario: Scenario,
    recoveries: Recoveries,
    target: Target,
    expected: str,
    subject: str | None,
) -> Finding:
    answers = []
    for trial in scenario.trials:
        reasons = recoveries[trial.id].evidence.invalid
        answers.append(
            TrialAnswer(
                trial=trial.id,
                verdict=Verdict.INCONCLUSIVE,
                text=next(iter(reasons), "no fault is on record"),
                detail=reasons[1:],
            )
        )
    return finding(
        over_trials(
            scenario.id if subject is None else f"{subject}, {scenario.id}",
            answers,
            expected=expected,
            advice=RUN_AGAIN,
        ),
        identity="/".join((check, scenario.id, *([subject] if subject else []), target.id)),
        target=target.id,
        subject=subject,
        scenario=scenario.id,
    )
