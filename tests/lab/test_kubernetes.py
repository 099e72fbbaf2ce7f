"""The cluster itself: members, zones, names, Services, volumes, rights, and no way out."""

from __future__ import annotations

import json

import pytest
from commands import Command, InPod

from harness.drivers import process
from harness.drivers.clock import wait_until
from harness.lab import network
from harness.lab.lab import Lab
from harness.lab.layout import Role

RESOLVE = "import socket, sys; print(socket.gethostbyname(sys.argv[1]))"

REACH = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5).close()
except OSError as error:
    print(type(error).__name__, error.errno)
else:
    print("reached")
"""

TLS = """
import ssl, socket, sys
context = ssl.create_default_context(cadata=sys.argv[3])
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5) as plain:
    with context.wrap_socket(plain, server_hostname=sys.argv[1]) as secure:
        secure.sendall(b"GET / HTTP/1.0\\r\\nHost: s3\\r\\n\\r\\n")
        print(secure.version(), secure.recv(12).decode())
"""

NOWHERE = "192.0.2.1"
"""TEST-NET-1 (RFC 5737): no host anywhere has it."""


def test_every_member_serves(lab: Lab, harness: Command) -> None:
    """Three API servers, three nodes, one in each zone."""
    status = json.loads(harness("lab", "status", "--json").stdout)
    assert all(machine["serves"] for machine in status["machines"]), status
    labels = [node["metadata"]["labels"] for node in lab.kubectl.get("nodes")["items"]]
    zones = sorted(one["topology.kubernetes.io/zone"] for one in labels)
    assert zones == ["zone-1", "zone-2", "zone-3"]


def test_etcd_has_three_members(lab: Lab) -> None:
    """Each master's is known to the others, and all are healthy."""
    directories = lab.machines.directories
    endpoints = ",".join(f"https://{one.address}:2379" for one in lab.layout.of(Role.MASTER))
    done = process.run(
        (
            *("nsenter", f"--net={network.file_of(f'{network.PREFIX}outside')}", "etcdctl"),
            f"--endpoints={endpoints}",
            f"--cacert={directories.certificate('etcd-ca')}",
            f"--cert={directories.certificate('etcd-client')}",
            f"--key={directories.key('etcd-client')}",
            *("endpoint", "health", "--write-out=json"),
        ),
        directory=directories.root,
        environment={"ETCDCTL_API": "3"},
        timeout_s=30,
    )
    assert [one["health"] for one in json.loads(done.stdout)] == [True] * 3


def test_a_pod_resolves_names(lab: Lab, client: InPod) -> None:
    """The address of a Service is what DNS answers, by its short name and its long one."""
    service = lab.kubectl.get("service", "checkout", "-n", "core-business-prod")
    address = service["spec"]["clusterIP"]
    for name in ("checkout", "checkout.core-business-prod.svc.cluster.local"):
        assert client(RESOLVE, name).strip() == address


def test_a_pod_reaches_the_s3_outside(lab: Lab, client: InPod) -> None:
    """By its name in the cluster, with a certificate for it, and in TLS 1.3."""
    authority = lab.kubectl.get("configmaps", "-n", "infrastructure")["items"]
    (found,) = (one for one in authority if one["metadata"]["name"].startswith("s3-authority"))
    said = client(TLS, "s3.infrastructure.svc", "443", found["data"]["ca.crt"])
    assert said.startswith("TLSv1.3 HTTP/1."), said


def test_nothing_reaches_an_address_outside_the_lab(lab: Lab, client: InPod) -> None:
    """No namespace has a default route; a pod and every machine are told so at once."""
    assert client(REACH, NOWHERE, "443").split() == ["OSError", "101"]  # ENETUNREACH
    for name in network.namespaces():
        words = ("nsenter", f"--net={network.file_of(name)}", "ip", "route")
        routes = process.run(
            words, directory=lab.machines.directories.root, timeout_s=30
        ).stdout.splitlines()
        assert all(line.startswith("10.") for line in routes), (name, routes)


def test_the_host_has_no_interface_in_the_lab(lab: Lab) -> None:
    """Its own network knows nothing of the lab's addresses."""
    root = lab.machines.directories.root
    addresses = process.run(("ip", "-brief", "address"), directory=root, timeout_s=30).stdout
    assert "10.89." not in addresses
    assert "10.90." not in addresses


def test_a_kubelet_may_only_what_its_node_needs(lab: Lab) -> None:
    """The Node authorizer: no Secrets of pods elsewhere, no other node's object to change."""
    own = f"--kubeconfig={lab.machines.directories.kubeconfig('worker-1')}"
    inside = ("nsenter", f"--net={network.file_of(f'{network.PREFIX}outside')}")
    kubectl = (*inside, str(lab.machines.programs / "kubernetes"), "kubectl", own)

    def said(*words: str) -> process.Completed:
        return process.run(
            (*kubectl, *words), directory=lab.machines.directories.root, timeout_s=60
        )

    assert said("get", "node", "worker-1").returncode == 0
    assert "Forbidden" in said("get", "secrets", "--all-namespaces").stderr
    assert "orbidden" in said("label", "node", "worker-2", "mine=yes").stderr


def test_volumes_are_made_on_demand(lab: Lab, namespace: str) -> None:
    """A claim is bound where its pod runs, and what one pod wrote the next one reads."""
    claim = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
"""
    lab.kubectl.call("apply", "-n", namespace, "-f", "-", stdin=claim.encode())
    for name, program in (("writer", "echo kept >/data/file"), ("reader", "cat /data/file")):
        pod = f"""
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  restartPolicy: Never
  containers:
  - name: shell
    image: harness.local/busybox:lab
    imagePullPolicy: IfNotPresent
    command: [busybox, sh, -c, "busybox {program}"]
    volumeMounts: [{{name: data, mountPath: /data}}]
  volumes: [{{name: data, persistentVolumeClaim: {{claimName: data}}}}]
"""
        lab.kubectl.call("apply", "-n", namespace, "-f", "-", stdin=pod.encode())
        lab.kubectl.call(
            *("wait", "-n", namespace, "--for=jsonpath={.status.phase}=Succeeded"),
            *(f"pod/{name}", "--timeout=60s"),
            within_s=90,
        )
    assert lab.kubectl.call("logs", "-n", namespace, "reader") == "kept\n"


@pytest.mark.usefixtures("lab")
def test_exec_is_inside_and_gives_the_exit_code(harness: Command) -> None:
    """kubectl, names and Services work in it; its exit code is the command's."""
    assert "worker-3" in harness("lab", "exec", "--", "kubectl", "get", "nodes").stdout
    name = "kubernetes.default.svc.cluster.local"
    found = harness("lab", "exec", "--", "getent", "hosts", name).stdout
    assert found.split() == ["10.96.0.1", name]
    assert harness("lab", "exec", "--", "sh", "-c", "exit 7", fails=True).returncode == 7


def test_metrics_are_there(lab: Lab) -> None:
    """`kubectl top` knows every node."""

    def known() -> bool:
        return lab.kubectl.run("top", "nodes", "--no-headers").stdout.count("worker-") == 3

    wait_until(known, within_s=90, what="metrics of three nodes", every_s=1)
