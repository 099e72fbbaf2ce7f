"""Decides whether a restore reaches as far back as documented. Pure.

A reach that is too short FAILS also where the repository may only be too young to show it: a
listing looks the same where a policy expires backups too early, and the person who needs that day
gets the same answer. The detail says from when on it will hold if nothing is deleted.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.judge.advice import list_backups
from harness.judge.answer import Answer, finding, utc_text, worst
from harness.judge.facts import Known, failed_checks, known, sequences
from harness.judge.promise import Promise, promised
from harness.model.history import CatalogueRead, History
from harness.model.plan import Plan
from harness.model.quantity import show_duration
from harness.model.subject import Region
from harness.model.target import Retention
from harness.model.verdict import Finding, Measure, Verdict

CHECK = "retention"


def judge(plan: Plan, history: History) -> Iterator[Finding]:
    """One finding for each subject that a retention is documented for, from the primary region.

    Whether the archive between the oldest point and now is whole is `continuity`'s question.
    """
    for promise in promised(plan, Retention):
        read = [
            one
            for one in known(history, CatalogueRead)
            if one.fact.subject == promise.subject.id and one.fact.region is Region.PRIMARY
        ]
        answers = [_answer(promise, one) for one in read]
        yield finding(
            worst(answers or [_unread(promise, history)]),
            identity=promise.finding_id(CHECK, promise.subject.id),
            target=promise.target.id,
            subject=promise.subject.id,
        )


def _expected(objective: Retention) -> str:
    kind = "any second of the last" if objective.point_in_time else "backups of the last"
    return f"{kind} {show_duration(objective.at_least)}"


def _unread(promise: Promise[Retention], history: History) -> Answer:
    failed = failed_checks(history, promise.subject.id)
    return Answer(
        verdict=Verdict.INCONCLUSIVE,
        headline=f"{promise.subject.id}: the backups were not looked at, "
        f"expected {_expected(promise.objective)}",
        detail=tuple(f"{one.fact.step}: {one.fact.error}" for one in failed),
        advice=list_backups(promise.subject),
        evidence=sequences(failed),
    )


def _answer(promise: Promise[Retention], read: Known[CatalogueRead]) -> Answer:
    subject, objective, fact = promise.subject.id, promise.objective, read.fact
    expected = f"expected {_expected(objective)}"
    advice, evidence = list_backups(promise.subject), (read.sequence,)
    if fact.error is not None:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{subject}: the backups could not be listed: {fact.error}; {expected}",
            advice=advice,
            evidence=evidence,
        )
    if fact.oldest_point is None:
        # A listing that worked and found nothing is proof; backups without a point are not.
        empty = not fact.backups
        held = "nothing can be restored" if empty else "no point is known that can be restored"
        return Answer(
            verdict=Verdict.FAIL if empty else Verdict.INCONCLUSIVE,
            headline=f"{subject}: {held} in the primary region, {expected}",
            advice=advice,
            evidence=evidence,
        )
    reach = fact.now - fact.oldest_point
    far_enough = reach >= objective.at_least
    right_kind = fact.point_in_time or not objective.point_in_time
    met = far_enough and right_kind
    detail = f"oldest point: {utc_text(fact.oldest_point)}"
    if not far_enough:
        holds_from = utc_text(fact.oldest_point + objective.at_least)
        detail += f"; if it is not deleted, the target is met from {holds_from} on"
    got = f"restores reach back {show_duration(reach)}" + (
        "" if right_kind else ", to whole backups only"
    )
    return Answer(
        verdict=Verdict.PASS if met else Verdict.FAIL,
        headline=f"{subject}: {got}, {expected}",
        detail=(detail,),
        measures=(Measure(name="reach of a restore", unit="s", value=reach.total_seconds()),),
        since=None if met else fact.oldest_point,
        advice=None if met else advice,
        evidence=evidence,
    )
