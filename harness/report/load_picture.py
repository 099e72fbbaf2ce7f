"""Draws a drive on one time axis: load, replicas, response time, use of resources. Pure.

What nobody saw is a gap, never a line across it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from harness.model.load_judgement import LoadPoint, LoadSummary, ScalePoint
from harness.model.load_test import LoadPlan
from harness.model.plan import RunPlan
from harness.model.target import AutoscalerUtilization, Latency
from harness.report.drawing import RIGHT, Pen, as_text, picture, ticks
from harness.report.wording import duration

_LEFT = 96.0
_TOP = 30.0
_LANE = 84.0
_GAP = 22.0

Curve = Sequence[tuple[float, float | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What lines are drawn as limits; None: none is known."""

    response_s: float | None
    minimum: int | None
    maximum: int | None
    cpu: float | None
    """Share of the request: 0.7."""

    memory: float | None


def limits_of(plan: RunPlan) -> Limits:
    """By the targets and the autoscaler of a load test's plan."""
    objectives = [target.objective for target in plan.targets]
    autoscaler = plan.autoscaler if isinstance(plan, LoadPlan) else None
    shares = {
        one.resource: one.percent / 100
        for one in objectives
        if isinstance(one, AutoscalerUtilization)
    }
    return Limits(
        response_s=min(
            (one.at_most.total_seconds() for one in objectives if isinstance(one, Latency)),
            default=None,
        ),
        minimum=autoscaler.minimum if autoscaler is not None else None,
        maximum=autoscaler.maximum if autoscaler is not None else None,
        cpu=shares.get("cpu"),
        memory=shares.get("memory"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lane:
    title: str
    unit: str
    curves: tuple[tuple[str, str, Curve, bool], ...]
    """(name, class, points, whether it goes in steps)."""

    limits: tuple[tuple[str, float], ...] = ()


def draw_load(summary: LoadSummary, trial: str, limits: Limits, *, name: str) -> str:
    """The picture of one drive; `name` is unique in its document."""
    load, scale = summary.seconds.get(trial, ()), summary.scales.get(trial, ())
    lanes = tuple(_lanes(load, scale, limits))
    first_s = min([0.0, *(point.at_s for point in scale)])
    last_s = max([1.0, *(point.at_s for point in load), *(point.at_s for point in scale)])
    bottom = _TOP + len(lanes) * (_LANE + _GAP)
    svg = picture(
        name,
        bottom,
        f"{trial}: load, replicas, response time, use",
        "; ".join(f"{lane.title}: {_words(lane)}" for lane in lanes),
    )
    pen = Pen(svg=svg, name=name)
    per_second = (RIGHT - _LEFT) / (last_s - first_s)

    def x(at_s: float) -> float:
        return _LEFT + (at_s - first_s) * per_second

    for tick in ticks(first_s, last_s, per_second):
        pen.line("grid", x(tick), _TOP, x(tick), bottom - _GAP)
        pen.text("tick", x(tick), bottom - _GAP + 14, duration(tick) if tick else "0 s", "middle")
    for number, lane in enumerate(lanes):
        _draw(pen, lane, _TOP + number * (_LANE + _GAP), x)
    fault = summary.faults.get(trial)
    if fault is not None:
        for label, at_s in (("away", fault[0]), ("put back", fault[1])):
            if at_s is not None:
                pen.line("fault", x(at_s), _TOP - 8, x(at_s), bottom - _GAP)
                pen.text("fault-label", x(at_s), _TOP - 12, label, "middle")
    return as_text(svg)


def _lanes(
    load: Sequence[LoadPoint], scale: Sequence[ScalePoint], limits: Limits
) -> Iterator[_Lane]:
    yield _Lane(
        title="requests/s",
        unit="",
        curves=(
            ("scheduled", "faint-curve", [(one.at_s, one.scheduled) for one in load], True),
            ("right", "first-curve", [(one.at_s, one.right) for one in load], True),
            ("wrong", "third-curve", [(one.at_s, one.wrong) for one in load], True),
        ),
    )
    yield _Lane(
        title="replicas",
        unit="",
        curves=(
            ("wanted", "faint-curve", [(one.at_s, one.wanted) for one in scale], True),
            ("present", "second-curve", [(one.at_s, one.present) for one in scale], True),
            ("ready", "first-curve", [(one.at_s, one.ready) for one in scale], True),
        ),
        limits=tuple(
            (word, float(value))
            for word, value in (("min", limits.minimum), ("max", limits.maximum))
            if value is not None
        ),
    )
    yield _Lane(
        title="response time",
        unit=" ms",
        curves=(
            ("p50", "second-curve", [(one.at_s, _ms(one.p50_s)) for one in load], False),
            ("p95", "first-curve", [(one.at_s, _ms(one.p95_s)) for one in load], False),
        ),
        limits=(("limit", limits.response_s * 1000),) if limits.response_s is not None else (),
    )
    yield _Lane(
        title="use",
        unit=" %",
        curves=(
            ("CPU", "first-curve", [(one.at_s, _percent(one.cpu)) for one in scale], False),
            ("memory", "second-curve", [(one.at_s, _percent(one.memory)) for one in scale], False),
            ("quota", "faint-curve", [(one.at_s, _percent(one.quota)) for one in scale], True),
        ),
        limits=tuple(
            (word, share * 100)
            for word, share in (("CPU", limits.cpu), ("memory", limits.memory))
            if share is not None
        ),
    )


def _draw(pen: Pen, lane: _Lane, top: float, x: Callable[[float], float]) -> None:
    values = [value for _, _, curve, _ in lane.curves for _, value in curve if value is not None]
    highest = max([*values, *(value for _, value in lane.limits), 1e-9])
    floor = top + _LANE

    def y(value: float) -> float:
        return floor - value / highest * (_LANE - 6)

    pen.line("axis", _LEFT, floor, RIGHT, floor)
    pen.text("strong", 8, top + 12, lane.title, "start")
    pen.text("tick", _LEFT - 6, y(highest) + 4, f"{highest:.3g}{lane.unit}", "end")
    pen.text("tick", _LEFT - 6, floor, "0", "end")
    for number, (word, style, curve, steps) in enumerate(lane.curves):
        pen.line(style, 8, top + 28 + 14 * number, 24, top + 28 + 14 * number)
        pen.text("tick", 28, top + 32 + 14 * number, word, "start")
        points = [(x(at_s), None if value is None else y(value)) for at_s, value in curve]
        if path := _path(points, steps=steps):
            pen.path(style, path)
    for word, value in lane.limits:
        pen.line("rto", _LEFT, y(value), RIGHT, y(value))
        pen.text("rto-label", RIGHT, y(value) - 3, word, "end")


def _path(points: Sequence[tuple[float, float | None]], *, steps: bool) -> str:
    """A line that is lifted where there is no value."""
    parts: list[str] = []
    down = False
    for at, height in points:
        if height is None:
            down = False
            continue
        if not down:
            parts.append(f"M{at:.1f} {height:.1f}")
        elif steps:
            parts.append(f"H{at:.1f}V{height:.1f}")
        else:
            parts.append(f"L{at:.1f} {height:.1f}")
        down = True
    return "".join(parts)


def _words(lane: _Lane) -> str:
    said = []
    for word, _, curve, _ in lane.curves:
        values = [value for _, value in curve if value is not None]
        said.append(
            f"{word} {min(values):.3g} to {max(values):.3g}{lane.unit}"
            if values
            else f"{word} not seen"
        )
    return ", ".join(said)


def _ms(value: float | None) -> float | None:
    return None if value is None else value * 1000


def _percent(value: float | None) -> float | None:
    return None if value is None else value * 100
