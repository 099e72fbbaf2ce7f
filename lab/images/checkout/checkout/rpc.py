"""Answers gRPC: the standard health service, which says whether the service is ready."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio  # type: ignore[attr-defined] # the stubs lack it

SERVICES = ("", "checkout")
"""The names that may be asked for; the empty one is the whole server."""


class HealthServer:
    """A gRPC server that serves health only."""

    def __init__(self, address: str, port: int) -> None:
        self._server = grpc.aio.server()
        self._health = aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._server.add_insecure_port(f"{address}:{port}")

    async def start(self) -> None:
        """Listens, not ready."""
        await self.show(ready=False)
        await self._server.start()

    async def show(self, *, ready: bool) -> None:
        """What is answered from now on, also to those who watch."""
        states = health_pb2.HealthCheckResponse
        state = states.SERVING if ready else states.NOT_SERVING
        for service in SERVICES:
            await self._health.set(service, state)

    async def stop(self, grace: float) -> None:
        """Takes no new calls, and waits for the others."""
        await self._server.stop(grace)
