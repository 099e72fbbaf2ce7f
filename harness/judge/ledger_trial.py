"""Puts together what one trial's read-back says against the ledger, for the judges that ask. Pure.

One classification answers three questions: how much was lost (recovery_point), how exactly a point
was met (point_in_time), and whether what is there is what was written (ledger_integrity).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from numpy.typing import NDArray

from harness.judge.facts import Known, known, sequences
from harness.judge.restore import endings
from harness.judge.trials import fault, started
from harness.ledger.classify import (
    BeforeFault,
    Classification,
    Clocked,
    Loss,
    UntilPoint,
    classify,
    loss,
    on_clock_of,
)
from harness.ledger.journal import DamageKind, Journal
from harness.model.history import (
    CatalogueRead,
    FaultInjected,
    History,
    LedgerReadBack,
    RestoreEnded,
)
from harness.model.instant import Bracket
from harness.model.plan import Plan, Trial
from harness.model.suite import PointChoice
from harness.model.target import Kind

Ledgers = Mapping[str, Journal]
"""By subject id."""

ReadBacks = Mapping[str, NDArray[Any]]
"""By the file name in LedgerReadBack."""

_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# An AOF's timestamps, and a snapshot's own time, are whole seconds of a clock that Redis caches.
_REDIS_GRANULARITY_US = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerTrial:
    """What is known of one subject's ledger in one trial."""

    trial: str
    invalid: tuple[str, ...]
    """Why it says nothing, where it does not; damage that was seen stands all the same."""

    journal: Journal | None = None
    classification: Classification | None = None
    """None where there is nothing to classify; `invalid` says why."""

    clocked: Clocked | None = None
    bracket: Bracket | None = None
    """The fault."""

    wall: datetime | None = None
    """The fault, by the wall clock."""

    point: datetime | None = None
    """The point restored to, where one was asked for."""

    evidence: tuple[int, ...] = ()

    def loss(self, window_ns: int) -> Loss | None:
        """What the fault cost, seen with the resolution of `window_ns` before it; None where that
        cannot be told.
        """
        if (
            self.journal is None
            or self.classification is None
            or self.bracket is None
            or self.classification.point is not None
        ):
            return None
        return loss(
            self.journal,
            self.classification,
            self.bracket,
            window_ns=window_ns,
            clocked=self.clocked,
        )


def wall_of(bracket: Bracket | None, facts: Sequence[Known[FaultInjected]]) -> datetime | None:
    """The fault's latest instant by the wall clock of the host that timed it."""
    if bracket is None or not facts:
        return None
    at = facts[-1].at  # both clocks at one moment, however long after the fault it was recorded
    return at.utc - timedelta(microseconds=(at.monotonic_ns - bracket.latest_ns) // 1_000)


class CannotTellError(Exception):
    """There is nothing to classify; the argument says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEvidence:
    """A run as far as the ledger's judges need it."""

    plan: Plan
    history: History
    ledgers: Ledgers
    read_backs: ReadBacks


def examine(run: LedgerEvidence, trial: Trial, subject: str) -> LedgerTrial:
    """Classifies one subject's ledger in one trial."""
    lost = fault(run.history, trial, subject)
    ended = endings(run.history, trial, subject)
    reads = [
        one
        for one in known(run.history, LedgerReadBack)
        if one.fact.trial == trial.id and one.fact.subject == subject
    ]
    wall = wall_of(lost.bracket, lost.facts)
    found = LedgerTrial(
        trial=trial.id,
        invalid=(),
        bracket=lost.bracket,
        wall=wall,
        point=next((one.fact.target_time for one in ended), None),
        evidence=sequences([*lost.facts, *ended, *reads]),
    )
    try:
        journal = journal_of(run.ledgers, subject)
        if not started(run.history, trial):
            raise CannotTellError("the trial never began")  # noqa: TRY301
        if lost.bracket is None or wall is None:
            raise CannotTellError(lost.why_not or "nobody witnessed the fault")  # noqa: TRY301
        read = _read_back(reads, ended)
        rows = rows_of(run.read_backs, read.fact)
        scope: BeforeFault | UntilPoint
        if trial.point is PointChoice.LATEST:
            assumed = all(one.fact.assumed for one in lost.facts if one.fact.subject == subject)
            # A subject that was really lost acknowledges nothing more: what it acknowledged until
            # the read-back counts (a server not yet fenced). An assumed loss leaves it alive.
            until_ns = lost.bracket.latest_ns if assumed else read.at.monotonic_ns
            scope = BeforeFault(until_ns=until_ns)
        else:
            scope = _point(run, trial, subject, [one.fact for one in ended])
    except CannotTellError as why:
        return replace(found, invalid=(str(why),))
    clocked = on_clock_of(journal, lost.bracket.latest_ns, epoch_ns(wall))
    return replace(
        found,
        invalid=tuple(gaps(journal, wall)),
        journal=journal,
        classification=classify(journal, rows, scope, clocked=clocked),
        clocked=clocked,
    )


def journal_of(ledgers: Ledgers, subject: str) -> Journal:
    """The subject's journal; raises CannotTellError where it holds nothing."""
    journal = ledgers.get(subject)
    if journal is None:
        raise CannotTellError(f"no ledger is kept of {subject}")
    if not len(journal):
        raise CannotTellError("the ledger holds no operation")
    return journal


def _read_back(
    reads: list[Known[LedgerReadBack]], ended: list[Known[RestoreEnded]]
) -> Known[LedgerReadBack]:
    if reads:
        return reads[-1]
    failed = [one.fact.error for one in ended if one.fact.error is not None]
    if failed:
        raise CannotTellError(f"nothing was restored that could be read back: {failed[0]}")
    raise CannotTellError("the ledger was not read back")


def rows_of(read_backs: ReadBacks, read: LedgerReadBack) -> NDArray[Any]:
    """The rows of one read-back; raises CannotTellError where they are not all there."""
    if read.error is not None:
        raise CannotTellError(f"the ledger was not read back: {read.error}")
    rows = read_backs.get(read.file)
    if rows is None or len(rows) != read.rows:
        got = "nothing" if rows is None else f"{len(rows)} rows"
        raise CannotTellError(f"{read.file}: got {got}, expected the {read.rows} rows read back")
    return rows


def _point(
    run: LedgerEvidence, trial: Trial, subject: str, ended: list[RestoreEnded]
) -> UntilPoint:
    """What a restore to a point must contain.

    A snapshot cannot meet a second: it is exact where it holds what was there while it was taken.
    """
    if not ended or ended[-1].target_time is None:
        raise CannotTellError("the point that was restored to is not on record")
    target_us = _us(ended[-1].target_time)
    if run.plan.subject(subject).kind is Kind.POSTGRESQL:
        return UntilPoint(from_us=target_us, until_us=target_us)
    catalogues = [
        one.fact
        for one in known(run.history, CatalogueRead)
        if one.fact.subject == subject and one.fact.region is trial.region and not one.fact.error
    ]
    snapshots = [
        backup
        for catalogue in catalogues
        if not catalogue.point_in_time
        for backup in catalogue.backups
        if backup.label == ended[-1].backup
    ]
    if snapshots:
        return UntilPoint(
            from_us=_us(snapshots[-1].started),
            until_us=_us(snapshots[-1].stopped),
            granularity_us=_REDIS_GRANULARITY_US,
        )
    return UntilPoint(from_us=target_us, until_us=target_us, granularity_us=_REDIS_GRANULARITY_US)


def gaps(journal: Journal, wall: datetime) -> Iterator[str]:
    """What is missing from the journal and may hide a loss.

    A file that ends without a closing record says nothing only where it ends before the fault: a
    writer that still runs is copied so. One of an earlier boot was left by a host that died; its
    last operations have no completion on record and count as indeterminate.
    """
    earlier = {one.file for one in journal.damage if one.kind is DamageKind.OTHER_BOOT}
    for one in journal.damage:
        match one.kind:
            case DamageKind.OTHER_BOOT:
                continue
            case DamageKind.UNCLEAN_END | DamageKind.TORN_TAIL:
                if one.file not in earlier and one.last_intact_wall_ns < epoch_ns(wall):
                    yield f"the journal has a gap: {one}"
            case _:
                yield f"the journal has a gap: {one}"


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def epoch_ns(moment: datetime) -> int:
    """Nanoseconds since the epoch, of whole microseconds."""
    return _us(moment) * 1_000
