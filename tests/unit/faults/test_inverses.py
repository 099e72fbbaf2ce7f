"""Every inverse puts back what was broken, proves it, does no harm twice, survives any death."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from kubernetes_api import UID, KilledError, StandInApi, pod
from machines import StandInMachines

from harness.drivers.kubernetes import NAMESPACE, Cluster
from harness.errors import HealError
from harness.faults.healing import Healing, required
from harness.faults.intents import Intents
from harness.faults.inverses import Healer
from harness.faults.mirror import mirrored
from harness.model.cluster import ClusterAccess, Identity
from harness.model.fault import (
    HealNode,
    Intent,
    Inverse,
    Nothing,
    RemoveRoutes,
    RestoreObject,
    StartNode,
    StartService,
    Uncordon,
)

HOUR = timedelta(hours=1)
SHOP = {"metadata": {"name": "shop", "namespace": "x"}, "spec": {"template": {"image": "v1"}}}
RESTORE = RestoreObject(
    api_version="apps/v1",
    kind="Deployment",
    namespace="x",
    name="shop",
    before=b'{"image": "v1"}',
    pointer="/spec/template",
)
ROUTES = RemoveRoutes(
    namespace="x", pod="db-0", pod_uid="uid-db", node="w", destinations=("10.0.0.0/8",)
)


@dataclass
class World:
    """A cluster with machines w and m, a Deployment, a pod with routes."""

    api: StandInApi
    machines: StandInMachines
    state: Path
    black_holes: bool = False

    def intents(self) -> Intents:
        access = ClusterAccess(
            kubeconfig=self.state / "config",
            identity=Identity(context="c", server=self.api.server, uid=UID, version="v1"),
            provider="stand-in",
            helper_image="image",
        )
        return mirrored(self.state, self.api.cluster(), access)

    def healing(self, within: timedelta = timedelta(seconds=5)) -> Healing:
        return Healing(self.state, lambda _name, _cluster: self.machines, every_s=0, within=within)

    def healer(self, **changes: object) -> Healer:
        arguments: dict[str, object] = {
            "cluster": self.api.cluster(),
            "provider": self.machines,
            "helper_image": "image",
            "within": timedelta(seconds=5),
            "every_s": 0,
            **changes,
        }
        return Healer(**arguments)  # type: ignore[arg-type]

    def helper(self, made: dict[str, object]) -> tuple[str, str]:
        """The helper pod's shell."""
        script = json.dumps(made)
        self.black_holes = "route replace blackhole" in script
        return "Succeeded", "no black hole left\n"

    def as_before(self) -> bool:
        """What `harness` must leave."""
        node = self.api.get("nodes", "w")
        return (
            not self.machines.off
            and not self.machines.cut
            and not self.machines.down
            and not self.black_holes
            and "unschedulable" not in node["spec"]
            and node["status"]["conditions"][0]["status"] == "True"
            and self.api.get("deployments", "shop", "x")["spec"] == SHOP["spec"]
            and not self.api.cluster().pods(NAMESPACE)
        )


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return made(tmp_path, monkeypatch)


def made(state: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    api = StandInApi()
    built = World(api, StandInMachines(api, "w", masters=("m",)), state)
    api.put("deployments", SHOP)
    api.put("pods", pod("x", "db-0", metadata={"uid": "uid-db"}, nodeName="w"))
    api.helper = built.helper
    monkeypatch.setattr(Cluster, "connect", lambda _kubeconfig, _context: api.cluster())
    return built


def rollout(world: World) -> None:
    change = {"op": "replace", "path": "/spec/template", "value": {"image": "broken"}}
    world.api.cluster().patch_object("apps/v1", "Deployment", "x", "shop", [change])


def black_hole(world: World) -> None:
    world.api.cluster().run_helper_pod("w", "image", ["ip route replace blackhole"], 5, run="run")


FAULTS: dict[str, tuple[Inverse, Callable[[World], object]]] = {
    "power-cut": (StartNode(node="w", boot_id="boot-1"), lambda one: one.machines.kill(["w"])),
    "master": (StartNode(node="m", boot_id=""), lambda one: one.machines.kill(["m"])),
    "partition": (HealNode(node="w"), lambda one: one.machines.partition(["w"])),
    "master-cut": (HealNode(node="m"), lambda one: one.machines.partition(["m"])),
    "cordon": (Uncordon(node="w"), lambda one: one.api.cluster().set_unschedulable("w", True)),
    "rollout": (RESTORE, rollout),
    "black-hole": (ROUTES, black_hole),
    "service": (
        StartService(node="m", service="s3"),
        lambda one: one.machines.stop_service("m", "s3"),
    ),
    "nothing": (Nothing(), lambda _world: None),
}


def intent_of(inverse: Inverse, uid: str = UID) -> Intent:
    from harness.drivers.clock import HostClock

    now = HostClock().now().utc
    return Intent(
        id="1",
        run="run",
        trial="t",
        environment="e",
        cluster_uid=uid,
        action="the fault",
        inverse=inverse,
        made=now,
        expires=now + HOUR,
        owner_pid=1,
        owner_started=0.0,
    )


@pytest.mark.parametrize("name", FAULTS)
def test_what_was_broken_is_put_back_and_seen(world: World, name: str) -> None:
    """The witness is another than the call's success."""
    inverse, break_it = FAULTS[name]
    break_it(world)
    assert world.as_before() == (name == "nothing")
    assert world.healer().undo(intent_of(inverse))
    assert world.as_before()


@pytest.mark.parametrize("name", FAULTS)
def test_again_it_does_no_harm(world: World, name: str) -> None:
    """And where nothing was broken: the harness died between the intent and the fault."""
    inverse, _ = FAULTS[name]
    for _ in range(2):
        assert world.healer().undo(intent_of(inverse))
    assert world.as_before()


@pytest.mark.parametrize("name", FAULTS)
def test_killed_after_every_step_it_ends_healed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Of declaring, breaking and undoing; the next `recover` undoes the rest."""
    inverse, break_it = FAULTS[name]
    for step in range(1, 100):
        world = made(tmp_path / str(step), monkeypatch)
        world.api.dies_after = step
        try:
            intent = world.intents().declare("run", "t", "e", UID, name, inverse, HOUR)
            break_it(world)
            world.healing().undo([intent])
            ended = True
        except KilledError:
            ended = False
        world.api.dies_after = None
        facts = world.healing().undo(Intents(world.state).open())
        assert all(one.error is None and one.witness for one in facts)
        if name == "black-hole":
            world.api.cluster().remove_helper_pods("run")
        assert world.as_before(), f"killed after {world.api.changes}"
        assert world.intents().open() == ()
        assert not world.api.cluster().list_objects("v1", "ConfigMap")
        if ended:
            assert step > 2, "no step was tried"
            return
    pytest.fail("it never ended")


@pytest.mark.parametrize("name", FAULTS)
def test_killed_while_it_heals_it_ends_healed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """`recover` itself may be killed, at any of its steps, again and again."""
    inverse, break_it = FAULTS[name]
    world = made(tmp_path, monkeypatch)
    world.intents().declare("run", "t", "e", UID, name, inverse, HOUR)
    break_it(world)
    deaths = 0
    while Intents(world.state).open():
        world.api.dies_after = len(world.api.changes) + 1 + deaths // 2
        try:
            required(world.healing().undo(Intents(world.state).open()))
        except KilledError:
            deaths += 1
    assert deaths >= 1
    world.api.dies_after = None
    if name == "black-hole":
        world.api.cluster().remove_helper_pods("run")
    assert world.as_before()
    assert world.intents().open() == ()


def test_many_are_undone_newest_first_and_past_a_failure(world: World) -> None:
    """Machines after what was done on them; what fails stays, and is tried again."""
    world.machines.never_back.add("w")
    world.machines.kill(["w"])
    world.api.cluster().set_unschedulable("w", True)
    intents = world.intents()
    intents.declare("run", "t", "e", UID, "power cut", StartNode(node="w", boot_id="boot-1"), HOUR)
    intents.declare("run", "t", "e", UID, "cordon", Uncordon(node="w"), HOUR)
    healing = world.healing(within=timedelta(seconds=0.05))
    facts = healing.undo(intents.open())
    assert [one.action for one in facts] == ["cordon", "power cut"]
    assert facts[0].error is None
    assert "no answer of its power supply" in str(facts[1].error)
    assert str(world.state / "intents") in str(facts[1].error)
    with pytest.raises(HealError, match="power cut"):
        required(facts)
    assert [one.action for one in intents.open()] == ["power cut"]
    world.machines.never_back.clear()
    assert required(world.healing().undo(intents.open()))
    assert world.as_before()


def test_an_intent_that_was_undone_meanwhile_is_left(world: World) -> None:
    """By the watchdog, while this one waited for its turn."""
    intents = world.intents()
    intent = intents.declare("run", "t", "e", UID, "cordon", Uncordon(node="w"), HOUR)
    assert len(world.healing().undo([intent])) == 1
    assert world.healing().undo([intent]) == ()


def test_another_cluster_is_never_touched(world: World) -> None:
    """Whatever the context leads to now."""
    world.api.cluster().set_unschedulable("w", True)
    before = list(world.api.changes)
    for inverse, _ in FAULTS.values():
        with pytest.raises(HealError, match="expected another"):
            world.healer().undo(intent_of(inverse, uid="another"))
    assert world.api.changes == before


def test_machines_are_started_where_the_api_is_gone_with_them(world: World) -> None:
    """Its masters may be what is off."""
    world.machines.kill(["m"])
    world.api.breaks = 5
    world.healer().undo(intent_of(StartNode(node="m", boot_id="")))
    assert world.as_before()


def test_objects_wait_for_the_api(world: World) -> None:
    """It comes back within the time there is."""
    world.api.cluster().set_unschedulable("w", True)
    world.api.breaks = 7
    world.healer().undo(intent_of(Uncordon(node="w")))
    assert world.as_before()


def test_a_node_that_does_not_come_back_is_named(world: World) -> None:
    """Its machine runs, its kubelet does not."""
    world.machines.kill(["w"])
    world.machines.start("w")
    world.machines.cut.add("w")
    healer = world.healer(within=timedelta(seconds=0.05))
    with pytest.raises(HealError, match="the fault .* node w Ready with a renewed lease"):
        healer.undo(intent_of(StartNode(node="w", boot_id="boot-1")))


def test_ready_without_a_renewed_lease_proves_nothing(world: World) -> None:
    """The API says Ready until it notices."""
    world.machines.cut.add("w")
    healer = world.healer(within=timedelta(seconds=0.05))
    with pytest.raises(HealError, match="renewed lease"):
        healer.undo(intent_of(StartNode(node="w", boot_id="boot-0")))


def test_the_witness_says_which_boot(world: World) -> None:
    """A machine that never was off is told from one that came back."""
    same = world.healer().undo(intent_of(StartNode(node="w", boot_id="boot-1")))
    assert "boot-1, which was never ended" in same
    world.machines.kill(["w"])
    assert "in boot-2 is" in world.healer().undo(
        intent_of(StartNode(node="w", boot_id="boot-1"))
    ).replace("boot boot", "boot")


def test_what_is_gone_needs_no_undoing(world: World) -> None:
    """A deleted node, a deleted Deployment, a pod that was replaced under its old name."""
    world.api.objects.clear()
    world.api.put("namespaces", {"metadata": {"name": "kube-system", "uid": UID}})
    world.api.lives = lambda: None
    assert "does not exist" in world.healer().undo(intent_of(Uncordon(node="w")))
    assert "does not exist" in world.healer().undo(intent_of(RESTORE))
    assert "is gone" in world.healer().undo(intent_of(ROUTES))
    world.api.put("pods", pod("x", "db-0", metadata={"uid": "its successor"}))
    assert "is gone" in world.healer().undo(intent_of(ROUTES))
    assert world.api.changes == []


def test_routes_that_stay_are_named(world: World) -> None:
    """The helper pod says so."""
    world.api.helper = lambda _pod: ("Failed", "blackhole 10.0.0.0/8\n")
    with pytest.raises(HealError, match="blackhole 10.0.0.0/8"):
        world.healer(within=timedelta(0)).undo(intent_of(ROUTES))


def test_inside_the_cluster_no_machine_is_reached(world: World) -> None:
    """Its watchdog leaves them to `harness recover`."""
    with pytest.raises(HealError, match="from inside the cluster"):
        world.healer(provider=None).undo(intent_of(HealNode(node="w")))


@pytest.mark.parametrize("another", [False, True])
def test_a_lab_that_is_down_has_nothing_to_undo(world: World, another: bool) -> None:  # noqa: FBT001
    """Its kubeconfig went with it; another lab in its place has another identity."""
    lab = msgspec.structs.replace(world.intents().access(UID), provider="lab")
    intents = Intents(world.state)
    intents.remember(lab)
    intent = intents.declare("r", "t", "e", UID, "cordon", Uncordon(node="w"), HOUR)
    if another:
        lab.kubeconfig.touch()
        world.api.put("namespaces", {"metadata": {"name": "kube-system", "uid": "another"}})
    (fact,) = world.healing().undo([intent])
    assert fact.error is None
    assert "does not exist any more" in fact.witness
    assert intents.open() == ()
    assert world.api.changes == []


def test_a_lab_that_is_up_is_healed(world: World) -> None:
    """Its kubeconfig is there, and leads to it."""
    lab = msgspec.structs.replace(world.intents().access(UID), provider="lab")
    lab.kubeconfig.touch()
    intents = Intents(world.state)
    intents.remember(lab)
    world.api.cluster().set_unschedulable("w", True)
    intent = intents.declare("r", "t", "e", UID, "cordon", Uncordon(node="w"), HOUR)
    assert required(world.healing().undo([intent]))
    assert world.as_before()
