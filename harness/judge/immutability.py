"""Decides whether backups are locked against deletion for as long as documented. Pure.

Only COMPLIANCE mode counts: GOVERNANCE yields to whoever holds s3:BypassGovernanceRetention
(Amazon S3 User Guide, object-lock.html, "Retention modes").
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.judge.advice import ask_object, list_objects
from harness.judge.answer import Answer, finding, worst
from harness.judge.facts import Known, failed_checks, known, sequences
from harness.judge.promise import Promise, promised
from harness.model.history import History, RetentionLockRead
from harness.model.instant import NANOSECONDS_PER_SECOND, nanoseconds, seconds
from harness.model.plan import Plan
from harness.model.quantity import show_duration
from harness.model.subject import Region
from harness.model.target import Immutability
from harness.model.verdict import Finding, Measure, Verdict

CHECK = "immutability"
_NAMED = 3

# An object's creation is known to the second only (Last-Modified is an HTTP-date: RFC 9110, 5.6.7).
_RESOLUTION_NS = NANOSECONDS_PER_SECOND


def judge(plan: Plan, history: History) -> Iterator[Finding]:
    """One finding for the primary region of each subject, and for a replica that was looked at."""
    read = known(history, RetentionLockRead)
    for promise in promised(plan, Immutability):
        for region in Region:
            answers = [
                _answer(promise, one)
                for one in read
                if one.fact.subject == promise.subject.id and one.fact.region is region
            ]
            if not answers and region is Region.REPLICA:
                continue
            yield finding(
                worst(answers or [_unread(promise, region, history)]),
                identity=promise.finding_id(CHECK, str(region), promise.subject.id),
                target=promise.target.id,
                subject=promise.subject.id,
            )


def _unread(promise: Promise[Immutability], region: Region, history: History) -> Answer:
    failed = failed_checks(history, promise.subject.id)
    return Answer(
        verdict=Verdict.INCONCLUSIVE,
        headline=f"{promise.subject.id}: no object lock in the {region} region was read, expected "
        f"{show_duration(promise.objective.at_least)}",
        detail=tuple(f"{one.fact.step}: {one.fact.error}" for one in failed),
        advice=list_objects(promise.subject, region),
        evidence=sequences(failed),
    )


def _answer(promise: Promise[Immutability], read: Known[RetentionLockRead]) -> Answer:
    subject, fact = promise.subject.id, read.fact
    where = f"in the {fact.region} region"
    expected = f"expected all locked for {show_duration(promise.objective.at_least)}"
    unlocked = max(fact.unlocked_count, len(fact.unlocked))
    weak = {mode: n for mode, n in sorted(fact.modes.items()) if mode != "COMPLIANCE" and n > 0}
    shortest = None if fact.shortest_ns is None else show_duration(seconds(fact.shortest_ns))
    if unlocked:
        verdict = Verdict.FAIL
        names = ", ".join(fact.unlocked[:_NAMED]) + (" ..." if unlocked > _NAMED else "")
        headline = f"{subject}: {unlocked} objects {where} can be deleted ({names}), {expected}"
    elif weak:
        verdict = Verdict.FAIL
        got = ", ".join(f"{count} in {mode} mode" for mode, count in weak.items())
        headline = f"{subject}: locks {where} that can be lifted ({got}), {expected}"
    elif fact.shortest_ns is not None and not fact.shortest_ns + _RESOLUTION_NS >= nanoseconds(
        promise.objective.at_least
    ):
        verdict = Verdict.FAIL
        headline = f"{subject}: the shortest lock {where} lasts {shortest}, {expected}"
    elif fact.error is not None:
        verdict = Verdict.INCONCLUSIVE
        headline = f"{subject}: the object locks {where} could not be read: {fact.error}"
    elif fact.inspected < 1 or shortest is None:
        verdict = Verdict.INCONCLUSIVE
        headline = f"{subject}: no object lock {where} was read, {expected}"
    else:
        verdict = Verdict.PASS
        headline = (
            f"{subject}: {fact.inspected} objects {where} locked for {shortest} or longer, "
            f"{expected}"
        )
    return Answer(
        verdict=verdict,
        headline=headline,
        detail=tuple(f"can be deleted now: {name}" for name in fact.unlocked),
        measures=(
            Measure(
                name="shortest lock",
                unit="s",
                value=None if fact.shortest_ns is None else seconds(fact.shortest_ns),
            ),
        ),
        advice=None
        if verdict is Verdict.PASS
        else ask_object(
            promise.subject, fact.region, "get-object-retention", next(iter(fact.unlocked), None)
        ),
        evidence=(read.sequence,),
    )
