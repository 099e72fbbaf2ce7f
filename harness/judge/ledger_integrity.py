"""Decides whether the rows of the ledger in restored data are those that were written. Pure.

A row that was altered, doubled, refused or never written, or that is missing where a later one of
the same log is there, is no loss that a fault explains: one is enough to FAIL.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.judge.advice import SHOW_REPORT
from harness.judge.answer import finding
from harness.judge.ledger_trial import LedgerTrial
from harness.judge.promise import identities
from harness.judge.statistics import strength
from harness.judge.trials import Attempts, TrialAnswer, over_trials
from harness.ledger.classify import Classification, OpClass
from harness.ledger.journal import Journal
from harness.model.plan import Plan
from harness.model.target import Integrity
from harness.model.verdict import Finding, Measure, Verdict

CHECK = "ledger"

_NAMED = 10

_WRONG = {
    OpClass.CORRUPT: "altered",
    OpClass.DUPLICATE: "there more than once",
    OpClass.PHANTOM: "refused, yet there",
}


def judge(plan: Plan, asked: Attempts, examined: Sequence[LedgerTrial]) -> Iterator[Finding]:
    """One finding for one scenario and subject; it answers for the restore validation."""
    answers = [judge_trial(one) for one in examined]
    passed = sum(answer.verdict is Verdict.PASS for answer in answers)
    answer = over_trials(
        asked.about,
        answers,
        expected="every row as it was written",
        advice=SHOW_REPORT,
        strength=strength(passed, len(answers)),
        measures=tuple(measures(examined)),
    )
    for identity, target in identities(
        plan, asked.subject, Integrity, CHECK, asked.scenario, asked.subject.id
    ):
        yield finding(
            answer,
            identity=identity,
            target=target,
            subject=asked.subject.id,
            scenario=asked.scenario,
        )


def judge_trial(examined: LedgerTrial) -> TrialAnswer:
    """Every row of one restored ledger."""
    found, journal = examined.classification, examined.journal
    if found is None or journal is None:
        return TrialAnswer(
            trial=examined.trial,
            verdict=Verdict.INCONCLUSIVE,
            text=next(iter(examined.invalid), "nothing was classified"),
            detail=examined.invalid[1:],
            since=examined.wall,
            evidence=examined.evidence,
        )
    wrong = list(_wrong(journal, found))
    doubt = next(iter(examined.invalid), None)
    if doubt is None and len(found.unjournaled):
        doubt = f"{len(found.unjournaled)} rows of clients whose journal has a gap"
    if doubt is None and not found.present.any():
        doubt = "no write of the ledger is in the restored data"
    if wrong:
        verdict, text = Verdict.FAIL, "; ".join(headline for headline, _ in wrong)
    elif doubt is not None:
        verdict, text = Verdict.INCONCLUSIVE, doubt
    else:
        verdict, text = Verdict.PASS, f"{int(found.present.sum())} rows as they were written"
    return TrialAnswer(
        trial=examined.trial,
        verdict=verdict,
        text=text,
        detail=(
            counted(found),
            *(f"{headline}: {which}" for headline, which in wrong),
            *(reason for reason in examined.invalid if reason != text),
        ),
        since=examined.wall,
        evidence=examined.evidence,
    )


def counted(found: Classification) -> str:
    """Every class with how many operations or rows it has, none left out but the empty ones."""
    counts = [f"{count} {one.name}" for one, count in found.counts().items() if count]
    if found.hole.any():
        counts.append(f"{int(found.hole.sum())} of the lost are a HOLE")
    if len(found.unexpected):
        counts.append(f"{len(found.unexpected)} UNEXPECTED")
    if len(found.unjournaled):
        counts.append(f"{len(found.unjournaled)} rows that the journal cannot account for")
    return ", ".join(counts) or "no operation"


def named(journal: Journal, which: NDArray[np.bool_]) -> str:
    """The operations of a mask by client and number, at most ten."""
    return _names(journal.client[which], journal.seq[which])


def _wrong(journal: Journal, found: Classification) -> Iterator[tuple[str, str]]:
    """(what, which operations) for each kind of damage."""
    for one, words in _WRONG.items():
        which = found.classes == one
        if which.any():
            yield f"{int(which.sum())} {one.name} ({words})", named(journal, which)
    if found.hole.any():
        yield (
            f"{int(found.hole.sum())} HOLE (missing although later ones are there)",
            named(journal, found.hole),
        )
    if len(found.unexpected):
        yield (
            f"{len(found.unexpected)} UNEXPECTED (never written)",
            _names(found.unexpected["client"], found.unexpected["seq"]),
        )


def _names(clients: NDArray[Any], numbers: NDArray[Any]) -> str:
    shown = [
        f"client {client} number {number}"
        for client, number in zip(clients[:_NAMED], numbers[:_NAMED], strict=True)
    ]
    return ", ".join(shown) + (" ..." if len(clients) > _NAMED else "")


def measures(examined: Sequence[LedgerTrial]) -> Iterator[Measure]:
    """How many rows are damaged in the worst trial; no value where none was classified."""
    damaged = [
        sum(found.count(one) for one in _WRONG) + int(found.hole.sum()) + len(found.unexpected)
        for one in examined
        if (found := one.classification) is not None
    ]
    worst = float(max(damaged)) if damaged else None
    yield Measure(name="damaged rows", unit="records", value=worst)
