"""Decides whether an autoscaler is set as documented, and did what its settings say. Pure.

Its decisions are recomputed from what it could see (harness.capacity.decisions): one that no
candidate explains is a miss, one that could not be recomputed says nothing. Stretches in which the
harness held the service at a number of replicas are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from fnmatch import fnmatchcase

from harness.capacity.autoscaler import tolerances
from harness.judge.advice import RUN_AGAIN
from harness.judge.answer import Answer, finding
from harness.judge.load.autoscaler_inputs import judge_metrics, judge_requests
from harness.judge.load.autoscaler_trials import FreeTrial, evidence_of, free_trials
from harness.judge.load.autoscaler_words import brief, describe, name
from harness.judge.load.evidence import LoadRun
from harness.judge.load.scaling_periods import judge_period
from harness.judge.promise import covering
from harness.model.autoscaling import AutoscalerSettings, ResourceTarget, Timings
from harness.model.instant import seconds
from harness.model.load_judgement import AutoscalerSummary
from harness.model.target import (
    AutoscalerRange,
    AutoscalerUtilization,
    Kind,
    Objective,
    Replicas,
    ScalingPeriod,
    Target,
)
from harness.model.verdict import Finding, Measure, Verdict

CHECK = "autoscaling"

_START_S = 60.0
"""Who wanted its maximum for so long, and never had it, was kept from it."""


def judge(run: LoadRun) -> Iterator[Finding]:
    """One finding for each target of autoscaling, and those that no target asks for."""
    settings, timings, targets = run.plan.autoscaler, run.plan.timings, run.plan.targets
    if settings is None:
        yield from _without_autoscaler(run)
        return
    trials = free_trials(run, settings)
    for target, asked in covering(targets, Kind.SERVICE, AutoscalerRange):
        yield _finding(_range(settings, asked, trials), target)
    for target, wanted in covering(targets, Kind.SERVICE, AutoscalerUtilization):
        yield _finding(_utilization(settings, timings, wanted), target)
    for target, period in covering(targets, Kind.SERVICE, ScalingPeriod):
        answer = judge_period(settings, timings, target, period, [one.summary for one in trials])
        yield _finding(replace(answer, evidence=evidence_of(trials)), target)
    for target, count in covering(targets, Kind.SERVICE, Replicas):
        if fnmatchcase(settings.namespace, count.namespaces):
            yield _finding(_least(settings, count), target)
    for about, answer in (
        ("decisions", _decisions(settings, trials)),
        ("flapping", _flapping(settings, trials)),
        ("metrics", judge_metrics(settings, timings, trials)),
        ("requests", judge_requests(run, settings, trials)),
    ):
        yield finding(answer, identity=f"{CHECK}/{about}", target=None, subject=None)


def summaries(run: LoadRun) -> tuple[AutoscalerSummary, ...]:
    """How the autoscaler behaved, for each trial that left it free and was looked at."""
    settings = run.plan.autoscaler
    return () if settings is None else tuple(one.summary for one in free_trials(run, settings))


def _finding(answer: Answer, target: Target) -> Finding:
    return finding(answer, identity=f"{CHECK}/{target.id}", target=target.id, subject=None)


def _without_autoscaler(run: LoadRun) -> Iterator[Finding]:
    kinds: tuple[type[Objective], ...] = (AutoscalerRange, AutoscalerUtilization, ScalingPeriod)
    for kind in kinds:
        for target, _ in covering(run.plan.targets, Kind.SERVICE, kind):
            answer = Answer(
                verdict=Verdict.INCONCLUSIVE,
                headline=f"{run.plan.workload.id}: it has no autoscaler, expected one",
                advice=f"kubectl -n {run.plan.workload.namespace} get hpa",
            )
            yield _finding(answer, target)


# What is documented


def _range(
    settings: AutoscalerSettings, asked: AutoscalerRange, trials: Sequence[FreeTrial]
) -> Answer:
    wanted = _most([one.summary.highest_wanted for one in trials])
    ready = _most([one.summary.highest_ready for one in trials])
    documented, configured = (
        f"{one.minimum} to {one.maximum} replicas" for one in (asked, settings)
    )
    if configured != documented:
        verdict, told = Verdict.FAIL, f"set to {configured}, expected {documented}"
    elif wanted is None or ready is None:
        verdict = Verdict.INCONCLUSIVE
        told = f"set to {configured}; nobody looked at it in a trial that left it free"
    else:
        verdict, told = _went(asked, trials, wanted, ready)
    return Answer(
        verdict=verdict,
        headline=f"{name(settings)}: {told}",
        measures=(
            Measure(name="most replicas wanted", unit="1", value=wanted),
            Measure(name="most replicas ready", unit="1", value=ready),
        ),
        advice=None if verdict is Verdict.PASS else describe(settings),
        evidence=evidence_of(trials),
    )


def _went(
    asked: AutoscalerRange, trials: Sequence[FreeTrial], wanted: int, ready: int
) -> tuple[Verdict, str]:
    """Whether it used all of its range, and no more."""
    if wanted > asked.maximum:
        return Verdict.FAIL, f"{wanted} replicas wanted, expected at most {asked.maximum}"
    if ready < asked.maximum:
        wanted_s = max(_wanted_for(one, asked.maximum) for one in trials)
        if wanted_s > _START_S:
            return (
                Verdict.FAIL,
                f"{wanted} replicas wanted for {wanted_s:.0f} s, {ready} ready at the most",
            )
        return (
            Verdict.INCONCLUSIVE,
            f"its maximum of {asked.maximum} was not tried: {wanted} wanted at the most",
        )
    if all(one.summary.back_s is None for one in trials):
        return (
            Verdict.INCONCLUSIVE,
            f"{ready} replicas were ready; nobody saw it come back to {asked.minimum}",
        )
    return Verdict.PASS, f"{asked.minimum} to {asked.maximum} replicas, there and back"


def _wanted_for(one: FreeTrial, count: int) -> float:
    """For how long so many were wanted, from the first look to the last."""
    at_s = [
        seconds(look.began_ns)
        for look in one.sightings
        if look.autoscaler is not None and look.autoscaler.desired >= count
    ]
    return at_s[-1] - at_s[0] if at_s else 0.0


def _utilization(
    settings: AutoscalerSettings, timings: Timings, asked: AutoscalerUtilization
) -> Answer:
    who = name(settings)
    of_it = [one for one in settings.metrics if one.resource.value == asked.resource]
    down, up = tolerances(settings, timings)
    measures = tuple(
        Measure(name=f"{asked.resource} target", unit="%", value=one.utilization, predicted=True)
        for one in of_it
    )
    if not of_it:
        return Answer(
            verdict=Verdict.FAIL,
            headline=f"{who}: it does not follow {asked.resource}, expected {asked.percent} %",
            advice=describe(settings),
        )
    others = [one for one in of_it if one.utilization != asked.percent]
    if others:
        return Answer(
            verdict=Verdict.FAIL,
            headline=f"{who}: {asked.resource} at {_aim(others[0])}, expected {asked.percent} %",
            measures=measures,
            advice=describe(settings),
        )
    low, high = asked.percent * (1 - down), asked.percent * (1 + up)
    return Answer(
        verdict=Verdict.PASS,
        headline=f"{who}: {asked.resource} at {_aim(of_it[0])}, as documented",
        detail=(
            f"between {low:.3g} % and {high:.3g} % it does nothing: tolerance ({timings.source})",
        ),
        measures=measures,
    )


def _aim(metric: ResourceTarget) -> str:
    aim = f"{metric.average_value:g}" if metric.average_value is not None else "nothing"
    if metric.utilization is not None:
        aim = f"{metric.utilization} %"
    return aim if metric.container is None else f"{aim} of container {metric.container} alone"


def _least(settings: AutoscalerSettings, count: Replicas) -> Answer:
    who = name(settings)
    if settings.minimum < count.count:
        return Answer(
            verdict=Verdict.FAIL,
            headline=f"{who}: its minimum is {settings.minimum}: it may scale below the "
            f"{count.count} replicas of {count.namespaces}",
            detail=("one of the two promises has to give way",),
            advice=f"kubectl -n {settings.namespace} patch hpa {settings.name} "
            f'-p \'{{"spec":{{"minReplicas":{count.count}}}}}\'',
        )
    return Answer(
        verdict=Verdict.PASS,
        headline=f"{who}: never below {settings.minimum}, expected {count.count} replicas",
    )


# What it did, whatever is documented


def _decisions(settings: AutoscalerSettings, trials: Sequence[FreeTrial]) -> Answer:
    who = name(settings)
    found = [(one, decision) for one in trials for decision in one.summary.decisions]
    odd = [(one, decision) for one, decision in found if not decision.explained]
    wrong = [(one, decision) for one, decision in odd if decision.recomputed]
    detail = tuple(
        f"{one.summary.trial}: {brief(decision)}: {'; '.join(decision.because)}"
        for one, decision in [*wrong, *((one, other) for one, other in odd if not other.recomputed)]
    )
    evidence = evidence_of(trials)
    if wrong:
        one, decision = wrong[0]
        since = None
        if one.began is not None:
            since = one.began + timedelta(seconds=decision.low_s)
        return Answer(
            verdict=Verdict.FAIL,
            headline=f"{who}: {len(wrong)} of {len(found)} decisions are not what its settings "
            f"give: {decision.because[0]}",
            detail=detail,
            since=since,
            advice=describe(settings),
            evidence=evidence,
        )
    if odd:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{who}: {len(odd)} of {len(found)} decisions could not be recomputed: "
            f"{odd[0][1].because[0]}",
            detail=detail,
            advice=RUN_AGAIN,
            evidence=evidence,
        )
    if not found:
        why = "nobody looked at it in a trial that left it free"
        if trials:
            why = "it decided nothing"
            if not any(one.recomputed for one in trials):
                why = "its metrics were not seen"
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{who}: {why}, expected decisions to recompute",
            detail=tuple(note for one in trials for note in one.summary.notes),
            advice=RUN_AGAIN,
            evidence=evidence,
        )
    return Answer(
        verdict=Verdict.PASS,
        headline=f"{who}: all {len(found)} decisions are what its settings and metrics give",
        detail=tuple(
            f"{one.summary.trial}: {brief(decision)}: {'; '.join(decision.because)}"
            for one, decision in found
        ),
        evidence=evidence,
    )


def _flapping(settings: AutoscalerSettings, trials: Sequence[FreeTrial]) -> Answer:
    who = name(settings)
    moved = [one for trial in trials for one in trial.summary.decisions]
    if not moved:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{who}: no decision was seen: whether it flaps is not known",
            advice=RUN_AGAIN,
            evidence=evidence_of(trials),
        )
    worst = max(trials, key=lambda one: one.summary.flaps - one.turns)
    flaps, turns = worst.summary.flaps, worst.turns
    measures = (Measure(name="changes of direction", unit="1", value=flaps),)
    if flaps > turns:
        return Answer(
            verdict=Verdict.FAIL,
            headline=f"{who}: it changed its direction {flaps} times within one stabilisation "
            f"window, the load did {turns} times",
            detail=tuple(brief(one) for one in worst.summary.decisions),
            measures=measures,
            advice=describe(settings),
            evidence=worst.evidence,
        )
    return Answer(
        verdict=Verdict.PASS,
        headline=f"{who}: no more changes of direction than the load has",
        measures=measures,
        evidence=evidence_of(trials),
    )


def _most(values: Sequence[int | None]) -> int | None:
    return max((one for one in values if one is not None), default=None)
