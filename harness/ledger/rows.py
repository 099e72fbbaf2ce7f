"""The ledger's rows as they were read back: their format on disk, and reading that file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError, RecordError

ROW = np.dtype(
    [
        ("client", "<u4"),
        ("seq", "<u8"),
        ("payload", "<u8"),
        ("server_us", "<i8"),
        ("log", "<u2"),
    ]
)
"""One row or key: as the journal's record of the same operation, where it belongs to one."""


class ReadBack(msgspec.Struct, frozen=True, kw_only=True):
    """What reading the ledger back found; the rows themselves are in the file."""

    rows: int
    server: str
    """Which server answered, by identity, in which role, and what was odd."""


def write_rows(file: Path, rows: NDArray[Any]) -> None:
    """Writes rows as a .npy file; RecordError where they cannot be written."""
    try:
        with file.open("wb") as sink:
            np.lib.format.write_array(sink, rows, allow_pickle=False)
    except OSError as error:
        raise RecordError(f"{file}: {error.strerror}", hint=f"df {file.parent}") from error


def read_rows(file: Path) -> NDArray[Any]:
    """Reads rows; InputError where the file is missing, torn or holds something else."""
    try:
        with file.open("rb") as source:
            rows: NDArray[Any] = np.lib.format.read_array(source, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: {error}") from error
    if rows.dtype != ROW:
        raise InputError(f"{file}: got columns {rows.dtype}, expected {ROW}")
    return rows
