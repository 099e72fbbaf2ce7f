"""The cluster of a load test, for conduct: what holds, injects, watches and fills."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np

from harness.capacity.percentiles import injection_of
from harness.chaos.supervisor import ExperimentProcess
from harness.cli.cluster_ground import ClusterGround
from harness.drivers.autoscaling import controller_of
from harness.drivers.clock import HostClock
from harness.errors import HarnessError, InputError, SurroundingsError
from harness.faults import self_heal
from harness.load import driver
from harness.load.config import HttpRequest
from harness.load.filling import fill
from harness.load.holding import Holding
from harness.load.injected import Injected
from harness.load.pods import inject_from_pods
from harness.load.profiles import unchanged
from harness.load.timeline import TimelineProcess, timeline_config
from harness.model.cluster import Snapshot
from harness.model.game_day import ExperimentTrial
from harness.model.history import (
    GuardsChecked,
    LoadInjected,
    QuotasFilled,
    ReplicasHeld,
    RolledBack,
)
from harness.model.load_judgement import Injection
from harness.model.load_test import LoadPlan
from harness.model.sample import DTYPE
from harness.model.workload import HttpWorkload
from harness.ports import Load, LoadProgress
from harness.probes.resolving import service_address
from harness.store import RunDirectory

_STOPS_WITHIN_S = 60.0
_LASTS = timedelta(hours=3)
"""After it, whoever finds the hold of an autoscaler gives it back: longer than any search."""


class ClusterLoadGround:
    """ports.LoadGround on a real cluster."""

    def __init__(
        self, plan: LoadPlan, ground: ClusterGround, directory: Path, run: RunDirectory
    ) -> None:
        """`directory`: a place of the harness, where processes work."""
        self._plan = plan
        self._ground = ground
        self._directory = directory
        self._run = run
        self._holdings: dict[str, Holding] = {}

    def guards(self, trial: str) -> GuardsChecked:
        """As a drill's: on a cluster that lacks something, capacity says nothing."""
        return self._ground.check_guards(trial)

    def snapshot(self) -> Snapshot:
        """As the API has it."""
        return self._ground.snapshot()

    def begin_timeline(self, trial: str) -> TimelineProcess:
        """In a process of its own, that no load can make late."""
        plan, cluster = self._plan, self._ground.cluster
        place = self._directory / f"timeline-{trial}"
        place.mkdir()
        config = timeline_config(
            trial,
            self._ground.access,
            plan.workload,
            controller_of(cluster, plan.workload),
            plan.autoscaler,
            plan.timings,
            self._run.observations,
        )
        return TimelineProcess(trial, config, place)

    def hold(self, trial: str, replicas: int) -> ReplicasHeld:
        """By the autoscaler where there is one; what it was is written down before."""
        if trial not in self._holdings:
            autoscaler = self._plan.autoscaler
            self._holdings[trial] = Holding(
                self._ground.cluster,
                self._plan.workload,
                autoscaler.name if autoscaler is not None else None,
                self_heal.declaring(
                    self._ground.healing.intents,
                    run=self._run.path.name,
                    trial=trial,
                    environment=self._plan.environment,
                    cluster_uid=self._plan.cluster.uid,
                    lasts=_LASTS,
                ),
                HostClock(),
            )
        return self._holdings[trial].hold(trial, replicas)

    def begin_load(self, trial: str, step: str, load: Load, *, replicas: int | None) -> LoadThread:
        """By Locust: in processes below the directory, or in pods."""
        name = f"{trial}-{step}" if step else trial
        return LoadThread(
            self._from_pods(load, name) if load.from_pods else self._from_here(load, name),
            partial(_fact, trial, step, load, replicas),
        )

    def _from_here(self, load: Load, name: str) -> Callable[..., Injected]:
        workload = self._plan.workload
        place = self._directory / f"load-{name}"
        place.mkdir()
        return partial(
            driver.inject,
            request_of(workload, service_address(self._ground.cluster, workload, workload.service)),
            load.profile,
            peak=load.peak,
            seed=load.seed,
            workers=load.workers,
            directory=place,
            samples=self._run.observations,
            name=name,
            locustfile=None if load.locustfile is None else unchanged(load.locustfile),
        )

    def _from_pods(self, load: Load, name: str) -> Callable[..., Injected]:
        """They are asked to use the Service by its name, as its clients do."""
        workload, pods = self._plan.workload, self._plan.pods
        if pods is None:
            raise InputError("the plan does not say from which pods a load is injected")
        return partial(
            inject_from_pods,
            request_of(workload, f"{workload.service}.{workload.namespace}.svc"),
            load,
            cluster=self._ground.cluster,
            pods=pods,
            run=self._run.path.name,
            samples=self._run.observations,
            name=name,
        )

    def measured(self, injected: LoadInjected) -> Injection:
        """From the samples on disk."""
        files = [self._run.read_sample_file(name) for name in injected.samples]
        samples = np.concatenate(files) if files else np.empty(0, dtype=DTYPE)
        return injection_of(samples, injected)

    def begin_experiment(self, trial: ExperimentTrial) -> ExperimentProcess:
        """As a drill's."""
        return self._ground.begin_experiment(trial)

    def fill(self, trial: str, tell: Callable[[str], None]) -> QuotasFilled:
        """On a control plane of its own, with fake nodes; nothing of the cluster is touched."""
        place = self._directory / "fill"
        place.mkdir()
        done = fill(self._plan.settings, self._plan.targets, place, tell)
        return QuotasFilled(
            trial=trial,
            nodes=done.nodes,
            node_cores=done.node_cores,
            node_memory=done.node_memory,
            filled=done.filled,
            error=done.error,
        )

    def undo_left_over(self) -> tuple[RolledBack, ...]:
        """As a drill's; a hold is written down as a fault is."""
        self._holdings.clear()
        return self._ground.undo_left_over()

    def whole(self) -> tuple[str, ...]:
        """As a drill's."""
        return self._ground.whole()


class LoadThread:
    """ports.RunningLoad: waits for the processes that inject, in a thread of this one."""

    def __init__(
        self, inject: Callable[..., Injected], fact: Callable[[Injected], LoadInjected]
    ) -> None:
        """Begins at once."""
        self._stopped = threading.Event()
        self._progress: LoadProgress | None = None
        self._injected: LoadInjected | None = None
        self._failure: HarnessError | None = None
        self._inject = inject
        self._fact = fact
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._thread.start()

    def progress(self) -> LoadProgress | None:
        """As the workers last said."""
        return self._progress

    def ended(self) -> LoadInjected | None:
        """None while it goes on; an error of the driver is raised here."""
        if self._thread.is_alive():
            return None
        if self._failure is not None:
            raise self._failure
        return self._injected

    def stop(self) -> LoadInjected:
        """Ends it; SurroundingsError where that takes longer than a minute."""
        self._stopped.set()
        self._thread.join(_STOPS_WITHIN_S)
        injected = self.ended()
        if injected is None:
            raise SurroundingsError("the processes that inject do not end", hint="harness recover")
        return injected

    def _run(self) -> None:
        try:
            injected = self._inject(
                should_stop=lambda: "stopped" if self._stopped.is_set() else None,
                progress=self._take,
            )
            self._injected = self._fact(injected)
        except HarnessError as error:
            self._failure = error

    def _take(self, progress: LoadProgress) -> None:
        self._progress = progress


def _fact(
    trial: str, step: str, load: Load, replicas: int | None, injected: Injected
) -> LoadInjected:
    rates = {stage.rate for stage in load.profile.stages} | {
        stage.end_rate for stage in load.profile.stages
    }
    return LoadInjected(
        trial=trial,
        step=step,
        began=injected.began,
        scheduled=injected.scheduled,
        lasts_s=load.profile.lasts.total_seconds(),
        rate=load.peak * rates.pop() if len(rates) == 1 and not injected.closed_loop else None,
        workers=load.workers,
        samples=injected.samples,
        lost_workers=injected.lost_workers,
        generator_cpu_s=injected.generator_cpu_s,
        closed_loop=injected.closed_loop,
        replicas=replicas,
        error=injected.error,
    )


def request_of(workload: HttpWorkload, address: str) -> HttpRequest:
    """What is sent to a service, at its Service's address."""
    return HttpRequest(
        host=address,
        port=workload.port,
        path=workload.path,
        method=workload.method,
        headers={
            "Host": f"{workload.service}.{workload.namespace}.svc",
            **({"Content-Type": "application/json"} if workload.body is not None else {}),
        },
        body=workload.body,
        expect_status=workload.expect_status,
        expect_body=workload.expect_body,
        tls=workload.tls,
        ca_file=workload.ca_file,
    )
