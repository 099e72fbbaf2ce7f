"""The configuration of a worker, parsed back by the format that each program reads."""

from __future__ import annotations

import ipaddress
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.lab import worker
from harness.lab.boot import Service
from harness.lab.directories import Directories
from harness.lab.layout import POD_NETWORK, Layout, Machine, Role

DIRECTORIES = Directories(Path("/state/my lab"))
DISK = "/state/my lab/machines"
PKI = "/state/my lab/pki"
PROGRAMS = Path("/programs")
CGROUP = "/harness-lab/of-this-machine"
LAYOUT = Layout()
WORKERS = [pytest.param(machine, id=machine.name) for machine in LAYOUT.of(Role.WORKER)]
SOCKET = "/run/containerd/containerd.sock"


def files(machine: Machine) -> Mapping[str, str]:
    return worker.files(machine, DIRECTORIES, CGROUP)


def kubelet(machine: Machine) -> dict[str, Any]:
    """Its configuration, as a YAML parser reads it."""
    parsed = yaml.safe_load(files(machine)["kubelet.yaml"])
    assert isinstance(parsed, dict)
    return parsed


def services(machine: Machine) -> dict[str, Service]:
    return {one.name: one for one in worker.services(machine, DIRECTORIES, PROGRAMS)}


@pytest.mark.parametrize("machine", WORKERS)
def test_what_runs_on_a_worker(machine: Machine) -> None:
    """Each with its own configuration file; the kubelet waits for containerd."""
    found = services(machine)
    disk = f"{DISK}/{machine.name}"
    assert found == {
        "containerd": Service(
            name="containerd", argv=("containerd", "--config", f"{disk}/containerd.toml")
        ),
        "kubelet": Service(
            name="kubelet",
            argv=(
                "/programs/kubernetes",
                "kubelet",
                f"--config={disk}/kubelet.yaml",
                f"--kubeconfig={PKI}/{machine.name}.kubeconfig",
                f"--hostname-override={machine.name}",
                f"--node-ip={machine.address}",
                f"--node-labels=topology.kubernetes.io/zone={machine.zone}",
            ),
            after=SOCKET,
        ),
        "kube-proxy": Service(
            name="kube-proxy",
            argv=("/programs/kubernetes", "kube-proxy", f"--config={disk}/kube-proxy.yaml"),
        ),
    }


@pytest.mark.parametrize("machine", WORKERS)
def test_every_configuration_file_that_is_named_is_written(machine: Machine) -> None:
    """And no other."""
    disk = f"{DISK}/{machine.name}/"
    words = [word for one in services(machine).values() for word in one.argv]
    named = {word.partition(disk)[2] for word in words if disk in word}
    conf_dir = containerd(machine)["plugins"]["io.containerd.grpc.v1.cri"]["cni"]["conf_dir"]
    assert conf_dir == f"{disk}cni"
    assert set(files(machine)) == named | {"cni/10-lab.conflist"}


@pytest.mark.parametrize("machine", WORKERS)
def test_a_kubelet_lets_nobody_in_unknown(machine: Machine) -> None:
    """No anonymous access; who calls is asked of the API server, what they may as well."""
    found = kubelet(machine)
    assert found["authentication"] == {
        "anonymous": {"enabled": False},
        "webhook": {"enabled": True},
        "x509": {"clientCAFile": f"{PKI}/ca.crt"},
    }
    assert found["authorization"] == {"mode": "Webhook"}
    assert found.get("readOnlyPort", 0) == 0


@pytest.mark.parametrize("machine", WORKERS)
def test_a_kubelet_has_its_own_certificate_and_groups(machine: Machine) -> None:
    """Nobody else's, and its pods' control groups are below the machine's."""
    found = kubelet(machine)
    assert found["apiVersion"] == "kubelet.config.k8s.io/v1beta1"
    assert found["kind"] == "KubeletConfiguration"
    assert found["tlsCertFile"] == f"{PKI}/kubelet-{machine.name}.crt"
    assert found["tlsPrivateKeyFile"] == f"{PKI}/kubelet-{machine.name}.key"
    assert found["cgroupRoot"] == CGROUP
    assert found["cgroupDriver"] == "cgroupfs"
    assert found["containerRuntimeEndpoint"] == f"unix://{SOCKET}"


@pytest.mark.parametrize("machine", WORKERS)
def test_pods_find_the_cluster_s_dns(machine: Machine) -> None:
    """A constant of the layout, which the Service of the addon has, too."""
    found = kubelet(machine)
    assert found["clusterDNS"] == ["10.96.0.10"]
    assert found["clusterDomain"] == "cluster.local"


@pytest.mark.parametrize("machine", WORKERS)
def test_images_are_never_removed_for_want_of_space(machine: Machine) -> None:
    """No registry would give them back."""
    assert kubelet(machine)["imageGCHighThresholdPercent"] == 100


@pytest.mark.parametrize("machine", WORKERS)
def test_pods_get_addresses_of_their_machine(machine: Machine) -> None:
    """Routed, without another address in between; forgotten by a power cut."""
    found = json.loads(files(machine)["cni/10-lab.conflist"])
    interface, ports = found["plugins"]
    assert (found["cniVersion"], found["name"]) == ("0.4.0", "lab")
    assert interface == {
        "type": "ptp",
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": machine.pod_network}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": "/run/cni",
        },
    }
    assert ports == {"type": "portmap", "capabilities": {"portMappings": True}}


def containerd(machine: Machine) -> dict[str, Any]:
    """Its configuration, as a TOML parser reads it."""
    return tomllib.loads(files(machine)["containerd.toml"])


@pytest.mark.parametrize("machine", WORKERS)
def test_containerd_keeps_all_it_has_on_the_machine(machine: Machine) -> None:
    """Images on the disk that outlives a power cut, all that runs where it is forgotten."""
    found = containerd(machine)
    assert (found["version"], found["root"], found["state"]) == (
        2,
        "/var/lib/containerd",
        "/run/containerd",
    )
    assert found["grpc"] == {"address": SOCKET}
    assert found["plugins"]["io.containerd.internal.v1.opt"]["path"] == "/var/lib/containerd/opt"


@pytest.mark.parametrize("machine", WORKERS)
def test_containerd_s_runtime(machine: Machine) -> None:
    """The pause image is the lab's; groups by cgroupfs, as the kubelet has them."""
    cri = containerd(machine)["plugins"]["io.containerd.grpc.v1.cri"]
    runc = cri["containerd"]["runtimes"]["runc"]
    assert cri["sandbox_image"] == worker.PAUSE_IMAGE
    assert cri["containerd"]["snapshotter"] == "overlayfs"
    assert (runc["runtime_type"], runc["options"]) == (
        "io.containerd.runc.v2",
        {"SystemdCgroup": False},
    )


@pytest.mark.parametrize(
    "machine", [*WORKERS, pytest.param(LAYOUT.of(Role.OUTSIDE)[0], id="outside")]
)
def test_kube_proxy(machine: Machine) -> None:
    """As itself, on its machine's address; a value of the whole kernel is left alone."""
    found = yaml.safe_load(worker.kube_proxy_file(machine, DIRECTORIES))
    assert found == {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "hostnameOverride": machine.name,
        "bindAddress": machine.address,
        "clusterCIDR": str(POD_NETWORK),
        "clientConnection": {"kubeconfig": f"{PKI}/kube-proxy.kubeconfig"},
        "oomScoreAdj": 0,
        "conntrack": {
            "maxPerCore": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    }


def test_each_worker_differs_from_the_others_in_all_that_is_its_own() -> None:
    """Address, pods' network, certificate and kubeconfig."""
    machines = LAYOUT.of(Role.WORKER)
    networks = {files(one)["cni/10-lab.conflist"] for one in machines}
    certificates = {kubelet(one)["tlsCertFile"] for one in machines}
    kubelets = {services(one)["kubelet"].argv for one in machines}
    assert len(networks) == len(certificates) == len(kubelets) == len(machines)
    pods = ipaddress.IPv4Network(str(POD_NETWORK))
    assert all(ipaddress.IPv4Network(one.pod_network).subnet_of(pods) for one in machines)
