"""Recovery times are extrapolated only from three sizes or more, and never judged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.prediction import predict
from harness.model.judgement import Prediction

GB = 10**9
VOLUME = 100 * 2**30


def predicted(points: list[tuple[int, float]], rto_s: float | None = 300) -> Prediction:
    """The prediction; a failure of the test where there is none."""
    found = predict("orders", VOLUME, points, rto_s)
    assert isinstance(found, Prediction)
    return found


@pytest.mark.parametrize(
    "points",
    [
        [],
        [(GB, 10.0)],
        [(GB, 10.0), (2 * GB, 20.0)],
        [(GB, 10.0), (2 * GB, 20.0), (2 * GB + 1, 20.0)],
        [(0, 1.0), (GB, 10.0), (2 * GB, 20.0)],
    ],
)
def test_fewer_than_three_sizes_predict_nothing(points: list[tuple[int, float]]) -> None:
    """A line through two points explains everything; the reason is given."""
    found = predict("orders", VOLUME, points, 300)
    assert isinstance(found, str)
    assert "distinct, expected 3 or more" in found


def test_a_line_is_found_exactly() -> None:
    """Points of 3 s + 5 s/GB give that line, and what it says at the documented volume."""
    found = predicted([(size * GB, 3.0 + 5 * size) for size in (1, 2, 4)])
    assert (found.fixed_s, found.per_gb_s) == (3.0, 5.0)
    assert found.seconds == pytest.approx(3 + 5 * VOLUME / GB)
    assert "26.8 times beyond the largest size restored" in found.caution
    assert found.exceeds == "predicted 9 min at 100 GiB, the RTO is 5 min"


def test_a_prediction_within_the_rto_exceeds_nothing() -> None:
    """Only a miss is put into words."""
    points = [(size * GB, 3.0 + 0.1 * size) for size in (1, 2, 4)]
    assert predicted(points).exceeds is None
    assert predicted([(size * GB, 9.0 * size) for size in (1, 2, 4)], None).exceeds is None


def test_one_slow_trial_does_not_bend_the_line() -> None:
    """An outlier of ten times its due leaves the slope where it is (Theil and Sen)."""
    points = [(size * GB, 3.0 + 5 * size) for size in (1, 2, 3, 4, 5, 6, 7)]
    points[3] = (4 * GB, 230.0)
    assert predicted(points).per_gb_s == pytest.approx(5.0)


def test_times_that_do_not_grow_predict_nothing() -> None:
    """A line that falls says that chance was measured."""
    points = [(GB, 10.0), (2 * GB, 9.0), (4 * GB, 8.0)]
    assert predict("orders", VOLUME, points, 300) == (
        "the recovery time did not grow with the size: no line to extrapolate"
    )


@given(
    fixed=st.floats(min_value=0, max_value=60),
    slope=st.floats(min_value=0.01, max_value=60),
    order=st.permutations([1, 2, 4, 8]),
)
def test_the_order_of_restores_does_not_matter(
    fixed: float, slope: float, order: list[int]
) -> None:
    """Equal points give an equal prediction, to the last bit."""
    points = [(size * GB, fixed + slope * size) for size in order]
    assert predicted(points) == predicted(sorted(points))
