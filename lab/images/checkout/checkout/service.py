"""Runs the service: what starts, what watches, and in which order it stops."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from checkout import cache, database, log
from checkout.broker import Publisher
from checkout.clock import now
from checkout.cpu import Burner
from checkout.errors import DependencyAwayError
from checkout.health import Health
from checkout.metrics import Metrics
from checkout.placing import Placing
from checkout.rpc import HealthServer
from checkout.settings import CheckoutSettings, Listening
from checkout.web import application

_SHOW_INTERVAL = 0.25
"""How late gRPC and metrics may be in saying what HTTP's /health/ready says at once."""

logger = logging.getLogger("checkout.service")


async def serve(settings: CheckoutSettings) -> None:
    """Serves until SIGTERM or SIGINT; returns when the last request in flight was answered."""
    listening = settings.listening
    log.configure(listening.log_level)
    asked_to_stop = stop_signal()
    health = Health(settings.health_stale, (database.NAME, cache.NAME))
    metrics = Metrics(listening.version)
    burner = Burner()
    orders = database.PostgreSQL(
        settings.database_url,
        version=listening.version,
        timeout=settings.database_timeout,
        pool_size=settings.database_pool,
    )
    recent = cache.Redis(
        settings.redis_url, timeout=settings.redis_timeout, expiry=settings.redis_expiry
    )
    events = Publisher(settings.broker, listening.instance)
    placing = Placing(settings.behaviour, orders, recent, events, burner.burn)
    rpc = HealthServer(listening.address, settings.grpc_port)
    await orders.open()
    try:
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(rpc.stop, listening.stop_timeout)
            await rpc.start()
            for name, ask in ((database.NAME, orders.ask), (cache.NAME, recent.ask)):
                await stack.enter_async_context(
                    background(_watch(health, metrics, name, ask, settings.health_interval))
                )
            await stack.enter_async_context(background(_show(health, metrics, rpc)))
            app = application(placing, orders, health, metrics, listening.version)
            await stack.enter_async_context(answering(app, listening))
            logger.info("version %s listens", listening.version)
            await asked_to_stop.wait()
            await leave(health, listening)
        logger.info("stopped")
    finally:
        burner.close()
        await events.close()
        await recent.close()
        await orders.close()


def stop_signal() -> asyncio.Event:
    """Is set by SIGTERM or SIGINT."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    return asked


async def leave(health: Health, listening: Listening) -> None:
    """Stops being ready, and goes on answering until those who send requests have noticed."""
    health.stopping = True
    logger.info("stopping: not ready, answering for %g s more", listening.stop_delay)
    await asyncio.sleep(listening.stop_delay)


@contextlib.asynccontextmanager
async def answering(app: web.Application, listening: Listening) -> AsyncIterator[None]:
    """Answers HTTP meanwhile; then takes no new connection and waits for requests in flight."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=listening.stop_timeout)
    await runner.setup()
    try:
        await web.TCPSite(runner, listening.address, listening.http_port, backlog=1024).start()
        yield
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def background(work: Awaitable[None]) -> AsyncIterator[None]:
    """Does the work meanwhile, and cancels it then."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _watch(
    health: Health,
    metrics: Metrics,
    name: str,
    ask: Callable[[], Awaitable[None]],
    interval: float,
) -> None:
    """Asks a dependency again and again; logs when its answer changes."""
    good: bool | None = None
    while True:
        started = now()
        try:
            await ask()
        except DependencyAwayError as error:
            health.failed(name, error.reason)
            metrics.failed(name)
            if good is not False:
                logger.warning("%s away: %s", name, error.reason)
            good = False
        except Exception:
            # Whatever a client library may raise, watching goes on.
            health.failed(name, "unexpected failure, see the log")
            logger.exception("asking %s", name)
            good = False
        else:
            health.answered(name, now())
            if good is not True:
                logger.info("%s answers", name)
            good = True
        await asyncio.sleep(max(0.0, started + interval - now()))


async def _show(health: Health, metrics: Metrics, rpc: HealthServer) -> None:
    """Keeps gRPC health and the gauge at what is so."""
    shown: bool | None = None
    while True:
        ready = health.ready(now())
        if ready != shown:
            metrics.ready.set(ready)
            await rpc.show(ready=ready)
            shown = ready
        await asyncio.sleep(_SHOW_INTERVAL)
