"""Load profiles: how many requests are sent when, as shares of a peak (loadtests/profiles/)."""

from __future__ import annotations

import enum
from datetime import timedelta

import msgspec


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Arrivals(enum.StrEnum):
    """How arrivals lie within a stage. The schedule is absolute: it waits for no answer."""

    EVEN = "even"
    """Equal distances."""

    POISSON = "poisson"
    """Independent of each other, as of many users who do not know each other; the seed decides."""


class Stage(_Value, frozen=True, kw_only=True):
    """A rate that holds, or that changes evenly."""

    rate: float
    """At its beginning: a share of the peak, 0 and more. More than 1 is allowed: a spike."""

    hold: timedelta
    to: float | None = None
    """At its end; None: as at its beginning."""

    def __post_init__(self) -> None:
        if self.rate < 0 or (self.to is not None and self.to < 0):
            raise ValueError(f"got a rate below 0: {self.rate} to {self.to}")
        if self.hold <= timedelta():
            raise ValueError(f"got a stage of {self.hold}, expected more than 0 s")

    @property
    def end_rate(self) -> float:
        """At its end."""
        return self.rate if self.to is None else self.to


class Profile(_Value, frozen=True, kw_only=True):
    """The stages of a load, one after the other."""

    profile: str
    """Its file's name, without `.yaml`."""

    title: str
    stages: tuple[Stage, ...]
    arrivals: Arrivals = Arrivals.POISSON

    def __post_init__(self) -> None:
        if not self.stages:
            raise ValueError(f"profile {self.profile} has no stage")

    @property
    def lasts(self) -> timedelta:
        """From the first arrival's schedule to the last's."""
        return sum((one.hold for one in self.stages), timedelta())
