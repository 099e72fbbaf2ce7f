"""Decides whether this version is slower, wronger or smaller than the one before. Pure.

Drives with the same profile, peak and held replicas are compared, and capacities of the same
number of replicas. A difference counts where its interval excludes none and it is more than
TOLERANCE.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.capacity.comparison import ERROR_SHARE, capacity_change, compare, percentile_of
from harness.capacity.percentiles import injection_of
from harness.judge.advice import SHOW_REPORT
from harness.judge.answer import Answer, finding
from harness.judge.load import capacity
from harness.judge.load.evidence import LoadRun
from harness.judge.load.summary import drives, samples_of
from harness.model.history import LoadInjected
from harness.model.load_judgement import Bounded, CapacityPoint, Comparison
from harness.model.load_test import Drive, LoadTrial
from harness.model.verdict import Finding, Measure, Verdict

CHECK = "regression"

TOLERANCE = 0.10
"""Relative: less is nobody's regression, however sure it is."""

LEAST_S = 0.005
"""Of a response time: less is noise of schedulers and clocks."""

LEAST_SHARE = 0.001
"""Of an error rate."""

_COMPARED = (("p50", 50.0), ("p95", 95.0), ("p99", 99.0))


def judge(run: LoadRun) -> Iterator[Finding]:
    """One finding for each number that both versions have."""
    if run.before is None:
        yield finding(
            Answer(
                verdict=Verdict.INCONCLUSIVE,
                headline=f"{run.plan.workload.id} {run.plan.version}: there is no run of another "
                "version to compare it with",
                advice="harness run SUITE -e NAME --baseline RUN  # or run it for the next version",
            ),
            identity=f"{CHECK}/baseline",
            target=None,
            subject=run.plan.workload.id,
        )
        return
    made = comparisons(run)
    if not made:
        yield finding(
            Answer(
                verdict=Verdict.INCONCLUSIVE,
                headline=f"{run.plan.workload.id}: no load of {run.before.plan.version} can be "
                f"compared with one of {run.plan.version}",
                detail=("the same scenario, profile, peak and replicas, a generator in time",),
                advice=SHOW_REPORT,
            ),
            identity=f"{CHECK}/nothing-alike",
            target=None,
            subject=run.plan.workload.id,
        )
    for one in made:
        yield finding(
            Answer(
                verdict=one.verdict,
                headline=f"{run.plan.workload.id}, {one.what}: {one.text}",
                measures=(
                    Measure(
                        name="change",
                        unit="1",
                        value=one.change.value,
                        low=one.change.low,
                        high=one.change.high,
                    ),
                ),
                strength="99 % interval by whole seconds" if one.verdict is Verdict.PASS else None,
                advice=None if one.verdict is Verdict.PASS else SHOW_REPORT,
            ),
            identity=f"{CHECK}/{one.what.replace(' ', '-')}",
            target=None,
            subject=run.plan.workload.id,
        )


def comparisons(run: LoadRun) -> tuple[Comparison, ...]:
    """All that can be compared, in the order of the plan."""
    if run.before is None:
        return ()
    return (*_drives(run, run.before), *_capacities(run, run.before))


def _drives(run: LoadRun, before: LoadRun) -> Iterator[Comparison]:
    was = {one.trial: one for one in drives(before)}
    old_trials = {one.id: one for one in before.plan.trials}
    for trial in run.plan.trials:
        now = next((one for one in drives(run) if one.trial == trial.id), None)
        earlier = was.get(trial.id)
        if now is None or earlier is None or not _alike(trial, old_trials.get(trial.id)):
            continue
        if not _believed(run, now) or not _believed(before, earlier):
            continue
        old, new = samples_of(before, earlier), samples_of(run, now)
        for name, percent in _COMPARED:
            found = compare(old, new, percentile_of(percent))
            if found is not None:
                yield _slower(f"{name} of {trial.id}", *found)
        found = compare(old, new, ERROR_SHARE)
        if found is not None:
            yield _wronger(f"error rate of {trial.id}", *found)


def _capacities(run: LoadRun, before: LoadRun) -> Iterator[Comparison]:
    old = {
        (one.trial, point.replicas): point
        for one in capacity.summaries(before)
        for point in one.points
    }
    for one in capacity.summaries(run):
        for point in one.points:
            earlier = old.get((one.trial, point.replicas))
            change = capacity_change(earlier, point) if earlier is not None else None
            if earlier is not None and change is not None:
                yield _smaller(f"capacity of {point.replicas} replicas", earlier, point, change)


def _alike(now: LoadTrial, before: LoadTrial | None) -> bool:
    """Whether the same was asked of both; another seed is another draw of the same.

    Only of a service that was held: when a free autoscaler scales is chance, by more than most
    regressions, and one run of each cannot tell the two apart.
    """
    return (
        before is not None
        and isinstance(now.scenario, Drive)
        and isinstance(before.scenario, Drive)
        and now.profile == before.profile
        and now.peak == before.peak
        and now.scenario.replicas is not None
        and now.scenario.replicas == before.scenario.replicas
        and now.scenario.away == before.scenario.away
    )


def _believed(run: LoadRun, fact: LoadInjected) -> bool:
    return not injection_of(samples_of(run, fact), fact).gates


def _slower(what: str, before: Bounded, now: Bounded, change: Bounded) -> Comparison:
    tolerated = max(TOLERANCE * before.value, LEAST_S)
    return _comparison(
        what,
        before,
        now,
        _relative(change, before.value),
        worse=change.low > 0 and change.value > tolerated,
        tolerated=tolerated / before.value if before.value else tolerated,
        told=f"{before.value * 1000:.0f} ms before, {now.value * 1000:.0f} ms now",
    )


def _wronger(what: str, before: Bounded, now: Bounded, change: Bounded) -> Comparison:
    """Its change is in points, since before there may have been none."""
    tolerated = max(TOLERANCE * before.value, LEAST_SHARE)
    return _comparison(
        what,
        before,
        now,
        change,
        worse=change.low > 0 and change.value > tolerated,
        tolerated=tolerated,
        of=" of all requests",
        told=f"{before.value:.2%} before, {now.value:.2%} now",
    )


def _smaller(what: str, before: CapacityPoint, now: CapacityPoint, change: Bounded) -> Comparison:
    bounds = [
        Bounded(
            value=((one.holds or 0) + (one.fails or 0)) / 2, low=one.holds or 0, high=one.fails or 0
        )
        for one in (before, now)
    ]
    return _comparison(
        what,
        bounds[0],
        bounds[1],
        change,
        worse=change.high < 0 and change.value < -TOLERANCE,
        tolerated=TOLERANCE,
        told=f"{before.holds:.1f} requests/s held before, {now.holds:.1f} now",
    )


def _relative(change: Bounded, of: float) -> Bounded:
    if not of:
        return change
    return Bounded(value=change.value / of, low=change.low / of, high=change.high / of)


def _comparison(  # noqa: PLR0913 - what it says
    what: str,
    before: Bounded,
    now: Bounded,
    change: Bounded,
    *,
    worse: bool,
    tolerated: float,
    told: str,
    of: str = "",
) -> Comparison:
    """`tolerated`: what is no regression however sure it is, in the unit of the change."""
    interval = f"{change.value:+.1%}{of} ({change.low:+.1%} to {change.high:+.1%})"
    seen = max(change.high - change.value, change.value - change.low)
    return Comparison(
        what=what,
        before=before,
        now=now,
        change=change,
        verdict=Verdict.FAIL if worse else Verdict.PASS,
        text=f"{told}: {interval}"
        if worse
        else f"{told}: {interval}, no regression; one of more than {max(seen, tolerated):.1%}{of} "
        "would be seen",
    )
