"""Maintenance windows, at their borders."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.window import Weekday, Window

# 25 November 2026 is a Wednesday.
EVENING = Window(weekday=Weekday.WEDNESDAY, start=time(20), end=time(22, 30))
NIGHT = Window(weekday=Weekday.WEDNESDAY, start=time(22), end=time(2))
DAY = Window(weekday=Weekday.WEDNESDAY, start=time(0), end=time(0))


def at(day: int, hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, second, tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "moment", "holds"),
    [
        (EVENING, at(25, 19, 59, 59), False),
        (EVENING, at(25, 20), True),
        (EVENING, at(25, 22, 29, 59), True),
        (EVENING, at(25, 22, 30), False),
        (EVENING, at(24, 21), False),
        (EVENING, at(26, 21), False),
        (NIGHT, at(25, 21, 59, 59), False),
        (NIGHT, at(25, 22), True),
        (NIGHT, at(26, 1, 59, 59), True),
        (NIGHT, at(26, 2), False),
        (NIGHT, at(25, 1), False),
        (DAY, at(25, 0), True),
        (DAY, at(25, 23, 59, 59), True),
        (DAY, at(26, 0), False),
    ],
)
def test_the_start_is_in_it_and_the_end_is_not(
    window: Window, moment: datetime, *, holds: bool
) -> None:
    assert window.holds(moment) is holds


@pytest.mark.parametrize(("minutes", "holds"), [(30, True), (31, False)])
def test_what_begins_in_it_must_also_end_in_it(minutes: int, *, holds: bool) -> None:
    assert EVENING.holds(at(25, 22), timedelta(minutes=minutes)) is holds


def test_another_time_zone_is_the_same_moment() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert EVENING.holds(datetime(2026, 11, 26, 5, 0, tzinfo=tokyo))
    assert not EVENING.holds(datetime(2026, 11, 25, 21, 0, tzinfo=tokyo))


def test_a_moment_without_time_zone_is_no_moment() -> None:
    with pytest.raises(ValueError, match="time zone"):
        EVENING.holds(datetime(2026, 11, 25, 21))  # noqa: DTZ001 - that is what is tried


def test_a_bound_of_another_time_zone_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="expected a time of UTC"):
        msgspec.convert({"weekday": "sunday", "start": "20:00:00+09:00", "end": "22:00:00"}, Window)


def test_it_is_read_as_toml_writes_it() -> None:
    window = msgspec.convert(
        {"weekday": "wednesday", "start": time(20), "end": time(22, 30)}, Window
    )
    assert window == EVENING
    assert str(window) == "wednesday 20:00 to 22:30 UTC"


@given(
    weekday=st.sampled_from(Weekday),
    start=st.times(),
    end=st.times(),
    moment=st.datetimes(
        min_value=datetime(2020, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
        max_value=datetime(2030, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    ),
    lasting=st.timedeltas(min_value=timedelta(0), max_value=timedelta(hours=30)),
    less=st.timedeltas(min_value=timedelta(0), max_value=timedelta(hours=30)),
)
def test_what_takes_less_fits_where_more_did(
    weekday: Weekday,
    start: time,
    end: time,
    moment: datetime,
    lasting: timedelta,
    less: timedelta,
) -> None:
    window = Window(weekday=weekday, start=start, end=end)
    if window.holds(moment, lasting):
        assert window.holds(moment, min(less, lasting))
