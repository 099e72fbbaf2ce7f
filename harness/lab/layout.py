"""Which machines a lab has, and the address, zone and pod network of each. Pure."""

from __future__ import annotations

import enum
import ipaddress

import msgspec

from harness.errors import InputError

CLUSTER_DOMAIN = "cluster.local"
# Addresses of a lab exist only inside its network namespaces, which lead nowhere else: they cannot
# collide with networks that the host reaches.
MACHINE_NETWORK = ipaddress.ip_network("10.89.0.0/16")
POD_NETWORK = ipaddress.ip_network("10.90.0.0/16")
SERVICE_NETWORK = ipaddress.ip_network("10.96.0.0/16")
KUBERNETES_SERVICE = "10.96.0.1"
"""The first address of the service network is the API's (Kubernetes documentation)."""
DNS_SERVICE = "10.96.0.10"
SWITCH_ADDRESS = "10.89.0.1"
"""Where the load balancer takes calls from inside the lab."""
API_PORT = 6443

_MASTERS_FROM, _WORKERS_FROM = 11, 101
_MOST_MASTERS, _MOST_WORKERS = 7, 100


class Role(enum.Enum):
    """What runs on a machine."""

    OUTSIDE = "outside"
    """No member of the cluster: clients, and what lives beside it (S3)."""

    MASTER = "master"
    """etcd, API server, controller manager, scheduler."""

    WORKER = "worker"
    """containerd, kubelet, kube-proxy."""


class Machine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One machine of a lab: a network namespace and a process tree of its own."""

    name: str
    role: Role
    address: str
    """On the lab's network; IPv4."""

    zone: str = ""
    """The availability zone of masters and workers."""

    pod_network: str = ""
    """Where a worker's pods get their addresses; IPv4 network."""


class Layout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How large a lab is."""

    masters: int = 3
    workers: int = 3
    zones: int = 3

    def machines(self) -> tuple[Machine, ...]:
        """All machines: the outside, then masters, then workers; zones are given out in turn."""
        outside = Machine(name="outside", role=Role.OUTSIDE, address=_address(2))
        masters = (
            Machine(
                name=f"master-{number + 1}",
                role=Role.MASTER,
                address=_address(_MASTERS_FROM + number),
                zone=self._zone(number),
            )
            for number in range(self.masters)
        )
        pod_networks = POD_NETWORK.subnets(new_prefix=24)
        next(pod_networks)  # so that worker-1 has 10.90.1.0/24
        workers = (
            Machine(
                name=f"worker-{number + 1}",
                role=Role.WORKER,
                address=_address(_WORKERS_FROM + number),
                zone=self._zone(number),
                pod_network=str(next(pod_networks)),
            )
            for number in range(self.workers)
        )
        return (outside, *masters, *workers)

    def of(self, role: Role) -> tuple[Machine, ...]:
        """The machines of one role."""
        return tuple(machine for machine in self.machines() if machine.role is role)

    def machine(self, name: str) -> Machine:
        """The machine of that name; raises InputError that lists those there are."""
        for machine in self.machines():
            if machine.name == name:
                return machine
        names = ", ".join(machine.name for machine in self.machines())
        raise InputError(f"no machine {name!r} in this lab, expected one of {names}")

    def member(self, name: str) -> Machine:
        """As `machine`, of masters and workers only: what may be broken."""
        if self.machine(name).role is Role.OUTSIDE:
            raise InputError(f"{name}: is no member of the cluster, and cannot be broken")
        return self.machine(name)

    def in_zone(self, zone: str) -> tuple[Machine, ...]:
        """Masters and workers of a zone; raises InputError that lists the zones there are."""
        found = tuple(machine for machine in self.machines() if machine.zone == zone)
        if not zone or not found:
            zones = ", ".join(self._zone(number) for number in range(self.zones))
            raise InputError(f"no zone {zone!r} in this lab, expected one of {zones}")
        return found

    def validate(self) -> Layout:
        """Itself; raises InputError for a lab that could not work."""
        _within("--masters", self.masters, 1, _MOST_MASTERS)
        _within("--workers", self.workers, 1, _MOST_WORKERS)
        _within("--zones", self.zones, 1, max(self.masters, self.workers))
        if self.masters % 2 == 0:
            # etcd's FAQ: an even member adds no tolerance, only one more that can fail.
            raise InputError(
                f"--masters: got {self.masters}, expected an odd number: an even one survives no "
                "more failures than the odd number below it",
                hint=f"harness lab up --masters {self.masters - 1}",
            )
        return self

    def _zone(self, number: int) -> str:
        return f"zone-{number % self.zones + 1}"


def _address(host: int) -> str:
    return str(MACHINE_NETWORK.network_address + host)


def _within(option: str, got: int, least: int, most: int) -> None:
    if not least <= got <= most:
        raise InputError(f"{option}: got {got}, expected {least} to {most}")
