"""Says of the samples of a load what its users saw, and whether the generator is to be believed.

Percentiles are nearest-rank: the smallest value that at least so many percent of all do not exceed
(Hyndman & Fan, "Sample Quantiles in Statistical Packages", 1996, definition 1). No sample is left
out for being slow: one that timed out counts with the time after which it was given up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.model.history import LoadInjected
from harness.model.instant import NANOSECONDS_PER_SECOND
from harness.model.load_judgement import Injection, Latencies
from harness.model.sample import Answer

LAG_P99_S = 0.005
"""A generator whose lag's 99th percentile is beyond it adds itself to what it measures."""

COVERAGE = 0.99
"""Of the schedule that must have been sent."""

Samples = npt.NDArray[Any]


def nearest_rank(ordered: npt.NDArray[Any], percent: float) -> float:
    """Of ascending values, which may not be none; `percent` more than 0, at most 100."""
    # Counted in thousandths of a percent: 99.9 % of 1000 is 999, and no rounding makes it 1000.
    rank = -(-len(ordered) * round(percent * 1000) // 100_000)
    return float(ordered[max(rank, 1) - 1])


def sent(samples: Samples) -> Samples:
    """Those that left the generator."""
    went: Samples = samples[samples["answer"] != Answer.UNSENT]
    return went


def response_s(samples: Samples) -> npt.NDArray[np.float64]:
    """From the scheduled beginning to the end, seconds."""
    taken: npt.NDArray[np.float64] = (
        samples["ended"] - samples["intended"]
    ) / NANOSECONDS_PER_SECOND
    return taken


def latencies(samples: Samples) -> Latencies | None:
    """Of those that were sent; None: none was."""
    ordered = np.sort(response_s(sent(samples)))
    if not len(ordered):
        return None
    return Latencies(
        p50=nearest_rank(ordered, 50),
        p90=nearest_rank(ordered, 90),
        p95=nearest_rank(ordered, 95),
        p99=nearest_rank(ordered, 99),
        p999=nearest_rank(ordered, 99.9),
        longest=float(ordered[-1]),
    )


def injection_of(samples: Samples, fact: LoadInjected) -> Injection:
    """What one load amounts to."""
    went = sent(samples)
    lags = np.sort((went["sent"] - went["intended"]) / NANOSECONDS_PER_SECOND)
    counts = {one: int(np.count_nonzero(went["answer"] == one)) for one in Answer}
    lag_p99_s = nearest_rank(lags, 99) if len(lags) else None
    return Injection(
        trial=fact.trial,
        step=fact.step,
        rate=fact.rate if fact.rate is not None else _average(fact),
        scheduled=fact.scheduled,
        sent=len(went),
        answered=counts[Answer.OK],
        errors={
            one.name: count
            for one, count in counts.items()
            if count and one not in (Answer.OK, Answer.UNSENT)
        },
        latencies=latencies(samples),
        lag_p99_s=None if fact.closed_loop else lag_p99_s,
        lag_longest_s=None if fact.closed_loop or not len(lags) else float(lags[-1]),
        gates=tuple(_gates(fact, len(went), lag_p99_s)),
        closed_loop=fact.closed_loop,
        replicas=fact.replicas,
    )


def _average(fact: LoadInjected) -> float:
    return fact.scheduled / fact.lasts_s if fact.lasts_s else 0.0


def _gates(fact: LoadInjected, went: int, lag_p99_s: float | None) -> Iterator[str]:
    """Why the generator is not to be believed. A lost worker is no matter where all was sent."""
    if fact.error is not None:
        yield f"the load did not come to its end: {fact.error}"
    if not went:
        yield "no request was sent"
        return
    if fact.closed_loop:
        return
    covered = went / fact.scheduled if fact.scheduled else 0.0
    if covered < COVERAGE:
        yield (
            f"{went} of {fact.scheduled} scheduled requests were sent ({covered:.1%}), expected "
            f"{COVERAGE:.0%} or more"
        )
        if fact.lost_workers:
            yield f"workers were lost: {'; '.join(fact.lost_workers)}"
    if lag_p99_s is not None and lag_p99_s >= LAG_P99_S:
        yield (
            f"the generator was late: p99 of its lag is {lag_p99_s * 1000:.1f} ms, expected less "
            f"than {LAG_P99_S * 1000:g} ms"
        )
