"""Keeps the ledgers of a game day: begun for it, read back in each trial, and taken away after it.

Each has a name of its own in the database, so that no other ledger there is touched or mistaken.
The writers go on through every fault; each is a process of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import msgspec

from harness.drivers.clock import HostClock, wait_until
from harness.errors import DeadlineExceededError, HarnessError, SurroundingsError
from harness.ledger import postgres, redis
from harness.ledger.access import is_steady, oldest
from harness.ledger.continuous import WriterConfig, read_config
from harness.ledger.journal import Type, journal_files, read_journals
from harness.ledger.naming import check_name
from harness.ledger.rows import ReadBack
from harness.model.history import LedgerCopied, LedgerReadBack
from harness.model.workload import Workload
from harness.ports import PostgresEndpoint
from harness.probes.config import Sentinel
from harness.probes.of_workloads import Held, Resolved
from harness.probes.postgres import remove_table
from harness.probes.prober import ProbingProcess

_CLOCK = HostClock()

_PROBE = "_probe"

_READ_WITHIN_S = 10.0
"""How long a read-back is tried for: a connection may still lead to what is no more."""

_ONE_READ_WITHIN_S = 60.0
_DROP_WITHIN_S = 20.0


class KeptLedger(msgspec.Struct, frozen=True, kw_only=True):
    """One ledger of a workload: all that it wrote was promised in the same way."""

    workload: str
    writer: WriterConfig
    """Its `subject` is the ledger's own: the workload's id, `-` and the class of durability where
    it has several."""

    logs: int = 1
    """How many logs it is spread over: shards, for Redis."""


def ledgers_for(  # noqa: PLR0913 - how they are kept
    workloads: Sequence[Workload],
    resolved: Resolved,
    *,
    name: str,
    directory: Path,
    rate_per_s: float = 20.0,
    timeout_s: float = 1.0,
) -> tuple[KeptLedger, ...]:
    """The ledgers of the workloads that keep data, in their order. Pure.

    PostgreSQL has one: what its acknowledgement promises is a setting of the server's, and stands
    in the journal. Redis has two, since there the client chooses: `-wait0` is acknowledged by the
    master alone, `-wait1` by a replica too (WAIT). `name` begins all tables and keys; `directory`
    is the run's `ledger`.
    """
    kept: list[KeptLedger] = []

    for workload in workloads:
        if workload.id in resolved.postgresql:
            writer = WriterConfig(
                subject=workload.id,
                directory=directory / workload.id,
                endpoint=resolved.postgresql[workload.id].primary,
                name=check_name(name),
                rate_per_s=rate_per_s,
                timeout_s=timeout_s,
            )
            kept.append(KeptLedger(workload=workload.id, writer=writer))
        elif workload.id in resolved.redis:
            found = resolved.redis[workload.id]
            for replicas in (0, 1):
                ledger = f"{workload.id}-wait{replicas}"
                writer = WriterConfig(
                    subject=ledger,
                    directory=directory / ledger,
                    endpoint=found.endpoint,
                    access=found.access,
                    name=check_name(f"{name}_wait{replicas}"),
                    rate_per_s=rate_per_s,
                    timeout_s=timeout_s,
                    wait_replicas=replicas,
                )
                kept.append(KeptLedger(workload=workload.id, writer=writer, logs=len(found.shards)))
    return tuple(kept)


def probe_name(name: str) -> str:
    """What probes beside the ledgers of that name write: taken away with them."""
    return check_name(f"{name}{_PROBE}")


def read_ledger(writer: WriterConfig, file: Path, *, within_s: float) -> ReadBack:
    """All rows of a ledger from the servers that have the writing role now."""
    if isinstance(writer.endpoint, PostgresEndpoint):
        return postgres.read_back(writer.endpoint, file, name=writer.name, within_s=within_s)
    return redis.read_back(
        writer.endpoint, file, access=writer.access, name=writer.name, within_s=within_s
    )


def drop_ledger(writer: WriterConfig, *, within_s: float = _DROP_WITHIN_S) -> None:
    """Takes a ledger, and what probes wrote beside it, out of its database; again does no harm.

    Also for a writer that was killed: its configuration says what it wrote. Raises
    SurroundingsError where the database does not let it.
    """
    match writer.endpoint:
        case PostgresEndpoint():
            postgres.drop(writer.endpoint, writer.name, within_s=within_s)
            deadline_ns = _CLOCK.monotonic_ns() + int(within_s * 1e9)
            remove_table(writer.endpoint, probe_name(writer.name), deadline_ns=deadline_ns)
        case _:
            redis.drop(writer.endpoint, writer.name, access=writer.access, within_s=within_s)


def drop_left_over(directory: Path) -> tuple[str, ...]:
    """Takes the ledgers of a killed harness out of their databases, by what their writers were
    told in its place `directory`; what could not be, and why. The writers must have ended.
    """
    left = []
    for file in sorted(directory.glob("ledger-*/ledger-*.json")):
        try:
            drop_ledger(read_config(file))
        except HarnessError as error:
            left.append(f"{file.stem}: {error}")
    return tuple(left)


class GameDayLedgers:
    """ports.Ledgers: the writers of a game day."""

    def __init__(self, ledgers: Sequence[KeptLedger], directory: Path) -> None:
        """Starts the writers; they work in `directory`, a place of the harness."""
        self._ledgers = tuple(ledgers)
        self._writers: list[ProbingProcess] = []
        self.left_behind: tuple[str, ...] = ()
        """What `stop` could not take out of a database, and why."""

        try:
            for one in self._ledgers:
                place = directory / f"ledger-{one.writer.subject}"
                place.mkdir(exist_ok=True)
                one.writer.directory.mkdir(parents=True, exist_ok=True)
                self._writers.append(
                    ProbingProcess(
                        f"ledger-{one.writer.subject}", "harness.ledger", one.writer, place
                    )
                )
        except BaseException:
            self._end()
            raise

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the writers."""
        return tuple(writer.pid for writer in self._writers)

    def unsteady(self, window: timedelta) -> tuple[str, ...]:
        """The ledgers that were not acknowledged often enough, for so long, to show a loss.

        Raises SurroundingsError where a writer died.
        """
        return tuple(self._unsteady(window))

    def _unsteady(self, window: timedelta) -> Iterator[str]:
        for one, writer in zip(self._ledgers, self._writers, strict=True):
            writer.require_alive()
            journal = read_journals(one.writer.directory)
            if not is_steady(journal, _CLOCK.monotonic_ns(), window):
                acknowledged = int((journal.outcome == Type.OK).sum())
                yield (
                    f"ledger {one.writer.subject}: not steady, {acknowledged} writes acknowledged"
                )

    def held(self, *, within_s: float = 30.0) -> Mapping[str, Held]:
        """What each workload must hold for an answer to be right: the oldest write of its first
        ledger, of every shard.

        Waits for them; raises DeadlineExceededError where one is not there within `within_s`
        seconds, SurroundingsError where a writer died.
        """
        found: dict[str, Held] = {}
        for one, writer in zip(self._ledgers, self._writers, strict=True):
            if one.workload not in found:
                found[one.workload] = Held(
                    ledger=one.writer.name,
                    sentinels=wait_until(
                        lambda one=one, writer=writer: _oldest(one, writer),  # type: ignore[misc] # mypy#4226: default argument of a lambda
                        within_s=within_s,
                        what=f"ledger {one.writer.subject}: first acknowledged writes",
                    ),
                )
        return found

    def read_back(self, trial: str, *, early: bool) -> tuple[LedgerReadBack, ...]:
        """Every ledger; a failure is an `error` in its fact. RecordError where rows cannot be
        written down.
        """
        return tuple(self._read_back(trial, one.writer, early=early) for one in self._ledgers)

    def stop(self) -> tuple[LedgerCopied, ...]:
        """Ends the writing and takes the ledgers out of the databases. May be called twice."""
        self._end()
        left = []
        for one in self._ledgers:
            try:
                drop_ledger(one.writer)
            except HarnessError as error:
                left.append(f"ledger {one.writer.subject} ({one.writer.name}): {error}")
        self.left_behind = tuple(left)
        return tuple(
            LedgerCopied(
                subject=one.writer.subject,
                files=tuple(
                    f"{one.writer.directory.name}/{file.name}"
                    for file in journal_files(one.writer.directory)
                ),
            )
            for one in self._ledgers
        )

    def _end(self) -> None:
        for writer in self._writers:
            writer.stop()

    @staticmethod
    def _read_back(trial: str, writer: WriterConfig, *, early: bool) -> LedgerReadBack:
        when = "early" if early else "final"
        file = writer.directory.parent / f"{trial}-{writer.subject}-{when}.npy"
        began_ns = _CLOCK.monotonic_ns()
        last: list[HarnessError] = []

        def attempt() -> ReadBack | None:
            nonlocal began_ns
            began_ns = _CLOCK.monotonic_ns()
            try:
                return read_ledger(writer, file, within_s=_ONE_READ_WITHIN_S)
            except SurroundingsError as error:
                last[:] = [error]
                return None

        rows, server, error = 0, "", None
        try:
            found = wait_until(
                attempt, within_s=_READ_WITHIN_S, what="reading the ledger back", every_s=0.2
            )
            rows, server = found.rows, found.server
        except DeadlineExceededError as failure:
            error = str(last[0] if last else failure)
        return LedgerReadBack(
            trial=trial,
            subject=writer.subject,
            file=file.name,
            rows=rows,
            server=server,
            early=early,
            began_ns=began_ns,
            error=error,
        )


def _oldest(kept: KeptLedger, writer: ProbingProcess) -> tuple[Sentinel, ...]:
    """Of every log; none before all have one."""
    writer.require_alive()
    found = tuple(oldest(read_journals(kept.writer.directory)))
    return found if len(found) >= kept.logs else ()
