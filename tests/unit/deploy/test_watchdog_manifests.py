"""The watchdog in the cluster may do exactly what its inverses ask of the API, and runs safely."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_api import UID, StandInApi, node, pod

from harness.cli.main import cli
from harness.drivers.clock import HostClock
from harness.drivers.kubernetes import NAMESPACE
from harness.faults import watchdog
from harness.faults.mirror import mirrored
from harness.model.cluster import ClusterAccess, Identity
from harness.model.fault import Inverse, Nothing, RemoveRoutes, RestoreObject, Uncordon

FOLDER = Path(__file__).parents[3] / "deploy" / "watchdog"
Object = dict[str, Any]
VERBS = {"GET": "get", "POST": "create", "PATCH": "patch", "DELETE": "delete"}


def restore(api_version: str, kind: str) -> RestoreObject:
    return RestoreObject(
        api_version=api_version,
        kind=kind,
        namespace="x",
        name="shop",
        before=b"1",
        pointer="/spec/a",
    )


INVERSES: tuple[Inverse, ...] = (
    Nothing(),
    Uncordon(node="w"),
    restore("apps/v1", "Deployment"),
    restore("argoproj.io/v1alpha1", "Application"),
    RemoveRoutes(namespace="x", pod="p", pod_uid="uid-p", node="w", destinations=("10.0.0.0/8",)),
)


def of_kind(kind: str) -> Object:
    (found,) = (
        one
        for path in sorted(FOLDER.glob("*.yaml"))
        for one in yaml.safe_load_all(path.read_text(encoding="utf-8"))
        if one["kind"] == kind
    )
    return dict(found)


def rights(kind: str) -> set[str]:
    return {
        f"{verb} {resource}"
        for rule in of_kind(kind)["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def asked(requests: list[str]) -> tuple[set[str], set[str]]:
    """What requests need: in the harness's own namespace, and anywhere else."""
    own: set[str] = set()
    elsewhere: set[str] = set()
    for request in requests:
        method, path = request.split(" ")
        words = path.strip("/").split("/")[2 if path.startswith("/api/") else 3 :]
        if not words:
            continue  # what the API has: everybody may ask
        inside = words[:2] == ["namespaces", NAMESPACE] and len(words) > 2
        if words[0] == "namespaces" and len(words) > 2:
            words = words[2:]
        verb = "list" if method == "GET" and len(words) == 1 else VERBS[method]
        resource = "/".join([words[0], *words[2:]])
        (own if inside else elsewhere).add(f"{verb} {resource}")
    return own, elsewhere


def test_its_rights_are_what_its_inverses_need(tmp_path: Path) -> None:
    """No more, and no less."""
    api = StandInApi()
    api.put("nodes", node("w", unschedulable=True))
    api.put("pods", pod("x", "p", metadata={"uid": "uid-p"}, nodeName="w"))
    for plural in ("deployments", "applications"):
        api.put(plural, {"metadata": {"name": "shop", "namespace": "x"}, "spec": {"a": 2}})
    access = ClusterAccess(
        kubeconfig=tmp_path / "config",
        identity=Identity(context="c", server=api.server, uid=UID, version="v1"),
        provider="none",
        helper_image="image",
    )
    intents = mirrored(tmp_path, api.cluster(), access)
    for inverse in INVERSES:
        intents.declare("run", "t", "e", UID, "x", inverse, timedelta(0))
    api.requests.clear()
    now = HostClock().now().utc
    assert watchdog.undo_expired(api.cluster(), "image", now, lambda _text: None) == 0
    own, elsewhere = asked(api.requests)
    assert rights("Role") == own
    assert rights("ClusterRole") == elsewhere


def test_it_reads_two_namespaces_and_no_other() -> None:
    """Which cluster this is, and its own."""
    (rule,) = (one for one in of_kind("ClusterRole")["rules"] if one["resources"] == ["namespaces"])
    assert rule["resourceNames"] == ["kube-system", NAMESPACE]


def test_its_namespace_is_the_one_that_drills_make() -> None:
    """Whoever is first."""
    api = StandInApi()
    api.cluster().ensure_namespace()
    made = api.get("namespaces", NAMESPACE)
    assert of_kind("Namespace")["metadata"]["labels"] == made["metadata"]["labels"]
    assert of_kind("Kustomization")["namespace"] == NAMESPACE


def test_its_command_exists() -> None:
    """With these options."""
    (container,) = of_kind("Deployment")["spec"]["template"]["spec"]["containers"]
    name, *options = container["args"]
    context = cli.make_context("harness", [], resilient_parsing=True)
    command = cli.get_command(context, name)
    assert command is not None
    parsed = command.make_context(name, options)
    assert parsed.params["in_cluster"]
    assert parsed.params["helper_image"]


def test_it_survives_a_node_and_changes_no_file_of_its_own() -> None:
    """Two of it, with no privileges of their own."""
    spec = of_kind("Deployment")["spec"]
    assert spec["replicas"] == 2
    pod_spec = spec["template"]["spec"]
    assert pod_spec["securityContext"]["runAsNonRoot"]
    (container,) = pod_spec["containers"]
    assert container["securityContext"] == {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }


@pytest.mark.parametrize("kind", ["RoleBinding", "ClusterRoleBinding"])
def test_its_account_is_bound(kind: str) -> None:
    """To the role of the same name, for the account of its Deployment."""
    account = of_kind("Deployment")["spec"]["template"]["spec"]["serviceAccountName"]
    binding = of_kind(kind)
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}
    ]
    role = of_kind(binding["roleRef"]["kind"])
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert of_kind("ServiceAccount")["metadata"]["name"] == account
