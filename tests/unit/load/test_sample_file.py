"""A file of samples: what is added is what is read, and another run's is never overwritten."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.errors import InputError, RecordError
from harness.load.sample_file import SampleFile
from harness.model.sample import DTYPE, Answer


def test_what_is_added_is_read(tmp_path: Path) -> None:
    """By the one description of the format, before its end too."""
    path = tmp_path / "load.samples"
    with SampleFile(path) as samples:
        samples.add(1, 2, 2**62, 503, Answer.WRONG_STATUS)
        assert samples.count == 1
        assert path.stat().st_size == 0
        samples.flush()
        assert path.stat().st_size == DTYPE.itemsize
        samples.add(-5, 6, 7, 0, Answer.CUT)
    read = np.fromfile(path, DTYPE).tolist()
    assert read == [(1, 2, 2**62, 503, Answer.WRONG_STATUS), (-5, 6, 7, 0, Answer.CUT)]


def test_the_unsent_have_no_time_below_nothing(tmp_path: Path) -> None:
    """Due before the end: since the end. Due after it: at their own time."""
    path = tmp_path / "load.samples"
    with SampleFile(path) as samples:
        samples.add_unsent(np.array([10, 30], np.int64), 20)
        assert samples.count == 2
    assert np.fromfile(path, DTYPE).tolist() == [
        (10, 20, 20, 0, Answer.UNSENT),
        (30, 30, 30, 0, Answer.UNSENT),
    ]


def test_another_file_is_not_overwritten(tmp_path: Path) -> None:
    """Evidence is written once."""
    path = tmp_path / "load.samples"
    path.write_bytes(b"evidence")
    with pytest.raises(InputError, match="load.samples"):
        SampleFile(path)
    assert path.read_bytes() == b"evidence"


def test_a_disk_that_takes_nothing() -> None:
    """Is a failure of the record, and says where."""
    full = Path("/dev/full")
    samples = SampleFile.__new__(SampleFile)
    samples._path, samples._file = full, full.open("wb", buffering=0)
    samples._waiting, samples._flushed = bytearray(b"0" * DTYPE.itemsize), 0
    with pytest.raises(RecordError, match="/dev/full"):
        samples.flush()
    samples._file.close()
