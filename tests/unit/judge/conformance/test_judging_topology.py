"""Masters, workers of each zone, and the zones that data stores are in."""

from __future__ import annotations

from typing import Any

from conformances import judged, node, running
from hypothesis import given
from hypothesis import strategies as st

from harness.model.configuration import ControlPlane, WorkersPerZone, ZoneSpread
from harness.model.target import Kind
from harness.model.verdict import Verdict
from harness.model.workload import RedisWorkload

MASTERS = ControlPlane(masters=3)
WORKERS = WorkersPerZone(at_least=2)
SPREAD = ZoneSpread(zones=2)
CARTS = RedisWorkload(id="carts", namespace="data", pods="app=carts", service="carts")
COVERED: dict[str, Any] = {"covers": (Kind.REDIS,), "workloads": (CARTS,)}


def masters(count: int, *, ready: bool = True) -> list[dict[str, Any]]:
    return [node(f"m{number}", None, master=True, ready=ready) for number in range(count)]


def workers(*zones: str) -> list[dict[str, Any]]:
    return [node(f"w{number}", zone) for number, zone in enumerate(zones)]


def test_no_master_among_the_nodes_is_a_managed_cluster() -> None:
    assert judged(MASTERS, {"Node": workers("a")}).verdict is Verdict.INCONCLUSIVE
    assert judged(MASTERS, hidden=["Node"]).verdict is Verdict.INCONCLUSIVE


def test_as_many_masters_as_documented_all_of_them_ready() -> None:
    assert judged(MASTERS, {"Node": masters(3)}).verdict is Verdict.PASS
    assert judged(MASTERS, {"Node": masters(2)}).verdict is Verdict.FAIL
    one_down = [*masters(2), node("m9", None, master=True, ready=False)]
    found = judged(MASTERS, {"Node": one_down})
    assert found.verdict is Verdict.FAIL
    assert found.detail == ("node m9 is not ready",)


def test_each_zone_has_its_workers() -> None:
    assert judged(WORKERS).verdict is Verdict.INCONCLUSIVE
    assert judged(WORKERS, {"Node": workers("a", "a", "b", "b")}).verdict is Verdict.PASS
    found = judged(WORKERS, {"Node": workers("a", "a", "b")})
    assert found.verdict is Verdict.FAIL
    assert "zone b: 1 of 1 workers are ready" in found.headline


def test_a_zone_of_masters_alone_has_too_few() -> None:
    nodes = [*workers("a", "a"), node("m", "b", master=True)]
    assert judged(WORKERS, {"Node": nodes}).verdict is Verdict.FAIL


def test_nodes_without_zones_are_in_none() -> None:
    assert judged(WORKERS, {"Node": [node("w", None)]}).verdict is Verdict.INCONCLUSIVE


@given(counts=st.lists(st.integers(min_value=1, max_value=4), min_size=1, max_size=4))
def test_one_worker_more_never_makes_it_worse(counts: list[int]) -> None:
    zones = [f"z{index}" for index, count in enumerate(counts) for _ in range(count)]
    before = judged(WORKERS, {"Node": workers(*zones)}).verdict
    after = judged(WORKERS, {"Node": workers(*zones, "z0")}).verdict
    assert not (before is Verdict.PASS and after is not Verdict.PASS)


def test_a_data_store_is_in_several_zones() -> None:
    nodes = {"Node": [node("w1", "a"), node("w2", "b")]}

    def pods(*where: str, ready: bool = True) -> dict[str, Any]:
        return {
            **nodes,
            "Pod": [
                running(f"carts-{name}", namespace="data", app="carts", node=name, ready=ready)
                for name in where
            ],
        }

    assert judged(SPREAD, pods("w1", "w2"), **COVERED).verdict is Verdict.PASS
    assert judged(SPREAD, pods("w1"), **COVERED).verdict is Verdict.FAIL
    assert judged(SPREAD, pods("w1", "w2", ready=False), **COVERED).verdict is Verdict.FAIL
    assert judged(SPREAD, pods("w1"), hidden=["Pod"], **COVERED).verdict is Verdict.INCONCLUSIVE


def test_without_a_data_store_nothing_is_spread() -> None:
    assert judged(SPREAD, covers=(Kind.REDIS,)).verdict is Verdict.INCONCLUSIVE
