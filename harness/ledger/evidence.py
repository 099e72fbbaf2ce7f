"""Reads the ledger's part of a run's evidence: the copied journals and what was read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from harness.ledger.journal import Journal, read_journals
from harness.ledger.rows import read_rows
from harness.model.history import History, LedgerCopied, LedgerReadBack


def read_ledgers(directory: Path, history: History) -> dict[str, Journal]:
    """Subject -> its journals as they were copied at the end of the run."""
    return {
        entry.fact.subject: read_journals([directory / file for file in entry.fact.files])
        for entry in history.entries
        if isinstance(entry.fact, LedgerCopied)
    }


def read_read_backs(directory: Path, history: History) -> dict[str, NDArray[Any]]:
    """File name of a LedgerReadBack -> the rows that were read back."""
    return {
        entry.fact.file: read_rows(directory / entry.fact.file)
        for entry in history.entries
        if isinstance(entry.fact, LedgerReadBack) and entry.fact.error is None
    }
