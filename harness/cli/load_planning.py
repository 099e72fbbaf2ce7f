"""Loads what a load test's plan is made of, asks the cluster what it is, and makes the plan."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from harness.capacity.expectations import expect, memory_share
from harness.cli.game_day_planning import kubernetes_of, read_experiments
from harness.drill.load_plan import Surroundings, make_load_plan
from harness.drivers.autoscaling import (
    read_autoscaler,
    read_timings,
    read_usages,
    version_of,
)
from harness.drivers.capacity_settings import read_capacity
from harness.drivers.cluster_settings import read_settings
from harness.drivers.kubernetes import Cluster
from harness.errors import InputError, SurroundingsError
from harness.load.profiles import load_locustfiles, load_profiles
from harness.model.autoscaling import AutoscalerSettings, Timings
from harness.model.cluster import ClusterAccess
from harness.model.load_test import Baseline, Drive, LoadPlan, LoadTest
from harness.model.quota import CapacitySettings
from harness.model.workload import HttpWorkload
from harness.settings import Environment
from harness.store import RunDirectory
from harness.targets import load_drilled_targets


def load_plan_of(  # noqa: PLR0913 - what a plan is made of
    suite: LoadTest,
    name: str,
    environment: Environment,
    cluster: Cluster,
    access: ClusterAccess,
    *,
    targets: Path,
    experiments: Path,
    profiles: Path,
    seed: int,
    only: Sequence[str] = (),
    baseline: str | None = None,
) -> LoadPlan:
    """The plan of a load test: files and the cluster are read, nothing is touched.

    `baseline`: the run that it is compared with; None: the latest of this suite and environment
    that another version was tried in.
    """
    workload = _service(suite, environment)
    autoscaler = read_autoscaler(cluster, workload)
    capacity = read_capacity(cluster)
    timings = read_timings(cluster)
    version = version_of(cluster, workload)
    drives = [one for one in suite.scenarios if isinstance(one, Drive)]
    kubernetes = kubernetes_of(name, environment)
    return make_load_plan(
        suite=suite,
        profiles=load_profiles(profiles),
        locustfiles=load_locustfiles(
            (one.locustfile for one in drives if one.locustfile), profiles
        ),
        experiments=read_experiments([one.away for one in drives if one.away], experiments),
        targets=load_drilled_targets(targets),
        at=Surroundings(
            environment=name,
            cluster=access.identity,
            workload=workload,
            workloads=environment.workloads,
            settings=read_settings(
                cluster,
                environment.workloads,
                control_plane=kubernetes.control_plane,
            ),
            autoscaler=autoscaler,
            timings=timings,
            capacity=capacity,
            version=version,
        ),
        baseline=find_baseline(environment.runs, suite.suite, name, version, baseline),
        pods=kubernetes.load_pods,
        seed=seed,
        only=only,
        expectations=_expected(cluster, workload, autoscaler, timings, capacity, seed),
    )


def _expected(  # noqa: PLR0913 - what is known of it
    cluster: Cluster,
    workload: HttpWorkload,
    autoscaler: AutoscalerSettings | None,
    timings: Timings,
    capacity: CapacitySettings,
    seed: int,
) -> tuple[str, ...]:
    """What arithmetic says of the autoscaler, by what its pods ask for and use now."""
    claim = next(
        (
            one
            for one in capacity.claims
            if one.namespace == workload.namespace
            and one.controller == f"Deployment/{workload.deployment}"
        ),
        None,
    )
    if autoscaler is None or claim is None:
        return ()
    memory = None
    with contextlib.suppress(SurroundingsError):  # then it is said that memory is left out
        usages = read_usages(cluster, workload.namespace, workload.pods)
        memory = memory_share(usages, claim.containers)
    return expect(autoscaler, timings, claim.containers, seed=seed, memory=memory).lines


def find_baseline(
    runs: Path, suite: str, environment: str, version: str, named: str | None
) -> Baseline | None:
    """The run to compare with: the one that is named, else the latest whole one of the same suite
    and environment, of another version; None: there is none.
    """
    if named is not None:
        run = RunDirectory.find(named, runs)
        plan = run.read_plan()
        if not isinstance(plan, LoadPlan):
            raise InputError(f"baseline: {run.path.name} is no load test", hint=f"ls {runs}")
        return Baseline(run=str(run.path), version=plan.version)
    for path in sorted(runs.glob(f"*-{suite}-{environment}"), reverse=True):
        run = RunDirectory(path)
        if not run.verdict.is_file():
            continue
        plan = run.read_plan()
        if isinstance(plan, LoadPlan) and plan.version != version:
            return Baseline(run=str(run.path), version=plan.version)
    return None


def _service(suite: LoadTest, environment: Environment) -> HttpWorkload:
    for one in environment.workloads:
        if one.id == suite.workload and isinstance(one, HttpWorkload):
            return one
    served = ", ".join(one.id for one in environment.workloads if isinstance(one, HttpWorkload))
    raise InputError(
        f"suite {suite.suite}: workload: got {suite.workload!r}, expected a service of the "
        f"environment that answers HTTP: {served or 'it has none'}"
    )
