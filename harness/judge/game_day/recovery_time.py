"""Decides whether every way in to a workload was back within the RTO, by itself. Pure.

The slowest way in is the workload's answer. A way in that never answered wrong passes as far as the
prober looked, and only where the fault was witnessed: what nobody saw happen cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.judge.advice import SHOW_REPORT
from harness.judge.answer import finding
from harness.judge.game_day import ways
from harness.judge.game_day.evidence import GameDayRun
from harness.judge.game_day.recovery import ClassRecovery, Recoveries, TrialRecovery
from harness.judge.game_day.scenarios import Scenario, scenarios
from harness.judge.game_day.untried import not_tried, untried
from harness.judge.promise import covering
from harness.judge.recovery_time import rta_of, show, worst_of
from harness.judge.statistics import strength
from harness.judge.trials import TrialAnswer, over_trials
from harness.model.history import ManualStepEnded
from harness.model.plan import subjects
from harness.model.quantity import show_duration
from harness.model.target import RecoveryTime, Target
from harness.model.verdict import Finding, Verdict, merge

CHECK = "recovery-time"


def judge(run: GameDayRun, recoveries: Recoveries) -> Iterator[Finding]:
    """One finding for each experiment, workload and RTO."""
    kinds = subjects(run.plan)
    for scenario in scenarios(run.plan):
        if untried(scenario, recoveries):
            yield from _not_tried(run, scenario, recoveries)
            continue
        measured = [recoveries[trial.id] for trial in scenario.trials]
        asked = {subject: None for trial in scenario.trials for subject in ways.asked(run, trial)}
        for subject in kinds:
            promises = covering(run.plan.targets, kinds[subject], RecoveryTime)
            for target, objective in promises if subject in asked else ():
                yield _finding(
                    scenario,
                    subject,
                    target,
                    objective,
                    measured,
                    alone=len(promises) == 1,
                )


def _not_tried(run: GameDayRun, scenario: Scenario, recoveries: Recoveries) -> Iterator[Finding]:
    for target in run.plan.targets:
        if isinstance(target.objective, RecoveryTime):
            expected = f"at most {show_duration(target.objective.at_most)}"
            yield from not_tried(CHECK, run, scenario, recoveries, (target, expected))


def judge_trial(measured: TrialRecovery, subject: str, objective: RecoveryTime) -> TrialAnswer:
    """One workload in one trial against one RTO."""
    evidence = measured.evidence
    classes = measured.judged(subject)
    missing = measured.missing.get(subject, ())
    compared = [(one, *one.compare(objective.at_most)) for one in classes]
    if measured.invalid:
        verdict, text = Verdict.INCONCLUSIVE, measured.invalid[0]
    else:
        verdict = merge([each for _, each, _ in compared] + [Verdict.INCONCLUSIVE for _ in missing])
        texts = [
            named(subject, one, text)
            for one, each, text in sorted(compared, key=lambda each: slowest_first(each[0]))
            if each is verdict
        ]
        if verdict is Verdict.INCONCLUSIVE:
            texts = [*missing, *texts]
        text = next(iter(texts), "no way in is on record")
    remarks = [
        line
        for one, _, said in compared
        for line in (named(subject, one, said), *_remarks(subject, one))
    ]
    return TrialAnswer(
        trial=evidence.trial.id,
        verdict=verdict,
        text=text,
        detail=tuple(
            line
            for line in dict.fromkeys(
                (*measured.invalid, *missing, *remarks, *_people(measured), *evidence.notes)
            )
            if line != text
        ),
        since=evidence.wall,
        evidence=tuple(
            sorted(
                {
                    *(one.sequence for one in classes),
                    *(one.sequence for one in evidence.faults),
                    *(one.sequence for one in evidence.rollbacks),
                }
            )
        ),
    )


def named(subject: str, one: ClassRecovery, text: str) -> str:
    """A text about one way in; the workload's name is not said twice."""
    return f"{one.probe_class.removeprefix(f'{subject}: ')}: {text}"


def slowest_first(one: ClassRecovery) -> tuple[bool, int, str]:
    """Orders ways in: what was not back before what was, the later one first."""
    if one.bounds is None:
        return (True, 0, one.probe_class)
    if one.bounds.high_ns is None:
        return (False, -(2**62) - one.bounds.low_ns, one.probe_class)
    return (False, -one.bounds.high_ns, one.probe_class)


def _remarks(subject: str, one: ClassRecovery) -> Iterator[str]:
    for remark in (*one.bounds_in_words(), *one.remarks()):
        yield named(subject, one, remark)


def _people(measured: TrialRecovery) -> Iterator[str]:
    """Steps of people while the clock ran: what they took is part of the RTA."""
    bracket = measured.evidence.bracket
    for one in measured.evidence.manual:
        step: ManualStepEnded = one.fact
        if bracket is not None and step.ended_ns > bracket.earliest_ns:
            yield (
                f"step {step.step} took {show(step.ended_ns - step.started_ns)} of the time after "
                f"the fault, and is part of it ({step.confirmed_by or 'confirmed by nobody'})"
            )


def _finding(  # noqa: PLR0913 - what one finding is about
    scenario: Scenario,
    subject: str,
    target: Target,
    objective: RecoveryTime,
    measured: Sequence[TrialRecovery],
    *,
    alone: bool,
) -> Finding:
    answers = [judge_trial(one, subject, objective) for one in measured]
    passed = sum(answer.verdict is Verdict.PASS for answer in answers)
    expected = f"at most {show_duration(objective.at_most)}"
    valid = [one for one in measured if not one.invalid]
    of_trials = [worst_of([each.bounds for each in one.judged(subject)]) for one in valid]
    answer = over_trials(
        f"{subject}, {scenario.id}",
        answers,
        expected=expected,
        advice=SHOW_REPORT,
        strength=strength(passed, len(answers)),
        measures=(rta_of([one for one in of_trials if one is not None]),),
    )
    slowest = worst_of(of_trials)
    if (
        answer.verdict is Verdict.PASS
        and passed > 1
        and slowest is not None
        and slowest.high_ns is not None
    ):
        answer = replace(
            answer,
            headline=f"{subject}, {scenario.id}: away for {show(slowest.high_ns)} at most in "
            f"{passed} trials, expected {expected}",
        )
    return finding(
        answer,
        identity="/".join((CHECK, scenario.id, subject, *(() if alone else (target.id,)))),
        target=target.id,
        subject=subject,
        scenario=scenario.id,
    )
