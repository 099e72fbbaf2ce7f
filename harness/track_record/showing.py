"""Takes from one ended run what its findings and targets showed, in rows. Pure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator

from harness.coverage.answering import EndedRun, answer_of, planned_scenarios
from harness.model.codec import to_json
from harness.model.load_test import LoadPlan
from harness.model.target import (
    Availability,
    BackupFrequency,
    ErrorRate,
    Immutability,
    Latency,
    Objective,
    RecoveryPoint,
    RecoveryTime,
    Replication,
    Retention,
    TrafficSwitch,
)
from harness.model.track_record import Answer, Limit, RunShown, Showing, Worse
from harness.model.verdict import Finding, Measure

_DIGITS = 16


def shown(run: EndedRun, *, sealed: bool, sequence: int | None) -> RunShown:
    """The run itself."""
    return RunShown(
        run=run.run.run,
        suite=run.run.suite,
        environment=run.run.environment,
        at=run.ended,
        verdict=run.judgement.verdict,
        sealed=sealed,
        sequence=sequence,
        version=_version(run),
    )


def answers(run: EndedRun) -> Iterator[Answer]:
    """What it said of each target that it judged by what it was promised then."""
    for target in run.plan.targets:
        said = answer_of(run, target)
        if said is not None:
            yield Answer(
                run=run.run.run,
                target=target.id,
                verdict=said.verdict,
                trials=said.trials,
                claim=said.claim,
                promise=_digest(target.objective),
            )


def showings(run: EndedRun) -> Iterator[Showing]:
    """One for each finding; of several measures the first that was measured and not predicted."""
    trials = Counter(planned_scenarios(run.plan))
    objectives = {target.id: target.objective for target in run.plan.targets}
    for found in run.judgement.findings:
        number = next((one for one in found.measures if not one.predicted), None)
        yield Showing(
            run=run.run.run,
            finding=found.id,
            check=found.check,
            target=found.target,
            scenario=found.scenario,
            subject=found.subject,
            verdict=found.verdict,
            trials=trials[found.scenario or ""],
            measure=None if number is None else number.name,
            unit=None if number is None else number.unit,
            value=None if number is None else number.value,
            low=None if number is None else number.low,
            high=None if number is None else number.high,
            limit=None
            if number is None
            else _limit(run, found, number, objectives.get(found.target or "")),
        )


def _limit(
    run: EndedRun, found: Finding, number: Measure, objective: Objective | None
) -> Limit | None:
    if number.name == "capacity":
        return Limit(worse=Worse.LOWER, at=_peak(run, found))
    return None if objective is None else promised(objective, number.name)


def promised(objective: Objective, measure: str) -> Limit | None:
    """What an objective says of a measure; None: nothing, or no number."""
    match objective, measure:
        case (
            (RecoveryTime(at_most=most), "RTA")
            | (RecoveryPoint(at_most=most), "RPA")
            | (Replication(lag_at_most=most), "replication lag")
            | (TrafficSwitch(at_most=most), "switch")
            | (Latency(at_most=most), _)
        ):
            return _at_most(most.total_seconds())
        case BackupFrequency(every=every, grace=grace), "age of the latest backup":
            return _at_most((every + grace).total_seconds())
        case ErrorRate(at_most=share), "error rate":
            return _at_most(share)
        case Availability(at_least=share), "availability":
            return _at_least(share)
        case (Retention(at_least=least), "reach of a restore") | (
            Immutability(at_least=least),
            "shortest lock",
        ):
            return _at_least(least.total_seconds())
        case _:
            return None


def _peak(run: EndedRun, found: Finding) -> float | None:
    """The rate that must hold: of the most replicas that were tried, where that is the most that
    there may be (harness.judge.load.capacity); fewer need not hold it.
    """
    plan = run.plan
    if not isinstance(plan, LoadPlan) or plan.autoscaler is None:
        return None
    most = plan.autoscaler.maximum
    return plan.workload.peak_rate if found.id.endswith(f"/{most}-replicas") else None


def _at_most(value: float) -> Limit:
    return Limit(worse=Worse.HIGHER, at=value)


def _at_least(value: float) -> Limit:
    return Limit(worse=Worse.LOWER, at=value)


def _version(run: EndedRun) -> str:
    """Programs, the version of the service, and the promises: all that may excuse a flip."""
    plan = run.plan
    return _digest(
        (
            run.run.versions,
            plan.version if isinstance(plan, LoadPlan) else "",
            sorted((target.id, _digest(target.objective)) for target in plan.targets),
        )
    )


def _digest(value: object) -> str:
    return hashlib.sha256(to_json(value)).hexdigest()[:_DIGITS]
