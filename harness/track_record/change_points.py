"""Finds where a series of values became another: steps, told from noise and from drift. Pure.

The greatest standardised rank sum of all stretches of the series against the rest of it: a step is
a stretch that reaches to an end, what went back again is one between (A. N. Pettitt, "A
Non-Parametric Approach to the Change-Point Problem", Applied Statistics 28, 1979; A. B. Olshen et
al., "Circular Binary Segmentation", Biostatistics 5, 2004). It is held against the same of the
values in random order, so that the level is exact whatever they are distributed like (B. Phipson
and G. K. Smyth, "Permutation P-values Should Never Be Zero", Statistical Applications in Genetics
and Molecular Biology 9, 2010). The series is cut there, and each part is looked at by itself: of a
series without a change the first test is the only one, so that a change is told of at most LEVEL of
them.

Censored values are compared as far as their order is known (E. A. Gehan, "A Generalized Wilcoxon
Test", Biometrika 52, 1965): one that was not recovered by 600 s is more than 300 s, and neither
more nor less than another that was not recovered by then.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from harness.track_record.theil_sen import line_through

Numbers = npt.NDArray[np.float64]

LEVEL = 0.01
"""The share of series without a change of which one is told all the same."""

LEAST = 4
"""Runs on either side of a change: of fewer no order is rare enough."""

_PERMUTATIONS = 999
_TESTED_AT = LEVEL / 2
"""The random orders are drawn once for all series of a length, and the level of one draw is off by
about 0.2 %: tested at half, it stays below LEVEL for all of them."""

_STILL_APART = NormalDist().inv_cdf(1 - LEVEL / 2)
"""Standard deviations between the stretches before and after a change."""

_ROUGHLY = 16
"""Places that are tried first for two lines: each costs the slopes of all pairs."""

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
    found = sorted(_cuts(times, low, high, 0), key=lambda one: one.at)
    while found:
        edges = [0, *(cut.at for cut in found), len(low)]
        apart = [
            _apart(low[first:end], high[first:end], at - first)
            for first, at, end in zip(edges, edges[1:], edges[2:], strict=False)
        ]
        weakest = min(range(len(found)), key=lambda number: apart[number])
        if apart[weakest] >= _STILL_APART:
            break
        del found[weakest]
    return tuple(found)


def _apart(low: Numbers, high: Numbers, at: int) -> float:
    """How far two neighbouring stretches are apart, in standard deviations of their rank sum.

    Where a series is cut depends on all of it: beside a great step a small outlier may look like
    another one, and does no more once the two are apart.
    """
    scores = _scores(low, high)
    count = len(scores)
    variance = float((scores**2).sum()) / (count - 1) * at * (count - at) / count
    return abs(float(scores[:at].sum())) / math.sqrt(variance) if variance > 0 else 0.0


def _cuts(times: Numbers, low: Numbers, high: Numbers, offset: int) -> Sequence[Cut]:
    if len(low) < 2 * LEAST:
        return ()
    scores = _scores(low, high)
    if not np.any(scores):
        return ()
    statistic, arc = _greatest(scores[np.newaxis, :])
    null = _null(np.sort(scores).tobytes())
    above = len(null) - int(np.searchsorted(null, statistic[0] - 1e-9, side="left"))
    p = (above + 1) / (len(null) + 1)
    if p > _TESTED_AT:
        return ()
    places = _places(times, low, arc)
    edges = [0, *places, len(low)]
    return [
        *(Cut(at=at + offset, p=p) for at in places),
        *(
            cut
            for first, end in pairwise(edges)
            if places
            for cut in _cuts(times[first:end], low[first:end], high[first:end], offset + first)
        ),
    ]


def _places(times: Numbers, values: Numbers, arc: tuple[int, int]) -> tuple[int, ...]:
    """Where it is cut best; nowhere, where one line tells as much: it drifts and makes no step.

    Of one line, two levels, two lines, and levels around the `arc`, that counts with the least
    Bayesian information criterion, n ln(sum of absolute residuals) + k ln(n) (G. Schwarz,
    "Estimating the Dimension of a Model", Annals of Statistics 6, 1978; Laplace noise, so that
    outliers decide little). A drift that was cut could not be extrapolated; one that begins with a
    step must be.
    """
    count = len(values)
    everywhere = range(LEAST, count - LEAST + 1)
    level = min(everywhere, key=lambda at: _off_levels(values, (at,)))
    line = _best_line(times, values)
    ends = tuple(end for end in arc if 0 < end < count)
    least = 1e-9 * float(np.abs(values).max() or 1.0)  # what is left where all lie on it

    def criterion(left: float, parameters: int) -> float:
        return count * math.log(left + least) + parameters * math.log(count)

    models: list[tuple[float, tuple[int, ...]]] = [
        (criterion(_off_lines(times, values, ()), 2), ()),
        (criterion(_off_levels(values, ends), 2 * len(ends) + 1), ends),
        (criterion(_off_levels(values, (level,)), 3), (level,)),
        (criterion(_off_lines(times, values, (line,)), 5), (line,)),
    ]
    return min(models, key=lambda one: one[0])[1]


def _best_line(times: Numbers, values: Numbers) -> int:
    """Where two lines are cut best: looked for roughly, and then around the best of those."""
    first, last = LEAST, len(values) - LEAST

    def off(at: int) -> float:
        return _off_lines(times, values, (at,))

    step = max(1, (last - first) // _ROUGHLY)
    best = min(range(first, last + 1, step), key=off)
    return min(range(max(first, best - step), min(last, best + step) + 1), key=off)


def _off_levels(values: Numbers, at: Sequence[int]) -> float:
    """Sum of the distances of all values from the median of their part."""
    return sum(float(np.abs(part - np.median(part)).sum()) for part in np.split(values, at))


def _off_lines(times: Numbers, values: Numbers, at: Sequence[int]) -> float:
    """The same from the line through their part."""
    off = 0.0
    for when, part in zip(np.split(times, at), np.split(values, at), strict=True):
        slope, level, middle = line_through(when, part)
        off += float(np.abs(part - level - slope * (when - middle)).sum())
    return off


def _scores(low: Numbers, high: Numbers) -> Numbers:
    """Of each value, how many are surely less, minus how many are surely more (Gehan)."""
    more = (low[:, np.newaxis] > high[np.newaxis, :]) | (
        # Where one is censored at just the value of another, it is more.
        (low[:, np.newaxis] >= high[np.newaxis, :]) & np.isinf(high)[:, np.newaxis]
    )
    return np.asarray(more.sum(axis=1) - more.sum(axis=0), dtype=np.float64)


def _greatest(scores: Numbers) -> tuple[Numbers, tuple[int, int]]:
    """Of each row the greatest statistic of a stretch; and of the last row, which one that is.

    The sum of a stretch of the scores is, by chance, that of a sample without replacement. Neither
    it nor what lies before or after it is shorter than LEAST.
    """
    rows, count = scores.shape
    sums = np.concatenate((np.zeros((rows, 1)), np.cumsum(scores, axis=1)), axis=1)
    variance = (scores[0] ** 2).sum() / (count - 1)
    best, arc = np.zeros(rows), (0, count)
    for length in range(LEAST, count - LEAST + 1):
        spread = math.sqrt(variance * length * (count - length) / count)
        last = count - length
        starts = [0, *range(LEAST, last - LEAST + 1), last]
        found = np.abs(sums[:, length:] - sums[:, : last + 1])
        found[:, 1:LEAST] = found[:, last - LEAST + 1 : last] = 0.0
        greatest = found.max(axis=1) / spread
        if greatest[-1] > best[-1]:
            start = max(starts, key=lambda one: found[-1, one])
            arc = start, start + length
        np.maximum(best, greatest, out=best)
    return best, arc


@lru_cache(maxsize=256)
def _null(order: bytes) -> Numbers:
    """The greatest statistic of those scores in random order, ascending."""
    scores = np.frombuffer(order, dtype=np.float64)
    shuffled = np.random.default_rng(_SEED).permuted(np.tile(scores, (_PERMUTATIONS, 1)), axis=1)
    return np.sort(_greatest(shuffled)[0])
