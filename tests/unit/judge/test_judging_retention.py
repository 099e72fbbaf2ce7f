"""A restore must reach as far back as documented, to any second where that is promised."""

from __future__ import annotations

from datetime import timedelta

from constructors import DAY, NOW, RETENTION, backup, catalogue, daily, history, plan

from harness.judge.retention import judge
from harness.model.history import CatalogueRead
from harness.model.target import Retention
from harness.model.verdict import Finding, Verdict


def judged(*facts: CatalogueRead, objective: Retention = RETENTION) -> Finding:
    """The one finding of a plan with a retention."""
    (found,) = judge(plan(objective), history(*facts))
    return found


def test_nothing_read_is_inconclusive() -> None:
    """Without a catalogue nothing is known of the reach."""
    found = judged()
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.advice is not None


def test_thirty_one_days_pass() -> None:
    """The oldest point is older than promised."""
    found = judged(catalogue())
    assert found.verdict is Verdict.PASS
    assert found.headline == (
        "orders: restores reach back 31 d 3 h, expected any second of the last 30 d"
    )


def test_exactly_the_promise_passes() -> None:
    """A point that is exactly as old as promised is enough."""
    assert judged(catalogue([backup(30 * DAY)])).verdict is Verdict.PASS


def test_a_short_reach_fails_and_says_from_when_it_would_hold() -> None:
    """Twelve days of thirty FAIL, with what is there; too young or expired look alike."""
    found = judged(catalogue(daily(12)))
    assert found.verdict is Verdict.FAIL
    assert found.headline == (
        "orders: restores reach back 12 d 3 h, expected any second of the last 30 d"
    )
    assert found.since == NOW - timedelta(days=12, hours=3)
    assert "met from 2026-12-12 00:00 UTC on" in found.detail[0]


def test_whole_backups_are_not_any_second() -> None:
    """A promise of any second is not met by backups alone, one of backups is."""
    alone = catalogue(point_in_time=False)
    found = judged(alone)
    assert found.verdict is Verdict.FAIL
    assert "to whole backups only" in found.headline
    assert judged(alone, objective=Retention(at_least=30 * DAY)).verdict is Verdict.PASS


def test_an_empty_listing_fails() -> None:
    """A listing that worked and shows nothing refutes the promise."""
    assert judged(catalogue([])).verdict is Verdict.FAIL


def test_an_unreadable_catalogue_is_inconclusive() -> None:
    """What could not be listed is not judged, and the reason is in the headline."""
    found = judged(catalogue(daily(), error="no stanza"))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "no stanza" in found.headline
