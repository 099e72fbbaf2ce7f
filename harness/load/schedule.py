"""Says when each request of a load is due: a fixed list, made before the first one is sent. Pure.

Arrivals are placed on the axis of the cumulated rate, L(t) = integral of the rate from 0 to t, on
which a unit is one expected arrival, and are then mapped back to time by its inverse. Equal
distances there are a rate-following even load; unit exponential distances there are a Poisson
process of that rate (time change: E. Cinlar, "Introduction to Stochastic Processes", 1975, ch. 4.7;
R. Pasupathy, "Generating Nonhomogeneous Poisson Processes", 2010, section 2.1, inversion).
"""

from __future__ import annotations

from itertools import accumulate
from math import ceil

import numpy as np
from numpy.typing import NDArray

from harness.model.instant import NANOSECONDS_PER_SECOND, nanoseconds
from harness.model.load_profile import Arrivals, Profile

Instants = NDArray[np.int64]
"""Nanoseconds after the schedule's zero, ascending."""


def instants(
    profile: Profile, peak: float, seed: int, *, worker: int = 0, workers: int = 1
) -> Instants:
    """When the requests of one of `workers` workers are due: every `workers`-th, from its own.

    `peak` is in requests per second at a rate of 1.0, of all workers together. The workers' shares
    of one profile, peak and seed are one schedule, however many they are. All lie within the
    profile, none in a stage of rate 0. Even arrivals are as many as the integral of the rate,
    rounded, and each is in the middle of its unit. Poisson arrivals depend on the seed, and on
    NumPy's version (NEP 19).
    """
    if not 0 <= worker < workers:
        raise ValueError(f"got worker {worker} of {workers}, expected 0 to {workers - 1}")
    if peak < 0:
        raise ValueError(f"got a peak of {peak} requests per second, expected 0 or more")
    total = expected(profile, peak)
    if profile.arrivals is Arrivals.EVEN:
        units = np.arange(ceil(total - 0.5), dtype=np.float64) + np.float64(0.5)
    else:
        units = _poisson(total, seed)
    return _at(profile, peak, units[worker::workers])


def expected(profile: Profile, peak: float) -> float:
    """The integral of the rate: how many arrivals there are, or are to be expected."""
    return _cumulated(profile, peak)[-1]


def _cumulated(profile: Profile, peak: float) -> list[float]:
    """L at the beginning of each stage, and at the end of the last."""
    areas = (
        peak * (one.rate + one.end_rate) / 2 * one.hold.total_seconds() for one in profile.stages
    )
    return list(accumulate(areas, initial=0.0))


def _poisson(total: float, seed: int) -> NDArray[np.float64]:
    """Sums of unit exponentials below `total`."""
    random = np.random.Generator(np.random.PCG64(seed))
    drawn = [np.zeros(1)]
    while drawn[-1][-1] < total:
        # Five standard deviations (sqrt of the mean) more than expected: nearly always one turn.
        more = ceil(total - drawn[-1][-1] + 5 * total**0.5) + 1
        drawn.append(drawn[-1][-1] + np.cumsum(random.exponential(size=more)))
    units = np.concatenate(drawn)[1:]
    return units[units < total]


def _at(profile: Profile, peak: float, units: NDArray[np.float64]) -> Instants:
    """The inverse of L; each unit is at least 0 and less than L at the end."""
    stages = profile.stages
    cumulated = np.array(_cumulated(profile, peak))
    ends = np.cumsum([nanoseconds(one.hold) for one in stages], dtype=np.int64)
    # Of stages that begin at one L, all but the last are empty.
    stage = np.searchsorted(cumulated, units, side="right") - 1
    hold = np.array([one.hold.total_seconds() for one in stages])[stage]
    begin = peak * np.array([one.rate for one in stages])[stage]
    slope = (peak * np.array([one.end_rate for one in stages])[stage] - begin) / hold
    within = units - cumulated[stage]
    # within = begin t + slope t^2 / 2, solved without the difference of two like numbers
    # (W. Press et al., "Numerical Recipes", 3rd edition, section 5.6).
    root = np.sqrt(np.maximum(begin**2 + 2 * slope * within, 0.0))
    after = np.zeros_like(within)
    np.divide(2 * within, begin + root, out=after, where=within > 0)
    begins = ends[stage] - np.array([nanoseconds(one.hold) for one in stages])[stage]
    due = begins + (np.minimum(after, hold) * NANOSECONDS_PER_SECOND).astype(np.int64)
    earlier: Instants = np.minimum(due, ends[stage] - 1)
    return earlier
