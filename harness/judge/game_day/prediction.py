"""Puts what settings predicted beside what was measured. Pure; no verdict is taken from it."""

from __future__ import annotations

from collections.abc import Sequence

from harness.model.game_day import Expected, Way
from harness.model.instant import Bounds, seconds
from harness.model.judgement import Against


def expected_of(
    expected: Sequence[Expected], subject: str, way: Way | None, probe_class: str
) -> Expected | None:
    """The prediction of one class of answers: its own, else that of its way in; None: none."""
    own = (one for one in expected if one.probe_class == probe_class)
    of_way = (
        one for one in expected if way is not None and (one.subject, one.way) == (subject, way)
    )
    return next(own, next(of_way, None))


def against(expected: Expected | None, bounds: Bounds | None) -> Against | None:
    """Where the measured range lies beside the predicted one; where they meet, inside.

    None: nothing predicted, nothing measured, or not watched for long enough to tell.
    """
    if expected is None or bounds is None:
        return None
    low_s = seconds(bounds.low_ns)
    if expected.high_s is not None and low_s > expected.high_s:
        return Against.ABOVE
    if bounds.high_ns is None:
        return Against.INSIDE if expected.high_s is None else None
    if seconds(bounds.high_ns) < expected.low_s or expected.high_s is None:
        return Against.BELOW
    return Against.INSIDE
