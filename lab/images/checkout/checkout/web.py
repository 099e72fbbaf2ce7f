"""Answers HTTP: routes, status codes and what is counted about them."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from checkout.clock import now
from checkout.database import PostgreSQL
from checkout.errors import DependencyAwayError
from checkout.health import Health
from checkout.log import trace_id
from checkout.metrics import Metrics
from checkout.orders import BadOrderError, parse_id
from checkout.placing import Placing

_LARGEST_BODY = 65_536

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = logging.getLogger("checkout.web")


def health_routes(health: Health, registry: CollectorRegistry) -> list[web.RouteDef]:
    """/health/live, /health/ready and /metrics, which every program of the image has."""

    async def live(_request: web.Request) -> web.Response:
        # That this is answered is the whole check: the event loop runs.
        return web.json_response({"live": True})

    async def ready(_request: web.Request) -> web.Response:
        report = health.report(now())
        return web.json_response(report, status=200 if report["ready"] else 503)

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    return [
        web.get("/health/live", live),
        web.get("/health/ready", ready),
        web.get("/metrics", metrics),
    ]


def application(
    placing: Placing, database: PostgreSQL, health: Health, metrics: Metrics, version: str
) -> web.Application:
    """The service's routes."""

    async def checkout(request: web.Request) -> web.Response:
        answer = await placing.place(await request.read())
        if answer.code == 503:
            _note_failure(request, metrics, answer.body["dependency"], answer.body["error"])
        return web.json_response({**answer.body, "version": version}, status=answer.code)

    async def order(request: web.Request) -> web.Response:
        try:
            found = await database.find(parse_id(request.match_info["id"]))
        except BadOrderError as error:
            return web.json_response({"error": str(error)}, status=400)
        except DependencyAwayError as error:
            _note_failure(request, metrics, error.dependency, error.reason)
            away = {"dependency": error.dependency, "error": error.reason}
            return web.json_response(away, status=503)
        if found is None:
            return web.json_response({"error": "no such order"}, status=404)
        return web.json_response(found)

    app = web.Application(client_max_size=_LARGEST_BODY, middlewares=[_counting(health, metrics)])
    app.add_routes(health_routes(health, metrics.registry))
    app.add_routes([web.post("/checkout", checkout), web.get("/orders/{id}", order)])
    return app


def _counting(health: Health, metrics: Metrics) -> Middleware:
    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        # The route as it was declared, not the path: each order would be a time series of its own.
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else "unknown"
        started = now()
        code = 500
        metrics.in_flight.inc()
        try:
            response = await handler(request)
            code = response.status
            if health.stopping:
                response.force_close()  # the client's next request goes to another pod
            return response
        except web.HTTPException as error:
            code = error.status
            raise
        finally:
            metrics.in_flight.dec()
            metrics.answered(route, code, now() - started)

    return count


def _note_failure(request: web.Request, metrics: Metrics, dependency: str, reason: str) -> None:
    metrics.failed(dependency)
    trace = trace_id(request.headers.get("traceparent"))
    # Not louder: in an outage this is every request. What changes is told by who watches.
    log.debug("%s: %s", dependency, reason, extra={"trace_id": trace})
