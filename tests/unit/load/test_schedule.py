"""The schedule: as many arrivals as the rate says, where it says, however they are shared."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.schedule import expected, instants
from harness.model.instant import NANOSECONDS_PER_SECOND, nanoseconds
from harness.model.load_profile import Arrivals, Profile, Stage

SECOND = NANOSECONDS_PER_SECOND

rates = st.one_of(st.just(0.0), st.floats(0.001, 3.0))
stages = st.builds(
    Stage,
    rate=rates,
    to=st.one_of(st.none(), rates),
    hold=st.timedeltas(timedelta(microseconds=1), timedelta(minutes=2)),
)
profiles = st.builds(
    Profile,
    profile=st.just("any"),
    title=st.just("Any"),
    stages=st.lists(stages, min_size=1, max_size=5).map(tuple),
    arrivals=st.sampled_from(Arrivals),
)
peaks = st.floats(0.0, 100.0)
seeds = st.integers(0, 2**64 - 1)


def profile(*stages: Stage, arrivals: Arrivals = Arrivals.EVEN) -> Profile:
    return Profile(profile="tried", title="Tried", stages=stages, arrivals=arrivals)


def stage(rate: float, seconds: float, to: float | None = None) -> Stage:
    return Stage(rate=rate, to=to, hold=timedelta(seconds=seconds))


def test_a_constant_rate_is_in_equal_distances() -> None:
    """Four a second, each in the middle of its quarter."""
    due = instants(profile(stage(1, 1)), 4.0, 0)
    assert due.dtype == np.int64
    assert due.tolist() == [125_000_000, 375_000_000, 625_000_000, 875_000_000]


def test_a_ramp_from_nothing_follows_the_square() -> None:
    """L(t) = 4 t^2 / 8 over four seconds: 8 arrivals, at sqrt(2 L)."""
    due = instants(profile(stage(0, 4, to=1)), 4.0, 0)
    assert len(due) == 8
    units = np.arange(8) + 0.5
    assert np.abs(due - np.sqrt(2 * units) * SECOND).max() <= 1


def test_a_ramp_to_nothing_is_the_ramp_from_nothing_backwards() -> None:
    """The mirror image, to the nanosecond of rounding."""
    up = instants(profile(stage(0, 10, to=1)), 100.0, 0)
    down = instants(profile(stage(1, 10, to=0)), 100.0, 0)
    assert np.abs((10 * SECOND - down)[::-1] - up).max() <= 1000


def test_stages_of_no_load_are_empty() -> None:
    """Nothing at the beginning, in the middle and at the end, and all of it elsewhere."""
    quiet = profile(stage(0, 1), stage(1, 1), stage(0, 2), stage(2, 1), stage(0, 1))
    due = instants(quiet, 10.0, 0)
    assert len(due) == 30
    assert np.bincount(due // SECOND, minlength=6).tolist() == [0, 10, 0, 0, 20, 0]


def test_nothing_at_all_is_no_arrival() -> None:
    """A peak of 0, or a profile of 0."""
    for arrivals in Arrivals:
        assert len(instants(profile(stage(1, 10), arrivals=arrivals), 0.0, 1)) == 0
        assert len(instants(profile(stage(0, 10), arrivals=arrivals), 50.0, 1)) == 0


def test_poisson_arrivals_have_the_exponentials_mean_and_deviation() -> None:
    """Of 40,000 distances at 100/s: mean 10 ms and a coefficient of variation of 1, each within
    five standard errors (1 / sqrt(n), and for the deviation of an exponential sqrt(2 / n)).
    """
    due = instants(profile(stage(1, 400), arrivals=Arrivals.POISSON), 100.0, 7)
    assert abs(len(due) - 40_000) < 5 * 200
    distances = np.diff(due) / SECOND
    assert distances.mean() == pytest.approx(0.01, rel=5 / len(due) ** 0.5)
    assert distances.std() / distances.mean() == pytest.approx(1.0, abs=5 * (2 / len(due)) ** 0.5)


def test_poisson_arrivals_follow_a_ramp() -> None:
    """A quarter of them in the first half of a ramp from 0."""
    due = instants(profile(stage(0, 100, to=1), arrivals=Arrivals.POISSON), 400.0, 3)
    early = (due < 50 * SECOND).mean()
    assert early == pytest.approx(0.25, abs=5 * (0.25 * 0.75 / len(due)) ** 0.5)


def test_the_seed_decides_poisson_arrivals() -> None:
    """Twice the same, and another for another seed; even arrivals know no seed."""
    poisson = profile(stage(1, 10), arrivals=Arrivals.POISSON)
    assert np.array_equal(instants(poisson, 100.0, 1), instants(poisson, 100.0, 1))
    assert not np.array_equal(instants(poisson, 100.0, 1), instants(poisson, 100.0, 2))
    even = profile(stage(1, 10))
    assert np.array_equal(instants(even, 100.0, 1), instants(even, 100.0, 2))


@given(profiles, peaks, seeds)
def test_sorted_and_within_the_profile(any_profile: Profile, peak: float, seed: int) -> None:
    """Ascending, none before the beginning, none at or after the end."""
    due = instants(any_profile, peak, seed)
    assert (np.diff(due) >= 0).all()
    if len(due):
        assert due[0] >= 0
        assert due[-1] < nanoseconds(any_profile.lasts)


@given(profiles, peaks, seeds)
def test_no_arrival_in_a_stage_of_no_load(any_profile: Profile, peak: float, seed: int) -> None:
    """Whatever is around it."""
    due = instants(any_profile, peak, seed)
    begin = 0
    for one in any_profile.stages:
        end = begin + nanoseconds(one.hold)
        if one.rate == one.end_rate == 0:
            assert not ((due >= begin) & (due < end)).any()
        begin = end


@given(profiles, peaks)
def test_even_arrivals_are_as_many_as_the_integral(any_profile: Profile, peak: float) -> None:
    """In the whole, and up to the end of each stage: to half an arrival."""
    even = profile(*any_profile.stages)
    due = instants(even, peak, 0)
    area, end = 0.0, 0
    for one in even.stages:
        area += peak * (one.rate + one.end_rate) / 2 * one.hold.total_seconds()
        end += nanoseconds(one.hold)
        assert abs((due < end).sum() - area) <= 0.5 + 1e-6
    assert expected(even, peak) == pytest.approx(area)


@given(profiles, peaks, seeds, st.integers(1, 7))
def test_the_shares_of_any_number_of_workers_are_the_whole(
    any_profile: Profile, peak: float, seed: int, workers: int
) -> None:
    """One worker and seven send the same, and each as many as any other, but one."""
    whole = instants(any_profile, peak, seed)
    shares = [
        instants(any_profile, peak, seed, worker=one, workers=workers) for one in range(workers)
    ]
    assert np.array_equal(np.sort(np.concatenate(shares)), whole)
    sizes = [len(one) for one in shares]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(("worker", "workers"), [(-1, 1), (1, 1), (3, 3), (0, 0)])
def test_a_worker_that_does_not_exist(worker: int, workers: int) -> None:
    """Is refused, and gets no empty share."""
    with pytest.raises(ValueError, match="got worker"):
        instants(profile(stage(1, 1)), 1.0, 0, worker=worker, workers=workers)


def test_a_peak_below_nothing() -> None:
    """Is refused."""
    with pytest.raises(ValueError, match="got a peak of -1"):
        instants(profile(stage(1, 1)), -1.0, 0)
