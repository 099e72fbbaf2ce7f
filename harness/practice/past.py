"""Lives the practice platform's past: a month of daily backups, each of a day's few writes.

The backups are the tools' own, of real servers whose clock was set back (`past_clock`); each day
some rows of the ledger are written, so that a restore to any day can be checked.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from harness.backup.redis_snapshot import take_snapshot
from harness.drivers.clock import HostClock, boot_id
from harness.drivers.postgres import connect
from harness.errors import SurroundingsError
from harness.faults.places import Place
from harness.ledger import postgres, redis
from harness.ledger.append import JournalAppender
from harness.ledger.journal import Header
from harness.model.history import Outcome
from harness.model.subject import ObjectStore
from harness.practice.past_clock import PastClock
from harness.practice.postgres import STANZA, PracticePostgres
from harness.practice.redis import CLUSTER, PracticeRedis

_RATE = 20
"""How much faster than time PostgreSQL's past goes by. pgBackRest copies nothing before the end of
a second of PostgreSQL's clock, and polls for the answer of a query every tenth of one: at 1 a day
takes 2 s, at 20 a third of a second."""

_FULL_BACKUP_EVERY_DAYS = 15
_LEDGER_ROWS_A_DAY = 5
_ORDERS_A_DAY = 30_000
"""About 3 MB, where an empty cluster has 22: restores of two days differ in size by a tenth at the
least in the beginning, as the prediction needs (judge.prediction.DISTINCT_BY)."""
_KEYS_A_DAY = 100
_PAST_CLIENT = 1
"""The ledger's client of the past; the writers of the present are numbered after it."""


def live_postgres_past(server: PracticePostgres, place: Place, ledger: Path) -> None:
    """31 days of an empty cluster: started, filled a little, backed up daily, and stopped."""
    clock = PastClock(place, STANZA, rate=_RATE, user=server.user)
    server.start(clock)
    server.configure_past()
    endpoint = server.endpoint
    postgres.create_ledger(endpoint)
    identity, durability = postgres.describe_server(endpoint)
    journal = _journal(ledger, STANZA, identity, durability)
    writer = postgres.PostgresWriter(endpoint, journal)
    with connect(endpoint) as connection:
        connection.execute(
            "create table orders (id bigint generated always as identity primary key, "
            "day int not null, at timestamptz not null default clock_timestamp(), "
            "note text not null)"
        )
        for number, day in enumerate(clock.days()):
            connection.execute(
                "insert into orders (day, note) select %s::int, md5(g::text) "
                "from generate_series(1, %s::int) g",
                (day, _ORDERS_A_DAY),
            )
            for _ in range(_LEDGER_ROWS_A_DAY):
                _demand(writer.write_once(), STANZA)
            clock.backup_time(day)
            server.back_up("incr" if number % _FULL_BACKUP_EVERY_DAYS else "full", clock)
    writer.close()
    journal.close()
    server.stop()
    clock.forget()


def live_redis_past(cluster: PracticeRedis, place: Place, ledger: Path, store: ObjectStore) -> None:
    """31 days of an empty cluster of masters: started, written to, snapshot daily, and stopped."""
    clock = PastClock(place, CLUSTER)
    cluster.start(clock, replicas=False)
    cluster.form()
    endpoint = cluster.endpoint
    journal = _journal(ledger, CLUSTER, redis.describe_server(endpoint), "WAIT 0 0 ms")
    writer = redis.RedisWriter(endpoint, journal)
    for day in clock.days():
        cluster.set_all((f"day:{day}:{n}", b"x" * 100) for n in range(_KEYS_A_DAY))
        for _ in range(_LEDGER_ROWS_A_DAY):
            _demand(writer.write_once(), CLUSTER)
        clock.backup_time(day)
        take_snapshot(cluster.masters, store, cluster=True, directory=place.directory / "snapshot")
    writer.close()
    journal.close()
    cluster.stop()
    clock.forget()


def _journal(directory: Path, subject: str, identity: str, durability: str) -> JournalAppender:
    directory.mkdir(parents=True, exist_ok=True)
    header = Header(
        subject=subject,
        client=_PAST_CLIENT,
        seed=secrets.randbits(63),
        boot_id=boot_id(),
        started=HostClock().now().utc,
        server=identity,
        durability=durability,
    )
    return JournalAppender(directory, header)


def _demand(outcome: Outcome, subject: str) -> None:
    if outcome is not Outcome.OK:
        raise SurroundingsError(f"{subject}: a write of the past was answered {outcome}")
