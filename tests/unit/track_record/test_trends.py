"""Steps are found at their place, noise shows none, and what is extrapolated keeps its bounds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest
import track_records as made
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model.track_record import Course, Limit, Trend, Worse
from harness.model.verdict import Verdict
from harness.track_record.change_points import LEVEL, cuts
from harness.track_record.theil_sen import line_through, slope_interval
from harness.track_record.trend import TOLERANCE, WINDOW, trend


def of(values: Sequence[float | None], **other: object) -> Trend:
    return trend(made.weekly(values, **other), made.NOW)  # type: ignore[arg-type]


def noise(count: int, seed: int, level: float = 10.0, spread: float = 0.5) -> list[float | None]:
    return list(np.random.default_rng(seed).normal(level, spread, count))


def places(values: Sequence[float | None]) -> list[int]:
    found = of(values)
    names = [point.run for point in found.points]
    return [names.index(one.run) for one in found.changes]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_few_runs_have_no_slope_and_no_change(count: int) -> None:
    """Too few runs say nothing of where it goes, whatever they show."""
    found = of([10.0 * number for number in range(1, count + 1)])
    assert found.forecast.course is Course.TOO_FEW
    assert (found.changes, found.slope) == ((), None)


@pytest.mark.parametrize("at", [6, 20, 34])
def test_a_planted_step_is_found_at_its_place(at: int) -> None:
    """Two levels, six times the noise apart."""
    values = [*noise(at, 1), *noise(40 - at, 2, level=13.0)]
    assert places(values) == [at]


@pytest.mark.parametrize("count", range(12, 24))
def test_a_great_step_is_found_in_a_few_runs(count: int) -> None:
    """A hundred times the noise, in the middle of 12 to 23 runs: at its place, whatever it is."""
    half = count // 2
    assert places([*noise(half, count), *noise(count - half, 90 + count, level=60.0)]) == [half]


def test_two_planted_steps_are_found() -> None:
    """There and back again is two changes, and the levels between them are right."""
    found = of([*noise(20, 3), *noise(20, 4, level=20.0), *noise(20, 5)])
    assert places([*noise(20, 3), *noise(20, 4, level=20.0), *noise(20, 5)]) == [20, 40]
    assert [round(one.after or 0) for one in found.changes] == [20, 10]


def test_a_step_and_then_a_drift_are_told_apart() -> None:
    """The slope after a step is of the runs after it."""
    after = [72.0 + 3.0 * week for week in range(40)]
    found = of([*noise(40, 6, level=12.0), *after], limit=made.AT_MOST)
    assert places([*noise(40, 6, level=12.0), *after]) == [40]
    assert found.slope is not None
    assert found.slope.per_week == pytest.approx(3.0, abs=0.01)
    assert found.slope.runs == 40


def test_a_drift_is_no_step() -> None:
    """Its two halves differ and nothing happened between them."""
    rising = [10.0 + 0.5 * week + (one or 0.0) for week, one in enumerate(noise(60, 7, level=0.0))]
    assert places(list(rising)) == []


def test_noise_is_told_to_be_a_change_as_rarely_as_is_claimed() -> None:
    """Of 600 series without a change at most what LEVEL allows, 6, by less than 3 deviations."""
    alarms = 0
    for seed in range(600):
        values = np.random.default_rng(seed).normal(10, 1, 40)
        alarms += bool(cuts(np.arange(40.0), values, values))
    allowed = 600 * LEVEL
    assert alarms <= allowed + 3 * np.sqrt(allowed)


def test_heavy_tails_are_no_change_either() -> None:
    """The level does not rest on what the values are distributed like."""
    alarms = 0
    for seed in range(300):
        values = np.random.default_rng(seed).standard_cauchy(30)
        alarms += bool(cuts(np.arange(30.0), values, values))
    assert alarms <= 300 * LEVEL + 3 * np.sqrt(300 * LEVEL)


@given(st.lists(st.floats(1, 1e6), min_size=1, max_size=30), st.floats(0.01, 100))
@settings(max_examples=60, deadline=None)
def test_the_scale_of_the_values_changes_no_place(values: list[float], scale: float) -> None:
    """Ranks decide which is more, and a criterion that has no unit where."""
    times = np.arange(float(len(values)))
    here = np.round(np.array(values), 3)
    there = here * 2.0 ** round(np.log2(scale))  # exact, so that no tie comes or goes
    first, second = cuts(times, here, here), cuts(times, there, there)
    assert [one.at for one in first] == [one.at for one in second]


def test_identical_values_have_neither_change_nor_slope() -> None:
    """Of nothing but ties no order can be rare."""
    found = of([10.0] * 50)
    assert found.changes == ()
    assert found.slope is not None
    assert found.slope.per_week == 0
    assert found.forecast.course is Course.NOT_ON_COURSE


def test_the_median_of_slopes_does_not_mind_outliers() -> None:
    """A quarter of the values may be anything."""
    times = np.arange(20.0)
    values = 5 + 2 * times
    values[[3, 9, 12, 15, 18]] = 1000
    slope, _, _ = line_through(times, values)
    low, high = slope_interval(times, values)
    assert slope == pytest.approx(2)
    assert low <= 2 <= high


def test_the_interval_of_the_slope_has_the_true_one_in_it_as_often_as_it_says() -> None:
    """95 % of 400 planted slopes, by less than 3 deviations."""
    times = np.arange(30.0)
    within = 0
    for seed in range(400):
        values = 0.1 * times + np.random.default_rng(seed).normal(0, 1, 30)
        low, high = slope_interval(times, values)
        within += low <= 0.1 <= high
    assert within >= 380 - 3 * np.sqrt(400 * 0.95 * 0.05)


def test_a_limit_that_will_be_missed_is_told_with_the_weeks() -> None:
    """From 200 s by 2 s a week to 278 s: 300 s is 11 weeks away."""
    found = of([200.0 + 2 * week + (week % 3) * 0.01 for week in range(40)]).forecast
    assert found.course is Course.WILL_MISS
    assert found.weeks is not None
    assert found.weeks == pytest.approx(11, abs=0.1)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.weeks <= found.high


def test_a_capacity_that_falls_will_miss_what_it_must_hold() -> None:
    """At least: what falls gets worse."""
    falling = [200.0 - 2 * week for week in range(50)]
    assert of(falling, limit=made.AT_LEAST).forecast.course is Course.WILL_MISS
    rising = [82.0 + 2 * week for week in range(50)]
    assert of(rising, limit=made.AT_LEAST).forecast.course is Course.NOT_ON_COURSE


def test_nothing_is_extrapolated_further_than_it_reaches_back() -> None:
    """Ten weeks by 0.1 s a week do not say that 300 s are missed in 55 years."""
    found = of([10.0 + 0.1 * week for week in range(10)]).forecast
    assert found.course is Course.NOT_ON_COURSE
    assert found.horizon_weeks == pytest.approx(9)


def test_nothing_is_extrapolated_over_a_change() -> None:
    """A rise that was mended is over: what is flat since then is on no course to miss."""
    values = [*[100.0 + 4 * week for week in range(40)], *noise(20, 18, level=50)]
    found = of(values)
    assert found.forecast.course is Course.NOT_ON_COURSE
    assert found.forecast.runs == 20


def test_a_level_beyond_the_limit_misses_it_now() -> None:
    """Not in some weeks."""
    assert of(noise(20, 9, level=310)).forecast.course is Course.MISSES


def test_without_a_limit_there_is_a_slope_and_no_forecast() -> None:
    """Nobody promised anything of it."""
    no_limit = Limit(worse=Worse.LOWER)
    found = of(noise(20, 10), limit=no_limit)
    assert found.slope is not None
    assert found.forecast.course is Course.NO_LIMIT


def test_a_censored_value_is_more_than_any_and_no_number() -> None:
    """Eight runs that did not recover are a change, and no slope is made of 600 s."""
    found = of([*noise(20, 11), *[None] * 8])
    assert [one.after for one in found.changes] == [None]
    assert found.censored == 8
    assert found.slope is None
    assert found.forecast.course is Course.CENSORED


def test_one_censored_value_long_ago_is_not_forgotten_in_silence() -> None:
    """It is counted, and takes the slope of its stretch with it."""
    found = of([*noise(10, 12), None, *noise(10, 13)])
    assert found.censored == 1
    assert found.forecast.course is Course.CENSORED


def test_a_value_that_was_not_measured_is_counted_and_left_out() -> None:
    """INCONCLUSIVE is no number."""
    shown = made.weekly(noise(12, 14))
    run, one = shown[5]
    nothing = made.showing(run.run, None, verdict=Verdict.INCONCLUSIVE)
    found = trend([*shown[:5], (run, nothing), *shown[6:]], made.NOW)
    assert (found.not_measured, found.analysed, one.verdict) == (1, 11, Verdict.PASS)


def test_older_runs_are_listed_and_predict_nothing() -> None:
    """A window of two years of weekly runs."""
    found = of([*[500.0] * 20, *noise(WINDOW, 15)])
    assert (len(found.points), found.analysed, found.changes) == (20 + WINDOW, WINDOW, ())


@pytest.mark.parametrize(
    ("newest", "worse"),
    [(10.0, False), (10.0 * (1 + TOLERANCE), False), (11.3, True), (None, True), (2.0, False)],
)
def test_the_newest_run_is_held_against_the_last_sealed_one(
    newest: float | None,
    worse: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """By the bounds of both, beyond the tolerance; not recovered is worse than any number."""
    found = of([10.0, 50.0, newest], sealed=[0]).regression
    assert found is not None
    assert found.worse is worse


@pytest.mark.parametrize(
    ("values", "sure"),
    [
        ([10.0, 50.0], False),
        ([*[10.0, 20.0, 30.0, 40.0] * 3, 10.0, 41.0], False),
        ([*[10.0, 10.4] * 6, 10.0, 41.0], True),
    ],
)
def test_a_regression_is_sure_where_runs_do_not_differ_as_much(
    values: list[float | None],
    sure: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Two measurements that differ say nothing of what is usual."""
    found = of(values, sealed=[len(values) - 2]).regression
    assert found is not None
    assert (found.worse, found.sure) == (True, sure)


def test_without_a_sealed_run_before_there_is_nothing_to_be_worse_than() -> None:
    """The newest run is not its own yardstick."""
    assert of([10.0, 50.0], sealed=[1]).regression is None


def test_two_runs_of_the_same_time_have_no_slope() -> None:
    """A clock that stood still divides nothing by zero."""
    run, one = made.weekly([10.0])[0]
    assert trend([(run, one)] * 12, made.NOW).slope is None


def test_the_order_of_ties_in_time_is_that_of_the_names() -> None:
    """See Database.runs; a trend takes what it is given."""
    shown = made.weekly(noise(12, 16))
    assert [point.at for point in trend(shown, made.NOW).points] == sorted(
        run.at for run, _ in shown
    )
    assert timedelta(0) < made.WEEK
