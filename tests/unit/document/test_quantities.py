"""Which quantities a text says: units as they are written, SI where they are compared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.document.quantities import (
    Comparator,
    Measure,
    quantities,
    without_quantities,
)


@pytest.mark.parametrize("text", ["", "Automatic", "five minutes", "---", "Kubernetes"])
def test_a_text_without_digits_says_no_quantity(text: str) -> None:
    assert quantities(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        "AES-256",
        "HTTP/2",
        "redis:7",
        "v1.2.3",
        "10.0.0.1",
        "wave_0",
        "3x",
        "2026-02-07",
        "February 7, 2026",
        "7 Feb 2026",
        "07.02.2026",
        "at 04:00",
        "https://example.com/5/minutes",
        "[runbook](page-12.md)",
    ],
)
def test_digits_of_names_dates_and_addresses_are_no_amount(text: str) -> None:
    assert quantities(text) == ()


@pytest.mark.parametrize(
    ("text", "key", "measure", "value"),
    [
        ("5 minutes", "", Measure.DURATION, 300),
        ("5m", "after", Measure.DURATION, 300),
        ("1.5h", "", Measure.DURATION, 5400),
        ("250 ms", "", Measure.DURATION, 0.25),
        ("2 weeks", "", Measure.DURATION, 14 * 86400),
        ("10", "periodSeconds", Measure.DURATION, 10),
        ("10", "timeout_ms", Measure.DURATION, 0.01),
        ("100m", "cpu", Measure.CORES, 0.1),
        ("2", "cpu", Measure.CORES, 2),
        ("100 cores", "", Measure.CORES, 100),
        ("512Mi", "memory", Measure.BYTES, 512 * 2**20),
        ("100 GB", "", Measure.BYTES, 100 * 10**9),
        ("100Gi", "", Measure.BYTES, 100 * 2**30),
        ("70%", "", Measure.SHARE, 0.7),
        ("99.9 %", "", Measure.SHARE, 0.999),
        ("5 percent", "", Measure.SHARE, 0.05),
        ("3", "replicas", Measure.NUMBER, 3),
        ("1,000 requests", "", Measure.NUMBER, 1000),
        ("daily at night", "", Measure.DURATION, 86400),
        ("Quarterly", "", Measure.DURATION, 92 * 86400),
    ],
)
def test_a_unit_is_read_as_it_is_written(
    text: str, key: str, measure: Measure, value: float
) -> None:
    (found,) = quantities(text, key)
    assert (found.measure, found.value) == (measure, value)


@pytest.mark.parametrize(
    ("text", "comparator"),
    [
        ("5 minutes", Comparator.EXACTLY),
        ("< 5 minutes", Comparator.AT_MOST),
        ("<= 5 minutes", Comparator.AT_MOST),
        ("\u2264 5 minutes", Comparator.AT_MOST),
        ("within 5 minutes", Comparator.AT_MOST),
        ("up to 5 minutes", Comparator.AT_MOST),
        ("> 5 minutes", Comparator.AT_LEAST),
        ("at least 5 minutes", Comparator.AT_LEAST),
        ("5+ minutes", Comparator.AT_LEAST),
        ("minimum of 5 minutes", Comparator.AT_LEAST),
        ("~5 minutes", Comparator.ABOUT),
        ("about 5 minutes", Comparator.ABOUT),
        ("downtime: 5 minutes", Comparator.EXACTLY),
        ("Daily", Comparator.AT_MOST),
    ],
)
def test_how_a_text_limits_its_number(text: str, comparator: Comparator) -> None:
    assert quantities(text)[0].comparator is comparator


@pytest.mark.parametrize("text", ["10 to 15 minutes", "10-15 min", "10 \u2013 15 minutes"])
def test_the_first_number_of_a_range_has_the_unit_of_the_second(text: str) -> None:
    assert [(one.measure, one.value) for one in quantities(text)] == [
        (Measure.DURATION, 600),
        (Measure.DURATION, 900),
    ]


def test_all_numbers_of_a_line_are_read_in_their_order() -> None:
    found = quantities("Daily, kept 30 days, 3 copies of at most 100 GB")
    assert [one.value for one in found] == [86400, 30 * 86400, 3, 100e9]
    assert [one.comparator for one in found] == [
        Comparator.AT_MOST,
        Comparator.EXACTLY,
        Comparator.EXACTLY,
        Comparator.AT_MOST,
    ]


def test_a_number_that_has_lost_its_unit_is_another_kind_of_number() -> None:
    (before,), (now,) = quantities("5 minutes"), quantities("5")
    assert not before.same_number(now)


@given(st.integers(1, 10_000))
def test_the_same_amount_in_other_units_is_the_same(minutes: int) -> None:
    (one,), (other,) = quantities(f"{minutes} minutes"), quantities(f"{minutes * 60:,} s")
    assert one.same_number(other)
    (more,) = quantities(f"{minutes * 60 + 1} s")
    assert not one.same_number(more)


@given(st.integers(1, 100_000))
def test_millicores_and_cores_are_the_same(milli: int) -> None:
    (one,), (other,) = quantities(f"{milli}m", "cpu"), quantities(f"{milli / 1000:.3f}", "cpu")
    assert one.same_number(other)


@given(st.text(max_size=200), st.text(max_size=20))
def test_no_text_is_too_odd_to_read(text: str, key: str) -> None:
    assert all(one.value >= 0 for one in quantities(text, key))
    without_quantities(text)


@given(st.integers(0, 10**6), st.sampled_from(["s", " minutes", "%", "Gi", ""]))
def test_only_the_words_stay(number: int, unit: str) -> None:
    assert without_quantities(f"Keep {number}{unit} of it") == "keep # of it"
