"""Opens a document: the one module here that touches a file."""

from __future__ import annotations

from pathlib import Path

from harness.document.markdown import read_markdown
from harness.document.statement import Document
from harness.errors import InputError

LARGEST = 64 * 2**20
"""Bytes: what is larger is no document, and would fill the memory."""


def read_document(path: Path) -> Document:
    """A Markdown file; bytes that are no UTF-8 are replaced, and their lines named.

    Raises InputError where it cannot be read, is larger than 64 MiB, or is no text.
    """
    return read_markdown(document_text(path))


def document_text(path: Path) -> str:
    """The text of a file, as `read_document` reads it; raises as it does."""
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise InputError(f"{path}: got {size} bytes, expected a document of at most {LARGEST}")
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    if b"\0" in content:
        raise InputError(f"{path}: got bytes of zero, expected Markdown in UTF-8")
    return content.decode("utf-8-sig", errors="replace")
