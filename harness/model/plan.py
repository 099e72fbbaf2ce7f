"""Plans: the ordered trials of one run, decided before anything is touched."""

from __future__ import annotations

from datetime import timedelta
from fnmatch import fnmatch

import msgspec

from harness.model.configuration import CONFIGURATION
from harness.model.conformance import ConformancePlan
from harness.model.game_day import GameDayPlan
from harness.model.load_test import LoadPlan
from harness.model.subject import Region, Subject
from harness.model.suite import Loss, PointChoice, Verification
from harness.model.target import (
    LOAD,
    Kind,
    Objective,
    RecoveryPoint,
    RecoveryTime,
    Replicas,
    Target,
    TrafficSwitch,
    Volume,
)
from harness.model.workload import KUBERNETES


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Trial(_Value, frozen=True, kw_only=True):
    """One execution of a scenario."""

    id: str
    """`<scenario>-<subject or all>-<n>`; names files of the run directory."""

    scenario: str
    title: str
    subjects: tuple[str, ...]
    """Ids; more than one are restored at once."""

    point: PointChoice
    region: Region
    loss: Loss
    primary_region_dead: bool
    deadline: timedelta
    """When a restore that has not recovered is given up and counted as a miss (2 x the RTO)."""

    seed: int
    """Drawn once for the plan; decides the random second."""


class Plan(_Value, frozen=True, kw_only=True, tag_field="plan", tag="restores"):
    """All that `conduct` needs, and all that the judges need beside the history."""

    suite: str
    environment: str
    check_backups: bool
    sustained: timedelta
    verification: Verification
    subjects: tuple[Subject, ...]
    targets: tuple[Target, ...]
    trials: tuple[Trial, ...]
    blast_radius: tuple[str, ...]
    """In words: what will be touched, printed by `harness plan`."""

    expectations: tuple[str, ...] = ()
    """What the settings predict, beside which the measurement is printed."""

    def subject(self, subject_id: str) -> Subject:
        """The subject of that id; KeyError where the plan has none."""
        for subject in self.subjects:
            if subject.id == subject_id:
                return subject
        raise KeyError(subject_id)


RunPlan = Plan | GameDayPlan | LoadPlan | ConformancePlan
"""What a run's plan.json holds; its field `plan` says which."""


def subjects(plan: RunPlan) -> dict[str, Kind]:
    """Every subject of a plan with its kind, in its order: what can be restored, or what clients
    use and the Kubernetes API, which every cluster has; of a load test the service that is driven.
    """
    if isinstance(plan, Plan):
        return {subject.id: subject.kind for subject in plan.subjects}
    served = (plan.workload,) if isinstance(plan, LoadPlan) else plan.workloads
    workloads = {workload.id: workload.target_kind for workload in served}
    return {**workloads, KUBERNETES: Kind.KUBERNETES}


def answers(plan: type[RunPlan], objective: Objective) -> bool:
    """Whether runs of such plans can show an objective of that kind to be met or missed.

    A volume is no promise to keep; a game day looks at recovery and at rollouts, not at
    backups; a load test at what is promised under load; a conformance check at how the
    platform is set up.
    """
    if plan is GameDayPlan:
        return isinstance(objective, RecoveryTime | RecoveryPoint | TrafficSwitch)
    if plan is LoadPlan:
        return isinstance(objective, LOAD)
    if plan is ConformancePlan:
        return isinstance(objective, CONFIGURATION)
    return not isinstance(objective, (Volume, TrafficSwitch, *LOAD, *CONFIGURATION))


def answerable(plan: RunPlan) -> tuple[Target, ...]:
    """The targets that a run of the plan can show to be met or missed."""
    return tuple(
        one
        for one in plan.targets
        if answers(type(plan), one.objective)
        and (not isinstance(plan, LoadPlan) or _is_here(one, plan.workload.namespace))
        and (not isinstance(plan, GameDayPlan) or _is_tried(one, plan))
    )


def _is_tried(target: Target, plan: GameDayPlan) -> bool:
    """Traffic is switched where a version is rolled out."""
    rolls_out = any(trial.rolls_out for trial in plan.trials)
    return rolls_out or not isinstance(target.objective, TrafficSwitch)


def _is_here(target: Target, namespace: str) -> bool:
    """A number of replicas is promised of one environment's namespaces."""
    objective = target.objective
    return not isinstance(objective, Replicas) or fnmatch(namespace, objective.namespaces)
