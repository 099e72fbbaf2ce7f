"""Fits the universal scalability law to capacities, and says what a million requests cost. Pure.

X(N) = g N / (1 + a (N - 1) + b N (N - 1)); N. Gunther, "Guerrilla Capacity Planning", 2007, ch. 4.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from harness.model.autoscaling import Resource
from harness.model.load_judgement import ScalabilityFit
from harness.model.quota import Claim

AT_LEAST = 3
"""Points: the law has three parameters."""


def fit(points: Sequence[tuple[int, float]]) -> ScalabilityFit | None:
    """Of (replicas, requests per second); None for fewer than three numbers of replicas.

    N / X is linear in 1/g, a/g and b/g: least squares without a start to guess. Contention and
    coherency are not negative: where they would be, they are 0, and the best of such fits counts.
    """
    known = [(count, rate) for count, rate in points if rate > 0]
    if len({count for count, _ in known}) < AT_LEAST:
        return None
    replicas = np.array([count for count, _ in known], dtype=float)
    rates = np.array([rate for _, rate in known], dtype=float)
    columns = np.stack([np.ones_like(replicas), replicas - 1, replicas * (replicas - 1)], axis=1)
    # Weighted by X / N: relative errors of the rates, not those of their inverses, are squared.
    weights = rates / replicas
    best: tuple[float, npt.NDArray[np.float64]] | None = None
    for used in ([0, 1, 2], [0, 1], [0, 2], [0]):
        solved, *_ = np.linalg.lstsq(
            columns[:, used] * weights[:, None], (replicas / rates) * weights, rcond=None
        )
        whole = np.zeros(3)
        whole[used] = solved
        if whole[0] <= 0 or (whole < 0).any():
            continue
        error = float(np.sum((columns @ whole * weights - 1) ** 2))
        if best is None or error < best[0]:
            best = error, whole
    if best is None:
        return None
    error, (inverse, contention, coherency) = best
    a, b = float(contention / inverse), float(coherency / inverse)
    return ScalabilityFit(
        rate_of_one=float(1 / inverse),
        contention=a,
        coherency=b,
        peak_replicas=float(np.sqrt(max(0.0, 1 - a) / b)) if b > 0 else None,
        residual=float(np.sqrt(error / len(known))),
    )


def rate(law: ScalabilityFit, replicas: float) -> float:
    """What the law gives for so many, requests per second."""
    slower = law.contention * (replicas - 1) + law.coherency * replicas * (replicas - 1)
    return law.rate_of_one * replicas / (1 + slower)


def cost_per_million(
    points: Sequence[tuple[int, float]],
    claim: Claim,
    *,
    per_core_hour: float,
    per_gibibyte_hour: float,
) -> float | None:
    """The least that 10^6 requests cost at one of the capacities, by what replicas ask for.

    None where there is no capacity, or a replica asks for nothing.
    """
    cores = sum(one.requests.get(Resource.CPU, 0.0) for one in claim.containers)
    gibibytes = sum(one.requests.get(Resource.MEMORY, 0.0) for one in claim.containers) / 2**30
    hourly = cores * per_core_hour + gibibytes * per_gibibyte_hour
    if not hourly:
        return None
    return min(
        (count * hourly * 1e6 / (found * 3600) for count, found in points if found > 0),
        default=None,
    )
