"""Names of WAL segments, gaps in an archive, commits in pg_waldump's output."""

from __future__ import annotations

import bz2
import gzip
import lzma
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import RestoreError
from harness.restore.wal import (
    DEFAULT_SEGMENT_BYTES,
    Segment,
    format_lsn,
    inspect_continuity,
    lacks,
    parse_lsn,
    segment_bytes,
)
from harness.restore.wal_commits import parse_commits
from harness.restore.wal_decompression import decompress

SIZE = DEFAULT_SEGMENT_BYTES


def names(first: int, last: int, timeline: int = 1) -> list[str]:
    return [Segment(timeline, number).name() for number in range(first, last + 1)]


def test_an_empty_archive_lacks_what_is_needed() -> None:
    """Nothing present is never whole."""
    found = inspect_continuity([], "000000010000000000000003", SIZE)
    assert found.missing == ("000000010000000000000003",)
    assert (found.pieces, found.last) == (0, None)


@given(
    st.integers(0, 1 << 20),
    st.integers(1, 1 << 31),
    st.sampled_from([1 << 20, 16 << 20, 1 << 30]),
)
def test_a_segment_is_its_name(number: int, timeline: int, size: int) -> None:
    """Parsing a name gives back the segment, whatever its size."""
    segment = Segment(timeline, number)
    assert Segment.parse(segment.name(size), size) == segment


@given(st.integers(0, (1 << 64) - 1))
def test_an_lsn_is_its_text(position: int) -> None:
    """Parsing an LSN gives back the position."""
    assert parse_lsn(format_lsn(position)) == position


def test_names_that_are_none_are_refused() -> None:
    """History files and nonsense are no segments."""
    for name in ("00000002.history", "", "00000001000000000000000g"):
        with pytest.raises(ValueError, match="WAL segment"):
            Segment.parse(name)
    with pytest.raises(ValueError, match="LSN"):
        parse_lsn("16")


def test_the_number_runs_on_from_one_log_to_the_next() -> None:
    """FF is followed by 00 of the next log."""
    first, second = names(255, 256)
    assert first == "0000000100000000000000FF"
    assert second == "000000010000000100000000"


@pytest.mark.parametrize("size", [1 << 20, 16 << 20, 64 << 20, 1 << 30])
def test_the_segment_size_shows_in_the_names_of_a_full_log(size: int) -> None:
    """Two logs tell the size."""
    per_log = (1 << 32) // size
    archive = [Segment(1, number).name(size) for number in range(per_log + 2)]
    assert segment_bytes(archive) == size


def test_the_segment_size_is_the_default_where_names_are_too_few() -> None:
    """One log that is not full says nothing, unless it has more than the default could."""
    assert segment_bytes([]) == SIZE
    assert segment_bytes(names(0, 3)) == SIZE
    assert segment_bytes(["000000010000000000000FFF"]) == 1 << 20


def test_a_whole_archive_is_whole_and_a_gap_is_named() -> None:
    """Only what lies between what is needed and the newest can be missing."""
    archive = names(3, 300)
    assert inspect_continuity(archive, archive[2], SIZE).missing_count == 0
    gone = archive.pop(100)
    found = inspect_continuity(archive, archive[2], SIZE)
    assert (found.missing, found.missing_count) == ((gone,), 1)
    assert found.last == names(300, 300)[0]


def test_the_first_needed_segment_may_be_the_missing_one() -> None:
    """An archive that begins after the oldest backup lacks what is before."""
    found = inspect_continuity(names(5, 9), names(3, 3)[0], SIZE)
    assert found.missing == tuple(names(3, 4))


def test_more_than_fifty_are_counted_but_not_named() -> None:
    """A history line stays short."""
    found = inspect_continuity([*names(0, 0), *names(100, 100)], names(0, 0)[0], SIZE)
    assert (len(found.missing), found.missing_count) == (50, 99)


def test_a_timeline_switch_is_no_gap() -> None:
    """The new timeline begins with the segment in which it forked; the old one may end before."""
    archive = [*names(1, 5), *names(5, 9, timeline=2)]
    assert inspect_continuity(archive, names(1, 1)[0], SIZE).missing_count == 0
    archive = [*names(1, 4), *names(5, 9, timeline=2)]
    assert inspect_continuity(archive, names(1, 1)[0], SIZE).missing_count == 0


def test_what_an_abandoned_timeline_went_on_with_hides_no_gap_of_the_newest() -> None:
    """Segments of the old primary after the switch are of no use to recovery."""
    archive = [*names(1, 9), *names(5, 6, timeline=2), *names(8, 9, timeline=2)]
    found = inspect_continuity(archive, names(1, 1)[0], SIZE)
    assert found.missing == tuple(names(7, 7, timeline=2))


def test_a_backup_needs_every_segment_from_its_start_to_its_stop() -> None:
    """One missing makes it unusable."""
    archive = names(1, 9)
    assert not lacks(archive, archive[1], archive[3], SIZE)
    assert lacks([*archive[:2], *archive[3:]], archive[1], archive[3], SIZE)
    assert lacks([], archive[1], archive[1], SIZE)


WALDUMP = """\
rmgr: Transaction len (rec/tot):     34/    34, tx:        735, lsn: 0/0152A0C8, prev 0/0152A088, \
desc: COMMIT 2026-11-24 03:57:28.123456 UTC
rmgr: Transaction len (rec/tot):    418/   418, tx:        736, lsn: 0/0152B000, prev 0/0152A0F0, \
desc: COMMIT 2026-11-24 03:57:29.000001 UTC; inval msgs: catcache 80 catcache 79
rmgr: Transaction len (rec/tot):     34/    34, tx:        737, lsn: 0/0152B1A8, prev 0/0152B000, \
desc: ABORT 2026-11-24 03:57:30.000000 UTC
pg_waldump: error: error in WAL record at 0/152B1A8: invalid record length at 0/152B1D0
"""


def test_commits_are_read_with_their_microseconds_and_aborts_are_not() -> None:
    """What follows the commit's time is of no interest."""
    assert parse_commits("") == []
    commits = parse_commits(WALDUMP)
    assert [commit.lsn for commit in commits] == ["0/0152A0C8", "0/0152B000"]
    assert commits[1].at == datetime(2026, 11, 24, 3, 57, 29, 1, tzinfo=UTC)


def test_wal_is_decompressed_by_its_extension() -> None:
    """Zstandard and LZ4 frames made by their own programs; a plain file as it is."""
    content = b"wal" * 1000
    # `printf 'wal%.0s' $(seq 1000) | zstd -c`, and the same with lz4
    zstd = bytes.fromhex("28b52ffd04585500001877616c0100b2d37743a41f4d3a")
    lz4 = bytes.fromhex(
        "04224d186440a7180000003f77616c0300ffffffffffffffffffffffa850616c77616c00000000ebb40e04"
    )
    for name, packed in (
        ("a.gz", gzip.compress(content)),
        ("a.bz2", bz2.compress(content)),
        ("a.xz", lzma.compress(content)),
        ("a.zst", zstd),
        ("a.lz4", lz4),
        ("a", content),
    ):
        assert decompress(name, packed, SIZE) == content
    for name, packed in (
        ("a.gz", b"no"),
        ("a.zst", zstd[:12]),
        ("a.lz4", lz4[:20]),
        ("a.lz4", b"not a frame"),
        ("a.snappy", b""),
    ):
        with pytest.raises(RestoreError, match=name):
            decompress(name, packed, SIZE)
