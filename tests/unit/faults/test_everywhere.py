"""Which prefixes leave a pod nothing but the node's end of its link."""

from __future__ import annotations

import ipaddress

from harness.faults.routes import everywhere

POINT_TO_POINT = """\
default via 10.90.2.1 dev eth0
10.90.2.0/24 via 10.90.2.1 dev eth0 src 10.90.2.11
10.90.2.1 dev eth0 scope link src 10.90.2.11
"""
BRIDGED = """\
default via 10.244.1.1 dev eth0
10.244.0.0/16 via 10.244.1.1 dev eth0
10.244.1.0/24 dev eth0 scope link src 10.244.1.7
"""


def _covered(destinations: tuple[str, ...], address: str) -> str | None:
    """The most specific prefix that an address falls in."""
    inside = [
        one
        for one in map(ipaddress.ip_network, destinations)
        if ipaddress.ip_address(address) in one
    ]
    return str(max(inside, key=lambda one: one.prefixlen)) if inside else None


def test_without_any_route_two_halves_are_everywhere() -> None:
    assert everywhere("") == ("0.0.0.0/1", "128.0.0.0/1")


def test_pods_of_the_same_node_are_cut_off_and_its_own_end_is_not() -> None:
    """The gateway's own route, or what is left of the link's, is more specific than all of them."""
    for routes, neighbour, gateway, link in (
        (POINT_TO_POINT, "10.90.2.14", "10.90.2.1", 24),
        (BRIDGED, "10.244.1.9", "10.244.1.1", 24),
    ):
        found = everywhere(routes)
        covered = _covered(found, neighbour)
        assert covered is not None
        assert int(covered.partition("/")[2]) > link
        left = _covered(found, gateway)
        assert left is None or int(left.partition("/")[2]) < link
        assert _covered(found, "192.0.2.1") == "128.0.0.0/1"


def test_no_prefix_is_a_route_that_was_there() -> None:
    """`ip route replace` would take it away for good."""
    for routes in (POINT_TO_POINT, BRIDGED):
        there = {line.split()[0] for line in routes.splitlines()}
        assert there.isdisjoint(everywhere(routes))


def test_a_network_without_the_gateway_goes_as_its_halves() -> None:
    assert everywhere("10.1.0.0/24 dev eth0 scope link\n")[2:] == ("10.1.0.0/25", "10.1.0.128/25")


def test_black_holes_that_are_there_already_are_no_networks() -> None:
    assert everywhere("blackhole 10.0.0.0/8\n") == ("0.0.0.0/1", "128.0.0.0/1")
