"""The lab's public key infrastructure: who each process is, and that every file named is there."""

from __future__ import annotations

import base64
import stat
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from harness.drivers.clock import HostClock
from harness.lab import control_plane, identities, worker
from harness.lab.boot import Service
from harness.lab.directories import Directories
from harness.lab.layout import KUBERNETES_SERVICE, SWITCH_ADDRESS, Layout, Machine, Role

LAYOUT = Layout(masters=3, workers=2, zones=1)
PORT = 17042
PROGRAMS = Path("/programs")
INSIDE, OUTSIDE = "https://10.89.0.1:6443", f"https://127.0.0.1:{PORT}"

USERS = {
    "admin": (OUTSIDE, "lab-admin", ["system:masters"]),
    "inside": (INSIDE, "lab-admin", ["system:masters"]),
    "kube-controller-manager": (INSIDE, "system:kube-controller-manager", []),
    "kube-scheduler": (INSIDE, "system:kube-scheduler", []),
    "kube-proxy": (INSIDE, "system:kube-proxy", []),
    "worker-1": (INSIDE, "system:node:worker-1", ["system:nodes"]),
    "worker-2": (INSIDE, "system:node:worker-2", ["system:nodes"]),
}
"""Kubeconfig -> server, user, groups."""

SERVERS = [
    *(("ca", f"api-{one.name}", one.address) for one in LAYOUT.of(Role.MASTER)),
    *(("etcd-ca", f"etcd-{one.name}", one.address) for one in LAYOUT.of(Role.MASTER)),
    *(("ca", f"kubelet-{one.name}", one.address) for one in LAYOUT.of(Role.WORKER)),
]
"""Authority, certificate, the address at which it is called."""

CLIENTS = {
    "etcd-client": ("etcd-ca", "kube-apiserver"),
    "front-proxy-client": ("front-proxy-ca", "front-proxy-client"),
    "api-to-kubelet": ("ca", "kube-apiserver-kubelet-client"),
}
"""Certificate -> authority, common name."""

AUTHORITIES = ("ca", "etcd-ca", "front-proxy-ca")


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> Directories:
    """Where the identities of one lab were made, once: no test changes them."""
    made = Directories.below(tmp_path_factory.mktemp("state"))
    identities.make(LAYOUT, made, PORT)
    return made


def certificate(directories: Directories, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(directories.certificate(name).read_bytes())


def subject(found: x509.Certificate) -> tuple[str, list[str]]:
    """The common name and the organizations."""
    (name,) = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    organizations = found.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return str(name.value), [str(one.value) for one in organizations]


def usages(found: x509.Certificate) -> list[x509.ObjectIdentifier]:
    return list(found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def kubeconfig(directories: Directories, name: str) -> dict[str, Any]:
    """As a YAML parser reads it."""
    parsed = yaml.safe_load(directories.kubeconfig(name).read_text())
    assert isinstance(parsed, dict)
    return parsed


def user_of(directories: Directories, name: str) -> x509.Certificate:
    """The certificate in a kubeconfig."""
    (one,) = kubeconfig(directories, name)["users"]
    content = base64.b64decode(one["user"]["client-certificate-data"], validate=True)
    return x509.load_pem_x509_certificate(content)


@pytest.mark.parametrize(("authority", "name", "address"), SERVERS)
def test_a_server_is_who_it_is_called(
    directories: Directories, authority: str, name: str, address: str
) -> None:
    """A strict verifier accepts it at its address, by the authority that its clients trust."""
    store = verification.Store([certificate(directories, authority)])
    builder = verification.PolicyBuilder().store(store).time(HostClock().now().utc)
    verifier = builder.build_server_verifier(x509.IPAddress(ip_address(address)))
    verifier.verify(certificate(directories, name), [])
    other = builder.build_server_verifier(x509.IPAddress(ip_address("10.89.0.99")))
    with pytest.raises(verification.VerificationError):
        other.verify(certificate(directories, name), [])


@pytest.mark.parametrize("master", LAYOUT.of(Role.MASTER), ids=lambda master: master.name)
def test_the_api_is_called_by_many_names(directories: Directories, master: Machine) -> None:
    """By the balancer's addresses, by the Service's address and names, and by its own address."""
    names = (
        certificate(directories, f"api-{master.name}")
        .extensions.get_extension_for_class(x509.SubjectAlternativeName)
        .value
    )
    addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    assert addresses == {"127.0.0.1", SWITCH_ADDRESS, KUBERNETES_SERVICE, master.address}
    assert set(names.get_values_for_type(x509.DNSName)) == {
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
    }


@pytest.mark.parametrize("name", CLIENTS)
def test_an_api_server_calls_others_as_itself(directories: Directories, name: str) -> None:
    """etcd, kubelets and aggregated APIs: each trusts another authority, and no group is needed."""
    authority, common_name = CLIENTS[name]
    found = certificate(directories, name)
    found.verify_directly_issued_by(certificate(directories, authority))
    assert subject(found) == (common_name, [])
    assert usages(found) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    for other in set(AUTHORITIES) - {authority}:
        with pytest.raises((InvalidSignature, ValueError)):
            found.verify_directly_issued_by(certificate(directories, other))


def test_certificates_are_for_one_end(directories: Directories) -> None:
    """Only etcd's members are both: to each other they are clients, too."""
    for _, name, _ in SERVERS:
        expected = [ExtendedKeyUsageOID.SERVER_AUTH]
        if name.startswith("etcd-"):
            expected.append(ExtendedKeyUsageOID.CLIENT_AUTH)
        assert usages(certificate(directories, name)) == expected


@pytest.mark.parametrize("name", USERS)
def test_a_kubeconfig_says_who_and_where(directories: Directories, name: str) -> None:
    """The user and groups that Kubernetes gives rights to, proven by the cluster's authority."""
    server, user, groups = USERS[name]
    parsed = kubeconfig(directories, name)
    (cluster,), (context,), (own,) = parsed["clusters"], parsed["contexts"], parsed["users"]
    assert (parsed["apiVersion"], parsed["kind"]) == ("v1", "Config")
    assert parsed["current-context"] == context["name"]
    assert context["context"] == {"cluster": cluster["name"], "user": own["name"]}
    assert cluster["cluster"]["server"] == server
    trusted = base64.b64decode(cluster["cluster"]["certificate-authority-data"], validate=True)
    assert trusted == directories.certificate("ca").read_bytes()
    found = user_of(directories, name)
    found.verify_directly_issued_by(certificate(directories, "ca"))
    assert subject(found) == (user, groups)
    assert usages(found) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    key = load_pem_private_key(base64.b64decode(own["user"]["client-key-data"]), None)
    assert key.public_key() == found.public_key()


def test_nobody_but_the_administrator_is_in_the_group_of_all_rights(
    directories: Directories,
) -> None:
    """No kubelet, no component; and no client certificate beside the kubeconfigs."""
    names = [path.stem for path in directories.pki.glob("*.kubeconfig")]
    assert sorted(names) == sorted(USERS)
    having = {name for name in names if "system:masters" in subject(user_of(directories, name))[1]}
    assert having == {"admin", "inside"}
    for path in directories.pki.glob("*.crt"):
        if path.stem != "service-accounts":
            assert subject(certificate(directories, path.stem))[1] == []


def test_users_have_keys_of_their_own(directories: Directories) -> None:
    """Two kubeconfigs never hold one key."""
    keys = {kubeconfig(directories, name)["users"][0]["user"]["client-key-data"] for name in USERS}
    assert len(keys) == len(USERS)


def test_tokens_are_checked_by_the_key_that_signs_them(directories: Directories) -> None:
    """The public half is what the API servers read."""
    private = load_pem_private_key(directories.key("service-accounts").read_bytes(), None)
    public = load_pem_public_key(directories.certificate("service-accounts").read_bytes())
    assert private.public_key() == public


@pytest.mark.parametrize("name", [*CLIENTS, *(name for _, name, _ in SERVERS), "ca"])
def test_keys_fit_their_certificates(directories: Directories, name: str) -> None:
    """Each pair of files."""
    key = load_pem_private_key(directories.key(name).read_bytes(), None)
    assert key.public_key() == certificate(directories, name).public_key()


def test_all_files_of_the_smallest_lab(tmp_path: Path) -> None:
    """The keys of etcd's and the front proxy's authorities are kept nowhere."""
    made = Directories.below(tmp_path)
    identities.make(Layout(masters=1, workers=1, zones=1), made, PORT)
    pairs = (
        *("api-master-1", "api-to-kubelet", "ca", "etcd-client", "etcd-master-1"),
        *("front-proxy-client", "kubelet-worker-1", "service-accounts"),
    )
    users = (
        *("admin", "inside", "kube-controller-manager", "kube-proxy", "kube-scheduler"),
        "worker-1",
    )
    assert {path.name for path in made.pki.iterdir()} == {
        *(f"{name}.{kind}" for name in pairs for kind in ("crt", "key")),
        *(f"{name}.crt" for name in ("etcd-ca", "front-proxy-ca")),
        *(f"{name}.kubeconfig" for name in users),
    }


def test_modes(directories: Directories) -> None:
    """What proves who somebody is can be read by its owner alone; so can the directory."""
    assert stat.S_IMODE(directories.pki.stat().st_mode) == 0o700
    modes = {"crt": 0o644, "key": 0o600, "kubeconfig": 0o600}
    for path in directories.pki.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == modes[path.suffix[1:]], path.name


def services(machine: Machine, directories: Directories) -> tuple[Service, ...]:
    """All that runs on a machine."""
    if machine.role is Role.MASTER:
        return control_plane.services(machine, LAYOUT, directories, PROGRAMS)
    if machine.role is Role.WORKER:
        return worker.services(machine, directories, PROGRAMS)
    return (worker.kube_proxy(machine, directories, PROGRAMS),)


def named_files(machine: Machine, directories: Directories) -> set[Path]:
    """What a machine's arguments and configuration files name of the infrastructure."""
    words = [word for service in services(machine, directories) for word in service.argv]
    if machine.role is Role.WORKER:
        for text in worker.files(machine, directories, "/group").values():
            words += text.split()
    if machine.role is Role.OUTSIDE:
        words += worker.kube_proxy_file(machine, directories).split()
    prefix = f"{directories.pki}/"
    return {directories.pki / word.partition(prefix)[2] for word in words if prefix in word}


@pytest.mark.parametrize("machine", LAYOUT.machines(), ids=lambda machine: machine.name)
def test_every_file_that_a_process_names_was_made(
    directories: Directories, machine: Machine
) -> None:
    """By arguments and by configuration files; each machine names some."""
    named = named_files(machine, directories)
    assert named
    assert {path for path in named if not path.is_file()} == set()


def test_every_file_that_was_made_is_named_by_somebody(directories: Directories) -> None:
    """But the kubeconfigs of who runs the lab."""
    named = {path for one in LAYOUT.machines() for path in named_files(one, directories)}
    unnamed = {path.name for path in directories.pki.iterdir()} - {path.name for path in named}
    assert unnamed == {"admin.kubeconfig", "inside.kubeconfig"}


def test_a_worker_names_no_other_worker_s_credentials(directories: Directories) -> None:
    """Nor a master's."""
    for machine in LAYOUT.of(Role.WORKER):
        assert {path.name for path in named_files(machine, directories)} == {
            "ca.crt",
            "kube-proxy.kubeconfig",
            f"kubelet-{machine.name}.crt",
            f"kubelet-{machine.name}.key",
            f"{machine.name}.kubeconfig",
        }


def test_the_front_proxy_is_known_by_its_name(directories: Directories) -> None:
    """Aggregated APIs take the user's name only from this common name."""
    machine = LAYOUT.of(Role.MASTER)[0]
    words = [word for one in services(machine, directories) for word in one.argv]
    common_name, _ = subject(certificate(directories, "front-proxy-client"))
    assert f"--requestheader-allowed-names={common_name}" in words
