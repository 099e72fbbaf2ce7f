"""The one instant at which a load begins, for workers on one machine or on several."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from harness.drivers.clock import HostClock, boot_id
from harness.model.instant import Instant, nanoseconds

_CLOCK = HostClock()


class Zero(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A schedule's zero, as the machine says it that chose it."""

    at: Instant
    boot: str
    """Of that machine: monotonic clocks of one boot are one clock, in containers, too."""


def instant_of(monotonic_ns: int) -> Instant:
    """A moment of this machine on both clocks, by the distance that they have now."""
    now = _CLOCK.now()
    since = timedelta(microseconds=(now.monotonic_ns - monotonic_ns) / 1000)
    return Instant(monotonic_ns=monotonic_ns, utc=now.utc - since)


def zero_in(after_s: float) -> Zero:
    """In so many seconds."""
    now = _CLOCK.now()
    after = timedelta(seconds=after_s)
    return Zero(
        at=Instant(monotonic_ns=now.monotonic_ns + nanoseconds(after), utc=now.utc + after),
        boot=boot_id(),
    )


def monotonic_here(zero: Zero) -> int:
    """CLOCK_MONOTONIC of this machine at the zero, nanoseconds.

    On another machine it is taken from the wall clocks, once: as wrong as their difference, and
    untouched by what is done to them later.
    """
    if zero.boot == boot_id():
        return zero.at.monotonic_ns
    now = _CLOCK.now()
    return now.monotonic_ns + nanoseconds(zero.at.utc - now.utc)
