"""Decides which targets a suite could answer in an environment, and how long it takes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from harness.coverage.answering import EndedRun, planned_scenarios
from harness.coverage.unchecked import no_check
from harness.model.configuration import RestoreTest
from harness.model.conformance import Conformance, ConformancePlan
from harness.model.coverage import Drill
from harness.model.game_day import GameDay, GameDayPlan, Way
from harness.model.load_profile import Profile
from harness.model.load_test import Drive, Fill, LoadPlan, LoadTest, Search
from harness.model.plan import Plan, RunPlan, answerable, answers, subjects
from harness.model.suite import Suite
from harness.model.target import (
    AutoscalerRange,
    AutoscalerUtilization,
    Integrity,
    Kind,
    QualityOfService,
    Quota,
    RecoveryPoint,
    RecoveryTime,
    Replicas,
    Target,
)
from harness.suites import Rehearsed

WITHOUT_RTO = timedelta(hours=1)
"""How long one recovery is waited for where no target says an RTO (harness.drill.plan)."""

RESTORE_FACTOR = 2
"""A recovery is given up at twice its RTO (harness.drill.plan)."""

AROUND_A_TRIAL = timedelta(minutes=5)
"""Steady state, fault, rollback and comparison of a game day's trial (harness.cli.drilling)."""

AROUND_A_DRIVE = timedelta(minutes=10)
"""As harness.drill.load_plan.longest has it; a filling takes no longer."""

PROBES = 12
"""Rates that a search tries for one number of replicas (harness.drill.load_plan.longest)."""

AROUND_A_PROBE = timedelta(seconds=10)

OF_A_CONFORMANCE_CHECK = timedelta(minutes=10)
"""Assumed until one was run: it reads, and waits for nothing but timeouts."""

_KIND_OF_WAY = {
    Way.POSTGRESQL_NEW: Kind.POSTGRESQL,
    Way.POSTGRESQL_KEPT: Kind.POSTGRESQL,
    Way.POSTGRESQL_READ: Kind.POSTGRESQL,
    Way.REDIS_SHARD: Kind.REDIS,
    Way.HTTP: Kind.SERVICE,
    Way.PUBSUB: Kind.BROKER,
    Way.API: Kind.KUBERNETES,
}

_OF_SETTINGS = (Quota, QualityOfService, Replicas, AutoscalerRange, AutoscalerUtilization)
"""What a load test reads off the cluster without sending anything."""

_OF_RESTORES = (RecoveryTime, RecoveryPoint, Integrity)
"""What is left of a suite of restores that does not check the backups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What an environment allows to be tried there."""

    name: str
    restores: bool
    """It has subjects whose backups can be restored."""

    cluster: bool
    """It has a cluster."""


def drills(
    suites: Sequence[Rehearsed],
    grounds: Sequence[Ground],
    targets: Sequence[Target],
    runs: Sequence[EndedRun],
    profiles: Mapping[str, Profile],
) -> tuple[Drill, ...]:
    """Every suite in every environment that allows it and where it could answer something.

    `runs`, oldest first, tell what is there and how long it took; `profiles` are those of the load
    tests, by name.
    """
    found = []
    for suite in suites:
        for ground in grounds:
            if not (ground.restores if isinstance(suite, Suite) else ground.cluster):
                continue
            alike = [
                run for run in runs if run.run.environment == ground.name and _alike(suite, run)
            ]
            plan = alike[-1].plan if alike else None
            answered = tuple(one.id for one in targets if could_answer(suite, one, plan))
            if answered:
                of_suite = [run for run in alike if run.run.suite == suite.suite]
                takes, basis = _takes(suite, of_suite, targets, profiles)
                found.append(
                    Drill(
                        suite=suite.suite,
                        environment=ground.name,
                        takes=takes,
                        basis=basis,
                        answers=answered,
                    )
                )
    return tuple(found)


def _alike(suite: Rehearsed, run: EndedRun) -> bool:
    """Whether the run looked at what the suite would look at: so it tells what is there."""
    if isinstance(suite, LoadTest):
        return isinstance(run.plan, LoadPlan) and run.plan.workload.id == suite.workload
    return isinstance(run.plan, _plan_of(suite))


def could_answer(suite: Rehearsed, target: Target, plan: RunPlan | None) -> bool:
    """Whether a run of the suite could show the target to be met or missed.

    `plan`: of an earlier run of its kind in the environment, which tells what is there; None:
    there was none, and what the suite's file says is all that is known.
    """
    if no_check(target) is not None:
        return False
    if isinstance(target.objective, RestoreTest):
        return isinstance(suite, Suite)
    if not answers(_plan_of(suite), target.objective) or not _tries(suite, target):
        return False
    if plan is None:
        return True
    if isinstance(plan, Plan | GameDayPlan) and not set(subjects(plan).values()) & set(
        target.covers
    ):
        return False
    return bool(answerable(msgspec.structs.replace(plan, targets=(target,))))


def _plan_of(suite: Rehearsed) -> type[RunPlan]:
    match suite:
        case Suite():
            return Plan
        case GameDay():
            return GameDayPlan
        case LoadTest():
            return LoadPlan
        case Conformance():
            return ConformancePlan


def _tries(suite: Rehearsed, target: Target) -> bool:
    """Whether a scenario of it touches what the target covers."""
    covered = set(target.covers)
    match suite:
        case Suite():
            if not suite.check_backups and not isinstance(target.objective, _OF_RESTORES):
                return False
            return any(covered & set(scenario.covers) for scenario in suite.scenarios)
        case GameDay():
            return any(
                _KIND_OF_WAY[way] in covered for one in suite.experiments for way in one.ways
            )
        case LoadTest():
            driven = any(not isinstance(one, Fill) for one in suite.scenarios)
            return driven or isinstance(target.objective, _OF_SETTINGS)
        case Conformance():
            return True


def _scenarios(suite: Rehearsed) -> set[str]:
    match suite:
        case GameDay():
            return {one.id for one in suite.experiments}
        case Conformance():
            return set(suite.looks)
        case Suite() | LoadTest():
            return {one.id for one in suite.scenarios}


def _takes(
    suite: Rehearsed,
    runs: Iterable[EndedRun],
    targets: Sequence[Target],
    profiles: Mapping[str, Profile],
) -> tuple[timedelta, str]:
    """The shortest run of all of it, so that a debt is never told too large; else its longest."""
    whole = [
        run for run in runs if run.whole and _scenarios(suite) <= set(planned_scenarios(run.plan))
    ]
    if whole:
        shortest = min(whole, key=lambda run: run.ended - run.run.started)
        return shortest.ended - shortest.run.started, f"as run {shortest.run.run}"
    if isinstance(suite, Conformance):
        return OF_A_CONFORMANCE_CHECK, "assumed: it was not run as a whole yet"
    return longest(suite, targets, profiles), "at the longest: it was not run as a whole yet"


def longest(
    suite: Suite | GameDay | LoadTest,
    targets: Sequence[Target],
    profiles: Mapping[str, Profile],
) -> timedelta:
    """How long a suite may take by its own limits: deadlines, watches, profiles and rests."""
    rtos = [one.objective.at_most for one in targets if isinstance(one.objective, RecoveryTime)]
    given_up = max(rtos, default=WITHOUT_RTO / RESTORE_FACTOR) * RESTORE_FACTOR
    return sum(_parts(suite, given_up, profiles), timedelta())


def _parts(
    suite: Suite | GameDay | LoadTest, given_up: timedelta, profiles: Mapping[str, Profile]
) -> Iterator[timedelta]:
    match suite:
        case Suite():
            for scenario in suite.scenarios:
                at_a_time = 1 if scenario.together else len(scenario.covers)
                yield given_up * scenario.trials * at_a_time
        case GameDay():
            for one in suite.experiments:
                watched = max(one.watch or given_up, one.observe)
                yield (watched + one.control_period + one.pause + AROUND_A_TRIAL) * one.trials
        case LoadTest():
            for part in suite.scenarios:
                match part:
                    case Drive():
                        profile = profiles.get(part.profile)
                        lasts = timedelta() if profile is None else profile.lasts
                        yield AROUND_A_DRIVE + part.settle + lasts
                    case Search():
                        probe = part.probe + part.rest + AROUND_A_PROBE
                        yield probe * PROBES * len(part.replicas)
                    case Fill():
                        yield AROUND_A_DRIVE
