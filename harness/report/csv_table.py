"""Writes and reads tables as CSV (RFC 4180) that no spreadsheet takes for formulas. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from harness.report.wording import printable

_FORMULA = ("=", "+", "-", "@")
"""What spreadsheets take for the beginning of a formula (OWASP, "CSV Injection")."""

_TEXT = "'"
"""Before such a field: the spreadsheet shows it as text."""


def write_csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lines that end in CRLF, as the RFC has them; each field is one line of text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([_as_text(printable(field)) for field in row])
    return text.getvalue()


def read_csv(text: str, header: Sequence[str]) -> list[dict[str, str]]:
    """The rows of what `write_csv` wrote; ValueError where the columns are others."""
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise ValueError(str(error)) from error
    if list(reader.fieldnames or ()) != list(header):
        raise ValueError(f"got columns {reader.fieldnames}, expected {list(header)}")
    if any(None in row or None in row.values() for row in rows):
        raise ValueError("got a row with more or fewer fields than there are columns")
    return [{name: _as_written(field) for name, field in row.items()} for row in rows]


def _as_text(field: str) -> str:
    return _TEXT + field if field.startswith((*_FORMULA, _TEXT)) else field


def _as_written(field: str) -> str:
    return field[1:] if field.startswith(_TEXT) else field
