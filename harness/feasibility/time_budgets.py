"""Time budgets add: steps that follow each other take at least their sum, whatever each one keeps.

Steps have a least and a longest duration. Where even the least sum is beyond the budget, nothing
can keep it; where only the longest sum is, it is kept at times.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.feasibility.finding import Finding, Harm, Word, once
from harness.model.quantity import show_duration

RULE = "time-budgets-add"
LAW = "Steps that follow each other take their sum; it must fit into what is promised for all."


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What takes a while; seconds."""

    name: str
    least_s: float
    longest_s: float
    target: str | None = None
    source: str = ""
    """Where the duration is from, if the document does not say it."""

    telling: str = ""
    """A word of the line that says it, where the target is made of several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeBudget:
    """A promise of a duration, and the steps that must all be over within it."""

    about: str
    subject: str
    """What takes the steps: `A rebuild of the platform from Git`."""

    limit_s: float
    limit: str
    """What the promise is called: `RTO`."""

    target: str | None
    steps: tuple[Step, ...]
    harm: Harm
    why: str
    resolve: str
    beyond: Word = Word.CONTRADICTION
    """What it is where even the least sum is beyond the budget; TIGHT where the steps are not
    always taken."""

    assumes: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    """Further targets that it rests on."""

    sources: tuple[str, ...] = ()


def spend(budget: TimeBudget) -> Finding:
    """The sum of all steps against the budget."""
    least_s = math.fsum(step.least_s for step in budget.steps)
    longest_s = math.fsum(step.longest_s for step in budget.steps)
    word, sign = _compare(least_s, longest_s, budget)
    shown = span(least_s, longest_s)
    terms = " + ".join(f"{span(one.least_s, one.longest_s)} {one.name}" for one in budget.steps)
    return Finding(
        rule=RULE,
        about=budget.about,
        word=word,
        says=f"{budget.subject} takes {shown}; {budget.limit}: {show_duration(budget.limit_s)}",
        sum=f"{terms} = {shown} {sign} {show_duration(budget.limit_s)} {budget.limit}",
        targets=once(budget.target, *(one.target for one in budget.steps), *budget.also),
        harm=budget.harm,
        times=(least_s if least_s > budget.limit_s else longest_s) / budget.limit_s
        if budget.limit_s
        else None,
        why=budget.why,
        resolve="" if word is Word.HOLDS else budget.resolve,
        assumes=budget.assumes,
        sources=once(*(one.source for one in budget.steps), *budget.sources),
        telling=once(*(one.telling for one in budget.steps)),
    )


def _compare(least_s: float, longest_s: float, budget: TimeBudget) -> tuple[Word, str]:
    if least_s > budget.limit_s:
        return budget.beyond, ">"
    if longest_s > budget.limit_s:
        return Word.TIGHT, "may be >"
    return Word.HOLDS, "<="


def span(least_s: float, longest_s: float) -> str:
    """A duration, or the two that it is between."""
    if least_s == longest_s:
        return show_duration(least_s)
    return f"{show_duration(least_s)} to {show_duration(longest_s)}"
