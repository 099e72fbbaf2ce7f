"""What runs on a worker: containerd, kubelet and kube-proxy, and their configuration. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import yaml

from harness.lab.boot import Service
from harness.lab.directories import Directories
from harness.lab.layout import CLUSTER_DOMAIN, DNS_SERVICE, POD_NETWORK, Machine

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
PAUSE_IMAGE = "harness.local/pause:lab"


def services(machine: Machine, directories: Directories, programs: Path) -> tuple[Service, ...]:
    """The processes of a worker."""
    disk = directories.machine(machine.name)
    return (
        Service(name="containerd", argv=("containerd", "--config", str(disk / "containerd.toml"))),
        Service(
            name="kubelet",
            argv=(
                str(programs / "kubernetes"),
                "kubelet",
                f"--config={disk / 'kubelet.yaml'}",
                f"--kubeconfig={directories.kubeconfig(machine.name)}",
                f"--hostname-override={machine.name}",
                f"--node-ip={machine.address}",
                f"--node-labels=topology.kubernetes.io/zone={machine.zone}",
            ),
            after=CONTAINERD_SOCKET,
        ),
        kube_proxy(machine, directories, programs),
    )


def kube_proxy(machine: Machine, directories: Directories, programs: Path) -> Service:
    """What makes Services reachable from a machine, a member of the cluster or not."""
    return Service(
        name="kube-proxy",
        argv=(
            str(programs / "kubernetes"),
            "kube-proxy",
            f"--config={directories.machine(machine.name) / 'kube-proxy.yaml'}",
        ),
    )


def files(machine: Machine, directories: Directories, cgroup: str) -> Mapping[str, str]:
    """The configuration files on a worker's disk; `cgroup` is what its pods' groups are below."""
    return {
        "containerd.toml": _containerd(directories.machine(machine.name)),
        "cni/10-lab.conflist": _network(machine),
        "kubelet.yaml": _kubelet(machine, directories, cgroup),
        "kube-proxy.yaml": kube_proxy_file(machine, directories),
    }


def _containerd(disk: Path) -> str:
    # restrict_oom_score_adj: root may lack CAP_SYS_RESOURCE, and runc then fails to lower a score.
    return f"""\
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]

[grpc]
  address = "{CONTAINERD_SOCKET}"

[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"

[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "{PAUSE_IMAGE}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{disk / "cni"}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""


def _network(machine: Machine) -> str:
    # Routed, not bridged: replies between two pods of one machine pass its firewall rules, too,
    # without the kernel module br_netfilter. Addresses are forgotten by a power cut (/run).
    return json.dumps(
        {
            "cniVersion": "0.4.0",
            "name": "lab",
            "plugins": [
                {
                    "type": "ptp",
                    "ipMasq": False,
                    "ipam": {
                        "type": "host-local",
                        "ranges": [[{"subnet": machine.pod_network}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                        "dataDir": "/run/cni",
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": True}},
            ],
        },
        indent=2,
    )


def _kubelet(machine: Machine, directories: Directories, cgroup: str) -> str:
    authority = str(directories.certificate("ca"))
    return yaml.safe_dump(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": authority},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(directories.certificate(f"kubelet-{machine.name}")),
            "tlsPrivateKeyFile": str(directories.key(f"kubelet-{machine.name}")),
            "cgroupRoot": cgroup,
            "cgroupDriver": "cgroupfs",
            "failCgroupV1": False,
            "failSwapOn": False,
            # Both would need CAP_SYS_RESOURCE.
            "oomScoreAdj": 0,
            "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
            "clusterDNS": [DNS_SERVICE],
            "clusterDomain": CLUSTER_DOMAIN,
            # The default is on the host's own /usr.
            "volumePluginDir": "/var/lib/kubelet/volume-plugins",
            # No registry gives a removed image back: nothing is removed for want of space.
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {
                "memory.available": "100Mi",
                "nodefs.available": "1%",
                "imagefs.available": "1%",
            },
        },
        sort_keys=False,
    )


def kube_proxy_file(machine: Machine, directories: Directories) -> str:
    """The configuration of kube-proxy."""
    return yaml.safe_dump(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "hostnameOverride": machine.name,
            "bindAddress": machine.address,
            "clusterCIDR": str(POD_NETWORK),
            "clientConnection": {"kubeconfig": str(directories.kubeconfig("kube-proxy"))},
            "oomScoreAdj": 0,
            # These are the whole kernel's, and not a machine's to set.
            "conntrack": {
                "maxPerCore": 0,
                "tcpEstablishedTimeout": "0s",
                "tcpCloseWaitTimeout": "0s",
            },
        },
        sort_keys=False,
    )
