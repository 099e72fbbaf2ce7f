"""Decides the trials of a load test: suite + profiles + targets + a cluster as read -> a plan.

Pure: what it knows of the cluster it is given.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from harness.drill.game_day_plan import Document, make_game_day_plan
from harness.errors import InputError
from harness.faults.rights import parse_rights, rights_of_load_test
from harness.model.autoscaling import AutoscalerSettings, Timings
from harness.model.cluster import Identity
from harness.model.cluster_settings import ClusterSettings
from harness.model.game_day import Experiment, ExperimentTrial, GameDay, GameDayPlan
from harness.model.load_profile import Profile
from harness.model.load_test import (
    Baseline,
    Drive,
    Fill,
    LoadPlan,
    LoadPods,
    LoadScenario,
    LoadTest,
    LoadTrial,
    Locustfile,
    Search,
)
from harness.model.quantity import show_duration
from harness.model.quota import CapacitySettings
from harness.model.target import Target
from harness.model.workload import HttpWorkload, Workload

_HELD_LONGER = timedelta(minutes=5)
"""How much longer than its load an experiment that goes on meanwhile may last."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What is known of an environment: read, not decided."""

    environment: str
    cluster: Identity
    workload: HttpWorkload
    """The service that is driven."""

    workloads: tuple[Workload, ...]
    settings: ClusterSettings | None
    """For what experiments hit."""

    autoscaler: AutoscalerSettings | None
    timings: Timings
    capacity: CapacitySettings
    version: str


def make_load_plan(  # noqa: PLR0913 - the inputs of a plan
    *,
    suite: LoadTest,
    profiles: Mapping[str, Profile],
    experiments: Mapping[str, tuple[str, Document]],
    targets: Sequence[Target],
    at: Surroundings,
    baseline: Baseline | None,
    seed: int,
    only: Sequence[str] = (),
    expectations: Sequence[str] = (),
    locustfiles: Mapping[str, Locustfile] | None = None,
    pods: LoadPods | None = None,
) -> LoadPlan:
    """The plan of one load test; equal arguments give an equal plan.

    `profiles`, `experiments` and `locustfiles` are by the names that the suite calls them. `only`
    names the scenarios to keep, all where it is empty; what is drawn for a trial is the same with
    and without it. Raises InputError where a name is unknown, or a rate is said nowhere.
    """
    workload = at.workload
    chosen = _selected(suite, only)
    away = {
        one.id: _away(suite, one, profiles, experiments, targets, at, seed)
        for one in chosen
        if isinstance(one, Drive) and one.away is not None
    }
    return LoadPlan(
        suite=suite.suite,
        title=suite.title,
        environment=at.environment,
        cluster=at.cluster,
        workload=workload,
        workloads=at.workloads,
        caps=suite.caps,
        targets=tuple(targets),
        trials=tuple(
            _trial(one, workload, profiles, locustfiles or {}, away.get(one.id), seed=seed)
            for one in chosen
        ),
        pods=_pods(chosen, pods),
        autoscaler=at.autoscaler,
        timings=at.timings,
        settings=at.capacity,
        version=at.version,
        baseline=baseline,
        cost_per_core_hour=suite.cost_per_core_hour,
        cost_per_gibibyte_hour=suite.cost_per_gibibyte_hour,
        blast_radius=tuple(_blast_radius(chosen, workload, profiles, away)),
        rights=tuple(
            str(right)
            for right in rights_of_load_test(
                workload,
                held=any(_holds(one) for one in chosen),
                from_pods=any(isinstance(one, Drive) and one.from_pods for one in chosen),
                away=[
                    right
                    for plan in away.values()
                    for text in plan.rights
                    for right in parse_rights(text)
                ],
            )
        ),
        expectations=tuple(expectations),
    )


def longest(plan: LoadPlan) -> timedelta:
    """An upper bound of what the plan's conduct lasts, for a window in which it must end."""
    total = timedelta()
    for trial in plan.trials:
        match trial.scenario:
            case Drive(settle=settle):
                total += timedelta(minutes=10) + settle
                total += trial.profile.lasts if trial.profile is not None else timedelta()
            case Search() as search:
                probes = 12 * len(search.replicas)
                total += (search.probe + search.rest + timedelta(seconds=10)) * probes
            case Fill():
                total += timedelta(minutes=10)
    return total


def _selected(suite: LoadTest, only: Sequence[str]) -> tuple[LoadScenario, ...]:
    known = [one.id for one in suite.scenarios]
    unknown = sorted(set(only) - set(known))
    if unknown:
        raise InputError(
            f"scenario: got {', '.join(unknown)}, expected of {suite.suite}: {', '.join(known)}"
        )
    return tuple(one for one in suite.scenarios if not only or one.id in only)


def _trial(  # noqa: PLR0913 - the inputs of a plan
    one: LoadScenario,
    workload: HttpWorkload,
    profiles: Mapping[str, Profile],
    locustfiles: Mapping[str, Locustfile],
    away: GameDayPlan | None,
    *,
    seed: int,
) -> LoadTrial:
    # By its own name: leaving other scenarios out changes nothing of it.
    draw = random.Random(f"{seed} {one.id}")  # noqa: S311 - repeatable on purpose; no secret
    return LoadTrial(
        id=one.id,
        scenario=one,
        profile=_profile(one, profiles) if isinstance(one, Drive) else None,
        peak=_peak(one, workload),
        seed=draw.getrandbits(31),
        locustfile=locustfiles[one.locustfile]
        if isinstance(one, Drive) and one.locustfile is not None
        else None,
        away=_experiment_trial(away, one.id) if away is not None else None,
    )


def _experiment_trial(plan: GameDayPlan, trial: str) -> ExperimentTrial:
    """Its facts are the load's trial's."""
    (only,) = plan.trials
    return msgspec.structs.replace(only, id=trial)


def _profile(one: Drive, profiles: Mapping[str, Profile]) -> Profile:
    if one.profile not in profiles:
        raise InputError(
            f"scenario {one.id}: profile: got {one.profile!r}, expected one of loadtests/profiles: "
            f"{', '.join(sorted(profiles)) or 'none'}",
            hint="ls loadtests/profiles",
        )
    return profiles[one.profile]


def _pods(chosen: Sequence[LoadScenario], pods: LoadPods | None) -> LoadPods | None:
    wanting = [one.id for one in chosen if isinstance(one, Drive) and one.from_pods]
    if wanting and pods is None:
        raise InputError(
            f"scenario {wanting[0]}: from_pods: the environment does not say from which",
            hint='[environments.NAME.kubernetes.load_pods] image = "REGISTRY/harness:TAG"',
        )
    return pods if wanting else None


def _peak(one: LoadScenario, workload: HttpWorkload) -> float:
    """Requests per second that 1.0 of a profile is; a filling needs none."""
    match one:
        case Drive(peak=float() as peak):
            return peak
        case Drive(locustfile=str()):
            raise InputError(
                f"scenario {one.id}: peak: is not said, expected how many users of "
                f"{one.locustfile} there are at 1.0"
            )
        case Fill():
            return 0.0
        case Search(start_rate=float()):
            return workload.peak_rate or 0.0
        case _:
            if workload.peak_rate is None:
                raise InputError(
                    f"scenario {one.id}: peak: is said neither there nor by workload {workload.id}",
                    hint="peak_rate = 100.0 in the environment's workload, in requests per second",
                )
            return workload.peak_rate


def _away(  # noqa: PLR0913 - the inputs of a plan
    suite: LoadTest,
    one: Drive,
    profiles: Mapping[str, Profile],
    experiments: Mapping[str, tuple[str, Document]],
    targets: Sequence[Target],
    at: Surroundings,
    seed: int,
) -> GameDayPlan:
    """The experiment that goes on meanwhile, as a game day of one trial decides it."""
    return make_game_day_plan(
        suite=GameDay(
            suite=suite.suite,
            title=suite.title,
            experiments=(
                Experiment(
                    id=one.id,
                    title=one.title,
                    experiment=one.away or "",
                    watch=_profile(one, profiles).lasts + _HELD_LONGER,
                ),
            ),
            caps=suite.caps,
        ),
        experiments=experiments,
        targets=targets,
        environment=at.environment,
        cluster=at.cluster,
        workloads=at.workloads,
        settings=at.settings,
        seed=seed,
    )


def _holds(one: LoadScenario) -> bool:
    return isinstance(one, Search) or (isinstance(one, Drive) and one.replicas is not None)


def _blast_radius(
    chosen: Sequence[LoadScenario],
    workload: HttpWorkload,
    profiles: Mapping[str, Profile],
    away: Mapping[str, GameDayPlan],
) -> Iterator[str]:
    service = f"{workload.namespace}/{workload.service}"
    for one in chosen:
        match one:
            case Drive():
                profile = _profile(one, profiles)
                highest = max(max(stage.rate, stage.end_rate) for stage in profile.stages)
                rate = highest * _peak(one, workload)
                what = (
                    f"is sent up to {rate:g} requests per second for {show_duration(profile.lasts)}"
                    f"; what {workload.method} {workload.path} makes stays"
                    if one.locustfile is None
                    else f"has up to {rate:g} users of {one.locustfile} for "
                    f"{show_duration(profile.lasts)}; what they make stays"
                )
                yield f"{one.id}: {service} {what}"
                if one.replicas is not None:
                    yield f"{one.id}: its autoscaler is held at {one.replicas}, then as before"
                if one.id in away:
                    yield from away[one.id].blast_radius
            case Search():
                held = ", ".join(str(count) for count in one.replicas)
                yield (
                    f"{one.id}: {service} is held at {held} replicas, each loaded until it fails "
                    "its objectives, at the most twice what it holds; then as before"
                )
            case Fill():
                yield f"{one.id}: nothing of the cluster; a control plane and fake nodes of its own"
