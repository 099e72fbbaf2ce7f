"""Decides the trials of a game day: suite + experiments + targets + a cluster as read -> a plan.

Pure: what it knows of the cluster it is given.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from harness.drill.blast_radius import bounds_of, line_of
from harness.drill.experiment_document import Activity, activities, declared_rights
from harness.drill.plan import DEADLINE_FACTOR, DEADLINE_WITHOUT_TARGET
from harness.drill.prediction import predict
from harness.drill.strike import Strike
from harness.drill.strikes import strikes_of
from harness.errors import InputError
from harness.faults.rights import rights_of
from harness.model.cluster import Identity
from harness.model.cluster_settings import ClusterSettings
from harness.model.game_day import (
    Experiment,
    ExperimentTrial,
    GameDay,
    GameDayPlan,
    Way,
    ways_of,
)
from harness.model.target import RecoveryTime, Target
from harness.model.workload import (
    BrokerWorkload,
    PostgresqlWorkload,
    RedisWorkload,
    Workload,
)

Document = Mapping[str, Any]
"""A Chaos Toolkit experiment as its file has it."""

_KIND_OF_ROLE: dict[str, tuple[type, ...]] = {
    "primary": (PostgresqlWorkload,),
    "master": (RedisWorkload, BrokerWorkload),
    "replica": (PostgresqlWorkload, RedisWorkload),
}


def make_game_day_plan(  # noqa: PLR0913 - the inputs of a plan
    *,
    suite: GameDay,
    experiments: Mapping[str, tuple[str, Document]],
    targets: Sequence[Target],
    environment: str,
    cluster: Identity,
    workloads: Sequence[Workload],
    settings: ClusterSettings | None,
    seed: int,
    only: Sequence[str] = (),
) -> GameDayPlan:
    """The plan of one game day; equal arguments give an equal plan.

    `experiments` holds the SHA-256 and the content of each file that the suite names, by the name
    that it calls it. `only` names the experiments to keep, all where it is empty; what is drawn for
    a trial is the same with and without it. Raises InputError where one is unknown, where one aims
    at what the environment does not have, or uses an action whose rights are not known.
    """
    chosen = _selected(suite, only)
    used: dict[str, tuple[Activity, ...]] = {}
    struck: dict[str, tuple[Strike, ...]] = {}
    for one in chosen:
        _, document = _file(one, experiments)
        used[one.id] = activities(document, one.configuration, name=one.id)
        struck[one.id] = strikes_of(used[one.id], name=one.id)
        _refuse_what_nobody_serves(one, used[one.id], struck[one.id], environment, workloads)
    rights = rights_of(
        used,
        workloads,
        {one.id: declared_rights(_file(one, experiments)[1]) for one in chosen},
    )
    return GameDayPlan(
        suite=suite.suite,
        title=suite.title,
        environment=environment,
        cluster=cluster,
        sustained=suite.sustained,
        steady=suite.steady,
        caps=suite.caps,
        workloads=tuple(workloads),
        targets=tuple(targets),
        trials=tuple(
            trial
            for one in chosen
            for trial in _trials(
                one,
                _file(one, experiments)[0],
                used[one.id],
                struck[one.id],
                targets,
                environment,
                workloads,
                settings,
                seed,
            )
        ),
        opening=suite.opening,
        closing=suite.closing,
        blast_radius=(
            *(
                f"{one.id}: {line_of(strike, workloads, settings)}"
                for one in chosen
                for strike in struck[one.id]
            ),
            *(
                f"{one.id}: {_rehearsed(restore)}"
                for one in chosen
                for restore in _restores(used[one.id])
            ),
            *bounds_of(suite.caps),
        ),
        rights=tuple(str(right) for right in rights),
    )


def _selected(suite: GameDay, only: Sequence[str]) -> tuple[Experiment, ...]:
    known = [one.id for one in suite.experiments]
    unknown = sorted(set(only) - set(known))
    if unknown:
        raise InputError(
            f"experiment: got {', '.join(unknown)}, expected of {suite.suite}: {', '.join(known)}"
        )
    return tuple(one for one in suite.experiments if not only or one.id in only)


def _file(one: Experiment, experiments: Mapping[str, tuple[str, Document]]) -> tuple[str, Document]:
    if one.experiment not in experiments:
        known = ", ".join(sorted(experiments)) or "none"
        raise InputError(
            f"experiment {one.id}: got file {one.experiment!r}, expected one of experiments/: "
            f"{known}",
            hint="ls experiments",
        )
    return experiments[one.experiment]


def _refuse_what_nobody_serves(
    one: Experiment,
    used: Sequence[Activity],
    strikes: Sequence[Strike],
    environment: str,
    workloads: Sequence[Workload],
) -> None:
    """A workload that is not there, or not of the kind that has what is aimed at."""
    by_id = {workload.id: workload for workload in workloads}
    known = ", ".join(by_id) or "none"
    for activity in used:
        for argument in ("workload", "dependency"):
            wanted = activity.arguments.get(argument, "")
            if activity.is_ours and wanted and wanted not in by_id:
                raise InputError(
                    f"experiment {one.id}: {activity.name}: {argument}: got {wanted!r}, expected "
                    f"one of {environment}: {known}",
                    hint=f"harness plan SUITE -e {environment} --only ...  # leave it out",
                )
    for strike in strikes:
        kinds = _KIND_OF_ROLE.get(strike.role)
        aimed = by_id.get(strike.workload)
        if kinds is not None and not isinstance(aimed, kinds):
            what = f"workload {aimed.id}" if aimed is not None else "no workload"
            raise InputError(
                f"experiment {one.id}: aims at a {strike.role} of {what}, expected a workload of "
                f"{environment} that has one: "
                + (", ".join(w.id for w in workloads if isinstance(w, kinds)) or "none has")
            )


def _trials(  # noqa: PLR0913 - the inputs of a trial
    one: Experiment,
    digest: str,
    used: Sequence[Activity],
    strikes: Sequence[Strike],
    targets: Sequence[Target],
    environment: str,
    workloads: Sequence[Workload],
    settings: ClusterSettings | None,
    seed: int,
) -> Iterator[ExperimentTrial]:
    ways = _ways(one, environment, workloads)
    prediction = predict(strikes, ways, workloads, targets, settings)
    for number in range(1, one.trials + 1):
        trial = f"{one.id}-{number}"
        # By its own name: leaving other experiments out changes nothing of it.
        draw = random.Random(f"{seed} {trial}")  # noqa: S311 - repeatable on purpose; no secret
        yield ExperimentTrial(
            id=trial,
            scenario=one.id,
            title=one.title,
            experiment=one.experiment,
            digest=digest,
            configuration=dict(one.configuration),
            ways=ways,
            observe=one.observe,
            watch=one.watch if one.watch is not None else _watch(targets, workloads),
            pause=one.pause,
            delay=one.control_period * draw.random(),
            seed=draw.getrandbits(32),
            manual=one.manual,
            rolls_out=tuple(dict.fromkeys(_rolled_out(used))),
            rehearses=tuple(
                rehearsal.arguments.get("scenario", "") for rehearsal in _restores(used)
            ),
            expected=prediction.expected,
            unpredicted=prediction.unpredicted,
        )


def _restores(used: Sequence[Activity]) -> Iterator[Activity]:
    """The actions that rehearse a restore meanwhile."""
    yield from (one for one in used if one.is_ours and one.action and one.function == "rehearse")


def _rolled_out(used: Sequence[Activity]) -> Iterator[str]:
    """The workloads of which an experiment brings another version."""
    for one in used:
        if one.is_ours and one.action and one.function == "change_rollout":
            yield one.arguments.get("workload", "")


def _rehearsed(restore: Activity) -> str:
    asked = restore.arguments
    return (
        f"restore {asked.get('scenario', '')} rehearsed by a Job of cronjob "
        f"{asked.get('namespace', '')}/{asked.get('cronjob', '')}, on scratch servers; then deleted"
    )


def _ways(one: Experiment, environment: str, workloads: Sequence[Workload]) -> tuple[Way, ...]:
    """Those that are asked for; where all are, those that there are."""
    there = {way for workload in workloads for way in ways_of(workload)} | {Way.API}
    lacking = [way for way in one.ways if way not in there]
    if lacking and set(one.ways) != set(Way):
        raise InputError(
            f"experiment {one.id}: ways: got {', '.join(lacking)}, expected of {environment}: "
            f"{', '.join(way for way in Way if way in there)}"
        )
    ways = tuple(way for way in one.ways if way in there)
    if not ways:
        raise InputError(f"experiment {one.id}: ways: got none, expected one that must recover")
    return ways


def _watch(targets: Sequence[Target], workloads: Sequence[Workload]) -> timedelta:
    """Twice the longest RTO: by then each is missed beyond doubt."""
    kinds = {workload.target_kind for workload in workloads}
    return max(
        (
            target.objective.at_most * DEADLINE_FACTOR
            for target in targets
            if isinstance(target.objective, RecoveryTime) and kinds & set(target.covers)
        ),
        default=DEADLINE_WITHOUT_TARGET,
    )
