"""Who has which role in a Redis cluster, of what a node says of it."""

from __future__ import annotations

import pytest

from harness.drivers.roles import Shard, shards_of, the_primary
from harness.errors import SurroundingsError
from harness.model.workload import PostgresqlWorkload

# CLUSTER NODES of Redis 7: a healthy shard, a failed master that was replaced, a lost replica.
NODES = b"""\
aaa 10.0.0.1:6379@16379,worker-1 myself,master - 0 1 7 connected 0-5460 [93->-bbb]
bbb 10.0.0.2:6379@16379,worker-2 slave aaa 0 1 7 connected
ccc 10.0.0.3:6379@16379,worker-3 master,fail - 0 1 2 disconnected
ddd 10.0.0.4:6379@16379,worker-1 master - 0 1 9 connected 10923-16383 5461
eee 10.0.0.5:6379@16379,worker-2 slave,fail ddd 0 1 9 disconnected
"""


def test_no_node_is_no_shard() -> None:
    assert shards_of(b"") == ()


def test_shards_by_their_lowest_slot_with_the_replicas_that_are_there() -> None:
    """A master without slots is none, a replica that failed is no redundancy."""
    assert shards_of(NODES) == (
        Shard(
            slots="0-5460",
            master=("10.0.0.1", 6379),
            epoch="7",
            replicas=(("10.0.0.2", 6379),),
        ),
        Shard(slots="10923-16383,5461-5461", master=("10.0.0.4", 6379), epoch="9", replicas=()),
    )


def test_an_error_is_no_answer() -> None:
    with pytest.raises(SurroundingsError, match="CLUSTER NODES"):
        shards_of(None)


def test_no_primary_is_said_and_not_guessed() -> None:
    workload = PostgresqlWorkload(id="orders", namespace="n", pods="app=x", service="s")
    with pytest.raises(SurroundingsError, match="orders: got as primary none, expected exactly"):
        the_primary(workload, ())
