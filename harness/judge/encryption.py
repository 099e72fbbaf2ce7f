"""Decides whether every object of the backups is proved to be encrypted as documented. Pure.

A proof is the object's own first bytes or response header, never a configuration.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.judge.advice import ask_object, list_objects
from harness.judge.answer import Answer, finding, worst
from harness.judge.facts import Known, failed_checks, known, sequences
from harness.judge.promise import Promise, promised
from harness.model.history import EncryptionInspected, History
from harness.model.plan import Plan
from harness.model.subject import Region
from harness.model.target import Encryption
from harness.model.verdict import Finding, Measure, Verdict

CHECK = "encryption"
_NAMED = 3

PROVES = {
    "AES-256": frozenset(
        {
            # pgBackRest knows no other cipher: configuration reference, repo-cipher-type.
            "client-side aes-256-cbc (Salted__)",
            # AES-256 in Galois/Counter Mode: Amazon S3 User Guide, UsingServerSideEncryption.html.
            "SSE AES256",
            # Data keys of 256 bits, AES in Galois/Counter Mode, under a KMS key: Amazon S3 User
            # Guide, UsingKMSEncryption.html and UsingDSSEncryption.html (two layers of it).
            "SSE aws:kms",
            "SSE aws:kms:dsse",
        }
    )
}
"""Algorithm of the target -> the proofs (as the history names them) that show it."""


def judge(plan: Plan, history: History) -> Iterator[Finding]:
    """One finding for each region that a subject's backups are kept in."""
    inspected = known(history, EncryptionInspected)
    for promise in promised(plan, Encryption):
        for region in Region:
            if region is Region.REPLICA and promise.subject.replica is None:
                continue
            answers = [
                _answer(promise, one)
                for one in inspected
                if one.fact.subject == promise.subject.id and one.fact.region is region
            ]
            yield finding(
                worst(answers or [_unread(promise, region, history)]),
                identity=promise.finding_id(CHECK, str(region), promise.subject.id),
                target=promise.target.id,
                subject=promise.subject.id,
            )


def _unread(promise: Promise[Encryption], region: Region, history: History) -> Answer:
    failed = failed_checks(history, promise.subject.id)
    return Answer(
        verdict=Verdict.INCONCLUSIVE,
        headline=f"{promise.subject.id}: no object in the {region} region was looked at, expected "
        f"each to be proved {promise.objective.algorithm}",
        detail=tuple(f"{one.fact.step}: {one.fact.error}" for one in failed),
        advice=list_objects(promise.subject, region),
        evidence=sequences(failed),
    )


def _answer(promise: Promise[Encryption], inspected: Known[EncryptionInspected]) -> Answer:
    subject, fact = promise.subject.id, inspected.fact
    accepted = PROVES[promise.objective.algorithm]
    where = f"in the {fact.region} region"
    expected = f"expected {promise.objective.algorithm} for each"
    proved = sum(count for proof, count in fact.proofs.items() if proof in accepted)
    other = {p: n for p, n in sorted(fact.proofs.items()) if p not in accepted and n > 0}
    unproved = max(fact.unproved_count, len(fact.unproved))
    detail = (
        *(f"{count} objects: {proof}" for proof, count in sorted(fact.proofs.items())),
        *(f"not encrypted, or not provably: {name}" for name in fact.unproved),
    )
    if unproved:
        # One object without a proof refutes the promise, also where the inspection broke off.
        verdict = Verdict.FAIL
        names = ", ".join(fact.unproved[:_NAMED]) + (" ..." if unproved > _NAMED else "")
        headline = f"{subject}: {unproved} objects {where} without encryption ({names}), {expected}"
    elif other and proved < fact.inspected:
        verdict = Verdict.FAIL
        got = ", ".join(f"{count} by {proof}" for proof, count in other.items())
        headline = f"{subject}: objects {where} are encrypted otherwise ({got}), {expected}"
    elif fact.error is not None:
        verdict = Verdict.INCONCLUSIVE
        headline = f"{subject}: the objects {where} could not be inspected: {fact.error}"
    elif fact.inspected < 1:
        verdict = Verdict.INCONCLUSIVE
        headline = f"{subject}: no object {where} was looked at, {expected}"
    elif fact.inspected < fact.objects or proved < fact.inspected:
        verdict = Verdict.INCONCLUSIVE
        headline = (
            f"{subject}: {min(proved, fact.inspected)} of {fact.objects} objects {where} proved to "
            f"be encrypted, {expected}"
        )
    else:
        verdict = Verdict.PASS
        headline = (
            f"{subject}: all {fact.objects} objects {where} proved to be encrypted, {expected}"
        )
    culprit = next(iter(fact.unproved), None)
    return Answer(
        verdict=verdict,
        headline=headline,
        detail=detail,
        measures=(
            Measure(
                name="objects not proved to be encrypted",
                unit="objects",
                value=float(max(unproved, fact.inspected - proved)) if fact.inspected else None,
            ),
        ),
        advice=None
        if verdict is Verdict.PASS
        else ask_object(promise.subject, fact.region, "head-object", culprit),
        evidence=(inspected.sequence,),
    )
