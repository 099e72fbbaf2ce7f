"""Decides whether a service held what is promised of its answers: time, errors, availability. Pure.

One finding for each promise and drive. A drive with something away is a drive as any other: that is
what capacity is for. What a generator measured that was late or incomplete says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.capacity.percentiles import Samples, injection_of, nearest_rank, response_s, sent
from harness.judge.advice import RUN_AGAIN, SHOW_REPORT
from harness.judge.answer import Answer, finding
from harness.judge.facts import Known, known, sequences
from harness.judge.load.evidence import LoadRun
from harness.judge.load.summary import samples_of
from harness.model.history import LoadInjected
from harness.model.instant import NANOSECONDS_PER_SECOND
from harness.model.load_judgement import Injection
from harness.model.load_test import Drive
from harness.model.sample import Answer as Outcome
from harness.model.target import Availability, ErrorRate, Latency
from harness.model.verdict import Finding, Measure, Verdict

CHECK = "under-load"

USABLE = 0.5
"""A second counts as usable where more than this share of its requests was answered right."""

_CLOSED = (
    "the load waited for its answers: a stall held up those who would have come meanwhile, so that "
    "slow answers and errors are counted too seldom (coordinated omission)"
)

Promise = Latency | ErrorRate | Availability


def judge(run: LoadRun) -> Iterator[Finding]:
    """Every promise, for every drive of the plan."""
    loads = {one.fact.trial: one for one in known(run.history, LoadInjected) if not one.fact.step}
    for target in run.plan.targets:
        promise = target.objective
        if not isinstance(promise, Promise) or run.plan.workload.target_kind not in target.covers:
            continue
        for trial in run.plan.trials:
            if isinstance(trial.scenario, Drive):
                yield finding(
                    _answer(run, promise, trial.id, loads.get(trial.id)),
                    identity=f"{CHECK}/{target.id}/{trial.id}",
                    target=target.id,
                    subject=run.plan.workload.id,
                    scenario=trial.id,
                )


def _answer(run: LoadRun, promise: Promise, trial: str, load: Known[LoadInjected] | None) -> Answer:
    about = f"{run.plan.workload.id}, {trial}"
    if load is None:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{about}: no load is on record",
            advice=RUN_AGAIN,
        )
    samples = samples_of(run, load.fact)
    injection = injection_of(samples, load.fact)
    if injection.gates:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{about}: the generator is not to be believed: {injection.gates[0]}",
            detail=injection.gates,
            advice=f"{RUN_AGAIN}  # with more workers, or on a machine with nothing else on it",
            evidence=sequences([load]),
        )
    match promise:
        case Latency():
            answer = _latency(about, promise, samples)
        case ErrorRate():
            answer = _errors(about, promise, injection)
        case Availability():
            answer = _availability(about, promise, samples)
    return Answer(
        verdict=answer.verdict,
        headline=answer.headline,
        detail=(*answer.detail, *((_CLOSED,) if injection.closed_loop else ())),
        measures=answer.measures,
        strength=answer.strength,
        advice=None if answer.verdict is Verdict.PASS else SHOW_REPORT,
        evidence=sequences([load]),
    )


def _latency(about: str, promise: Latency, samples: Samples) -> Answer:
    ordered = np.sort(response_s(sent(samples)))
    got_s = nearest_rank(ordered, promise.percentile)
    limit_s = promise.at_most.total_seconds()
    share = float(np.count_nonzero(ordered > limit_s)) / len(ordered)
    return Answer(
        verdict=Verdict.PASS if got_s <= limit_s else Verdict.FAIL,
        headline=(
            f"{about}: p{promise.percentile:g} of {len(ordered)} response times is "
            f"{got_s * 1000:.0f} ms, expected at most {limit_s * 1000:g} ms"
        ),
        detail=(f"{share:.2%} of all took longer than {limit_s * 1000:g} ms",),
        measures=(
            Measure(name=f"p{promise.percentile:g} of response times", unit="s", value=got_s),
        ),
        strength=f"all {len(ordered)} requests of the load, from when each was due",
    )


def _errors(about: str, promise: ErrorRate, injection: Injection) -> Answer:
    share = injection.error_share
    kinds = ", ".join(f"{count} {name}" for name, count in injection.errors.items())
    return Answer(
        verdict=Verdict.PASS if share <= promise.at_most else Verdict.FAIL,
        headline=(
            f"{about}: {share:.2%} of {injection.sent} requests had no right answer, expected at "
            f"most {promise.at_most:.2%}"
        ),
        detail=(kinds,) if kinds else (),
        measures=(Measure(name="error rate", unit="1", value=share),),
        strength=f"all {injection.sent} requests of the load",
    )


def _availability(about: str, promise: Availability, samples: Samples) -> Answer:
    """Seconds in which requests were due: by them the service is looked at."""
    usable, looked = usable_seconds(samples)
    share = usable / looked
    needed = 1 / (1 - promise.at_least) if promise.at_least < 1 else float("inf")
    measures = (Measure(name="availability", unit="1", value=share),)
    said = (
        f"{about}: usable in {usable} of {looked} seconds ({share:.3%}), expected "
        f"{promise.at_least:.3%} or more"
    )
    if share < promise.at_least:
        return Answer(verdict=Verdict.FAIL, headline=said, measures=measures)
    return Answer(
        verdict=Verdict.PASS,
        headline=said,
        measures=measures,
        strength=(
            f"no more than {looked} seconds: too few to show {promise.at_least:.3%} by themselves, "
            f"which takes {3 * needed:.0f} without a bad one (rule of three)"
            if looked < 3 * needed
            else f"{looked} seconds"
        ),
    )


def usable_seconds(samples: Samples) -> tuple[int, int]:
    """(usable, looked at): seconds of the schedule with requests, by the requests due in each."""
    went = sent(samples)
    of_second = went["intended"] // NANOSECONDS_PER_SECOND
    seconds, which = np.unique(of_second, return_inverse=True)
    due = np.bincount(which, minlength=len(seconds))
    right = np.bincount(which, weights=went["answer"] == Outcome.OK, minlength=len(seconds))
    return int(np.count_nonzero(right > USABLE * due)), len(seconds)
