"""Settings whose prerequisites are documented otherwise."""

from __future__ import annotations

from typing import Literal

import pytest
from promised import DAY, MINUTE, looked, promise, quota, resources, synced, words

from harness.feasibility.finding import Word
from harness.feasibility.prerequisites import look
from harness.model.configuration import (
    BrokerTopology,
    Rollout,
    ServiceObject,
    Size,
    Synced,
    VerticalAutoscaler,
)
from harness.model.target import (
    AutoscalerRange,
    AutoscalerUtilization,
    BackupFrequency,
    Kind,
    QualityOfService,
    RecoveryPoint,
    Replicas,
    Target,
    TrafficSwitch,
)

EVEN = Size(cpu="1", memory="1Gi")
CPU = promise("cpu", AutoscalerUtilization(resource="cpu", percent=70))


def of_class(qos: Literal["Guaranteed", "Burstable", "BestEffort"]) -> Target:
    return promise("class", QualityOfService(qos=qos, services="some"))


def vertical(mode: Literal["Auto", "Recreate", "Initial", "Off"]) -> Target:
    return promise("vpa", VerticalAutoscaler(mode=mode, minimum=EVEN, maximum=EVEN))


def topology(*persistence: Literal["AOF", "RDB"], partitions: int | None = None) -> Target:
    return promise(
        "topology", BrokerTopology(persistence=persistence, partitions=partitions), Kind.BROKER
    )


def test_without_any_target_no_setting_is_compared() -> None:
    """Nor one whose prerequisite nothing is said of."""
    assert words(look) == {}
    assert words(look, of_class("Guaranteed"), CPU) == {}
    assert words(look, of_class("BestEffort"), vertical("Auto")) == {}


def test_self_healing_needs_automated_sync() -> None:
    """The field is part of what is off."""
    (found,) = looked(look, synced("*-prod", automated=False, prune=False)).values()
    assert found.word is Word.CONTRADICTION
    assert found.says == ("self-heal of *-prod needs automated sync; documented: automated false")
    assert any("Argo CD" in one for one in found.sources)
    assert set(words(look, synced("*-prod", automated=True)).values()) == {Word.HOLDS}


def test_manual_sync_without_self_healing_is_no_promise() -> None:
    """Nothing is wanted that it does not give."""
    assert words(look, synced("*", automated=False, prune=False, self_heal=False)) == {}


def test_a_cluster_is_what_git_says_only_by_automated_sync_with_prune() -> None:
    """Without automated sync never by itself; without prune not all of it."""
    git = promise("git", Synced(), Kind.KUBERNETES)
    never = words(look, git, synced("*", automated=False, prune=False, self_heal=False))
    assert never == {"git, sync": Word.CONTRADICTION}
    assert words(look, git, synced("*", automated=True, prune=False))["git, sync"] is Word.TIGHT
    assert words(look, git, synced("*", automated=True))["git, sync"] is Word.HOLDS


def test_replicas_in_git_are_set_back_by_self_healing() -> None:
    """Tight, as they may be left out of the manifests; without self-healing nobody does it."""
    range_ = promise("range", AutoscalerRange(minimum=1, maximum=10))
    replicas = promise("replicas", Replicas(namespaces="*", count=3))
    healed = words(look, range_, replicas, synced("*", automated=True))
    assert healed["range, self-heal"] is Word.TIGHT
    left = words(look, range_, replicas, synced("*", automated=True, self_heal=False))
    assert "range, self-heal" not in left


def test_guaranteed_needs_requests_that_equal_limits() -> None:
    """Where none does, no pod has the class; where some do, it depends on which are meant."""
    even = resources("*-prod", EVEN, EVEN, identity="even")
    guaranteed = of_class("Guaranteed")
    assert words(look, guaranteed, resources()) == {"class, resources": Word.CONTRADICTION}
    assert words(look, guaranteed, even) == {"class, resources": Word.HOLDS}
    assert words(look, guaranteed, even, resources()) == {"class, resources": Word.TIGHT}
    assert words(look, of_class("Burstable"), resources()) == {}


def test_one_core_is_a_thousand_millicores() -> None:
    """Equal amounts are equal however they are written."""
    written = resources("*", EVEN, Size(cpu="1000m", memory="1024Mi"))
    assert words(look, of_class("Guaranteed"), written) == {"class, resources": Word.HOLDS}


def test_best_effort_pods_are_refused_by_a_quota() -> None:
    """By one of a namespace; a figure for all is no object of Kubernetes."""
    got = words(look, of_class("BestEffort"), quota(50, of="shop-prod"))
    assert got == {"class, quotas": Word.CONTRADICTION}
    assert words(look, of_class("BestEffort"), quota(50)) == {}


def test_publish_and_subscribe_keeps_nothing() -> None:
    """Neither files nor partitions nor backups nor a recovery point are of use to it."""
    (found,) = looked(look, topology("AOF", "RDB", partitions=16)).values()
    assert found.word is Word.CONTRADICTION
    assert found.says.startswith("persistence AOF + RDB and 16 partitions needs")
    backups = promise("backups", BackupFrequency(every=DAY, grace=MINUTE), Kind.BROKER)
    assert set(words(look, backups).values()) == {Word.CONTRADICTION}
    point = promise("rpo", RecoveryPoint(at_most=MINUTE), Kind.BROKER)
    assert set(words(look, point).values()) == {Word.CONTRADICTION}


def test_a_broker_without_such_promises_is_not_compared() -> None:
    """Nor is what keeps its data."""
    assert words(look, topology()) == {}
    assert words(look, promise("rpo", RecoveryPoint(at_most=MINUTE), Kind.REDIS)) == {}


@pytest.mark.parametrize(
    ("mode", "word"),
    [
        ("Auto", Word.CONTRADICTION),
        ("Recreate", Word.CONTRADICTION),
        ("Initial", Word.TIGHT),
        ("Off", Word.HOLDS),
    ],
)
def test_two_autoscalers_by_the_same_resource(
    mode: Literal["Auto", "Recreate", "Initial", "Off"], word: Word
) -> None:
    """Only one that advises does no harm."""
    assert words(look, vertical(mode), CPU) == {"vpa, horizontal": word}


def test_a_rolling_update_switches_nothing() -> None:
    """Both versions answer, whatever the surge; each of the two alone is no promise."""
    switch = promise("switch", TrafficSwitch(at_most=MINUTE / 60))
    rollout = promise("rollout", Rollout(max_surge=100, max_unavailable=0))
    assert words(look, switch, rollout) == {"switch, rollout": Word.CONTRADICTION}
    assert words(look, switch) == {}
    assert words(look, rollout) == {}


@pytest.mark.parametrize(("minimum", "word"), [(1, Word.TIGHT), (2, Word.HOLDS)])
def test_a_disruption_budget_needs_a_second_replica(minimum: int, word: Word) -> None:
    """With one it protects nothing or blocks every drain."""
    budget = promise("budget", ServiceObject(object="PodDisruptionBudget"))
    range_ = promise("range", AutoscalerRange(minimum=minimum, maximum=10))
    assert words(look, budget, range_) == {"budget, range": word}
