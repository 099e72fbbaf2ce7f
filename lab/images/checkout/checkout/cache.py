"""Knows recent orders in the Redis cluster, and counts them there."""

from __future__ import annotations

import asyncio
import contextlib

from redis.asyncio import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import RedisClusterException, RedisError

from checkout.errors import DependencyAwayError, describe
from checkout.orders import Order, Recorded

NAME = "redis"

COUNTER = "checkout:orders"
"""The key that counts orders; it lies on one shard, the orders' own keys on all."""

# The last two: how the client shows that another task dropped the connection that it was using.
_FAILURES = (OSError, RedisError, RedisClusterException, RuntimeError, AttributeError)

_FAILURES_THEN_ANEW = 3
"""So many questions in vain, and the cluster is looked for by its name again."""


class Redis:
    """The cluster behind one Service name."""

    def __init__(self, url: str, *, timeout: float, expiry: int) -> None:
        self._url = url
        self._timeout = timeout
        self._expiry = expiry
        self._failures = 0
        self._cluster = self._client()

    async def close(self) -> None:
        """Drops all connections."""
        await self._cluster.aclose()

    async def remember(self, order: Order, recorded: Recorded) -> None:
        """Sets the order's key. Only whoever sets it first counts: repeats are no new orders."""
        try:
            async with asyncio.timeout(self._timeout):
                first = await self._cluster.set(
                    f"checkout:order:{order.id}", recorded.accepted_at, nx=True, ex=self._expiry
                )
                if first:
                    await self._cluster.incr(COUNTER)
        except _FAILURES as error:
            raise DependencyAwayError(NAME, describe(error, self._timeout)) from error

    async def ask(self) -> None:
        """Asks whether a key can be read, which a cluster without all its slots refuses."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._cluster.get(COUNTER)
        except _FAILURES as error:
            self._failures += 1
            if self._failures % _FAILURES_THEN_ANEW == 0:
                await self._begin_anew()
            raise DependencyAwayError(NAME, describe(error, self._timeout)) from error
        self._failures = 0

    async def _begin_anew(self) -> None:
        """Forgets all addresses: after a restart of all pods, none that is known is right.

        Only where the name leads somewhere: while it does not, the known addresses may still do.
        """
        unused = self._client()
        with contextlib.suppress(*_FAILURES):
            async with asyncio.timeout(self._timeout):
                await unused.initialize()
            self._cluster, unused = unused, self._cluster
        with contextlib.suppress(*_FAILURES):
            async with asyncio.timeout(self._timeout):
                await unused.aclose()

    def _client(self) -> RedisCluster:
        # Half the deadline for one step: a node that is silent leaves time to ask another.
        step = self._timeout / 2
        return RedisCluster.from_url(
            self._url,
            socket_timeout=step,
            socket_connect_timeout=step,
            retry=Retry(ExponentialWithJitterBackoff(cap=0.2, base=0.05), 2),
        )
