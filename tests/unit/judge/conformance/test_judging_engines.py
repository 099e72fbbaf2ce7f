"""Versions, replicas and the broker's build, by the servers' own word."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from conformances import evidence, plan, promise

from harness.judge.conformance.engines import judge_replicated, judge_topology, judge_version
from harness.judge.conformance.evidence import JudgeFunction
from harness.model.configuration import BrokerTopology, EngineVersion, Replicated
from harness.model.conformance import EngineAsked
from harness.model.target import Kind, Objective
from harness.model.verdict import Finding, Verdict
from harness.model.workload import BrokerWorkload, PostgresqlWorkload

PG15 = EngineVersion(major=15)
STREAMING, CLUSTER = Replicated(mode="primary-replica"), Replicated(mode="cluster")
BROKER = BrokerTopology(partitions=16, replication=3, persistence=("AOF", "RDB"))
WORKLOADS = (
    PostgresqlWorkload(id="orders", namespace="n", pods="app=postgresql", service="primary"),
    BrokerWorkload(id="events", namespace="n", pods="app=broker", service="broker"),
)
POSTGRESQL = EngineAsked(
    subject="orders",
    version="15.14 (Debian 15.14-0+deb12u1)",
    facts={"primaries": "1", "replicas": "2"},
)
REDIS = EngineAsked(
    subject="events",
    version="7.0.15",
    facts={
        "cluster_enabled": "1",
        "cluster_state": "ok",
        "cluster_size": "16",
        "cluster_known_nodes": "48",
        "aof_enabled": "1",
        "save": "3600 1",
    },
)


def judged(
    judge: JudgeFunction,
    objective: Objective,
    facts: Sequence[EngineAsked],
    kind: Kind = Kind.POSTGRESQL,
) -> Finding:
    """The one finding about the store of a kind."""
    target = msgspec.structs.replace(promise(objective, "promised"), covers=(kind,))
    planned = msgspec.structs.replace(plan(target, looks=("engines",)), workloads=WORKLOADS)
    (found,) = judge(evidence(planned, facts=facts), target, objective)
    return found


def test_nobody_asked_is_inconclusive() -> None:
    """Of each promise."""
    assert judged(judge_version, PG15, []).verdict is Verdict.INCONCLUSIVE
    assert judged(judge_replicated, STREAMING, []).verdict is Verdict.INCONCLUSIVE
    assert judged(judge_topology, BROKER, [], Kind.BROKER).verdict is Verdict.INCONCLUSIVE


def test_no_store_of_that_kind_is_inconclusive() -> None:
    """The environment has no Redis with data."""
    found = judged(judge_version, PG15, [POSTGRESQL], Kind.REDIS)
    assert (found.verdict, found.subject) == (Verdict.INCONCLUSIVE, None)


@pytest.mark.parametrize(
    ("version", "verdict"),
    [
        ("15.14 (Debian 15.14-0+deb12u1)", Verdict.PASS),
        ("15beta1", Verdict.INCONCLUSIVE),
        ("16.1", Verdict.FAIL),
        ("1.5", Verdict.FAIL),
        (None, Verdict.INCONCLUSIVE),
    ],
)
def test_the_major_version_is_before_the_point(version: str | None, verdict: Verdict) -> None:
    """Anything but digits there is not guessed at."""
    fact = msgspec.structs.replace(POSTGRESQL, version=version)
    assert judged(judge_version, PG15, [fact]).verdict is verdict


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        ({"primaries": "1", "replicas": "1"}, Verdict.PASS),
        ({"primaries": "1", "replicas": "0"}, Verdict.FAIL),
        ({"primaries": "2", "replicas": "2"}, Verdict.FAIL),
        ({"primaries": "0", "replicas": "0"}, Verdict.INCONCLUSIVE),
        ({}, Verdict.INCONCLUSIVE),
    ],
)
def test_one_primary_with_a_replica_that_streams(facts: dict[str, str], verdict: Verdict) -> None:
    """Two primaries are no high availability; a primary that is away says nothing."""
    fact = msgspec.structs.replace(POSTGRESQL, facts=facts)
    assert judged(judge_replicated, STREAMING, [fact]).verdict is verdict


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, Verdict.PASS),
        ({"cluster_enabled": "0"}, Verdict.FAIL),
        ({"cluster_state": "fail"}, Verdict.FAIL),
        ({"cluster_size": "1"}, Verdict.FAIL),
        ({"cluster_size": ""}, Verdict.INCONCLUSIVE),
    ],
)
def test_a_cluster_of_several_masters_that_is_whole(
    change: dict[str, str], verdict: Verdict
) -> None:
    """One master is no cluster."""
    fact = msgspec.structs.replace(REDIS, facts={**REDIS.facts, **change})
    assert judged(judge_replicated, CLUSTER, [fact], Kind.BROKER).verdict is verdict


def test_a_store_that_told_nothing_is_inconclusive() -> None:
    """With its reason."""
    fact = EngineAsked(subject="events", version=None, facts={}, detail="none of 3 nodes answers")
    for judge, objective in ((judge_replicated, CLUSTER), (judge_topology, BROKER)):
        found = judged(judge, objective, [fact], Kind.BROKER)
        assert found.verdict is Verdict.INCONCLUSIVE
        assert "none of 3 nodes answers" in found.headline


@pytest.mark.parametrize(
    ("change", "verdict", "said"),
    [
        ({}, Verdict.PASS, "16 partitions"),
        ({"cluster_size": "3"}, Verdict.FAIL, "3 partitions, expected 16"),
        ({"cluster_known_nodes": "2"}, Verdict.FAIL, "2 nodes, expected 3"),
        ({"aof_enabled": "0"}, Verdict.FAIL, "AOF is off"),
        ({"save": ""}, Verdict.FAIL, "RDB is off"),
    ],
)
def test_each_part_of_the_broker_counts(
    change: dict[str, str], verdict: Verdict, said: str
) -> None:
    """One that is not as documented fails the promise, and is what is said."""
    fact = msgspec.structs.replace(REDIS, facts={**REDIS.facts, **change})
    found = judged(judge_topology, BROKER, [fact], Kind.BROKER)
    assert found.verdict is verdict
    assert said in found.headline


def test_persistence_that_was_not_told_is_inconclusive() -> None:
    """CONFIG may be renamed."""
    facts = {name: value for name, value in REDIS.facts.items() if name != "save"}
    fact = msgspec.structs.replace(REDIS, facts=facts)
    found = judged(judge_topology, BROKER, [fact], Kind.BROKER)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "RDB" in found.headline


def test_a_target_of_nothing_is_inconclusive() -> None:
    """It passes on no data."""
    assert judged(judge_topology, BrokerTopology(), [REDIS], Kind.BROKER).verdict is (
        Verdict.INCONCLUSIVE
    )
