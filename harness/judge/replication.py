"""Decides whether the replica region holds what a restore needs, and how far it is behind. Pure.

Objects newer than the documented lag may still be on their way; one that is older and missing, or
one that differs, refutes the promise.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from harness.judge.advice import ask_bucket, list_backups
from harness.judge.answer import Answer, finding, worst
from harness.judge.facts import Known, failed_checks, known, sequences
from harness.judge.promise import Promise, promised
from harness.model.history import CatalogueRead, History, ReplicaCompared
from harness.model.instant import nanoseconds, seconds
from harness.model.plan import Plan
from harness.model.quantity import show_duration
from harness.model.subject import Region
from harness.model.target import Replication
from harness.model.verdict import Finding, Measure, Verdict

CHECK = "replication"
_NAMED = 3


def judge(plan: Plan, history: History) -> Iterator[Finding]:
    """One finding for each subject whose backups are documented to be in two regions."""
    compared = known(history, ReplicaCompared)
    for promise in promised(plan, Replication):
        subject = promise.subject.id
        answers = [_answer(promise, one) for one in compared if one.fact.subject == subject]
        if not answers:
            answers = [_uncompared(promise, history)]
        answers += list(_catalogue_answers(promise, history))
        yield finding(
            worst(answers),
            identity=promise.finding_id(CHECK, subject),
            target=promise.target.id,
            subject=subject,
        )


def _uncompared(promise: Promise[Replication], history: History) -> Answer:
    subject = promise.subject
    failed = failed_checks(history, subject.id)
    got = (
        "the environment names no replica repository"
        if subject.replica is None
        else "the two regions were not compared"
    )
    return Answer(
        verdict=Verdict.INCONCLUSIVE,
        headline=f"{subject.id}: {got}, expected a replica at most "
        f"{show_duration(promise.objective.lag_at_most)} behind",
        detail=tuple(f"{one.fact.step}: {one.fact.error}" for one in failed),
        advice=list_backups(subject, Region.REPLICA),
        evidence=sequences(failed),
    )


def _catalogue_answers(promise: Promise[Replication], history: History) -> Iterator[Answer]:
    """What the backup tool says of the replica: objects that are there are not yet a backup."""
    for one in known(history, CatalogueRead):
        if one.fact.subject != promise.subject.id or one.fact.region is not Region.REPLICA:
            continue
        if one.fact.error is not None:
            yield Answer(
                verdict=Verdict.INCONCLUSIVE,
                headline=f"{promise.subject.id}: the backups in the replica region could not be "
                f"listed: {one.fact.error}",
                advice=list_backups(promise.subject, Region.REPLICA),
                evidence=(one.sequence,),
            )
        elif not any(backup.error is None for backup in one.fact.backups):
            yield Answer(
                verdict=Verdict.FAIL,
                headline=f"{promise.subject.id}: no good backup in the replica region, expected "
                "all that a restore needs",
                advice=list_backups(promise.subject, Region.REPLICA),
                evidence=(one.sequence,),
            )


def _answer(promise: Promise[Replication], compared: Known[ReplicaCompared]) -> Answer:
    subject, fact = promise.subject.id, compared.fact
    limit = show_duration(promise.objective.lag_at_most)
    limit_ns = nanoseconds(promise.objective.lag_at_most)
    missing = max(fact.missing_count, len(fact.missing))
    behind = None if fact.behind_ns is None else show_duration(seconds(fact.behind_ns))
    detail = (
        *(f"differs from the primary region: {name}" for name in fact.differing),
        *(f"missing in the replica region: {name}" for name in fact.missing),
    )
    since = None
    if fact.error is not None:
        # A comparison that broke off has not seen all of the replica: it may be there.
        verdict = Verdict.INCONCLUSIVE
        headline = f"{subject}: the two regions could not be compared: {fact.error}"
    elif fact.differing:
        verdict = Verdict.FAIL
        headline = (
            f"{subject}: {len(fact.differing)} objects differ between the regions "
            f"({_names(fact.differing)}), expected equal copies"
        )
    elif fact.behind_ns is not None and not fact.behind_ns <= limit_ns:
        verdict = Verdict.FAIL
        since = compared.at.utc - timedelta(microseconds=fact.behind_ns // 1000)
        headline = (
            f"{subject}: the replica region is {behind} behind and lacks {missing} of "
            f"{fact.needed} objects, expected at most {limit} behind"
        )
    elif fact.needed < 1:
        verdict = Verdict.INCONCLUSIVE
        headline = f"{subject}: the primary region holds nothing to compare the replica with"
    elif missing and behind is None:
        verdict = Verdict.INCONCLUSIVE
        headline = (
            f"{subject}: the replica region lacks {missing} of {fact.needed} objects "
            f"({_names(fact.missing)}) of unknown age, expected at most {limit} behind"
        )
    else:
        verdict = Verdict.PASS
        under_way = f", {missing} still on their way" if missing else ""
        headline = (
            f"{subject}: the replica region holds {fact.needed - missing} of {fact.needed} objects"
            f"{under_way}; {behind or '0 s'} behind, expected at most {limit}"
        )
    return Answer(
        verdict=verdict,
        headline=headline,
        detail=detail,
        measures=(
            Measure(
                name="replication lag",
                unit="s",
                value=None if fact.behind_ns is None else seconds(fact.behind_ns),
            ),
        ),
        since=since,
        advice=None
        if verdict is Verdict.PASS
        else ask_bucket(promise.subject, Region.PRIMARY, "get-bucket-replication"),
        evidence=(compared.sequence,),
    )


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(names[:_NAMED]) + (" ..." if len(names) > _NAMED else "")
