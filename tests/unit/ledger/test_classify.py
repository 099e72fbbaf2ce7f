"""Classification: every operation lands in its one class, in whatever order rows are read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.ledger.append import encode_record
from harness.ledger.classify import (
    BeforeFault,
    Classification,
    Loss,
    OpClass,
    UntilPoint,
    classify,
    loss,
    on_clock_of,
)
from harness.ledger.journal import (
    OPEN,
    Header,
    Journal,
    Type,
    encode_header,
    payload_of,
    read_journals,
)
from harness.ledger.rows import ROW
from harness.model.instant import Bracket

SECOND = 1_000_000_000
FAULT = Bracket(earliest_ns=100 * SECOND, latest_ns=100 * SECOND + 1000)
NOW = BeforeFault(until_ns=FAULT.latest_ns)

Op = tuple[int, int, int, int]
"""(client, log, outcome, invoked at second); it takes a millisecond, and seq follows the order."""

Row = tuple[int, int, int, int, int]


def content_of(client: int, ops: Sequence[Op], boot: str = "boot") -> bytes:
    """One client's file."""
    records = []
    for seq, (_, log, outcome, at_s) in enumerate(ops, start=1):
        at = at_s * SECOND
        payload = payload_of(7, client, seq)
        records.append(
            encode_record(
                Type.INVOKE,
                client=client,
                seq=seq,
                log=log,
                payload=payload,
                monotonic_ns=at,
                wall_ns=at,
            )
        )
        if outcome != OPEN:
            records.append(
                encode_record(
                    Type(outcome),
                    client=client,
                    seq=seq,
                    log=log,
                    payload=payload,
                    monotonic_ns=at + 1_000_000,
                    wall_ns=at + 1_000_000,
                    server_us=at_s * 1_000_000 if outcome == Type.OK else 0,
                )
            )
    records.append(encode_record(Type.CLOSED, client=client, seq=len(ops)))
    head = Header(
        subject="orders",
        client=client,
        seed=7,
        boot_id=boot,
        started=datetime(2026, 1, 1, tzinfo=UTC),
        server="",
        durability="",
    )
    return encode_header(head) + b"".join(records)


def journal_of(*ops: Op) -> Journal:
    """A journal of these operations."""
    with TemporaryDirectory() as name:
        for client in {op[0] for op in ops}:
            mine = [op for op in ops if op[0] == client]
            (Path(name) / f"{client}.journal").write_bytes(content_of(client, mine))
        return read_journals(Path(name))


def row(client: int, seq: int, at_s: int, payload: int | None = None, log: int = 0) -> Row:
    """A row as its operation wrote it, unless told otherwise."""
    right = payload_of(7, client, seq)
    return client, seq, right if payload is None else payload, at_s * 1_000_000, log


def rows_of(*rows: Row) -> NDArray[Any]:
    """Rows as they are read back."""
    return np.array(list(rows), dtype=ROW)


def lost_of(journal: Journal, *rows: Row) -> Loss:
    """The loss of one trial."""
    found = classify(journal, rows_of(*rows), NOW)
    return loss(journal, found, FAULT, window_ns=60 * SECOND)


def classes(found: Classification) -> list[OpClass]:
    """The classes by name."""
    return [OpClass(one) for one in found.classes]


def test_no_operation_and_no_row() -> None:
    """An empty ledger has no class, no loss and no resolution."""
    journal = journal_of()
    found = classify(journal, rows_of(), NOW)
    assert sum(found.counts().values()) == 0
    assert lost_of(journal).resolution_ns is None
    assert lost_of(journal).acknowledged == 0


def test_a_row_of_an_empty_ledger_is_unexpected() -> None:
    """Rows without any journal are all unexpected."""
    assert len(classify(journal_of(), rows_of(row(1, 1, 5)), NOW).unexpected) == 1


@pytest.mark.parametrize(
    ("outcome", "at_s", "rows", "expected"),
    [
        (Type.OK, 10, [row(1, 1, 10)], OpClass.SURVIVED),
        (Type.OK, 10, [], OpClass.LOST),
        (Type.OK, 10, [row(1, 1, 10, payload=1)], OpClass.CORRUPT),
        (Type.OK, 10, [row(1, 1, 11)], OpClass.CORRUPT),
        (Type.OK, 10, [row(1, 1, 10), row(1, 1, 10)], OpClass.DUPLICATE),
        (Type.OK, 10, [row(1, 1, 10), row(1, 1, 10, payload=1)], OpClass.CORRUPT),
        (Type.FAIL, 10, [row(1, 1, 10)], OpClass.PHANTOM),
        (Type.FAIL, 10, [], OpClass.FAILED_ABSENT),
        (Type.INDETERMINATE, 10, [row(1, 1, 10)], OpClass.RECOVERED),
        (Type.INDETERMINATE, 10, [], OpClass.INDETERMINATE_ABSENT),
        (OPEN, 10, [row(1, 1, 10)], OpClass.RECOVERED),
        (OPEN, 10, [], OpClass.INDETERMINATE_ABSENT),
        (OPEN, 10, [row(1, 1, 10, payload=1)], OpClass.CORRUPT),
        (Type.OK, 101, [], OpClass.AFTER),
        (Type.OK, 101, [row(1, 1, 101)], OpClass.AFTER),
        (Type.FAIL, 101, [row(1, 1, 101)], OpClass.PHANTOM),
        (Type.OK, 101, [row(1, 1, 101)] * 2, OpClass.DUPLICATE),
    ],
)
def test_each_class_once(outcome: int, at_s: int, rows: list[Row], expected: OpClass) -> None:
    """Each journaled outcome with each thing that can be read back lands in its one class."""
    found = classify(journal_of((1, 0, outcome, at_s)), rows_of(*rows), NOW)
    assert classes(found) == [expected]
    assert len(found.unexpected) == 0


def test_a_second_read_back() -> None:
    """Rows that the second read-back lacks are rolled back; rows that only it has were late."""
    journal = journal_of((1, 0, Type.OK, 10), (1, 0, Type.OK, 11), (1, 0, Type.OK, 12))
    first, second = rows_of(row(1, 1, 10), row(1, 2, 11)), rows_of(row(1, 1, 10), row(1, 3, 12))
    found = classify(journal, first, NOW, later=second)
    assert classes(found) == [OpClass.SURVIVED, OpClass.LOST_LATE, OpClass.STALE]
    assert loss(journal, found, FAULT, window_ns=SECOND).records == 1


@pytest.mark.parametrize("stranger", [row(1, 9, 5), row(2, 1, 5), (1 << 30, 1, 0, 0, 0)])
def test_unexpected_rows(stranger: Row) -> None:
    """A row that was never invoked is unexpected, also where its number would alias another's."""
    found = classify(journal_of((1, 0, Type.OK, 10)), rows_of(row(1, 1, 10), stranger), NOW)
    assert classes(found) == [OpClass.SURVIVED]
    assert len(found.unexpected) == 1


def test_a_damaged_journal_does_not_call_rows_unexpected() -> None:
    """What a damaged journal may have lost the record of is not held against the data."""
    content = bytearray(content_of(1, [(1, 0, Type.OK, 10), (1, 0, Type.OK, 11)]))
    content[-64 * 2 - 1] ^= 1  # the second operation's invocation
    with TemporaryDirectory() as name:
        (Path(name) / "1.journal").write_bytes(content)
        journal = read_journals(Path(name))
    found = classify(journal, rows_of(row(1, 1, 10), row(1, 2, 11)), NOW)
    assert len(found.unexpected) == 0
    assert len(found.unjournaled) == 1


def test_a_hole_is_within_one_log() -> None:
    """A write lost before a surviving one is a hole in the same log, and normal across logs."""
    journal = journal_of((1, 0, Type.OK, 10), (1, 0, Type.OK, 11), (2, 1, Type.OK, 5))
    assert classify(journal, rows_of(row(1, 2, 11), row(2, 1, 5)), NOW).hole.tolist() == [
        True,
        False,
        False,
    ]
    across = classify(journal, rows_of(row(1, 1, 10), row(1, 2, 11)), NOW)
    assert classes(across)[2] is OpClass.LOST
    assert not across.hole.any()


def test_a_tail_is_no_hole() -> None:
    """The end of a log that is cut off is lost, without a hole."""
    journal = journal_of(*((1, 0, Type.OK, at) for at in range(10, 20)))
    found = classify(journal, rows_of(*(row(1, n + 1, 10 + n) for n in range(6))), NOW)
    assert found.count(OpClass.LOST) == 4
    assert not found.hole.any()


def test_bounds_of_a_loss() -> None:
    """The loss reaches from the first lost write to the fault, by its acknowledgement at least and
    by its invocation at most.
    """
    journal = journal_of(*((1, 0, Type.OK, at) for at in range(90, 100)))
    cost = lost_of(journal, *(row(1, n + 1, 90 + n) for n in range(6)))
    assert (cost.records, cost.acknowledged) == (4, 10)
    assert cost.low_ns == 4 * SECOND - 1_000_000
    assert cost.high_ns == 4 * SECOND + 1000
    assert cost.older_survived
    assert cost.first_ns == 96 * SECOND
    assert cost.resolution_ns == SECOND


def test_writes_that_an_unfenced_server_acknowledged_count() -> None:
    """Where the old server went on acknowledging after the fault, the span is the loss."""
    journal = journal_of(*((1, 0, Type.OK, at) for at in (90, 99, 101, 130)))
    found = classify(journal, rows_of(row(1, 1, 90)), BeforeFault(until_ns=200 * SECOND))
    cost = loss(journal, found, FAULT, window_ns=60 * SECOND)
    assert cost.records == 3
    assert cost.span_ns == 31 * SECOND + 1_000_000
    assert cost.low_ns == 31 * SECOND - 1_000_000


def test_nothing_older_survived() -> None:
    """A ledger that is lost as a whole cannot say how far back the loss reaches."""
    cost = lost_of(journal_of((1, 0, Type.OK, 98), (1, 0, Type.OK, 99)))
    assert cost.records == 2
    assert not cost.older_survived


def test_resolution_is_the_longest_silence_of_any_log() -> None:
    """A shard that is written rarely limits what can be seen, and so does silence at the end."""
    busy = [(1, 0, Type.OK, at) for at in range(40, 100)]
    rare = [(2, 1, Type.OK, 30), (2, 1, Type.OK, 95)]
    resolution = lost_of(journal_of(*busy, *rare)).resolution_ns
    assert resolution == 65 * SECOND
    assert lost_of(journal_of(*busy[:-7])).resolution_ns == 8 * SECOND - 1_000_000


def test_failed_writes_are_no_acknowledgement() -> None:
    """What was refused does not make the ledger finer."""
    cost = lost_of(journal_of((1, 0, Type.OK, 50), (1, 0, Type.FAIL, 99)))
    assert cost.resolution_ns == 50 * SECOND - 1_000_000


def test_an_unanswered_write_at_the_end_may_be_lost() -> None:
    """An absent unanswered write may be lost, unless later ones of its log are there."""
    survivor = (1, 0, Type.OK, 60)
    early = lost_of(journal_of((1, 0, Type.INDETERMINATE, 50), survivor), row(1, 2, 60))
    assert (early.indeterminate, early.high_with_indeterminate_ns) == (0, 0)
    late = lost_of(journal_of(survivor, (1, 0, Type.INDETERMINATE, 70)), row(1, 1, 60))
    assert late.indeterminate == 1
    assert late.high_with_indeterminate_ns == 30 * SECOND + 1000
    assert late.records == 0


def test_times_of_another_boot_are_carried_over() -> None:
    """Operations timed by another monotonic clock are placed by wall clock, and less exactly."""
    journal = journal_of((1, 0, Type.OK, 90), (1, 0, Type.OK, 95))
    same = on_clock_of(journal, FAULT.latest_ns, FAULT.latest_ns)
    assert same.uncertainty_ns == 0
    shift = 5000 * SECOND  # the fault's host booted that much earlier
    other = on_clock_of(journal, FAULT.latest_ns + shift, FAULT.latest_ns)
    assert other.uncertainty_ns > 0
    assert (other.invoked_ns - journal.invoked_ns).tolist() == [shift, shift]


# -- a point in time ------------------------------------------------------------------------------

TEN = [(1, 0, int(Type.OK), at) for at in range(10, 20)]


def until(from_s: float, until_s: float | None = None, granularity_s: float = 0) -> UntilPoint:
    """A point by the server's clock."""
    return UntilPoint(
        from_us=int(from_s * 1e6),
        until_us=int((from_s if until_s is None else until_s) * 1e6),
        granularity_us=int(granularity_s * 1e6),
    )


def ten_rows(count: int) -> NDArray[Any]:
    """The rows of the first writes of TEN."""
    return rows_of(*(row(1, n + 1, 10 + n) for n in range(count)))


def test_a_point_that_was_met() -> None:
    """All before the point and nothing after it; the one around it may be either."""
    for included in (5, 6):
        found = classify(journal_of(*TEN), ten_rows(included), until(15.5))
        assert found.count(OpClass.LOST) == found.count(OpClass.BEYOND) == 0
        assert found.point is not None
        assert (found.point.before, found.point.after, found.point.ambiguous) == (5, 4, 1)
        assert found.point.last_included_us == (9 + included) * 1_000_000
        assert found.point.first_excluded_us == (10 + included) * 1_000_000


def test_a_point_that_was_missed_either_way() -> None:
    """One write too few is lost, one too many is beyond the point."""
    assert classify(journal_of(*TEN), ten_rows(4), until(15.5)).count(OpClass.LOST) == 1
    over = classify(journal_of(*TEN), ten_rows(7), until(15.5))
    assert over.count(OpClass.BEYOND) == 1
    assert over.count(OpClass.LOST) == 0


def test_a_coarse_restore_has_more_that_is_ambiguous() -> None:
    """With a granularity of a second, writes within it of the point are held against nobody."""
    found = classify(journal_of(*TEN), ten_rows(7), until(15.5, granularity_s=1))
    assert found.point is not None
    assert (found.point.before, found.point.after) == (4, 3)
    assert found.count(OpClass.BEYOND) == 0


def test_a_snapshot_is_exact_by_its_own_time() -> None:
    """What was written while a snapshot was taken may be in it or not."""
    for included in (4, 5, 7):
        found = classify(journal_of(*TEN), ten_rows(included), until(13.5, 16.5))
        assert found.count(OpClass.LOST) + found.count(OpClass.BEYOND) == (included < 3)


def test_an_unacknowledged_write_beyond_the_point() -> None:
    """A write without an answer that is there shows by its own time that the point was passed."""
    journal = journal_of((1, 0, Type.OK, 10), (1, 0, Type.INDETERMINATE, 30))
    late = classify(journal, rows_of(row(1, 1, 10), row(1, 2, 30)), until(15))
    assert classes(late)[1] is OpClass.BEYOND
    absent = classify(journal, rows_of(row(1, 1, 10)), until(15))
    assert classes(absent)[1] is OpClass.INDETERMINATE_ABSENT


def test_a_server_clock_that_ran_backwards_is_counted() -> None:
    """Where the server's clock went back, no point of it is exact."""
    found = classify(journal_of((1, 0, Type.OK, 20), (1, 0, Type.OK, 10)), rows_of(), until(15))
    assert found.point is not None
    assert found.point.clock_steps == 1


# -- what holds of any ledger ---------------------------------------------------------------------

OUTCOMES = st.sampled_from([Type.OK, Type.OK, Type.FAIL, Type.INDETERMINATE, OPEN])
JOURNALS = st.lists(
    st.tuples(st.integers(1, 3), st.integers(0, 1), OUTCOMES, st.integers(80, 104)), max_size=12
).map(lambda ops: sorted(ops, key=lambda op: op[3]))


def rows_for(journal: Journal, kept: Sequence[bool]) -> list[Row]:
    """The rows of the operations kept."""
    return [
        row(int(client), int(seq), int(us) // 1_000_000)
        for client, seq, us, keep in zip(
            journal.client, journal.seq, journal.server_us, kept, strict=False
        )
        if keep
    ]


@given(JOURNALS, st.lists(st.booleans(), min_size=12, max_size=12), st.randoms())
def test_the_order_of_rows_does_not_matter(
    ops: list[Op],
    kept: list[bool],
    random: Any,  # noqa: ANN401 - hypothesis's own Random
) -> None:
    """Rows in any order give the same classes, and every operation has exactly one."""
    journal = journal_of(*ops)
    rows = rows_for(journal, kept)
    first = classify(journal, rows_of(*rows), NOW)
    random.shuffle(rows)
    second = classify(journal, rows_of(*rows), NOW)
    assert first.classes.tolist() == second.classes.tolist()
    assert sum(first.counts().values()) == len(ops)


@given(JOURNALS, st.lists(st.booleans(), min_size=12, max_size=12), st.integers(0, 11))
def test_one_more_loss_never_improves(ops: list[Op], kept: list[bool], gone: int) -> None:
    """Taking one more row away never makes the loss smaller, by time or by count."""
    journal = journal_of(*ops)
    before = lost_of(journal, *rows_for(journal, kept))
    kept[gone] = False
    after = lost_of(journal, *rows_for(journal, kept))
    assert after.records >= before.records
    assert after.low_ns >= before.low_ns
    assert max(after.high_ns, after.span_ns) >= max(before.high_ns, before.span_ns)


def test_a_cut_journal_never_turns_lost_into_survived() -> None:
    """Cut at any byte, a journal shows no lost operation as survived, and names its damage."""
    content = content_of(1, [(1, 0, int(Type.OK), at) for at in range(90, 94)])
    rows = rows_of(row(1, 1, 90), row(1, 3, 92))
    with TemporaryDirectory() as name:
        file = Path(name) / "1.journal"
        for cut in range(len(content)):
            file.write_bytes(content[:cut])
            journal = read_journals(file)
            found = classify(journal, rows, NOW)
            survived = journal.seq[found.classes == OpClass.SURVIVED].tolist()
            assert not {2, 4} & set(survived), cut
            assert journal.damage, cut
