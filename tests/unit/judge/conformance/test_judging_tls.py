"""Versions of TLS, certificates of clients, age of certificates of servers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
import pytest
from conformances import evidence, plan, promise
from constructors import NOW

from harness.judge.conformance.evidence import ConformanceEvidence
from harness.judge.conformance.tls import (
    VERSIONS,
    judge_certificates,
    judge_encryption,
    judge_mutual,
)
from harness.model.configuration import MutualTls, SecretRotation, TransportEncryption
from harness.model.conformance import TlsTried
from harness.model.target import Kind, Objective, Target
from harness.model.verdict import Finding, Verdict
from harness.model.workload import PostgresqlWorkload

LOWEST = TransportEncryption(lowest="TLS 1.3")
ROTATION = SecretRotation(at_most=timedelta(days=90))
ORDERS = PostgresqlWorkload(id="orders", namespace="n", pods="app=postgresql", service="postgresql")


def target(objective: Objective, *covers: Kind) -> Target:
    """A promise about the database, or what is named."""
    return msgspec.structs.replace(
        promise(objective, "promised"), covers=covers or (Kind.POSTGRESQL,)
    )


def tried(*accepted: str, plain: bool = False, **more: object) -> list[TlsTried]:
    """All versions of one server, of which these were accepted."""
    fact = TlsTried(subject="orders", address="10.0.0.1:5432", version="", accepted=plain)
    versions = [
        msgspec.structs.replace(fact, version=one, accepted=one in accepted, **more)
        for one in VERSIONS
    ]
    return [*versions, msgspec.structs.replace(fact, plain=plain)]


def run(facts: Sequence[TlsTried]) -> ConformanceEvidence:
    """The evidence of a look at TLS."""
    planned = msgspec.structs.replace(plan(looks=("tls",)), workloads=(ORDERS,))
    return evidence(planned, facts=facts)


def encrypted(facts: Sequence[TlsTried], lowest: TransportEncryption = LOWEST) -> Finding:
    """The one finding about the database."""
    (found,) = judge_encryption(run(facts), target(lowest), lowest)
    return found


def mutual(facts: Sequence[TlsTried]) -> Finding:
    """As above."""
    (found,) = judge_mutual(run(facts), target(MutualTls()), MutualTls())
    return found


def test_nothing_tried_is_inconclusive() -> None:
    """Of all three."""
    assert encrypted([]).verdict is Verdict.INCONCLUSIVE
    assert mutual([]).verdict is Verdict.INCONCLUSIVE
    (found,) = judge_certificates(run([]), target(ROTATION), ROTATION)
    assert found.verdict is Verdict.INCONCLUSIVE


def test_nothing_of_that_kind_is_inconclusive() -> None:
    """The environment has no broker."""
    (found,) = judge_encryption(run([]), target(LOWEST, Kind.BROKER), LOWEST)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "no workload of kind broker" in found.headline


def test_the_documented_version_alone_passes() -> None:
    """TLS 1.3, and none below."""
    found = encrypted(tried("TLS 1.3"))
    assert (found.verdict, found.headline) == (Verdict.PASS, "orders: accepts TLS 1.3 alone")
    assert found.id == "transport-encryption/promised/orders"


@pytest.mark.parametrize("lower", ["TLS 1.0", "TLS 1.1", "TLS 1.2"])
def test_a_lower_version_beside_it_fails(lower: str) -> None:
    """Whoever may choose chooses the lowest."""
    found = encrypted(tried(lower, "TLS 1.3"))
    assert found.verdict is Verdict.FAIL
    assert f"accepts {lower}, expected TLS 1.3" in found.headline


def test_answers_without_tls_fail_whatever_else_it_accepts() -> None:
    """`hostssl` is another thing than `ssl = on`."""
    found = encrypted(tried("TLS 1.3", plain=True))
    assert found.verdict is Verdict.FAIL
    assert "answers without TLS" in found.headline


def test_no_version_at_all_fails() -> None:
    """It is there, and accepts nothing."""
    assert encrypted(tried()).verdict is Verdict.FAIL


def test_a_lower_documented_version_allows_more() -> None:
    """TLS 1.2 where that is documented."""
    lowest = TransportEncryption(lowest="TLS 1.2")
    assert encrypted(tried("TLS 1.2", "TLS 1.3"), lowest).verdict is Verdict.PASS


@pytest.mark.parametrize("missing", range(5))
def test_what_was_not_tried_is_inconclusive(missing: int) -> None:
    """Each version, and the session without TLS, must have been tried."""
    facts = tried("TLS 1.3")
    del facts[missing]
    assert encrypted(facts).verdict is Verdict.INCONCLUSIVE


def test_a_silent_server_is_inconclusive() -> None:
    """Silence refuses nothing."""
    facts = [msgspec.structs.replace(one, accepted=None, detail="silent") for one in tried()]
    found = encrypted(facts)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "silent" in found.headline


def test_a_client_without_a_certificate_kept_out_passes() -> None:
    """By every version."""
    facts = tried("TLS 1.2", "TLS 1.3", client_certificate_required=True)
    assert mutual(facts).verdict is Verdict.PASS


def test_a_client_without_a_certificate_let_in_fails() -> None:
    """Asking for one and taking none is no mutual TLS."""
    facts = tried("TLS 1.3", client_certificate_wanted=True, client_certificate_required=False)
    found = mutual(facts)
    assert found.verdict is Verdict.FAIL
    assert "serves clients that show no certificate" in found.headline


def test_no_tls_is_no_mutual_tls() -> None:
    """A FAIL, not a question without an answer."""
    assert mutual(tried(plain=True)).verdict is Verdict.FAIL


def test_what_cannot_be_told_is_inconclusive() -> None:
    """A server that is silent after the handshake; one without a session."""
    assert mutual(tried("TLS 1.3", client_certificate_required=None)).verdict is (
        Verdict.INCONCLUSIVE
    )
    assert mutual(tried()).verdict is Verdict.INCONCLUSIVE


def test_the_api_knows_who_has_no_certificate_as_anonymous() -> None:
    """It asks, and RBAC decides."""
    facts = [
        msgspec.structs.replace(one, subject="kubernetes")
        for one in tried(
            "TLS 1.2", client_certificate_wanted=True, client_certificate_required=False
        )
    ]
    asked = target(MutualTls(), Kind.KUBERNETES)
    (found,) = judge_mutual(run(facts), asked, MutualTls())
    assert found.verdict is Verdict.PASS


def certificate(since: datetime, until: datetime) -> Finding:
    """Of one that is so old."""
    facts = tried(
        "TLS 1.3",
        certificate_not_before=since.isoformat(),
        certificate_not_after=until.isoformat(),
    )
    (found,) = judge_certificates(run(facts), target(ROTATION), ROTATION)
    return found


def test_a_young_certificate_passes() -> None:
    """Ten days."""
    found = certificate(NOW - timedelta(days=10), NOW + timedelta(days=10))
    assert found.verdict is Verdict.PASS
    assert "10 days old, expected at most 90 d" in found.headline


def test_an_old_certificate_fails() -> None:
    """It is not rotated in 90 days."""
    found = certificate(NOW - timedelta(days=91), NOW + timedelta(days=10))
    assert found.verdict is Verdict.FAIL
    assert "91 days old" in found.headline


def test_an_expired_certificate_fails_since_then() -> None:
    """Whatever its age."""
    until = NOW - timedelta(days=1)
    found = certificate(NOW - timedelta(days=10), until)
    assert (found.verdict, found.since) == (Verdict.FAIL, until)
    assert "expired" in found.headline


def test_servers_without_certificates_say_so() -> None:
    """All of them answer without TLS."""
    (found,) = judge_certificates(run(tried(plain=True)), target(ROTATION), ROTATION)
    assert (found.verdict, found.headline) == (
        Verdict.INCONCLUSIVE,
        "no server showed a certificate",
    )
