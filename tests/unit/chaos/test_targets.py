"""Nothing is chosen that was not asked for, and no choice is empty."""

from __future__ import annotations

import pytest
from drills import CARTS, CHECKOUT, ORDERS, Drill, drill, running
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.chaos.targets import Targets, whole_number
from harness.drivers import roles
from harness.drivers.roles import PostgresMember, Shard
from harness.errors import RefusedError
from harness.model.cluster import Pod


def targets(of: Drill) -> Targets:
    return Targets(of.config, of.injector.cluster)


def with_database(made: Drill) -> Drill:
    for number, node in enumerate(("worker-1", "worker-2", "worker-3"), start=1):
        made.api.put("pods", running("data", f"orders-{number}", node, app="orders"))
        made.api.put("pods", running("data", f"carts-{number}", node, app="carts"))
    return made.set(workloads=(CHECKOUT, ORDERS, CARTS))


def servers(monkeypatch: pytest.MonkeyPatch, *primaries: str) -> None:
    """PostgreSQL's servers that answer as primary; all others answer as replicas."""

    def answer(_workload: object, pods: tuple[Pod, ...]) -> tuple[PostgresMember, ...]:
        return tuple(
            PostgresMember(
                pod=pod,
                primary=pod.name in primaries,
                timeline="1",
                system_identifier="7",
                streaming=2 if pod.name in primaries else 0,
            )
            for pod in pods
        )

    monkeypatch.setattr(roles, "postgres_members", answer)


def test_no_pod_at_all_is_refused(the_drill: Drill) -> None:
    for number in (1, 2, 3):
        del the_drill.api.objects["pods", "shop", f"checkout-{number}"]
    with pytest.raises(RefusedError, match="selects no running pod in namespace shop"):
        targets(the_drill).pods(CHECKOUT, "any", 1)


def test_a_pod_on_its_way_out_is_no_target(the_drill: Drill) -> None:
    for number in (1, 2):
        pod = the_drill.api.get("pods", f"checkout-{number}", "shop")
        pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    (chosen,) = targets(the_drill).pods(CHECKOUT, "any", 1)
    assert chosen.name == "checkout-3"


@pytest.mark.parametrize("count", [0, 4])
def test_more_than_there_are_and_none_are_refused(the_drill: Drill, count: int) -> None:
    with pytest.raises(RefusedError, match=f"{count} asked for of 3"):
        targets(the_drill).pods(CHECKOUT, "any", count)


@pytest.mark.parametrize("given", ["", "none", "-1", "1.5", "0", "²"])
def test_a_count_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(RefusedError, match="count: got"):
        whole_number("count", given)


def test_a_count_may_be_text_as_overrides_are() -> None:
    assert whole_number("count", "2") == whole_number("count", 2) == 2


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1_000), count=st.integers(1, 3))
def test_the_same_seed_draws_the_same_pods_without_repeating_one(
    the_drill: Drill, seed: int, count: int
) -> None:
    draws = [targets(the_drill.set(seed=seed)).pods(CHECKOUT, "any", count) for _ in range(2)]
    assert draws[0] == draws[1]
    assert len({pod.name for pod in draws[0]}) == count


def test_other_seeds_draw_other_pods(the_drill: Drill) -> None:
    drawn = {
        targets(the_drill.set(seed=seed)).pods(CHECKOUT, "any", 1)[0].name for seed in range(30)
    }
    assert drawn == {"checkout-1", "checkout-2", "checkout-3"}


def test_an_unknown_workload_is_refused_with_those_there_are(the_drill: Drill) -> None:
    with pytest.raises(RefusedError, match="got 'orders', expected one of: checkout"):
        targets(the_drill).workload("orders")


def test_the_primary_is_who_says_so(the_drill: Drill, monkeypatch: pytest.MonkeyPatch) -> None:
    made = with_database(the_drill)
    servers(monkeypatch, "orders-2")
    (chosen,) = targets(made).pods(ORDERS, "primary", 1)
    assert chosen.name == "orders-2"
    replicas = targets(made).pods(ORDERS, "replica", 2)
    assert {pod.name for pod in replicas} == {"orders-1", "orders-3"}


@pytest.mark.parametrize("primaries", [(), ("orders-1", "orders-2")])
def test_no_primary_and_two_are_refused(
    the_drill: Drill, monkeypatch: pytest.MonkeyPatch, primaries: tuple[str, ...]
) -> None:
    servers(monkeypatch, *primaries)
    with pytest.raises(RefusedError, match="expected exactly one"):
        targets(with_database(the_drill)).pods(ORDERS, "primary", 1)


def shards(monkeypatch: pytest.MonkeyPatch, *masters: str) -> None:
    found = tuple(
        Shard(slots=f"{number}-{number}", master=(address, 6379), epoch="1", replicas=())
        for number, address in enumerate(masters)
    )
    monkeypatch.setattr(roles, "redis_shards", lambda *_: found)


def test_masters_by_the_clusters_own_word(
    the_drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = with_database(the_drill)
    by_name = {pod.name: pod for pod in made.injector.cluster.pods("data", "app=carts")}
    shards(monkeypatch, by_name["carts-2"].address, by_name["carts-3"].address)
    both = targets(made).pods(CARTS, "master", 2)
    assert {pod.name for pod in both} == {"carts-2", "carts-3"}
    assert targets(made).pods(CARTS, "master:1", 1)[0].name == "carts-3"
    assert targets(made).pods(CARTS, "replica", 1)[0].name == "carts-1"
    with pytest.raises(RefusedError, match="shard: got '2', expected 0 to 1"):
        targets(made).pods(CARTS, "master:2", 1)


def test_a_master_that_is_no_pod_and_no_master_are_refused(
    the_drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = with_database(the_drill)
    for masters in ((), ("192.0.2.1",)):
        shards(monkeypatch, *masters)
        with pytest.raises(RefusedError, match="none of its running pods"):
            targets(made).pods(CARTS, "master", 1)


def test_a_role_that_the_workload_has_not_is_refused(the_drill: Drill) -> None:
    for role in ("primary", "master", "replica"):
        with pytest.raises(RefusedError, match="is no"):
            targets(the_drill).pods(CHECKOUT, role, 1)


def test_pods_by_name(the_drill: Drill) -> None:
    chosen = targets(the_drill).pods(CHECKOUT, "checkout-3, checkout-1", 2)
    assert [pod.name for pod in chosen] == ["checkout-3", "checkout-1"]
    with pytest.raises(RefusedError, match="checkout-9 is none of its running pods"):
        targets(the_drill).pods(CHECKOUT, "checkout-9", 1)
    with pytest.raises(RefusedError, match="got 2, expected exactly 1"):
        targets(the_drill).pods(CHECKOUT, "checkout-1,checkout-2", 1)


def test_nodes_of_pods_any_worker_and_by_name(the_drill: Drill) -> None:
    assert targets(the_drill).nodes("checkout", "checkout-2", 1)[0].name == "worker-2"
    assert targets(the_drill).nodes("", "worker-3", 1)[0].name == "worker-3"
    assert targets(the_drill).nodes("", "any", 1)[0].name in {"worker-1", "worker-2", "worker-3"}
    with pytest.raises(RefusedError, match="'worker-9': not known"):
        targets(the_drill).nodes("", "worker-9", 1)


def test_two_pods_on_one_node_are_not_two_nodes(the_drill: Drill) -> None:
    the_drill.api.put("pods", running("shop", "checkout-4", "worker-1", app="checkout"))
    with pytest.raises(RefusedError, match="nodes of the pods: got 1, expected exactly 2"):
        targets(the_drill).nodes("checkout", "checkout-1,checkout-4", 2)


def test_zones(the_drill: Drill) -> None:
    zone, nodes = targets(the_drill).zone("any")
    assert (zone, len(nodes)) == ("zone-1", 3)
    with pytest.raises(RefusedError, match="zone 'zone-9': has no node"):
        targets(the_drill).zone("zone-9")


def test_a_cluster_without_zones_has_none_to_draw(tmp_path_factory: pytest.TempPathFactory) -> None:
    made = drill(tmp_path_factory.mktemp("drill"))
    for node in ("worker-1", "worker-2", "worker-3"):
        made.api.get("nodes", node)["metadata"]["labels"] = {}
    with pytest.raises(RefusedError, match="zones: 1 asked for of 0"):
        targets(made).zone("any")
