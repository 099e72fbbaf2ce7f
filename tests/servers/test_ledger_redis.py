"""The ledger on real Redis servers and clusters: what was acknowledged is there, shard by shard."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from harness.drivers import process
from harness.drivers import redis as driver
from harness.drivers.bounded_redis import BoundedRedis, ErrorReply, Reply, Word
from harness.drivers.clock import HostClock, boot_id, wait_until
from harness.drivers.loopback import ADDRESS, free_ports
from harness.drivers.redis_slots import slot_of
from harness.errors import SurroundingsError
from harness.faults.places import Place, Places
from harness.ledger import redis
from harness.ledger.append import JournalAppender
from harness.ledger.classify import BeforeFault, OpClass, classify
from harness.ledger.journal import Flag, Header, Journal, Type, read_journals
from harness.ledger.rows import read_rows
from harness.model.history import Outcome
from harness.ports import RedisEndpoint
from harness.practice.black_hole import BlackHole

NEVER = BeforeFault(until_ns=2**62)

Cluster = list[driver.Server]


@pytest.fixture
def server(place: Place) -> Iterator[driver.Server]:
    """One server that is no cluster."""
    (port,) = free_ports(1)
    started = driver.start_server(place.directory / "redis", port)
    driver.await_ready(started)
    yield started
    driver.kill_server(started)


@pytest.fixture(scope="module")
def cluster(places: Places) -> Iterator[Cluster]:
    """Three masters without replicas."""
    with places.borrowed("cluster") as borrowed:
        nodes = [
            driver.start_server(borrowed.directory / str(port), port, cluster=True)
            for port in free_ports(3)
        ]
        for node in nodes:
            driver.await_ready(node)
        addresses = [node.address for node in nodes]
        driver.create_cluster(addresses, replicas=0, directory=borrowed.directory)
        driver.wait_cluster_ok(addresses)
        yield nodes
        for node in nodes:
            driver.kill_server(node)


def of(*servers: driver.Server, cluster: bool) -> RedisEndpoint:
    """The endpoint of some masters."""
    return RedisEndpoint(nodes=tuple(one.address for one in servers), cluster=cluster)


def appender(directory: Path, client: int = 1) -> JournalAppender:
    """A journal of one client."""
    return JournalAppender(
        directory,
        Header(
            subject="sessions",
            client=client,
            seed=7,
            boot_id=boot_id(),
            started=datetime.now(UTC),
            server="test",
            durability="test",
        ),
    )


def written(endpoint: RedisEndpoint, directory: Path, count: int) -> Journal:
    """The journal of so many writes, all of them acknowledged."""
    journal = appender(directory)
    writer = redis.RedisWriter(endpoint, journal)
    assert [writer.write_once() for _ in range(count)] == [Outcome.OK] * count
    writer.close()
    journal.close()
    read = read_journals(directory)
    assert read.damage == ()
    return read


def test_an_empty_server_has_no_row(server: driver.Server, place: Place) -> None:
    """A server without a key of the ledger gives no rows."""
    file = place.directory / "rows.npy"
    assert redis.read_back(of(server, cluster=False), file).rows == 0
    assert len(read_rows(file)) == 0


def test_planted_keys_are_found(server: driver.Server, place: Place) -> None:
    """A deleted, an altered and a foreign key are found, and only these; others' keys are not."""
    endpoint = of(server, cluster=False)
    journal = written(endpoint, place.directory, 20)
    with driver.client(server.address) as connected:
        connected.delete("ledger:1:3")
        connected.set("ledger:1:7", "1:1")
        connected.set("ledger:1:9", "nonsense")
        connected.set("ledger:2:1", "1:1")
        connected.set("ledger:nonsense", "1")
        connected.set("harness_probe:1:1", "1")
    file = place.directory / "rows.npy"
    assert redis.read_back(endpoint, file).rows == 21
    found = classify(journal, read_rows(file), NEVER)
    assert journal.seq[found.classes == OpClass.LOST].tolist() == [3]
    assert journal.seq[found.classes == OpClass.CORRUPT].tolist() == [7, 9]
    assert found.count(OpClass.SURVIVED) == 17
    assert len(found.unexpected) == 2


def test_a_replica_is_not_read(place: Place, server: driver.Server) -> None:
    """A server that is no master is refused: what it holds is not what a client gets."""
    with driver.client(server.address) as connected:
        connected.replicaof(ADDRESS, "1")
    with pytest.raises(SurroundingsError, match="expected master"):
        redis.read_back(of(server, cluster=False), place.directory / "rows.npy")
    journal = appender(place.directory)
    writer = redis.RedisWriter(of(server, cluster=False), journal)
    assert writer.write_once() is Outcome.FAIL
    writer.close()
    journal.close()


def test_outcomes_of_a_server_that_fails(place: Place, server: driver.Server) -> None:
    """Refused is FAIL; no answer is INDETERMINATE; nothing is retried."""
    journal = appender(place.directory)
    with BlackHole(server.address) as relay:
        endpoint = RedisEndpoint(nodes=(relay.address,), cluster=False)
        writer = redis.RedisWriter(endpoint, journal, timeout_s=0.5)
        assert writer.write_once() is Outcome.OK
        with driver.client(server.address) as connected:
            connected.config_set("min-replicas-to-write", 1)
            assert writer.write_once() is Outcome.FAIL
            connected.config_set("min-replicas-to-write", 0)
        relay.stop_after(b"EVAL")
        assert writer.write_once() is Outcome.INDETERMINATE
        relay.let_through()
        assert writer.write_once() is Outcome.OK
        driver.kill_server(server)
        assert writer.write_once() in (Outcome.INDETERMINATE, Outcome.FAIL)
        writer.close()
    direct = redis.RedisWriter(of(server, cluster=False), journal)
    assert direct.write_once() is Outcome.FAIL
    journal.close()
    read = read_journals(place.directory)
    assert read.outcome[:4].tolist() == [Type.OK, Type.FAIL, Type.INDETERMINATE, Type.OK]
    assert read.seq.tolist() == [1, 2, 3, 4, 5, 6]


def test_wait_without_a_replica_is_flagged(place: Place, server: driver.Server) -> None:
    """A write that reached fewer replicas than asked was acknowledged, and is flagged."""
    journal = appender(place.directory)
    writer = redis.RedisWriter(of(server, cluster=False), journal, wait_replicas=1, wait_ms=10)
    assert writer.write_once() is Outcome.OK
    writer.close()
    journal.close()
    assert read_journals(place.directory).flags.tolist() == [Flag.UNREPLICATED]


def test_a_cluster_is_written_and_read_shard_by_shard(cluster: Cluster, place: Place) -> None:
    """Keys spread over all shards, each journaled with its shard, and all are read back."""
    endpoint = of(*cluster, cluster=True)
    journal = written(endpoint, place.directory, 100)
    assert set(journal.log) == {0, 1, 2}
    assert (np.diff(journal.server_us) >= 0).all()
    file = place.directory / "rows.npy"
    found = redis.read_back(endpoint, file)
    assert found.rows == 100
    rows = read_rows(file)
    rows = rows[np.argsort(rows["seq"])]
    assert rows["log"].tolist() == journal.log.tolist()
    assert classify(journal, rows, NEVER).count(OpClass.SURVIVED) == 100
    for node in cluster:
        tell(node, ("FLUSHALL",))


def tell(node: driver.Server, *commands: Sequence[Word]) -> list[Reply]:
    """The replies of one node to some commands on one connection; an error is raised."""
    deadline_ns = HostClock().monotonic_ns() + 5_000_000_000
    session = BoundedRedis.connect(node.address, deadline_ns=deadline_ns)
    try:
        replies = session.exchange(commands, deadline_ns=deadline_ns)
    finally:
        session.close()
    for reply in replies:
        if isinstance(reply, ErrorReply):
            raise reply
    return replies


def owner_first(cluster: Cluster, slot: int) -> Cluster:
    """The nodes, the one that serves the slot first."""
    with driver.client(cluster[0].address) as connected:
        owner = next(
            node
            for node in driver.read_nodes(connected)
            if any(first <= slot <= last for first, last in node.slots)
        )
    return sorted(cluster, key=lambda node: node.port != owner.port)


def give_slot(cluster: Cluster, slot: int, to: driver.Server) -> None:
    """Every node learns that `to` serves the slot."""
    (node_id,) = tell(to, ("CLUSTER", "MYID"))
    assert isinstance(node_id, bytes)
    for node in sorted(cluster, key=lambda one: one.port != to.port):
        tell(node, ("CLUSTER", "SETSLOT", slot, "NODE", node_id))


def test_a_redirection_is_booked_and_followed(cluster: Cluster, place: Place) -> None:
    """After a slot has moved, one write to it fails, and the writer knows the new owner."""
    journal = appender(place.directory)
    writer = redis.RedisWriter(of(*cluster, cluster=True), journal)
    assert writer.write_once() is Outcome.OK
    slot = slot_of("ledger:1:2")
    owner, other, _ = owner_first(cluster, slot)
    give_slot(cluster, slot, other)
    assert writer.write_once() is Outcome.FAIL
    assert writer.write_once() is Outcome.OK
    give_slot(cluster, slot, owner)
    writer.close()
    journal.close()
    driver.wait_cluster_ok([node.address for node in cluster])
    for node in cluster:
        tell(node, ("FLUSHALL",))


def test_keys_on_the_wrong_shard_are_lost(cluster: Cluster, place: Place) -> None:
    """A key on a node that does not serve its slot is no row: no client can read it."""
    endpoint = of(*cluster, cluster=True)
    journal = written(endpoint, place.directory, 30)
    key = "ledger:1:12"
    slot = slot_of(key)
    owner, other, _ = owner_first(cluster, slot)
    value, _ = tell(owner, ("GET", key), ("DEL", key))
    (owner_id,) = tell(owner, ("CLUSTER", "MYID"))
    assert isinstance(value, bytes)
    assert isinstance(owner_id, bytes)
    tell(
        other,
        ("CLUSTER", "SETSLOT", slot, "IMPORTING", owner_id),
        ("ASKING",),
        ("SET", key, value),
        ("CLUSTER", "SETSLOT", slot, "STABLE"),
    )
    file = place.directory / "rows.npy"
    read = redis.read_back(endpoint, file)
    assert "1 keys on nodes that do not serve their slots" in read.server
    found = classify(journal, read_rows(file), NEVER)
    assert journal.seq[found.classes == OpClass.LOST].tolist() == [12]
    for node in cluster:
        tell(node, ("FLUSHALL",))


def test_the_continuous_writer(cluster: Cluster, place: Place) -> None:
    """The writer process keeps a ledger on all shards, ends in order, and all of it is there."""
    config = place.directory / "ledger.json"
    journals = place.directory / "journals"
    endpoint = of(*cluster, cluster=True)
    config.write_text(
        json.dumps(
            {
                "subject": "sessions",
                "directory": str(journals),
                "endpoint": {"type": "redis", "nodes": endpoint.nodes, "cluster": True},
                "rate_per_s": 200,
                "clients": 2,
                "first_client": 5,
            }
        )
    )
    child = process.start(
        [sys.executable, "-m", "harness.ledger", "--config", config],
        directory=place.directory,
        environment={"PYTHONPATH": str(Path(__file__).parents[2])},
        log=place.directory / "log",
    )
    wait_until(
        lambda: journals.is_dir() and (read_journals(journals).outcome == Type.OK).sum() >= 50,
        within_s=20,
        what="fifty acknowledged writes",
    )
    child.send_signal(signal.SIGTERM)
    assert child.wait(20) == 0, (place.directory / "log").read_text()
    read = read_journals(journals)
    assert read.damage == ()
    assert set(read.client) == {5, 6}
    file = place.directory / "rows.npy"
    redis.read_back(endpoint, file)
    found = classify(read, read_rows(file), NEVER)
    assert found.count(OpClass.SURVIVED) == len(read)
    assert len(found.unexpected) == 0
