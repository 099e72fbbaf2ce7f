"""A node's clock counts only where it is this host's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.chaos import node_clock
from harness.drivers.clock import (
    UPTIME_RESOLUTION_NS,
    HostClock,
    boot_id,
    monotonic_of_uptime,
)
from harness.model.instant import Bracket

CLOCK = HostClock()


def uptime() -> str:
    return Path("/proc/uptime").read_text(encoding="ascii").split()[0]


def test_uptime_in_this_hosts_clock() -> None:
    before = CLOCK.monotonic_ns()
    told = monotonic_of_uptime(uptime())
    after = CLOCK.monotonic_ns()
    assert before - UPTIME_RESOLUTION_NS <= told <= after


@given(st.integers(0, 10**9), st.integers(0, 99))
def test_uptime_is_read_without_floats(whole: int, hundredths: int) -> None:
    one = monotonic_of_uptime(f"{whole}.{hundredths:02d}")
    zero = monotonic_of_uptime("0.00")
    # Two readings of the two clocks lie between the two calls.
    assert abs((one - zero) - (whole * 10**9 + hundredths * 10**7)) < 10**6


def test_a_helper_of_this_kernel_says_the_moment_itself() -> None:
    before_ns = CLOCK.monotonic_ns()
    # Later than the resolution of /proc/uptime, so that the bracket can be narrower.
    argv = node_clock.timed(("sh", "-c", "echo done"))
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    outer = Bracket(earliest_ns=before_ns, latest_ns=CLOCK.monotonic_ns() + UPTIME_RESOLUTION_NS)
    found = node_clock.bracket(said, outer)
    assert outer.earliest_ns <= found.earliest_ns <= found.latest_ns <= outer.latest_ns
    assert "done" in said
    assert "after" in said


def test_a_command_that_fails_has_no_after() -> None:
    argv = node_clock.timed(("sh", "-c", "exit 3"))
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "after" not in done.stdout


OUTER = Bracket(earliest_ns=5_000_000_000, latest_ns=9_000_000_000)


def said(before: str, after: str, kernel: str | None = None) -> str:
    return f"kernel {kernel or boot_id()}\nbefore {before}\nafter {after}\n"


@pytest.fixture
def _never_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        node_clock, "monotonic_of_uptime", lambda text: int(float(text) * 1_000) * 1_000_000
    )


@pytest.mark.usefixtures("_never_suspended")
def test_narrower_by_the_same_kernels_clock() -> None:
    found = node_clock.bracket(said("6.00", "6.50"), OUTER)
    assert found == Bracket(earliest_ns=6_000_000_000, latest_ns=6_510_000_000)


@pytest.mark.usefixtures("_never_suspended")
@pytest.mark.parametrize(
    "told",
    [
        "",
        said("6.00", "6.50", kernel="another"),
        said("4.00", "6.50"),
        said("6.00", "9.50"),
        said("7.00", "6.00"),
        f"kernel {boot_id()}\nbefore 6.00\n",
    ],
)
def test_what_cannot_be_compared_leaves_the_outer_bracket(told: str) -> None:
    assert node_clock.bracket(told, OUTER) == OUTER


def test_words_instead_of_seconds_leave_the_outer_bracket() -> None:
    assert node_clock.bracket(said("six", "seven"), OUTER) == OUTER
