"""Files that are no document are refused in words; large and damaged ones are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.document.reading import LARGEST, read_document
from harness.errors import InputError


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_document(tmp_path / "nowhere.md")


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_document(tmp_path)


def test_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "picture.md"
    path.write_bytes(b"\x89PNG\0\0")
    with pytest.raises(InputError, match="expected Markdown"):
        read_document(path)


def test_a_file_that_would_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "huge.md"
    with path.open("wb") as file:
        file.truncate(LARGEST + 1)
    with pytest.raises(InputError, match="at most"):
        read_document(path)


def test_bytes_that_are_no_utf_8_cost_their_line_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "latin.md"
    path.write_bytes("# Größe\n\n- Retention: 30 days\n".encode("latin-1"))
    found = read_document(path)
    assert found.damaged == (1,)
    assert [one.text for one in found.statements] == ["30 days"]


def test_a_byte_order_mark_is_no_part_of_the_first_heading(tmp_path: Path) -> None:
    path = tmp_path / "mark.md"
    path.write_bytes(b"\xef\xbb\xbf# Backups\n")
    assert read_document(path).headings[0].section == "Backups"


def test_five_megabytes_are_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "large.md"
    lines = 5 * 2**20 // 24
    path.write_text("".join(f"- Setting {n:06}: {n % 97} s\n" for n in range(lines)))
    assert len(read_document(path).statements) == lines
