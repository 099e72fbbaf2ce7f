"""Draws a drive on one time axis: load, replicas, response time, use of requests and quotas. Pure.

Five lanes, one above the other, so that cause stands over effect. What nobody saw is a gap, never a
line across it; what was away is a band through all lanes. Curves differ by their dashes and areas
by hatching, so that none is told by colour alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.model.load_judgement import LoadPoint, LoadSummary, ScalePoint
from harness.model.load_test import Drive, LoadPlan
from harness.model.plan import RunPlan
from harness.model.target import AutoscalerUtilization, Latency
from harness.report.curves import Axis, Point, Seen, area, line, linear, logarithmic, runs, steps
from harness.report.drawing import RIGHT, Pen, as_text, picture, ticks, width
from harness.report.load_wording import rate, response
from harness.report.wording import after, duration

_LEFT = 152.0
_TOP = 40.0
_GAP = 24.0
_LEGEND = 14.0

_SECOND_S = 1.0
_LOOK_S = 5.0
"""Looks are a second apart; where there was none for so long, nobody looked."""

_USAGE_S = 45.0
"""Usages are measured each 15 s (metrics-server's --metric-resolution in its manifests), and read
every few looks: where there was none for three times as long, nobody measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is drawn as a limit, and what a fault is called; None: none is known."""

    response_s: float | None
    minimum: int | None
    maximum: int | None
    cpu: float | None
    """Share of the request: 0.7."""

    memory: float | None
    away: dict[str, str]
    """Trial -> the experiment that goes on while its load does."""


def limits_of(plan: RunPlan) -> Limits:
    """By the targets, the autoscaler and the trials of a load test's plan."""
    objectives = [target.objective for target in plan.targets]
    load_plan = plan if isinstance(plan, LoadPlan) else None
    autoscaler = load_plan.autoscaler if load_plan is not None else None
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
        away={
            trial.id: trial.scenario.away
            for trial in (load_plan.trials if load_plan is not None else ())
            if isinstance(trial.scenario, Drive) and trial.scenario.away is not None
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Curve:
    """One row of a lane's legend, and what is drawn for it."""

    word: str
    style: str
    runs: tuple[list[Point], ...]
    holds_s: float | None = None
    """A value holds until the next, and the last one for so long; None: straight lines."""

    filled: bool = False
    hatch: str | None = None
    told: tuple[float, ...] | None = None
    """What its words are of, where it is drawn on top of another; None: what is drawn."""

    @property
    def values(self) -> tuple[float, ...]:
        """All that were seen."""
        return tuple(value for run in self.runs for _, value in run)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limit:
    word: str
    value: float
    style: str = "rto"
    below: bool = False
    """Whether its word stands below its line: where another stands close above it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lane:
    title: str
    height: float
    axis: Axis
    show: str
    """How its values read: `requests/s`, `ms`, `%`."""

    curves: tuple[_Curve, ...]
    limits: tuple[_Limit, ...] = ()


def draw_load(summary: LoadSummary, trial: str, limits: Limits, *, name: str) -> str:
    """The picture of one drive; `name` is unique in its document."""
    load, scale = summary.seconds.get(trial, ()), summary.scales.get(trial, ())
    lanes = tuple(_lanes(load, scale, limits))
    bottom = _TOP + sum(lane.height + _GAP for lane in lanes) - _GAP
    fault = summary.faults.get(trial)
    away = limits.away.get(trial, "fault")
    svg = picture(
        name,
        bottom,
        f"{trial}: load, replicas, response time, use of requests and of quotas on one time axis",
        _described(lanes, fault, away),
    )
    first_s = min([0.0, *(point.at_s for point in scale)])
    last_s = max([_SECOND_S, *(one.at_s + _SECOND_S for one in load), *(one.at_s for one in scale)])
    canvas = _Canvas(
        pen=Pen(svg=svg, name=name),
        first_s=first_s,
        last_s=last_s,
        per_second=(RIGHT - _LEFT) / (last_s - first_s),
        bottom=bottom,
    )
    if fault is not None:
        canvas.away(fault, away)
    canvas.time()
    if load and scale and scale[-1].at_s > load[-1].at_s + _SECOND_S:
        canvas.mark("bound", load[-1].at_s + _SECOND_S, "the load ends")
    top = _TOP
    for lane in lanes:
        canvas.lane(lane, top)
        top += lane.height + _GAP
    return as_text(svg)


# --- what is drawn ---------------------------------------------------------------------------


def _lanes(
    load: Sequence[LoadPoint], scale: Sequence[ScalePoint], limits: Limits
) -> Iterator[_Lane]:
    yield _load(load)
    yield _replicas(scale, limits)
    yield _responses(load, limits)
    yield _use(scale, limits)
    yield _quota(scale)


def _load(load: Sequence[LoadPoint]) -> _Lane:
    """Answers are stacked: right ones below, wrong ones on top of them; what is left to the line of
    the schedule was never sent.
    """
    curves = (
        _Curve(
            word="wrong answers",
            style="wrong-answers",
            runs=_each((one.at_s, one.right + one.wrong) for one in load if one.wrong),
            holds_s=_SECOND_S,
            filled=True,
            hatch="lost",
            told=tuple(float(one.wrong) for one in load),
        ),
        _Curve(
            word="right answers",
            style="right-answers",
            runs=_each((one.at_s, one.right) for one in load),
            holds_s=_SECOND_S,
            filled=True,
        ),
        _Curve(
            word="scheduled",
            style="curve",
            runs=_each((one.at_s, one.scheduled) for one in load),
            holds_s=_SECOND_S,
        ),
    )
    return _Lane(
        title="requests/s",
        height=84,
        axis=linear(_highest(curves), lambda value: rate(value) if value else "0"),
        show="requests/s",
        curves=curves,
    )


def _replicas(scale: Sequence[ScalePoint], limits: Limits) -> _Lane:
    names = (
        ("ready", "ready-area", [(one.at_s, one.ready) for one in scale]),
        ("present", "curve blue", [(one.at_s, one.present) for one in scale]),
        ("endpoints", "curve dotted", [(one.at_s, one.endpoints) for one in scale]),
        ("wanted", "curve dashed", [(one.at_s, one.wanted) for one in scale]),
        ("pending", "curve lost", [(one.at_s, one.pending) for one in scale]),
    )
    curves = tuple(
        _Curve(
            word=word,
            style=style,
            runs=_each(points, apart=_LOOK_S),
            holds_s=_SECOND_S,
            filled=word == "ready",
        )
        for word, style, points in names
        # A line along the floor would only hide the axis.
        if word != "pending" or any(value for _, value in points)
    )
    bounds = tuple(
        _Limit(word=f"{word} {value}", value=float(value), style="bound")
        for word, value in (("max", limits.maximum), ("min", limits.minimum))
        if value is not None
    )
    return _Lane(
        title="replicas",
        height=96,
        axis=linear(_highest(curves, bounds), lambda value: f"{value:g}"),
        show="replicas",
        curves=curves,
        limits=bounds,
    )


def _responses(load: Sequence[LoadPoint], limits: Limits) -> _Lane:
    """By decades: a stall of ten seconds must not flatten all that was below the limit."""
    middle_s = _SECOND_S / 2
    curves = (
        _Curve(
            word="p95",
            style="curve",
            runs=_each(((one.at_s + middle_s, one.p95_s) for one in load), apart=1.5),
        ),
        _Curve(
            word="p50",
            style="curve blue dashed",
            runs=_each(((one.at_s + middle_s, one.p50_s) for one in load), apart=1.5),
        ),
    )
    promised = (
        ()
        if limits.response_s is None
        else (_Limit(word=f"limit {response(limits.response_s)}", value=limits.response_s),)
    )
    values = [value for one in curves for value in one.values if value > 0]
    values += [one.value for one in promised]
    return _Lane(
        title="response time",
        height=90,
        axis=logarithmic(min(values, default=0.01), max(values, default=1.0), _decade),
        show="",
        curves=curves,
        limits=promised,
    )


def _use(scale: Sequence[ScalePoint], limits: Limits) -> _Lane:
    curves = (
        _Curve(
            word="CPU",
            style="curve",
            runs=_measured((one.at_s, _percent(one.cpu)) for one in scale),
        ),
        _Curve(
            word="memory",
            style="curve blue dashed",
            runs=_measured((one.at_s, _percent(one.memory)) for one in scale),
        ),
    )
    shares = sorted(
        (
            (share * 100, word)
            for word, share in (("CPU", limits.cpu), ("memory", limits.memory))
            if share is not None
        ),
    )
    targets = tuple(
        _Limit(word=f"target {word} {percent:g} %", value=percent, below=percent < shares[-1][0])
        for percent, word in shares
    )
    return _Lane(
        title="use of requests",
        height=84,
        axis=linear(_highest(curves, targets), lambda value: f"{value:g} %"),
        show="%",
        curves=curves,
        limits=targets,
    )


def _quota(scale: Sequence[ScalePoint]) -> _Lane:
    curves = (
        _Curve(
            word="fullest resource",
            style="ready-area",
            runs=_measured((one.at_s, _percent(one.quota)) for one in scale),
            holds_s=_SECOND_S,
            filled=True,
        ),
    )
    hard = (_Limit(word="hard limit", value=100.0),)
    return _Lane(
        title="use of the quota",
        height=44,
        axis=linear(_highest(curves, hard), lambda value: f"{value:g} %", ticks=2),
        show="%",
        curves=curves,
        limits=hard,
    )


def _each(points: Iterable[Seen], *, apart: float = 1.5) -> tuple[list[Point], ...]:
    return tuple(runs(points, apart=apart))


def _measured(points: Iterable[Seen]) -> tuple[list[Point], ...]:
    """Of usages, which most looks do not read."""
    return tuple(runs((one for one in points if one[1] is not None), apart=_USAGE_S))


def _highest(curves: Iterable[_Curve], limits: Iterable[_Limit] = ()) -> float:
    values = [value for one in curves for value in one.values]
    return max([*values, *(one.value for one in limits)], default=1.0) or 1.0


def _percent(value: float | None) -> float | None:
    return None if value is None else value * 100


def _decade(seconds: float) -> str:
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms"


def _described(lanes: Iterable[_Lane], fault: tuple[float, float | None] | None, away: str) -> str:
    """The picture in words, for people who do not see it."""
    parts = [f"{lane.title}: {_words(lane)}" for lane in lanes]
    if fault is not None:
        end = "the end" if fault[1] is None else duration(fault[1])
        parts.append(f"{away} from {after(fault[0])} to {end} after the load's beginning")
    return "; ".join(parts) + "."


def _words(lane: _Lane) -> str:
    said = []
    for one in lane.curves:
        values = one.values if one.told is None else one.told
        said.append(
            f"{one.word} {_shown(lane, min(values))} to {_shown(lane, max(values))}"
            if values
            else f"{one.word} not seen"
        )
    return ", ".join([*said, *(one.word for one in lane.limits)])


def _shown(lane: _Lane, value: float) -> str:
    return f"{value:.3g} {lane.show}" if lane.show else response(value)


# --- how it is drawn -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Canvas:
    pen: Pen
    first_s: float
    last_s: float
    per_second: float
    bottom: float

    def x(self, at_s: float) -> float:
        """Where a second stands."""
        return _LEFT + (at_s - self.first_s) * self.per_second

    def time(self) -> None:
        """The grid, and the axis below all lanes."""
        for tick in ticks(self.first_s, self.last_s, self.per_second):
            x = self.x(tick)
            self.pen.line("grid", x, _TOP, x, self.bottom)
            self.pen.text("tick", x, self.bottom + 15, after(tick), "middle")
        self.pen.text("tick", RIGHT, self.bottom + 31, "time after the load's beginning", "end")

    def away(self, fault: tuple[float, float | None], word: str) -> None:
        """The band of a fault, through all lanes."""
        begin = self.x(fault[0])
        end = self.x(self.last_s if fault[1] is None else min(fault[1], self.last_s))
        top = _TOP - 10
        self.pen.box("band", begin, top, max(end - begin, 2), self.bottom - top)
        self.pen.line("fault", begin, top, begin, self.bottom)
        if fault[1] is not None:
            self.pen.line("rollback", end, top, end, self.bottom)
        lasts = "until the end" if fault[1] is None else f"for {duration(fault[1] - fault[0])}"
        self._label("fault-label", begin, _TOP - 14, f"{word} {lasts}")

    def mark(self, style: str, at_s: float, word: str) -> None:
        """A moment, through all lanes; its word stands above those of faults."""
        x = self.x(at_s)
        self.pen.line(style, x, _TOP - 22, x, self.bottom)
        self._label("bound-label", x, _TOP - 28, word)

    def _label(self, style: str, x: float, y: float, text: str) -> None:
        """Right of its line, or left of it where there is no room."""
        room = x + width(text, strong=True) <= RIGHT
        self.pen.text(style, x, y, text, "start" if room else "end")

    def lane(self, lane: _Lane, top: float) -> None:
        """Title, legend, axis, curves and limits."""
        pen, floor = self.pen, top + lane.height

        def y(value: float) -> float:
            return floor - lane.axis.height(value) * lane.height

        pen.text("strong", 4, top + 10, lane.title, "start")
        for value, label in lane.axis.ticks:
            pen.line("grid", _LEFT, y(value), RIGHT, y(value))
            pen.text("tick", _LEFT - 6, y(value) + 4, label, "end")
        for number, curve in enumerate(lane.curves):
            self._curve(curve, y, floor)
            self._legend(curve, top + 24 + _LEGEND * number)
        pen.line("axis", _LEFT, floor, RIGHT, floor)
        for limit in lane.limits:
            pen.line(limit.style, _LEFT, y(limit.value), RIGHT, y(limit.value))
            beside = 12 if limit.below else -4
            pen.text(
                f"{limit.style}-label over", RIGHT - 2, y(limit.value) + beside, limit.word, "end"
            )
        if not any(curve.values for curve in lane.curves):
            pen.text("tick", (_LEFT + RIGHT) / 2, floor - lane.height / 2 + 4, "not seen", "middle")

    def _curve(self, curve: _Curve, y: Callable[[float], float], floor: float) -> None:
        parts = []
        for run in curve.runs:
            points = [(self.x(at_s), y(value)) for at_s, value in run]
            if curve.holds_s is None:
                parts.append(line(points))
                continue
            until = min(self.x(run[-1][0] + curve.holds_s), RIGHT)
            parts.append(area(points, until, floor) if curve.filled else steps(points, until))
        if parts:
            self.pen.path(curve.style, "".join(parts), curve.hatch)

    def _legend(self, curve: _Curve, middle: float) -> None:
        if curve.filled:
            self.pen.box(curve.style, 4, middle - 5, 18, 9, curve.hatch)
        else:
            self.pen.path(curve.style, f"M4 {middle:g}h18")
        self.pen.text("tick", 27, middle + 4, curve.word, "start")
