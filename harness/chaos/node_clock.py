"""When a node did something, in this host's clock where the two have one kernel.

A helper pod takes a second to start, so that what it does is known to that second only. In a lab,
in kind and in k3d the nodes have this host's kernel, and its clock: there the helper pod says the
moment itself. On any other node its clock is of no use here, and the second stays.
"""

from __future__ import annotations

from harness.drivers.clock import UPTIME_RESOLUTION_NS, boot_id, monotonic_of_uptime
from harness.model.instant import Bracket

BEFORE = (
    'echo "kernel $(cat /proc/sys/kernel/random/boot_id)"; '
    "echo \"before $(cut -d ' ' -f 1 /proc/uptime)\""
)
AFTER = "echo \"after $(cut -d ' ' -f 1 /proc/uptime)\""
"""Shell: what a helper pod says right before and right after what it does."""


def timed(command: tuple[str, ...]) -> tuple[str, ...]:
    """The same command, which also says when it began and when it had succeeded."""
    return ("sh", "-c", f'set -e; {BEFORE}; "$@"; {AFTER}', "timed", *command)


def bracket(said: str, outer: Bracket) -> Bracket:
    """When it was done, by what a helper pod said; `outer` where that cannot be compared."""
    found = dict(line.split(" ", 1) for line in said.splitlines() if " " in line)
    if found.get("kernel") != boot_id():
        return outer
    try:
        earliest = monotonic_of_uptime(found["before"])
        latest = monotonic_of_uptime(found["after"]) + UPTIME_RESOLUTION_NS
    except (KeyError, ValueError):
        return outer
    if not outer.earliest_ns - UPTIME_RESOLUTION_NS <= earliest <= latest <= outer.latest_ns:
        return outer  # the clock of another time name space (time_namespaces(7))
    return Bracket(earliest_ns=max(earliest, outer.earliest_ns), latest_ns=latest)
