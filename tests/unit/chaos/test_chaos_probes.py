"""Steady is what can be shown: nothing there is not steady."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from drills import CARTS, CHECKOUT, EVENTS, ORDERS, Drill, running

from harness.chaos import injector as injecting
from harness.chaos import probes
from harness.drivers import roles
from harness.errors import RefusedError, SurroundingsError
from harness.model.cluster import Pod

Answer = Callable[..., tuple[object, ...]]


@pytest.fixture
def whole(the_drill: Drill, monkeypatch: pytest.MonkeyPatch) -> Drill:
    """Databases that say that all is well."""
    for app in ("orders", "carts", "events"):
        for number, node in enumerate(("worker-1", "worker-2", "worker-3"), start=1):
            the_drill.api.put("pods", running("data", f"{app}-{number}", node, app=app))
    made = the_drill.set(workloads=(CHECKOUT, ORDERS, CARTS, EVENTS))
    injecting.enter(made.injector)
    monkeypatch.setattr(roles, "postgres_members", lambda _, pods: members(pods, streaming=2))
    monkeypatch.setattr(roles, "cluster_problems", lambda *_: ())
    monkeypatch.setattr(roles, "redis_shards", lambda *_: (shard(("10.0.0.9", 6379)),))
    return made


def members(pods: tuple[Pod, ...], *, streaming: int) -> tuple[roles.PostgresMember, ...]:
    return tuple(
        roles.PostgresMember(
            pod=pod,
            primary=number == 0,
            timeline="1",
            system_identifier="7",
            streaming=streaming if number == 0 else 0,
        )
        for number, pod in enumerate(pods)
    )


def shard(*replicas: tuple[str, int]) -> roles.Shard:
    return roles.Shard(slots="0-16383", master=("10.0.0.1", 6379), epoch="1", replicas=replicas)


@pytest.mark.usefixtures("whole")
def test_all_is_well() -> None:
    assert probes.api_answers()
    assert probes.nodes_ready()
    assert probes.pods_ready("checkout")
    assert probes.postgresql_replicates("orders")
    assert probes.postgresql_replicates("orders", replicas="1")
    assert probes.redis_cluster_ok("carts")
    assert probes.broker_ok("events")
    assert probes.workloads_well()
    assert probes.etcd_has_quorum()


def test_no_node_is_not_all_nodes(the_drill: Drill) -> None:
    for node in ("worker-1", "worker-2", "worker-3"):
        del the_drill.api.objects["nodes", "", node]
    the_drill.api.lives = lambda: None
    with pytest.raises(SurroundingsError, match="the API knows no node"):
        probes.nodes_ready()


def test_a_node_that_is_not_ready_or_cordoned(the_drill: Drill) -> None:
    the_drill.machines.kill(["worker-1"])
    the_drill.injector.cluster.set_unschedulable("worker-2", True)
    with pytest.raises(SurroundingsError, match="worker-1 is not Ready; node worker-2 is cordoned"):
        probes.nodes_ready()


def test_no_pod_is_not_all_pods(the_drill: Drill) -> None:
    for number in (1, 2, 3):
        del the_drill.api.objects["pods", "shop", f"checkout-{number}"]
    with pytest.raises(SurroundingsError, match="got 0 pods, expected 1"):
        probes.pods_ready("checkout")


def test_a_pod_that_is_not_ready_terminating_or_missing(the_drill: Drill) -> None:
    the_drill.api.put(
        "statefulsets",
        {"metadata": {"namespace": "shop", "name": "checkout"}, "spec": {"replicas": 4}},
    )
    the_drill.api.get("pods", "checkout-1", "shop")["status"]["conditions"] = []
    ending = the_drill.api.get("pods", "checkout-2", "shop")
    ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    with pytest.raises(SurroundingsError) as raised:
        probes.pods_ready("checkout")
    assert str(raised.value) == (
        "checkout: pod checkout-1 is not ready; checkout: pod checkout-2 is terminating; "
        "checkout: got 3 pods, expected 4"
    )


def test_a_replica_too_few(whole: Drill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "postgres_members", lambda _, pods: members(pods, streaming=1))
    with pytest.raises(SurroundingsError, match="1 of 2 replicas stream from orders-1"):
        probes.postgresql_replicates("orders")
    with pytest.raises(SurroundingsError, match="1 of 2 replicas"):
        probes.workloads_well()
    assert whole.config.workloads


@pytest.mark.usefixtures("whole")
def test_no_primary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "postgres_members", lambda *_: ())
    with pytest.raises(SurroundingsError, match="got as primary none"):
        probes.postgresql_replicates("orders")


@pytest.mark.usefixtures("whole")
def test_a_master_without_a_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "redis_shards", lambda *_: (shard(),))
    with pytest.raises(SurroundingsError, match="slots 0-16383: no replica is linked"):
        probes.redis_cluster_ok("carts")
    assert probes.broker_ok("events")  # it has none at all


@pytest.mark.usefixtures("whole")
def test_a_cluster_that_is_not_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "cluster_problems", lambda *_: ("carts-1: cluster_state is fail",))
    for probe, workload in ((probes.redis_cluster_ok, "carts"), (probes.broker_ok, "events")):
        with pytest.raises(SurroundingsError, match="cluster_state is fail"):
            probe(workload)


@pytest.mark.usefixtures("whole")
def test_a_probe_of_another_kind() -> None:
    for probe in (probes.postgresql_replicates, probes.redis_cluster_ok, probes.broker_ok):
        with pytest.raises(SurroundingsError, match="workload checkout: is no"):
            probe("checkout")
    with pytest.raises(RefusedError, match="got 'nobody'"):
        probes.pods_ready("nobody")


def test_a_member_of_the_control_plane_that_is_off(the_drill: Drill) -> None:
    the_drill.machines.off.add("master-2")
    with pytest.raises(SurroundingsError, match="master-2 is off"):
        probes.etcd_has_quorum()


def test_a_managed_control_plane_answers_by_its_api(the_drill: Drill) -> None:
    the_drill.machines.masters = ()
    assert probes.etcd_has_quorum()
    the_drill.api.breaks = 100
    with pytest.raises(SurroundingsError):
        probes.etcd_has_quorum()


def test_another_cluster_does_not_answer(the_drill: Drill) -> None:
    the_drill.api.get("namespaces", "kube-system")["metadata"]["uid"] = "another"
    with pytest.raises(RefusedError, match="leads to cluster another"):
        probes.api_answers()
