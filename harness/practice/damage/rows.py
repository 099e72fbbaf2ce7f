"""Damages rows of the ledger in the practice PostgreSQL itself, and has that archived.

The rows are the present writer's, from the middle of what it wrote: acknowledged before, with
acknowledged ones after them. A restore of everything brings the damage back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg

from harness.drivers import s3
from harness.drivers.clock import wait_until
from harness.drivers.postgres import connect
from harness.model.calibration import Sign
from harness.model.verdict import Verdict
from harness.practice.damage.archive import await_archived, switch_wal
from harness.practice.damage.damage import NotPlantedError, Planted
from harness.practice.platform import BUCKET, Practice
from harness.practice.postgres import STANZA

_ROWS_BEFORE = 10
"""So many rows of the writer must be there, for one to lie in the middle."""

_WRITTEN_WITHIN_S = 30.0
_FOREIGN_CLIENT = 2_000_000_000
"""Nobody journals under it: writers are numbered from 1."""

_COUNT = "SELECT count(*) FROM ledger WHERE client = %s AND seq = %s"
_DELETE = "DELETE FROM ledger WHERE client = %s AND seq = %s"
_FLIP = "UPDATE ledger SET payload = payload # 1 WHERE client = %s AND seq = %s"
_DUPLICATE = "INSERT INTO ledger SELECT * FROM ledger WHERE client = %s AND seq = %s"
_DELETE_DUPLICATE = """DELETE FROM ledger WHERE ctid = (
  SELECT max(ctid) FROM ledger WHERE client = %s AND seq = %s)"""
# Kept beside the ledger, to its last microsecond, to be put back.
_SET_ASIDE = "CREATE TABLE set_aside AS SELECT * FROM ledger WHERE client = %s AND seq = %s"
_PUT_BACK = "INSERT INTO ledger SELECT * FROM set_aside"
_MIDDLE = """WITH written AS (
    SELECT ledger.*, row_number() OVER (ORDER BY seq) AS n, count(*) OVER () AS rows
    FROM ledger WHERE client = (SELECT client FROM ledger ORDER BY written_at DESC LIMIT 1))
  SELECT client, seq, payload FROM written WHERE n = rows / 2 AND rows >= %s"""


@dataclass(frozen=True, kw_only=True)
class _Row:
    client: int
    seq: int
    payload: int

    def __str__(self) -> str:
        return f"client {self.client} number {self.seq}"  # as the judge names operations


@contextlib.contextmanager
def delete_row(practice: Practice) -> Iterator[Planted]:
    """An acknowledged row, gone from the middle."""
    row = _row_in_the_middle(practice)
    with _changed(
        practice,
        row,
        (_SET_ASIDE, row),
        (_DELETE, row),
        undo=((_PUT_BACK, None), ("DROP TABLE set_aside", None)),
        rows=0,
    ):
        yield Planted(
            what=f"ledger row {row} deleted",
            sign=_sign("1 HOLE", row),
        )


@contextlib.contextmanager
def duplicate_row(practice: Practice) -> Iterator[Planted]:
    """A row twice, as a redo that was applied twice would leave it."""
    row = _row_in_the_middle(practice)
    with _changed(
        practice,
        row,
        (_DUPLICATE, row),
        undo=((_DELETE_DUPLICATE, row),),
        rows=2,
    ):
        yield Planted(what=f"ledger row {row} inserted again", sign=_sign("1 DUPLICATE", row))


@contextlib.contextmanager
def alter_row(practice: Practice) -> Iterator[Planted]:
    """A row whose payload has one bit changed."""
    row = _row_in_the_middle(practice)
    with _changed(practice, row, (_FLIP, row), undo=((_FLIP, row),), rows=1):
        with connect(practice.postgres.endpoint) as connection:
            found = connection.execute(
                "SELECT payload FROM ledger WHERE client = %s AND seq = %s", (row.client, row.seq)
            ).fetchone()
        if found is None or found[0] != row.payload ^ 1:
            raise NotPlantedError(f"ledger row {row}: its payload is what it was")
        yield Planted(
            what=f"ledger row {row}: one bit of its payload changed", sign=_sign("1 CORRUPT", row)
        )


@contextlib.contextmanager
def insert_foreign_row(practice: Practice) -> Iterator[Planted]:
    """A row of a client that never wrote."""
    row = _Row(client=_FOREIGN_CLIENT, seq=1, payload=1)
    with _changed(
        practice,
        row,
        ("INSERT INTO ledger (client, seq, payload) VALUES (%s, %s, 1)", row),
        undo=((_DELETE, row),),
        rows=1,
    ):
        yield Planted(what=f"ledger row {row} inserted", sign=_sign("1 UNEXPECTED", row))


def _sign(words: str, row: _Row) -> Sign:
    return Sign(check="ledger", verdict=Verdict.FAIL, says=(words, str(row)))


def _row_in_the_middle(practice: Practice) -> _Row:
    def found() -> _Row | None:
        with connect(practice.postgres.endpoint) as connection:
            row = connection.execute(_MIDDLE, (_ROWS_BEFORE,)).fetchone()
        return None if row is None else _Row(client=row[0], seq=row[1], payload=row[2])

    return wait_until(
        found,
        within_s=_WRITTEN_WITHIN_S,
        what=f"{STANZA}: {_ROWS_BEFORE} ledger rows of the present writer",
        every_s=0.2,
    )


_Statement = tuple[str, _Row | None]


@contextlib.contextmanager
def _changed(
    practice: Practice,
    row: _Row,
    *statements: _Statement,
    undo: Sequence[_Statement],
    rows: int,
) -> Iterator[None]:
    """Statements, and their undoing, each in one transaction that is archived before going on.

    `rows`: how many there must be of the row in between, and never outside the block.
    """
    before = _count(practice, row)
    if before == rows and before != 1:
        raise NotPlantedError(f"ledger row {row}: is there {before} times already")
    _execute(practice, statements)
    try:
        if _count(practice, row) != rows:
            raise NotPlantedError(f"ledger row {row}: is not there {rows} times")
        _archive(practice)
        yield
    finally:
        _execute(practice, undo)
        if _count(practice, row) != before:
            raise NotPlantedError(f"ledger row {row}: is not there {before} times again")
        _archive(practice)


def _execute(practice: Practice, statements: Sequence[_Statement]) -> None:
    with connect(practice.postgres.endpoint) as connection, connection.transaction():
        for statement, row in statements:
            _run(connection, statement, row)


def _run(connection: psycopg.Connection, statement: str, row: _Row | None) -> None:
    connection.execute(statement.encode(), None if row is None else (row.client, row.seq))


def _count(practice: Practice, row: _Row) -> int:
    with connect(practice.postgres.endpoint) as connection:
        found = connection.execute(_COUNT, (row.client, row.seq)).fetchone()
    return 0 if found is None else int(found[0])


def _archive(practice: Practice) -> None:
    store = practice.regions.primary.store(BUCKET, STANZA, "drill")
    await_archived(s3.connect(store), store, switch_wal(practice))
