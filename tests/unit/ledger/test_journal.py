"""The journal: what was written is read, and every kind of damage is found and named."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from harness.drivers.clock import boot_id
from harness.errors import RecordError
from harness.ledger.append import (
    JournalAppender,
    SyncThread,
    encode_record,
    next_client,
    seal_abandoned,
)
from harness.ledger.journal import (
    OPEN,
    RECORD,
    RECORD_BYTES,
    DamageKind,
    Flag,
    Header,
    Journal,
    Type,
    checksums,
    encode_header,
    payload_of,
    read_journals,
)


def header(client: int = 1, boot: str = "boot-a", hour: int = 0) -> Header:
    """A header; a later hour is a later start."""
    return Header(
        subject="orders",
        client=client,
        seed=7,
        boot_id=boot,
        started=datetime(2026, 11, 24, hour, tzinfo=UTC),
        server="system identifier 1",
        durability="synchronous_commit=on",
    )


def pair(seq: int, outcome: Type = Type.OK, client: int = 1) -> bytes:
    """The two records of one operation."""
    payload = payload_of(7, client, seq)
    at = seq * 1000
    return encode_record(
        Type.INVOKE, client=client, seq=seq, payload=payload, monotonic_ns=at, wall_ns=at
    ) + encode_record(
        outcome, client=client, seq=seq, payload=payload, monotonic_ns=at + 5, wall_ns=at + 5
    )


def closing(client: int = 1) -> bytes:
    """The closing record."""
    return encode_record(Type.CLOSED, client=client, seq=0)


def read(directory: Path, *records: bytes, of: Header | None = None) -> Journal:
    """What is read of one file of these records."""
    (directory / "client-1.journal").write_bytes(encode_header(of or header()) + b"".join(records))
    return read_journals(directory)


def kinds(journal: Journal) -> set[DamageKind]:
    """The kinds of damage found."""
    return {one.kind for one in journal.damage}


def test_no_journal_is_no_operation(tmp_path: Path) -> None:
    """A directory without journals holds nothing and is not damaged."""
    journal = read_journals(tmp_path)
    assert len(journal) == 0
    assert journal.damage == ()
    assert journal.boot_id == ""


def test_what_is_appended_is_read(tmp_path: Path) -> None:
    """Every outcome, position, time and flag comes back as it was journaled."""
    appender = JournalAppender(tmp_path, header(client=3))
    sync = SyncThread((appender,))
    sync.start()
    first = appender.invoke(log=2)
    appender.complete(Type.OK, log=2, server_us=11, position=22, flags=Flag.UNREPLICATED)
    appender.invoke()
    appender.complete(Type.FAIL)
    appender.invoke()
    appender.complete(Type.INDETERMINATE)
    appender.invoke()
    sync.finish()
    appender.close()
    journal = read_journals(tmp_path)
    assert kinds(journal) == set()
    assert first == (1, payload_of(7, 3, 1)) == (journal.seq[0], journal.payload[0])
    assert journal.outcome.tolist() == [Type.OK, Type.FAIL, Type.INDETERMINATE, OPEN]
    assert (journal.server_us[0], journal.position[0], journal.log[0]) == (11, 22, 2)
    assert journal.flags.tolist() == [Flag.UNREPLICATED, 0, 0, 0]
    assert journal.invoked_ns[0] <= journal.completed_ns[0] <= journal.invoked_ns[1]
    assert journal.completed_ns[3] == 0
    assert journal.client.tolist() == [3, 3, 3, 3]


def test_a_journal_is_never_overwritten(tmp_path: Path) -> None:
    """A second writer of the same client is refused, and the next number is free."""
    JournalAppender(tmp_path, header(client=5)).close()
    with pytest.raises(RecordError, match="cannot be made"):
        JournalAppender(tmp_path, header(client=5))
    assert next_client(tmp_path) == 6
    assert next_client(tmp_path, first=9) == 9


def test_more_operations_than_a_chunk(tmp_path: Path) -> None:
    """Operations whose two records fall into different chunks are completed all the same."""
    count = 20_001
    records = np.zeros(2 * count + 1, RECORD)
    records["client"] = 1
    records["type"][:-1:2], records["type"][1::2], records["type"][-1] = 1, 2, Type.CLOSED
    records["seq"][:-1] = np.repeat(np.arange(1, count + 1), 2)
    records["checksum"] = checksums(records)
    shifted = encode_record(Type.INVOKE, client=1, seq=1)  # so that pairs straddle the boundary
    (tmp_path / "a.journal").write_bytes(encode_header(header()) + records[1:].tobytes())
    assert kinds(read_journals(tmp_path)) == {
        DamageKind.SEQUENCE_GAP,
        DamageKind.ORPHAN_COMPLETION,
    }
    (tmp_path / "a.journal").write_bytes(encode_header(header()) + shifted + records[1:].tobytes())
    journal = read_journals(tmp_path)
    assert journal.damage == ()
    assert len(journal) == count
    assert (journal.outcome == Type.OK).all()


def test_cut_at_every_byte(tmp_path: Path) -> None:
    """A file cut anywhere shows no operation as acknowledged that the cut took, and says so."""
    records = pair(1) + pair(2, Type.FAIL) + pair(3)
    content = encode_header(header()) + records + closing()
    start = len(content) - len(records) - RECORD_BYTES
    file = tmp_path / "client-1.journal"
    for cut in range(len(content)):
        file.write_bytes(content[:cut])
        journal = read_journals(tmp_path)
        acknowledged = journal.seq[journal.outcome == Type.OK].tolist()
        whole = max(0, cut - start) // RECORD_BYTES
        assert acknowledged == [seq for seq, needs in ((1, 2), (3, 6)) if whole >= needs], cut
        assert kinds(journal) & {DamageKind.BAD_HEADER, DamageKind.UNCLEAN_END}, cut
        assert (DamageKind.TORN_TAIL in kinds(journal)) == (
            cut > start and (cut - start) % RECORD_BYTES != 0
        ), cut


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_a_changed_byte_anywhere_is_found(tmp_path: Path, flip: int) -> None:
    """A record with any one byte changed is left out and counted."""
    for position in range(RECORD_BYTES):
        changed = bytearray(pair(1))
        changed[RECORD_BYTES + position] ^= flip
        journal = read(tmp_path, bytes(changed), pair(2), closing())
        assert DamageKind.BAD_CHECKSUM in kinds(journal), position
        assert journal.outcome.tolist() == [OPEN, Type.OK]


def test_two_flipped_top_bits_do_not_cancel(tmp_path: Path) -> None:
    """The top bits of two 64-bit words, which odd keys alone would let through, are found."""
    changed = bytearray(pair(1))
    changed[RECORD_BYTES + 15] ^= 0x80
    changed[RECORD_BYTES + 23] ^= 0x80
    assert DamageKind.BAD_CHECKSUM in kinds(read(tmp_path, bytes(changed), closing()))


def test_a_page_of_zeros_is_found(tmp_path: Path) -> None:
    """Zeros, as a file system may leave after a crash, are no records."""
    assert DamageKind.BAD_CHECKSUM in kinds(read(tmp_path, pair(1), bytes(4096), closing()))


@pytest.mark.parametrize(
    ("records", "kind"),
    [
        ((pair(1), pair(3), closing()), DamageKind.SEQUENCE_GAP),
        ((pair(1), pair(1), closing()), DamageKind.SEQUENCE_GAP),
        ((pair(2), pair(1), closing()), DamageKind.SEQUENCE_GAP),
        ((pair(1), pair(2)[RECORD_BYTES:], closing()), DamageKind.ORPHAN_COMPLETION),
        ((pair(1), pair(2, client=2), closing()), DamageKind.WRONG_CLIENT),
        ((pair(1),), DamageKind.UNCLEAN_END),
        ((pair(1), b"torn"), DamageKind.TORN_TAIL),
    ],
)
def test_each_damage_is_named(tmp_path: Path, records: tuple[bytes, ...], kind: DamageKind) -> None:
    """Each kind of damage, planted once, is found."""
    journal = read(tmp_path, *records)
    assert kind in kinds(journal)
    (damage,) = [one for one in journal.damage if one.kind is kind]
    assert damage.client == 1
    assert "client-1.journal" in str(damage)


def test_a_bad_header_is_named(tmp_path: Path) -> None:
    """A file whose header was altered is not read at all, and named."""
    content = bytearray(encode_header(header()) + pair(1) + closing())
    content[40] ^= 1
    (tmp_path / "a.journal").write_bytes(content)
    journal = read_journals(tmp_path)
    assert kinds(journal) == {DamageKind.BAD_HEADER}
    assert len(journal) == 0


def test_another_boot_is_named(tmp_path: Path) -> None:
    """Operations of an earlier boot are read, and known to be timed by another clock."""
    (tmp_path / "a.journal").write_bytes(encode_header(header()) + pair(1) + closing())
    (tmp_path / "b.journal").write_bytes(
        encode_header(header(client=2, boot="boot-b", hour=1)) + pair(1, client=2) + closing(2)
    )
    journal = read_journals(tmp_path)
    assert [(one.kind, one.client) for one in journal.damage] == [(DamageKind.OTHER_BOOT, 1)]
    assert journal.boot_id == "boot-b"
    assert journal.this_boot.tolist() == [False, True]


def test_a_killed_writers_journal_is_sealed(tmp_path: Path) -> None:
    """The next start ends the journal of a dead writer of this boot, and of no other."""
    live = JournalAppender(tmp_path, header(client=2, boot=boot_id()))
    (tmp_path / "dead.journal").write_bytes(encode_header(header(boot=boot_id())) + pair(1))
    (tmp_path / "torn.journal").write_bytes(encode_header(header(boot=boot_id())) + b"torn")
    (tmp_path / "old.journal").write_bytes(encode_header(header(boot="before")) + pair(1))
    assert [path.name for path in seal_abandoned(tmp_path)] == ["dead.journal"]
    assert seal_abandoned(tmp_path) == ()
    assert kinds(read_journals(tmp_path / "dead.journal")) == set()
    assert kinds(read_journals(tmp_path / "old.journal")) == {DamageKind.UNCLEAN_END}
    live.close()
