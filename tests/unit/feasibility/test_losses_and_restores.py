"""What schedules allow to be lost, and how long the documented size takes to come back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from promised import DAY, HOUR, MINUTE, looked, promise, rto, words

from harness.feasibility import losses, restores
from harness.feasibility.finding import Word
from harness.feasibility.ground import Ground, MeasuredRestore
from harness.model.target import (
    BackupFrequency,
    Kind,
    RecoveryPoint,
    Replication,
    Retention,
    Target,
    Volume,
)

SECONDS = st.floats(min_value=1e-3, max_value=1e9, allow_nan=False)
BOTH = (Kind.POSTGRESQL, Kind.REDIS)


def rpo(at_most: timedelta, *covers: Kind) -> Target:
    return promise("rpo", RecoveryPoint(at_most=at_most), *(covers or BOTH))


def backups(every: timedelta, *covers: Kind, identity: str = "backups") -> Target:
    return promise(identity, BackupFrequency(every=every, grace=timedelta(0)), *(covers or BOTH))


def log_kept(*covers: Kind) -> Target:
    return promise("log", Retention(at_least=30 * DAY, point_in_time=True), *covers)


def volume(size: str, *covers: Kind) -> Target:
    return promise("volume", Volume(size=size), *(covers or (Kind.POSTGRESQL,)))


def measured(kind: Kind, fixed_s: float, per_gb_s: float, source: str = "run") -> MeasuredRestore:
    return MeasuredRestore(kind=kind, fixed_s=fixed_s, per_gb_s=per_gb_s, source=source)


def test_without_any_target_no_loss_is_compared() -> None:
    """Nor with a recovery point or a schedule alone, or one of another kind of data."""
    assert words(losses.look) == {}
    assert words(losses.look, rpo(MINUTE)) == {}
    assert words(losses.look, backups(DAY)) == {}
    assert words(losses.look, rpo(MINUTE, Kind.REDIS), backups(DAY, Kind.POSTGRESQL)) == {}


def test_daily_snapshots_alone_contradict_a_minute() -> None:
    """A day is 1440 times a minute."""
    (found,) = looked(losses.look, rpo(MINUTE, Kind.REDIS), backups(DAY, Kind.REDIS)).values()
    assert found.word is Word.CONTRADICTION
    assert found.sum == "1 d between two copies > 1 min RPO"
    assert found.times == 1440
    assert found.targets == ("rpo", "backups")


def test_a_log_between_two_backups_is_tight() -> None:
    """It depends on how often the log is archived, which no target says."""
    found = looked(losses.look, rpo(MINUTE), backups(DAY), log_kept(Kind.POSTGRESQL))
    assert found["postgresql, rpo"].word is Word.TIGHT
    assert "archive_timeout" in found["postgresql, rpo"].resolve
    assert found["redis, rpo"].word is Word.CONTRADICTION


def test_the_most_frequent_of_several_schedules_counts() -> None:
    """Hourly snapshots beside daily ones lose an hour at most."""
    hourly = backups(HOUR, identity="hourly")
    assert set(words(losses.look, rpo(HOUR), backups(DAY), hourly).values()) == {Word.HOLDS}


@pytest.mark.parametrize(("lag", "word"), [(1, Word.HOLDS), (2, Word.CONTRADICTION)])
def test_a_region_that_is_behind_loses_as_much(lag: int, word: Word) -> None:
    """A replica of backups is a schedule, too."""
    behind = promise("behind", Replication(lag_at_most=lag * MINUTE), Kind.REDIS)
    assert words(losses.look, rpo(MINUTE), behind) == {"redis in the other region, rpo": word}


@given(SECONDS, SECONDS, SECONDS)
def test_a_longer_interval_never_loses_less(every_s: float, more_s: float, rpo_s: float) -> None:
    """Monotonic in the schedule."""

    def contradicts(seconds: float) -> bool:
        copies = losses.Copies(
            kind="redis", every_s=seconds, log_kept=False, allowed_s=rpo_s, targets=("rpo",)
        )
        return losses.bound(copies).word is Word.CONTRADICTION

    assert contradicts(every_s + more_s) or not contradicts(every_s)


def test_without_any_target_no_restore_is_compared() -> None:
    """Nor a size without a recovery time, or one that covers something else."""
    assert words(restores.look) == {}
    assert words(restores.look, volume("100Gi")) == {}
    assert words(restores.look, rto(5, Kind.SERVICE), volume("100Gi")) == {}


def test_without_a_measurement_the_rate_that_is_needed_is_said() -> None:
    """Nobody knows whether it is reached: tight, and never a contradiction."""
    (found,) = looked(restores.look, rto(5), volume("100Gi")).values()
    assert found.word is Word.TIGHT
    assert found.sum == "100 GiB / 5 min = 341 MiB per second"


@pytest.mark.parametrize(
    ("per_gb_s", "word", "text"),
    [
        (5.95, Word.CONTRADICTION, "4.4 s + 107.4 GB x 5.95 s/GB = 10 min 43 s > 5 min"),
        (2.0, Word.HOLDS, "4.4 s + 107.4 GB x 2 s/GB = 3 min 39 s <= 5 min"),
    ],
)
def test_a_measured_line_decides(per_gb_s: float, word: Word, text: str) -> None:
    """100 GiB at the rate that runs have measured, and the run is named."""
    ground = Ground(
        targets=(rto(5), volume("100Gi")),
        restores=(measured(Kind.POSTGRESQL, 4.4, per_gb_s, "20260101T000000Z-weekly"),),
    )
    (found,) = restores.look(ground)
    assert (found.word, found.sum) == (word, text)
    assert found.sources == ("20260101T000000Z-weekly",)


def test_a_line_of_another_kind_says_nothing() -> None:
    """How Redis is restored does not say how PostgreSQL is."""
    ground = Ground(targets=(rto(5), volume("100Gi")), restores=(measured(Kind.REDIS, 1, 0.1),))
    (found,) = restores.look(ground)
    assert found.word is Word.TIGHT


@given(st.integers(1, 10_000), st.integers(0, 10_000), SECONDS, st.floats(0, 100))
def test_a_larger_size_never_fits_better(
    gibibytes: int, more: int, rto_minutes: float, per_gb_s: float
) -> None:
    """Monotonic in the size."""

    def contradicts(size: int) -> bool:
        ground = Ground(
            targets=(rto(min(rto_minutes, 1e6)), volume(f"{size}Gi")),
            restores=(measured(Kind.POSTGRESQL, 1.0, per_gb_s),),
        )
        (found,) = restores.look(ground)
        return found.word is Word.CONTRADICTION

    assert contradicts(gibibytes + more) or not contradicts(gibibytes)
