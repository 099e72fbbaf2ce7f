"""Instants and intervals on one monotonic clock, with the wall clock only as annotation."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

NANOSECONDS_PER_SECOND = 1_000_000_000


def seconds(duration_ns: int) -> float:
    """Nanoseconds as seconds, for display and for arithmetic that leaves the exact clock."""
    return duration_ns / NANOSECONDS_PER_SECOND


def nanoseconds(duration: timedelta) -> int:
    """A timedelta as whole nanoseconds, without passing through a float."""
    return ((duration.days * 86_400 + duration.seconds) * 1_000_000 + duration.microseconds) * 1_000


class Instant(msgspec.Struct, frozen=True, kw_only=True):
    """One moment as the harness's host saw it.

    Only `monotonic_ns` of two instants of one boot may be subtracted; `utc` is for people.
    """

    monotonic_ns: int
    """CLOCK_MONOTONIC of the host that probes and injects, in nanoseconds since its boot."""

    utc: datetime
    """The same moment on that host's wall clock, in UTC."""


class Bracket(msgspec.Struct, frozen=True, kw_only=True):
    """A moment that is known only to lie between two others, both monotonic nanoseconds.

    For a fault, `earliest_ns` is just before the call that injects it and `latest_ns` is when
    a witness other than that call first saw its effect.
    """

    earliest_ns: int
    latest_ns: int

    def __post_init__(self) -> None:
        if self.latest_ns < self.earliest_ns:
            raise ValueError(
                f"a bracket ends before it begins: {self.latest_ns} < {self.earliest_ns}"
            )


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """A measured duration in nanoseconds that is known to lie within [low, high].

    `high_ns` is None where it was not seen to end by the deadline (right-censored): the true
    value is greater than `low_ns`, and it is a miss, never dropped.
    """

    low_ns: int
    high_ns: int | None

    def __post_init__(self) -> None:
        if self.low_ns < 0 or (self.high_ns is not None and self.high_ns < self.low_ns):
            raise ValueError(f"bounds are not ordered: {self.low_ns}..{self.high_ns}")
