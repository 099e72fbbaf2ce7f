"""Resolves the name of a target again and again, as its many users would, but not for each."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from harness.drivers.clock import HostClock
from harness.model.instant import NANOSECONDS_PER_SECOND

_CLOCK = HostClock()

_KNOWN_FOR_NS = NANOSECONDS_PER_SECOND
"""A service that moves is found again within a second; a resolver gets one question a second."""


class Addresses:
    """The addresses of one name."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._literal = _is_address(host)
        self._known: list[str] = []
        self._known_ns = 0
        self._asking: asyncio.Task[None] | None = None
        self._turn = 0

    async def now(self) -> list[str]:
        """All of them, each call beginning with another: at most a second old.

        A failure is not kept: the next call asks again. Raises socket.gaierror or UnicodeError
        where the name is not resolved.
        """
        if self._literal:
            return [self._host]
        if _CLOCK.monotonic_ns() - self._known_ns > _KNOWN_FOR_NS:
            if self._asking is None or self._asking.done():
                self._asking = asyncio.ensure_future(self._ask())
            # Who gives up takes the answer from nobody else.
            await asyncio.shield(self._asking)
        self._turn += 1
        first = self._turn % len(self._known)
        return self._known[first:] + self._known[:first]

    async def _ask(self) -> None:
        found = await asyncio.get_running_loop().getaddrinfo(
            self._host, self._port, type=socket.SOCK_STREAM
        )
        self._known = list(dict.fromkeys(str(one[4][0]) for one in found))
        self._known_ns = _CLOCK.monotonic_ns()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
