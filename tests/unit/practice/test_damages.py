"""The catalogue of damage, and the least part of a plan that shows one."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from constructors import DAILY, ORDERS, RTO, SESSIONS, plan, target, trial

from harness.errors import InputError
from harness.model.suite import Level
from harness.model.target import Kind
from harness.practice.damage.catalogue import DAMAGES, SILENCES, damage_named, list_damages

WAL = damage_named("missing-wal")


def test_a_plan_without_the_scenario_is_refused() -> None:
    """A suite that does not restore the subject could not show the damage."""
    for trials in ([], [trial(scenario="oldest-promised")], [trial(subjects=("sessions",))]):
        with pytest.raises(InputError, match="missing-wal"):
            WAL.narrowed(plan(RTO, trials=trials))


def test_the_least_part_of_a_plan() -> None:
    """One trial of one subject, its own targets, the levels that show it, soon given up."""
    whole = plan(
        target(RTO, Kind.POSTGRESQL),
        target(DAILY, Kind.REDIS),
        trials=[
            trial(scenario="oldest-promised"),
            trial(),
            trial(2),
            trial(subjects=("sessions",)),
        ],
        subjects=(ORDERS, SESSIONS),
        levels=tuple(Level),
    )
    least = WAL.narrowed(whole)
    assert [one.id for one in least.trials] == ["latest-backup-orders-1"]
    assert least.subjects == (ORDERS,)
    assert [one.id for one in least.targets] == ["recovery-time"]
    assert least.verification.levels == WAL.levels
    assert least.trials[0].deadline == WAL.deadline
    assert WAL.narrowed(whole, levels=False).verification == whole.verification


def test_a_deadline_is_never_put_off() -> None:
    """A plan that gives up sooner stays so."""
    soon = msgspec.structs.replace(trial(), deadline=timedelta(seconds=5))
    assert WAL.narrowed(plan(trials=[soon])).trials[0].deadline == timedelta(seconds=5)


def test_every_documented_damage_is_there_once() -> None:
    """The list of the issue, item 9; each is looked for by one verification level at least."""
    names = [one.name for one in (*DAMAGES, *SILENCES)]
    assert sorted(names) == sorted(set(names))
    assert {
        *("flipped-byte", "flipped-byte-redis", "missing-wal", "truncated-aof"),
        *("wrong-passphrase", "old-backup", "stopped-replication", "swapped-shards"),
        *("ledger-deleted", "ledger-duplicated", "ledger-altered", "ledger-foreign"),
        *("black-hole-2s", "black-hole-7s", "stalled-prober"),
    } == set(names)
    assert all(one.levels for one in DAMAGES)


def test_names() -> None:
    """A name finds its damage; another one is refused with the names there are."""
    assert [line.split()[0] for line in list_damages()] == [one.name for one in DAMAGES]
    assert all(damage_named(one.name) is one for one in DAMAGES)
    with pytest.raises(InputError, match="flipped-byte"):
        damage_named("no-such-damage")
    with pytest.raises(InputError, match="which no run shows"):
        damage_named("black-hole-2s")
