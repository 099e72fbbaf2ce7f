"""Game days as their user meets them: pods and containers killed until it is OBSERVED, faults that
move a primary, a harness that is killed in the middle, and what is refused.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import ROOT, Command

from harness.drivers.clock import wait_until
from harness.faults.intents import Intents
from harness.lab.lab import Lab

GAME_DAY = ("game-day", "-e", "lab")
_EXPERIMENT_WITHIN_S = 1500


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


def _conduct(harness: Command, runs: Path, experiment: str) -> Any:  # noqa: ANN401 - JSON
    """The judgement of one experiment. INCONCLUSIVE (3) is tried once more, as its user would: on
    a machine that others use, too, a prober may be late in the wrong moment.
    """
    words = ("run", *GAME_DAY, "--unattended", "--json", "--runs", str(runs), "--only", experiment)
    done = harness(*words, within_s=_EXPERIMENT_WITHIN_S, exits=(0, 3))
    if done.returncode:
        done = harness(*words, within_s=_EXPERIMENT_WITHIN_S)
    return json.loads(done.stdout)


def _findings(judgement: Any, check: str) -> dict[str, str]:  # noqa: ANN401 - JSON
    """Finding -> verdict, of one kind of check."""
    return {
        one["id"]: one["verdict"]
        for one in judgement["findings"]
        if one["id"].startswith(f"{check}/")
    }


@pytest.fixture(scope="module", params=["pod-delete", "container-kill"])
def killed(request: pytest.FixtureRequest, lab: Lab, harness: Command, runs: Path) -> Any:  # noqa: ANN401
    """Five pods deleted, or five containers killed."""
    assert lab.kubectl.ready()
    return _conduct(harness, runs, request.param)


def test_it_is_tried_until_it_is_observed(killed: Any) -> None:  # noqa: ANN401 - JSON
    """Five trials, every way in within the RTO, by itself; nothing lost, all as it was."""
    for check in ("recovery-time", "recovery-point", "ledger", "left-as-it-was", "put-back"):
        found = _findings(killed, check)
        assert found, check
        assert set(found.values()) == {"PASS"}, (check, found)
    strengths = [
        one["strength"] for one in killed["findings"] if one["id"].startswith("recovery-time/")
    ]
    assert all(strength.startswith("OBSERVED: 5/5") for strength in strengths)
    assert len(killed["recoveries"]) == 5
    assert all(one["ways"] for one in killed["recoveries"])


def test_the_report_of_a_stored_run_is_made_again(
    killed: Any,  # noqa: ANN401 - JSON
    harness: Command,
    runs: Path,
) -> None:
    """Judged again without a cluster: the same bytes."""
    run = (runs / "latest").resolve()
    before = (run / "verdict.json").read_bytes()
    harness("analyse", str(run))
    assert (run / "verdict.json").read_bytes() == before
    assert b"<svg" in (run / "report.html").read_bytes()
    assert killed["verdict"] == json.loads(before)["verdict"]


def test_the_primary_of_postgresql_moves_and_nothing_is_lost(
    lab: Lab, harness: Command, runs: Path
) -> None:
    """Its postmaster gets SIGKILL: seen by a witness, taken over, back as a replica."""
    assert lab.kubectl.ready()
    judgement = _conduct(harness, runs, "postgresql-process-kill")
    for check in ("recovery-time", "recovery-point", "left-as-it-was", "put-back"):
        assert set(_findings(judgement, check).values()) == {"PASS"}, check


@pytest.fixture
def a_drill_in_the_middle(lab: Lab, state: Path, runs: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The checkout's way to Redis is black-holed, and the harness watches for a minute."""
    assert lab.kubectl.ready()
    words = [*("run", *GAME_DAY, "--unattended"), "--runs", str(runs)]
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", *words, "--only", "dependency-black-hole"],
        cwd=ROOT,
        env={**os.environ, "HARNESS_STATE_DIR": str(state)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(
        lambda: Intents(state).open() or process.poll() is not None,
        within_s=300,
        what="something broken",
        every_s=0.2,
    )
    assert process.poll() is None
    yield process
    process.kill()
    process.wait()
    _await_put_back(state)


def _await_put_back(state: Path) -> None:
    wait_until(lambda: not Intents(state).open(), within_s=120, what="all put back", every_s=0.2)


def test_a_killed_harness_leaves_nothing_broken(
    a_drill_in_the_middle: subprocess.Popen[bytes], state: Path, harness: Command
) -> None:
    """SIGKILL in the middle: its watchdog puts the routes back, `recover` finds the rest."""
    a_drill_in_the_middle.send_signal(signal.SIGKILL)
    a_drill_in_the_middle.wait()
    _await_put_back(state)
    harness("recover")
    assert harness("recover").stdout.strip() == "nothing was left behind"


def test_abort_puts_everything_back(
    a_drill_in_the_middle: subprocess.Popen[bytes], state: Path, harness: Command
) -> None:
    """`harness abort` is answered within two seconds; the run ends healed (143)."""
    harness("abort")
    assert a_drill_in_the_middle.wait(timeout=300) == 143
    assert not Intents(state).open()


def test_one_drill_at_a_time(
    a_drill_in_the_middle: subprocess.Popen[bytes], harness: Command, runs: Path
) -> None:
    """Refused (4), with who holds it and what to type."""
    refused = harness("run", *GAME_DAY, "--unattended", "--runs", str(runs), fails=True)
    assert refused.returncode == 4
    assert "harness abort" in refused.stderr
    a_drill_in_the_middle.send_signal(signal.SIGTERM)
    assert a_drill_in_the_middle.wait(timeout=300) == 143


def test_the_plan_says_what_would_be_hit_and_what_will_be_missed(
    lab: Lab, harness: Command
) -> None:
    """Read from the cluster; nothing is touched."""
    assert lab.kubectl.ready()
    said = harness("plan", *GAME_DAY).stdout
    assert "blast radius" in said
    assert "orders" in said
    roles = harness("plan", *GAME_DAY, "--rbac", "drills/harness").stdout
    assert "kind: ClusterRole" in roles
