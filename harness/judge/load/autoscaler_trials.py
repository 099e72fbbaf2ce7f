"""Gathers what was seen of an autoscaler in each trial that left it free. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from harness.capacity.decisions import recompute
from harness.capacity.scaling import Load, measure
from harness.judge.facts import known, sequences
from harness.judge.load.evidence import LoadRun
from harness.judge.load.scaling_periods import readings
from harness.judge.promise import covering
from harness.model.autoscaling import AutoscalerSettings, Sighting
from harness.model.history import LoadInjected, ReplicasHeld, TimelineRecorded
from harness.model.load_judgement import AutoscalerSummary, Timing
from harness.model.load_profile import Profile
from harness.model.load_test import Drive, LoadTrial
from harness.model.target import Kind, ScalingPeriod

_SETTLED_S = 60.0
"""The last part of a highest stage, in which replicas are taken to have settled; the stage must be
twice as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeTrial:
    """One trial that left the autoscaler free, and what was seen of it."""

    summary: AutoscalerSummary
    sightings: tuple[Sighting, ...]
    zero_ns: int
    began: datetime | None
    """The load, by the wall clock; None: none is on record."""

    recomputed: int
    """Moments for which a recommendation could be recomputed."""

    turns: int
    """Changes of direction that its schedule has."""

    evidence: tuple[int, ...]


def free_trials(run: LoadRun, settings: AutoscalerSettings) -> list[FreeTrial]:
    """The drives that left the autoscaler free, in the order of the plan."""
    return [
        one
        for trial in run.plan.trials
        if isinstance(trial.scenario, Drive) and trial.scenario.replicas is None
        if (one := _watch(run, settings, trial)) is not None
    ]


def _watch(run: LoadRun, settings: AutoscalerSettings, trial: LoadTrial) -> FreeTrial | None:
    recorded = [one for one in known(run.history, TimelineRecorded) if one.fact.trial == trial.id]
    injected = [one for one in known(run.history, LoadInjected) if one.fact.trial == trial.id]
    sightings = _free(run, trial, recorded[-1].fact.file) if recorded else ()
    if not sightings or any(one.fact.replicas is not None for one in injected):
        return None
    first = injected[0].fact if injected else None
    zero_ns = sightings[0].began_ns if first is None else first.began.monotonic_ns
    load = None
    if first is not None:
        load = Load(began_s=0.0, ended_s=first.lasts_s, settled_s=_settled(trial.profile))
    timings = run.plan.timings
    found = recompute(sightings, settings, timings, zero_ns=zero_ns)
    scaled = measure(
        sightings,
        settings,
        timings,
        load or Load(began_s=0.0, ended_s=0.0),
        decisions=found.decisions,
        wanted=found.wanted,
        zero_ns=zero_ns,
    )
    notes = list(found.notes)
    if load is None:
        notes.append("no load is on record: nothing is said of its onset and its way back")
    if trial.away is not None:
        notes.append("a controller whose leader is taken away forgets what it recommended")
    summary = AutoscalerSummary(
        trial=trial.id,
        decisions=found.decisions,
        onset_s=scaled.onset_s if load else None,
        to_maximum_s=scaled.to_maximum_s if load else None,
        back_s=scaled.back_s if load else None,
        highest_wanted=scaled.highest_wanted,
        highest_ready=scaled.highest_ready,
        overshoot=scaled.overshoot,
        flaps=scaled.flaps,
        notes=tuple(notes),
    )
    return FreeTrial(
        summary=replace(summary, timings=_timings(run, settings, summary)),
        sightings=sightings,
        zero_ns=zero_ns,
        began=None if first is None else first.began.utc,
        recomputed=len(found.wanted),
        turns=0 if trial.profile is None else _turns(trial.profile),
        evidence=sequences([*recorded, *injected]),
    )


def _free(run: LoadRun, trial: LoadTrial, file: str) -> tuple[Sighting, ...]:
    """The looks before the harness held the service at a number of replicas, if it did."""
    held_ns = [
        one.fact.began_ns for one in known(run.history, ReplicasHeld) if one.fact.trial == trial.id
    ]
    looks = run.timelines.get(file, ())
    return tuple(one for one in looks if not held_ns or one.ended_ns < min(held_ns))


def _settled(profile: Profile | None) -> tuple[float, float] | None:
    if profile is None:
        return None
    highest = max(max(stage.rate, stage.end_rate) for stage in profile.stages)
    ended_s, found = 0.0, None
    for stage in profile.stages:
        ended_s += stage.hold.total_seconds()
        steady = stage.rate == stage.end_rate == highest
        if steady and stage.hold.total_seconds() >= 2 * _SETTLED_S:
            found = (ended_s - _SETTLED_S, ended_s)
    return found


def _turns(profile: Profile) -> int:
    """How often the scheduled rate changes its direction; it begins and ends at 0."""
    rates = [0.0, *(rate for one in profile.stages for rate in (one.rate, one.end_rate)), 0.0]
    ways = [later > earlier for earlier, later in itertools.pairwise(rates) if later != earlier]
    return sum(one != other for one, other in itertools.pairwise(ways))


def _timings(
    run: LoadRun, settings: AutoscalerSettings, summary: AutoscalerSummary
) -> tuple[Timing, ...]:
    return tuple(
        reading.timing
        for target, asked in covering(run.plan.targets, Kind.SERVICE, ScalingPeriod)
        for reading in readings(settings, run.plan.timings, target, asked, [summary])
    )


def evidence_of(trials: Iterable[FreeTrial]) -> tuple[int, ...]:
    """The facts that they rest on."""
    return tuple(sorted({line for one in trials for line in one.evidence}))
