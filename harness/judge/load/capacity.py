"""Decides what a service takes, by the searches of a run, and whether that is enough. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from harness.capacity.percentiles import injection_of
from harness.capacity.scalability import cost_per_million, fit
from harness.capacity.search import Search
from harness.judge.advice import RUN_AGAIN, SHOW_REPORT
from harness.judge.answer import Answer, finding
from harness.judge.facts import known, sequences
from harness.judge.load.evidence import LoadRun
from harness.judge.load.summary import samples_of
from harness.model.history import LoadInjected
from harness.model.load_judgement import CapacityPoint, CapacitySummary, Injection
from harness.model.load_test import LoadTrial
from harness.model.load_test import Search as Scenario
from harness.model.verdict import Finding, Measure, Verdict

CHECK = "capacity"


def judge(run: LoadRun) -> Iterator[Finding]:
    """Each number of replicas of each search, and whether the peak is within reach."""
    loads = known(run.history, LoadInjected)
    for trial in run.plan.trials:
        if not isinstance(trial.scenario, Scenario):
            continue
        points = _points(run, trial)
        evidence = sequences(one for one in loads if one.fact.trial == trial.id)
        for replicas in trial.scenario.replicas:
            point = next((one for one in points if one.replicas == replicas), None)
            answer = _found(run, trial.scenario, replicas, point)
            yield _finding(run, trial, f"{replicas}-replicas", answer, evidence)
        yield _finding(run, trial, "peak", _peak(run, points), evidence)


def summaries(run: LoadRun) -> tuple[CapacitySummary, ...]:
    """Each search, with the law that its capacities follow."""
    return tuple(
        _summary(run, trial) for trial in run.plan.trials if isinstance(trial.scenario, Scenario)
    )


def _finding(
    run: LoadRun, trial: LoadTrial, name: str, answer: Answer, evidence: tuple[int, ...]
) -> Finding:
    return finding(
        Answer(
            verdict=answer.verdict,
            headline=answer.headline,
            detail=answer.detail,
            measures=answer.measures,
            strength=answer.strength,
            advice=answer.advice,
            evidence=evidence,
        ),
        identity=f"{CHECK}/{trial.id}/{name}",
        target=None,
        subject=run.plan.workload.id,
        scenario=trial.id,
    )


def _points(run: LoadRun, trial: LoadTrial) -> list[CapacityPoint]:
    """In the order of the plan; none of a number that was not tried."""
    if not isinstance(trial.scenario, Scenario):
        return []
    search = Search.of(trial.scenario, trial, run.plan.targets)
    probes: dict[int, list[Injection]] = {}
    for one in known(run.history, LoadInjected):
        if one.fact.trial == trial.id and one.fact.replicas is not None:
            measured = injection_of(samples_of(run, one.fact), one.fact)
            probes.setdefault(one.fact.replicas, []).append(measured)
    return [
        search.point(replicas, probes[replicas])
        for replicas in trial.scenario.replicas
        if replicas in probes
    ]


def _found(run: LoadRun, scenario: Scenario, replicas: int, point: CapacityPoint | None) -> Answer:
    about = f"{run.plan.workload.id}, {replicas} replicas"
    if point is None:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{about}: no rate was tried",
            advice=RUN_AGAIN,
        )
    detail = tuple(
        f"{one.rate:.1f} requests/s: {'; '.join(one.gates) or _told(one)}" for one in point.probes
    )
    if point.holds is None or point.fails is None:
        got = "none held" if point.holds is None else f"{point.holds:.1f} requests/s held"
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{about}: {got}, and the search ended at {point.limited_by}",
            detail=detail,
            advice=RUN_AGAIN,
        )
    if (point.fails - point.holds) / point.holds > scenario.resolution:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=(
                f"{about}: somewhere from {point.holds:.1f} to {point.fails:.1f} requests/s; the "
                f"search ended before it was known to {scenario.resolution:.0%}"
            ),
            detail=detail,
            advice=RUN_AGAIN,
        )
    return Answer(
        verdict=Verdict.PASS,
        headline=(
            f"{about}: {point.holds:.1f} requests/s hold, {point.fails:.1f} do not "
            f"({point.limited_by})"
        ),
        detail=detail,
        measures=(
            Measure(
                name="capacity",
                unit="requests/s",
                value=point.holds,
                low=point.holds,
                high=point.fails,
            ),
        ),
        strength=f"{len(point.probes)} rates were tried",
    )


def _told(probe: Injection) -> str:
    p95 = "nothing was answered" if probe.latencies is None else f"p95 {probe.latencies.p95:.3f} s"
    return f"{p95}, errors {probe.error_share:.2%}"


def _peak(run: LoadRun, points: list[CapacityPoint]) -> Answer:
    """What is to be held at the busiest, against what the autoscaler's maximum holds.

    That fewer replicas do not hold it says nothing: there may be more of them.
    """
    peak = run.plan.workload.peak_rate
    autoscaler = run.plan.autoscaler
    maximum = (
        autoscaler.maximum
        if autoscaler is not None
        else max((one.replicas for one in points), default=0)
    )
    within = [one for one in points if one.replicas <= maximum]
    best = max(within, key=lambda one: one.holds or 0.0, default=None)
    most = next((one for one in within if one.replicas == maximum), None)
    about = f"{run.plan.workload.id}, at its busiest"
    if peak is None or best is None or best.holds is None:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{about}: no rate is known to hold"
            if peak is not None
            else f"{about}: the environment names no peak_rate",
            advice=RUN_AGAIN,
        )
    said = (
        f"{about}: {peak:g} requests/s are expected; {best.holds:.1f} hold with {best.replicas} "
        "replicas"
    )
    if best.holds >= peak:
        return Answer(verdict=Verdict.PASS, headline=said, strength="the highest of the search")
    if most is None:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{said}; {maximum} replicas, the autoscaler's maximum, were not tried",
            advice=RUN_AGAIN,
        )
    if most.fails is not None and most.fails <= peak:
        return Answer(
            verdict=Verdict.FAIL,
            headline=f"{said}; {most.fails:.1f} do not with {maximum}, the most there may be",
            advice=SHOW_REPORT,
        )
    return Answer(
        verdict=Verdict.INCONCLUSIVE,
        headline=f"{said}; the peak lies between what holds and what does not",
        advice=RUN_AGAIN,
    )


def _summary(run: LoadRun, trial: LoadTrial) -> CapacitySummary:
    points = _points(run, trial)
    # Without a rate that failed, what held is no capacity: it may be the generator's.
    held = [
        (one.replicas, one.holds)
        for one in points
        if one.holds is not None and one.fails is not None
    ]
    law = fit(held)
    claim = next(
        (
            one
            for one in run.plan.settings.claims
            if one.namespace == run.plan.workload.namespace
            and one.controller == f"Deployment/{run.plan.workload.deployment}"
        ),
        None,
    )
    priced = run.plan.cost_per_core_hour is not None or run.plan.cost_per_gibibyte_hour is not None
    return CapacitySummary(
        trial=trial.id,
        points=tuple(points),
        fit=law,
        note=""
        if law is not None
        else "no law: of fewer than three numbers of replicas the capacity is known",
        cost_per_million=cost_per_million(
            held,
            claim,
            per_core_hour=run.plan.cost_per_core_hour or 0.0,
            per_gibibyte_hour=run.plan.cost_per_gibibyte_hour or 0.0,
        )
        if claim is not None and priced
        else None,
    )
