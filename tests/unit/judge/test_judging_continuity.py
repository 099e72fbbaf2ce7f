"""The archive must be whole from the oldest backup to its newest piece."""

from __future__ import annotations

from constructors import (
    DAY,
    ORDERS,
    RETENTION,
    RPO,
    SESSIONS,
    archive,
    failed_step,
    history,
    plan,
)

from harness.judge.continuity import judge
from harness.model.history import ArchiveInspected
from harness.model.subject import Region
from harness.model.target import Retention
from harness.model.verdict import Finding, Verdict


def judged(*facts: ArchiveInspected) -> Finding:
    """The one finding of a plan with a point-in-time retention."""
    (found,) = judge(plan(RETENTION, RPO), history(*facts))
    return found


def test_nothing_inspected_is_inconclusive() -> None:
    """Where any second is promised, an archive that nobody looked at is a finding."""
    (found,) = judge(plan(RETENTION), history(failed_step(None, "checking", "timed out", "orders")))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.detail == ("checking: timed out",)


def test_an_archive_that_nobody_promised_is_not_asked_for() -> None:
    """Without a point-in-time promise and without a fact there is no question."""
    assert list(judge(plan(Retention(at_least=DAY)), history())) == []


def test_a_whole_archive_passes() -> None:
    """No piece missing, and the target is the retention that needs them."""
    found = judged(archive())
    assert found.verdict is Verdict.PASS
    assert found.id == "continuity/primary/orders"
    assert found.target == "retention"


def test_an_archive_answers_for_the_rpo_where_only_that_needs_it() -> None:
    """Redis ships its AOF for the RPO, not for its retention of daily snapshots."""
    asked = plan(RPO, Retention(at_least=DAY), subjects=[SESSIONS])
    (found,) = judge(asked, history(archive(subject="sessions")))
    assert found.target == "recovery-point"
    assert "AOF pieces" in found.headline


def test_a_missing_segment_fails_and_is_named() -> None:
    """The names of missing pieces are in the headline."""
    found = judged(archive("0000000100000000000000A3"))
    assert found.verdict is Verdict.FAIL
    assert "1 WAL segments missing in the primary region (0000000100000000000000A3)" in (
        found.headline
    )
    assert found.advice is not None
    assert "verify" in found.advice


def test_a_backup_without_its_own_wal_fails() -> None:
    """A backup that cannot be made consistent is named."""
    found = judged(archive(unusable=["20261120-000000F"]))
    assert found.verdict is Verdict.FAIL
    assert "20261120-000000F" in found.headline


def test_an_empty_archive_is_inconclusive() -> None:
    """Nothing archived shows nothing, and is not a pass."""
    assert judged(archive(pieces=0)).verdict is Verdict.INCONCLUSIVE


def test_an_inspection_that_broke_off_is_inconclusive() -> None:
    """What a broken listing did not show may be there."""
    found = judged(archive("0000000100000000000000A3", error="listing ended after 1000 keys"))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "listing ended" in found.headline


def test_a_gap_in_the_replica_alone_is_a_finding_of_its_own() -> None:
    """Regions are judged apart."""
    facts = history(archive(), archive("A3", region=Region.REPLICA))
    found = {one.id: one.verdict for one in judge(plan(RETENTION, subjects=[ORDERS]), facts)}
    assert found == {
        "continuity/primary/orders": Verdict.PASS,
        "continuity/replica/orders": Verdict.FAIL,
    }
