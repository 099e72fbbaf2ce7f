"""The replica region must hold all that a restore needs, at most the documented lag behind."""

from __future__ import annotations

from datetime import timedelta

from constructors import NOW, ORDERS, REPLICATED, backup, catalogue, history, plan, replica
from msgspec.structs import replace

from harness.judge.replication import judge
from harness.model.history import CatalogueRead, ReplicaCompared
from harness.model.subject import Region
from harness.model.verdict import Finding, Verdict


def judged(*facts: ReplicaCompared | CatalogueRead) -> Finding:
    """The one finding of a plan with a lag of a minute."""
    (found,) = judge(plan(REPLICATED), history(*facts))
    return found


def test_nothing_compared_is_inconclusive() -> None:
    """Without a comparison nothing is known of the replica."""
    assert judged().verdict is Verdict.INCONCLUSIVE


def test_no_replica_in_the_environment_is_inconclusive() -> None:
    """The document promises one, and the environment names none: that is said."""
    alone = plan(REPLICATED, subjects=[replace(ORDERS, replica=None)])
    (found,) = judge(alone, history())
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "names no replica repository" in found.headline


def test_nothing_to_compare_is_inconclusive() -> None:
    """An empty primary region makes any replica look whole."""
    assert judged(replica(needed=0)).verdict is Verdict.INCONCLUSIVE


def test_a_whole_replica_passes() -> None:
    """All objects are there and none differs."""
    found = judged(replica())
    assert found.verdict is Verdict.PASS
    assert "holds 100 of 100 objects; 0 s behind" in found.headline


def test_the_newest_objects_may_be_under_way() -> None:
    """What is missing for less than the documented lag is not yet late."""
    found = judged(replica("archive/A4", "archive/A5", behind_s=59.0))
    assert found.verdict is Verdict.PASS
    assert "2 still on their way" in found.headline


def test_an_old_missing_object_fails_since_it_is_missing() -> None:
    """A replica that is further behind than documented FAILS, with the time it stopped."""
    found = judged(replica("archive/A4", behind_s=7200.0))
    assert found.verdict is Verdict.FAIL
    assert found.headline == (
        "orders: the replica region is 2 h behind and lacks 1 of 100 objects, expected at most "
        "1 min behind"
    )
    assert found.since == NOW - timedelta(hours=2)


def test_missing_objects_of_unknown_age_are_inconclusive() -> None:
    """Whether they are late cannot be told."""
    assert judged(replica("archive/A4", behind_s=None)).verdict is Verdict.INCONCLUSIVE


def test_a_differing_object_fails() -> None:
    """A copy that is not equal is no copy, however young."""
    found = judged(replica(differing=["orders/backup.manifest"]))
    assert found.verdict is Verdict.FAIL
    assert "orders/backup.manifest" in found.headline


def test_an_error_is_inconclusive() -> None:
    """What a broken listing did not show may be there."""
    found = judged(replica("archive/A4", behind_s=7200.0, error="timed out"))
    assert found.verdict is Verdict.INCONCLUSIVE


def test_a_replica_that_the_tool_cannot_read_is_inconclusive() -> None:
    """Objects that are there are not yet backups."""
    found = judged(replica(), catalogue([], region=Region.REPLICA, error="wrong passphrase"))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "wrong passphrase" in found.headline


def test_a_replica_without_a_good_backup_fails() -> None:
    """The tool lists the replica and finds nothing that it would restore."""
    broken = [backup(timedelta(hours=1), error="manifest missing")]
    assert judged(replica(), catalogue(broken, region=Region.REPLICA)).verdict is Verdict.FAIL
