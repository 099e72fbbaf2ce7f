"""Backups must be locked against deletion for as long as documented."""

from __future__ import annotations

from datetime import timedelta

from constructors import DAY, LOCKED, history, locks, plan

from harness.judge.immutability import judge
from harness.model.history import RetentionLockRead
from harness.model.subject import Region
from harness.model.verdict import Finding, Verdict


def judged(*facts: RetentionLockRead) -> Finding:
    """The one finding of a plan with a lock of thirty days."""
    (found,) = judge(plan(LOCKED), history(*facts))
    return found


def test_nothing_read_is_inconclusive() -> None:
    """Without a fact nothing is known of the locks."""
    assert judged().verdict is Verdict.INCONCLUSIVE


def test_no_object_inspected_is_inconclusive() -> None:
    """No object is no lock."""
    assert judged(locks(inspected=0, shortest=None)).verdict is Verdict.INCONCLUSIVE


def test_thirty_days_of_compliance_pass() -> None:
    """All objects are locked as long as promised."""
    found = judged(locks())
    assert found.verdict is Verdict.PASS
    assert found.headline == (
        "orders: 100 objects in the primary region locked for 30 d or longer, expected all locked "
        "for 30 d"
    )


def test_the_resolution_of_the_stores_clock_is_allowed_for() -> None:
    """Creation is known to the second: a lock one second short of the promise is kept."""
    assert judged(locks(shortest=30 * DAY - timedelta(seconds=1))).verdict is Verdict.PASS
    assert judged(locks(shortest=30 * DAY - timedelta(seconds=2))).verdict is Verdict.FAIL


def test_an_unlocked_object_fails_and_is_named() -> None:
    """One object that can be deleted refutes the promise."""
    found = judged(locks("orders/backup.info"))
    assert found.verdict is Verdict.FAIL
    assert "(orders/backup.info)" in found.headline


def test_an_unlocked_object_fails_also_where_reading_broke_off() -> None:
    """An error afterwards does not take back what was seen."""
    assert judged(locks("plain", error="timed out")).verdict is Verdict.FAIL


def test_a_short_lock_fails() -> None:
    """A week is not thirty days."""
    found = judged(locks(shortest=7 * DAY))
    assert found.verdict is Verdict.FAIL
    assert "shortest lock in the primary region lasts 7 d" in found.headline


def test_governance_mode_can_be_lifted() -> None:
    """A lock that some may lift does not keep everyone from deleting."""
    found = judged(locks(modes={"GOVERNANCE": 1, "COMPLIANCE": 99}))
    assert found.verdict is Verdict.FAIL
    assert "1 in GOVERNANCE mode" in found.headline


def test_an_error_is_inconclusive() -> None:
    """What could not be read is not judged."""
    assert judged(locks(error="NotImplemented")).verdict is Verdict.INCONCLUSIVE


def test_a_replica_that_was_read_is_judged() -> None:
    """The copy is judged where its locks are on record."""
    facts = history(locks(), locks("copy", region=Region.REPLICA))
    assert [one.verdict for one in judge(plan(LOCKED), facts)] == [Verdict.PASS, Verdict.FAIL]
