"""Publishes an event for each order on the broker, a Redis; each process numbers its own."""

from __future__ import annotations

import asyncio
import itertools
import json

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from checkout.errors import DependencyAwayError, describe
from checkout.orders import Order, Recorded
from checkout.settings import Broker

NAME = "broker"

# The last two: how the client shows that another task dropped the connection that it was using.
_FAILURES = (OSError, RedisError, RuntimeError, AttributeError)


class Publisher:
    """The sending side."""

    def __init__(self, settings: Broker, instance: str) -> None:
        self._settings = settings
        self._instance = instance
        self._numbers = itertools.count(1)
        # Tried once more on a new connection: the pooled one may be of a broker that has restarted.
        self._client = connect(settings, retries=1)

    async def close(self) -> None:
        """Drops all connections."""
        await self._client.aclose()

    async def publish(self, order: Order, recorded: Recorded) -> int:
        """Sends the event. A number whose sending failed is used up: subscribers see it missing."""
        number = next(self._numbers)
        event = {
            "publisher": self._instance,
            "sequence": number,
            "id": str(order.id),
            "accepted_at": recorded.accepted_at,
        }
        try:
            async with asyncio.timeout(self._settings.timeout):
                await self._client.publish(self._settings.channel, json.dumps(event))
        except _FAILURES as error:
            raise DependencyAwayError(NAME, describe(error, self._settings.timeout)) from error
        return number


def connect(settings: Broker, *, retries: int) -> Redis:
    """A client whose every wait is bounded; connects when it is first used."""
    return Redis.from_url(
        settings.url,
        socket_timeout=settings.timeout,
        socket_connect_timeout=settings.timeout,
        retry=Retry(NoBackoff(), retries),
    )
