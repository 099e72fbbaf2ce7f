"""Makes paths of measured curves: lifted where nothing was seen, thinned to what can be seen. Pure.

Thinning keeps of each column, one user unit wide, the first, the lowest, the highest and the last
point: a line through them covers what a line through all of them would (M4; U. Jugel et al., "M4: A
Visualization-Oriented Time Series Data Aggregation", VLDB 2014).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

Seen = tuple[float, float | None]
"""(when, value); None: it was not seen then."""

Point = tuple[float, float]

_SHORTEST = 1.5
"""A value that stands alone is still a mark, user units wide."""


def runs(points: Iterable[Seen], *, apart: float) -> Iterator[list[Point]]:
    """The stretches between gaps: at a None, and where two points are more than `apart` apart."""
    run: list[Point] = []
    for at, value in points:
        if run and (value is None or at - run[-1][0] > apart):
            yield run
            run = []
        if value is not None:
            run.append((at, value))
    if run:
        yield run


def visible(run: Sequence[Point]) -> list[Point]:
    """Those of ascending x that a line needs, in their order."""
    kept: list[Point] = []
    column: list[Point] = []
    for point in run:
        if column and math.floor(point[0]) != math.floor(column[0][0]):
            kept += _extremes(column)
            column = []
        column.append(point)
    return kept + _extremes(column)


def _extremes(column: Sequence[Point]) -> list[Point]:
    """First, lowest, highest and last, each once, in their order."""
    if len(column) < 3:
        return list(column)
    indices = range(len(column))
    lowest = min(indices, key=lambda index: column[index][1])
    highest = max(indices, key=lambda index: column[index][1])
    return [column[index] for index in sorted({0, lowest, highest, len(column) - 1})]


def line(run: Sequence[Point]) -> str:
    """Straight from point to point."""
    points = visible(run)
    first, *rest = points
    if not rest:
        return f"M{first[0] - _SHORTEST / 2:.1f} {first[1]:.1f}h{_SHORTEST:g}"
    return f"M{first[0]:.1f} {first[1]:.1f}" + "".join(f"L{x:.1f} {y:.1f}" for x, y in rest)


def steps(run: Sequence[Point], until: float) -> str:
    """Each value holds until the next, the last one until `until`."""
    points = visible(run)
    (x, y), *rest = points
    parts = [f"M{x:.1f} {y:.1f}"]
    height = f"{y:.1f}"
    for to_x, to_y in rest:
        if (next_height := f"{to_y:.1f}") != height:
            parts.append(f"H{to_x:.1f}V{next_height}")
            height = next_height
    return f"{''.join(parts)}H{max(until, points[-1][0], x + _SHORTEST):.1f}"


def area(run: Sequence[Point], until: float, floor: float) -> str:
    """What lies between `steps` and `floor`."""
    return f"{steps(run, until)}V{floor:.1f}H{run[0][0]:.1f}Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """How high values stand: 0 is the floor of their lane, 1 its top."""

    height: Callable[[float], float]
    ticks: tuple[tuple[float, str], ...]
    """(value, what is written beside it), lowest first."""


def linear(highest: float, label: Callable[[float], str], *, ticks: int = 3) -> Axis:
    """From 0 to a round number that is not below `highest`."""
    step = _round_step(highest / ticks)
    count = max(1, math.ceil(highest / step - 1e-9))
    top = count * step

    def height(value: float) -> float:
        return value / top

    return Axis(
        height=height,
        ticks=tuple((number * step, label(number * step)) for number in range(count + 1)),
    )


def logarithmic(lowest: float, highest: float, label: Callable[[float], str]) -> Axis:
    """By decades, at least one; both more than 0. What is below the floor stands on it."""
    first = math.floor(math.log10(lowest) + 1e-9)
    last = max(first + 1, math.ceil(math.log10(highest) - 1e-9))

    def height(value: float) -> float:
        return max(0.0, (math.log10(max(value, 10.0**first)) - first) / (last - first))

    return Axis(
        height=height,
        ticks=tuple((10.0**power, label(10.0**power)) for power in range(first, last + 1)),
    )


def _round_step(least: float) -> float:
    """1, 2 or 5 times a power of ten, not below `least`."""
    if least <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(least))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= least * (1 - 1e-9))
