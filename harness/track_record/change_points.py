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
    statistic = _standardised(scores[np.newaxis, :])
    if not np.any(scores):
        return ()
    at = int(np.argmax(statistic[0])) + LEAST
    order = np.sort(scores)
    null = _null(order.tobytes())
    above = len(null) - int(np.searchsorted(null, statistic[0].max() - 1e-9, side="left"))
    p = (above + 1) / (len(null) + 1)
    if p > LEVEL or _drifts(times, low, at):
        return ()
    return (
        *_cuts(times[:at], low[:at], high[:at], offset),
        Cut(at=at + offset, p=p),
        *_cuts(times[at:], low[at:], high[at:], offset + at),
    )


def _drifts(times: Numbers, values: Numbers, at: int) -> bool:
    """Whether one line lies nearer to the values than two levels do (least absolute deviations).

    A steady drift is no step, although its two halves differ: cut, it could not be extrapolated.
    """
    levels = sum(np.abs(part - np.median(part)).sum() for part in (values[:at], values[at:]))
    slope, level, middle = line_through(times, values)
    return bool(np.abs(values - level - slope * (times - middle)).sum() < levels)


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
