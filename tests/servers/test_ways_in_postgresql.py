"""Ways in of a real PostgreSQL with a replica: roles, promotions, kept connections, own ledgers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec.structs import replace

from harness.drivers import postgres as driver
from harness.drivers import process
from harness.drivers.bounded_postgres import BoundedPostgres, StatementError
from harness.drivers.clock import HostClock, boot_id, wait_until
from harness.drivers.loopback import ADDRESS, free_ports
from harness.faults.places import Places
from harness.ledger import postgres
from harness.ledger.append import JournalAppender
from harness.ledger.classify import BeforeFault, OpClass, classify
from harness.ledger.continuous import WriterConfig
from harness.ledger.game_day import drop_ledger, probe_name, read_ledger
from harness.ledger.journal import Header, read_journals
from harness.ledger.rows import read_rows
from harness.model.history import Outcome
from harness.ports import PostgresEndpoint
from harness.probes.config import PostgresRead, PostgresWrite, Sentinel
from harness.probes.main import probe_of
from harness.probes.open_loop import Probe
from harness.probes.postgres import PostgresWriteProbe

SECOND = 1_000_000_000
CLOCK = HostClock()


@dataclass
class Pair:
    """A primary and its replica."""

    directory: Path
    user: str | None = field(default_factory=lambda: driver.server_user("postgres"))
    programs: Path = field(default_factory=driver.bin_directory)
    ports: tuple[int, ...] = field(default_factory=lambda: free_ports(2))
    servers: list[driver.Server] = field(default_factory=list)
    identifier: str = ""

    def start(self) -> None:
        driver.own(self.directory, self.user)
        first, second = self.directory / "first", self.directory / "second"
        driver.initialise(first, bin_directory=self.programs, user=self.user)
        control = driver.read_control(first, bin_directory=self.programs)
        self.identifier = control["Database system identifier"]
        self._begin(first, 0)
        copied = process.run(
            [
                self.programs / "pg_basebackup",
                *("-h", ADDRESS, "-p", str(self.ports[0]), "-U", "postgres"),
                *("-D", second, "-R", "--checkpoint=fast", "--wal-method=stream"),
            ],
            directory=self.directory,
            user=self.user,
            timeout_s=60,
        )
        assert copied.returncode == 0, copied.last_line()
        self._begin(second, 1)

    def endpoint(self, number: int) -> PostgresEndpoint:
        return PostgresEndpoint(
            host=ADDRESS,
            port=self.ports[number],
            database="postgres",
            user="postgres",
            system_identifier=self.identifier,
        )

    def execute(self, number: int, *statements: str) -> None:
        deadline_ns = CLOCK.monotonic_ns() + 20 * SECOND
        session = BoundedPostgres.connect(self.endpoint(number), deadline_ns=deadline_ns)
        try:
            for statement in statements:
                session.execute(statement, deadline_ns=deadline_ns)
        finally:
            session.close()

    def _begin(self, data: Path, number: int) -> None:
        server = driver.start_server(
            data,
            bin_directory=self.programs,
            log=self.directory / f"{data.name}.log",
            user=self.user,
            settings={
                "listen_addresses": ADDRESS,
                "port": str(self.ports[number]),
                "unix_socket_directories": str(self.directory),
            },
        )
        self.servers.append(server)
        driver.await_accepting(server, self.endpoint(number))


@pytest.fixture
def pair(places: Places) -> Iterator[Pair]:
    """A pair of the test's own: it is promoted, and never a pair again."""
    with places.borrowed("pair") as borrowed:
        pair = Pair(borrowed.directory)
        try:
            pair.start()
            yield pair
        finally:
            for server in pair.servers:
                driver.kill_server(server)


def ask(probe: Probe, slot: int = 0) -> tuple[Outcome, str]:
    """One probe now."""
    return probe(slot, CLOCK.monotonic_ns() + 5 * SECOND)


def awaited(probe: Probe) -> None:
    """Returns when a probe is right: a replica follows by and by."""
    wait_until(lambda: ask(probe)[0] is Outcome.OK, within_s=20, what="a right answer")


def test_each_role_answers_its_own_question(pair: Pair) -> None:
    """A write is right at the primary, a read at the replica, and neither the other way round; on
    a kept connection no less.
    """
    writes = [
        probe_of(PostgresWrite(endpoint=pair.endpoint(0), kept=kept)) for kept in (False, True)
    ]
    assert [ask(one) for one in writes] == [(Outcome.OK, "")] * 2
    awaited(probe_of(PostgresRead(endpoint=pair.endpoint(1))))

    outcome, detail = ask(probe_of(PostgresRead(endpoint=pair.endpoint(0))))
    assert outcome is Outcome.FAIL
    assert "a primary answers where replicas should" in detail
    kept = PostgresWriteProbe(PostgresWrite(endpoint=pair.endpoint(0), kept=True))
    assert ask(kept)[0] is Outcome.OK
    # What a pooler in between does when the servers change their roles: the same connection.
    kept._kept[0] = BoundedPostgres.connect(
        pair.endpoint(1), deadline_ns=CLOCK.monotonic_ns() + SECOND
    )
    outcome, detail = ask(kept)
    assert outcome is Outcome.FAIL
    assert "25006" in detail
    assert ask(kept)[0] is Outcome.OK


def test_a_read_needs_the_acknowledged_write(pair: Pair) -> None:
    """A replica that has not got the write is wrong, and right as soon as it has."""
    held = (Sentinel(client=1, seq=1, payload=2**64 - 7),)
    probe = probe_of(PostgresRead(endpoint=pair.endpoint(1), sentinels=held, ledger="drill"))
    assert ask(probe)[0] is Outcome.FAIL
    postgres.create_ledger(pair.endpoint(0), "drill")
    pair.execute(0, "INSERT INTO drill (client, seq, payload) VALUES (1, 1, -7)")
    awaited(probe)


def test_a_primary_that_was_replaced_is_found_out(pair: Pair) -> None:
    """A late acknowledgement: the old primary is not fenced and goes on committing. The probe that
    has seen its successor does not take that for right, and the ledger knows it as lost.
    """
    pair.execute(1, "SELECT pg_promote()")
    probe = PostgresWriteProbe(PostgresWrite(endpoint=pair.endpoint(1)))
    awaited(probe)
    probe._asked = PostgresWrite(endpoint=pair.endpoint(0))
    outcome, detail = ask(probe)
    assert outcome is Outcome.FAIL
    assert "timeline 1 after 2 was seen: an old primary" in detail


def test_a_late_acknowledgement_is_lost_and_a_rolled_back_one_lost_late(pair: Pair) -> None:
    """What the old primary acknowledged after its successor began is not in the final read; what
    was read early from the old one, and not later from the new, is lost late.
    """
    name, journals = "drill", pair.directory / "journals"
    journals.mkdir()
    postgres.create_ledger(pair.endpoint(0), name)
    journal = JournalAppender(
        journals,
        Header(
            subject="orders",
            client=1,
            seed=7,
            boot_id=boot_id(),
            started=CLOCK.now().utc,
            server="test",
            durability="test",
        ),
    )
    writer = postgres.PostgresWriter(pair.endpoint(0), journal, name=name)
    assert writer.write_once() is Outcome.OK
    awaited_row(pair)
    pair.execute(1, "SELECT pg_promote()")
    assert writer.write_once() is Outcome.OK  # late: its server was replaced before
    writer.close()
    journal.close()
    early, final = pair.directory / "early.npy", pair.directory / "final.npy"
    postgres.read_back(pair.endpoint(0), early, name=name)
    found = postgres.read_back(pair.endpoint(1), final, name=name)
    assert "timeline 2" in found.server or "timeline 1" in found.server
    read = read_journals(journals)
    scope = BeforeFault(until_ns=2**62)
    once = classify(read, read_rows(final), scope)
    assert [OpClass(one) for one in once.classes] == [OpClass.SURVIVED, OpClass.LOST]
    twice = classify(read, read_rows(early), scope, later=read_rows(final))
    assert [OpClass(one) for one in twice.classes] == [OpClass.SURVIVED, OpClass.LOST_LATE]


def awaited_row(pair: Pair) -> None:
    """Returns when the replica has a row of the ledger."""

    def there() -> bool:
        deadline_ns = CLOCK.monotonic_ns() + 5 * SECOND
        session = BoundedPostgres.connect(pair.endpoint(1), deadline_ns=deadline_ns)
        try:
            answer = session.execute("SELECT count(*) FROM drill", deadline_ns=deadline_ns)
        except StatementError as error:
            if error.sqlstate != "42P01":  # the table has not been replayed there yet
                raise
            return False
        finally:
            session.close()
        return answer.rows[0][0] != "0"

    wait_until(there, within_s=20, what="the replica has the row")


def test_a_kept_connection_that_breaks_is_made_anew(pair: Pair) -> None:
    """A terminated session is one answer that is not right; the slot's next probe reconnects."""
    probe = probe_of(PostgresWrite(endpoint=pair.endpoint(0), kept=True))
    assert [ask(probe, slot)[0] for slot in (0, 1, 0)] == [Outcome.OK] * 3
    pair.execute(
        0,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE application_name = 'harness' AND pid <> pg_backend_pid()",
    )
    assert ask(probe)[0] is Outcome.INDETERMINATE
    assert ask(probe)[0] is Outcome.OK
    assert ask(probe, 1)[0] is Outcome.INDETERMINATE


def test_another_ledger_is_neither_seen_nor_touched(pair: Pair) -> None:
    """A drill's ledger and what its probes write are taken away; the one that was there stays."""
    endpoint = pair.endpoint(0)
    writer = WriterConfig(
        subject="orders", directory=pair.directory, endpoint=endpoint, name="drill"
    )
    postgres.create_ledger(endpoint)
    postgres.create_ledger(endpoint, "drill")
    pair.execute(0, "INSERT INTO ledger (client, seq, payload) VALUES (9, 9, 9)")
    probe = probe_of(PostgresWrite(endpoint=endpoint, table=probe_name("drill")))
    assert ask(probe)[0] is Outcome.OK
    file = pair.directory / "rows.npy"
    assert read_ledger(writer, file, within_s=10).rows == 0
    for _ in range(2):
        drop_ledger(writer)
    assert "no table drill" in read_ledger(writer, file, within_s=10).server
    assert postgres.read_back(endpoint, file).rows == 1
    pair.execute(0, f"CREATE TABLE {probe_name('drill')} (a int)")  # it was dropped, too


def test_the_password_file_of_the_endpoint_is_used(pair: Pair) -> None:
    """Several databases with several files: each endpoint names its own."""
    right, wrong = pair.directory / "right", pair.directory / "wrong"
    for file, password in ((right, "practice"), (wrong, "nonsense")):
        file.write_text(f"*:*:*:keeper:{password}\n")
        file.chmod(0o600)
    pair.execute(0, "CREATE ROLE keeper LOGIN SUPERUSER PASSWORD 'practice'")
    rules = pair.directory / "first" / "pg_hba.conf"
    rules.write_text(f"host all keeper {ADDRESS}/32 scram-sha-256\n" + rules.read_text())
    pair.execute(0, "SELECT pg_reload_conf()")
    endpoint = replace(pair.endpoint(0), user="keeper", password_file=right)
    awaited(probe_of(PostgresWrite(endpoint=endpoint)))
    outcome, detail = ask(probe_of(PostgresWrite(endpoint=replace(endpoint, password_file=wrong))))
    assert outcome is Outcome.FAIL
    assert "password authentication failed" in detail
    assert postgres.read_back(endpoint, pair.directory / "rows.npy").rows == 0
