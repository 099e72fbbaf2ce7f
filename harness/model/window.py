"""Maintenance windows: when an environment may be broken, week by week."""

from __future__ import annotations

import enum
from datetime import UTC, datetime, time, timedelta

import msgspec


class Weekday(enum.StrEnum):
    """As `datetime.weekday()` counts them: Monday is the first."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


class Window(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From `start` on that day until just before `end`, in UTC; on the next day where `end` is
    not after `start`: 22:00 to 02:00 is four hours, 00:00 to 00:00 the whole day.
    """

    weekday: Weekday
    start: time
    end: time

    def __post_init__(self) -> None:
        for name, bound in (("start", self.start), ("end", self.end)):
            if bound.tzinfo is not None and bound.utcoffset() != timedelta(0):
                raise ValueError(f"window's {name}: got {bound}, expected a time of UTC")

    def holds(self, moment: datetime, lasting: timedelta = timedelta(0)) -> bool:
        """Whether what begins at `moment` and takes `lasting` is in it from beginning to end.

        `moment` carries its time zone; ValueError where it does not.
        """
        if moment.tzinfo is None:
            raise ValueError(f"got {moment}, expected a moment with its time zone")
        utc = moment.astimezone(UTC)
        # Yesterday's window may reach into today.
        days = (utc.date() - timedelta(days=1), utc.date())
        return any(
            opens <= utc < closes and utc + lasting <= closes
            for opens, closes in (
                self._on(datetime.combine(day, time(0), UTC))
                for day in days
                if tuple(Weekday)[day.weekday()] is self.weekday
            )
        )

    def __str__(self) -> str:
        return f"{self.weekday} {self.start:%H:%M} to {self.end:%H:%M} UTC"

    def _on(self, day: datetime) -> tuple[datetime, datetime]:
        opens = datetime.combine(day, self.start.replace(tzinfo=UTC))
        closes = datetime.combine(day, self.end.replace(tzinfo=UTC))
        return opens, closes if opens < closes else closes + timedelta(days=1)
