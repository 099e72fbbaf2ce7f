"""Counts the checkout's events and those that never came: `python -m checkout.subscriber`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys

from aiohttp import web
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from checkout import log
from checkout.broker import NAME, connect
from checkout.clock import now
from checkout.errors import describe
from checkout.health import Health
from checkout.metrics import SubscriberMetrics
from checkout.sequence import Sequences
from checkout.service import answering, background, leave, stop_signal
from checkout.settings import Broker, SettingsError, SubscriberSettings, read_subscriber, usage
from checkout.web import health_routes

_PAUSE = 0.5
"""Between two subscriptions, and between two questions to a broker that is silent."""

logger = logging.getLogger("checkout.subscriber")


class Subscriber:
    """The receiving side: subscribes again whenever the broker fails or falls silent."""

    def __init__(self, broker: Broker, health: Health, metrics: SubscriberMetrics) -> None:
        self._broker = broker
        self._health = health
        self._metrics = metrics
        self._sequences = Sequences()

    async def run(self) -> None:
        """Receives for ever."""
        while True:
            try:
                await self._receive()
            except (OSError, RedisError) as error:
                reason = describe(error, self._broker.timeout)
                self._health.failed(NAME, reason)
                logger.warning("subscription lost: %s", reason)
            finally:
                self._metrics.subscribed.set(0)
            await asyncio.sleep(_PAUSE)

    async def _receive(self) -> None:
        client = connect(self._broker, retries=0)
        async with client, client.pubsub() as subscription:
            await subscription.subscribe(self._broker.channel)
            heard = now()
            while True:
                message = await subscription.get_message(timeout=_PAUSE)
                if message is None:
                    if now() - heard > _PAUSE + self._broker.timeout:
                        raise TimeoutError
                    await self._ask(subscription)
                    continue
                heard = now()
                self._health.answered(NAME, heard)
                if message["type"] == "subscribe":
                    self._metrics.connections.inc()
                    self._metrics.subscribed.set(1)
                    logger.info("subscribed to %s", self._broker.channel)
                elif message["type"] == "message":
                    self._see(message["data"])

    async def _ask(self, subscription: PubSub) -> None:
        """A pong is a message too: it shows that the silence is of those who publish."""
        async with asyncio.timeout(self._broker.timeout):
            await subscription.ping()

    def _see(self, data: bytes) -> None:
        try:
            event = json.loads(data)
            publisher, number = str(event["publisher"]), int(event["sequence"])
        except (ValueError, KeyError, TypeError):
            self._metrics.unreadable.inc()
            return
        sequences = self._sequences
        sequences.see(publisher, number)
        self._metrics.messages.inc()
        self._metrics.gaps.set(sequences.gaps)
        self._metrics.missing.set(sequences.missing)
        self._metrics.repeated.set(sequences.repeated)
        self._metrics.publishers.set(sequences.publishers)


async def serve(settings: SubscriberSettings) -> None:
    """Receives until SIGTERM or SIGINT."""
    listening = settings.listening
    log.configure(listening.log_level)
    asked_to_stop = stop_signal()
    health = Health(settings.health_stale, (NAME,))
    metrics = SubscriberMetrics()
    app = web.Application()
    app.add_routes(health_routes(health, metrics.registry))
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(answering(app, listening))
        subscriber = Subscriber(settings.broker, health, metrics)
        await stack.enter_async_context(background(subscriber.run()))
        await asked_to_stop.wait()
        await leave(health, listening)
    logger.info("stopped")


def main() -> int:
    """Reads the environment, serves until SIGTERM, and says how it ended."""
    if sys.argv[1:] in (["-h"], ["--help"]):
        sys.stdout.write(usage("python -m checkout.subscriber", read_subscriber))
        return 0
    try:
        settings = read_subscriber(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"subscriber: {error}\n")
        return 2
    import uvloop

    uvloop.run(serve(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
