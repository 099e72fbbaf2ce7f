"""pgBackRest's archiver leaves its directory, and is found by its configuration file."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from harness.drivers import detached
from harness.drivers.clock import wait_until


def pretend(program: Path, configuration: Path) -> subprocess.Popen[bytes]:
    """A process of that name with pgBackRest's way of naming its configuration, working in `/`."""
    program.write_text("#!/bin/sh\nread line\n", encoding="ascii")
    program.chmod(0o755)
    return subprocess.Popen(
        [program, f"--config={configuration}", "archive-push:async"], cwd="/", stdin=subprocess.PIPE
    )


def test_where_nothing_runs_nothing_is_killed(tmp_path: Path) -> None:
    """The vacuous case."""
    assert detached.kill_configured_below(tmp_path) == ()


def test_only_pgbackrest_of_the_directory_is_killed(tmp_path: Path) -> None:
    """Not another program, and not pgBackRest of a directory whose name begins alike."""
    here, alike = tmp_path / "place", tmp_path / "place2"
    ours = pretend(tmp_path / "pgbackrest", here / "pgbackrest" / "server.conf")
    theirs = pretend(tmp_path / "pgbackrest", alike / "server.conf")
    other = pretend(tmp_path / "editor", here / "pgbackrest" / "server.conf")
    with ours, theirs, other:
        wait_until(
            lambda: [one.pid for one in detached.configured_below(here)] == [ours.pid],
            within_s=5,
            what="found",
        )
        assert detached.kill_configured_below(here) == (ours.pid,)
        assert ours.wait(5) == -signal.SIGKILL
        assert theirs.poll() is None
        assert other.poll() is None
        for left in (theirs, other):
            left.kill()
