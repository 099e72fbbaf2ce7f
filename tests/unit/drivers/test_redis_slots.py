"""The slot map of a cluster: shards keep their numbers, and a silent node delays only once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.drivers import redis_slots
from harness.drivers.bounded_redis import ConnectionLostError, ErrorReply, NotConnectedError
from harness.drivers.clock import HostClock
from harness.drivers.redis import Access
from harness.drivers.redis_slots import Address, Routes, SlotMap, slot_of
from harness.errors import DeadlineExceededError, SurroundingsError
from harness.ports import RedisEndpoint

A, B, C, R = ("a", 1), ("b", 1), ("c", 1), ("r", 1)
SEED = ("seed", 1)
SEEDED = RedisEndpoint(nodes=(), cluster=True, seeds=(SEED,))
WHOLE = SlotMap([(0, 99, A), (100, 16_383, B)], [R])


def by_and_by() -> int:
    return HostClock().monotonic_ns() + 10**10


def test_a_map_of_nothing_has_no_owner() -> None:
    """Where no slot is served, nobody owns one."""
    empty = SlotMap.parse([], A)
    assert empty.owner(5) == (0, None)
    assert empty.masters == ()
    assert empty.shards == ()


def test_a_map_is_read_from_the_answer() -> None:
    """Ranges, masters and replicas; a node that does not know its address is the one asked."""
    found = SlotMap.parse(
        [
            [100, 16_383, [b"b", 1, b"id"], [b"r", 1, b"id"]],
            [0, 99, [b"", 7, b"id"]],
        ],
        A,
    )
    assert found.masters == (("a", 7), B)
    assert found.shards == ((0, 99), (100, 16_383))
    assert found.nodes == (("a", 7), B, R)
    assert found.owner(99) == (0, ("a", 7))
    assert found.owner(100) == (1, B)


@pytest.mark.parametrize("reply", [ErrorReply("ERR This instance has cluster support disabled")])
def test_an_error_is_no_map(reply: ErrorReply) -> None:
    """A server that is no cluster, and an answer that is none, are said so."""
    with pytest.raises(ConnectionLostError, match="cluster support disabled"):
        SlotMap.parse(reply, A)
    with pytest.raises(ConnectionLostError, match="CLUSTER SLOTS"):
        SlotMap.parse([b"nonsense"], A)


@given(st.permutations([(0, 9, A), (10, 19, B), (20, 29, A), (30, 39, C)]))
def test_the_order_of_ranges_does_not_matter(ranges: list[tuple[int, int, Address]]) -> None:
    """Shards are numbered by their lowest slot, in whatever order they come."""
    found = SlotMap(ranges)
    assert found.shards == ((0, 9), (10, 19), (30, 39))
    assert [found.owner(slot)[0] for slot in (5, 15, 25, 35)] == [0, 1, 0, 2]


def test_a_failover_keeps_the_number() -> None:
    """The shard of a slot has the same number under another master."""
    after = SlotMap([(0, 99, R), (100, 16_383, B)])
    for slot in (0, 99, 100, slot_of("ledger:1:1")):
        assert after.owner(slot)[0] == WHOLE.owner(slot)[0]


class Nodes:
    """What each node answers; asked in the order of `asked`."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, **answers: SlotMap | SurroundingsError
    ) -> None:
        self.answers = answers
        self.asked: list[str] = []
        monkeypatch.setattr(redis_slots, "_ask", self._ask)

    def _ask(self, address: Address, access: Access, deadline_ns: int) -> SlotMap:
        self.asked.append(address[0])
        answer = self.answers[address[0]]
        if isinstance(answer, SurroundingsError):
            raise answer
        return answer


def test_a_map_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A map is kept until it is forgotten; then the node that answered is asked first."""
    nodes = Nodes(monkeypatch, seed=WHOLE)
    routes = Routes(SEEDED)
    assert routes.slots(deadline_ns=by_and_by()) is routes.slots(deadline_ns=by_and_by())
    assert nodes.asked == ["seed"]
    routes.forget()
    routes.slots(deadline_ns=by_and_by())
    assert nodes.asked == ["seed", "seed"]


def test_nodes_that_were_known_stand_in_for_a_silent_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A seed that falls silent costs its share of the time once; the next time it comes last."""
    nodes = Nodes(monkeypatch, seed=WHOLE, a=WHOLE, b=WHOLE, r=WHOLE)
    routes = Routes(SEEDED)
    routes.slots(deadline_ns=by_and_by())
    nodes.answers["seed"] = DeadlineExceededError("no answer in time")
    for _ in range(2):
        routes.forget()
        routes.slots(deadline_ns=by_and_by())
    assert nodes.asked == ["seed", "seed", "a", "a"]


def test_the_seed_stands_in_for_nodes_with_new_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all known nodes are gone, the address that lasts is still asked."""
    gone = NotConnectedError("refused")
    nodes = Nodes(monkeypatch, seed=WHOLE, a=gone, b=gone, r=gone)
    routes = Routes(SEEDED)
    routes.slots(deadline_ns=by_and_by())
    nodes.answers["seed"] = gone
    routes.forget()
    with pytest.raises(NotConnectedError):
        routes.slots(deadline_ns=by_and_by())
    nodes.answers["seed"] = SlotMap([(0, 16_383, C)])
    assert routes.slots(deadline_ns=by_and_by()).masters == (C,)


def test_a_server_that_is_no_cluster_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A single server has all slots, whatever it would answer."""
    nodes = Nodes(monkeypatch)
    routes = Routes(RedisEndpoint(nodes=(A,), cluster=False))
    assert routes.slots(deadline_ns=by_and_by()).owner(16_383) == (0, A)
    assert nodes.asked == []
