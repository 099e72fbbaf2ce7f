"""Compares what two versions of a service did under the same load, with intervals. Pure.

Requests of one second are not independent of each other: whole seconds are drawn with replacement,
each with all its requests (block bootstrap: H. Künsch, Annals of Statistics 17, 1989). The draws
come from a fixed seed, so that the same samples are compared alike for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.capacity.percentiles import Samples, nearest_rank, response_s, sent
from harness.model.instant import NANOSECONDS_PER_SECOND
from harness.model.load_judgement import Bounded, CapacityPoint
from harness.model.sample import Answer

DRAWS = 1000
CONFIDENCE = 99.0
"""Percent, of one interval. A run compares several numbers: at 95 each, one in ten runs of an
identical version would have a false alarm (Bonferroni).
"""

_SEED = 20_260_101

AT_LEAST_S = 10
"""Seconds with requests below which nothing is compared: too few blocks to draw from."""

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """One number of a load: what it takes of each request, and what it makes of all of them."""

    of_request: Callable[[Samples], Values]
    of_all: Callable[[Values], float]


def percentile_of(percent: float) -> Statistic:
    """The percentile of response times, seconds."""
    return Statistic(
        of_request=response_s, of_all=lambda values: nearest_rank(np.sort(values), percent)
    )


ERROR_SHARE = Statistic(
    of_request=lambda samples: (samples["answer"] != Answer.OK).astype(float),
    of_all=lambda values: float(np.mean(values)),
)
"""Of all that was sent."""


def compare(
    before: Samples, now: Samples, statistic: Statistic
) -> tuple[Bounded, Bounded, Bounded] | None:
    """(before, now, now - before), each with its interval; None: one has too few seconds."""
    draws = np.random.default_rng(_SEED)
    old, new = _drawn(before, statistic, draws), _drawn(now, statistic, draws)
    if old is None or new is None:
        return None
    (was, old_drawn), (is_, new_drawn) = old, new
    return (
        _bounded(was, old_drawn),
        _bounded(is_, new_drawn),
        _bounded(is_ - was, new_drawn - old_drawn),
    )


def capacity_change(before: CapacityPoint, now: CapacityPoint) -> Bounded | None:
    """The relative change of a capacity; each lies between what held and what did not. None: one
    has no such bracket.
    """
    if before.holds is None or before.fails is None or now.holds is None or now.fails is None:
        return None
    was, is_ = (before.holds + before.fails) / 2, (now.holds + now.fails) / 2
    return Bounded(
        value=is_ / was - 1, low=now.holds / before.fails - 1, high=now.fails / before.holds - 1
    )


def _drawn(
    samples: Samples, statistic: Statistic, draws: np.random.Generator
) -> tuple[float, Values] | None:
    """The statistic of the load, and of each redrawn load."""
    went = sent(samples)
    went = went[np.argsort(went["intended"], kind="stable")]
    second = went["intended"] // NANOSECONDS_PER_SECOND
    starts = np.flatnonzero(np.diff(second, prepend=second[:1] - 1))
    if len(starts) < AT_LEAST_S:
        return None
    values = statistic.of_request(went)
    blocks = np.split(values, starts[1:])
    chosen = draws.integers(0, len(blocks), size=(DRAWS, len(blocks)))
    redrawn = [statistic.of_all(np.concatenate([blocks[i] for i in row])) for row in chosen]
    return statistic.of_all(values), np.array(redrawn)


def _bounded(value: float, drawn: Values) -> Bounded:
    ordered = np.sort(drawn)
    tail = (100 - CONFIDENCE) / 2
    return Bounded(
        value=value, low=nearest_rank(ordered, tail), high=nearest_rank(ordered, 100 - tail)
    )
