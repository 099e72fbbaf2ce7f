"""Names of WAL segments: their order, their positions, and which are missing in an archive.

A segment's file name is timeline, log and segment in eight hexadecimal digits each (PostgreSQL
manual, "WAL Internals"; macros XLogFileName and XLogSegmentsPerXLogId in xlog_internal.h).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

SEGMENT = re.compile(r"[0-9A-F]{24}")
DEFAULT_SEGMENT_BYTES = 16 << 20
_LOG_BYTES = 1 << 32
_NAMED_AT_MOST = 50


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """One WAL segment. Ordered by timeline, then by number."""

    timeline: int
    number: int
    """Its position in the cluster's WAL, in segments from 0."""

    @classmethod
    def parse(cls, name: str, segment_bytes: int = DEFAULT_SEGMENT_BYTES) -> Segment:
        """From a file name; raises ValueError where it is none."""
        if not SEGMENT.fullmatch(name):
            raise ValueError(f"WAL segment: got {name!r}, expected 24 hexadecimal digits")
        log, low = int(name[8:16], 16), int(name[16:], 16)
        return cls(timeline=int(name[:8], 16), number=log * (_LOG_BYTES // segment_bytes) + low)

    def name(self, segment_bytes: int = DEFAULT_SEGMENT_BYTES) -> str:
        """Its file name."""
        log, low = divmod(self.number, _LOG_BYTES // segment_bytes)
        return f"{self.timeline:08X}{log:08X}{low:08X}"

    def starts_at(self, segment_bytes: int = DEFAULT_SEGMENT_BYTES) -> int:
        """The LSN of its first byte."""
        return self.number * segment_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuity:
    """What is missing between the first segment that is needed and the last that there is."""

    first: str | None
    last: str | None
    pieces: int
    missing: tuple[str, ...]
    """At most 50 names."""

    missing_count: int


def parse_lsn(text: str) -> int:
    """The position of `16/B374D848` (type pg_lsn); ValueError where it is none."""
    high, slash, low = text.partition("/")
    if not slash:
        raise ValueError(f"LSN: got {text!r}, expected two hexadecimal numbers and a slash")
    return (int(high, 16) << 32) | int(low, 16)


def format_lsn(position: int) -> str:
    """`16/B374D848`."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def segment_bytes(names: Iterable[str]) -> int:
    """The segment size that an archive's names betray; 16 MiB where they are too few to tell.

    Within one log of 4 GiB the low eight digits count up to 4 GiB / size - 1. The size is a power
    of two from 1 MiB to 1 GiB (initdb --wal-segsize).
    """
    highest: dict[str, int] = defaultdict(int)
    for name in names:
        log = name[8:16]
        highest[log] = max(highest[log], int(name[16:24], 16))
    default = _LOG_BYTES // DEFAULT_SEGMENT_BYTES
    # The newest log is not full: it can show that there are more segments to a log than the
    # default, but not that there are fewer.
    full = [high + 1 for log, high in highest.items() if log != max(highest)]
    count = max([*full, max(highest.values(), default=0) + 1 if not full else 0])
    if not full and count <= default:
        return DEFAULT_SEGMENT_BYTES
    return _LOG_BYTES // (1 << max(count - 1, 1).bit_length())


def inspect_continuity(
    present: Iterable[str], first_needed: str | None, size_bytes: int
) -> Continuity:
    """Which segments from `first_needed` to the newest are not in `present`.

    Recovery follows the newest timeline: its segments are needed from its first one on, and those
    of its ancestors before that. Where each timeline forked stands in history files, which may be
    encrypted; here it is taken to be where its own first segment is. A timeline whose first
    segments are missing therefore shows as missing on its ancestor, which has them only if it
    went on.
    """
    by_timeline: dict[int, set[int]] = defaultdict(set)
    names = set(present)
    for name in names:
        segment = Segment.parse(name, size_bytes)
        by_timeline[segment.timeline].add(segment.number)
    start = None if first_needed is None else Segment.parse(first_needed, size_bytes)
    if not by_timeline:
        missing = () if first_needed is None else (first_needed,)
        return Continuity(
            first=first_needed, last=None, pieces=0, missing=missing, missing_count=len(missing)
        )
    newest = max(by_timeline)
    last = max(by_timeline[newest])
    lowest = start.number if start else min(min(numbers) for numbers in by_timeline.values())
    oldest = start.timeline if start else min(by_timeline)
    gaps: list[Segment] = []
    end = last + 1
    for timeline in sorted(by_timeline, reverse=True):
        below = [number for number in by_timeline[timeline] if number < end]
        if timeline < oldest or end <= lowest or not below:
            continue
        # The oldest timeline that counts must reach back to the start.
        begin = lowest if timeline == oldest else max(min(below), lowest)
        gaps += [
            Segment(timeline, number)
            for number in range(begin, end)
            if number not in by_timeline[timeline]
        ]
        end = begin
    gaps += [Segment(oldest, number) for number in range(lowest, end)]
    gaps.sort(key=lambda one: one.number)
    return Continuity(
        first=first_needed or Segment(oldest, lowest).name(size_bytes),
        last=Segment(newest, last).name(size_bytes),
        pieces=len(names),
        missing=tuple(gap.name(size_bytes) for gap in gaps[:_NAMED_AT_MOST]),
        missing_count=len(gaps),
    )


def lacks(present: Iterable[str], first: str, last: str, size_bytes: int) -> bool:
    """Whether one of the segments from `first` to `last`, a backup's own, is missing."""
    start, stop = Segment.parse(first, size_bytes), Segment.parse(last, size_bytes)
    needed = {
        Segment(start.timeline, number).name(size_bytes)
        for number in range(start.number, stop.number + 1)
    }
    return not needed <= set(present)
