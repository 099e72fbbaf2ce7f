"""The ledger on a real PostgreSQL: what was acknowledged is there, whatever the server suffers."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from harness.drivers import postgres as driver
from harness.drivers import process
from harness.drivers.bounded_postgres import BoundedPostgres
from harness.drivers.clock import HostClock, boot_id, wait_until
from harness.drivers.loopback import ADDRESS, free_ports
from harness.errors import SurroundingsError
from harness.faults.places import Place, Places
from harness.ledger import postgres
from harness.ledger.append import JournalAppender
from harness.ledger.classify import BeforeFault, OpClass, classify
from harness.ledger.journal import Header, Journal, Type, read_journals
from harness.ledger.rows import read_rows
from harness.model.history import Outcome
from harness.ports import PostgresEndpoint
from harness.practice.black_hole import BlackHole

CLOCK = HostClock()
NEVER = BeforeFault(until_ns=2**62)


class Database:
    """One PostgreSQL server of the test's own."""

    def __init__(self, directory: Path) -> None:
        self.user = driver.server_user("postgres")
        self.programs = driver.bin_directory()
        self.data = directory / "data"
        (self.port,) = free_ports(1)
        driver.own(directory, self.user)
        driver.initialise(self.data, bin_directory=self.programs, user=self.user)
        control = driver.read_control(self.data, bin_directory=self.programs)
        self.endpoint = PostgresEndpoint(
            host=ADDRESS,
            port=self.port,
            database="postgres",
            user="postgres",
            system_identifier=control["Database system identifier"],
        )
        self.start()

    def start(self) -> None:
        """Starts it and awaits its first answer."""
        self.server = driver.start_server(
            self.data,
            bin_directory=self.programs,
            log=self.data.parent / "postgres.log",
            user=self.user,
            settings={
                "listen_addresses": ADDRESS,
                "port": str(self.port),
                "unix_socket_directories": str(self.data.parent),
            },
        )
        driver.await_accepting(self.server, self.endpoint)

    def execute(self, *statements: str) -> None:
        """Executes statements as the superuser."""
        deadline_ns = CLOCK.monotonic_ns() + 10**10
        session = BoundedPostgres.connect(self.endpoint, deadline_ns=deadline_ns)
        try:
            for statement in statements:
                session.execute(statement, deadline_ns=deadline_ns)
        finally:
            session.close()


@pytest.fixture(scope="module")
def database(places: Places) -> Iterator[Database]:
    """A server for the tests of this file; a test that kills it starts it again."""
    with places.borrowed("ledger") as borrowed:
        database = Database(borrowed.directory)
        postgres.create_ledger(database.endpoint)
        yield database
        driver.kill_server(database.server)


@pytest.fixture
def empty(database: Database) -> Database:
    """The server with an empty ledger."""
    database.execute("TRUNCATE ledger")
    return database


def appender(directory: Path, client: int = 1) -> JournalAppender:
    """A journal of one client."""
    return JournalAppender(
        directory,
        Header(
            subject="orders",
            client=client,
            seed=7,
            boot_id=boot_id(),
            started=datetime.now(UTC),
            server="test",
            durability="test",
        ),
    )


def classes(journal: Journal, endpoint: PostgresEndpoint, place: Place) -> dict[OpClass, int]:
    """What became of the journal's operations, the empty classes left out."""
    file = place.directory / "rows.npy"
    postgres.read_back(endpoint, file)
    found = classify(journal, read_rows(file), NEVER)
    assert len(found.unexpected) == 0
    return {one: count for one, count in found.counts().items() if count}


def test_no_table_is_no_row(database: Database, place: Place) -> None:
    """A database without the ledger's table has no rows, and the server's description says so."""
    other = replace(database.endpoint, database="template1")
    found = postgres.read_back(other, place.directory / "rows.npy")
    assert found.rows == 0
    assert "no table ledger" in found.server
    assert len(read_rows(place.directory / "rows.npy")) == 0


def test_what_is_acknowledged_is_there(empty: Database, place: Place) -> None:
    """Written rows are read back as they were written, and a prober's rows are not among them."""
    journal = appender(place.directory)
    writer = postgres.PostgresWriter(empty.endpoint, journal)
    assert [writer.write_once() for _ in range(20)] == [Outcome.OK] * 20
    writer.close()
    journal.close()
    empty.execute(
        "CREATE TABLE IF NOT EXISTS harness_probe (slot int, at timestamptz DEFAULT now())",
        "INSERT INTO harness_probe (slot) VALUES (1)",
    )
    read = read_journals(place.directory)
    assert read.damage == ()
    assert classes(read, empty.endpoint, place) == {OpClass.SURVIVED: 20}
    assert (np.diff(read.server_us) > 0).all()
    assert (np.diff(read.position.astype(np.int64)) > 0).all()


def test_planted_rows_are_found(empty: Database, place: Place) -> None:
    """A deleted, a doubled, an altered and a foreign row are found, and only these."""
    journal = appender(place.directory)
    writer = postgres.PostgresWriter(empty.endpoint, journal)
    for _ in range(20):
        writer.write_once()
    writer.close()
    journal.close()
    empty.execute(
        "DELETE FROM ledger WHERE seq = 3",
        "INSERT INTO ledger SELECT * FROM ledger WHERE seq = 5",
        "UPDATE ledger SET payload = payload + 1 WHERE seq = 7",
        "UPDATE ledger SET written_at = written_at - interval '1 us' WHERE seq = 9",
        "INSERT INTO ledger (client, seq, payload) VALUES (-1, -1, -1)",
    )
    file = place.directory / "rows.npy"
    assert postgres.read_back(empty.endpoint, file).rows == 21
    journal_read = read_journals(place.directory)
    found = classify(journal_read, read_rows(file), NEVER)
    named = {
        one: journal_read.seq[found.classes == one].tolist()
        for one in (OpClass.LOST, OpClass.DUPLICATE, OpClass.CORRUPT)
    }
    assert named == {OpClass.LOST: [3], OpClass.DUPLICATE: [5], OpClass.CORRUPT: [7, 9]}
    assert found.count(OpClass.SURVIVED) == 16
    assert journal_read.seq[found.hole].tolist() == [3]
    assert len(found.unexpected) == 1


def test_a_read_only_server_refuses(empty: Database, place: Place) -> None:
    """What the server refuses before COMMIT is FAIL, and not in the data."""
    journal = appender(place.directory)
    empty.execute("ALTER DATABASE postgres SET default_transaction_read_only = on")
    try:
        writer = postgres.PostgresWriter(empty.endpoint, journal)
        assert writer.write_once() is Outcome.FAIL
        writer.close()
    finally:
        empty.execute(
            "SET default_transaction_read_only = off",
            "ALTER DATABASE postgres RESET default_transaction_read_only",
        )
    writer = postgres.PostgresWriter(empty.endpoint, journal)
    assert writer.write_once() is Outcome.OK
    writer.close()
    journal.close()
    assert classes(read_journals(place.directory), empty.endpoint, place) == {
        OpClass.FAILED_ABSENT: 1,
        OpClass.SURVIVED: 1,
    }


def test_the_wrong_server_is_refused(empty: Database, place: Place) -> None:
    """A server with another system identifier is neither written to nor read."""
    wrong = replace(empty.endpoint, system_identifier="1")
    journal = appender(place.directory)
    writer = postgres.PostgresWriter(wrong, journal)
    assert writer.write_once() is Outcome.FAIL
    journal.close()
    with pytest.raises(SurroundingsError, match="expected 1"):
        postgres.read_back(wrong, place.directory / "rows.npy")


def test_a_server_that_is_away_refuses(database: Database, place: Place) -> None:
    """Where nothing listens, nothing was sent: FAIL, and the next attempt is free to succeed."""
    (port,) = free_ports(1)
    journal = appender(place.directory)
    writer = postgres.PostgresWriter(replace(database.endpoint, port=port), journal)
    assert [writer.write_once() for _ in range(2)] == [Outcome.FAIL] * 2
    assert not writer.connected
    journal.close()


def test_a_commit_without_an_answer_is_indeterminate(empty: Database, place: Place) -> None:
    """A server that stops answering leaves FAIL before COMMIT was sent, INDETERMINATE after it; no
    write hangs longer than its timeout, and none is retried.
    """
    journal = appender(place.directory)
    with BlackHole((ADDRESS, empty.port)) as relay:
        endpoint = replace(empty.endpoint, host=relay.address[0], port=relay.address[1])
        writer = postgres.PostgresWriter(endpoint, journal, timeout_s=0.5)
        assert writer.write_once() is Outcome.OK
        relay.stop_after(b"COMMIT")
        assert writer.write_once() is Outcome.INDETERMINATE
        assert writer.write_once() is Outcome.FAIL
        relay.let_through()
        wait_until(
            lambda: writer.write_once() is Outcome.OK, within_s=10, what="a write after the silence"
        )
        writer.close()
    journal.close()
    read = read_journals(place.directory)
    assert read.outcome[:3].tolist() == [Type.OK, Type.INDETERMINATE, Type.FAIL]
    found = classes(read, empty.endpoint, place)
    assert set(found) <= {
        OpClass.SURVIVED,
        OpClass.RECOVERED,
        OpClass.INDETERMINATE_ABSENT,
        OpClass.FAILED_ABSENT,
    }
    assert read.seq.tolist() == list(range(1, len(read) + 1))


def test_a_lost_standby_is_flagged(empty: Database, place: Place) -> None:
    """A commit that gave up waiting for its standby was acknowledged, and is flagged."""
    journal = appender(place.directory)
    empty.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    empty.execute("SELECT pg_reload_conf()")
    try:
        wait_until(
            lambda: "nobody" in postgres.describe_server(empty.endpoint)[1],
            within_s=10,
            what="synchronous_standby_names in force",
        )
        writer = postgres.PostgresWriter(empty.endpoint, journal, timeout_s=20)
        assert not writer.connected
        canceller = process.start(
            [sys.executable, "-c", _CANCEL_WAITS, driver.conninfo(empty.endpoint)],
            directory=place.directory,
        )
        assert writer.write_once() is Outcome.OK
        process.stop(canceller)
        writer.close()
    finally:
        empty.execute("SET synchronous_commit = local", "ALTER SYSTEM RESET ALL")
        empty.execute("SELECT pg_reload_conf()")
    journal.close()
    assert read_journals(place.directory).flags.tolist() == [1]


_CANCEL_WAITS = """
import sys, time, psycopg
with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    while not connection.execute(
        "select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'"
    ).fetchall():
        time.sleep(0.02)
"""


def test_the_continuous_writer(empty: Database, place: Place) -> None:
    """The writer process survives a crash of the server, ends in order, and what it journaled as
    acknowledged is all there.
    """
    config = place.directory / "ledger.json"
    journals = place.directory / "journals"
    config.write_text(
        json.dumps(
            {
                "subject": "orders",
                "directory": str(journals),
                "endpoint": {
                    "type": "postgresql",
                    "host": empty.endpoint.host,
                    "port": empty.endpoint.port,
                    "database": "postgres",
                    "user": "postgres",
                    "system_identifier": empty.endpoint.system_identifier,
                },
                "rate_per_s": 200,
                "clients": 3,
            }
        )
    )
    child = process.start(
        [sys.executable, "-m", "harness.ledger", "--config", config],
        directory=place.directory,
        environment={"PYTHONPATH": str(Path(__file__).parents[2])},
        log=place.directory / "log",
    )

    def acknowledged() -> int:
        if not journals.is_dir():
            return 0
        return int((read_journals(journals).outcome == Type.OK).sum())

    wait_until(lambda: acknowledged() >= 50, within_s=20, what="fifty acknowledged writes")
    driver.kill_server(empty.server)
    empty.start()
    before = acknowledged()
    wait_until(lambda: acknowledged() >= before + 50, within_s=20, what="writes after the crash")
    child.send_signal(signal.SIGTERM)
    assert child.wait(20) == 0, (place.directory / "log").read_text()
    read = read_journals(journals)
    assert read.damage == ()
    found = classes(read, empty.endpoint, place)
    assert found[OpClass.SURVIVED] == acknowledged()
    assert set(found) <= {
        OpClass.SURVIVED,
        OpClass.RECOVERED,
        OpClass.INDETERMINATE_ABSENT,
        OpClass.FAILED_ABSENT,
    }
    assert found.get(OpClass.FAILED_ABSENT, 0) >= 1


def test_the_writer_of_an_unreachable_server_says_so(database: Database, place: Place) -> None:
    """Without an answer at the start no journal is made, and the exit code is not 0."""
    (port,) = free_ports(1)
    config = place.directory / "ledger.json"
    config.write_text(
        json.dumps(
            {
                "subject": "orders",
                "directory": str(place.directory / "journals"),
                "endpoint": {
                    "type": "postgresql",
                    "host": ADDRESS,
                    "port": port,
                    "database": "postgres",
                    "user": "postgres",
                    "system_identifier": database.endpoint.system_identifier,
                },
                "start_within_s": 0.5,
            }
        )
    )
    done = process.run(
        [sys.executable, "-m", "harness.ledger", "--config", config],
        directory=place.directory,
        environment={"PYTHONPATH": str(Path(__file__).parents[2])},
        timeout_s=20,
    )
    assert done.returncode == 3
    assert "orders: no ledger can be kept" in done.stderr
    assert not (place.directory / "journals").exists()
