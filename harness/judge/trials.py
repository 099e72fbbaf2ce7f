"""Says of each trial of a plan what the history shows of its fault and its restore. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from harness.judge.answer import Answer
from harness.judge.facts import Known, known
from harness.model.history import FaultInjected, History, StepFailed, TrialStarted
from harness.model.instant import Bracket
from harness.model.plan import Plan, Trial
from harness.model.subject import Region, Subject
from harness.model.verdict import Measure, Verdict, merge


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """The trials of one scenario that restore one subject, in the order of the plan."""

    scenario: str
    subject: Subject
    trials: tuple[Trial, ...]

    @property
    def about(self) -> str:
        """What its findings' headlines begin with."""
        return f"{self.subject.id}, {self.scenario}"


def attempts(plan: Plan) -> Iterator[Attempts]:
    """Every scenario with every subject that it restores: what one finding answers for."""
    found: dict[tuple[str, str], list[Trial]] = {}
    for trial in plan.trials:
        for subject in trial.subjects:
            found.setdefault((trial.scenario, subject), []).append(trial)
    for (scenario, subject), trials in found.items():
        yield Attempts(scenario=scenario, subject=plan.subject(subject), trials=tuple(trials))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The loss of one subject in one trial, as far as it was witnessed."""

    bracket: Bracket | None
    """None where it was not."""

    why_not: str | None
    """Why there is no bracket."""

    facts: tuple[Known[FaultInjected], ...]


def fault(history: History, trial: Trial, subject: str) -> Fault:
    """When the subject was lost; None where a fault of the trial lacks its witness.

    Where the trial takes the primary region away, that must have been witnessed too: a restore from
    the replica while the primary answers says nothing. Two records of one fault make one bracket.
    """
    of_trial = [one for one in known(history, FaultInjected) if one.fact.trial == trial.id]
    wanted = [subject]
    if trial.primary_region_dead:
        wanted.append(f"region:{Region.PRIMARY}")
    facts = tuple(one for one in of_trial if one.fact.subject in wanted)
    for what in wanted:
        brackets = [one.fact.bracket for one in facts if one.fact.subject == what]
        if not brackets:
            return Fault(bracket=None, why_not=f"no fault of {what} on record", facts=facts)
        if None in brackets:
            return Fault(bracket=None, why_not=f"nobody witnessed the fault of {what}", facts=facts)
    of_subject = [
        one.fact.bracket
        for one in facts
        if one.fact.subject == subject and one.fact.bracket is not None
    ]
    return Fault(
        bracket=Bracket(
            earliest_ns=min(bracket.earliest_ns for bracket in of_subject),
            latest_ns=max(bracket.latest_ns for bracket in of_subject),
        ),
        why_not=None,
        facts=facts,
    )


def started(history: History, trial: Trial) -> bool:
    """Whether the trial began."""
    return any(one.fact.trial == trial.id for one in known(history, TrialStarted))


def failed_steps(history: History, trial: Trial, subject: str) -> list[Known[StepFailed]]:
    """The steps of a trial that ended in an error, of the subject or of all subjects at once."""
    return [
        one
        for one in known(history, StepFailed)
        if one.fact.trial == trial.id and one.fact.subject in (subject, None)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialAnswer:
    """What one trial says to one question."""

    trial: str
    verdict: Verdict
    text: str
    """What was got, to be read after the subject's name."""

    detail: tuple[str, ...] = ()
    since: datetime | None = None
    evidence: tuple[int, ...] = ()


def over_trials(  # noqa: PLR0913 - the parts of one answer
    about: str,
    answers: Sequence[TrialAnswer],
    *,
    expected: str,
    advice: str,
    strength: str | None = None,
    measures: tuple[Measure, ...] = (),
) -> Answer:
    """One answer for all trials of a scenario: the worst, with every trial's own in the detail.

    `about` begins the headline: the subject and the scenario. Of no trial, INCONCLUSIVE. Trials of
    two scenarios are never pooled.
    """
    verdict = merge(answer.verdict for answer in answers)
    worst = [answer for answer in answers if answer.verdict is verdict]
    got = worst[0].text if worst else "no trial"
    if len(answers) > 1:
        got += f" ({len(worst)} of {len(answers)} trials)"
    lines: list[str] = []
    for answer in answers:
        lines += [f"{answer.trial}: {answer.verdict}: {answer.text}"]
        lines += [f"{answer.trial}: {line}" for line in answer.detail]
    return Answer(
        verdict=verdict,
        headline=f"{about}: {got}, expected {expected}",
        detail=tuple(lines),
        measures=measures,
        strength=strength if verdict is Verdict.PASS else None,
        since=None
        if verdict is Verdict.PASS
        else min((answer.since for answer in worst if answer.since is not None), default=None),
        advice=None if verdict is Verdict.PASS else advice,
        evidence=tuple(sorted({line for answer in answers for line in answer.evidence})),
    )
