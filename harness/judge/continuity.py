"""Decides whether the archive (WAL, AOF) is whole from the oldest backup to its newest piece. Pure.

One missing piece ends every recovery that passes it, so it answers for the retention where any
second of it is promised, else for the RPO: the newest data is behind the gap.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.judge.advice import check_archive
from harness.judge.answer import Answer, finding, worst
from harness.judge.facts import Known, failed_checks, known, sequences
from harness.judge.promise import promised
from harness.model.history import ArchiveInspected, History
from harness.model.plan import Plan
from harness.model.subject import Region, Subject
from harness.model.target import Kind, RecoveryPoint, Retention
from harness.model.verdict import Finding, Measure, Verdict

CHECK = "continuity"
_NAMED = 3


def judge(plan: Plan, history: History) -> Iterator[Finding]:
    """One finding for each region whose archive was inspected, and for each subject that must have
    an archive: one with a point-in-time retention.
    """
    inspected = known(history, ArchiveInspected)
    for subject in plan.subjects:
        target = _target(plan, subject)
        for region in Region:
            here = [
                one
                for one in inspected
                if one.fact.subject == subject.id and one.fact.region is region
            ]
            if not here and not (region is Region.PRIMARY and _must_have_archive(plan, subject)):
                continue
            answers = [_answer(subject, one) for one in here]
            yield finding(
                worst(answers or [_unread(subject, history)]),
                identity=f"{CHECK}/{region}/{subject.id}",
                target=target,
                subject=subject.id,
            )


def _must_have_archive(plan: Plan, subject: Subject) -> bool:
    return any(
        promise.objective.point_in_time
        for promise in promised(plan, Retention)
        if promise.subject.id == subject.id
    )


def _target(plan: Plan, subject: Subject) -> str | None:
    pointed = [
        promise.target.id
        for promise in promised(plan, Retention)
        if promise.subject.id == subject.id and promise.objective.point_in_time
    ]
    losing = [
        promise.target.id
        for promise in promised(plan, RecoveryPoint)
        if promise.subject.id == subject.id
    ]
    return next(iter(pointed + losing), None)


def _pieces(subject: Subject) -> str:
    return "WAL segments" if subject.kind is Kind.POSTGRESQL else "AOF pieces"


def _unread(subject: Subject, history: History) -> Answer:
    failed = failed_checks(history, subject.id)
    return Answer(
        verdict=Verdict.INCONCLUSIVE,
        headline=f"{subject.id}: the archive of {_pieces(subject)} was not looked at, "
        "expected it without a gap",
        detail=tuple(f"{one.fact.step}: {one.fact.error}" for one in failed),
        advice=check_archive(subject, Region.PRIMARY),
        evidence=sequences(failed),
    )


def _answer(subject: Subject, inspected: Known[ArchiveInspected]) -> Answer:
    fact, pieces = inspected.fact, _pieces(subject)
    where = f"in the {fact.region} region"
    detail = tuple(f"missing: {name}" for name in fact.missing) + tuple(
        f"backup {label} cannot be made consistent: its own {pieces} are not whole"
        for label in fact.unusable_backups
    )
    # An inspection that broke off has not seen all pieces: what it did not see may be there.
    if fact.error is not None:
        verdict = Verdict.INCONCLUSIVE
        headline = f"{subject.id}: the archive {where} could not be inspected: {fact.error}"
    elif fact.missing_count or fact.missing:
        verdict = Verdict.FAIL
        count = max(fact.missing_count, len(fact.missing))
        names = ", ".join(fact.missing[:_NAMED]) + (" ..." if count > _NAMED else "")
        headline = (
            f"{subject.id}: {count} {pieces} missing {where} ({names}), expected none between "
            f"{fact.first} and {fact.last}"
        )
    elif fact.unusable_backups:
        verdict = Verdict.FAIL
        headline = (
            f"{subject.id}: backups that cannot be made consistent {where}: "
            f"{', '.join(fact.unusable_backups[:_NAMED])}; expected every backup with its own "
            f"{pieces}"
        )
    elif fact.pieces < 1:
        verdict = Verdict.INCONCLUSIVE
        headline = f"{subject.id}: no {pieces} {where}, expected an unbroken archive"
    else:
        verdict = Verdict.PASS
        headline = (
            f"{subject.id}: {fact.pieces} {pieces} {where}, none missing between {fact.first} and "
            f"{fact.last}"
        )
    return Answer(
        verdict=verdict,
        headline=headline,
        detail=detail,
        measures=(
            Measure(
                name="missing pieces of the archive",
                unit="objects",
                value=None if fact.error is not None or not fact.pieces else fact.missing_count,
            ),
        ),
        advice=None if verdict is Verdict.PASS else check_archive(subject, fact.region),
        evidence=(inspected.sequence,),
    )
