"""`lab up` and `lab down`: killed half way, twice, beside another one; nothing is left.

These tests make small labs of their own, and come before the one that the other tests share.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from commands import ROOT, Command, command, state_directory

from harness.drivers.clock import wait_until
from harness.lab import network
from harness.lab.cgroups import ControlGroups
from harness.lab.directories import Directories

SMALL = ("--masters", "1", "--workers", "1", "--zones", "1")
LARGEST_BUILD_S = 2400
"""The first of these tests compiles Kubernetes and builds the images, where nothing did before."""

pytestmark = pytest.mark.timeout(LARGEST_BUILD_S + 300)


@pytest.fixture
def own_state() -> Iterator[Path]:
    directory = state_directory()
    yield directory
    command(directory)("lab", "down")
    shutil.rmtree(directory)


@pytest.fixture
def own(own_state: Path) -> Command:
    return command(own_state)


def left(state: Path) -> list[str]:
    """What there is of a lab anywhere: namespaces, groups, files, mounts, processes."""
    found = [*network.namespaces(), *map(str, ControlGroups().left())]
    root = Directories.below(state).root
    if root.exists():
        found.append(str(root))
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    found += [line for line in mounts.splitlines() if str(root) in line]
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = " ".join(process.cmdline())
            if str(root) in words or process.cwd().startswith(str(root)):
                found.append(words)
    return found


def test_down_leaves_nothing(own: Command, own_state: Path) -> None:
    """What `up` made is all gone; a second `down` says that there was no lab."""
    own("lab", "up", *SMALL, within_s=LARGEST_BUILD_S)
    assert left(own_state)
    own("lab", "down")
    assert left(own_state) == []
    assert own("lab", "down").stdout == "there was no lab\n"


def test_a_second_up_takes_the_lab_as_it_is(own: Command) -> None:
    """Of the same layout; of another one it is refused, and the lab goes on."""
    own("lab", "up", *SMALL)
    before = own("lab", "kubeconfig").stdout
    assert "up already" in own("lab", "up", *SMALL).stderr
    assert own("lab", "kubeconfig").stdout == before
    other = own("lab", "up", "--masters", "3", fails=True)
    assert other.returncode == 4
    assert "harness lab down" in other.stderr
    assert "ready" in own("lab", "status").stdout


def test_another_state_directory_does_not_take_the_lab_down(own: Command, own_state: Path) -> None:
    """Names of namespaces are the machine's: who has no lab there may not touch this one."""
    own("lab", "up", *SMALL)
    stranger = state_directory()
    try:
        for words in (("lab", "up", *SMALL), ("lab", "down")):
            refused = command(stranger)(*words, fails=True)
            assert refused.returncode == 4
            assert f"HARNESS_STATE_DIR={own_state} harness lab down" in refused.stderr
    finally:
        shutil.rmtree(stranger)
    assert "ready" in own("lab", "status").stdout


@pytest.mark.parametrize("made", ["pki/admin.kubeconfig", "machines/worker-1/boot-id"])
def test_a_killed_up_is_cleaned_away(own: Command, own_state: Path, made: str) -> None:
    """SIGKILL at two of its steps: `status` says so, `down` leaves nothing."""
    _killed_when(own_state, made)
    assert left(own_state)
    assert "half made" in own("lab", "status", fails=True).stderr
    own("lab", "down")
    assert left(own_state) == []


def test_an_up_after_a_killed_one_works(own: Command, own_state: Path) -> None:
    """It cleans what was left, and says so."""
    _killed_when(own_state, "balancer/run")
    again = own("lab", "up", *SMALL)
    assert "left behind by an earlier lab" in again.stderr
    assert "ready" in own("lab", "status").stdout


def test_an_interrupted_up_takes_down_what_it_made(own_state: Path) -> None:
    """SIGINT while machines boot: exit code 130, nothing left."""
    running = _up(own_state)
    _await(own_state, "machines/worker-1/boot-id")
    os.kill(running.pid, signal.SIGINT)
    assert running.wait(120) == 130
    assert left(own_state) == []


def _killed_when(state: Path, made: str) -> None:
    running = _up(state)
    _await(state, made)
    running.kill()
    running.wait(60)


def _up(state: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "harness", "lab", "up", *SMALL],
        cwd=ROOT,
        env={**os.environ, "HARNESS_STATE_DIR": str(state)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _await(state: Path, made: str) -> None:
    file = Directories.below(state).root / made
    wait_until(file.exists, within_s=120, what=str(file), every_s=0.002)
