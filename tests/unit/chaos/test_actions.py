"""Each action breaks what it says, writes down how it is put back, and has a witness."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest
from drills import CARTS, CHECKOUT, ORDERS, Drill, running
from kubernetes_api import Object

from harness.chaos import activity
from harness.chaos import injector as injecting
from harness.chaos.actions import drain, network, nodes, others, pods, rollout, services
from harness.chaos.activity import failures
from harness.drivers import roles
from harness.errors import DeadlineExceededError, RefusedError, SurroundingsError
from harness.model.cluster import Pod
from harness.model.fault import (
    HealNode,
    Nothing,
    RemoveRoutes,
    RestoreObject,
    StartNode,
    StartService,
    Uncordon,
)
from harness.model.game_day import Caps
from harness.model.history import FaultInjected, StepFailed
from harness.model.workload import Workload

WIDE = Caps(pods_of_namespace=1.0, nodes=1.0)


def injected(drill: Drill) -> list[FaultInjected]:
    return [one for one in drill.facts() if isinstance(one, FaultInjected)]


def inverses(drill: Drill) -> list[object]:
    return [one.inverse for one in drill.injector.intents.open()]


def with_caps(drill: Drill, caps: Caps = WIDE, *more: Workload) -> Drill:
    made = drill.set(caps=caps, workloads=(CHECKOUT, *more))
    injecting.enter(made.injector)
    return made


# --- pods ----------------------------------------------------------------------------------------


def test_a_deleted_pod_is_seen_gone(the_drill: Drill) -> None:
    pods.delete_pods("checkout", "checkout-2")
    assert ("pods", "shop", "checkout-2") not in the_drill.api.objects
    (fact,) = injected(the_drill)
    assert fact.subject == "pod:shop/checkout-2"
    assert fact.bracket is not None
    assert "is gone" in fact.witness
    assert inverses(the_drill) == [Nothing()]


def test_a_pod_that_was_replaced_meanwhile_is_not_touched(the_drill: Drill) -> None:
    """By its name it is there; by its uid it is another one, which nobody chose."""
    known = the_drill.injector.cluster.pods("shop", "app=checkout")

    def replaced() -> None:
        the_drill.api.put(
            "pods", running("shop", "checkout-2", "worker-2", app="checkout", number=2)
        )

    (second,) = [one for one in known if one.name == "checkout-2"]
    replaced()
    with pytest.raises(RefusedError, match="went away by itself"):
        pods._delete(the_drill.injector, second, 30)
    assert ("pods", "shop", "checkout-2") in the_drill.api.objects


def test_a_pod_that_only_says_that_it_ends_is_not_gone(the_drill: Drill) -> None:
    found = the_drill.api.get("pods", "checkout-1", "shop")
    (known,) = [one for one in the_drill.injector.cluster.pods("shop") if one.name == "checkout-1"]
    assert pods._gone(the_drill.injector, known, known.containers[0]) is None
    found["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert pods._gone(the_drill.injector, known, known.containers[0]) is None
    found["status"]["containerStatuses"][0]["state"] = {"terminated": {}}
    assert "its container main has ended" in str(
        pods._gone(the_drill.injector, known, known.containers[0])
    )


def helper(drill: Drill, said: str, then: Callable[[], None] = lambda: None) -> list[Object]:
    """Answers of helper pods; the pods that were made."""
    made: list[Object] = []
    lock = threading.Lock()

    def answer(pod: Object) -> tuple[str, str]:
        with lock:
            made.append(pod)
            then()
        return "Succeeded", said

    drill.api.helper = answer
    return made


KILLED = "kernel another\nbefore 10.00\nafter 10.02\ngone process 77 (main) of the node\n"


def test_a_killed_container_is_seen_by_the_node_and_by_the_api(the_drill: Drill) -> None:
    def restarted() -> None:
        the_drill.api.put(
            "pods", running("shop", "checkout-2", "worker-2", app="checkout", number=2)
        )
        the_drill.api.get("pods", "checkout-2", "shop")["metadata"]["uid"] = "uid-checkout-2-1"

    asked = helper(the_drill, KILLED, restarted)
    pods.kill_container("checkout", "checkout-2")
    assert asked[0]["spec"]["nodeName"] == "worker-2"
    assert "container=checkout-2-1" in asked[0]["spec"]["containers"][0]["command"][2]
    (fact,) = injected(the_drill)
    assert "process 77 (main) of the node is gone" in fact.witness
    assert "was ended for the API" in fact.witness
    assert fact.bracket is not None


def test_a_process_by_its_name(the_drill: Drill) -> None:
    asked = helper(the_drill, KILLED)
    pods.kill_process("checkout", process="postgres", target="checkout-1")
    assert "name=postgres" in asked[0]["spec"]["containers"][0]["command"][2]
    assert injected(the_drill)[0].witness == "process 77 (main) of the node is gone"


def test_two_at_once_each_by_a_helper_of_its_own(the_drill: Drill) -> None:
    with_caps(the_drill)
    asked = helper(the_drill, KILLED)
    pods.kill_process("checkout", process="main", target="any", count="2")
    assert len(asked) == 2
    assert len(injected(the_drill)) == 2


def test_a_helper_that_killed_nothing_is_no_witness(the_drill: Drill) -> None:
    helper(the_drill, "hello\n")
    with pytest.raises(SurroundingsError, match="did not say which process is gone"):
        pods.kill_process("checkout", process="main", target="checkout-1")
    assert injected(the_drill)[0].bracket is None


def test_no_name_of_a_process_is_refused(the_drill: Drill) -> None:
    with pytest.raises(RefusedError, match="process: got no name"):
        pods.kill_process("checkout", process="", target="checkout-1")
    assert not the_drill.api.changes


def test_a_container_that_does_not_run_is_refused(the_drill: Drill) -> None:
    found = the_drill.api.get("pods", "checkout-1", "shop")
    found["status"]["containerStatuses"][0]["state"] = {"waiting": {}}
    with pytest.raises(RefusedError, match="does not run"):
        pods.kill_container("checkout", "checkout-1")
    with pytest.raises(SurroundingsError, match="not done, since"):
        pods.kill_container("checkout", "checkout-2")
    assert len(failures()) == 1


def test_a_quorum_is_not_taken_unless_the_experiment_says_so(
    the_drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, node in enumerate(("worker-1", "worker-2", "worker-3"), start=1):
        the_drill.api.put("pods", running("data", f"carts-{number}", node, app="carts"))
    made = with_caps(the_drill, WIDE, CARTS)
    found = made.injector.cluster.pods("data", "app=carts")
    shards = tuple(
        roles.Shard(slots=f"{one}-{one}", master=(pod.address, 6379), epoch="1", replicas=())
        for one, pod in enumerate(found)
    )
    monkeypatch.setattr(roles, "redis_shards", lambda *_: shards)
    helper(made, KILLED)
    with pytest.raises(RefusedError, match="its quorum would be lost"):
        pods.kill_process("carts", "redis-server", "master", 2)
    activity.forget()
    pods.kill_process("carts", "redis-server", "master", 2, gives_up="carts: masters of Redis")
    assert len(injected(made)) == 2


def test_masters_that_nobody_tells_of_are_not_taken(
    the_drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    the_drill.api.put("pods", running("data", "carts-1", "worker-1", app="carts"))
    made = with_caps(the_drill, WIDE, CARTS)
    monkeypatch.setattr(roles, "redis_shards", lambda *_: ())
    with pytest.raises(RefusedError, match="no node answers"):
        nodes.kill_node("worker-1")
    assert not made.machines.off


def test_members_of_postgresql_that_do_not_answer_count_as_away(
    the_drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, node in enumerate(("worker-1", "worker-2", "worker-3"), start=1):
        the_drill.api.put("pods", running("data", f"orders-{number}", node, app="orders"))
    with_caps(the_drill, WIDE, ORDERS)

    def members(_: object, found: tuple[Pod, ...]) -> tuple[roles.PostgresMember, ...]:
        return tuple(
            roles.PostgresMember(
                pod=pod, primary=False, timeline="1", system_identifier="7", streaming=0
            )
            for pod in found
            if pod.name != "orders-3"
        )

    monkeypatch.setattr(roles, "postgres_members", members)
    with pytest.raises(RefusedError, match="orders: members of PostgreSQL 1 of 3 members"):
        nodes.kill_node("worker-1")


# --- nodes ---------------------------------------------------------------------------------------


def test_a_node_goes_and_its_boot_is_written_down(the_drill: Drill) -> None:
    nodes.kill_node("worker-2")
    assert the_drill.machines.off == {"worker-2"}
    assert inverses(the_drill) == [StartNode(node="worker-2", boot_id="boot-1")]
    (fact,) = injected(the_drill)
    assert (fact.subject, fact.witness) == ("node:worker-2", "no heartbeat")


def test_the_node_of_a_pod(the_drill: Drill) -> None:
    nodes.partition_node(workload="checkout", target="checkout-3")
    assert the_drill.machines.cut == {"worker-3"}
    assert inverses(the_drill) == [HealNode(node="worker-3")]


def test_two_nodes_of_three_are_more_than_the_cap(the_drill: Drill) -> None:
    with pytest.raises(RefusedError, match="cap nodes"):
        nodes.kill_node("worker-1,worker-2", count=2)
    assert not the_drill.machines.off
    assert not inverses(the_drill)


def test_a_zone_goes_with_its_masters(the_drill: Drill) -> None:
    for number in (2, 3):
        labels = the_drill.api.get("nodes", f"worker-{number}")["metadata"]["labels"]
        labels["topology.kubernetes.io/zone"] = f"zone-{number}"
    the_drill.machines.masters = ("master-1",)
    with pytest.raises(RefusedError, match="quorum"):
        nodes.kill_zone("zone-1")
    assert not the_drill.machines.off


def test_a_zone_of_which_the_control_plane_is_elsewhere(the_drill: Drill) -> None:
    for number in (2, 3):
        labels = the_drill.api.get("nodes", f"worker-{number}")["metadata"]["labels"]
        labels["topology.kubernetes.io/zone"] = f"zone-{number}"
    nodes.kill_zone("zone-3")
    assert the_drill.machines.off == {"worker-3"}
    assert injected(the_drill)[0].subject == "zone:zone-3"


def test_a_member_of_the_control_plane(the_drill: Drill) -> None:
    nodes.kill_control_plane_member("master-2")
    assert the_drill.machines.off == {"master-2"}
    assert inverses(the_drill) == [StartNode(node="master-2", boot_id="")]
    assert injected(the_drill)[0].subject == "control-plane:master-2"


def test_the_leader_of_etcd(the_drill: Drill) -> None:
    nodes.kill_control_plane_member("leader")
    assert the_drill.machines.off == {"master-1"}


def test_no_second_member_of_three(the_drill: Drill) -> None:
    the_drill.machines.off.add("master-3")
    with pytest.raises(RefusedError, match="etcd 1 of 3 members"):
        nodes.kill_control_plane_member("master-2")


def test_a_managed_control_plane_is_not_touched(the_drill: Drill) -> None:
    the_drill.machines.masters = ()
    with pytest.raises(RefusedError, match="it is managed"):
        nodes.kill_control_plane_member()


@pytest.mark.usefixtures("the_drill")
def test_who_is_none_of_the_control_plane() -> None:
    with pytest.raises(RefusedError, match="worker-1 is none of it"):
        nodes.kill_control_plane_member("worker-1")


# --- drain ---------------------------------------------------------------------------------------


def controller_moves(drill: Drill) -> None:
    """Evicted pods are gone by the next look, as when their grace is over."""
    lives = drill.api.lives

    def live() -> None:
        lives()
        for key, one in list(drill.api.objects.items()):
            if key[0] == "pods" and "deletionTimestamp" in one["metadata"]:
                del drill.api.objects[key]

    drill.api.lives = live


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "_EVERY_S", 0.001)


@pytest.mark.usefixtures("quick")
def test_a_drained_node_is_cordoned_and_empty(the_drill: Drill) -> None:
    daemon = running("shop", "log-1", "worker-1", app="log")
    daemon["metadata"]["ownerReferences"][0]["kind"] = "DaemonSet"
    the_drill.api.put("pods", daemon)
    with_dir = the_drill.api.get("pods", "checkout-1", "shop")
    with_dir["spec"]["volumes"] = [{"name": "cache", "emptyDir": {}}]
    controller_moves(the_drill)
    said = drain.drain_node("worker-1")
    assert said == {
        "evicted": ["shop/checkout-1"],
        "lost their emptyDir": ["shop/checkout-1"],
    }
    assert the_drill.api.get("nodes", "worker-1")["spec"]["unschedulable"] is True
    assert ("pods", "shop", "log-1") in the_drill.api.objects
    assert inverses(the_drill) == [Uncordon(node="worker-1")]
    (fact,) = injected(the_drill)
    assert fact.subject == "node:worker-1"
    assert fact.bracket is not None


def budget(drill: Drill, allowed: int) -> Object:
    return drill.api.put(
        "poddisruptionbudgets",
        {
            "metadata": {"namespace": "shop", "name": "checkout"},
            "spec": {"selector": {"matchLabels": {"app": "checkout"}}},
            "status": {"disruptionsAllowed": allowed},
        },
    )


@pytest.mark.usefixtures("quick")
def test_a_budget_without_room_is_asked_again(the_drill: Drill) -> None:
    """It has room for the guard, none for the first requests, and room again later."""
    kept = budget(the_drill, 1)
    controller_moves(the_drill)
    lives, evictions = the_drill.api.lives, [0]

    def live() -> None:
        lives()
        if the_drill.api.requests[-1].endswith("/eviction"):
            evictions[0] += 1
            kept["status"]["disruptionsAllowed"] = 1 if evictions[0] > 2 else 0

    the_drill.api.lives = live
    assert drain.drain_node("worker-1")["evicted"] == ["shop/checkout-1"]
    assert evictions[0] == 3


@pytest.mark.usefixtures("quick")
def test_a_budget_that_never_has_room_ends_the_drain_by_its_deadline(
    the_drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = budget(the_drill, 1)
    lives = the_drill.api.lives

    def live() -> None:
        lives()
        if the_drill.api.requests[-1].endswith("/eviction"):
            kept["status"]["disruptionsAllowed"] = 0

    the_drill.api.lives = live
    monkeypatch.setattr(drain, "whole_number", lambda _name, _value: 0.02)
    with pytest.raises(DeadlineExceededError, match="disruption budget"):
        drain.drain_node("worker-1")
    assert injected(the_drill)[0].bracket is None
    assert inverses(the_drill) == [Uncordon(node="worker-1")]


@pytest.mark.usefixtures("quick")
def test_a_drain_that_is_held_up_half_way_is_told_and_watched(
    the_drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    the_drill.api.put("pods", running("shop", "checkout-4", "worker-1", app="checkout"))
    kept = budget(the_drill, 1)
    controller_moves(the_drill)
    lives = the_drill.api.lives

    def live() -> None:
        lives()
        gone = ("pods", "shop", "checkout-1") not in the_drill.api.objects
        kept["status"]["disruptionsAllowed"] = 0 if gone else 1
        found = the_drill.api.objects.get(("pods", "shop", "checkout-1"))
        if found is not None and "deletionTimestamp" in found["metadata"]:
            kept["status"]["disruptionsAllowed"] = 0

    the_drill.api.lives = live
    monkeypatch.setattr(drain, "whole_number", lambda _name, _value: 0.1)
    assert drain.drain_node("worker-1")["evicted"] == ["shop/checkout-1"]
    assert injected(the_drill)[0].bracket is not None
    (failed,) = [one for one in the_drill.facts() if isinstance(one, StepFailed)]
    assert "shop/checkout-4: Cannot evict pod" in failed.error
    assert failed.step == "drain"


def test_a_budget_without_room_before_is_refused(the_drill: Drill) -> None:
    budget(the_drill, 0)
    with pytest.raises(RefusedError, match="allows 0 disruptions"):
        drain.drain_node("worker-1")
    assert not the_drill.api.get("nodes", "worker-1")["spec"].get("unschedulable")


def test_a_pod_that_nobody_makes_again_is_not_evicted(the_drill: Drill) -> None:
    the_drill.api.get("pods", "checkout-1", "shop")["metadata"]["ownerReferences"] = []
    with pytest.raises(RefusedError, match="belongs to nothing"):
        drain.drain_node("worker-1")
    assert not inverses(the_drill)


def test_an_empty_node_is_no_drain(the_drill: Drill) -> None:
    del the_drill.api.objects["pods", "shop", "checkout-1"]
    with pytest.raises(RefusedError, match="no pod would leave it"):
        drain.drain_node("worker-1")


# --- network -------------------------------------------------------------------------------------

ROUTES = "default via 10.0.0.1 dev eth0 \nblackhole 0.0.0.0/1 \nblackhole 128.0.0.0/1 \n"


def test_a_pod_is_cut_off_by_two_routes(the_drill: Drill) -> None:
    asked = helper(the_drill, ROUTES)
    network.partition_pod("checkout", "checkout-2")
    (inverse,) = inverses(the_drill)
    assert isinstance(inverse, RemoveRoutes)
    assert inverse.destinations == ("0.0.0.0/1", "128.0.0.0/1")
    assert (inverse.node, inverse.pod_uid) == ("worker-2", "uid-checkout-2-1")
    shown, added = asked
    assert "replace blackhole" not in shown["spec"]["containers"][0]["command"][-1]
    assert "replace blackhole" in added["spec"]["containers"][0]["command"][-1]
    assert injected(the_drill)[0].bracket is not None


def test_routes_that_are_not_there_are_no_partition(the_drill: Drill) -> None:
    helper(the_drill, "default via 10.0.0.1 dev eth0 \nblackhole 0.0.0.0/1 \n")
    with pytest.raises(SurroundingsError, match=r"no black hole for 128\.0\.0\.0/1"):
        network.partition_pod("checkout", "checkout-2")
    assert injected(the_drill)[0].bracket is None
    assert len(inverses(the_drill)) == 1


def test_a_dependency_is_its_services_and_its_pods(the_drill: Drill) -> None:
    the_drill.api.put("pods", running("data", "carts-1", "worker-1", app="carts"))
    the_drill.api.put(
        "services",
        {"metadata": {"namespace": "data", "name": "carts"}, "spec": {"clusterIP": "10.96.0.9"}},
    )
    with_caps(the_drill, WIDE, CARTS)
    helper(the_drill, "blackhole 10.0.49.1 \nblackhole 10.96.0.9 \n")
    network.black_hole_dependency("checkout", "carts")
    assert {one.subject for one in injected(the_drill)} == {
        f"pod:shop/checkout-{number}" for number in (1, 2, 3)
    }
    destinations = {one.destinations for one in inverses(the_drill)}  # type: ignore[attr-defined]
    assert destinations == {("10.0.49.1/32", "10.96.0.9/32")}


def test_a_dependency_without_its_service_is_refused(the_drill: Drill) -> None:
    with_caps(the_drill, WIDE, CARTS)
    with pytest.raises(RefusedError, match="service data/carts: not there"):
        network.black_hole_dependency("checkout", "carts")


# --- rollout -------------------------------------------------------------------------------------


def deployment(drill: Drill) -> Object:
    return drill.api.put(
        "deployments",
        {
            "metadata": {"namespace": "shop", "name": "checkout"},
            "spec": {
                "template": {
                    "metadata": {"labels": {"app": "checkout", "version": "v1"}},
                    "spec": {
                        "containers": [
                            {"name": "main", "env": [{"name": "RATE", "value": "0"}]},
                            {"name": "other"},
                        ]
                    },
                }
            },
        },
    )


def test_another_version_is_rolled_out_and_the_old_template_kept(the_drill: Drill) -> None:
    before = json.loads(json.dumps(deployment(the_drill)["spec"]["template"]))
    lives = the_drill.api.lives

    def controller() -> None:
        lives()
        if the_drill.api.get("deployments", "checkout", "shop")["spec"]["template"] != before:
            new = running("shop", "checkout-9", "worker-1", app="checkout")
            new["metadata"]["labels"]["pod-template-hash"] = "new"
            the_drill.api.put("pods", new)

    the_drill.api.lives = controller
    rollout.change_rollout("checkout", version="v2", environment={"RATE": "0.2", "MORE": "1"})
    template = the_drill.api.get("deployments", "checkout", "shop")["spec"]["template"]
    assert template["metadata"]["labels"]["version"] == "v2"
    assert template["spec"]["containers"][0]["env"] == [
        {"name": "RATE", "value": "0.2"},
        {"name": "MORE", "value": "1"},
    ]
    (inverse,) = inverses(the_drill)
    assert isinstance(inverse, RestoreObject)
    assert json.loads(inverse.before) == before
    assert inverse.pointer == "/spec/template"
    (fact,) = injected(the_drill)
    assert fact.subject == "deployment:shop/checkout"
    assert "checkout-9 of the new template is ready" in fact.witness


def test_argo_cd_is_kept_from_undoing_it(the_drill: Drill) -> None:
    """Its self-heal is paused before the template changes, and so given back after it."""
    changed = deployment(the_drill)
    changed["metadata"]["labels"] = {"argocd.argoproj.io/instance": "shop"}
    the_drill.api.put(
        "applications",
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"namespace": "argocd", "name": "shop"},
            "spec": {"syncPolicy": {"automated": {"selfHeal": True}}},
        },
    )
    lives = the_drill.api.lives

    def controller() -> None:
        lives()
        template = the_drill.api.get("deployments", "checkout", "shop")["spec"]["template"]
        if template["metadata"]["labels"]["version"] == "v2":
            new = running("shop", "checkout-9", "worker-1", app="checkout")
            new["metadata"]["labels"]["pod-template-hash"] = "new"
            the_drill.api.put("pods", new)

    the_drill.api.lives = controller
    rollout.change_rollout("checkout", version="v2")
    paused, template = inverses(the_drill)
    assert isinstance(paused, RestoreObject)
    assert isinstance(template, RestoreObject)
    assert (paused.kind, paused.name) == ("Application", "shop")
    assert json.loads(paused.before) == {"selfHeal": True}
    application = the_drill.api.get("applications", "shop", "argocd")
    assert not (application["spec"].get("syncPolicy") or {}).get("automated")


def test_no_change_is_no_rollout(the_drill: Drill) -> None:
    deployment(the_drill)
    with pytest.raises(RefusedError, match="is so already"):
        rollout.change_rollout("checkout", version="v1")


def test_a_deployment_that_is_not_there(the_drill: Drill) -> None:
    with pytest.raises(RefusedError, match="deployment shop/checkout: not there"):
        rollout.change_rollout("checkout", version="v2")
    assert not the_drill.api.changes


def test_a_container_that_the_template_has_not() -> None:
    with pytest.raises(RefusedError, match="not in the template"):
        rollout.changed({"spec": {"containers": [{"name": "main"}]}}, "web", {}, {}, "")


# --- services ------------------------------------------------------------------------------------


def test_a_service_is_stopped_and_named_as_the_experiment_says(the_drill: Drill) -> None:
    services.stop_service("s3-primary", subject="region:primary")
    assert the_drill.machines.down == {"outside/s3-primary"}
    assert inverses(the_drill) == [StartService(node="outside", service="s3-primary")]
    assert injected(the_drill)[0].subject == "region:primary"


# --- faults of others ----------------------------------------------------------------------------

SEEN = {
    "subject": "pod:shop/checkout",
    "api_version": "batch/v1",  # in place of a kind that only Chaos Mesh brings
    "kind": "Job",
    "namespace": "shop",
    "name": "network-delay",
}


def condition(drill: Drill, status: str) -> None:
    drill.api.put(
        "jobs",
        {
            "metadata": {"namespace": "shop", "name": "network-delay"},
            "status": {"conditions": [{"type": "AllInjected", "status": status}]},
        },
    )


def test_a_fault_of_another_tool_is_on_record_by_its_objects_condition(the_drill: Drill) -> None:
    others.fault_of_others_begins("pod:shop/checkout")
    condition(the_drill, "True")
    others.fault_of_others_seen(**SEEN)
    (fact,) = injected(the_drill)
    assert fact.bracket is not None
    assert fact.witness == "Job shop/network-delay is AllInjected"


@pytest.mark.usefixtures("the_drill")
def test_without_a_beginning_there_is_no_bracket() -> None:
    with pytest.raises(RefusedError, match="nobody noted when its fault began"):
        others.fault_of_others_seen(**SEEN)


def test_what_the_other_tool_did_not_inject_has_no_witness(
    the_drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(others, "whole_number", lambda _name, _value: 0.0)
    others.fault_of_others_begins("pod:shop/checkout")
    condition(the_drill, "False")
    with pytest.raises(DeadlineExceededError, match="AllInjected: seen by a witness"):
        others.fault_of_others_seen(**SEEN)
    assert injected(the_drill)[0].bracket is None
