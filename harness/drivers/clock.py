"""Reads the host's monotonic and wall clocks; the only module that may."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from harness.drivers import process
from harness.errors import DeadlineExceededError
from harness.model.instant import NANOSECONDS_PER_SECOND, Instant

Answer = TypeVar("Answer")

UPTIME_RESOLUTION_NS = 10_000_000
"""/proc/uptime has two decimals, cut off (fs/proc/uptime.c)."""


class HostClock:
    """The clock of this host."""

    def monotonic_ns(self) -> int:
        """CLOCK_MONOTONIC: comparable between processes of one boot."""
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC)

    def now(self) -> Instant:
        """The present on both clocks."""
        return Instant(monotonic_ns=self.monotonic_ns(), utc=datetime.now(UTC))


def boot_id() -> str:
    """Identifies the boot of this host; monotonic times of two boots cannot be compared."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def monotonic_of_uptime(uptime: str) -> int:
    """CLOCK_MONOTONIC of this host when the first number of its /proc/uptime was `uptime`.

    That number is CLOCK_BOOTTIME (fs/proc/uptime.c), which also counts suspended time; the true
    moment is up to UPTIME_RESOLUTION_NS later. ValueError where it is no number.
    """
    whole, _, decimals = uptime.partition(".")
    boottime_ns = int(whole) * NANOSECONDS_PER_SECOND + int(f"{decimals:0<9}"[:9])
    suspended_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(
        time.CLOCK_MONOTONIC
    )
    return boottime_ns - suspended_ns


def wait_until(
    condition: Callable[[], Answer | None],
    *,
    within_s: float,
    what: str,
    every_s: float = 0.02,
    hint: str | None = None,
) -> Answer:
    """Asks `condition` until it answers something true, and returns that answer.

    Raises DeadlineExceededError that names `what` after `within_s` seconds, and comes back at
    once where the command is being interrupted.
    """
    deadline = time.monotonic() + within_s
    while True:
        answer = condition()
        if answer:
            return answer
        process.raise_if_interrupted(what)
        if time.monotonic() >= deadline:
            raise DeadlineExceededError(f"{what}: not within {within_s:g} s", hint=hint)
        time.sleep(every_s)


def sleep_until(monotonic_ns: int) -> None:
    """Sleeps until that instant of the monotonic clock; returns at once if it has passed."""
    remaining = monotonic_ns - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    if remaining > 0:
        time.sleep(remaining / NANOSECONDS_PER_SECOND)
