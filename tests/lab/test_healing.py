"""What a killed drill broke is put back: by its watchdog, by `recover`, by the cluster's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from commands import ROOT, Command

from harness.drivers.clock import wait_until
from harness.drivers.kubernetes import NAMESPACE, Cluster
from harness.errors import RefusedError
from harness.faults import routes, self_heal
from harness.faults.comparison import compare
from harness.faults.healing import Healing, required
from harness.faults.intents import Intents
from harness.faults.lease import DrillLease
from harness.faults.mirror import found_in, mirrored
from harness.lab.lab import Lab
from harness.model.cluster import ClusterAccess
from harness.model.fault import RemoveRoutes, Uncordon
from harness.nodes import choose

HELPER_IMAGE = "harness.local/busybox:lab"
SHOP = "core-business-prod"

# A drill that breaks one thing and is killed just after it.
DRILL = """\
import os, signal, sys
from datetime import timedelta
from pathlib import Path
from harness.drivers.kubernetes import Cluster
from harness.faults import drill_lock, watchdog
from harness.faults.intents import Intents
from harness.faults.mirror import mirrored
from harness.model.fault import HealNode, StartNode
from harness.nodes import choose

state, uid, what, node = Path(sys.argv[1]), *sys.argv[2:]
access = Intents(state).access(uid)
cluster = Cluster.of(access)
machines = choose("lab", cluster, state=state)
intents = mirrored(state, cluster, access)
with drill_lock.going_on(state, "killed", "lab", cluster_uid=uid):
    if what == "watched":
        watchdog.start(state, (sys.executable, "-m", "harness"))
    known = cluster.node(node)
    inverse = StartNode(node=node, boot_id=known.boot_id) if known else HealNode(node=node)
    intents.declare("killed", "t", "lab", uid, what, inverse, timedelta(minutes=10))
    machines.kill([node]) if known else machines.partition([node])
    os.kill(os.getpid(), signal.SIGKILL)
"""

APPLICATION = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: shop, namespace: default}
spec: {project: p, syncPolicy: {automated: {prune: true, selfHeal: true}}}
"""
DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: applications.argoproj.io}
spec:
  group: argoproj.io
  names: {kind: Application, plural: applications, singular: application, listKind: ApplicationList}
  scope: Namespaced
  versions:
  - name: v1alpha1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""


@pytest.fixture
def access(lab: Lab, harness: Command, tmp_path: Path) -> ClusterAccess:
    """Of the lab."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(harness("lab", "kubeconfig").stdout, encoding="utf-8")
    assert lab.record.api_port
    return ClusterAccess(
        kubeconfig=kubeconfig,
        identity=Cluster.connect(kubeconfig, "lab").identity(),
        provider="lab",
        helper_image=HELPER_IMAGE,
    )


@pytest.fixture
def cluster(access: ClusterAccess) -> Iterator[Cluster]:
    """Which must be as it was when a test has ended."""
    found = Cluster.of(access)
    before = found.snapshot()
    assert len(before.facts) > 100
    yield found
    wait_until(
        lambda: not compare(before, found.snapshot()),
        within_s=180,
        what="the cluster as it was before",
        every_s=1,
    )


def killed(state: Path, access: ClusterAccess, what: str, node: str) -> None:
    """Runs the drill until it is killed."""
    Intents(state).remember(access)
    done = subprocess.run(
        [sys.executable, "-c", DRILL, state, access.identity.uid, what, node],
        cwd=ROOT,
        env={**os.environ, "HARNESS_STATE_DIR": str(state)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -9, done.stderr.decode()


def test_the_watchdog_starts_a_node_whose_drill_was_killed(
    state: Path, access: ClusterAccess, cluster: Cluster
) -> None:
    """By itself, in a new boot."""
    before = cluster.node("worker-3")
    assert before is not None
    killed(state, access, "watched", "worker-3")
    wait_until(lambda: not Intents(state).open(), within_s=90, what="no open intent", every_s=0.5)
    after = cluster.node("worker-3")
    assert after is not None
    assert after.ready
    assert after.boot_id != before.boot_id


def test_recover_connects_a_master_whose_drill_was_killed(
    state: Path, access: ClusterAccess, cluster: Cluster, harness: Command
) -> None:
    """Without any argument; again there is nothing to do."""
    killed(state, access, "unwatched", "master-2")
    assert len(Intents(state).open()) == 1
    said = harness("recover").stdout
    assert "unwatched: link of master-2 up at the switch" in said
    assert Intents(state).open() == ()
    assert harness("recover").stdout == "nothing was left behind\n"
    assert found_in(cluster) == ((), ())


def test_a_pods_black_hole_is_removed(
    tmp_path: Path, access: ClusterAccess, cluster: Cluster
) -> None:
    """From the very network namespace of the pod."""
    (pod, *_) = cluster.pods(SHOP, "app=checkout-subscriber")
    destinations = ("10.250.0.0/16",)
    inverse = RemoveRoutes(
        namespace=SHOP, pod=pod.name, pod_uid=pod.uid, node=pod.node, destinations=destinations
    )
    intents = mirrored(tmp_path, cluster, access)
    intents.declare("r", "t", "lab", access.identity.uid, "x", inverse, timedelta(minutes=5))
    add = routes.add(pod.uid, destinations)
    assert "blackhole 10.250.0.0/16" in cluster.run_helper_pod(pod.node, HELPER_IMAGE, add, 30)
    healing = Healing(tmp_path, partial(choose, state=tmp_path))
    (fact,) = required(healing.undo(intents.open()))
    assert "no black hole left" in fact.witness


def test_the_clusters_own_watchdog_undoes_what_expired(
    tmp_path: Path, lab: Lab, access: ClusterAccess, cluster: Cluster
) -> None:
    """Where the host of the drill is gone, with the rights of deploy/watchdog and no others."""
    folder = tmp_path / "watchdog"
    folder.mkdir()
    patch = {"op": "replace", "path": "/spec/template/spec/containers/0/args/3"}
    kustomization = {
        "resources": [os.path.relpath(ROOT / "deploy" / "watchdog", folder)],
        "images": [{"name": "harness", "newName": "harness.local/harness", "newTag": "lab"}],
        "patches": [
            {
                "target": {"kind": "Deployment"},
                "patch": json.dumps([{**patch, "value": HELPER_IMAGE}]),
            }
        ],
    }
    (folder / "kustomization.yaml").write_text(json.dumps(kustomization), encoding="utf-8")
    lab.kubectl.call("apply", "-k", folder)
    try:
        where = ("-n", NAMESPACE)
        lab.kubectl.call(
            "rollout", "status", *where, "deploy/watchdog", "--timeout=90s", within_s=100
        )
        intents = mirrored(tmp_path, cluster, access)
        uid = access.identity.uid
        intents.declare("r", "t", "lab", uid, "cordon", Uncordon(node="worker-2"), timedelta(0))
        cluster.set_unschedulable("worker-2", True)
        wait_until(
            lambda: found_in(cluster) == ((), ()), within_s=60, what="no intent", every_s=0.5
        )
        node = cluster.node("worker-2")
        assert node is not None
        assert not node.unschedulable
    finally:
        # Not its namespace: the harness keeps its lease there.
        kinds = "deployment,role,rolebinding,serviceaccount"
        lab.kubectl.call("delete", kinds, "watchdog", "-n", NAMESPACE)
        lab.kubectl.call("delete", "clusterrole,clusterrolebinding", "harness-watchdog")


def test_argo_cds_self_heal_is_paused_and_given_back(
    tmp_path: Path, lab: Lab, access: ClusterAccess, cluster: Cluster
) -> None:
    """On a real API with Argo CD's kind of object."""
    lab.kubectl.call("apply", "-f", "-", stdin=DEFINITION.encode())
    try:
        crd = "crd/applications.argoproj.io"
        lab.kubectl.call("wait", "--for=condition=established", crd, "--timeout=20s")
        lab.kubectl.call("apply", "-f", "-", stdin=APPLICATION.encode())
        which = (self_heal.API_VERSION, "Application", "default", "shop")
        before = cluster.get_object(*which)
        tracking = {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:x/checkout"}
        changed = {"metadata": {"name": "checkout", "namespace": "x", "annotations": tracking}}
        declare = self_heal.declaring(
            mirrored(tmp_path, cluster, access),
            run="r",
            trial="t",
            environment="lab",
            cluster_uid=access.identity.uid,
            lasts=timedelta(minutes=5),
        )
        assert len(self_heal.pause(cluster, changed, declare)) == 1
        paused = cluster.get_object(*which)
        assert before is not None
        assert paused is not None
        assert paused["spec"]["syncPolicy"] == {}
        healing = Healing(tmp_path, partial(choose, state=tmp_path))
        required(healing.undo(healing.intents.open()))
        after = cluster.get_object(*which)
        assert after is not None
        assert after["spec"] == before["spec"]
    finally:
        lab.kubectl.call("delete", "crd", "applications.argoproj.io")


def test_two_drills_at_once_are_refused_by_the_lease(cluster: Cluster) -> None:
    """And the second may begin when the first has ended."""
    with DrillLease(cluster, "one").held() as lease:
        with pytest.raises(RefusedError, match="going on in this cluster: one since"):
            DrillLease(cluster, "two").acquire()
        lease.renew()
        assert not lease.lost.is_set()
    other = DrillLease(cluster, "two")
    other.acquire()
    assert other.release()
