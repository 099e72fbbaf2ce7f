"""The shell of helper pods that take a pod's routes away and give them back. Pure.

A black-hole route in the pod's own network namespace: the pod's packets to a destination go
nowhere, all else goes on. It needs no packet filter, and goes with the pod.
"""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Sequence

# The kubelet names the control group of a pod by its uid, with `_` for `-` under systemd
# (Kubernetes, pkg/kubelet/cm: cgroup_manager_linux.go); any process of the pod is in its network.
_ENTER = """\
set -eu
uid={uid}
other=$(echo "$uid" | tr - _)
pid=
for process in /proc/[0-9]*; do
  if grep -q -e "pod$uid" -e "pod$other" "$process/cgroup" 2>/dev/null; then
    pid=${{process#/proc/}}
    break
  fi
done
if [ -z "$pid" ]; then echo "no process of pod $uid is on this node"; exit {missing}; fi
within() {{ nsenter -t "$pid" -n "$@"; }}
"""

NO_PROCESS = "no process of pod"
"""How the last line begins where the pod has no process on that node."""

_ADD = """\
for destination in {destinations}; do
  within ip route replace blackhole "$destination"
done
within ip route show
"""

_REMOVE = """\
for destination in {destinations}; do
  within ip route del blackhole "$destination" 2>/dev/null || true
done
if within ip route show | grep blackhole; then exit 1; fi
echo "no black hole left"
"""


def show(pod_uid: str) -> tuple[str, ...]:
    """Prints the routes of a pod of this node; changes nothing."""
    return ("sh", "-c", _enter(pod_uid) + "within ip route show\n")


def everywhere(routes: str) -> tuple[str, ...]:
    """The prefixes that leave a pod nothing but the node's end of its link, of its routes
    (`ip route show`).

    Two halves are more specific than the default route. The networks of its other routes, where
    the pods of its node are, go as the prefixes that leave out the gateway alone: the kubelet's
    probes come from there, and would otherwise restart what is only cut off.
    """
    found: list[str] = ["0.0.0.0/1", "128.0.0.0/1"]
    gateways: set[str] = set()
    networks: set[ipaddress.IPv4Network] = set()
    for words in (line.split() for line in routes.splitlines() if line.strip()):
        if "via" in words:
            gateways.add(words[words.index("via") + 1])
        if words[0] in ("default", "blackhole"):
            continue
        network = ipaddress.ip_network(words[0], strict=False)
        if isinstance(network, ipaddress.IPv4Network) and network.prefixlen < network.max_prefixlen:
            networks.add(network)
    for network in sorted(networks):
        parts = {network}
        for gateway in (ipaddress.ip_network(one) for one in sorted(gateways)):
            parts = {
                part
                for whole in parts
                for part in (
                    whole.address_exclude(gateway)
                    if isinstance(gateway, ipaddress.IPv4Network) and gateway.subnet_of(whole)
                    else (whole,)
                )
            }
        # A prefix that is a route already would be replaced, and not be given back.
        found += [
            str(half)
            for part in sorted(parts)
            for half in (part.subnets() if part == network else (part,))
        ]
    return tuple(found)


def add(pod_uid: str, destinations: Sequence[str]) -> tuple[str, ...]:
    """Black-holes IPv4 prefixes for a pod of this node; prints its routes then."""
    return _script(_ADD, pod_uid, destinations)


def remove(pod_uid: str, destinations: Sequence[str]) -> tuple[str, ...]:
    """Takes them away again, whether or not they are there; fails where any is left."""
    return _script(_REMOVE, pod_uid, destinations)


def _script(body: str, pod_uid: str, destinations: Sequence[str]) -> tuple[str, ...]:
    if not destinations:
        raise ValueError(f"pod {pod_uid}: no destination to black-hole")
    words = " ".join(shlex.quote(one) for one in destinations)
    return ("sh", "-c", _enter(pod_uid) + body.format(destinations=words))


def _enter(pod_uid: str) -> str:
    return _ENTER.format(uid=shlex.quote(pod_uid), missing=1)
