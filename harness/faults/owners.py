"""Whether the process that something was written down by still lives."""

from __future__ import annotations

import psutil


def me() -> tuple[int, float]:
    """This process: its id, and its start time in seconds since the epoch, as the kernel has it."""
    process = psutil.Process()
    return process.pid, process.create_time()


def lives(pid: int, started: float) -> bool:
    """Whether that very process runs: an id that was used again is another one, a zombie none."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - started) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
