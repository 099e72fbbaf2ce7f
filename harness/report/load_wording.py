"""Puts a load test's numbers into words, alike in every renderer. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from harness.model.load_judgement import (
    AutoscalerSummary,
    Bounded,
    CapacityPoint,
    CapacitySummary,
    Comparison,
    Headroom,
    Injection,
    ScalabilityFit,
)
from harness.report.wording import duration, of_resource, plural, span

CLOSED = (
    "closed loop: a stall holds up those who would have come meanwhile, so that slow answers and "
    "errors are counted too seldom (coordinated omission)"
)

_SHORT_S = 10.0
"""Below it response times are told in milliseconds: 0.504 s against 500 ms must not read 0.5 s."""


def response(seconds: float) -> str:
    """A response time: `3.2 ms`, `612 ms`, `1,240 ms`, `12.3 s`."""
    if seconds >= _SHORT_S:
        return duration(seconds)
    milliseconds = seconds * 1000
    return f"{milliseconds:.2g} ms" if milliseconds < 10 else f"{milliseconds:,.0f} ms"


def share(value: float) -> str:
    """`0 %`, `0.31 %`, `12.4 %`; near one to the fourth digit, so that 99.96 % is not 100 %."""
    return f"{value * 100:.4g} %" if value >= 0.99 else f"{value * 100:.3g} %"


def signed(value: float) -> str:
    """A change: `+4.5 %`, `-12 %`, `0 %`."""
    text = f"{value * 100:+.3g}"
    return f"{'0' if float(text) == 0 else text} %"


def rate(value: float) -> str:
    """Requests per second, without the unit: `0.52`, `48.3`, `1,204`."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def errors(one: Injection) -> str:
    """How many of which kind, most first: `31 wrong status, 2 timeout`; empty: none."""
    kinds = sorted(one.errors.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{count:,} {name.replace('_', ' ').lower()}" for name, count in kinds)


def drive_line(one: Injection, scaled: AutoscalerSummary | None) -> str:
    """One drive on one line: how slow, how wrong, how it was scaled; or why it says nothing."""
    if one.gates:
        return f"says nothing of the service: {'; '.join(one.gates)}"
    if one.latencies is None:
        return "nothing was sent"
    wrong = f"{share(one.error_share)} of {one.sent:,} requests without a right answer"
    parts = [f"p95 {response(one.latencies.p95)}, {wrong}"]
    if one.replicas is not None:
        parts.append(f"held at {plural(one.replicas, 'replica')}")
    elif scaled is not None:
        parts.append(scaling_line(scaled))
    if one.closed_loop:
        parts.append("closed loop: slow answers are counted too seldom")
    return "; ".join(parts)


def scaling_line(scaled: AutoscalerSummary) -> str:
    """`from 1 to 10 replicas in 134..135 s, back after 301..302 s`."""
    if scaled.highest_ready is None:
        return "its replicas were not seen"
    first = scaled.decisions[0].before if scaled.decisions else None
    most = plural(scaled.highest_ready, "replica")
    if first is None:
        text = f"{most} at the most, no decision was seen"
    elif scaled.to_maximum_s is not None:
        text = f"from {first} to {most} in {span(*scaled.to_maximum_s)}"
    else:
        text = f"from {first} to {most} ready at the most, {scaled.highest_wanted} wanted"
    return text if scaled.back_s is None else f"{text}, back after {span(*scaled.back_s)}"


def scaled_facts(scaled: AutoscalerSummary) -> tuple[tuple[str, str], ...]:
    """(what, measured) of one trial's autoscaler; what was not seen is said."""
    return (
        ("First wish for more", _bounds(scaled.onset_s)),
        ("All of the maximum ready", _bounds(scaled.to_maximum_s)),
        ("Back at the minimum after the load", _bounds(scaled.back_s)),
        (
            "Most replicas",
            f"{_seen(scaled.highest_wanted)} wanted, {_seen(scaled.highest_ready)} ready",
        ),
        (
            "More than the settled load needed",
            "not known" if scaled.overshoot is None else plural(scaled.overshoot, "replica"),
        ),
        ("Changes of direction within one window", f"{scaled.flaps}"),
    )


def _bounds(bounds: tuple[float, float] | None) -> str:
    return "not seen" if bounds is None else span(*bounds)


def _seen(count: int | None) -> str:
    return "not seen" if count is None else f"{count}"


def capacity_bounds(point: CapacityPoint) -> str:
    """`48.0..52.8`, `at least 400`, `less than 3.1`, `not known`."""
    if point.holds is None:
        return "not known" if point.fails is None else f"less than {rate(point.fails)}"
    if point.fails is None:
        return f"at least {rate(point.holds)}"
    return f"{rate(point.holds)}..{rate(point.fails)}"


def capacity_line(searched: CapacitySummary) -> str:
    """All numbers of replicas on one line."""
    if not searched.points:
        return "no rate was tried"
    points = ", ".join(f"{one.replicas}: {capacity_bounds(one)}" for one in searched.points)
    return f"requests/s that held..that did not, by replicas held: {points}"


def law(fit: ScalabilityFit) -> str:
    """The parameters of the universal scalability law, and how far off it is."""
    peak = (
        "no number of replicas is too many for it"
        if fit.peak_replicas is None
        else f"more than {fit.peak_replicas:.0f} replicas make it slower"
    )
    return (
        f"{rate(fit.rate_of_one)} requests/s of one replica, contention {fit.contention:.3g}, "
        f"coherency {fit.coherency:.2g}; {peak}; {share(fit.residual)} off (root mean square)"
    )


def fits(row: Headroom) -> str:
    """Whether what controllers may ask for has room: in words, with the numbers that decide it."""
    hard = of_resource(row.hard, row.resource)
    if row.claimed > row.hard:
        return f"does not fit: {of_resource(row.claimed, row.resource)} of {hard}"
    if not row.fits:
        return (
            f"does not fit while one is rolled out: {of_resource(row.with_surge, row.resource)} "
            f"of {hard}"
        )
    return f"fits: {of_resource(row.with_surge, row.resource)} of {hard}"


def tight(rows: Iterable[Headroom]) -> tuple[Headroom, ...]:
    """Those that do not fit, or keep an autoscaler from its maximum."""
    return tuple(row for row in rows if not row.fits or row.out_of_reach)


def quota_of(row: Headroom) -> str:
    """`core-business-prod, quota compute, limits.cpu`."""
    return f"{row.namespace}, {row.quota}, {row.resource}"


def bounded(number: Bounded, unit: str) -> str:
    """`612 ms (601 ms..623 ms)`; the interval is left out where it is a point."""
    value, low, high = (_in(each, unit) for each in (number.value, number.low, number.high))
    return value if number.low == number.high else f"{value} ({low}..{high})"


def change(one: Comparison) -> str:
    """`+4.5 % (+1.2 %..+7.9 %)`; of a share in points."""
    number = one.change
    points = " of all requests" if one.unit == "1" else ""
    return f"{signed(number.value)}{points} ({signed(number.low)}..{signed(number.high)})"


def _in(value: float, unit: str) -> str:
    match unit:
        case "s":
            return response(value)
        case "1":
            return share(value)
        case "":
            return f"{value:,.3g}"
        case _:
            return f"{rate(value)} {unit}"
