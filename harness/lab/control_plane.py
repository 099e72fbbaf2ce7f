"""What runs on a master: etcd, API server, controller manager and scheduler, with which settings.

Pure. The certificates and kubeconfigs that it names are made by harness.lab.identities.
"""

from __future__ import annotations

from pathlib import Path

from harness.lab.boot import Service
from harness.lab.directories import Directories
from harness.lab.layout import (
    API_PORT,
    KUBERNETES_SERVICE,
    SERVICE_NETWORK,
    SWITCH_ADDRESS,
    Layout,
    Machine,
    Role,
)
from harness.model.cluster_settings import ControlPlaneSettings, Span

ETCD_CLIENT_PORT, ETCD_PEER_PORT = 2379, 2380
TOKEN_ISSUER = "https://kubernetes.default.svc.cluster.local"  # noqa: S105 - who signs, no secret
API_NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
    "127.0.0.1",
    KUBERNETES_SERVICE,
    SWITCH_ADDRESS,
)
"""By what clients call the API; every master's address comes on top."""

# Three members share two cores with everything else: etcd's tuning guide asks for an election
# timeout of at least ten round trips, and what counts here is how late a busy member is scheduled.
_HEARTBEAT_MS, _ELECTION_MS = 250, 2500


_BALANCER_NOTICES_S = 4.0
"""harness.lab.balancer: a check begins up to 1 s after the loss or the last one, and is given up
after 1 s (HAProxy configuration manual, `timeout check`); the second failure in a row counts."""


def known_settings(layout: Layout) -> ControlPlaneSettings:
    """What predictions need to know of the control plane, and cannot read from within."""
    masters = layout.of(Role.MASTER)
    return ControlPlaneSettings(
        members=len(masters),
        election_timeout_s=_ELECTION_MS / 1000,
        balancer=Span(
            low_s=0,
            high_s=_BALANCER_NOTICES_S,
            source="HAProxy: inter 1s fall 2",
        ),
        machines={master.name: master.zone for master in masters},
    )


def services(
    machine: Machine, layout: Layout, directories: Directories, programs: Path
) -> tuple[Service, ...]:
    """The processes of a master."""
    kubernetes = str(programs / "kubernetes")
    return (
        Service(name="etcd", argv=_etcd(machine, layout, directories)),
        Service(
            name="kube-apiserver",
            argv=(kubernetes, "kube-apiserver", *_api_server(machine, layout, directories)),
        ),
        Service(
            name="kube-controller-manager",
            argv=(kubernetes, "kube-controller-manager", *_controller_manager(directories)),
        ),
        Service(
            name="kube-scheduler",
            argv=(
                kubernetes,
                "kube-scheduler",
                f"--kubeconfig={directories.kubeconfig('kube-scheduler')}",
                f"--authentication-kubeconfig={directories.kubeconfig('kube-scheduler')}",
                f"--authorization-kubeconfig={directories.kubeconfig('kube-scheduler')}",
            ),
        ),
    )


def _etcd(machine: Machine, layout: Layout, directories: Directories) -> tuple[str, ...]:
    peers = ",".join(
        f"{one.name}=https://{one.address}:{ETCD_PEER_PORT}" for one in layout.of(Role.MASTER)
    )
    client = f"https://{machine.address}:{ETCD_CLIENT_PORT}"
    peer = f"https://{machine.address}:{ETCD_PEER_PORT}"
    authority = directories.certificate("etcd-ca")
    certificate = directories.certificate(f"etcd-{machine.name}")
    key = directories.key(f"etcd-{machine.name}")
    return (
        "etcd",
        f"--name={machine.name}",
        "--data-dir=/var/lib/etcd",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster={peers}",
        "--initial-cluster-state=new",
        "--client-cert-auth",
        f"--trusted-ca-file={authority}",
        f"--cert-file={certificate}",
        f"--key-file={key}",
        "--peer-client-cert-auth",
        f"--peer-trusted-ca-file={authority}",
        f"--peer-cert-file={certificate}",
        f"--peer-key-file={key}",
        f"--heartbeat-interval={_HEARTBEAT_MS}",
        f"--election-timeout={_ELECTION_MS}",
        "--auto-compaction-retention=1h",
        "--log-level=warn",
        "--logger=zap",
    )


def _api_server(machine: Machine, layout: Layout, directories: Directories) -> tuple[str, ...]:
    masters = layout.of(Role.MASTER)
    # The member beside it first: the others only when that one does not answer.
    nearest = sorted(masters, key=lambda one: one.name != machine.name)
    return (
        "--etcd-servers="
        + ",".join(f"https://{one.address}:{ETCD_CLIENT_PORT}" for one in nearest),
        f"--etcd-cafile={directories.certificate('etcd-ca')}",
        f"--etcd-certfile={directories.certificate('etcd-client')}",
        f"--etcd-keyfile={directories.key('etcd-client')}",
        f"--advertise-address={machine.address}",
        f"--secure-port={API_PORT}",
        f"--tls-cert-file={directories.certificate(f'api-{machine.name}')}",
        f"--tls-private-key-file={directories.key(f'api-{machine.name}')}",
        f"--client-ca-file={directories.certificate('ca')}",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        f"--service-account-issuer={TOKEN_ISSUER}",
        f"--service-account-signing-key-file={directories.key('service-accounts')}",
        f"--service-account-key-file={directories.certificate('service-accounts')}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        # Nodes are called by address: no name server knows them.
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-certificate-authority={directories.certificate('ca')}",
        f"--kubelet-client-certificate={directories.certificate('api-to-kubelet')}",
        f"--kubelet-client-key={directories.key('api-to-kubelet')}",
        # Masters have no kube-proxy: aggregated APIs are called at their pods' addresses.
        "--enable-aggregator-routing=true",
        f"--requestheader-client-ca-file={directories.certificate('front-proxy-ca')}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={directories.certificate('front-proxy-client')}",
        f"--proxy-client-key-file={directories.key('front-proxy-client')}",
    )


def _controller_manager(directories: Directories) -> tuple[str, ...]:
    kubeconfig = directories.kubeconfig("kube-controller-manager")
    return (
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--root-ca-file={directories.certificate('ca')}",
        f"--service-account-private-key-file={directories.key('service-accounts')}",
        "--use-service-account-credentials=true",
        f"--cluster-signing-cert-file={directories.certificate('ca')}",
        f"--cluster-signing-key-file={directories.key('ca')}",
        # Each machine's pod network is fixed by the layout, with the routes to it.
        "--allocate-node-cidrs=false",
    )
