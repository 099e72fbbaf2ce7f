"""Every object of the backups must be proved to be encrypted, in both regions."""

from __future__ import annotations

import pytest
from constructors import AES_256, ORDERS, encryption, history, plan
from msgspec.structs import replace

from harness.judge.encryption import judge
from harness.model.history import EncryptionInspected
from harness.model.subject import Region
from harness.model.verdict import Finding, Verdict

ALONE = replace(ORDERS, replica=None)


def judged(*facts: EncryptionInspected) -> Finding:
    """The one finding of a subject without a replica."""
    (found,) = judge(plan(AES_256, subjects=[ALONE]), history(*facts))
    return found


def test_nothing_inspected_is_inconclusive_in_each_region() -> None:
    """Both regions are asked for, and neither passes without a fact."""
    found = list(judge(plan(AES_256), history()))
    assert [one.id for one in found] == ["encryption/primary/orders", "encryption/replica/orders"]
    assert {one.verdict for one in found} == {Verdict.INCONCLUSIVE}


def test_no_object_inspected_is_inconclusive() -> None:
    """An empty repository proves nothing."""
    assert judged(encryption(objects=0)).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    "proof",
    [
        "client-side aes-256-cbc (Salted__)",
        "SSE AES256",
        "SSE aws:kms",
        "SSE aws:kms:dsse",
    ],
)
def test_each_proof_of_aes_256_passes(proof: str) -> None:
    """Client-side AES-256 and the server-side kinds that are AES-256 are accepted."""
    assert judged(encryption(proofs={proof: 100})).verdict is Verdict.PASS


def test_proofs_of_different_kinds_add_up() -> None:
    """Half of the objects by one proof and half by another are all proved."""
    proofs = {"SSE AES256": 50, "client-side aes-256-cbc (Salted__)": 50}
    found = judged(encryption(proofs=proofs))
    assert found.verdict is Verdict.PASS
    assert found.headline == (
        "orders: all 100 objects in the primary region proved to be encrypted, expected AES-256 "
        "for each"
    )


def test_one_plain_object_fails_and_is_named() -> None:
    """One object without a proof refutes the promise."""
    found = judged(encryption("orders/backup.info"))
    assert found.verdict is Verdict.FAIL
    assert "(orders/backup.info)" in found.headline
    assert found.advice == "aws s3api head-object --bucket backups --key orders/backup.info"


def test_one_plain_object_fails_also_where_the_inspection_broke_off() -> None:
    """An error afterwards does not take back what was proved."""
    assert judged(encryption("plain", error="timed out")).verdict is Verdict.FAIL


def test_another_cipher_fails() -> None:
    """What is encrypted otherwise is not what is promised."""
    found = judged(encryption(proofs={"SSE AES256": 99, "client-side xchacha20-poly1305": 1}))
    assert found.verdict is Verdict.FAIL
    assert "1 by client-side xchacha20-poly1305" in found.headline


def test_an_error_is_inconclusive() -> None:
    """What could not be inspected is not judged."""
    found = judged(encryption(error="AccessDenied"))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "AccessDenied" in found.headline


def test_a_part_is_not_every_object() -> None:
    """Ten objects of a hundred do not show that all are encrypted."""
    assert judged(encryption(inspected=10)).verdict is Verdict.INCONCLUSIVE


def test_proofs_that_do_not_add_up_are_inconclusive() -> None:
    """Fewer proofs than objects without a name for the rest is a hole in the evidence."""
    assert judged(encryption(proofs={"SSE AES256": 99})).verdict is Verdict.INCONCLUSIVE


def test_a_plain_replica_fails_alone() -> None:
    """A copy that is not encrypted is found although the original is."""
    facts = history(encryption(), encryption("copy", region=Region.REPLICA))
    assert [one.verdict for one in judge(plan(AES_256), facts)] == [Verdict.PASS, Verdict.FAIL]
