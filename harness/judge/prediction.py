"""Extrapolates a subject's recovery time to its documented volume: a + b x GB. Pure.

A prediction bears no verdict: it is printed beside what was measured and never mixed with it.

The line is Theil's and Sen's: b is the median of the slopes between every two restores of
different size, a the median of what b leaves (Sen, Journal of the American Statistical Association
63, 1968). With the three to ten restores of a run, one slow trial would bend a least-squares line;
this one bears with almost 3 outliers in 10.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence

from harness.judge.promise import promised
from harness.model.judgement import Prediction, RestoreSummary
from harness.model.plan import Plan
from harness.model.quantity import bytes_of, show_bytes, show_duration
from harness.model.target import RecoveryTime

_GB = 10**9

MIN_SIZES = 3
"""Two sizes draw a line through anything; the third can contradict it."""

DISTINCT_BY = 1.1
"""Sizes closer than a tenth count as one: their difference in time is mostly chance."""


def predictions(
    plan: Plan, restores: Sequence[RestoreSummary]
) -> tuple[tuple[Prediction, ...], tuple[str, ...]]:
    """A prediction for each subject with a documented volume, else why there is none."""
    made: list[Prediction] = []
    not_made: list[str] = []
    for subject in plan.subjects:
        if subject.volume is None:
            not_made.append(f"{subject.id}: no documented volume to extrapolate to")
            continue
        points = sorted(
            (restore.restored_bytes, restore.rta_high_s)
            for restore in restores
            if restore.subject == subject.id
            and not restore.invalid
            and restore.restored_bytes is not None
            and restore.rta_high_s is not None
        )
        rto_s = min(
            (
                promise.objective.at_most.total_seconds()
                for promise in promised(plan, RecoveryTime)
                if promise.subject.id == subject.id
            ),
            default=None,
        )
        prediction = predict(subject.id, bytes_of(subject.volume), points, rto_s)
        if isinstance(prediction, str):
            not_made.append(f"{subject.id}: {prediction}")
        else:
            made.append(prediction)
    return tuple(made), tuple(not_made)


def predict(
    subject: str, size_bytes: int, points: Sequence[tuple[int, float]], rto_s: float | None
) -> Prediction | str:
    """The recovery time at `size_bytes` from (bytes restored, seconds), or why there is none."""
    sizes = _distinct(sorted(size for size, _ in points))
    if len(sizes) < MIN_SIZES:
        return (
            f"{len(sizes)} of the restored sizes are distinct, expected {MIN_SIZES} or more, each "
            "a tenth larger than the one before"
        )
    slopes = [
        (later_s - earlier_s) / (larger - smaller)
        for (smaller, earlier_s), (larger, later_s) in itertools.combinations(sorted(points), 2)
        if larger >= smaller * DISTINCT_BY and smaller > 0
    ]
    per_byte = statistics.median(slopes)
    if not per_byte > 0:
        return "the recovery time did not grow with the size: no line to extrapolate"
    fixed_s = statistics.median(elapsed - per_byte * size for size, elapsed in points)
    predicted_s = fixed_s + per_byte * size_bytes
    largest = max(size for size, _ in points)
    off_s = max(abs(elapsed - fixed_s - per_byte * size) for size, elapsed in points)
    return Prediction(
        subject=subject,
        size_bytes=size_bytes,
        seconds=round(predicted_s, 6),
        fixed_s=round(fixed_s, 6),
        per_gb_s=round(per_byte * _GB, 6),
        points=tuple((size, round(elapsed, 6)) for size, elapsed in sorted(points)),
        caution=_caution(size_bytes, largest, off_s),
        exceeds=_exceeds(predicted_s, size_bytes, rto_s),
    )


def _distinct(ascending: Sequence[int]) -> list[int]:
    found: list[int] = []
    for size in ascending:
        if size > 0 and (not found or size >= found[-1] * DISTINCT_BY):
            found.append(size)
    return found


def _caution(size_bytes: int, largest: int, off_s: float) -> str:
    fit = f"the line misses the restores it was fitted to by up to {show_duration(off_s)}"
    if size_bytes <= largest:
        return f"predicted, not measured: within the sizes restored; {fit}"
    return (
        f"predicted, not measured: {size_bytes / largest:.3g} times beyond the largest size "
        f"restored ({show_bytes(largest)}); {fit}"
    )


def _exceeds(predicted_s: float, size_bytes: int, rto_s: float | None) -> str | None:
    if rto_s is None or predicted_s <= rto_s:
        return None
    return (
        f"predicted {show_duration(predicted_s)} at {show_bytes(size_bytes)}, "
        f"the RTO is {show_duration(rto_s)}"
    )
