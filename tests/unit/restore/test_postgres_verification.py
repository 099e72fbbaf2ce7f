"""What pg_checksums, pg_amcheck and pg_dump of PostgreSQL 15 print, and what is read from it."""

from __future__ import annotations

from harness.model.history import Outcome
from harness.restore.postgres_verification import (
    read_amcheck,
    read_checksums,
    read_damage,
    read_dump_error,
)

CLEAN = """\
Checksum operation completed
Files scanned:   947
Blocks scanned:  3071
Bad checksums:  0
Data checksum version: 1
"""


def test_checksums_that_are_not_there_prove_nothing() -> None:
    """Nothing printed, no blocks, or checksums never enabled."""
    assert read_checksums("", "", 0).outcome is Outcome.INDETERMINATE
    assert read_checksums(CLEAN.replace("3071", "0"), "", 0).outcome is Outcome.INDETERMINATE
    off = read_checksums("", "pg_checksums: error: data checksums are not enabled in cluster", 1)
    assert off.outcome is Outcome.INDETERMINATE
    assert "--data-checksums" in off.detail
    running = read_checksums("", "pg_checksums: error: cluster must be shut down", 1)
    assert running.outcome is Outcome.INDETERMINATE


def test_clean_pages_are_counted() -> None:
    """Blocks are what was examined."""
    found = read_checksums(CLEAN, "", 0)
    assert (found.outcome, found.examined) == (Outcome.OK, 3071)


def test_bad_pages_are_named() -> None:
    """File and block of each."""
    stderr = (
        'pg_checksums: error: checksum verification failed in file "/s/data/base/5/16391", '
        "block 166: calculated checksum 5F3E but block contains 5F3F\n"
    )
    found = read_checksums(CLEAN.replace("sums:  0", "sums:  1"), stderr, 1)
    assert (found.outcome, found.damage) == (Outcome.FAIL, ("/s/data/base/5/16391 block 166",))
    cut = read_checksums(
        "", 'pg_checksums: error: could not read block 9 in file "x": read 100 of 8192', 1
    )
    assert cut.outcome is Outcome.FAIL


DONE = "0/431 relations (0%), 0/4163 pages (0%)\r431/431 relations (100%), 4163/4163 pages (100%)\n"


def test_an_amcheck_of_nothing_proves_nothing() -> None:
    """No relation, or not all of them, or a database left out."""
    assert read_amcheck("", "", 0).outcome is Outcome.INDETERMINATE
    half = "200/431 relations ( 46%), 100/4163 pages (  2%)\n"
    assert read_amcheck("", half, 0).outcome is Outcome.INDETERMINATE
    skipped = 'pg_amcheck: warning: skipping database "postgres": amcheck is not installed\n'
    found = read_amcheck("", skipped + DONE, 0)
    assert found.outcome is Outcome.INDETERMINATE
    assert "skipped postgres" in found.detail


def test_a_clean_amcheck_counts_relations() -> None:
    """The last count is the one that matters."""
    found = read_amcheck("", DONE, 0)
    assert (found.outcome, found.examined) == (Outcome.OK, 431)


REPORT = """\
heap table "postgres.public.big", block 3, offset 2, attribute 1:
    attribute with length 4294967295 ends at offset 50 beyond total tuple length 34
btree index "postgres.public.big_pkey":
    ERROR:  item order invariant violated for index "big_pkey"
    DETAIL:  Lower index tid=(1,2)
heap table "postgres.public.small":
    ERROR:  invalid page in block 166 of relation base/5/16391
"""


def test_damaged_relations_are_named_with_what_was_said_first() -> None:
    """One line each."""
    assert read_damage("") == []
    assert read_damage(REPORT) == [
        "postgres.public.big: block 3, offset 2, attribute 1",
        'postgres.public.big_pkey: ERROR:  item order invariant violated for index "big_pkey"',
        "postgres.public.small: ERROR:  invalid page in block 166 of relation base/5/16391",
    ]
    found = read_amcheck(REPORT, DONE, 2)
    assert found.outcome is Outcome.FAIL
    assert len(found.damage) == 3


def test_a_server_that_went_away_is_neither_sound_nor_damaged() -> None:
    """pg_amcheck reports the broken connection like damage, with the same exit code."""
    lost = (
        'heap table "postgres.public.big":\n    FATAL:  terminating connection due to administrator'
        " command\n"
    )
    found = read_amcheck(lost, "20/431 relations (  4%), 9/4163 pages (  0%)\n", 2)
    assert (found.outcome, found.examined) == (Outcome.INDETERMINATE, 20)
    refused = 'pg_amcheck: error: connection to server on socket "/s/.s.PGSQL.1" failed: No such\n'
    assert read_amcheck("", refused, 1).outcome is Outcome.INDETERMINATE


def test_the_servers_words_explain_a_dump_that_ended() -> None:
    """They stand after pg_dump's own."""
    stderr = (
        'pg_dump: error: Dumping the contents of table "big" failed: PQgetResult() failed.\n'
        "pg_dump: detail: Error message from server: ERROR:  invalid page in block 166\n"
        "pg_dump: detail: Command was: COPY public.big (id, note) TO stdout;\n"
    )
    assert read_dump_error(stderr) == "ERROR:  invalid page in block 166"
    assert read_dump_error("pg_dump: error: no such database\n") == "no such database"
    assert read_dump_error("") is None
