"""Decides what became of every operation of a ledger: each lands in exactly one class.

Pure arithmetic over whole columns. The rules are Jepsen's set checker's (jepsen/checker.clj, `set`
and `set-full`), with the harness's own outcomes: an operation that was not acknowledged may be
there or not, and is neither lost nor survived; one that was refused must not be there.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness.ledger.journal import DamageKind, Flag, Journal, Type
from harness.model.instant import Bracket

Rows: TypeAlias = NDArray[Any]
"""An array of rows.ROW."""

Mask: TypeAlias = NDArray[np.bool_]
Times: TypeAlias = NDArray[np.int64]


class OpClass(enum.IntEnum):
    """What became of one operation. `intact`: read back once, with its own payload and time."""

    SURVIVED = 0
    """Acknowledged, intact."""

    LOST = 1
    """Acknowledged, absent."""

    LOST_LATE = 2
    """Acknowledged, in the first read-back and not in the second: rolled back."""

    STALE = 3
    """Acknowledged, not in the first read-back but in the second."""

    CORRUPT = 4
    """Present with another payload, or another time of writing."""

    DUPLICATE = 5
    """Present more than once."""

    PHANTOM = 6
    """Refused, yet present."""

    BEYOND = 7
    """Committed later than the point restored to, yet present."""

    RECOVERED = 8
    """Not acknowledged, present: allowed."""

    INDETERMINATE_ABSENT = 9
    """Not acknowledged, absent: allowed, never counted as lost nor as survived."""

    FAILED_ABSENT = 10
    """Refused, absent."""

    AFTER = 11
    """Invoked after the fault, or committed after the point restored to: not expected."""

    AMBIGUOUS = 12
    """Acknowledged, committed too near the point restored to for either to be wrong."""


INTEGRITY = (OpClass.CORRUPT, OpClass.DUPLICATE, OpClass.PHANTOM, OpClass.BEYOND)
"""Classes that no fault explains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BeforeFault:
    """All that was acknowledged until the fault is expected; later operations may be there."""

    until_ns: int
    """Operations invoked later are AFTER; on the clock of `invoked_ns`."""

    read_ns: int | None = None
    """When the rows were asked for, where writers went on: what was acknowledged later is AFTER."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UntilPoint:
    """All that was committed until a point of the server's clock is expected, and nothing later.

    The point lies in [from_us, until_us], microseconds since the epoch: one instant for PostgreSQL,
    the time it took for a snapshot.
    """

    from_us: int
    until_us: int
    granularity_us: int = 0
    """How coarse the restore itself is: 1 s for an AOF's timestamps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocked:
    """When operations began and ended, on the clock that the fault was timed by."""

    invoked_ns: Times
    completed_ns: Times
    """0 where open."""

    uncertainty_ns: int
    """0 on one monotonic clock; more where some were carried over by wall clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """One class per operation of the journal, in its order."""

    classes: NDArray[np.uint8]
    hole: Mask
    """Lost although a later operation of the same log is there."""

    present: Mask
    unexpected: Rows
    """Rows that were never invoked."""

    unjournaled: Rows
    """Rows of clients whose journal is damaged: it cannot say whether they were invoked."""

    point: PointReached | None
    """Where a point was asked for."""

    def count(self, one: OpClass) -> int:
        """How many operations are of a class."""
        return int((self.classes == one).sum())

    def counts(self) -> dict[OpClass, int]:
        """Every class with how many; they add up to the journal's operations."""
        found = np.bincount(self.classes, minlength=len(OpClass))
        return {one: int(found[one]) for one in OpClass}


@dataclass(frozen=True, slots=True, kw_only=True)
class PointReached:
    """How exactly a restore met its point, by the server's clock."""

    before: int
    """Acknowledged operations surely committed before the point: all must be there."""

    after: int
    """Acknowledged operations surely committed after it: none may be there."""

    ambiguous: int
    last_included_us: int | None
    """When the newest operation that is there was written."""

    first_excluded_us: int | None
    """When the oldest acknowledged one that is not there was written."""

    clock_steps: int
    """How often the server's clock ran backwards between two writes of a client: the point is then
    no instant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What a fault cost, by time and by count.

    With the fault in [a, b]: low = max(0, a - acknowledgement of the first lost operation),
    high = max(0, b - its invocation); span = acknowledgement of the last lost one - invocation of
    the first, which counts writes that a server not yet fenced acknowledged after the fault. The
    loss is the larger of high and span.
    """

    records: int
    acknowledged: int
    """Expected to be there: acknowledged, not after the fault."""

    low_ns: int
    high_ns: int
    span_ns: int
    first_ns: int | None
    """Invocation of the first lost operation; None where none is lost."""

    last_ns: int | None
    """Acknowledgement of the last lost one."""

    older_survived: bool
    """Whether anything older than the first lost operation is there; if not, the loss may reach
    back beyond the ledger."""

    resolution_ns: int | None
    """The longest time without an acknowledgement in the window before the fault, in any log, up to
    the fault: a loss shorter than this cannot be seen. None: no acknowledgement at all."""

    high_with_indeterminate_ns: int
    """`high_ns` and `span_ns` if the operations whose fate nobody knows were lost as well."""

    indeterminate: int
    """How many those are."""

    unreplicated: int
    """Lost operations that were acknowledged without the replication asked for."""


# Clients have 24 bits and numbers 40 in the joint key.
_SEQ_BITS = 40


def classify(
    journal: Journal,
    rows: Rows,
    scope: BeforeFault | UntilPoint,
    *,
    clocked: Clocked | None = None,
    later: Rows | None = None,
) -> Classification:
    """The class of every operation, given the rows read back (and read back again `later`).

    `clocked` gives the operations' times where they are not the journal's own.
    """
    times = clocked or own_clock(journal)
    found = _find(journal, rows)
    again = _find(journal, later) if later is not None else None
    present = found.present if again is None else again.present
    expected_absent, either, point = _expectation(journal, found, scope, times)

    ok = journal.outcome == Type.OK
    refused = journal.outcome == Type.FAIL
    # Last assignment wins: from what is allowed to what no fault explains.
    classes = np.full(len(journal), OpClass.INDETERMINATE_ABSENT, np.uint8)
    classes[present] = OpClass.RECOVERED
    classes[refused] = OpClass.FAILED_ABSENT
    classes[ok] = OpClass.LOST
    classes[ok & present] = OpClass.SURVIVED
    if again is not None:
        classes[ok & found.present & ~again.present] = OpClass.LOST_LATE
        classes[ok & ~found.present & again.present] = OpClass.STALE
    if point is None:
        classes[either] = OpClass.AFTER
    else:
        classes[ok & either] = OpClass.AMBIGUOUS
        classes[expected_absent & ~refused] = OpClass.AFTER
        classes[expected_absent & present] = OpClass.BEYOND
    classes[refused & present] = OpClass.PHANTOM
    for one in (found, again):
        if one is not None:
            classes[one.multiple] = OpClass.DUPLICATE
            classes[one.altered] = OpClass.CORRUPT

    lost = (classes == OpClass.LOST) | (classes == OpClass.LOST_LATE)
    strangers = (
        found.strangers if again is None else np.concatenate([found.strangers, again.strangers])
    )
    damaged = np.isin(strangers["client"], _unreliable(journal))
    return Classification(
        classes=classes,
        hole=holes(journal, times, lost, present),
        present=present,
        unexpected=strangers[~damaged],
        unjournaled=strangers[damaged],
        point=point,
    )


def own_clock(journal: Journal) -> Clocked:
    """The journal's own times: for a journal of one boot."""
    return Clocked(
        invoked_ns=journal.invoked_ns, completed_ns=journal.completed_ns, uncertainty_ns=0
    )


# How far two wall clocks, or one before and after a step, may be apart: NTP steps a clock that is
# further off than 128 ms (RFC 5905, STEPT), and chrony one by default only at start. A second is
# generous; times carried over by wall clock are never better than this.
WALL_CLOCK_UNCERTAINTY_NS = 1_000_000_000


def on_clock_of(journal: Journal, monotonic_ns: int, wall_ns: int) -> Clocked:
    """The journal's times on the clock that showed `monotonic_ns` when its wall clock showed
    `wall_ns` (since the epoch).

    Operations of the same boot keep their monotonic times: that they are of the same boot shows by
    their own pairs of monotonic and wall time. Others are carried over by wall clock.
    """
    if not len(journal):
        return own_clock(journal)
    offset_ns = wall_ns - monotonic_ns
    drift = np.abs((journal.invoked_wall_ns - journal.invoked_ns) - offset_ns)
    carried = ~journal.this_boot | (drift > WALL_CLOCK_UNCERTAINTY_NS)
    if not carried.any():
        return own_clock(journal)
    completed = journal.completed_wall_ns - offset_ns
    completed[journal.completed_ns == 0] = 0
    return Clocked(
        invoked_ns=np.where(carried, journal.invoked_wall_ns - offset_ns, journal.invoked_ns),
        completed_ns=np.where(carried, completed, journal.completed_ns),
        uncertainty_ns=WALL_CLOCK_UNCERTAINTY_NS,
    )


def loss(
    journal: Journal,
    classification: Classification,
    fault: Bracket,
    *,
    window_ns: int,
    clocked: Clocked | None = None,
) -> Loss:
    """What the fault cost; `window_ns` is the time before it whose resolution counts (the RPO)."""
    times = clocked or own_clock(journal)
    classes = classification.classes
    lost = np.flatnonzero((classes == OpClass.LOST) | (classes == OpClass.LOST_LATE))
    survived = classes == OpClass.SURVIVED
    expected = int(survived.sum()) + len(lost) + classification.count(OpClass.STALE)
    unknown = _unknown_fate(journal, classification, times)
    low, high, span = _extent(times, lost, fault)
    with_unknown = _extent(times, np.union1d(lost, unknown), fault)
    first = int(times.invoked_ns[lost].min()) if len(lost) else None
    return Loss(
        records=len(lost),
        acknowledged=expected,
        low_ns=max(0, low - times.uncertainty_ns),
        high_ns=high + (times.uncertainty_ns if len(lost) else 0),
        span_ns=span,
        first_ns=first,
        last_ns=int(times.completed_ns[lost].max()) if len(lost) else None,
        older_survived=first is not None and bool((survived & (times.invoked_ns < first)).any()),
        resolution_ns=_resolution(journal, times, fault, window_ns),
        high_with_indeterminate_ns=max(with_unknown[1], with_unknown[2])
        + (times.uncertainty_ns if len(lost) + len(unknown) else 0),
        indeterminate=len(unknown),
        unreplicated=int((journal.flags[lost] & Flag.UNREPLICATED != 0).sum()),
    )


# -- matching rows with operations ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Found:
    """One read-back, by operation."""

    present: Mask
    multiple: Mask
    altered: Mask
    strangers: Rows
    late: Times | None
    """When present operations that were not acknowledged were written; None: none are."""


def _find(journal: Journal, rows: Rows) -> _Found:
    keys = (journal.client.astype(np.uint64) << np.uint64(_SEQ_BITS)) | journal.seq
    order: NDArray[np.intp] | None = None
    if len(keys) > 1 and not (keys[1:] > keys[:-1]).all():  # only a damaged journal's are not
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
    wanted = (rows["client"].astype(np.uint64) << np.uint64(_SEQ_BITS)) | rows["seq"]
    nameable = (rows["client"] < 1 << (64 - _SEQ_BITS)) & (rows["seq"] < 1 << _SEQ_BITS)
    # Sorted, the search below walks through both in step.
    by_key = np.argsort(wanted, kind="stable")
    at = np.searchsorted(keys, wanted[by_key])
    known = np.zeros(len(rows), np.bool_)
    if len(keys):
        known = keys[np.minimum(at, len(keys) - 1)] == wanted[by_key]
    known &= nameable[by_key]
    mine = by_key[known]
    where = at[known]
    del keys, wanted, by_key, at
    if order is not None:
        where = order[where]

    present = np.zeros(len(journal), np.bool_)
    present[where] = True
    multiple = np.zeros(len(journal), np.bool_)
    multiple[where[1:][where[1:] == where[:-1]]] = True  # equal keys are neighbours
    altered = np.zeros(len(journal), np.bool_)
    written_us = rows["server_us"][mine]
    wrong = rows["payload"][mine] != journal.payload[where]
    wrong |= (journal.server_us[where] != 0) & (journal.server_us[where] != written_us)
    altered[where[wrong]] = True
    late: Times | None = None
    unacknowledged = journal.outcome[where] != Type.OK
    if unacknowledged.any():
        late = np.zeros(len(journal), np.int64)
        late[where[unacknowledged]] = written_us[unacknowledged]
    stranger = np.ones(len(rows), np.bool_)
    stranger[mine] = False
    return _Found(present, multiple, altered, rows[stranger], late)


def _unreliable(journal: Journal) -> NDArray[np.uint32]:
    """Clients of whose operations some may be missing from the journal."""
    return np.array(
        sorted({one.client for one in journal.damage if one.kind in _MISSES_RECORDS}), np.uint32
    )


_MISSES_RECORDS = frozenset(DamageKind) - {DamageKind.UNCLEAN_END, DamageKind.OTHER_BOOT}


# -- what is expected -----------------------------------------------------------------------------


def _expectation(
    journal: Journal, found: _Found, scope: BeforeFault | UntilPoint, times: Clocked
) -> tuple[Mask, Mask, PointReached | None]:
    """(must be absent, may be either, how the point was met) per operation."""
    if isinstance(scope, BeforeFault):
        after = times.invoked_ns > scope.until_ns
        if scope.read_ns is not None:
            # Jepsen's set-full: a read that began before the acknowledgement proves no loss.
            after |= times.completed_ns > scope.read_ns
        return np.zeros(len(journal), np.bool_), after, None
    acknowledged = np.flatnonzero((journal.outcome == Type.OK) & (journal.server_us > 0))
    # A client's operation is executed before its next one: the next one's time bounds the commit.
    earliest = journal.server_us[acknowledged]
    latest = np.full(len(acknowledged), np.iinfo(np.int64).max)
    client = journal.client[acknowledged]
    follows = np.flatnonzero(client[1:] == client[:-1])
    steps = int((earliest[follows + 1] < earliest[follows]).sum())
    latest[follows] = np.maximum(earliest[follows + 1], earliest[follows])

    before = latest <= scope.from_us - scope.granularity_us
    beyond = earliest > scope.until_us + scope.granularity_us
    either = journal.outcome == Type.OK
    either[acknowledged[before | beyond]] = False
    expected_absent = np.zeros(len(journal), np.bool_)
    expected_absent[acknowledged[beyond]] = True
    if found.late is not None:
        expected_absent |= found.late > scope.until_us + scope.granularity_us
    there = found.present[acknowledged]
    return (
        expected_absent,
        either,
        PointReached(
            before=int(before.sum()),
            after=int(beyond.sum()),
            ambiguous=int(either.sum()),
            last_included_us=int(earliest[there].max()) if there.any() else None,
            first_excluded_us=int(earliest[~there].min()) if not there.all() else None,
            clock_steps=steps,
        ),
    )


# -- order and extent of a loss -------------------------------------------------------------------


def _logs(journal: Journal) -> Iterator[tuple[int, Mask]]:
    """Each log with the mask of its operations."""
    for log in np.flatnonzero(np.bincount(journal.log)):
        yield int(log), journal.log == log


def holes(journal: Journal, times: Clocked, lost: Mask, present: Mask) -> Mask:
    """Lost operations that were acknowledged before one of the same log began that is there."""
    found = np.zeros(len(journal), np.bool_)
    if not lost.any():
        return found
    for _, mine in _logs(journal):
        there = mine & present
        if there.any():
            newest = times.invoked_ns[there].max()
            found |= mine & lost & (times.completed_ns < newest)
    return found


def _unknown_fate(
    journal: Journal, classification: Classification, times: Clocked
) -> NDArray[np.intp]:
    """Absent operations without an acknowledgement that could be part of the loss.

    One that a later operation of the same log outlived could not: a log is cut off at one place.
    """
    absent = classification.classes == OpClass.INDETERMINATE_ABSENT
    if not absent.any():
        return np.empty(0, np.intp)
    for _, mine in _logs(journal):
        there = mine & classification.present
        if there.any():
            newest = times.invoked_ns[there].max()
            absent &= ~(mine & (times.invoked_ns < newest))
    return np.flatnonzero(absent)


def _extent(times: Clocked, lost: NDArray[np.intp], fault: Bracket) -> tuple[int, int, int]:
    """(low, high, span) of a loss, nanoseconds; all 0 where nothing is lost."""
    if not len(lost):
        return 0, 0, 0
    invoked = times.invoked_ns[lost]
    # An operation without an end is taken to have ended as it began.
    completed = np.maximum(times.completed_ns[lost], invoked)
    low = max(0, fault.earliest_ns - int(completed.min()))
    high = max(0, fault.latest_ns - int(invoked.min()))
    span_low = max(0, int(invoked.max()) - int(completed.min()))
    return max(low, span_low), high, int(completed.max() - invoked.min())


def longest_silence(journal: Journal, fault: Bracket, *, window_ns: int) -> int | None:
    """The longest time without an acknowledgement within the window before the fault, of any log;
    None where there is no acknowledgement at all. By the journal's own clock.
    """
    return _resolution(journal, own_clock(journal), fault, window_ns)


def _resolution(journal: Journal, times: Clocked, fault: Bracket, window_ns: int) -> int | None:
    """The longest time without an acknowledgement within the window before the fault, of any log.

    A log's first acknowledgement begins its ledger; what was before it is nobody's.
    """
    worst: int | None = None
    begins_ns = fault.earliest_ns - window_ns
    acknowledged = (journal.outcome == Type.OK) & (times.completed_ns <= fault.earliest_ns)
    for _, mine in _logs(journal):
        ends = times.completed_ns[mine & acknowledged]
        if not len(ends):
            return None
        within = np.sort(ends[ends >= begins_ns])
        # From the last one before the window, so that a gap that reaches into it counts.
        before = ends[ends < begins_ns]
        if len(before):
            within = np.insert(within, 0, before.max())
        gap = int(np.diff(within, append=fault.earliest_ns).max())
        worst = gap if worst is None else max(worst, gap)
    return worst
