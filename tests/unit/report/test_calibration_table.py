"""The table of a calibration, and what later runs cite of it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from harness import calibrations
from harness.errors import InputError
from harness.judge.calibration import problems
from harness.model.calibration import CALIBRATION_FORMAT, Calibration, CleanRun, Examined
from harness.model.codec import from_json, to_indented_json
from harness.model.verdict import Verdict
from harness.report.calibration import headline, render_markdown, render_table

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


def clean(name: str) -> CleanRun:
    return CleanRun(
        run=f"{name}/20261124", verdict=Verdict.PASS, findings=9, restores=2, found=(), seconds=8
    )


def examined(name: str, found_by: str | None, planted: str | None = "a byte | flipped") -> Examined:
    return Examined(
        name=name,
        title="one byte is another",
        planted=planted,
        expected="restore FAIL, naming x",
        found_by=found_by,
        verdict=Verdict.FAIL,
        headline="orders: damaged",
        seconds=12.3,
    )


def calibration(*damages: Examined, complete: bool = True) -> Calibration:
    runs = (clean("clean-before"), clean("clean-after"))
    return Calibration(
        format=CALIBRATION_FORMAT,
        started=NOW,
        ended=NOW,
        host="drill",
        argv=("harness", "calibrate"),
        git_head="0123456789abcdef",
        git_dirty=False,
        versions={},
        scale=0.3,
        seed=1,
        complete=complete,
        clean=runs,
        examined=damages,
        problems=problems(runs, damages),
    )


GOOD = calibration(examined("flipped-byte", "restore/latest-backup/orders"))
BAD = calibration(examined("missing-wal", None), examined("old-backup", None, planted=None))


def test_a_calibration_of_nothing_is_none() -> None:
    """The vacuous table says so in its first words."""
    assert render_table(calibration()).startswith("NOT CALIBRATED")


def test_the_table_names_each_damage_and_its_finding() -> None:
    """The damages stand between the two clean runs."""
    lines = render_table(GOOD).splitlines()
    assert lines[0].startswith("CALIBRATED  1 of 1 planted damage found and named, 2 of 2 clean")
    assert [line.split()[0] for line in lines[2:]] == ["damage", "none", "flipped-byte", "none"]
    assert "restore/latest-backup/orders" in lines[4]


def test_what_was_missed_is_named() -> None:
    """Missed and not planted are told apart."""
    text = render_table(BAD)
    assert "MISSED" in text
    assert "not planted" in text
    assert "missing-wal: MISSED: a byte | flipped; expected restore FAIL" in text


def test_a_part_of_a_calibration_says_that_it_is_one() -> None:
    """A few chosen damages prove less."""
    part = calibration(examined("flipped-byte", "restore/x"), complete=False)
    assert "not all damages were tried" in headline(part)


def test_the_markdown_keeps_all_that_was_said() -> None:
    """What was planted, what was expected, what the finding says."""
    text = render_markdown(GOOD)
    assert "| flipped-byte | restore/latest-backup/orders | FAIL | 12 |" in text
    assert "- Planted: a byte | flipped" in text
    assert "- It says: orders: damaged" in text


def test_runs_without_a_calibration_say_so(tmp_path: Path) -> None:
    """Silence would look like a calibrated harness."""
    assert "Not calibrated here" in calibrations.cited(tmp_path)


def test_a_complete_calibration_is_cited_with_its_digest(tmp_path: Path) -> None:
    """Result, date, commit and sha256 of the file that is kept."""
    directory = calibrations.begin(tmp_path, NOW)
    calibrations.keep(directory, GOOD)
    content = (directory / "calibration.json").read_bytes()
    assert from_json(content, Calibration) == GOOD
    cited = calibrations.cited(tmp_path)
    assert hashlib.sha256(content).hexdigest() in cited
    assert "2026-11-24 03:00" in cited
    assert "0123456789ab" in cited
    assert "calibrations/20261124T030000Z/calibration.json" in cited
    assert "NOT" not in cited


def test_a_bad_calibration_is_cited_as_bad(tmp_path: Path) -> None:
    """The latest one counts, whatever it says."""
    calibrations.keep(calibrations.begin(tmp_path, NOW), BAD)
    assert "NOT CALIBRATED" in calibrations.cited(tmp_path)


def test_a_part_does_not_take_the_place_of_a_whole(tmp_path: Path) -> None:
    """`--only` proves something about one damage; runs go on citing the whole."""
    part = msgspec.structs.replace(GOOD, complete=False)
    calibrations.keep(calibrations.begin(tmp_path, NOW), part)
    assert "Not calibrated here" in calibrations.cited(tmp_path)


def test_a_torn_calibration_is_told(tmp_path: Path) -> None:
    """A file that cannot be read is no proof."""
    directory = calibrations.begin(tmp_path, NOW)
    calibrations.keep(directory, GOOD)
    (directory / "calibration.json").write_bytes(to_indented_json(GOOD)[:-20])
    assert "cannot be read" in calibrations.cited(tmp_path)


def test_a_folder_is_never_used_twice(tmp_path: Path) -> None:
    """Evidence is not overwritten."""
    calibrations.begin(tmp_path, NOW)
    with pytest.raises(InputError, match="cannot be made"):
        calibrations.begin(tmp_path, NOW)
