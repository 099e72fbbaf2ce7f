"""Backups must have been taken as often as documented: the newest one, and each gap."""

from __future__ import annotations

from datetime import timedelta

import pytest
from constructors import (
    DAILY,
    DAY,
    NOW,
    RETENTION,
    backup,
    catalogue,
    daily,
    failed_step,
    history,
    plan,
)

from harness.judge.backup_frequency import judge
from harness.model.history import CatalogueRead
from harness.model.subject import Region
from harness.model.verdict import Finding, Verdict


def judged(*facts: CatalogueRead) -> Finding:
    """The one finding of a plan with a daily schedule and 30 days of retention."""
    (found,) = judge(plan(DAILY, RETENTION), history(*facts))
    return found


def test_nothing_read_is_inconclusive() -> None:
    """Without a catalogue the schedule was not looked at, whatever else is on record."""
    found = judged(catalogue(region=Region.REPLICA), catalogue(subject="sessions"))
    assert found.id == "backup-frequency/orders"
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.advice == "pgbackrest --config=pgbackrest.conf --stanza=orders info"


def test_a_check_that_failed_is_named() -> None:
    """What kept the catalogue from being read is in the detail."""
    step = failed_step(None, "checking the backups of orders", "connection reset", "orders")
    (found,) = judge(plan(DAILY), history(step))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.detail == ("checking the backups of orders: connection reset",)


def test_no_schedule_promised_no_question() -> None:
    """Where no target documents a schedule there is nothing to answer."""
    assert list(judge(plan(RETENTION), history(catalogue()))) == []


def test_daily_backups_pass() -> None:
    """A month of daily backups meets the schedule, and the numbers say so."""
    found = judged(catalogue())
    assert found.verdict is Verdict.PASS
    assert found.headline == (
        "orders: latest good backup is 3 h old, expected at most 1 d 1 h; none missed"
    )
    assert [(one.name, one.value) for one in found.measures] == [
        ("age of the latest backup", 3 * 3600.0),
        ("longest gap between backups", 86_400.0),
    ]
    assert found.advice is None
    assert found.evidence == (0,)


def test_an_old_backup_fails_since_its_end() -> None:
    """The newest good backup is older than the schedule and its grace allow."""
    found = judged(catalogue(daily(without=[0])))
    assert found.verdict is Verdict.FAIL
    assert found.headline == ("orders: latest good backup is 1 d 3 h old, expected at most 1 d 1 h")
    assert found.since == NOW - timedelta(days=1, hours=3)


def test_exactly_the_grace_passes() -> None:
    """A backup that is as late as it may be is not missed."""
    assert judged(catalogue([backup(timedelta(hours=25))])).verdict is Verdict.PASS


def test_a_missed_day_is_named() -> None:
    """Two days without a backup in the middle of the month FAIL, with their dates."""
    found = judged(catalogue(daily(without=[10, 4])))
    assert found.verdict is Verdict.FAIL
    assert "backups missed: 2026-11-14, 2026-11-20;" in found.headline
    assert found.since == NOW - timedelta(days=11, hours=3)
    assert any("no backup for 2 d until 2026-11-21" in line for line in found.detail)


def test_a_broken_backup_does_not_count() -> None:
    """A backup that its tool calls broken is as good as none, and is named."""
    held = [*daily(without=[0]), backup(timedelta(hours=3), error="WAL segment missing")]
    found = judged(catalogue(held))
    assert found.verdict is Verdict.FAIL
    assert "20261124-000000F: does not count: WAL segment missing" in found.detail


def test_a_gap_older_than_the_retention_is_not_asked_for() -> None:
    """What lies before the retention's window may have been thinned out."""
    held = [backup(timedelta(days=40)), *daily(30)]
    assert judged(catalogue(held)).verdict is Verdict.PASS
    (without_retention,) = judge(plan(DAILY), history(catalogue(held)))
    assert without_retention.verdict is Verdict.FAIL


def test_no_backup_at_all_fails() -> None:
    """A listing that worked and shows no backup refutes the schedule."""
    found = judged(catalogue([]))
    assert found.verdict is Verdict.FAIL
    assert found.headline == (
        "orders: no backup at all in the primary region, expected one every 1 d"
    )


def test_only_broken_backups_fail() -> None:
    """Backups that all are broken are no backup."""
    found = judged(catalogue([backup(DAY, error="checksum mismatch")]))
    assert found.verdict is Verdict.FAIL
    assert "only 1 broken" in found.headline


def test_an_unreadable_catalogue_is_inconclusive_and_says_why() -> None:
    """A wrong passphrase says nothing of the schedule, and is named."""
    found = judged(catalogue([], error="status 99: cipher error"))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "status 99: cipher error" in found.headline


def test_a_backup_from_the_future_is_inconclusive() -> None:
    """Where the subject's clock runs ahead, ages say nothing."""
    found = judged(catalogue([backup(-timedelta(minutes=5))]))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "clocks" in found.headline


@pytest.mark.parametrize("worse", [catalogue([]), catalogue(daily(without=[5]))])
def test_two_catalogues_are_both_judged(worse: CatalogueRead) -> None:
    """The worse of two listings decides, in whichever order they were read."""
    assert judged(catalogue(), worse).verdict is Verdict.FAIL
    assert judged(worse, catalogue()).verdict is Verdict.FAIL
