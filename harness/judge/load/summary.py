"""Puts together what a report shows of a load test beside its findings. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.capacity.frames import load_points, scale_points
from harness.capacity.percentiles import injection_of
from harness.judge.facts import known
from harness.judge.load.evidence import LoadRun, Samples
from harness.model.history import FaultInjected, LoadInjected, RolledBack, TimelineRecorded
from harness.model.instant import seconds
from harness.model.load_judgement import Injection, LoadPoint, ScalePoint
from harness.model.sample import DTYPE


def samples_of(run: LoadRun, injected: LoadInjected) -> Samples:
    """Of all workers of one load, laid together."""
    files = [run.samples[name] for name in injected.samples if name in run.samples]
    return np.concatenate(files) if files else np.empty(0, dtype=DTYPE)


def drives(run: LoadRun) -> Iterator[LoadInjected]:
    """The loads that are no probes of a search, in the order in which they ended."""
    return (one.fact for one in known(run.history, LoadInjected) if not one.fact.step)


def injections(run: LoadRun) -> tuple[Injection, ...]:
    """Of drives."""
    return tuple(injection_of(samples_of(run, one), one) for one in drives(run))


def loads(run: LoadRun) -> dict[str, tuple[LoadPoint, ...]]:
    """Trial -> its load, second by second."""
    return {one.trial: load_points(samples_of(run, one), one.lasts_s) for one in drives(run)}


def scales(run: LoadRun) -> dict[str, tuple[ScalePoint, ...]]:
    """Trial -> what the cluster did, on the clock of the trial's drive; else of its first load."""
    zeros: dict[str, int] = {}
    for one in known(run.history, LoadInjected):
        zeros.setdefault(one.fact.trial, one.fact.began.monotonic_ns)
    return {
        one.fact.trial: scale_points(run.timelines.get(one.fact.file, ()), zeros[one.fact.trial])
        for one in known(run.history, TimelineRecorded)
        if one.fact.trial in zeros
    }


def faults(run: LoadRun) -> dict[str, tuple[float, float | None]]:
    """Trial -> from when to when something of the platform was away, as it was witnessed."""
    found = {}
    for one in drives(run):
        zero_ns = one.began.monotonic_ns
        begins = [
            seen.fact.bracket.earliest_ns
            for seen in known(run.history, FaultInjected)
            if seen.fact.trial == one.trial and seen.fact.bracket is not None
        ]
        if not begins:
            continue
        ends = [
            seen.fact.ended_ns
            for seen in known(run.history, RolledBack)
            if seen.fact.trial == one.trial and seen.fact.error is None
        ]
        end = max(ends, default=None)
        found[one.trial] = (
            seconds(min(begins) - zero_ns),
            None if end is None else seconds(end - zero_ns),
        )
    return found
