"""Finds free TCP ports on the loopback address."""

from __future__ import annotations

import contextlib
import random
import socket

ADDRESS = "127.0.0.1"

# Below Linux's ephemeral range (ip_local_port_range starts at 32768), so that no outgoing
# connection takes a port between its choice and its use; Redis needs port + 10000 for its bus.
_LOWEST, _HIGHEST = 15_000, 22_000

PORTS = range(_LOWEST, _HIGHEST)
"""Where `free_ports` looks."""


def free_ports(count: int) -> tuple[int, ...]:
    """`count` consecutive loopback ports that nobody listens on, nor on each plus 10000."""
    starts = list(range(_LOWEST, _HIGHEST - count, count))
    random.shuffle(starts)
    for start in starts:
        ports = tuple(range(start, start + count))
        if all(_is_free(port) and _is_free(port + 10_000) for port in ports):
            return ports
    raise OSError(f"no {count} consecutive free loopback ports in {_LOWEST}..{_HIGHEST}")


def listens(port: int) -> bool:
    """Whether a server takes a TCP connection on that loopback port now."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((ADDRESS, port)) == 0


def _is_free(port: int) -> bool:
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError:
            return False
    return True
