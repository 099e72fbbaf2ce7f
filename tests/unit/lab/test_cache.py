"""The cache of builds: what becomes of a build that ends well, of one that fails, of one killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.drivers import process
from harness.lab.cache import prune, renamed_when_done, sweep, work_directory


def test_what_was_made_whole_gets_its_name(tmp_path: Path) -> None:
    """And nothing else is left of making it."""
    with renamed_when_done(tmp_path / "programs" / "0123", tmp_path) as made:
        assert not (tmp_path / "programs" / "0123").exists()
        (made / "program").write_text("whole", encoding="ascii")
    assert (tmp_path / "programs" / "0123" / "program").read_text(encoding="ascii") == "whole"
    assert list(work_directory(tmp_path).iterdir()) == []


def test_what_failed_half_way_goes(tmp_path: Path) -> None:
    """It never had the name under which it would be taken for whole."""
    with pytest.raises(ValueError, match="compiler"), renamed_when_done(tmp_path / "x", tmp_path):
        raise ValueError("the compiler failed")
    assert not (tmp_path / "x").exists()
    assert list(work_directory(tmp_path).iterdir()) == []


def test_what_a_killed_build_left_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its processes first, then its files; what is whole stays."""
    (tmp_path / "programs" / "0123").mkdir(parents=True)
    (work_directory(tmp_path) / "half" / "made").mkdir(parents=True)
    killed: list[Path] = []

    def kill_below(directory: Path) -> tuple[int, ...]:
        assert (directory / "half").exists()
        killed.append(directory)
        return ()

    monkeypatch.setattr(process, "kill_below", kill_below)
    sweep(tmp_path)
    assert killed == [work_directory(tmp_path)]
    assert list(work_directory(tmp_path).iterdir()) == []
    assert (tmp_path / "programs" / "0123").is_dir()


def test_only_the_present_content_is_kept(tmp_path: Path) -> None:
    """Files and folders that match; what does not match is not touched."""
    for name in ("redis-1.tar", "redis-2.tar", "postgres-1.tar"):
        (tmp_path / name).write_text("", encoding="ascii")
    (tmp_path / "redis-3.tar").mkdir()
    prune(tmp_path, "redis-?.tar", tmp_path / "redis-2.tar")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["postgres-1.tar", "redis-2.tar"]
