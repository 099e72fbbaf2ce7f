"""Counts the writes in journals that grow: acknowledged, refused, unresolved; reads each once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.ledger.journal import RECORD, RECORD_BYTES, SUFFIX, Type, read_header
from harness.page.live_view import LedgerView

_BLOCK_RECORDS = 2**14


class GrowingJournal:
    """One client's journal, which a writer appends to. Check sums are left to the judges."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.subject = path.parent.name
        self.counts = dict.fromkeys(Type, 0)
        self.last_acknowledged_ns: int | None = None

    def read_on(self) -> None:
        """Counts the whole records that were appended since; a header that is not whole yet waits.

        Raises OSError.
        """
        with self._path.open("rb") as file:
            if self._offset == 0:
                try:
                    self.subject = read_header(file, self._path.name).subject
                except InputError:
                    return
                self._offset = file.tell()
            file.seek(self._offset)
            while True:
                block = file.read(_BLOCK_RECORDS * RECORD_BYTES)
                whole = len(block) // RECORD_BYTES
                if whole == 0:
                    return
                self._take(np.frombuffer(block, dtype=RECORD, count=whole))
                self._offset += whole * RECORD_BYTES
                file.seek(self._offset)

    def _take(self, records: NDArray[Any]) -> None:
        for kind in Type:
            self.counts[kind] += int((records["type"] == kind).sum())
        acknowledged = records["monotonic_ns"][records["type"] == Type.OK]
        if len(acknowledged):
            self.last_acknowledged_ns = int(acknowledged[-1])


class GrowingLedgers:
    """All journals below a run's `ledger/`; new ones are found as they come."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._journals: dict[Path, GrowingJournal] = {}

    def now(self) -> tuple[LedgerView, ...]:
        """The counts of each subject, in the order of names; raises OSError."""
        for path in sorted(self._directory.glob(f"**/*{SUFFIX}")):
            if path not in self._journals and path.is_file() and not path.is_symlink():
                self._journals[path] = GrowingJournal(path)
        by_subject: dict[str, list[GrowingJournal]] = {}
        for journal in self._journals.values():
            journal.read_on()
            by_subject.setdefault(journal.subject, []).append(journal)
        return tuple(_view(subject, of) for subject, of in sorted(by_subject.items()))


def _view(subject: str, journals: list[GrowingJournal]) -> LedgerView:
    def total(kind: Type) -> int:
        return sum(journal.counts[kind] for journal in journals)

    times = [one.last_acknowledged_ns for one in journals if one.last_acknowledged_ns is not None]
    acknowledged, failed = total(Type.OK), total(Type.FAIL)
    return LedgerView(
        subject=subject,
        acknowledged=acknowledged,
        failed=failed,
        unresolved=max(0, total(Type.INVOKE) - acknowledged - failed),
        last_acknowledged_ns=max(times, default=None),
    )
