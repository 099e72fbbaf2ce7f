"""The settings of a master: who etcd's members are, who may do what, and by which credentials."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.lab import control_plane
from harness.lab.boot import Service
from harness.lab.directories import Directories
from harness.lab.identities import ADMIN, INSIDE
from harness.lab.layout import Layout, Machine, Role

DIRECTORIES = Directories(Path("/state/lab"))
PKI = "/state/lab/pki"
PROGRAMS = Path("/programs")
SIZES = (1, 3, 5)


def services(machine: Machine, layout: Layout) -> dict[str, Service]:
    """By name."""
    found = control_plane.services(machine, layout, DIRECTORIES, PROGRAMS)
    return {service.name: service for service in found}


def flags(service: Service) -> dict[str, str]:
    """The settings of a service; none may be given twice, since the last would win."""
    given = [word.removeprefix("--").partition("=") for word in service.argv if word[:2] == "--"]
    assert len({name for name, _, _ in given}) == len(given)
    return {name: value if equals else "true" for name, equals, value in given}


def masters(count: int) -> list[tuple[Machine, Layout]]:
    """Each of so many masters."""
    layout = Layout(masters=count)
    return [(machine, layout) for machine in layout.of(Role.MASTER)]


ALL = [
    pytest.param(*pair, id=f"{pair[0].name} of {size}") for size in SIZES for pair in masters(size)
]


@pytest.mark.parametrize(("machine", "layout"), ALL)
def test_what_runs_on_a_master(machine: Machine, layout: Layout) -> None:
    """etcd, and the three components of the one Kubernetes program; none waits for another."""
    found = services(machine, layout)
    components = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"]
    assert list(found) == ["etcd", *components]
    assert found["etcd"].argv[0] == "etcd"
    for name in components:
        assert found[name].argv[:2] == ("/programs/kubernetes", name)
    assert {service.after for service in found.values()} == {""}


@pytest.mark.parametrize(("machine", "layout"), ALL)
def test_each_etcd_names_all_members(machine: Machine, layout: Layout) -> None:
    """The same cluster on every master, and itself as the others know it."""
    etcd = flags(services(machine, layout)["etcd"])
    members = dict(one.split("=") for one in etcd["initial-cluster"].split(","))
    assert members == {one.name: f"https://{one.address}:2380" for one in layout.of(Role.MASTER)}
    assert etcd["name"] == machine.name
    assert etcd["initial-advertise-peer-urls"] == etcd["listen-peer-urls"] == members[machine.name]
    client = f"https://{machine.address}:2379"
    assert etcd["listen-client-urls"] == etcd["advertise-client-urls"] == client
    assert etcd["data-dir"] == "/var/lib/etcd"  # on the disk that outlives a power cut


@pytest.mark.parametrize(("machine", "layout"), ALL)
def test_etcd_takes_nobody_without_a_certificate(machine: Machine, layout: Layout) -> None:
    """Clients and peers prove themselves to an authority that is etcd's alone."""
    etcd = flags(services(machine, layout)["etcd"])
    assert etcd["client-cert-auth"] == etcd["peer-client-cert-auth"] == "true"
    assert etcd["trusted-ca-file"] == etcd["peer-trusted-ca-file"] == f"{PKI}/etcd-ca.crt"
    assert etcd["cert-file"] == etcd["peer-cert-file"] == f"{PKI}/etcd-{machine.name}.crt"
    assert etcd["key-file"] == etcd["peer-key-file"] == f"{PKI}/etcd-{machine.name}.key"


@pytest.mark.parametrize(("machine", "layout"), ALL)
def test_the_election_timeout_is_ten_heartbeats(machine: Machine, layout: Layout) -> None:
    """As etcd's tuning guide asks."""
    etcd = flags(services(machine, layout)["etcd"])
    assert int(etcd["election-timeout"]) >= 10 * int(etcd["heartbeat-interval"])


@pytest.mark.parametrize(("machine", "layout"), ALL)
def test_an_api_server_asks_the_etcd_beside_it_first(machine: Machine, layout: Layout) -> None:
    """The others once each, after it."""
    first, *others = flags(services(machine, layout)["kube-apiserver"])["etcd-servers"].split(",")
    assert first == f"https://{machine.address}:2379"
    assert sorted(others) == sorted(
        f"https://{one.address}:2379" for one in layout.of(Role.MASTER) if one != machine
    )


@pytest.mark.parametrize(("machine", "layout"), ALL)
def test_an_api_server_authorizes_nodes_and_roles(machine: Machine, layout: Layout) -> None:
    """A kubelet may do what its own node needs: authorizer and admission belong together."""
    api = flags(services(machine, layout)["kube-apiserver"])
    assert api["authorization-mode"] == "Node,RBAC"
    assert "NodeRestriction" in api["enable-admission-plugins"].split(",")
    assert api["client-ca-file"] == f"{PKI}/ca.crt"
    assert api["advertise-address"] == machine.address
    assert api["secure-port"] == "6443"


@pytest.mark.parametrize(("machine", "layout"), ALL)
def test_an_api_server_has_its_own_certificates(machine: Machine, layout: Layout) -> None:
    """Its server's is for this master; to etcd, kubelets and aggregated APIs it is a client."""
    api = flags(services(machine, layout)["kube-apiserver"])
    pairs = {
        f"api-{machine.name}": ("tls-cert-file", "tls-private-key-file"),
        "etcd-client": ("etcd-certfile", "etcd-keyfile"),
        "api-to-kubelet": ("kubelet-client-certificate", "kubelet-client-key"),
        "front-proxy-client": ("proxy-client-cert-file", "proxy-client-key-file"),
    }
    for name, (certificate, key) in pairs.items():
        assert api[certificate] == f"{PKI}/{name}.crt"
        assert api[key] == f"{PKI}/{name}.key"
    assert api["etcd-cafile"] == f"{PKI}/etcd-ca.crt"
    assert api["kubelet-certificate-authority"] == f"{PKI}/ca.crt"
    assert api["requestheader-client-ca-file"] == f"{PKI}/front-proxy-ca.crt"


def test_tokens_are_signed_and_checked_by_one_pair() -> None:
    """The same on every master, or a token would depend on who answers."""
    layout = Layout()
    for machine in layout.of(Role.MASTER):
        found = services(machine, layout)
        api = flags(found["kube-apiserver"])
        manager = flags(found["kube-controller-manager"])
        assert api["service-account-signing-key-file"] == f"{PKI}/service-accounts.key"
        assert manager["service-account-private-key-file"] == f"{PKI}/service-accounts.key"
        assert api["service-account-key-file"] == f"{PKI}/service-accounts.crt"
        assert api["service-account-issuer"].startswith("https://kubernetes.default.svc")


@pytest.mark.parametrize("component", ["kube-controller-manager", "kube-scheduler"])
def test_a_component_is_itself_and_nobody_else(component: str) -> None:
    """By its own kubeconfig, also where it asks who calls it and what they may."""
    layout = Layout()
    for machine in layout.of(Role.MASTER):
        given = flags(services(machine, layout)[component])
        kubeconfigs = {name: value for name, value in given.items() if "kubeconfig" in name}
        assert kubeconfigs == dict.fromkeys(
            ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"),
            f"{PKI}/{component}.kubeconfig",
        )


def test_controllers_use_service_accounts_of_their_own() -> None:
    """Not the rights of all controllers together."""
    machine, layout = masters(1)[0]
    manager = flags(services(machine, layout)["kube-controller-manager"])
    assert manager["use-service-account-credentials"] == "true"


def test_no_process_has_the_administrator_s_credentials() -> None:
    """They are for who runs the lab."""
    layout = Layout()
    for machine in layout.of(Role.MASTER):
        for service in services(machine, layout).values():
            for name in (ADMIN, INSIDE):
                assert not any(str(DIRECTORIES.kubeconfig(name)) in word for word in service.argv)


def test_only_the_controller_manager_signs_certificates() -> None:
    """The authority's key is in no other argument."""
    machine, layout = masters(3)[0]
    having = {
        name
        for name, service in services(machine, layout).items()
        if any(word.endswith(f"={PKI}/ca.key") for word in service.argv)
    }
    assert having == {"kube-controller-manager"}
