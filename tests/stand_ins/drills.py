"""The means of an experiment's process, on an API and machines in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from kubernetes_api import UID, Object, StandInApi, pod
from machines import StandInMachines

from harness.chaos.context import ExperimentConfig
from harness.chaos.injector import Injector
from harness.drivers.clock import HostClock
from harness.faults.mirror import mirrored
from harness.model.cluster import ClusterAccess, Identity
from harness.model.game_day import Caps
from harness.model.history import Event
from harness.model.workload import BrokerWorkload, HttpWorkload, PostgresqlWorkload, RedisWorkload

EXPERIMENTS = Path(__file__).parents[2] / "experiments"

ORDERS = PostgresqlWorkload(
    id="orders", namespace="data", pods="app=orders", container="postgresql", service="orders"
)
CARTS = RedisWorkload(id="carts", namespace="data", pods="app=carts", service="carts")
EVENTS = BrokerWorkload(id="events", namespace="data", pods="app=events", service="events")
CHECKOUT = HttpWorkload(
    id="checkout", namespace="shop", pods="app=checkout", service="checkout", deployment="checkout"
)
NODES = ("worker-1", "worker-2", "worker-3")


@dataclass(frozen=True)
class Drill:
    """One experiment's surroundings."""

    api: StandInApi
    machines: StandInMachines
    injector: Injector

    @property
    def config(self) -> ExperimentConfig:
        """What its process is told."""
        return self.injector.config

    def facts(self) -> list[Event]:
        """All that was recorded."""
        if not self.config.facts.exists():
            return []
        lines = self.config.facts.read_bytes().splitlines()
        return [msgspec.json.decode(line, type=Event) for line in lines]

    def set(self, **changed: Any) -> Drill:  # noqa: ANN401 - any field of the configuration
        """The same with another configuration."""
        config = msgspec.structs.replace(self.config, **changed)
        injector = Injector(
            config=config,
            cluster=self.injector.cluster,
            nodes=self.injector.nodes,
            intents=self.injector.intents,
            clock=self.injector.clock,
        )
        return Drill(api=self.api, machines=self.machines, injector=injector)


def drill(
    directory: Path,
    experiment: Path = EXPERIMENTS / "pod-delete.yaml",
    *,
    api: StandInApi | None = None,
    configuration: Mapping[str, str] | None = None,
) -> Drill:
    """A drill on three workers and three masters, with a checkout of three pods."""
    there = api if api is not None else StandInApi()
    machines = StandInMachines(there, *NODES, masters=("master-1", "master-2", "master-3"))
    for number, node in enumerate(NODES, start=1):
        there.put("pods", running("shop", f"checkout-{number}", node, app="checkout"))
    cluster = there.cluster()
    access = ClusterAccess(
        kubeconfig=directory / "kubeconfig",
        identity=Identity(context="stand-in", server=there.server, uid=UID, version="v1.34.0"),
        provider="none",
        helper_image="busybox",
    )
    config = ExperimentConfig(
        run="run-1",
        trial="trial-1",
        environment="practice",
        experiment=experiment,
        digest=sha256(experiment.read_bytes()).hexdigest(),
        configuration=dict(configuration or {}),
        cluster=access,
        workloads=(CHECKOUT,),
        caps=Caps(),
        seed=7,
        state=directory / "state",
        facts=directory / "facts.jsonl",
        journal=directory / "journal.json",
        release=directory / "release",
        deadline=timedelta(seconds=0),
    )
    injector = Injector(
        config=config,
        cluster=cluster,
        nodes=machines,
        intents=mirrored(config.state, cluster, access),
        clock=HostClock(),
    )
    return Drill(api=there, machines=machines, injector=injector)


def running(namespace: str, name: str, node: str, *, app: str, number: int = 1) -> Object:
    """A pod of one container that runs and is ready, with an owner."""
    return pod(
        namespace,
        name,
        nodeName=node,
        metadata={
            "uid": f"uid-{name}-{number}",
            "labels": {"app": app},
            "ownerReferences": [{"kind": "StatefulSet", "name": app, "controller": True}],
        },
        status={
            "podIP": f"10.0.{ord(name[-1])}.{number}",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [
                {
                    "name": "main",
                    "containerID": f"containerd://{name}-{number}",
                    "ready": True,
                    "restartCount": number - 1,
                    "state": {"running": {}},
                }
            ],
        },
    )
