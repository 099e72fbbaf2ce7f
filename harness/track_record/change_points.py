"""Finds where a series of values became another: steps, told from noise and from drift. Pure.

The greatest standardised Mann-Whitney statistic over all places where the series could be cut (A.
N. Pettitt, "A Non-Parametric Approach to the Change-Point Problem", Applied Statistics 28, 1979; D.
M. Hawkins and Q. Deng, "A Nonparametric Change-Point Control Chart", Journal of Quality Technology
42, 2010), held against the same of the values in random order. That level is exact whatever the
values are distributed like (B. Phipson and G. K. Smyth, "Permutation P-values Should Never Be
Zero", 2010). The series is cut there, and each part is looked at by itself (binary segmentation):
of a series without a change the first test is the only one, so that a step is found in at most
LEVEL of them.

Censored values are compared as far as their order is known (E. A. Gehan, "A Generalized Wilcoxon
Test", Biometrika 52, 1965): one that was not recovered by 600 s is more than 300 s, and neither
more nor less than another that was not recovered by then.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from harness.track_record.theil_sen import line_through

Numbers = npt.NDArray[np.float64]

LEVEL = 0.01
"""The share of series without a change of which one is told all the same."""

LEAST = 4
"""Runs on either side of a change: of fewer no order is rare enough."""

_PERMUTATIONS = 999
_SEED = 20261127
"""Any: the same values always give the same answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The first value after a change, by its index, and how rare that is."""

    at: int
    p: float


def cuts(times: Numbers, low: Numbers, high: Numbers) -> tuple[Cut, ...]:
    """The changes of a series, oldest first.

    Args:
        times: ascending, in any unit.
        low: the values, or what a censored one is at least.
        high: the same; infinite where it is censored.
    """
    return tuple(sorted(_cuts(times, low, high, 0), key=lambda one: one.at))


def _cuts(times: Numbers, low: Numbers, high: Numbers, offset: int) -> Sequence[Cut]:
    if len(low) < 2 * LEAST:
        return ()
    scores = _scores(low, high)
    if not np.any(scores):
        return ()
    statistic = float(_standardised(scores[np.newaxis, :]).max())
    null = _null(np.sort(scores).tobytes())
    above = len(null) - int(np.searchsorted(null, statistic - 1e-9, side="left"))
    p = (above + 1) / (len(null) + 1)
    at = _place(times, low) if p <= LEVEL else None
    if at is None:
        return ()
    return (
        *_cuts(times[:at], low[:at], high[:at], offset),
        Cut(at=at + offset, p=p),
        *_cuts(times[at:], low[at:], high[at:], offset + at),
    )


def _place(times: Numbers, values: Numbers) -> int | None:
    """Where it is cut best; None: one line tells as much, it drifts and makes no step.

    Of one line, two levels and two lines the one with the least Bayesian information criterion
    under Laplace noise, n ln(sum of absolute residuals) + k ln(n) (G. Schwarz, "Estimating the
    Dimension of a Model", Annals of Statistics 6, 1978). A drift that was cut could not be
    extrapolated; one that begins with a step must be.
    """
    count = len(values)
    places = range(LEAST, count - LEAST + 1)
    levels = [_around_level(values[:at]) + _around_level(values[at:]) for at in places]
    lines = [
        _around_line(times[:at], values[:at]) + _around_line(times[at:], values[at:])
        for at in places
    ]
    least = 1e-9 * float(np.abs(values).max() or 1.0)  # what is left where all lie on it

    def criterion(left: float, parameters: int) -> float:
        return count * math.log(left + least) + parameters * math.log(count)

    models = (
        (criterion(_around_line(times, values), 2), None),
        (criterion(min(levels), 3), int(np.argmin(levels)) + LEAST),
        (criterion(min(lines), 5), int(np.argmin(lines)) + LEAST),
    )
    return min(models, key=lambda one: one[0])[1]


def _around_level(values: Numbers) -> float:
    return float(np.abs(values - np.median(values)).sum())


def _around_line(times: Numbers, values: Numbers) -> float:
    slope, level, middle = line_through(times, values)
    return float(np.abs(values - level - slope * (times - middle)).sum())


def _scores(low: Numbers, high: Numbers) -> Numbers:
    """Of each value, how many are surely less, minus how many are surely more (Gehan)."""
    more = (low[:, np.newaxis] > high[np.newaxis, :]) | (
        # Where one is censored at just the value of another, it is more.
        (low[:, np.newaxis] >= high[np.newaxis, :]) & np.isinf(high)[:, np.newaxis]
    )
    return (more.sum(axis=1) - more.sum(axis=0)).astype(np.float64)


def _standardised(scores: Numbers) -> Numbers:
    """Of each row, the statistic for each place from LEAST on; under chance all have variance 1."""
    count = scores.shape[1]
    before = np.arange(LEAST, count - LEAST + 1)
    sums = np.abs(np.cumsum(scores, axis=1)[:, LEAST - 1 : count - LEAST])
    # Of a sample of `before` of the scores without replacement, whose sum is 0.
    variance = (scores**2).sum(axis=1, keepdims=True) / (count - 1)
    spread = np.sqrt(variance * before * (count - before) / count)
    return np.asarray(np.divide(sums, spread, out=np.zeros_like(sums), where=spread > 0))


@lru_cache(maxsize=256)
def _null(order: bytes) -> Numbers:
    """The greatest statistic of those scores in random order, ascending."""
    scores = np.frombuffer(order, dtype=np.float64)
    shuffled = np.random.default_rng(_SEED).permuted(
        np.tile(scores, (_PERMUTATIONS, 1)), axis=1
    )
    return np.sort(_standardised(shuffled).max(axis=1))
