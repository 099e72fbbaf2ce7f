"""Makes the lab's public key infrastructure: who each process is, and how it reaches the API.

As the Kubernetes documentation describes it (PKI certificates and requirements), with an identity
of its own for each process and node: the Node authorizer and NodeRestriction hold a kubelet to what
its own node needs (Using Node Authorization).
"""

from __future__ import annotations

import base64

import yaml

from harness.certificates import Authority, KeyPair, signing_keys, write
from harness.lab.control_plane import API_NAMES
from harness.lab.directories import Directories
from harness.lab.layout import API_PORT, SWITCH_ADDRESS, Layout, Role

ADMIN = "admin"
"""The kubeconfig of who runs the lab, for use on the host."""

INSIDE = "inside"
"""The same identity's, for use inside the lab's network."""

CONTEXT = "lab"
"""The one context of every kubeconfig."""


def make(layout: Layout, directories: Directories, api_port: int) -> None:
    """Writes all certificates, keys and kubeconfigs; `api_port` is the balancer's on loopback."""
    directories.pki.mkdir(mode=0o700, parents=True, exist_ok=True)
    cluster, etcd, front = Authority("lab"), Authority("lab-etcd"), Authority("lab-front-proxy")
    for name, authority in (("ca", cluster), ("etcd-ca", etcd), ("front-proxy-ca", front)):
        write(directories.certificate(name), authority.certificate, 0o644)
    write(directories.key("ca"), cluster.key, 0o600)
    private, public = signing_keys()
    write(directories.key("service-accounts"), private, 0o600)
    write(directories.certificate("service-accounts"), public, 0o644)

    pairs = {
        "etcd-client": etcd.issue("kube-apiserver", client=True),
        "front-proxy-client": front.issue("front-proxy-client", client=True),
        "api-to-kubelet": cluster.issue("kube-apiserver-kubelet-client", client=True),
    }
    for master in layout.of(Role.MASTER):
        hosts = (master.address, master.name)
        pairs[f"etcd-{master.name}"] = etcd.issue(master.name, hosts=hosts, client=True)
        pairs[f"api-{master.name}"] = cluster.issue(
            "kube-apiserver", hosts=(*API_NAMES, master.address)
        )
    inside, outside = f"https://{SWITCH_ADDRESS}:{API_PORT}", f"https://127.0.0.1:{api_port}"
    users = {
        "kube-controller-manager": (inside, "system:kube-controller-manager", ()),
        "kube-scheduler": (inside, "system:kube-scheduler", ()),
        "kube-proxy": (inside, "system:kube-proxy", ()),
        ADMIN: (outside, "lab-admin", ("system:masters",)),
        INSIDE: (inside, "lab-admin", ("system:masters",)),
    }
    for worker in layout.of(Role.WORKER):
        pairs[f"kubelet-{worker.name}"] = cluster.issue(
            worker.name, hosts=(worker.address, worker.name)
        )
        users[worker.name] = (inside, f"system:node:{worker.name}", ("system:nodes",))
    for name, pair in pairs.items():
        pair.write(directories.certificate(name), directories.key(name))
    for name, (server, user, groups) in users.items():
        pair = cluster.issue(user, organizations=groups, client=True)
        content = kubeconfig(server, user, pair, cluster.certificate)
        write(directories.kubeconfig(name), content.encode(), 0o600)


def kubeconfig(server: str, user: str, pair: KeyPair, authority: bytes) -> str:
    """How `user` reaches the API at `server`, whose certificate is by `authority` (PEM); YAML."""

    def encoded(pem: bytes) -> str:
        return base64.b64encode(pem).decode("ascii")

    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": CONTEXT,
            "contexts": [{"name": CONTEXT, "context": {"cluster": "lab", "user": user}}],
            "clusters": [
                {
                    "name": "lab",
                    "cluster": {
                        "server": server,
                        "certificate-authority-data": encoded(authority),
                    },
                }
            ],
            "users": [
                {
                    "name": user,
                    "user": {
                        "client-certificate-data": encoded(pair.certificate),
                        "client-key-data": encoded(pair.key),
                    },
                }
            ],
        },
        sort_keys=False,
    )
