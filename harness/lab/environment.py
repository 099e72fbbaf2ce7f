"""The environment `lab`: the documented platform on the lab's cluster, as game days see it."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from harness.certificates import write
from harness.errors import InputError, SurroundingsError
from harness.lab import network
from harness.lab.control_plane import known_settings
from harness.lab.entering import argv, environment
from harness.lab.identities import CONTEXT, INSIDE
from harness.lab.images import REGISTRY
from harness.lab.lab import Lab, find
from harness.lab.layout import Role
from harness.lab.platform import INFRASTRUCTURE
from harness.model.load_test import LoadPods
from harness.model.workload import (
    BrokerWorkload,
    HttpWorkload,
    PostgresqlWorkload,
    RedisWorkload,
)
from harness.settings import Environment, Kubernetes

_SHOP = "core-business-{}"
_ENVIRONMENTS = ("prod", "staging", "dev")


def enter(state: Path, words: list[str]) -> None:
    """Begins this command anew inside the lab's network, where it is not there already.

    Clients of the platform are there, beside the cluster: pods and Services have addresses only
    inside. Processes and files stay the host's.
    """
    lab = find(state)
    (outside,) = lab.layout.of(Role.OUTSIDE)
    if not network.is_here(network.namespace(outside)):
        os.execvpe("nsenter", argv(lab, words), environment(lab))  # noqa: S606, S607 - who asks is root


def inside_kubeconfig(state: Path) -> Path:
    """By which the lab's cluster is reached inside its network; InputError where no lab is up."""
    return find(state).machines.directories.kubeconfig(INSIDE).absolute()


def lab_environment(state: Path) -> Environment:
    """The lab that is up, with what is on it; raises InputError where the platform is not."""
    lab = find(state)
    shop = _shop(lab)
    return Environment(
        kubernetes=Kubernetes(
            context=CONTEXT,
            cluster=lab.kubectl.get("namespace", "kube-system")["metadata"]["uid"],
            kubeconfig=lab.machines.directories.kubeconfig(INSIDE),
            nodes="lab",
            helper_image=f"{REGISTRY}/busybox:lab",
            control_plane=known_settings(lab.layout),
            # A smaller limit throttles the injector for up to 100 ms at a time (the CFS period),
            # which is lag; three requests of it have no room beside the platform.
            load_pods=LoadPods(image=f"{REGISTRY}/harness:lab", cpu="1", cpu_request="500m"),
        ),
        workloads=(
            PostgresqlWorkload(
                id="orders",
                namespace=INFRASTRUCTURE,
                pods="app=postgresql",
                container="postgresql",
                service="postgresql-primary",
                read_service="postgresql-replicas",
                database="checkout",
                user="ledger",
                password_file=_password_file(lab),
            ),
            RedisWorkload(id="carts", namespace=INFRASTRUCTURE, pods="app=redis", service="redis"),
            BrokerWorkload(
                id="events", namespace=INFRASTRUCTURE, pods="app=broker", service="broker"
            ),
            HttpWorkload(
                id="checkout",
                namespace=shop,
                pods="app=checkout",
                service="checkout",
                port=8000,
                path="/checkout",
                method="POST",
                body='{"id": "{id}", "items": [{"sku": "drill", "quantity": 1}]}',
                expect_status=201,
                version_field="version",
                # What wants all ten replicas of the overlay dev, and leaves the machine's two cores
                # room for the rest (docs/load-tests.md).
                peak_rate=100.0,
                deployment="checkout",
                depends_on=("orders", "carts"),
            ),
        ),
    )


def _shop(lab: Lab) -> str:
    """The namespace of the checkout: an environment of the platform is on a lab at a time."""
    for name in _ENVIRONMENTS:
        namespace = _SHOP.format(name)
        found = lab.kubectl.get("deployments", "-n", namespace, "-l", "app=checkout")["items"]
        if found or lab.kubectl.run("get", "deployment/checkout", "-n", namespace).returncode == 0:
            return namespace
    raise InputError(
        "the lab is up without the platform", hint="harness lab up --overlay production"
    )


def _password_file(lab: Lab) -> Path:
    """PGPASSFILE of the role that keeps ledgers, beside the lab's other secrets."""
    secrets = lab.kubectl.get("secrets", "-n", INFRASTRUCTURE)["items"]
    # Kustomize appends a digest of the content to the name.
    encoded = [
        one["data"]["ledger"]
        for one in secrets
        if one["metadata"]["name"].startswith("postgresql-passwords") and "ledger" in one["data"]
    ]
    if not encoded:
        raise SurroundingsError(f"{INFRASTRUCTURE}: got no secret postgresql-passwords with ledger")
    password = base64.b64decode(encoded[-1]).decode()
    file = lab.machines.directories.root / "ledger.pgpass"
    write(file, f"*:*:*:ledger:{password}\n".encode(), 0o600)
    return file
