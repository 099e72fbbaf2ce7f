"""Quantities of the Kubernetes API as numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.quantity import amount_of, bytes_of, duration_s


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("500m", 0.5),
        ("100m", 0.1),
        ("0.1", 0.1),
        (".5", 0.5),
        ("5.", 5.0),
        ("0", 0.0),
        ("-1", -1.0),
        ("2244053n", 0.002244053),
        ("7u", 7e-6),
        ("128Mi", 134_217_728.0),
        ("44668Ki", 45_740_032.0),
        ("1Ei", 2.0**60),
        ("100k", 100_000.0),
        ("1M", 1e6),
        ("1E", 1e18),
        ("1e3", 1000.0),
        ("1E3", 1000.0),
        ("12e-1", 1.2),
        (3, 3.0),
        (0.25, 0.25),
    ],
)
def test_every_form_of_a_quantity(written: str | float, number: float) -> None:
    assert amount_of(written) == number


@pytest.mark.parametrize("written", ["", "m", "Mi", "1 m", "1K", "1e", "1Ki1", "one", "1mi", "--1"])
def test_what_is_no_quantity_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="expected a quantity such as"):
        amount_of(written)


@given(st.integers(min_value=0, max_value=10**6))
def test_a_thousand_thousandths_are_one(count: int) -> None:
    assert amount_of(f"{count * 1000}m") == amount_of(str(count)) == count


@given(
    st.integers(min_value=0, max_value=10**6), st.sampled_from(["Ki", "Mi", "Gi", "k", "M", "G"])
)
def test_sizes_are_what_sizes_are_elsewhere(count: int, suffix: str) -> None:
    assert amount_of(f"{count}{suffix}") == bytes_of(f"{count}{suffix}")


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("40s", 40),
        ("1m30s", 90),
        ("12.409s", 12.409),
        ("500ms", 0.5),
        ("1us", 1e-6),
        ("15d", 15 * 86400),
        ("2w", 14 * 86400),
        ("1y", 365 * 86400),
    ],
)
def test_durations_as_programs_write_them(written: str, seconds: float) -> None:
    assert duration_s(written) == seconds


@pytest.mark.parametrize("written", ["", "40", "s", "40 s", "1 d", "x40s"])
def test_what_is_no_duration(written: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        duration_s(written)
