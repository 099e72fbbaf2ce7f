"""What data stores say, as facts: nothing is made up where they say nothing."""

from __future__ import annotations

from harness.conformance.engines import ask, postgresql_facts, redis_facts, together
from harness.drivers.bounded_redis import ErrorReply, Reply
from harness.model.workload import HttpWorkload, PostgresqlWorkload, RedisWorkload

PRIMARY = ("f", "2", "1", "on", "15.14")
REPLICA = ("t", "0", "0", "on", "15.13")


def replies(**changed: str) -> list[Reply]:
    """Of a node of a cluster, with both kinds of persistence."""
    said = {
        "redis_version": "7.0.15",
        "redis_mode": "cluster",
        "role": "master",
        "connected_slaves": "1",
        "aof_enabled": "1",
        "cluster_state": "ok",
        "cluster_size": "3",
        "cluster_known_nodes": "6",
        **changed,
    }
    text = "# Server\r\n" + "".join(f"{name}:{value}\r\n" for name, value in said.items())
    return [text.encode(), b"", b"", b"", [b"save", b"3600 1"]]


def test_replicas_are_counted_where_the_primary_says_so() -> None:
    """The version is the primary's; members are those that answered."""
    version, facts = postgresql_facts([REPLICA, PRIMARY])
    assert version == "15.14"
    assert (facts["members"], facts["primaries"], facts["replicas"]) == ("2", "1", "2")
    assert facts["synchronous_replicas"] == "1"


def test_without_its_primary_there_are_no_replicas() -> None:
    """What a replica says of its own replicas is another matter."""
    version, facts = postgresql_facts([REPLICA])
    assert (version, facts["primaries"], facts["replicas"]) == ("15.13", "0", "0")


def test_a_node_says_what_it_is() -> None:
    """By INFO, CLUSTER INFO and CONFIG GET save."""
    version, facts = redis_facts(replies())
    assert version == "7.0.15"
    assert (facts["cluster_enabled"], facts["cluster_size"], facts["save"]) == ("1", "3", "3600 1")


def test_what_a_node_does_not_tell_is_missing() -> None:
    """CONFIG is forbidden, CLUSTER is off: neither is taken for a value."""
    refused = ErrorReply("NOPERM this user has no permissions")
    version, facts = redis_facts([b"redis_mode:standalone\r\n", refused, refused, refused, refused])
    assert version is None
    assert facts == {"redis_mode": "standalone", "cluster_enabled": "0"}


def test_the_weakest_node_counts() -> None:
    """The lowest version, persistence only where all have it, a state that is not ok."""
    nodes = [
        redis_facts(replies()),
        redis_facts(
            replies(redis_version="7.0.9", role="slave", aof_enabled="0", cluster_state="fail")
        ),
    ]
    version, facts = together(nodes, nodes=3)
    assert version == "7.0.9"
    assert (facts["masters"], facts["slaves"]) == ("1", "1")
    assert (facts["nodes"], facts["answered"]) == ("3", "2")
    assert (facts["aof_enabled"], facts["cluster_state"]) == ("0", "fail")


def test_persistence_that_one_node_does_not_tell_is_not_known() -> None:
    """The others' says nothing of it; where one saves nothing, the cluster saves nothing."""
    silent = redis_facts([*replies()[:4], ErrorReply("NOPERM")])
    _, facts = together([redis_facts(replies()), silent], nodes=2)
    assert "save" not in facts
    _, facts = together(
        [redis_facts(replies()), redis_facts([*replies()[:4], [b"", b""]])], nodes=2
    )
    assert facts["save"] == ""


def test_a_store_without_pods_says_so() -> None:
    """And a service is no store."""
    for workload in (
        PostgresqlWorkload(id="orders", namespace="n", pods="app=p", service="p"),
        RedisWorkload(id="carts", namespace="n", pods="app=r", service="r"),
    ):
        said = ask(workload, [])
        assert said is not None
        assert said.version is None
        assert "none of 0" in said.detail
    service = HttpWorkload(id="checkout", namespace="n", pods="app=c", service="c")
    assert ask(service, []) is None
