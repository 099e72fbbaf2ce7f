"""Restores a Redis cluster, a server a shard, with the slot map of its backup.

Each server is given its data and a nodes.conf that names all of them before it is started, once.
So there is no empty cluster at any moment: a server answers LOADING while it loads, CLUSTERDOWN
until it has seen the others (Redis itself waits two seconds after a start, CLUSTER_WRITABLE_DELAY
in redis 7.0 src/cluster.c), and then what the backup holds. Node ids are new and the addresses of
the source are nowhere in it: a scratch server cannot join, or be taken for, a source's node.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from harness.drivers.clock import wait_until
from harness.drivers.redis import Server, cluster_is_ok, loading
from harness.ports import RedisEndpoint
from harness.restore.redis_files import Layout
from harness.restore.redis_tool import RedisTool

_BUS_OFFSET = 10_000


class RedisClusterTool(RedisTool):
    """The restore tool of a `redis-cluster` subject."""

    cluster = True

    def _write_configuration(
        self, layout: Layout, layouts: Sequence[Layout], endpoint: RedisEndpoint
    ) -> None:
        (layout.directory / "nodes.conf").write_text(
            nodes_conf(
                [
                    (each.shard.slots, address)
                    for each, address in zip(layouts, endpoint.nodes, strict=True)
                ],
                layouts.index(layout),
                seed=str(layout.directory.parent),
            ),
            encoding="ascii",
        )

    def _await_writable(
        self, endpoint: RedisEndpoint, servers: Sequence[Server], within_s: float
    ) -> None:
        def writable() -> bool:
            # `loading` raises where a server has died.
            return all(loading(server) is not None for server in servers) and all(
                cluster_is_ok(address, len(endpoint.nodes)) for address in endpoint.nodes
            )

        wait_until(
            writable,
            within_s=within_s,
            what=f"{self._subject.id}: cluster_state:ok on {len(servers)} restored masters",
            hint=f"redis-cli -p {endpoint.nodes[0][1]} cluster info",
        )


def nodes_conf(
    masters: Sequence[tuple[Sequence[tuple[int, int]], tuple[str, int]]], myself: int, *, seed: str
) -> str:
    """nodes.conf of the node `myself` of a cluster of masters, each (slots, address).

    Lines are those of CLUSTER NODES (manual page "CLUSTER NODES", "Serialization format"), with a
    config epoch of its own for each; ids are 40 hexadecimal digits made from `seed`.
    """
    lines = []
    for number, (slots, (host, port)) in enumerate(masters):
        identity = hashlib.sha256(f"{seed} {number}".encode()).hexdigest()[:40]
        ranges = " ".join(f"{first}-{last}" for first, last in slots)
        flags = "myself,master" if number == myself else "master"
        lines.append(
            f"{identity} {host}:{port}@{port + _BUS_OFFSET} {flags} - 0 0 {number + 1} "
            f"connected {ranges}\n"
        )
    lines.append(f"vars currentEpoch {len(masters)} lastVoteEpoch 0\n")
    return "".join(lines)
