"""Burns CPU time, so that load on the service is load on the machine."""

from __future__ import annotations

import asyncio
import hashlib
import time
from concurrent.futures import ThreadPoolExecutor

_BLOCK = b"\0" * 65_536
"""Hashing so much at once frees the interpreter's lock: the event loop goes on answering."""


class Burner:
    """One thread that burns: a pod has the capacity of one core, and the others wait their turn."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="burner")

    async def burn(self, seconds: float) -> None:
        """Returns when the thread has spent that much of its own CPU time on it."""
        await asyncio.get_running_loop().run_in_executor(self._thread, _burn, seconds)

    def close(self) -> None:
        """Drops what waits."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _burn(seconds: float) -> None:
    end = time.thread_time_ns() + int(seconds * 1e9)
    while time.thread_time_ns() < end:
        hashlib.sha256(_BLOCK).digest()
