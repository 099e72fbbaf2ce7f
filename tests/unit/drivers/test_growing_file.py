"""Whole lines, each once, however the bytes came."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.drivers import growing_file
from harness.drivers.growing_file import GrowingFile


def test_of_no_file_there_is_no_line(tmp_path: Path) -> None:
    """It may come later."""
    file = GrowingFile(tmp_path / "later")
    assert list(file.fresh()) == []
    assert not file.begun
    (tmp_path / "later").write_bytes(b"a\nb")
    assert list(file.fresh()) == [b"a"]
    assert file.begun


@given(
    lines=st.lists(
        st.binary(max_size=40).filter(lambda line: not {10, 13} & set(line)), max_size=8
    ),
    torn=st.booleans(),
    cuts=st.lists(st.integers(0, 400), max_size=8),
    block=st.integers(1, 64),
)
def test_any_split_of_the_bytes_gives_the_same_lines(
    lines: list[bytes], cuts: list[int], block: int, *, torn: bool
) -> None:
    """A torn line waits for its end, whatever the blocks that are read."""
    content = b"".join(line + b"\n" for line in lines) + (b"torn" if torn else b"")
    places = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(growing_file, "_BLOCK", block)
        path = Path(folder) / "file"
        file = GrowingFile(path)
        got: list[bytes] = []
        for start, end in pairwise(places):
            with path.open("ab") as writer:
                writer.write(content[start:end])
            got += file.fresh()
        assert got == lines
        assert list(file.fresh()) == []
