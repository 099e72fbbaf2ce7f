"""Draws a line through values by the median of all slopes, with its confidence interval. Pure.

P. K. Sen, "Estimates of the Regression Coefficient Based on Kendall's Tau", Journal of the American
Statistical Association 63, 1968: almost a third of the values may be anything. The interval is his:
the slopes whose ranks lie as far from the median as Kendall's statistic may by chance; its variance
is corrected for ties (M. G. Kendall, "Rank Correlation Methods", 1970). Trials a week apart are
taken to be independent of each other.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

CONFIDENCE = 0.95

_QUANTILE = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


def line_through(times: Numbers, values: Numbers) -> tuple[float, float, float]:
    """Slope, level at the median of the times, and that median; of one time, no slope."""
    middle = float(np.median(times))
    slopes = _slopes(times, values)
    slope = float(np.median(slopes)) if slopes.size else 0.0
    return slope, float(np.median(values - slope * (times - middle))), middle


def slope_interval(times: Numbers, values: Numbers) -> tuple[float, float]:
    """Bounds of the slope; infinite where there are too few values for any."""
    slopes = np.sort(_slopes(times, values))
    count = len(values)
    _, tied = np.unique(values, return_counts=True)
    pairs = slopes.size
    variance = (
        count * (count - 1) * (2 * count + 5) - (tied * (tied - 1) * (2 * tied + 5)).sum()
    ) / 18
    spread = _QUANTILE * float(np.sqrt(variance))
    first, last = int((pairs - spread) // 2) - 1, int(np.ceil((pairs + spread) / 2))
    low = float(slopes[first]) if 0 <= first < pairs else -np.inf
    high = float(slopes[last]) if 0 <= last < pairs else np.inf
    return low, high


def _slopes(times: Numbers, values: Numbers) -> Numbers:
    """Of all pairs with different times."""
    first, second = np.triu_indices(len(times), k=1)
    apart = times[second] - times[first]
    rises = values[second] - values[first]
    different = apart != 0
    return np.asarray(rises[different] / apart[different])
