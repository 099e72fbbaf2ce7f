"""The shell of helper pods that take a pod's routes away and give them back. Pure.

A black-hole route in the pod's own network namespace: the pod's packets to a destination go
nowhere, all else goes on. It needs no packet filter, and goes with the pod.
"""

from __future__ import annotations

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
    enter = _ENTER.format(uid=shlex.quote(pod_uid), missing=1)
    return ("sh", "-c", enter + body.format(destinations=words))
