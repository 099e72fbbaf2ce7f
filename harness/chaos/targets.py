"""Chooses what is broken, when it is broken: by role, by a seeded draw, or by name.

No choice is empty and none is wider than was asked: both are refused.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

from harness.chaos.context import ExperimentConfig
from harness.drivers import roles
from harness.drivers.kubernetes import Cluster
from harness.errors import RefusedError, SurroundingsError
from harness.model.cluster import Node, Pod
from harness.model.workload import (
    BrokerWorkload,
    HttpWorkload,
    PostgresqlWorkload,
    RedisWorkload,
    Workload,
)

ANY, PRIMARY, REPLICA, MASTER = "any", "primary", "replica", "master"

Chosen = TypeVar("Chosen")


class Targets:
    """What an experiment may aim at."""

    def __init__(self, config: ExperimentConfig, cluster: Cluster) -> None:
        """Draws come from the configuration's seed: equal state and seed, equal choice."""
        self._config = config
        self._cluster = cluster

    def workload(self, workload_id: str) -> Workload:
        """The workload of that id; RefusedError that lists those there are."""
        for workload in self._config.workloads:
            if workload.id == workload_id:
                return workload
        known = ", ".join(one.id for one in self._config.workloads) or "none"
        raise RefusedError(f"workload: got {workload_id!r}, expected one of: {known}")

    def http_workload(self, workload_id: str) -> HttpWorkload:
        """As `workload`, of kind http."""
        found = self.workload(workload_id)
        if not isinstance(found, HttpWorkload):
            raise RefusedError(f"workload {workload_id}: is no http workload, expected one")
        return found

    def all_pods(self, workload: Workload) -> tuple[Pod, ...]:
        """Its pods that run and are not on their way out, by name; RefusedError for none."""
        found = self._cluster.pods(workload.namespace, workload.pods)
        live = sorted(
            (one for one in found if one.phase == "Running" and not one.terminating),
            key=lambda one: one.name,
        )
        if not live:
            raise RefusedError(
                f"workload {workload.id}: {workload.pods!r} selects no running pod in namespace "
                f"{workload.namespace}, expected one or more"
            )
        return tuple(live)

    def pods(self, workload: Workload, target: str, count: int) -> tuple[Pod, ...]:
        """`count` pods of a workload.

        `target` is `any`, a role (`primary`, `replica`; `master`, `master:2` for one shard's,
        `replica`), or names of pods, separated by commas.
        """
        pods = self.all_pods(workload)
        role, _, shard = target.partition(":")
        match role:
            case "any":
                return self._draw(pods, count, f"{workload.id}: running pods")
            case "primary":
                return self._draw([self._primary(workload, pods)], count, f"{workload.id}: primary")
            case "master":
                masters = self._masters(workload, pods)
                if shard:
                    masters = [masters[_number("shard", shard, len(masters) - 1)]]
                return self._draw(masters, count, f"{workload.id}: masters")
            case "replica":
                return self._draw(self._replicas(workload, pods), count, f"{workload.id}: replicas")
            case _:
                return self._named(workload, pods, target, count)

    def _named(
        self, workload: Workload, pods: Sequence[Pod], target: str, count: int
    ) -> tuple[Pod, ...]:
        names = _names(target)
        by_name = {one.name: one for one in pods}
        missing = [name for name in names if name not in by_name]
        if missing:
            raise RefusedError(
                f"workload {workload.id}: {', '.join(missing)} is none of its running pods, "
                f"expected any, primary, replica, master or of {', '.join(by_name)}"
            )
        return _exactly([by_name[name] for name in names], count, "pods named")

    def nodes(self, workload_id: str, target: str, count: int) -> tuple[Node, ...]:
        """`count` nodes: those of a workload's pods by their role, any worker, or by name.

        `workload_id` empty: `target` is `any` or names of nodes.
        """
        nodes = {one.name: one for one in self._cluster.nodes()}
        if workload_id:
            pods = self.pods(self.workload(workload_id), target, count)
            names = list(dict.fromkeys(pod.node for pod in pods))
            return _exactly([_known(nodes, name) for name in names], count, "nodes of the pods")
        if target == ANY:
            workers = [nodes[name] for name in sorted(nodes) if not nodes[name].control_plane]
            ready = [one for one in workers if one.ready and not one.unschedulable]
            return self._draw(ready, count, "ready workers")
        return _exactly([_known(nodes, name) for name in _names(target)], count, "nodes named")

    def zone(self, zone: str) -> tuple[str, tuple[Node, ...]]:
        """A zone, drawn where it is `any`, and all its nodes."""
        nodes = self._cluster.nodes()
        zones = sorted({one.zone for one in nodes if one.zone})
        if zone == ANY:
            (zone,) = self._draw(zones, 1, "zones")
        found = tuple(one for one in nodes if one.zone == zone)
        if not zone or not found:
            raise RefusedError(
                f"zone {zone!r}: has no node, expected any or one of {', '.join(zones) or 'none'}"
            )
        return zone, found

    def one_of(self, names: Sequence[str], what: str) -> str:
        """One of these, drawn."""
        (chosen,) = self._draw(sorted(names), 1, what)
        return chosen

    def _primary(self, workload: Workload, pods: Sequence[Pod]) -> Pod:
        if not isinstance(workload, PostgresqlWorkload):
            raise RefusedError(f"workload {workload.id}: is no PostgreSQL, and has no primary")
        try:
            return roles.the_primary(workload, roles.postgres_members(workload, pods)).pod
        except SurroundingsError as error:
            raise RefusedError(str(error)) from error

    def _masters(self, workload: Workload, pods: Sequence[Pod]) -> list[Pod]:
        """The master of each shard, by the lowest slot."""
        if not isinstance(workload, RedisWorkload | BrokerWorkload):
            raise RefusedError(f"workload {workload.id}: is no Redis, and has no master")
        shards = roles.redis_shards(workload, pods, roles.access_of(workload))
        by_address = {pod.address: pod for pod in pods if pod.address}
        unknown = [shard.slots for shard in shards if shard.master[0] not in by_address]
        if not shards or unknown:
            raise RefusedError(
                f"workload {workload.id}: master of slots {', '.join(unknown) or '0-16383'} is "
                "none of its running pods, expected a master for each shard"
            )
        return [by_address[shard.master[0]] for shard in shards]

    def _replicas(self, workload: Workload, pods: Sequence[Pod]) -> list[Pod]:
        if isinstance(workload, PostgresqlWorkload):
            members = roles.postgres_members(workload, pods)
            return [one.pod for one in members if not one.primary]
        masters = {one.name for one in self._masters(workload, pods)}
        return [one for one in pods if one.name not in masters]

    def _draw(self, candidates: Sequence[Chosen], count: int, what: str) -> tuple[Chosen, ...]:
        if not 1 <= count <= len(candidates):
            raise RefusedError(
                f"{what}: {count} asked for of {len(candidates)}, expected 1 or more, and so many"
            )
        draw = random.Random(f"{self._config.seed} {what}")  # noqa: S311 - a choice, no secret
        return tuple(draw.sample(list(candidates), count))


def whole_number(name: str, value: int | str) -> int:
    """An argument as a number: overridden configuration is text. RefusedError for none above 0."""
    return _number(name, str(value), None, least=1)


def _number(name: str, text: str, most: int | None, least: int = 0) -> int:
    if text.isascii() and text.isdigit() and int(text) >= least:
        number = int(text)
        if most is None or number <= most:
            return number
    to = f" to {most}" if most is not None else " or more"
    raise RefusedError(f"{name}: got {text!r}, expected {least}{to}")


def _names(target: str) -> list[str]:
    return list(dict.fromkeys(name.strip() for name in target.split(",") if name.strip()))


def _known(nodes: dict[str, Node], name: str) -> Node:
    if name not in nodes:
        raise RefusedError(f"node {name!r}: not known, expected one of {', '.join(sorted(nodes))}")
    return nodes[name]


def _exactly(found: Sequence[Chosen], count: int, what: str) -> tuple[Chosen, ...]:
    if len(found) != count or not found:
        raise RefusedError(f"{what}: got {len(found)}, expected exactly {count}")
    return tuple(found)
