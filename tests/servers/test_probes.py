"""The prober against real servers: known silences are measured, and its own stops are no outage."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from harness.drivers import postgres as postgres_driver
from harness.drivers import process
from harness.drivers import redis as driver
from harness.drivers.bounded_postgres import BoundedPostgres
from harness.drivers.clock import HostClock, sleep_until, wait_until
from harness.drivers.loopback import ADDRESS, free_ports
from harness.faults.places import Place, Places
from harness.judge.availability import recovery
from harness.ledger import postgres
from harness.model.codec import to_indented_json
from harness.model.history import Observation, Outcome
from harness.model.instant import Bracket
from harness.ports import Endpoint, PostgresEndpoint, RedisEndpoint
from harness.practice.black_hole import BlackHole
from harness.probes.config import (
    INTERVAL_NS,
    TIMEOUT_NS,
    PostgresWrite,
    ProbeConfig,
    ProberConfig,
    RedisWrite,
    Sentinel,
)
from harness.probes.main import probe_of

SECOND = 1_000_000_000
CLOCK = HostClock()
SENTINEL = Sentinel(client=1, seq=1, payload=2**64 - 7)


@pytest.fixture
def server(place: Place) -> Iterator[driver.Server]:
    """A Redis server."""
    (port,) = free_ports(1)
    started = driver.start_server(place.directory / "redis", port)
    driver.await_ready(started)
    yield started
    driver.kill_server(started)


@pytest.fixture(scope="module")
def database(places: Places) -> Iterator[PostgresEndpoint]:
    """A PostgreSQL server with an empty ledger."""
    with places.borrowed("probes") as borrowed:
        user, programs = postgres_driver.server_user("postgres"), postgres_driver.bin_directory()
        data = borrowed.directory / "data"
        (port,) = free_ports(1)
        postgres_driver.own(borrowed.directory, user)
        postgres_driver.initialise(data, bin_directory=programs, user=user)
        control = postgres_driver.read_control(data, bin_directory=programs)
        endpoint = PostgresEndpoint(
            host=ADDRESS,
            port=port,
            database="postgres",
            user="postgres",
            system_identifier=control["Database system identifier"],
        )
        started = postgres_driver.start_server(
            data,
            bin_directory=programs,
            log=borrowed.directory / "log",
            user=user,
            settings={
                "listen_addresses": ADDRESS,
                "port": str(port),
                "unix_socket_directories": str(borrowed.directory),
            },
        )
        postgres_driver.await_accepting(started, endpoint)
        postgres.create_ledger(endpoint)
        yield endpoint
        postgres_driver.kill_server(started)


def asked_of(endpoint: Endpoint, *sentinels: Sentinel) -> PostgresWrite | RedisWrite:
    """A write to all that takes writes."""
    if isinstance(endpoint, PostgresEndpoint):
        return PostgresWrite(endpoint=endpoint, sentinels=sentinels)
    return RedisWrite(endpoint=endpoint, sentinels=sentinels)


def once(endpoint: Endpoint, *sentinels: Sentinel) -> tuple[Outcome, str]:
    """One probe, in this process."""
    return probe_of(asked_of(endpoint, *sentinels))(0, CLOCK.monotonic_ns() + 5 * SECOND)


class Running:
    """A prober process and its file."""

    def __init__(self, endpoint: Endpoint, directory: Path) -> None:
        self.output = directory / "observations.jsonl"
        config = directory / "prober.json"
        probe = ProbeConfig(probe_class="it", ask=asked_of(endpoint), output=self.output)
        config.write_bytes(to_indented_json(ProberConfig(probes=(probe,))))
        self.child = process.start(
            [sys.executable, "-m", "harness.probes", "--config", config],
            directory=directory,
            environment={"PYTHONPATH": str(Path(__file__).parents[2])},
            log=directory / "log",
        )

    def observations(self) -> list[Observation]:
        """What it has written so far, whole lines only."""
        if not self.output.exists():
            return []
        lines = self.output.read_bytes().split(b"\n")[:-1]
        return [msgspec.json.decode(line, type=Observation) for line in lines]

    def await_right(self, count: int) -> None:
        """Returns when it has seen so many more right answers, all of them new."""
        before = CLOCK.monotonic_ns()
        wait_until(
            lambda: (
                sum(
                    one.outcome is Outcome.OK and one.started_ns > before
                    for one in self.observations()
                )
                >= count
            ),
            within_s=20,
            what=f"{count} right answers",
        )


@contextmanager
def prober(endpoint: Endpoint, directory: Path) -> Iterator[Running]:
    """A running prober, ended in order."""
    running = Running(endpoint, directory)
    try:
        yield running
        running.child.send_signal(signal.SIGTERM)
        assert running.child.wait(20) == 0, (directory / "log").read_text()
    finally:
        process.stop(running.child)


@pytest.mark.parametrize("silence_s", [2, 7])
def test_a_known_silence_is_measured(server: driver.Server, place: Place, silence_s: int) -> None:
    """A black hole of exactly 2 s, and of 7 s, lies within the measured bounds."""
    with BlackHole(server.address) as relay:
        endpoint = RedisEndpoint(nodes=(relay.address,), cluster=False)
        with prober(endpoint, place.directory) as running:
            running.await_right(3)
            began, ended = relay.swallow(silence_s * SECOND)
            running.await_right(12)
    measured = recovery(
        running.observations(),
        began,
        sustained_ns=SECOND // 2,
        deadline_ns=60 * SECOND,
        interval_ns=INTERVAL_NS,
        timeout_ns=TIMEOUT_NS,
    )
    assert measured.bounds is not None
    assert measured.bounds.high_ns is not None
    least, most = ended.earliest_ns - began.latest_ns, ended.latest_ns - began.earliest_ns
    assert measured.bounds.low_ns <= least
    assert measured.bounds.high_ns >= most
    assert len(measured.outages) == 1


def test_a_stopped_prober_sees_no_outage(server: driver.Server, place: Place) -> None:
    """A prober that is stopped for 3 s reports a time in which nobody looked, and no outage."""
    endpoint = RedisEndpoint(nodes=(server.address,), cluster=False)
    with prober(endpoint, place.directory) as running:
        running.await_right(3)
        fault = Bracket(earliest_ns=CLOCK.monotonic_ns(), latest_ns=CLOCK.monotonic_ns())
        running.child.send_signal(signal.SIGSTOP)
        sleep_until(CLOCK.monotonic_ns() + 3 * SECOND)
        running.child.send_signal(signal.SIGCONT)
        running.await_right(12)
    measured = recovery(
        running.observations(),
        fault,
        sustained_ns=SECOND // 2,
        deadline_ns=60 * SECOND,
        interval_ns=INTERVAL_NS,
        timeout_ns=TIMEOUT_NS,
    )
    assert measured.outages == ()
    assert measured.uninterrupted
    assert max(one.to_ns - one.from_ns for one in measured.unobserved) >= 2.5 * SECOND
    assert measured.unobserved_where_it_matters


def test_a_dead_server_is_refused_at_once(server: driver.Server) -> None:
    """A server that is gone is a wrong answer, and one that is silent no answer."""
    endpoint = RedisEndpoint(nodes=(server.address,), cluster=False)
    assert once(endpoint) == (Outcome.OK, "")
    driver.kill_server(server)
    assert once(endpoint)[0] is Outcome.FAIL


def test_a_redis_answer_needs_the_sentinel_and_the_role(server: driver.Server) -> None:
    """An empty server, an altered old write, and a replica are wrong answers; nothing is left."""
    endpoint = RedisEndpoint(nodes=(server.address,), cluster=False)
    key = "ledger:1:1"
    with driver.client(server.address) as connected:
        outcome, detail = once(endpoint, SENTINEL)
        assert outcome is Outcome.FAIL
        assert key in detail
        connected.set(key, f"{SENTINEL.payload - 1}:5")
        assert once(endpoint, SENTINEL)[0] is Outcome.FAIL
        connected.set(key, f"{SENTINEL.payload}:5")
        assert once(endpoint, SENTINEL) == (Outcome.OK, "")
        assert connected.dbsize() == 1
        connected.replicaof(ADDRESS, "1")
        outcome, detail = once(endpoint, SENTINEL)
        assert outcome is Outcome.FAIL
        assert "expected master" in detail


def test_a_cluster_answer_needs_every_master(place: Place) -> None:
    """A cluster is right where all its masters serve all its slots, and only then."""
    nodes = [
        driver.start_server(place.directory / str(port), port, cluster=True)
        for port in free_ports(3)
    ]
    for node in nodes:
        driver.await_ready(node)
    endpoint = RedisEndpoint(nodes=tuple(node.address for node in nodes), cluster=True)
    assert once(endpoint)[0] is Outcome.FAIL
    driver.create_cluster(endpoint.nodes, replicas=0, directory=place.directory)
    driver.wait_cluster_ok(endpoint.nodes)
    assert once(endpoint) == (Outcome.OK, "")
    missing = once(endpoint, SENTINEL)
    assert missing[0] is Outcome.FAIL
    with driver.cluster_client(nodes[0].address) as connected:
        connected.set("ledger:1:1", f"{SENTINEL.payload}:5")
    assert once(endpoint, SENTINEL) == (Outcome.OK, "")
    driver.kill_server(nodes[2])
    assert once(endpoint, SENTINEL)[0] is Outcome.FAIL


def test_a_postgresql_answer_needs_server_sentinel_and_write(database: PostgresEndpoint) -> None:
    """Another cluster, an empty ledger, and a server that refuses to write are wrong answers."""
    outcome, detail = once(database, SENTINEL)
    assert outcome is Outcome.FAIL
    assert "ledger row 1:1 is missing" in detail
    deadline_ns = CLOCK.monotonic_ns() + 10 * SECOND
    session = BoundedPostgres.connect(database, deadline_ns=deadline_ns)

    def execute(statement: str) -> None:
        session.execute(statement, deadline_ns=deadline_ns)

    execute("INSERT INTO ledger (client, seq, payload) VALUES (1, 1, -7)")
    assert once(database, SENTINEL) == (Outcome.OK, "")
    wrong = msgspec.structs.replace(database, system_identifier="1")
    assert "wrong server" in once(wrong, SENTINEL)[1]
    execute("ALTER DATABASE postgres SET default_transaction_read_only = on")
    outcome, detail = once(database, SENTINEL)
    assert outcome is Outcome.FAIL
    assert "25006" in detail
    execute("ALTER DATABASE postgres RESET default_transaction_read_only")
    assert once(database, SENTINEL)[0] is Outcome.OK
    session.close()


def test_a_silent_postgresql_is_indeterminate(database: PostgresEndpoint) -> None:
    """A server that accepts and says nothing is no answer, at the deadline and not later."""
    with BlackHole((database.host, database.port)) as relay:
        relay.stop_after(b"harness")  # the start-up message carries the application's name
        endpoint = msgspec.structs.replace(database, port=relay.address[1])
        outcome, detail = probe_of(asked_of(endpoint))(0, CLOCK.monotonic_ns() + SECOND // 2)
    assert outcome is Outcome.INDETERMINATE
    assert "no answer in time" in detail
