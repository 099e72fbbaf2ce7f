"""Decides the trials of a run: documented targets + a suite + an environment -> a plan. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import timedelta

import msgspec

from harness.errors import InputError
from harness.model.plan import Plan, Trial
from harness.model.quantity import show_duration
from harness.model.subject import Region, Subject
from harness.model.suite import Level, Loss, PointChoice, Scenario, Suite
from harness.model.target import (
    BackupFrequency,
    Kind,
    RecoveryPoint,
    RecoveryTime,
    Retention,
    Target,
    Volume,
)

DEADLINE_FACTOR = 2
"""A restore is given up at twice its RTO: by then the target is missed beyond doubt."""

DEADLINE_WITHOUT_TARGET = timedelta(hours=1)


def make_plan(  # noqa: PLR0913 - the inputs of a plan
    *,
    suite: Suite,
    targets: Sequence[Target],
    environment: str,
    subjects: Sequence[Subject],
    inflicts: bool,
    seed: int,
    only: Sequence[str] = (),
) -> Plan:
    """The plan of one run.

    `inflicts` tells whether the environment's platform may be broken; `only` names the scenarios
    to keep, all where it is empty; equal arguments give an equal plan. Raises InputError where
    nothing would be tried, or a scenario or region that is asked for is not there.
    """
    scenarios = _selected(suite, only)
    with_volume = tuple(_with_documented_volume(subject, targets) for subject in subjects)
    draw = random.Random(seed)  # noqa: S311 - repeatable on purpose; no secret depends on it
    trials = tuple(
        trial
        for scenario in scenarios
        for trial in _trials(scenario, with_volume, targets, inflicts=inflicts, draw=draw)
    )
    if not trials:
        raise InputError(
            f"suite {suite.suite}: no scenario covers any subject of {environment}: "
            f"{', '.join(subject.id for subject in subjects) or 'it has none'}",
            hint="harness plan SUITE -e ENVIRONMENT",
        )
    return Plan(
        suite=suite.suite,
        environment=environment,
        check_backups=suite.check_backups,
        sustained=suite.sustained,
        verification=suite.verification,
        subjects=with_volume,
        targets=tuple(targets),
        trials=trials,
        blast_radius=tuple(_blast_radius(trials, inflicts=inflicts)),
        expectations=tuple(_expectations(targets, with_volume)),
    )


def _selected(suite: Suite, only: Sequence[str]) -> tuple[Scenario, ...]:
    known = [scenario.id for scenario in suite.scenarios]
    unknown = sorted(set(only) - set(known))
    if unknown:
        raise InputError(
            f"scenario: got {', '.join(unknown)}, expected of {suite.suite}: {', '.join(known)}"
        )
    return tuple(scenario for scenario in suite.scenarios if not only or scenario.id in only)


def _with_documented_volume(subject: Subject, targets: Sequence[Target]) -> Subject:
    if subject.volume is not None:
        return subject
    for target in targets:
        if isinstance(target.objective, Volume) and subject.kind in target.covers:
            return msgspec.structs.replace(subject, volume=target.objective.size)
    return subject


def _trials(
    scenario: Scenario,
    subjects: Sequence[Subject],
    targets: Sequence[Target],
    *,
    inflicts: bool,
    draw: random.Random,
) -> Iterator[Trial]:
    covered = [subject for subject in subjects if subject.kind in scenario.covers]
    for subject in covered:
        if scenario.region is Region.REPLICA and subject.replica is None:
            raise InputError(
                f"scenario {scenario.id}: subject {subject.id} has no replica repository, "
                "expected one in harness.toml",
                hint="harness run SUITE --only SCENARIO  # leave the scenario out",
            )
    groups = [covered] if scenario.together and covered else [[subject] for subject in covered]
    for group in groups:
        for number in range(1, scenario.trials + 1):
            name = "all" if scenario.together else group[0].id
            yield Trial(
                id=f"{scenario.id}-{name}-{number}",
                scenario=scenario.id,
                title=scenario.title,
                subjects=tuple(subject.id for subject in group),
                point=scenario.point,
                region=scenario.region,
                loss=scenario.loss if inflicts else Loss.ASSUMED,
                primary_region_dead=scenario.primary_region_dead,
                deadline=max(_deadline(subject.kind, targets) for subject in group),
                seed=draw.getrandbits(32),
            )


def _deadline(kind: Kind, targets: Sequence[Target]) -> timedelta:
    return max(
        (
            target.objective.at_most * DEADLINE_FACTOR
            for target in targets
            if isinstance(target.objective, RecoveryTime) and kind in target.covers
        ),
        default=DEADLINE_WITHOUT_TARGET,
    )


def promised_retention(targets: Sequence[Target], kind: Kind) -> timedelta | None:
    """How far back the document promises that a subject of that kind can be restored."""
    return max(
        (
            target.objective.at_least
            for target in targets
            if isinstance(target.objective, Retention) and kind in target.covers
        ),
        default=None,
    )


def allowed_loss(targets: Sequence[Target], kind: Kind) -> timedelta | None:
    """The strictest RPO of a subject of that kind; None where no target says one."""
    return min(
        (
            target.objective.at_most
            for target in targets
            if isinstance(target.objective, RecoveryPoint) and kind in target.covers
        ),
        default=None,
    )


def _blast_radius(trials: Sequence[Trial], *, inflicts: bool) -> Iterator[str]:
    yield "reads the backups of every subject, in both regions"
    yield (
        "writes only below a scratch directory of its own and to loopback ports of its own; "
        "scratch servers never archive, and are removed"
    )
    lost = sorted({s for trial in trials if trial.loss is Loss.INFLICTED for s in trial.subjects})
    if lost:
        yield f"kills and takes away, then gives back: {', '.join(lost)}"
    if inflicts and any(trial.primary_region_dead for trial in trials):
        yield "kills the primary region's object store, then starts it again"
    if not inflicts:
        yield "breaks nothing: losses are assumed at an instant, the subjects are left alone"


def _expectations(targets: Sequence[Target], subjects: Sequence[Subject]) -> Iterator[str]:
    """What the documented numbers alone predict; printed beside what is measured."""
    for kind in sorted({subject.kind for subject in subjects}):
        allowed = allowed_loss(targets, kind)
        schedules = [
            target.objective.every
            for target in targets
            if isinstance(target.objective, BackupFrequency) and kind in target.covers
        ]
        if allowed is not None and schedules and min(schedules) > allowed:
            shipped = "archived WAL" if kind is Kind.POSTGRESQL else "shipped AOF"
            yield (
                f"{kind}: a backup every {show_duration(min(schedules))} alone may lose "
                f"{show_duration(min(schedules))} of writes; an RPO of "
                f"{show_duration(allowed)} can hold only through {shipped}"
            )


def needs_ledger(plan: Plan) -> bool:
    """Whether the plan verifies against the ledger."""
    return Level.LEDGER in plan.verification.levels


def chooses_a_time(point: PointChoice) -> bool:
    """Whether a trial restores to a point in time rather than to the end of the archive."""
    return point is not PointChoice.LATEST
