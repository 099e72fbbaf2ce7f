"""What every renderer shows alike of a load test: its drives, its few numbers, its limits. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.model.judgement import Judgement
from harness.model.load_judgement import AutoscalerSummary, Injection, LoadSummary
from harness.model.verdict import Verdict, merge
from harness.report.load_wording import capacity_bounds, response, share, tight
from harness.report.wording import plural


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One of the few numbers at the top of the report."""

    name: str
    value: str
    beside: str
    """What it is to be compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveRow:
    """One load of a drive, with the verdict of all that was found of its trial."""

    injection: Injection
    scaled: AutoscalerSummary | None
    """None: it was held, or nobody looked."""

    verdict: Verdict | None
    """None: no finding is about it."""


def drive_rows(judgement: Judgement) -> tuple[DriveRow, ...]:
    """Every load of a drive, in their order."""
    load = judgement.load or LoadSummary()
    scaled = {one.trial: one for one in load.autoscaler}
    return tuple(
        DriveRow(
            injection=one,
            scaled=scaled.get(one.trial),
            verdict=_verdict(judgement, one.trial),
        )
        for one in load.injections
    )


def _verdict(judgement: Judgement, trial: str) -> Verdict | None:
    found = [one.verdict for one in judgement.findings if one.scenario == trial]
    return merge(found) if found else None


def load_figures(load: LoadSummary) -> tuple[Figure, ...]:
    """The worst of the loads whose generator is to be believed, and the best capacity."""
    believed = [one for one in load.injections if not one.gates and one.latencies is not None]
    shown = [
        Figure(
            name="Loads",
            value=f"{len(load.injections)}",
            beside=f"{len(believed)} of them to be believed" if load.injections else "nothing",
        )
    ]
    slow = [(one.latencies.p95, one.trial) for one in believed if one.latencies is not None]
    if slow:
        worst_s, trial = max(slow)
        shown.append(Figure(name="Slowest p95", value=response(worst_s), beside=trial))
        wrong = max(believed, key=lambda one: one.error_share)
        shown.append(
            Figure(
                name="Most without a right answer",
                value=share(wrong.error_share),
                beside=f"{wrong.trial}, of {wrong.sent:,} requests",
            )
        )
    points = [one for searched in load.capacity for one in searched.points if one.holds]
    if points:
        best = max(points, key=lambda one: one.holds or 0.0)
        shown.append(
            Figure(
                name="Highest capacity, requests/s",
                value=capacity_bounds(best),
                beside=plural(best.replicas, "replica"),
            )
        )
    if load.headroom:
        without_room = len(tight(load.headroom))
        shown.append(
            Figure(
                name="Quotas without room",
                value=f"{without_room} of {len(load.headroom)}",
                beside="resources, all controllers at their largest",
            )
        )
    return tuple(shown)


def load_limits(load: LoadSummary) -> Iterator[str]:
    """What a load test does not show, one sentence each."""
    if not load.injections and not any(one.points for one in load.capacity):
        yield "Nothing was measured under load."
        return
    gated = [one.trial for one in load.injections if one.gates]
    for trial in dict.fromkeys(gated):
        yield f"The load {trial} says nothing of the service: its generator is not to be believed."
    if any(one.closed_loop for one in load.injections):
        yield (
            "A load in a closed loop waits for its answers. A stall holds up those who would have "
            "come meanwhile: slow answers and errors are counted too seldom (coordinated omission)."
        )
    yield (
        "Response times are those of the requests that were sent, from where they were sent. Other "
        "requests, data and networks have others."
    )
    if load.capacity:
        yield (
            "Capacities are of replicas that were held: no autoscaler was in the loop. The fitted "
            "law says nothing of more replicas than were tried."
        )
    if load.autoscaler:
        yield (
            "How fast an autoscaler follows depends on when its load begins within the periods of "
            "those who measure and decide. One load is one draw of that."
        )
    if load.headroom:
        yield (
            "What fits into quotas is arithmetic of what controllers may ask for. Whether nodes "
            "have room for it is another question."
        )
