"""Loads what a game day's plan is made of, asks the cluster what it is, and makes the plan."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from harness.drill.game_day_plan import make_game_day_plan
from harness.drivers.cluster_settings import read_settings
from harness.drivers.kubernetes import Cluster
from harness.errors import InputError
from harness.faults.rights import Right, parse_rights, render_rbac
from harness.model.cluster import ClusterAccess
from harness.model.game_day import GameDay, GameDayPlan
from harness.model.load_test import LoadPlan
from harness.settings import Environment, Kubernetes
from harness.targets import load_drilled_targets


def kubernetes_of(name: str, environment: Environment) -> Kubernetes:
    """The cluster of an environment; InputError where it has none, or no workloads."""
    if environment.kubernetes is None or not environment.workloads:
        raise InputError(
            f"{name}: has no cluster with workloads, expected both for a game day or a load test",
            hint="docs/game-days.md says how an environment names them",
        )
    return environment.kubernetes


def connect(kubernetes: Kubernetes) -> tuple[Cluster, ClusterAccess]:
    """The cluster of an environment, by its context; whether it is the right one is asked later.

    Raises InputError where the kubeconfig has no such context, SurroundingsError where the API does
    not answer.
    """
    kubeconfig = kubernetes.kubeconfig.expanduser()
    cluster = Cluster.connect(kubeconfig, kubernetes.context)
    return cluster, ClusterAccess(
        kubeconfig=kubeconfig,
        identity=cluster.identity(),
        provider=kubernetes.nodes,
        helper_image=kubernetes.helper_image,
    )


def plan_of(  # noqa: PLR0913 - what a plan is made of
    suite: GameDay,
    name: str,
    environment: Environment,
    cluster: Cluster,
    access: ClusterAccess,
    *,
    targets: Path,
    experiments: Path,
    seed: int,
    only: Sequence[str] = (),
) -> GameDayPlan:
    """The plan of a game day: files and the cluster are read, nothing is touched."""
    return make_game_day_plan(
        suite=suite,
        experiments=read_experiments([one.experiment for one in suite.experiments], experiments),
        targets=load_drilled_targets(targets),
        environment=name,
        cluster=access.identity,
        workloads=environment.workloads,
        settings=read_settings(
            cluster,
            environment.workloads,
            control_plane=kubernetes_of(name, environment).control_plane,
        ),
        seed=seed,
        only=only,
    )


def read_experiments(
    names: Sequence[str], directory: Path
) -> Mapping[str, tuple[str, Mapping[str, Any]]]:
    """Each of these experiments: its digest (SHA-256) and its content.

    Raises InputError where a file is not there, or is no mapping.
    """
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for name in dict.fromkeys(names):
        path = directory / f"{name}.yaml"
        try:
            content = path.read_bytes()
            document = yaml.safe_load(content)
        except OSError as error:
            raise InputError(
                f"experiment {name}: {path}: {error.strerror}", hint=f"ls {directory}"
            ) from error
        except yaml.YAMLError as error:
            raise InputError(f"{path}: not YAML: {error}") from error
        try:
            mapping = msgspec.convert(document, dict[str, Any])
        except msgspec.ValidationError as error:
            raise InputError(f"{path}: {error}") from error
        found[name] = (hashlib.sha256(content).hexdigest(), mapping)
    return found


def roles_of(plan: GameDayPlan | LoadPlan, account: str) -> str:
    """The Kubernetes roles that an account needs for exactly this plan, as YAML."""
    return render_rbac(_rights(plan), account)


def missing_rights(plan: GameDayPlan | LoadPlan, cluster: Cluster) -> tuple[str, ...]:
    """What the plan needs and this account may not do: asked of the API, right by right."""
    return tuple(
        str(right)
        for right in _rights(plan)
        if not cluster.allowed(
            right.verb, right.group, right.resource, right.subresource, right.namespace
        )
    )


def _rights(plan: GameDayPlan | LoadPlan) -> list[Right]:
    return [right for text in plan.rights for right in parse_rights(text)]
