"""`harness calibrate` as its user meets it: all damage is found, named, undone, and kept."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.calibrations import cited
from harness.faults.places import Places
from harness.practice.damage.catalogue import DAMAGES, SILENCES

ROOT = Path(__file__).parents[2]
ENDS_WITHIN_S = 2400

pytestmark = pytest.mark.timeout(ENDS_WITHIN_S + 60)


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    """A state directory that servers' users may enter."""
    directory = Path(tempfile.mkdtemp(prefix="hc", dir="/var/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def done(state: Path, runs: Path) -> subprocess.CompletedProcess[str]:
    """One whole calibration."""
    return subprocess.run(
        [sys.executable, "-m", "harness", "calibrate", "--scale", "0.2", "--runs", str(runs)],
        cwd=ROOT,
        env={**os.environ, "HARNESS_STATE_DIR": str(state)},
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN_S,
        check=False,
    )


def test_everything_planted_is_found(done: subprocess.CompletedProcess[str], runs: Path) -> None:
    """Exit code 0; each damage has the finding that names it, and clean runs have none."""
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    kept = json.loads((runs / "calibrations" / "latest" / "calibration.json").read_bytes())
    assert kept["complete"]
    assert kept["problems"] == []
    assert {one["name"] for one in kept["examined"]} == {one.name for one in (*DAMAGES, *SILENCES)}
    assert all(one["planted"] and one["found_by"] for one in kept["examined"])
    assert [(run["verdict"], run["found"]) for run in kept["clean"]] == [("PASS", [])] * 2


def test_the_table_names_each_damage(done: subprocess.CompletedProcess[str]) -> None:
    """Standard output is the table alone."""
    assert done.stdout.startswith("CALIBRATED")
    for one in (*DAMAGES, *SILENCES):
        assert f"\n{one.name} " in done.stdout


def test_each_damage_has_its_run(done: subprocess.CompletedProcess[str], runs: Path) -> None:
    """A run directory of its own, which can be judged again to the same bytes."""
    assert done.stdout
    calibration = runs / "calibrations" / "latest"
    for damage in DAMAGES:
        (run,) = (calibration / damage.name).glob("2*")
        before = (run / "verdict.json").read_bytes()
        again = subprocess.run(
            [sys.executable, "-m", "harness", "analyse", str(run), "--check"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert again.returncode == 0, again.stdout + again.stderr
        assert (run / "verdict.json").read_bytes() == before


def test_later_runs_cite_it(done: subprocess.CompletedProcess[str], runs: Path) -> None:
    """What a run's notes say of the last calibration."""
    assert done.returncode == 0
    assert "CALIBRATED" in cited(runs)
    assert "sha256" in cited(runs)


def test_nothing_is_left_behind(done: subprocess.CompletedProcess[str], state: Path) -> None:
    """No declared place, no process below the state directory."""
    assert done.stdout
    assert Places(state).declared() == ()
    left = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd().startswith(str(state)) and process.status() != psutil.STATUS_ZOMBIE:
                left.append(process.pid)
    assert left == []


def test_what_can_be_planted_is_listed() -> None:
    """Without a server being started; an unknown name is refused with the names there are."""
    listed = _harness("calibrate", "--list")
    assert listed.returncode == 0
    assert [line.split()[0] for line in listed.stdout.splitlines()] == [
        one.name for one in (*SILENCES, *DAMAGES)
    ]
    unknown = _harness("calibrate", "--only", "no-such-damage")
    assert unknown.returncode == 2
    assert "flipped-byte" in unknown.stderr
    shown = _harness("demo", "--break", "list")
    assert [line.split()[0] for line in shown.stdout.splitlines()] == [one.name for one in DAMAGES]
    assert _harness("demo", "--break", "black-hole-2s").returncode == 2


def _harness(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
