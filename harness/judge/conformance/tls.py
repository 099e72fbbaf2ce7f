"""Decides how servers are encrypted, whom they let in, and how old their certificates are. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from harness.judge.answer import Answer, finding, utc_text
from harness.judge.conformance.covered import covered, nobody, unseen
from harness.judge.conformance.evidence import ConformanceEvidence, JudgeFunction
from harness.judge.facts import Known, sequences
from harness.model.configuration import MutualTls, SecretRotation, TransportEncryption
from harness.model.conformance import TlsTried
from harness.model.quantity import show_duration
from harness.model.target import Target
from harness.model.verdict import Finding, Measure, Verdict
from harness.model.workload import KUBERNETES

VERSIONS = ("TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3")
"""From the lowest."""

_LOOK = "tls"
_ADVICE = "openssl s_client -connect ADDRESS -tls1_3"

Tried = Known[TlsTried]


def judge_encryption(
    run: ConformanceEvidence, target: Target, objective: TransportEncryption
) -> Iterator[Finding]:
    """Of each covered subject: nothing without TLS, nothing below, something at or above it."""
    yield from _for_each(
        run, target, "transport-encryption", lambda name, tried: encrypted(name, tried, objective)
    )


def judge_mutual(
    run: ConformanceEvidence, target: Target, _objective: MutualTls
) -> Iterator[Finding]:
    """Of each covered subject: whether a client without a certificate is kept out."""
    yield from _for_each(run, target, "mutual-tls", mutual)


def judge_certificates(
    run: ConformanceEvidence, target: Target, objective: SecretRotation
) -> Iterator[Finding]:
    """Of each server that showed one: its certificate's age, and that it is still valid."""
    shown = {
        one.fact.subject: one
        for one in run.facts(TlsTried)
        if one.fact.certificate_not_before is not None
    }
    if not shown:
        answer = unseen(run, _LOOK, "certificates of servers")
        if run.not_looked(_LOOK) is None and run.facts(TlsTried):
            answer = replace(answer, headline="no server showed a certificate")
        yield finding(
            answer,
            identity=f"secret-rotation/{target.id}/certificates",
            target=target.id,
            subject=None,
        )
    for subject, one in sorted(shown.items()):
        yield finding(
            certificate(subject, one, objective),
            identity=f"secret-rotation/{target.id}/certificate-{subject}",
            target=target.id,
            subject=subject,
        )


def encrypted(subject: str, tried: Sequence[Tried], objective: TransportEncryption) -> Answer:
    """One subject against the lowest version that it may accept."""
    expected = f"expected {objective.lowest} at the least"
    by_version = {one.fact.version: one.fact for one in tried}
    at = VERSIONS.index(objective.lowest)
    accepted = [one for one in VERSIONS if _accepts(by_version, one)]
    said = ", ".join(accepted) or "no version of TLS"
    detail = tuple(_lines(tried))
    if any(one.fact.plain for one in tried):
        return _fail(f"{subject}: answers without TLS, and accepts {said}, {expected}", detail)
    lower = [one for one in accepted if VERSIONS.index(one) < at]
    if lower:
        return _fail(f"{subject}: accepts {', '.join(lower)}, {expected}", detail)
    untried = [one for one in VERSIONS if one not in by_version or _unknown_of(by_version, one)]
    if untried:
        reason = by_version[untried[0]].detail if untried[0] in by_version else "not recorded"
        return _unknown(f"{subject}: {', '.join(untried)} could not be tried: {reason}", detail)
    if "" not in by_version:
        return _unknown(f"{subject}: nobody tried whether it answers without TLS", detail)
    if not accepted:
        return _fail(f"{subject}: accepts no version of TLS, {expected}", detail)
    return Answer(verdict=Verdict.PASS, headline=f"{subject}: accepts {said} alone", detail=detail)


def mutual(subject: str, tried: Sequence[Tried]) -> Answer:
    """One subject: does it keep clients out that show no certificate?"""
    expected = "expected a client without a certificate to be kept out"
    detail = tuple(_lines(tried))
    if any(one.fact.plain for one in tried):
        return _fail(f"{subject}: answers without TLS, {expected}", detail)
    sessions = [one.fact for one in tried if one.fact.accepted and one.fact.version]
    if not sessions:
        return _unknown(f"{subject}: no session by TLS came about", detail)
    if subject == KUBERNETES and any(one.client_certificate_wanted for one in sessions):
        # Whoever shows none is system:anonymous (Kubernetes documentation, Authenticating).
        return Answer(
            verdict=Verdict.PASS,
            headline=f"{subject}: asks for a client's certificate; who has none is anonymous",
            detail=detail,
        )
    if any(one.client_certificate_required is False for one in sessions):
        return _fail(f"{subject}: serves clients that show no certificate, {expected}", detail)
    if all(one.client_certificate_required for one in sessions):
        return Answer(
            verdict=Verdict.PASS,
            headline=f"{subject}: keeps out clients that show no certificate",
            detail=detail,
        )
    return _unknown(f"{subject}: it cannot be told whether it wants a certificate", detail)


def certificate(subject: str, tried: Tried, objective: SecretRotation) -> Answer:
    """Its age and its end, at the moment when it was shown."""
    fact, now = tried.fact, tried.at.utc
    since = datetime.fromisoformat(fact.certificate_not_before or "")
    until = datetime.fromisoformat(fact.certificate_not_after or "")
    age = now - since
    expected = f"expected at most {show_duration(objective.at_most)}"
    verdict = Verdict.PASS if now <= until and age <= objective.at_most else Verdict.FAIL
    headline = f"{subject}: its certificate is {age.days} days old, {expected}"
    if now > until:
        headline = f"{subject}: its certificate expired at {utc_text(until)}"
    return Answer(
        verdict=verdict,
        headline=headline,
        detail=(f"valid from {utc_text(since)} until {utc_text(until)}",),
        measures=(Measure(name="age of the certificate", unit="s", value=age.total_seconds()),),
        since=until if now > until else None,
        advice=None if verdict is Verdict.PASS else f"renew the certificate at {fact.address}",
        evidence=(tried.sequence,),
    )


def _for_each(
    run: ConformanceEvidence,
    target: Target,
    check: str,
    answer_of: Callable[[str, Sequence[Tried]], Answer],
) -> Iterator[Finding]:
    """One finding for each subject that is covered; one for all where there is none."""
    subjects = covered(run, target)
    if not subjects:
        yield finding(
            nobody(target), identity=f"{check}/{target.id}", target=target.id, subject=None
        )
    for subject in subjects:
        tried = [one for one in run.facts(TlsTried) if one.fact.subject == subject]
        answer = answer_of(subject, tried) if tried else unseen(run, _LOOK, subject)
        yield finding(
            replace(answer, evidence=sequences(tried)),
            identity=f"{check}/{target.id}/{subject}",
            target=target.id,
            subject=subject,
        )


def _accepts(by_version: Mapping[str, TlsTried], version: str) -> bool:
    return version in by_version and by_version[version].accepted is True


def _unknown_of(by_version: Mapping[str, TlsTried], version: str) -> bool:
    return by_version[version].accepted is None


def _lines(tried: Sequence[Tried]) -> Iterator[str]:
    for one in tried:
        fact = one.fact
        name = fact.version or "without TLS"
        words = {True: "accepted", False: "refused", None: "not tried"}[fact.accepted]
        yield f"{fact.address}: {name}: {words}" + (f" ({fact.detail})" if fact.detail else "")


def _fail(headline: str, detail: tuple[str, ...]) -> Answer:
    return Answer(verdict=Verdict.FAIL, headline=headline, detail=detail, advice=_ADVICE)


def _unknown(headline: str, detail: tuple[str, ...]) -> Answer:
    return Answer(verdict=Verdict.INCONCLUSIVE, headline=headline, detail=detail, advice=_ADVICE)


JUDGES: dict[type, JudgeFunction] = {
    TransportEncryption: judge_encryption,
    MutualTls: judge_mutual,
    SecretRotation: judge_certificates,
}
