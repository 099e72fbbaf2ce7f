"""Ways in of a real Redis cluster: each shard by itself, failovers, ledgers, and subscribers."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from harness.drivers import redis as driver
from harness.drivers.clock import HostClock, wait_until
from harness.drivers.loopback import free_ports
from harness.drivers.redis_slots import Routes
from harness.errors import DeadlineExceededError, SurroundingsError
from harness.faults.places import Place, Places
from harness.ledger import redis
from harness.ledger.classify import BeforeFault, OpClass, classify
from harness.ledger.game_day import GameDayLedgers, drop_left_over, ledgers_for
from harness.ledger.journal import read_journals
from harness.ledger.rows import read_rows
from harness.model.game_day import Way
from harness.model.history import Outcome, ProbesRecorded, SubscriptionsRecorded
from harness.model.subscription import (
    Published,
    Received,
    Subscribed,
    SubscriptionEvent,
    Unsubscribed,
)
from harness.model.workload import BrokerWorkload, RedisWorkload
from harness.ports import RedisEndpoint, WayNow
from harness.practice.black_hole import BlackHole
from harness.practice.redis import PracticeRedis
from harness.probes.config import RedisShardWrite
from harness.probes.main import probe_of
from harness.probes.of_workloads import (
    Resolved,
    ResolvedAddress,
    ResolvedRedis,
    Schedule,
    probes_for,
    subscriptions_for,
)
from harness.probes.open_loop import Probe
from harness.probes.prober import SubscriptionsProcess
from harness.probes.ways_in import ProbedWaysIn

SECOND = 1_000_000_000
CLOCK = HostClock()

CARTS = RedisWorkload(id="carts", namespace="n", pods="app=redis", service="redis")
EVENTS = BrokerWorkload(id="events", namespace="n", pods="app=broker", service="broker")


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children find the package from wherever they work."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


@pytest.fixture(scope="module")
def cluster(places: Places) -> Iterator[PracticeRedis]:
    """Three masters with a replica each."""
    with places.borrowed("shards") as borrowed:
        found = PracticeRedis(home=borrowed.directory, ports=free_ports(6))
        found.start()
        driver.create_cluster(found.nodes, replicas=1, directory=borrowed.directory)
        driver.wait_cluster_ok(found.nodes)
        driver.wait_replicas(found.masters, each=1)
        wait_until(
            lambda: list(roles(found).values()).count(False) == 3,
            within_s=20,
            what="three replicas in the first node's view",
        )
        yield found
        found.kill()


def seeded(cluster: PracticeRedis) -> RedisEndpoint:
    """By one address, as by a Service: any of its nodes."""
    return RedisEndpoint(nodes=(), cluster=True, seeds=(cluster.nodes[-1],))


def resolved(cluster: PracticeRedis) -> Resolved:
    endpoint = seeded(cluster)
    shards = Routes(endpoint).slots(deadline_ns=CLOCK.monotonic_ns() + 5 * SECOND).shards
    return Resolved(
        redis={CARTS.id: ResolvedRedis(endpoint=endpoint, access=driver.OPEN, shards=shards)},
        services={EVENTS.id: ResolvedAddress(address=cluster.nodes[-1], host="broker")},
    )


def ask(probe: Probe, slot: int = 0) -> tuple[Outcome, str]:
    return probe(slot, CLOCK.monotonic_ns() + 5 * SECOND)


def roles(cluster: PracticeRedis) -> dict[tuple[str, int], bool]:
    """Address -> whether it is a master."""
    with driver.client(cluster.nodes[0]) as node:
        return {(one.host, one.port): one.is_master for one in driver.read_nodes(node)}


def fail_over(cluster: PracticeRedis, slot: int) -> None:
    """The replica of the shard of a slot takes it over; returns when all nodes know."""
    with driver.client(cluster.nodes[0]) as node:
        nodes = driver.read_nodes(node)
    master = next(one for one in nodes if any(a <= slot <= b for a, b in one.slots))
    replica = next(one for one in nodes if one.master_id == master.id)

    def known() -> bool:
        for address in cluster.nodes:
            with driver.client(address) as node:
                seen = {one.id: one for one in driver.read_nodes(node)}
            if not (seen[replica.id].slots and seen[master.id].master_id == replica.id):
                return False
        return True

    def tried() -> bool:
        # Masters do not vote twice within two node timeouts; the replica gives up after 5 s.
        with driver.client((replica.host, replica.port)) as node:
            driver.ask(node, "CLUSTER", "FAILOVER")
        with contextlib.suppress(DeadlineExceededError):
            return wait_until(known, within_s=6, what="a failover")
        return False

    wait_until(tried, within_s=20, what="a failover")


def shard(endpoint: RedisEndpoint, number: int = 0) -> RedisShardWrite:
    first = (0, 5461, 10923)[number]
    return RedisShardWrite(endpoint=endpoint, first_slot=first, last_slot=first + 5000)


def test_each_shard_is_asked_by_itself(cluster: PracticeRedis) -> None:
    """Every shard is right, with three keys at once, and nothing is left behind."""
    for number in range(3):
        probe = probe_of(shard(seeded(cluster), number))
        assert [ask(probe, slot) for slot in range(3)] == [(Outcome.OK, "")] * 3
    for address in cluster.masters:
        with driver.client(address) as node:
            assert node.dbsize() == 0


def test_a_failover_is_followed_within_one_probe(cluster: PracticeRedis) -> None:
    """A probe whose map is stale asks the new master, and is right."""
    probe = probe_of(shard(seeded(cluster)))
    assert ask(probe) == (Outcome.OK, "")
    fail_over(cluster, 0)
    assert ask(probe) == (Outcome.OK, "")
    fail_over(cluster, 0)
    assert ask(probe) == (Outcome.OK, "")


def test_a_replica_is_not_right(cluster: PracticeRedis) -> None:
    """A replica that is taken for the master of its shard answers, and is wrong."""
    masters = roles(cluster)
    replica = next(address for address, master in masters.items() if not master)
    probe = probe_of(shard(RedisEndpoint(nodes=(replica,), cluster=False)))
    outcome, detail = ask(probe)
    assert outcome is Outcome.FAIL
    assert "expected master" in detail


def test_a_silent_master_is_indeterminate_at_the_deadline(place: Place) -> None:
    """A node that takes the connection and says nothing ends the probe at its deadline."""
    (port,) = free_ports(1)
    server = driver.start_server(place.directory / "redis", port)
    driver.await_ready(server)
    with BlackHole(server.address) as relay:
        probe = probe_of(shard(RedisEndpoint(nodes=(relay.address,), cluster=False)))
        assert ask(probe)[0] is Outcome.OK
        relay.stop_after(b"ROLE")
        outcome, detail = probe(0, CLOCK.monotonic_ns() + SECOND // 2)
        assert (outcome, "no answer in time" in detail) == (Outcome.INDETERMINATE, True)
        relay.let_through()
    driver.kill_server(server)


def test_ledgers_go_on_through_a_failover(cluster: PracticeRedis, place: Place) -> None:
    """Two durability classes are written through a failover without a restart; all that was
    acknowledged is there; afterwards nothing of them is left, and another ledger is.
    """
    with driver.cluster_client(cluster.nodes[0]) as node:
        node.set("ledger:1:1", "1:1")
    kept = ledgers_for(
        (CARTS,), resolved(cluster), name="drill", directory=place.directory / "ledger"
    )
    ledgers = GameDayLedgers(kept, place.directory)
    try:
        held = ledgers.held()
        assert held["carts"].ledger == "drill_wait0"
        assert len(held["carts"].sentinels) == 3
        wait_until(lambda: not ledgers.unsteady(timedelta(seconds=20)), within_s=30, what="steady")
        before = [len(read_journals(one.writer.directory)) for one in kept]
        fail_over(cluster, 0)
        wait_until(
            lambda: all(
                len(read_journals(one.writer.directory)) > count + 40
                for one, count in zip(kept, before, strict=True)
            ),
            within_s=30,
            what="writes after the failover",
        )
        early = ledgers.read_back("t-1", early=True)
        assert all(one.error is None and one.rows > 0 and one.early for one in early)
        for pid in ledgers.pids:
            os.kill(pid, signal.SIGTERM)
        files = {one.writer.subject: one.writer for one in kept}
        final = ledgers.read_back("t-1", early=False)
    finally:
        copied = ledgers.stop()
    assert ledgers.left_behind == ()
    for read, copy in zip(final, copied, strict=True):
        assert read.subject == copy.subject
        journal = read_journals([place.directory / "ledger" / file for file in copy.files])
        rows = read_rows(place.directory / "ledger" / read.file)
        assert read.began_ns is not None
        scope = BeforeFault(until_ns=read.began_ns, read_ns=read.began_ns)
        found = classify(journal, rows, scope)
        assert found.count(OpClass.LOST) == 0
        assert len(found.unexpected) == 0
        durability = {header.durability for header in journal.headers}
        assert durability == {f"WAIT {files[read.subject].wait_replicas} 100 ms"}
        gone = redis.read_back(
            seeded(cluster), place.directory / "gone.npy", name=files[read.subject].name
        )
        assert gone.rows == 0
    assert redis.read_back(seeded(cluster), place.directory / "other.npy").rows == 1
    with driver.cluster_client(cluster.nodes[0]) as node:
        node.delete("ledger:1:1")


def test_ledgers_of_a_killed_harness_are_taken_away(cluster: PracticeRedis, place: Place) -> None:
    """What writers were told is enough to undo what they wrote; doing it again does no harm."""
    kept = ledgers_for(
        (CARTS,), resolved(cluster), name="killed", directory=place.directory / "ledger"
    )
    ledgers = GameDayLedgers(kept, place.directory)
    ledgers.held()
    for pid in ledgers.pids:
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(SurroundingsError, match="ended with exit code -9"):
        wait_until(
            lambda: ledgers.unsteady(timedelta(seconds=20)) is None,
            within_s=10,
            what="the dead writers are seen",
        )
    file = place.directory / "rows.npy"
    assert redis.read_back(seeded(cluster), file, name="killed_wait0").rows > 0
    for _ in range(2):
        assert drop_left_over(place.directory) == ()
    for name in ("killed_wait0", "killed_wait1"):
        assert redis.read_back(seeded(cluster), file, name=name).rows == 0
    assert drop_left_over(place.directory / "nowhere") == ()
    ledgers.stop()  # reaps what was killed


# -- subscribers ----------------------------------------------------------------------------------


def events(file: Path) -> list[SubscriptionEvent]:
    """What is on file, whole lines only."""
    lines = file.read_bytes().split(b"\n")[:-1] if file.exists() else []
    return [msgspec.json.decode(line, type=SubscriptionEvent) for line in lines]


def of(kind: type[msgspec.Struct], found: list[SubscriptionEvent], name: str) -> list[int]:
    """When a subscriber was (un)subscribed."""
    return [
        one.at_ns
        for one in found
        if isinstance(one, kind)
        and isinstance(one, (Subscribed, Unsubscribed))
        and one.subscriber == name
    ]


@pytest.fixture
def broker(place: Place) -> Iterator[list[driver.Server]]:
    """A cluster of three masters without replicas."""
    nodes = [
        driver.start_server(
            place.directory / str(port),
            port,
            cluster=True,
            options={"cluster-require-full-coverage": "no"},
        )
        for port in free_ports(3)
    ]
    for node in nodes:
        driver.await_ready(node)
    addresses = [node.address for node in nodes]
    driver.create_cluster(addresses, replicas=0, directory=place.directory)
    driver.wait_cluster_ok(addresses)
    yield nodes
    for node in nodes:
        driver.kill_server(node)


def test_a_subscriber_that_is_cut_off_subscribes_anew(
    broker: list[driver.Server], place: Place
) -> None:
    """Each subscriber hears all messages from a node of its own; the one whose node is killed says
    so, and subscribes at another; the others miss nothing.
    """
    schedule = Schedule(output=place.directory, trial="t-1", interval_ns=SECOND // 20)
    where = Resolved(services={EVENTS.id: ResolvedAddress(address=broker[0].address, host="b")})
    (config,) = subscriptions_for((EVENTS,), (Way.PUBSUB,), where, schedule, "drill")
    process = SubscriptionsProcess(config, place.directory)
    try:
        wait_until(lambda: all(map(is_right, process.now())), within_s=20, what="all hear")
        nodes = {one.node for one in events(config.output) if isinstance(one, Subscribed)}
        assert len(nodes) == 3
        driver.kill_server(broker[2])
        cut_off = next(
            one.subscriber
            for one in events(config.output)
            if isinstance(one, Subscribed) and one.node.endswith(f":{broker[2].port}")
        )
        wait_until(
            lambda: len(of(Subscribed, events(config.output), cut_off)) == 2,
            within_s=20,
            what="subscribed anew",
        )
        since_ns = CLOCK.monotonic_ns()
        wait_until(
            lambda: all((way.right_until_ns or 0) > since_ns for way in process.now()),
            within_s=20,
            what="all hear again",
        )
    finally:
        process.stop()
    found = events(config.output)
    for name in config.subscribers:
        assert len(of(Unsubscribed, found, name)) == (1 if name == cut_off else 0)
    taken = [one.seq for one in found if isinstance(one, Published) and one.outcome is Outcome.OK]
    numbers = [one.seq for one in found if isinstance(one, Published)]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    for name in set(config.subscribers) - {cut_off}:
        heard = {one.seq for one in found if isinstance(one, Received) and one.subscriber == name}
        assert heard >= set(taken)


def test_a_silent_node_is_given_up(place: Place) -> None:
    """Where nothing comes, not even an answer to PING, the subscriber gives the connection up."""
    (port,) = free_ports(1)
    server = driver.start_server(place.directory / "redis", port)
    driver.await_ready(server)
    with BlackHole(server.address) as relay:
        schedule = Schedule(output=place.directory, trial="t-1")
        where = Resolved(services={EVENTS.id: ResolvedAddress(address=relay.address, host="b")})
        (config,) = subscriptions_for((EVENTS,), (Way.PUBSUB,), where, schedule, "drill")
        process = SubscriptionsProcess(config, place.directory)
        try:
            wait_until(lambda: all(map(is_right, process.now())), within_s=20, what="all hear")
            relay.stop_after(b"PUBLISH")
            wait_until(
                lambda: all(
                    of(Unsubscribed, events(config.output), name) for name in config.subscribers
                ),
                within_s=20,
                what="all give up",
            )
            assert not any(map(is_right, process.now()))
            relay.let_through()
            wait_until(lambda: all(map(is_right, process.now())), within_s=20, what="all hear")
        finally:
            process.stop()
    driver.kill_server(server)


# -- several ways in at once ----------------------------------------------------------------------


def is_right(way: WayNow) -> bool:
    """Whether the newest answers are right."""
    return way.right_since_ns is not None


@pytest.fixture
def ways(cluster: PracticeRedis, place: Place) -> Iterator[ProbedWaysIn]:
    """Three shards and a broker, probed."""
    schedule = Schedule(output=place.directory, trial="t-1")
    found = resolved(cluster)
    workloads = (CARTS, EVENTS)
    running = ProbedWaysIn(
        "t-1",
        probes_for(workloads, (Way.REDIS_SHARD,), found, {}, schedule),
        subscriptions_for(workloads, (Way.PUBSUB,), found, schedule, "drill"),
        place.directory,
    )
    try:
        wait_until(lambda: all(map(is_right, running.now())), within_s=20, what="all are right")
        yield running
    finally:
        running.stop()


def test_one_process_probes_all_ways_in(ways: ProbedWaysIn, place: Place) -> None:
    """Each class has a file of its own; what is recorded names them all, twice the same."""
    assert ways.begun()
    assert len(ways.pids) == 2
    assert [way.probe_class for way in ways.now()] == [
        "carts: write, slots 0-5460",
        "carts: write, slots 5461-10922",
        "carts: write, slots 10923-16383",
        "events: heard by subscriber-1",
        "events: heard by subscriber-2",
        "events: heard by subscriber-3",
    ]
    recorded = ways.stop()
    assert recorded == ways.stop()
    assert [type(fact) for fact in recorded] == [ProbesRecorded] * 3 + [SubscriptionsRecorded]
    assert all((place.directory / fact.file).stat().st_size > 0 for fact in recorded)


@pytest.mark.parametrize("number", [0, 1])
def test_a_killed_prober_is_seen(ways: ProbedWaysIn, number: int) -> None:
    """A prober that died is an error at the next look, never an outage and never all well."""
    os.kill(ways.pids[number], signal.SIGKILL)

    def dead() -> bool:
        try:
            ways.now()
        except SurroundingsError as error:
            return "ended with exit code -9" in str(error)
        return False

    wait_until(dead, within_s=10, what="the dead prober is seen")


def test_a_stopped_prober_is_seen(ways: ProbedWaysIn) -> None:
    """A prober that stands still gives no right answers, and goes on when it is let."""
    prober = ways.pids[0]
    os.kill(prober, signal.SIGSTOP)
    try:
        wait_until(
            lambda: [way.detail for way in ways.now()[:3]] == ["nothing is observed"] * 3,
            within_s=20,
            what="missing answers",
        )
        assert all(map(is_right, ways.now()[3:]))
    finally:
        os.kill(prober, signal.SIGCONT)
    wait_until(lambda: all(map(is_right, ways.now())), within_s=20, what="all are right")
