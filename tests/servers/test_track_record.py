"""The track record in a real PostgreSQL gives the same answers as in SQLite."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import track_records as made

from harness.drivers import postgres as driver
from harness.drivers.loopback import ADDRESS, free_ports
from harness.faults.places import Places
from harness.model.track_record import Showing
from harness.model.verdict import Verdict
from harness.ports import PostgresEndpoint
from harness.track_record import intake
from harness.track_record.compose import Asked, overview
from harness.track_record.database import DatabaseError
from harness.track_record.questions import of_every_target, of_one

ASKED = Asked(now=made.NOW)


@pytest.fixture(scope="module")
def server(places: Places) -> Iterator[int]:
    """The port of a server of this module's own."""
    with places.borrowed("record") as borrowed:
        user = driver.server_user("postgres")
        programs = driver.bin_directory()
        (port,) = free_ports(1)
        data = borrowed.directory / "data"
        driver.own(borrowed.directory, user)
        driver.initialise(data, bin_directory=programs, user=user)
        control = driver.read_control(data, bin_directory=programs)
        started = driver.start_server(
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
        endpoint = PostgresEndpoint(
            host=ADDRESS,
            port=port,
            database="postgres",
            user="postgres",
            system_identifier=control["Database system identifier"],
        )
        driver.await_accepting(started, endpoint)
        try:
            yield port
        finally:
            driver.kill_server(started)


@pytest.fixture
def conninfo(server: int) -> str:
    """A database of the test's own."""
    import secrets

    import psycopg

    name = f"d{secrets.token_hex(4)}"
    there = f"host={ADDRESS} port={server} user=postgres"
    with psycopg.connect(f"{there} dbname=postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{there} dbname={name}"


def weeks(runs: Path, count: int = 12) -> None:
    for number in range(count):
        last = number == count - 1
        made.write(
            runs,
            number,
            None if last else 8.0 + number,
            of=count,
            verdict=Verdict.FAIL if last else Verdict.PASS,
        )


def test_the_same_runs_give_the_same_record(tmp_path: Path, conninfo: str) -> None:
    """One schema, one set of queries; and nothing is written beside the runs."""
    weeks(tmp_path)
    there, _ = intake.ask(tmp_path, of_every_target, postgresql=conninfo)
    assert not (tmp_path / ".track-record.sqlite").exists()
    here, _ = intake.ask(tmp_path, of_every_target)
    assert overview(there, ASKED) == overview(here, ASKED)
    assert overview(there, ASKED).runs == 12
    one, _ = intake.ask(tmp_path, of_one("rto"), postgresql=conninfo)
    assert in_order(one.showings) == in_order(here.showings)


def in_order(showings: Sequence[Showing]) -> list[str]:
    return sorted(str(one) for one in showings)


def test_a_run_is_read_once_and_what_is_gone_is_forgotten(
    tmp_path: Path, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in SQLite."""
    weeks(tmp_path, 3)
    intake.ask(tmp_path, of_every_target, postgresql=conninfo)
    with monkeypatch.context() as patched:
        patched.setattr(intake, "read_run", lambda _: pytest.fail("was read again"))
        intake.ask(tmp_path, of_every_target, postgresql=conninfo)
    next(path for path in tmp_path.iterdir() if path.name.startswith("2026111")).rename(
        tmp_path.parent / "elsewhere"
    )
    assert len(intake.ask(tmp_path, of_every_target, postgresql=conninfo)[0].runs) == 2


def test_folders_that_share_it_do_not_forget_each_others_runs(
    tmp_path: Path, conninfo: str
) -> None:
    """Each is the origin of its own runs, and all are told of."""
    one, other = tmp_path / "one", tmp_path / "other"
    made.write(one, 0, environment="prod")
    made.write(other, 0, environment="staging")
    made.write(other, 0, environment="prod")  # the same run, copied
    intake.ask(one, of_every_target, postgresql=conninfo)
    found, _ = intake.ask(other, of_every_target, postgresql=conninfo)
    assert [run.environment for run in found.runs] == ["prod", "staging"]
    for path in one.iterdir():
        if not path.is_symlink():
            path.rename(tmp_path / "elsewhere")
    found, _ = intake.ask(one, of_every_target, postgresql=conninfo)
    assert [run.environment for run in found.runs] == ["prod", "staging"]
    assert len({answer.run for answer in found.answers}) == 2


def test_two_who_take_in_at_once_take_in_each_run_once(tmp_path: Path, conninfo: str) -> None:
    """An advisory lock: the second one waits, and finds them known."""
    weeks(tmp_path, 8)
    found: list[int] = []
    together = threading.Barrier(3)

    def take_in() -> None:
        together.wait()
        rows, _ = intake.ask(tmp_path, of_every_target, postgresql=conninfo)
        found.append(len(rows.showings))

    threads = [threading.Thread(target=take_in) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert found == [8] * 3


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Who configured it wants to know that it is gone."""
    (port,) = free_ports(1)
    with pytest.raises(DatabaseError, match="PostgreSQL") as raised:
        intake.ask(tmp_path, of_every_target, postgresql=f"host={ADDRESS} port={port} dbname=no")
    assert "--local" in (raised.value.hint or "")
