"""One subject's ledger during a drill: what the prober must find, the read-back, the copies."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from harness.errors import HarnessError, RecordError
from harness.ledger import postgres, redis
from harness.ledger.classify import longest_silence
from harness.ledger.journal import Journal, Type, journal_files, read_journals
from harness.model.history import LedgerCopied, LedgerReadBack
from harness.model.instant import Bracket, nanoseconds
from harness.model.subject import Subject
from harness.ports import Clock, Endpoint, PostgresEndpoint
from harness.probes.config import PostgresWrite, ProbeConfig, RedisWrite, Sentinel
from harness.probes.prober import SoleProber

_MICROSECONDS = 1_000_000

STEADY_PARTS = 10
"""A ledger is steady where no silence is longer than this part of the window (measure.md, 2.5)."""


class SubjectLedger:
    """ports.Ledger of one subject, with or without a ledger."""

    def __init__(self, subject: Subject, clock: Clock) -> None:
        self._subject = subject
        self._clock = clock

    def begin_probing(
        self, endpoint: Endpoint, before: datetime | None, output: Path, directory: Path
    ) -> SoleProber:
        """A prober that demands, of every shard, the oldest write that must be there."""
        held = self._sentinels(before)
        asked: PostgresWrite | RedisWrite
        if isinstance(endpoint, PostgresEndpoint):
            probe_class = "postgresql-write"
            asked = PostgresWrite(endpoint=endpoint, sentinels=held)
        else:
            probe_class = "redis-write"
            asked = RedisWrite(endpoint=endpoint, sentinels=held)
        # Absolute: the prober works in a directory of its own.
        config = ProbeConfig(probe_class=probe_class, ask=asked, output=output.resolve())
        return SoleProber(config, directory)

    def steady(self, window: timedelta) -> bool:
        """Whether the subject has no ledger, or one that was acknowledged often enough."""
        if self._subject.ledger is None:
            return True
        journal = read_journals(self._subject.ledger)
        return is_steady(journal, self._clock.monotonic_ns(), window)

    def read_back(self, trial: str, endpoint: Endpoint, file: Path) -> LedgerReadBack:
        """All the ledger's rows in the restored data; a failure is an `error` in the fact."""
        rows, server, error = 0, "", None
        try:
            if isinstance(endpoint, PostgresEndpoint):
                found = postgres.read_back(endpoint, file)
            else:
                found = redis.read_back(endpoint, file)
            rows, server = found.rows, found.server
        except RecordError:
            raise
        except HarnessError as failure:
            error = str(failure)
        return LedgerReadBack(
            trial=trial,
            subject=self._subject.id,
            file=file.name,
            rows=rows,
            server=server,
            error=error,
        )

    def copy_journals(self, directory: Path) -> LedgerCopied | None:
        """Copies the journals as they stand; None where the subject has no ledger."""
        if self._subject.ledger is None:
            return None
        destination = directory / self._subject.id
        destination.mkdir(exist_ok=True)
        files = journal_files(self._subject.ledger)
        try:
            for file in files:
                shutil.copyfile(file, destination / file.name)
        except OSError as error:
            raise RecordError(f"{destination}: the ledger cannot be copied: {error}") from error
        return LedgerCopied(
            subject=self._subject.id,
            files=tuple(f"{self._subject.id}/{file.name}" for file in files),
        )

    def _sentinels(self, before: datetime | None) -> tuple[Sentinel, ...]:
        """The oldest acknowledged write of each shard, before that time of the server's clock."""
        if self._subject.ledger is None:
            return ()
        return tuple(oldest(read_journals(self._subject.ledger), before))


def oldest(journal: Journal, before: datetime | None = None) -> Iterator[Sentinel]:
    """The oldest acknowledged write of each log, before that time of the server's clock."""
    acknowledged = (journal.outcome == Type.OK) & (journal.server_us > 0)
    if before is not None:
        limit = int(before.astimezone(UTC).timestamp() * _MICROSECONDS)
        acknowledged &= journal.server_us < limit
    for log in np.unique(journal.log[acknowledged]):
        of_log = np.flatnonzero(acknowledged & (journal.log == log))
        found = of_log[np.argmin(journal.server_us[of_log])]
        yield Sentinel(
            client=int(journal.client[found]),
            seq=int(journal.seq[found]),
            payload=int(journal.payload[found]),
        )


def is_steady(journal: Journal, now_ns: int, window: timedelta) -> bool:
    """Whether no stretch of the window before now was longer than a tenth of it without an
    acknowledgement: the resolution that judge/recovery_point.py asks for.
    """
    window_ns = nanoseconds(window)
    now = Bracket(earliest_ns=now_ns, latest_ns=now_ns)
    gap_ns = longest_silence(journal, now, window_ns=window_ns)
    return gap_ns is not None and gap_ns * STEADY_PARTS <= window_ns
