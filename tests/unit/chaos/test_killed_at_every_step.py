"""An experiment's process is killed by SIGKILL after each of its steps; what is left is put back.

A step is each change of the cluster or of a machine, and each file that reached the disk. The
cluster and its machines outlive the process: they are kept in a file, written at each step.
"""

from __future__ import annotations

import itertools
import os
import pickle
import signal
import traceback
from pathlib import Path
from typing import Any

import pytest
from drills import EXPERIMENTS, NODES, Drill, drill, running
from kubernetes_api import UID, Object, StandInApi
from machines import StandInMachines

from harness.chaos import injector as injecting
from harness.chaos import process, rollback
from harness.chaos.actions import drain
from harness.drivers.kubernetes import NAMESPACE
from harness.faults.healing import Healing
from harness.faults.inverses import Healer
from harness.model.codec import to_json
from harness.model.snapshot import KINDS, flattened

_MOST_STEPS = 80
_CHECKOUTS = {f"checkout-{number}": node for number, node in enumerate(NODES, start=1)}
_TEMPLATE: Object = {
    "metadata": {"labels": {"app": "checkout", "version": "v1"}},
    "spec": {"containers": [{"name": "main"}]},
}
_OF_API = ("objects", "_version", "_logs")
_OF_MACHINES = ("off", "cut", "down", "_boots", "_second")


class World:
    """A cluster and its machines, with what controls them, kept in a file."""

    def __init__(self, file: Path, api: StandInApi, machines: StandInMachines) -> None:
        self._file = file
        self.api = api
        self.machines = machines
        api.helper = self._helper
        api.lives = self._lives

    def save(self) -> None:
        """Writes all of it; whole, or as it was before."""
        kept = (
            {name: getattr(self.api, name) for name in _OF_API},
            {name: getattr(self.machines, name) for name in _OF_MACHINES},
        )
        partial = self._file.with_suffix(".part")
        partial.write_bytes(pickle.dumps(kept))
        partial.rename(self._file)

    def load(self) -> None:
        """As it was after the last step of whoever changed it."""
        api, machines = pickle.loads(self._file.read_bytes())  # noqa: S301 - this test's own
        for name, value in api.items():
            setattr(self.api, name, value)
        for name, value in machines.items():
            setattr(self.machines, name, value)

    def facts(self) -> dict[str, str]:
        """What a drill must leave as it was, and the pods' routes with it."""
        cluster = self.api.cluster()
        found = {kind: cluster.list_objects(*kind) for kind in KINDS}
        routes = {
            f"routes of {pod['metadata']['name']}": str(pod["metadata"].get("annotations"))
            for pod in cluster.list_objects("v1", "Pod", "shop")
        }
        return {**flattened(found, leave_out=(NAMESPACE,)), **routes}

    def _helper(self, pod: Object) -> tuple[str, str]:
        """Changes a pod's routes, which are kept in an annotation of it."""
        script = " ".join(pod["spec"]["containers"][0]["command"])
        target = self.api.get("pods", "checkout-2", "shop")["metadata"]
        if "route replace" in script:
            target["annotations"] = {"routes": "blackhole"}
            return "Succeeded", "blackhole 0.0.0.0/1 \nblackhole 128.0.0.0/1 \n"
        if "route del" in script:
            target.pop("annotations", None)
            return "Succeeded", "no black hole left\n"
        return "Succeeded", "default via 10.0.0.1 dev eth0 \n"

    def _lives(self) -> None:
        """Evicted pods end; missing ones come back where there is a node for them; a template that
        is another one gets a pod, and only that.
        """
        self.machines._kubelets_live()
        objects = self.api.objects
        for key, one in list(objects.items()):
            if key[:2] == ("pods", "shop") and "deletionTimestamp" in one["metadata"]:
                del objects[key]
        for name, node in _CHECKOUTS.items():
            cordoned = self.api.get("nodes", node)["spec"].get("unschedulable")
            if ("pods", "shop", name) not in objects and not cordoned:
                self.api.put("pods", running("shop", name, node, app="checkout", number=2))
        deployment = objects.get(("deployments", "shop", "checkout"))
        if deployment is not None and deployment["spec"]["template"] != _TEMPLATE:
            new = running("shop", "checkout-9", "worker-1", app="checkout")
            new["metadata"]["labels"]["pod-template-hash"] = "new"
            self.api.put("pods", new)
        else:
            objects.pop(("pods", "shop", "checkout-9"), None)


def die_after(step: int, world: World) -> None:
    """From now on the world is saved at each step, and this process killed after that one."""
    counted = itertools.count(1)
    fsync = os.fsync

    def stepped() -> None:
        world.save()
        if next(counted) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def synced(descriptor: int) -> None:
        fsync(descriptor)
        stepped()

    world.api.changed = lambda what: stepped()  # type: ignore[method-assign]  # noqa: ARG005
    os.fsync = synced  # type: ignore[assignment]


def perform(made: Drill, world: World, step: int) -> int:
    """By a child process that is killed after that step: minus its signal, or its exit code."""
    pid = os.fork()
    if pid == 0:
        code = 98
        try:
            injecting.enter(made.injector)
            file = made.config.facts.with_name("config.json")
            file.write_bytes(to_json(made.config))
            die_after(step, world)
            code = process.run(file)
        except BaseException:  # noqa: BLE001 - nothing of the child may come back
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def recover(made: Drill, world: World) -> list[str | None]:
    """What `harness recover` does in the next process; the error of each inverse."""
    healing = Healing(made.config.state, lambda *_: world.machines, every_s=0.001)
    healing._clusters[UID] = world.api.cluster()
    assert all(one.owner_pid != os.getpid() for one in healing.intents.open())
    return [fact.error for fact in healing.undo(healing.intents.open())]


CASES: dict[str, dict[str, str]] = {
    "pod-delete": {},
    "node-power-cut": {"node": "worker-2"},
    "node-partition": {"node": "worker-2"},
    "node-drain": {"node": "worker-2"},
    "control-plane-member": {"member": "master-2"},
    "redis-network": {"workload": "checkout"},
    "s3-region-away": {},
    "broken-rollout": {},
    "new-version": {},
}


def fresh(directory: Path, name: str) -> tuple[Drill, World]:
    """A world in which nothing happened yet, and the experiment as it is run on it."""
    directory.mkdir()
    content = (EXPERIMENTS / f"{name}.yaml").read_text(encoding="utf-8")
    # Of the checkout, which has no roles: what is taken away is the same.
    content = content.replace("target: master", "target: checkout-2")
    file = directory / "experiment.yaml"
    file.write_text(content.replace("redis_cluster_ok", "pods_ready"), encoding="utf-8")
    made = drill(directory, file, configuration=CASES[name])
    made.api.put(
        "deployments",
        {"metadata": {"namespace": "shop", "name": "checkout"}, "spec": {"template": _TEMPLATE}},
    )
    return made, World(directory / "world", made.api, made.machines)


@pytest.mark.parametrize("name", CASES)
def test_what_a_killed_experiment_leaves_is_put_back(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def healer(**parts: Any) -> Healer:  # noqa: ANN401
        return Healer(**parts, every_s=0.001)

    monkeypatch.setattr(rollback, "Healer", healer)
    monkeypatch.setattr(drain, "_EVERY_S", 0.001)
    left_open = 0
    for step in range(1, _MOST_STEPS):
        made, world = fresh(tmp_path / str(step), name)
        before = world.facts()
        world.save()
        code = perform(made, world, step)
        world.load()
        assert code in {0, -signal.SIGKILL}
        errors = recover(made, world)
        left_open += len(errors)
        assert errors == [None] * len(errors)
        assert world.facts() == before
        assert not world.machines.off | world.machines.cut | world.machines.down
        assert not world.api.cluster().list_objects("v1", "ConfigMap", NAMESPACE)
        if code == 0:
            break
    else:
        pytest.fail(f"{name} has more than {_MOST_STEPS} steps")
    # Some of the deaths were between the intent and the end of its rollback.
    assert left_open >= 5
    assert not errors
