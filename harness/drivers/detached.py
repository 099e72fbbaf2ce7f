"""Finds and kills pgBackRest processes by their configuration file.

pgBackRest's asynchronous archiver begins a session of its own and goes to `/` (forkDetach in its
src/common/fork.c), so neither its parent nor its directory tells whose it is; its arguments do.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil

from harness.drivers import process


def configured_below(directory: Path) -> list[psutil.Process]:
    """The pgBackRest processes whose configuration file is in or below a directory."""
    option = f"--config={directory}/"
    return [
        one
        for one in psutil.process_iter(["name", "cmdline"])
        if one.info["name"] == "pgbackrest"
        and any(word.startswith(option) for word in one.info["cmdline"] or ())
    ]


def kill_configured_below(directory: Path) -> tuple[int, ...]:
    """Kills (SIGKILL) them and awaits their end; the process ids killed."""
    found = configured_below(directory)
    for one in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    process.await_ends(found)
    return tuple(one.pid for one in found)
