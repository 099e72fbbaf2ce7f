"""Starts a Kubernetes of its own without machines: a real control plane, and kwok for the kubelets.

All of it are processes of this machine on loopback ports, working in one directory and started with
the lab's own programs. Scheduler, controllers and admission are real, so that a quota refuses, and
a pod finds room or none, as on any cluster; nodes are as large as they are said to be, and pods
"run" as soon as they are placed. It needs neither root nor the lab, and does not touch one.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.certificates import Authority, signing_keys, write
from harness.drivers import process
from harness.drivers.clock import wait_until
from harness.drivers.loopback import ADDRESS, free_ports, listens
from harness.errors import DeadlineExceededError, SurroundingsError
from harness.lab.control_plane import API_NAMES, TOKEN_ISSUER
from harness.lab.directories import Directories
from harness.lab.identities import ADMIN, kubeconfig
from harness.lab.kubectl import Kubectl, settings
from harness.lab.layout import SERVICE_NETWORK
from harness.lab.sources import source

_STARTS_WITHIN_S = 120.0
_LAST_LINES = 10
_KWOK, _MANAGER, _SCHEDULER = "kwok", "kube-controller-manager", "kube-scheduler"


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """Where what is started was built (harness.lab.programs)."""

    cluster: Path
    kwok: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ports:
    etcd: int
    peer: int
    api: int


@contextlib.contextmanager
def fake_cluster(
    place: Path,
    programs: Programs,
    nodes: Sequence[Mapping[str, Any]],
    tell: Callable[[str], None],
) -> Iterator[Kubectl]:
    """A control plane with these Node objects, all Ready, for the length of a block.

    `place` is a directory of the harness (harness.faults.places): what works below it is ended with
    it, also by another command. Raises SurroundingsError, with what it said last, where a process
    ends or does not serve within two minutes.
    """
    directories = Directories(place)
    ports = _Ports(**dict(zip(("etcd", "peer", "api"), free_ports(3), strict=True)))
    _make_identities(directories, ports)
    cluster = Kubectl(programs.cluster, directories)
    processes = _Processes(directories)
    try:
        tell("starting a control plane of its own")
        processes.start("etcd", _etcd(directories, ports))
        processes.await_("etcd", lambda: listens(ports.etcd))
        binary = str(programs.cluster / "kubernetes")
        processes.start("kube-apiserver", (binary, *_api_server(directories, ports)))
        processes.await_("kube-apiserver", cluster.ready)
        processes.start(_MANAGER, (binary, *_controller_manager(directories)))
        processes.start(_SCHEDULER, (binary, *_scheduler(directories)))
        processes.start(_KWOK, (str(programs.kwok / "kwok"), *_kwok(directories)))
        cluster.call("create", "-f", "-", stdin=as_list(nodes))
        processes.await_(_KWOK, lambda: _ready_nodes(cluster) == len(nodes))
        tell(f"{len(nodes)} nodes are Ready")
        yield cluster
    finally:
        processes.stop()


def node(name: str, zone: str, cores: float, memory: float, pods: int) -> dict[str, Any]:
    """A Node object with so much to give; `memory` in bytes. kwok makes it Ready."""
    size = {"cpu": f"{round(cores * 1000)}m", "memory": str(round(memory)), "pods": str(pods)}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": zone},
        },
        "status": {"capacity": size, "allocatable": size},
    }


def as_list(objects: Sequence[Mapping[str, Any]]) -> bytes:
    """Objects as kubectl takes them on its standard input."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}).encode()


class _Processes:
    """The processes of one control plane, each in a folder of its own, newest ended first."""

    def __init__(self, directories: Directories) -> None:
        self._directories = directories
        self._running: dict[str, process.Child] = {}

    def start(self, name: str, argv: Sequence[str]) -> None:
        """Begins one; SurroundingsError where there is no such program."""
        folder = self._directories.root / name
        folder.mkdir()
        try:
            self._running[name] = process.start(
                argv,
                directory=folder,
                environment={**settings(self._directories), "KWOK_WORKDIR": str(folder)},
                log=self._log(name),
            )
        except FileNotFoundError as error:
            raise SurroundingsError(f"{argv[0]}: no such program", hint="make setup-lab") from error

    def await_(self, name: str, serves: Callable[[], bool]) -> None:
        """Returns when it serves; SurroundingsError where it, or another, ends instead."""

        def serves_or_ended() -> bool:
            self.raise_if_ended()
            return serves()

        try:
            wait_until(serves_or_ended, within_s=_STARTS_WITHIN_S, what=f"{name} serving")
        except DeadlineExceededError as error:
            raise self._failure(name, str(error)) from error

    def raise_if_ended(self) -> None:
        """SurroundingsError where one is no more."""
        for name, child in self._running.items():
            code = child.poll()
            if code is not None:
                raise self._failure(name, f"{name} ended with {code}")

    def stop(self) -> None:
        """Ends all of them."""
        for child in reversed(self._running.values()):
            process.stop(child)

    def _failure(self, name: str, what: str) -> SurroundingsError:
        said = self._log(name).read_text(encoding="utf-8", errors="replace").splitlines()
        return SurroundingsError(
            "\n".join((what, *said[-_LAST_LINES:])),
            hint="harness lab build && harness lab build --kwok",
        )

    def _log(self, name: str) -> Path:
        return self._directories.root / name / "log"


def _make_identities(directories: Directories, ports: _Ports) -> None:
    """As harness.lab.identities does it for a lab: an identity of its own for each process."""
    directories.pki.mkdir(mode=0o700)
    cluster, etcd = Authority("fake"), Authority("fake-etcd")
    write(directories.certificate("ca"), cluster.certificate, 0o644)
    write(directories.certificate("etcd-ca"), etcd.certificate, 0o644)
    private, public = signing_keys()
    write(directories.key("service-accounts"), private, 0o600)
    write(directories.certificate("service-accounts"), public, 0o644)
    for name, pair in {
        "etcd": etcd.issue("etcd", hosts=(ADDRESS,), client=True),
        "etcd-client": etcd.issue("kube-apiserver", client=True),
        "api": cluster.issue("kube-apiserver", hosts=API_NAMES),
    }.items():
        pair.write(directories.certificate(name), directories.key(name))
    for name, (user, groups) in {
        ADMIN: ("fake-admin", ("system:masters",)),
        # It is all kubelets at once, which the Node authorizer has no identity for.
        _KWOK: ("kwok", ("system:masters",)),
        _MANAGER: (f"system:{_MANAGER}", ()),
        _SCHEDULER: (f"system:{_SCHEDULER}", ()),
    }.items():
        pair = cluster.issue(user, organizations=groups, client=True)
        content = kubeconfig(f"https://{ADDRESS}:{ports.api}", user, pair, cluster.certificate)
        write(directories.kubeconfig(name), content.encode(), 0o600)


def _etcd(directories: Directories, ports: _Ports) -> tuple[str, ...]:
    client, peer = f"https://{ADDRESS}:{ports.etcd}", f"https://{ADDRESS}:{ports.peer}"
    certificates = (
        ("trusted-ca-file", directories.certificate("etcd-ca")),
        ("cert-file", directories.certificate("etcd")),
        ("key-file", directories.key("etcd")),
    )
    return (
        "etcd",
        "--name=etcd",
        f"--data-dir={directories.root / 'etcd' / 'data'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=etcd={peer}",
        "--client-cert-auth",
        "--peer-client-cert-auth",
        *(f"--{name}={path}" for name, path in certificates),
        *(f"--peer-{name}={path}" for name, path in certificates),
        "--log-level=warn",
        "--logger=zap",
    )


def _api_server(directories: Directories, ports: _Ports) -> tuple[str, ...]:
    return (
        "kube-apiserver",
        f"--etcd-servers=https://{ADDRESS}:{ports.etcd}",
        f"--etcd-cafile={directories.certificate('etcd-ca')}",
        f"--etcd-certfile={directories.certificate('etcd-client')}",
        f"--etcd-keyfile={directories.key('etcd-client')}",
        f"--bind-address={ADDRESS}",
        f"--advertise-address={ADDRESS}",
        # It would announce itself to pods by an address, and a loopback address is none to them.
        "--endpoint-reconciler-type=none",
        f"--secure-port={ports.api}",
        f"--tls-cert-file={directories.certificate('api')}",
        f"--tls-private-key-file={directories.key('api')}",
        f"--client-ca-file={directories.certificate('ca')}",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        f"--service-account-issuer={TOKEN_ISSUER}",
        f"--service-account-signing-key-file={directories.key('service-accounts')}",
        f"--service-account-key-file={directories.certificate('service-accounts')}",
        "--authorization-mode=RBAC",
        # kwok watches from resource version 0, which this feature turns into a list that is watched
        # (apimachinery, SetListOptionsDefaults); etcd 3.4 cannot give one, and kwok would see pods
        # only when it lists all of them again, tens of seconds later.
        "--feature-gates=WatchList=false",
    )


def _controller_manager(directories: Directories) -> tuple[str, ...]:
    return (
        _MANAGER,
        *_of_a_client(directories, _MANAGER),
        f"--root-ca-file={directories.certificate('ca')}",
        f"--service-account-private-key-file={directories.key('service-accounts')}",
        "--use-service-account-credentials=true",
        # Fake nodes do not fall silent: kwok says once that one is Ready.
        "--node-monitor-grace-period=2h",
    )


def _scheduler(directories: Directories) -> tuple[str, ...]:
    return (_SCHEDULER, *_of_a_client(directories, _SCHEDULER))


def _of_a_client(directories: Directories, name: str) -> tuple[str, ...]:
    path = directories.kubeconfig(name)
    return (
        f"--kubeconfig={path}",
        f"--authentication-kubeconfig={path}",
        f"--authorization-kubeconfig={path}",
        "--leader-elect=false",  # there is no other
        "--secure-port=0",  # nobody asks it anything
    )


def _kwok(directories: Directories) -> tuple[str, ...]:
    return (
        f"--kubeconfig={directories.kubeconfig(_KWOK)}",
        f"--config={source('fake-nodes', 'stages.yaml')}",
        "--manage-all-nodes",
    )


def _ready_nodes(cluster: Kubectl) -> int:
    return sum(
        condition["type"] == "Ready" and condition["status"] == "True"
        for one in cluster.get("nodes")["items"]
        for condition in one["status"].get("conditions", ())
    )
