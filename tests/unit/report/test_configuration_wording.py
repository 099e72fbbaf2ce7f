"""Objectives about how a platform is set up, in words."""

from datetime import timedelta
from pathlib import Path

import pytest

from harness.model.configuration import (
    CONFIGURATION,
    BrokerTopology,
    Component,
    Configuration,
    ContainerResources,
    Flow,
    HealthProbe,
    ImageRegistry,
    MutualTls,
    Namespace,
    NetworkPolicyAllows,
    RepositoryLayout,
    Scraping,
    ServiceObject,
    Size,
    SyncPolicy,
    SyncWave,
    TelemetryRetention,
    Unmeasured,
)
from harness.model.target import Target
from harness.report.wording import objective, subject_of
from harness.targets import load_targets

TARGETS = load_targets(Path(__file__).parents[3] / "targets")


def test_the_documented_ones_have_every_kind() -> None:
    """A kind that no row uses promises nothing, and its words are read by nobody."""
    assert {type(one.objective) for one in TARGETS} >= set(CONFIGURATION)


@pytest.mark.parametrize("target", TARGETS, ids=lambda one: str(one.id))
def test_each_is_one_plain_line(target: Target) -> None:
    """No line break, nothing doubled or left empty, and nothing of Python in it."""
    told = objective(target.objective)
    assert "\n" not in told
    assert "  " not in told
    assert not any(sign in told for sign in ("None", "Struct", "timedelta", "('", "['"))
    assert told == told.strip()
    assert subject_of(target.objective)


@pytest.mark.parametrize(
    ("promise", "words"),
    [
        (
            ContainerResources(
                requests=Size(cpu="200m", memory="512Mi"), limits=Size(cpu="500m", memory="1Gi")
            ),
            "containers in every namespace ask for 200m CPU and 512Mi, may use 500m CPU and 1Gi",
        ),
        (ImageRegistry(registry="r.example.com"), "images come from r.example.com"),
        (
            NetworkPolicyAllows(
                namespace="shop",
                app="checkout",
                ingress=Flow(namespaces=("shop", "web"), ports=(80, 443)),
                egress=Flow(namespaces=(), ports=()),
            ),
            "shop/checkout: only shop or web connect to it, on 80 or 443; it connects to anybody",
        ),
        (BrokerTopology(replication=3), "the broker has 3 copies"),
        (Scraping(evaluation=timedelta(seconds=15)), "Prometheus evaluates its rules every 15 s"),
        (
            SyncPolicy(namespaces="*-prod", automated=False, prune=False, self_heal=True),
            "Argo CD in *-prod: never syncs by itself, never prunes and heals by itself",
        ),
        (RepositoryLayout(paths=tuple("abcde")), "the Git repository has a, b, c and 2 more"),
        (RepositoryLayout(paths=tuple("abcd")), "the Git repository has a, b, c and d"),
        (Unmeasured(why="It is elsewhere.", needs=""), "no check sees it: It is elsewhere"),
    ],
)
def test_in_words(promise: Configuration, words: str) -> None:
    """Whole where it is short, counted where it is long, and told apart where it differs."""
    assert objective(promise) == words


@pytest.mark.parametrize(
    ("promise", "name"),
    [
        (Component(name="Loki"), "Loki"),
        (Namespace(name="shop", services=()), "namespace shop"),
        (SyncWave(wave=3, services=(), takes=timedelta(minutes=5)), "sync wave 3"),
        (ServiceObject(object="PodDisruptionBudget"), "a PodDisruptionBudget for each service"),
        (MutualTls(), "mutual TLS"),
        (TelemetryRetention(store="Loki", at_least=timedelta(days=1)), "retention of Loki"),
        (
            HealthProbe(
                probe="startup", path="/", port=1, initial_delay=timedelta(), period=timedelta()
            ),
            "startup probe",
        ),
        (Scraping(), "scraping"),
    ],
)
def test_the_name_for_a_headline(promise: Configuration, name: str) -> None:
    """Two failed components are two names, not one twice."""
    assert subject_of(promise) == name
