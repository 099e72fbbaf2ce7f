"""Shares of pods, samples of thresholds, and how long proofs are kept."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from promised import DAY, MINUTE, looked, promise, words

from harness.feasibility import retentions, samples, shares
from harness.feasibility.finding import Word
from harness.feasibility.ground import Ground
from harness.model.configuration import (
    Canary,
    CanaryPhase,
    Component,
    ConfigurationBackup,
    RestoreTest,
    ReviewCycle,
    Scraping,
    SecretRotation,
    TelemetryRetention,
)
from harness.model.target import (
    Availability,
    BackupFrequency,
    ErrorRate,
    Immutability,
    Kind,
    Replicas,
    Retention,
    Target,
)


def canary(*phases: tuple[int, float]) -> Target:
    return promise(
        "canary",
        Canary(
            phases=tuple(
                CanaryPhase(weight=weight, lasts=timedelta(minutes=minutes))
                for weight, minutes in phases
            )
        ),
    )


def replicas(count: int) -> Target:
    return promise("replicas", Replicas(namespaces="*", count=count))


def available(at_least: float) -> Target:
    return promise("available", Availability(at_least=at_least))


def test_without_any_target_no_share_is_compared() -> None:
    """Nor phases or replicas alone."""
    assert words(shares.look) == {}
    assert words(shares.look, canary((10, 5))) == {}
    assert words(shares.look, replicas(3)) == {}


def test_a_tenth_of_three_pods_is_no_pod() -> None:
    """One of three is a third of the traffic, unless something splits requests."""
    (found,) = looked(shares.look, canary((10, 5), (100, 5)), replicas(3)).values()
    assert found.word is Word.TIGHT
    assert found.sum == "10 % of 3 = 0.3, 100 % of 3 = 3; one of 3 pods is 33.3 %"


def test_whole_pods_hold_and_so_does_a_mesh() -> None:
    """A tenth of ten is one; a mesh needs no whole pods."""
    phases = canary((10, 5), (50, 5))
    assert set(words(shares.look, phases, replicas(10)).values()) == {Word.HOLDS}
    mesh = promise("mesh", Component(name="Istio"), Kind.KUBERNETES)
    assert set(words(shares.look, phases, replicas(3), mesh).values()) == {Word.HOLDS}


def test_a_program_that_only_syncs_splits_nothing() -> None:
    """Argo CD is not Argo Rollouts."""
    argo = promise("argo", Component(name="Argo CD"), Kind.KUBERNETES)
    assert set(words(shares.look, canary((10, 5)), replicas(3), argo).values()) == {Word.TIGHT}


@given(st.integers(1, 100), st.integers(1, 100))
def test_a_share_of_a_hundred_pods_is_always_whole(weight: int, times: int) -> None:
    """Percent of hundreds."""
    got = words(shares.look, canary((weight, 5)), replicas(100 * times))
    assert set(got.values()) == {Word.HOLDS}


def test_without_any_target_no_sample_is_compared() -> None:
    """Nor phases without a threshold, or one that nothing can be beyond."""
    assert words(samples.look) == {}
    assert words(samples.look, canary((10, 5))) == {}
    assert words(samples.look, available(0.999)) == {}
    assert words(samples.look, canary((10, 5)), available(1.0)) == {}
    assert words(samples.look, canary(), available(0.999)) == {}


def test_the_rule_of_three() -> None:
    """About 3 / share: 2995 for 0.1 %, 59 for 5 % (Hanley and Lippman-Hand, table 1)."""
    assert samples.samples_for(0.001) == 2995
    assert samples.samples_for(0.05) == 59
    assert samples.samples_for(0.5) == 5


def test_a_threshold_says_how_many_requests_it_needs() -> None:
    """2995 in 5 min at 10 %: as nobody documents a load, it is tight."""
    (found,) = looked(samples.look, canary((10, 5), (50, 15)), available(0.999)).values()
    assert found.word is Word.TIGHT
    assert found.sum == "2995 requests / (5 min x 10 %) = 99.8 per second in all"


@pytest.mark.parametrize(("peak", "word"), [(99, Word.CONTRADICTION), (100, Word.HOLDS)])
def test_the_load_of_an_environment_decides(peak: float, word: Word) -> None:
    """Its peak gives enough requests, or never does."""
    ground = Ground(targets=(canary((10, 5)), available(0.999)), peak_rate=peak)
    (found,) = samples.look(ground)
    assert found.word is word


def test_samples_of_prometheus_are_coarse() -> None:
    """20 in 5 min: one is 5 %, which an error rate of 5 % can be told by, and 0.1 % cannot."""
    scraping = promise("scraping", Scraping(interval=timedelta(seconds=15)))
    errors = promise("errors", ErrorRate(at_most=0.05))
    got = looked(samples.look, canary((10, 5)), available(0.999), errors, scraping)
    assert got["canary, available, scraping"].word is Word.TIGHT
    assert got["canary, available, scraping"].sum == "5 min / 15 s = 20 samples < 1000 = 1 / 0.001"
    assert got["canary, errors, scraping"].word is Word.HOLDS
    unsaid = promise("scraping", Scraping(evaluation=MINUTE))
    assert "canary, errors, scraping" not in words(samples.look, canary((10, 5)), errors, unsaid)


@given(st.floats(1e-6, 0.5), st.floats(1e-6, 0.5))
def test_a_smaller_share_never_needs_fewer_samples(one: float, other: float) -> None:
    """Monotonic, and always enough to show it."""
    smaller, larger = sorted((one, other))
    assert samples.samples_for(smaller) >= samples.samples_for(larger)
    assert (1 - larger) ** samples.samples_for(larger) <= 0.05 + 1e-9


def test_without_any_target_no_retention_is_compared() -> None:
    """Nor what is kept without anything that is judged by it."""
    metrics = promise("metrics", TelemetryRetention(store="Prometheus", at_least=15 * DAY))
    assert words(retentions.look) == {}
    assert words(retentions.look, metrics) == {}
    assert words(retentions.look, promise("kept", Retention(at_least=30 * DAY))) == {}


@pytest.mark.parametrize(("days", "word"), [(15, Word.TIGHT), (92, Word.HOLDS)])
def test_metrics_outlive_a_review_cycle(days: int, word: Word) -> None:
    """A quarter is looked back on by what is still there."""
    metrics = promise("metrics", TelemetryRetention(store="Prometheus", at_least=days * DAY))
    review = promise("review", ReviewCycle(every=92 * DAY), Kind.KUBERNETES)
    assert words(retentions.look, metrics, review) == {"metrics, review": word}


@pytest.mark.parametrize(("days", "word"), [(30, Word.TIGHT), (90, Word.HOLDS)])
def test_logs_outlive_a_secret(days: int, word: Word) -> None:
    """Who used it is asked when it is replaced."""
    logs = promise("logs", TelemetryRetention(store="Loki", at_least=days * DAY))
    rotation = promise("rotation", SecretRotation(at_most=90 * DAY), Kind.KUBERNETES)
    assert words(retentions.look, logs, rotation) == {"logs, rotation": word}


@pytest.mark.parametrize(("days", "word"), [(30, Word.HOLDS), (31, Word.TIGHT)])
def test_what_belongs_to_a_backup_is_kept_as_long(days: int, word: Word) -> None:
    """Its lock and its configuration."""
    kept = promise("kept", Retention(at_least=days * DAY), Kind.REDIS)
    locked = promise("locked", Immutability(at_least=30 * DAY), Kind.REDIS)
    configured = promise(
        "configured", ConfigurationBackup(retention=30 * DAY, encryption="GPG"), Kind.KUBERNETES
    )
    assert words(retentions.look, kept, locked, configured) == {
        "locked, kept": word,
        "configured, kept": word,
    }
    elsewhere = promise("locked", Immutability(at_least=DAY), Kind.POSTGRESQL)
    assert words(retentions.look, kept, elsewhere) == {}


@pytest.mark.parametrize(("days", "word"), [(7, Word.HOLDS), (6, Word.CONTRADICTION)])
def test_backups_outlive_their_test_and_the_next_one(days: int, word: Word) -> None:
    """Else some are never tested, and at times there is none."""
    kept = promise("kept", Retention(at_least=days * DAY), Kind.REDIS)
    test = promise("test", RestoreTest(every=7 * DAY), Kind.REDIS)
    weekly = promise("weekly", BackupFrequency(every=7 * DAY, grace=MINUTE), Kind.REDIS)
    assert words(retentions.look, kept, test, weekly) == {"kept, test": word, "kept, weekly": word}
