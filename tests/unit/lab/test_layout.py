"""Which machines a lab has: names, addresses, zones; and which labs are refused."""

from __future__ import annotations

import ipaddress
from collections import Counter
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import InputError
from harness.lab import network
from harness.lab.layout import (
    DNS_SERVICE,
    KUBERNETES_SERVICE,
    MACHINE_NETWORK,
    POD_NETWORK,
    SERVICE_NETWORK,
    SWITCH_ADDRESS,
    Layout,
    Machine,
    Role,
)

LARGEST = Layout(masters=7, workers=100, zones=100)
IFNAMSIZ = 15


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    """Any lab that is not refused."""
    masters = draw(st.sampled_from((1, 3, 5, 7)))
    workers = draw(st.integers(1, 100))
    zones = draw(st.integers(1, max(masters, workers)))
    return Layout(masters=masters, workers=workers, zones=zones)


def test_all_machines_of_the_usual_lab() -> None:
    """Three masters and three workers in three zones, and the machine outside the cluster."""
    assert Layout().machines() == (
        Machine(name="outside", role=Role.OUTSIDE, address="10.89.0.2"),
        Machine(name="master-1", role=Role.MASTER, address="10.89.0.11", zone="zone-1"),
        Machine(name="master-2", role=Role.MASTER, address="10.89.0.12", zone="zone-2"),
        Machine(name="master-3", role=Role.MASTER, address="10.89.0.13", zone="zone-3"),
        *(
            Machine(
                name=f"worker-{number}",
                role=Role.WORKER,
                address=f"10.89.0.{100 + number}",
                zone=f"zone-{number}",
                pod_network=f"10.90.{number}.0/24",
            )
            for number in (1, 2, 3)
        ),
    )


@settings(deadline=None)
@given(layouts())
def test_there_are_as_many_as_were_asked_for(layout: Layout) -> None:
    """Of each role, with one machine outside."""
    found = Counter(machine.role for machine in layout.machines())
    assert found == {Role.OUTSIDE: 1, Role.MASTER: layout.masters, Role.WORKER: layout.workers}
    assert [layout.of(role) for role in Role] == [
        tuple(machine for machine in layout.machines() if machine.role is role) for role in Role
    ]


@settings(deadline=None)
@given(layouts())
def test_names_and_addresses_are_unique_and_inside_the_network(layout: Layout) -> None:
    """No address is the balancer's, nor one that no host may have."""
    machines = layout.machines()
    addresses = [ipaddress.ip_address(machine.address) for machine in machines]
    assert len({machine.name for machine in machines}) == len(machines)
    assert len(set(addresses)) == len(machines)
    taken = {MACHINE_NETWORK.network_address, MACHINE_NETWORK.broadcast_address}
    assert not set(addresses) & {*taken, ipaddress.ip_address(SWITCH_ADDRESS)}
    assert all(address in MACHINE_NETWORK for address in addresses)


@settings(deadline=None)
@given(layouts())
def test_pod_networks_are_disjoint_and_only_workers_have_them(layout: Layout) -> None:
    """Each is a part of the pods' network."""
    networks = sorted(ipaddress.IPv4Network(one.pod_network) for one in layout.of(Role.WORKER))
    assert all(one.subnet_of(ipaddress.IPv4Network(str(POD_NETWORK))) for one in networks)
    assert all(one.broadcast_address < next_one[0] for one, next_one in pairwise(networks))
    others = (*layout.of(Role.MASTER), *layout.of(Role.OUTSIDE))
    assert {machine.pod_network for machine in others} == {""}


@settings(deadline=None)
@given(layouts())
def test_zones_are_given_out_in_turn(layout: Layout) -> None:
    """Of each role, no zone has two more than another; every member is in exactly one zone."""
    zones = [f"zone-{number + 1}" for number in range(layout.zones)]
    for role in (Role.MASTER, Role.WORKER):
        sizes = Counter(machine.zone for machine in layout.of(role))
        counts = [sizes[zone] for zone in zones]
        assert max(counts) - min(counts) <= 1
        assert counts == sorted(counts, reverse=True)
    members = [machine for zone in zones for machine in layout.in_zone(zone)]
    assert sorted(machine.name for machine in members) == sorted(
        machine.name for machine in layout.machines() if machine.role is not Role.OUTSIDE
    )


def test_the_lab_s_networks_do_not_overlap() -> None:
    """Machines, pods and Services; the well-known addresses are in the network of their kind."""
    networks = (MACHINE_NETWORK, POD_NETWORK, SERVICE_NETWORK)
    assert not any(
        ipaddress.IPv4Network(str(one)).overlaps(ipaddress.IPv4Network(str(other)))
        for one, other in combinations(networks, 2)
    )
    assert ipaddress.ip_address(KUBERNETES_SERVICE) == SERVICE_NETWORK[1]
    assert ipaddress.ip_address(DNS_SERVICE) in SERVICE_NETWORK
    assert ipaddress.ip_address(SWITCH_ADDRESS) in MACHINE_NETWORK


def test_names_of_the_largest_lab_fit_the_kernel() -> None:
    """An interface's name has at most 15 bytes; a namespace is found by its prefix."""
    for machine in LARGEST.machines():
        assert len(network._cable(machine).encode()) <= IFNAMSIZ
        assert network.namespace(machine).startswith(network.PREFIX)
    assert network.SWITCH not in {network.namespace(machine) for machine in LARGEST.machines()}


@settings(deadline=None)
@given(layouts())
def test_a_lab_that_can_work_is_accepted(layout: Layout) -> None:
    """As it is."""
    assert layout.validate() is layout


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (Layout(masters=0), "--masters: got 0, expected 1 to 7"),
        (Layout(masters=9), "--masters: got 9, expected 1 to 7"),
        (Layout(workers=0), "--workers: got 0, expected 1 to 100"),
        (Layout(workers=101), "--workers: got 101, expected 1 to 100"),
        (Layout(zones=0), "--zones: got 0, expected 1 to 3"),
        (Layout(masters=1, workers=2, zones=3), "--zones: got 3, expected 1 to 2"),
    ],
)
def test_a_lab_of_an_impossible_size_is_refused(layout: Layout, message: str) -> None:
    """With the option, what it got and what it takes."""
    with pytest.raises(InputError) as caught:
        layout.validate()
    assert str(caught.value) == message


@pytest.mark.parametrize("masters", [2, 4, 6])
def test_an_even_number_of_masters_is_refused(masters: int) -> None:
    """It survives no more than the odd number below, which is what to type."""
    with pytest.raises(InputError) as caught:
        Layout(masters=masters).validate()
    assert str(caught.value).startswith(f"--masters: got {masters}, expected an odd number")
    assert caught.value.hint == f"harness lab up --masters {masters - 1}"


@settings(deadline=None)
@given(layouts(), st.data())
def test_every_machine_is_found_by_its_name(layout: Layout, data: st.DataObject) -> None:
    """And every one that may be broken, as a member."""
    machine = data.draw(st.sampled_from(layout.machines()))
    assert layout.machine(machine.name) == machine
    if machine.role is not Role.OUTSIDE:
        assert layout.member(machine.name) == machine


@pytest.mark.parametrize("name", ["worker-4", "", "Worker-1"])
def test_an_unknown_machine_is_refused(name: str) -> None:
    """The message lists those there are."""
    layout = Layout(masters=1, workers=2, zones=1)
    expected = (
        f"no machine {name!r} in this lab, expected one of outside, master-1, worker-1, worker-2"
    )
    for lookup in (layout.machine, layout.member):
        with pytest.raises(InputError) as caught:
            lookup(name)
        assert str(caught.value) == expected


def test_the_machine_outside_is_no_member() -> None:
    """What lives beside the cluster cannot be broken."""
    with pytest.raises(InputError, match="outside: is no member of the cluster"):
        Layout().member("outside")


@pytest.mark.parametrize("zone", ["zone-3", "", "1"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    """The message lists those there are; the machine outside is in no zone, not in zone ''."""
    with pytest.raises(InputError) as caught:
        Layout(zones=2).in_zone(zone)
    assert str(caught.value) == f"no zone {zone!r} in this lab, expected one of zone-1, zone-2"


def test_a_zone_has_masters_and_workers() -> None:
    """Two zones: the third master and the third worker are in the first again."""
    found = Layout(zones=2).in_zone("zone-1")
    assert [machine.name for machine in found] == ["master-1", "master-3", "worker-1", "worker-3"]
