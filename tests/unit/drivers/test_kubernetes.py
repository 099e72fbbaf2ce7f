"""What the API answers becomes a value, an answer or the right error; reads alone are repeated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kubernetes_api import UID, StandInApi, lease, node, pod

from harness.drivers.kubernetes import (
    NAMESPACE,
    ChangedMeanwhileError,
    Cluster,
    Evicted,
    OtherClusterError,
    label_value,
)
from harness.drivers.kubernetes_connection import Answer, ConnectionBrokenError
from harness.errors import (
    DeadlineExceededError,
    InputError,
    RefusedError,
    SurroundingsError,
)
from harness.model.cluster import Container

KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: other
clusters:
- {name: c, cluster: {server: "https://127.0.0.1:1"}}
- {name: plain, cluster: {server: "http://127.0.0.1:1"}}
- {name: blind, cluster: {server: "https://127.0.0.1:1", insecure-skip-tls-verify: true}}
- {name: by-proxy, cluster: {server: "https://127.0.0.1:1", proxy-url: "http://127.0.0.1:2"}}
users: [{name: u, user: {token: t}}]
contexts:
- {name: lab, context: {cluster: c, user: u}}
- {name: other, context: {cluster: c, user: u}}
- {name: plain, context: {cluster: plain, user: u}}
- {name: blind, context: {cluster: blind, user: u}}
- {name: by-proxy, context: {cluster: by-proxy, user: u}}
"""


@pytest.fixture
def api() -> StandInApi:
    return StandInApi()


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    path = tmp_path / "config"
    path.write_text(KUBECONFIG, encoding="ascii")
    return path


def test_an_empty_cluster_has_no_state(api: StandInApi) -> None:
    """The vacuous case: guards refuse it, it is no error here."""
    state = api.cluster().state()
    assert (state.nodes, state.pods, state.budgets) == ((), (), ())


def test_a_node_is_read(api: StandInApi) -> None:
    """Its boot, its cordon, its zone, its taints."""
    taints = [
        {"key": "b", "effect": "NoSchedule"},
        {"key": "a", "value": "1", "effect": "NoExecute"},
    ]
    api.put("nodes", node("w", boot_id="b1", ready=False, unschedulable=True, taints=taints))
    (found,) = api.cluster().nodes()
    assert (found.boot_id, found.ready, found.unschedulable, found.zone) == (
        "b1",
        False,
        True,
        "zone-1",
    )
    assert found.taints == ("a=1:NoExecute", "b:NoSchedule")
    assert api.cluster().node("w") == found
    assert api.cluster().node("nowhere") is None


def test_a_pod_is_read(api: StandInApi) -> None:
    """A container that does not run has no id, though the API still shows its last one."""
    containers = [
        {
            "name": "a",
            "containerID": "containerd://x",
            "ready": True,
            "restartCount": 2,
            "state": {"running": {}},
        },
        {"name": "b", "containerID": "containerd://y", "ready": False, "state": {"waiting": {}}},
    ]
    owner = {"kind": "ReplicaSet", "name": "shop-1", "controller": True}
    api.put(
        "pods",
        pod(
            "shop",
            "shop-1-x",
            metadata={"ownerReferences": [owner], "deletionTimestamp": "2026-01-01T00:00:00Z"},
            status={"containerStatuses": containers, "podIP": "10.0.0.1"},
            nodeName="w",
        ),
    )
    (found,) = api.cluster().pods("shop")
    assert (found.node, found.address, found.owner) == ("w", "10.0.0.1", "ReplicaSet/shop-1")
    assert found.terminating
    assert not found.ready
    assert found.containers == (
        Container(name="a", container_id="x", ready=True, restarts=2),
        Container(name="b", container_id="", ready=False, restarts=0),
    )


def test_pods_are_chosen_by_label_and_namespace(api: StandInApi) -> None:
    """And every page of them is read."""
    api.page = 2
    for number in range(5):
        api.put("pods", pod("shop", f"a-{number}", metadata={"labels": {"app": "a"}}))
    api.put("pods", pod("shop", "b", metadata={"labels": {"app": "b"}}))
    api.put("pods", pod("other", "a", metadata={"labels": {"app": "a"}}))
    assert len(api.cluster().pods("shop", "app=a")) == 5
    assert len(api.cluster().state(["shop"]).pods) == 6
    assert len(api.cluster().state().pods) == 7


def test_a_budget_without_a_selector_selects_nothing(api: StandInApi) -> None:
    """policy/v1; an empty selector selects everything."""
    specs: dict[str, dict[str, object]] = {"none": {}, "all": {"selector": {}}}
    for name, spec in specs.items():
        budget = {"metadata": {"name": name, "namespace": "shop"}, "spec": spec}
        api.put("poddisruptionbudgets", budget)
    (found,) = api.cluster().state().budgets
    assert (found.name, found.match_labels, found.disruptions_allowed) == ("all", {}, 0)


def test_a_lease_tells_when_a_kubelet_lived(api: StandInApi) -> None:
    """By the node's own clock."""
    assert api.cluster().lease_renewed("w") is None
    api.put("leases", lease("w", 5))
    renewed = api.cluster().lease_renewed("w")
    assert renewed is not None
    assert renewed.second == 5


def test_exactly_the_pod_that_was_meant_is_deleted(api: StandInApi) -> None:
    """A StatefulSet gives its successor the same name."""
    uid = api.put("pods", pod("shop", "db-0"))["metadata"]["uid"]
    cluster = api.cluster()
    assert not cluster.delete_pod("shop", "db-0", "of its predecessor", grace_s=0)
    assert cluster.delete_pod("shop", "db-0", uid, grace_s=0)
    assert not cluster.delete_pod("shop", "db-0", uid, grace_s=0)


def test_an_eviction_has_three_answers(api: StandInApi) -> None:
    """A budget's refusal is one of them."""
    uid = api.put("pods", pod("shop", "a"))["metadata"]["uid"]
    budget = api.put(
        "poddisruptionbudgets",
        {"metadata": {"name": "b", "namespace": "shop"}, "status": {"disruptionsAllowed": 0}},
    )
    cluster = api.cluster()
    refused = cluster.evict("shop", "a", uid)
    assert refused.outcome is Evicted.REFUSED
    assert "disruption budget" in refused.message
    budget["status"]["disruptionsAllowed"] = 1
    assert cluster.evict("shop", "a", "another").outcome is Evicted.GONE
    assert cluster.evict("shop", "a", uid).outcome is Evicted.DONE
    assert cluster.evict("shop", "gone", uid).outcome is Evicted.GONE


def test_an_overloaded_server_is_no_budget(api: StandInApi) -> None:
    """429 without the cause."""
    api.answers = [Answer(429, b'{"message": "too many requests"}')]
    with pytest.raises(SurroundingsError, match="too many requests"):
        api.cluster().evict("shop", "a", "uid")


def test_a_node_is_cordoned_and_uncordoned(api: StandInApi) -> None:
    """The field is gone afterwards, as kubectl leaves it."""
    api.put("nodes", node("w"))
    api.cluster().set_unschedulable("w", True)
    assert api.get("nodes", "w")["spec"] == {"unschedulable": True}
    api.cluster().set_unschedulable("w", False)
    assert api.get("nodes", "w")["spec"] == {}


def test_a_helper_pod_says_something_and_is_gone(api: StandInApi) -> None:
    """It tolerates everything, is pinned, and is of a run."""
    seen: list[dict[str, object]] = []

    def helper(made: dict[str, object]) -> tuple[str, str]:
        seen.append(made)
        return "Succeeded", "said\n"

    api.helper = helper
    said = api.cluster().run_helper_pod("w", "image", ["sh", "-c", "id"], 30, run="run 1/x")
    assert said == "said\n"
    text = json.dumps(seen)
    for part in ('"nodeName": "w"', '"operator": "Exists"', '"harness.dev/drill": "run-1-x"'):
        assert part in text
    assert api.cluster().pods(NAMESPACE) == ()
    enforce = "pod-security.kubernetes.io/enforce"
    assert api.get("namespaces", NAMESPACE)["metadata"]["labels"][enforce] == "privileged"


def test_a_helper_pod_that_fails_is_gone_as_well(api: StandInApi) -> None:
    """With its last words."""
    api.helper = lambda _pod: ("Failed", "one\nno such device\n")
    with pytest.raises(SurroundingsError, match="no such device"):
        api.cluster().run_helper_pod("w", "image", ["ip"], 30)
    assert api.cluster().pods(NAMESPACE) == ()


def test_a_helper_pod_that_never_ends_is_given_up(api: StandInApi) -> None:
    """On a node that is down, for instance."""
    api.helper = lambda _pod: ("Pending", "")
    with pytest.raises(DeadlineExceededError, match="helper pod"):
        api.cluster().run_helper_pod("w", "image", ["ip"], 0)
    assert api.cluster().pods(NAMESPACE) == ()


def test_helper_pods_of_a_killed_run_are_removed(api: StandInApi) -> None:
    """And no other's."""
    for run in ("one", "two"):
        api.put("pods", pod(NAMESPACE, run, metadata={"labels": {"harness.dev/drill": run}}))
    assert api.cluster().remove_helper_pods("one") == (f"pod {NAMESPACE}/one",)
    assert [one.name for one in api.cluster().pods(NAMESPACE)] == ["two"]


def test_a_right_is_asked_for(api: StandInApi) -> None:
    """Before anything is broken."""
    api.forbidden = {"patch nodes"}
    assert not api.cluster().allowed("patch", "", "nodes")
    assert api.cluster().allowed("create", "", "pods", "eviction", "shop")


def test_a_missing_right_is_named(api: StandInApi) -> None:
    """RefusedError, exit code 4."""
    api.put("nodes", node("w"))
    api.forbidden = {"patch nodes"}
    with pytest.raises(RefusedError, match='cannot patch resource "nodes"'):
        api.cluster().set_unschedulable("w", True)


def test_unknown_credentials_are_refused(api: StandInApi) -> None:
    """They may have expired."""
    api.answers = [Answer(401, b'{"message": "Unauthorized"}')]
    with pytest.raises(RefusedError, match="does not know who asks"):
        api.cluster().uid()


def test_a_read_is_repeated(api: StandInApi) -> None:
    """A broken connection, an overloaded server, one without its etcd."""
    api.breaks = 1
    api.answers = [Answer(429, b"{}"), Answer(500, b'{"message": "etcdserver: timeout"}')]
    assert api.cluster().uid() == UID


def test_a_read_is_not_repeated_for_ever(api: StandInApi) -> None:
    """The API is gone."""
    api.breaks = 100
    with pytest.raises(ConnectionBrokenError):
        api.cluster().uid()
    assert len(api.requests) == 4


def test_a_change_is_never_repeated(api: StandInApi) -> None:
    """It may have been made."""
    api.put("nodes", node("w"))
    api.breaks = 1
    with pytest.raises(ConnectionBrokenError):
        api.cluster().set_unschedulable("w", True)
    assert len(api.requests) == 1


def test_an_object_of_any_kind_is_read_and_patched(api: StandInApi) -> None:
    """By what the API says that it has; a kind that it does not have is no object."""
    api.put("applications", {"metadata": {"name": "shop", "namespace": "argocd"}, "spec": {"a": 1}})
    which = ("argoproj.io/v1alpha1", "Application", "argocd", "shop")
    cluster = api.cluster()
    cluster.patch_object(*which, [{"op": "replace", "path": "/spec/a", "value": 2}])
    found = cluster.get_object(*which)
    assert found is not None
    assert found["spec"] == {"a": 2}
    assert cluster.get_object("argoproj.io/v1alpha1", "Application", "argocd", "x") is None
    assert cluster.get_object("argoproj.io/v1alpha1", "Rollout", "argocd", "x") is None
    assert cluster.get_object("no.such/v1", "Thing", "", "x") is None
    assert cluster.list_objects("no.such/v1", "Thing") == ()
    with pytest.raises(SurroundingsError, match="no Thing of no.such/v1"):
        cluster.patch_object("no.such/v1", "Thing", "", "x", [])


def test_a_patch_whose_test_fails_changes_nothing(api: StandInApi) -> None:
    """Somebody else was quicker."""
    api.put(
        "deployments", {"metadata": {"name": "a", "namespace": "shop"}, "spec": {"replicas": 3}}
    )
    with pytest.raises(ChangedMeanwhileError):
        api.cluster().patch_object(
            "apps/v1",
            "Deployment",
            "shop",
            "a",
            [
                {"op": "test", "path": "/spec/replicas", "value": 2},
                {"op": "replace", "path": "/spec/replicas", "value": 0},
            ],
        )
    assert api.get("deployments", "a", "shop")["spec"] == {"replicas": 3}


def test_another_cluster_is_refused(api: StandInApi) -> None:
    """Whatever the context is called."""
    api.cluster().require(UID)
    with pytest.raises(OtherClusterError, match="leads to cluster uid-of-kube-system, expected x"):
        api.cluster().require("x")


def test_an_answer_that_is_no_json_is_named(api: StandInApi) -> None:
    """A proxy's page, for instance."""
    api.answers = [Answer(200, b"<html>")]
    with pytest.raises(SurroundingsError, match="without JSON"):
        api.cluster().uid()


@pytest.mark.parametrize(
    ("context", "error", "message"),
    [
        ("absent", InputError, "no context 'absent', it has blind, by-proxy, lab, other, plain"),
        ("plain", RefusedError, "expected https://"),
        ("blind", RefusedError, "insecure-skip-tls-verify"),
        ("by-proxy", InputError, "proxy-url"),
    ],
)
def test_what_a_kubeconfig_may_not_say(
    kubeconfig: Path, context: str, error: type[Exception], message: str
) -> None:
    """Before any connection."""
    with pytest.raises(error, match=message):
        Cluster.connect(kubeconfig, context)


def test_a_kubeconfig_that_is_none(tmp_path: Path) -> None:
    """Missing, or something else."""
    with pytest.raises(InputError, match="No such file"):
        Cluster.connect(tmp_path / "absent", "lab")
    (tmp_path / "list").write_text("[]", encoding="ascii")
    with pytest.raises(InputError, match="expected a kubeconfig"):
        Cluster.connect(tmp_path / "list", "lab")


def test_no_proxy_is_asked(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says; the context is the one that was named."""
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:3")
    monkeypatch.delenv("NO_PROXY", raising=False)
    cluster = Cluster.connect(kubeconfig, "lab")
    client = cluster._send._client  # type: ignore[attr-defined]
    assert client.configuration.proxy is None
    assert type(client.rest_client.pool_manager).__name__ == "PoolManager"
    assert client.configuration.verify_ssl


def test_a_label_holds_any_text() -> None:
    """At most 63 of what a label may have, ending in a letter or digit."""
    assert label_value("20261125T181125Z-game-day-lab") == "20261125T181125Z-game-day-lab"
    assert label_value("ä/b.") == "b"
    assert len(label_value("x" * 100)) == 63
