"""Decides whether the drill itself was whole: ended, complete, without a gap, cleaned up. Pure.

What these findings say bears on every other one: a run that was cut off may have met all the
targets that it came to.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from harness.judge.advice import RUN_AGAIN
from harness.judge.answer import Answer, finding
from harness.judge.facts import known, sequences
from harness.model.conformance import ConformancePlan
from harness.model.history import CleanedUp, History, RunEnded, StepFailed, TrialEnded, TrialStarted
from harness.model.plan import Plan, RunPlan
from harness.model.verdict import Finding, Verdict

CHECK = "drill"
RECOVER = "harness recover"
_NAMED = 5


def judge(plan: Plan, history: History) -> Iterator[Finding]:
    """Four findings: the end of the run, its trials, its record, and what it left behind."""
    for name, answer in (
        ("clean-up", clean_up(history)),
        ("end", end(history)),
        ("trials", trials(plan, history)),
        ("record", record(history)),
    ):
        yield finding(answer, identity=f"{CHECK}/{name}", target=None, subject=None)


def end(history: History) -> Answer:
    """The last fact of a whole history says that the run ended, and that nothing interrupted it."""
    ended = known(history, RunEnded)
    interrupted = [one.fact.interrupted for one in ended if one.fact.interrupted is not None]
    last = max((entry.sequence for entry in history.entries), default=None)
    if not ended:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline="drill: the run was cut off: its history has no end",
            advice=f"{RECOVER}  # puts back what the run left; then: {RUN_AGAIN}",
        )
    if interrupted:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"drill: the run was interrupted: {interrupted[0]}",
            since=ended[0].at.utc,
            advice=RUN_AGAIN,
            evidence=sequences(ended),
        )
    if len(ended) > 1 or ended[0].sequence != last:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline="drill: facts were recorded after the end of the run, expected it to be last",
            advice=RUN_AGAIN,
            evidence=sequences(ended),
        )
    return Answer(
        verdict=Verdict.PASS,
        headline="drill: the run ended in order",
        evidence=sequences(ended),
    )


def trials(plan: RunPlan, history: History) -> Answer:
    """Every trial that was planned began and ended, and no step of one was left out.

    The trials of a conformance check are its looks.
    """
    began, ended = known(history, TrialStarted), known(history, TrialEnded)
    failed = known(history, StepFailed)
    if isinstance(plan, ConformancePlan):
        planned, noun = [*plan.looks], "looks"
    else:
        planned, noun = [trial.id for trial in plan.trials], "trials"
    not_begun = [trial for trial in planned if trial not in {one.fact.trial for one in began}]
    not_ended = [
        trial
        for trial in planned
        if trial not in {one.fact.trial for one in ended} and trial not in not_begun
    ]
    unplanned = sorted({one.fact.trial for one in began} - set(planned))
    steps = tuple(f"{one.fact.step}: {one.fact.error}" for one in failed)
    evidence = sequences([*began, *ended, *failed])
    problems = [
        f"{len(names)} {what} ({', '.join(names[:_NAMED])}{' ...' if len(names) > _NAMED else ''})"
        for names, what in (
            (not_begun, "never began"),
            (not_ended, "never ended"),
            (unplanned, "not in the plan"),
        )
        if names
    ]
    if not planned:
        problems.append("none was planned")
    if problems:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"drill: {noun}: {'; '.join(problems)}, expected {len(planned)} whole ones",
            detail=steps,
            advice=RUN_AGAIN,
            evidence=evidence,
        )
    if failed:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"drill: {len(failed)} steps could not be made: {steps[0]}",
            detail=steps,
            since=failed[0].at.utc,
            advice=RUN_AGAIN,
            evidence=evidence,
        )
    return Answer(
        verdict=Verdict.PASS,
        headline=f"drill: all {len(planned)} {noun} began and ended",
        evidence=evidence,
    )


def record(history: History) -> Answer:
    """The facts are numbered from 0 without a gap, and their clock never ran backwards."""
    entries = sorted(history.entries, key=lambda entry: entry.sequence)
    numbers = [entry.sequence for entry in entries]
    problem = None
    if not entries:
        problem = "no fact is on record"
    elif numbers != list(range(len(numbers))):
        present = set(numbers)
        missing = [number for number in range(max(numbers)) if number not in present]
        repeated = sorted({one for one, other in itertools.pairwise(numbers) if one == other})
        problem = (
            f"facts are missing ({len(missing)}, the first is {missing[0]})"
            if missing
            else f"facts are recorded twice ({len(repeated)}, the first is {repeated[0]})"
        )
    elif any(
        later.at.monotonic_ns < earlier.at.monotonic_ns
        for earlier, later in itertools.pairwise(entries)
    ):
        problem = "the monotonic clock ran backwards: the host was started anew"
    if problem is not None:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"drill: {problem}, expected a history without a gap",
            advice=RUN_AGAIN,
        )
    return Answer(
        verdict=Verdict.PASS,
        headline=f"drill: all {len(entries)} facts are on record",
    )


def clean_up(history: History) -> Answer:
    """Nothing that the drill started or broke is left: after every trial that began."""
    cleaned = known(history, CleanedUp)
    leaks = [f"{one.fact.trial}: {leak}" for one in cleaned for leak in one.fact.leaks]
    clean = {one.fact.trial for one in cleaned}
    open_ = [one for one in known(history, TrialStarted) if one.fact.trial not in clean]
    evidence = sequences([*cleaned, *open_])
    if leaks:
        return Answer(
            verdict=Verdict.FAIL,
            headline=f"drill: {len(leaks)} things left behind ({leaks[0]}), expected none",
            detail=tuple(leaks),
            since=next(one.at.utc for one in cleaned if one.fact.leaks),
            advice=RECOVER,
            evidence=evidence,
        )
    if open_:
        names = ", ".join(one.fact.trial for one in open_[:_NAMED])
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"drill: nothing is on record of the clean-up after {names}",
            since=open_[0].at.utc,
            advice=RECOVER,
            evidence=evidence,
        )
    if not cleaned:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline="drill: nothing is on record of any clean-up",
            advice=RECOVER,
        )
    return Answer(
        verdict=Verdict.PASS,
        headline=f"drill: nothing left behind after {len(cleaned)} trials",
        evidence=evidence,
    )
