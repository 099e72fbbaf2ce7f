"""Restores a single Redis server from its RDB snapshot or its shipped multi-part AOF."""

from __future__ import annotations

from collections.abc import Sequence

from harness.drivers.clock import wait_until
from harness.drivers.redis import Server, client, loading
from harness.ports import RedisEndpoint
from harness.restore.redis_files import Layout
from harness.restore.redis_tool import RedisTool


class RedisServerTool(RedisTool):
    """The restore tool of a `redis-rdb` subject."""

    cluster = False

    def _write_configuration(
        self, layout: Layout, layouts: Sequence[Layout], endpoint: RedisEndpoint
    ) -> None:
        """A single server needs nothing besides its data."""

    def _await_writable(
        self, endpoint: RedisEndpoint, servers: Sequence[Server], within_s: float
    ) -> None:
        def writable() -> bool:
            if any(loading(server) is None for server in servers):
                return False
            with client(endpoint.nodes[0]) as connected:
                return bool(connected.info("replication")["role"] == "master")

        wait_until(writable, within_s=within_s, what=f"{self._subject.id}: a writable server")
