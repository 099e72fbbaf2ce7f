"""The cluster of a game day, for conduct: what is done to it, roles, probers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.cli.cluster_ground import ClusterGround
from harness.drivers import roles
from harness.model.cluster import Pod
from harness.model.game_day import ExperimentTrial
from harness.model.history import GuardsChecked
from harness.model.workload import PostgresqlWorkload, RedisWorkload
from harness.ports import Sighting, WaysIn


@dataclass(frozen=True, kw_only=True)
class Ground(ClusterGround):
    """ports.DrillGround on a real cluster."""

    probing: Callable[[ExperimentTrial], WaysIn]
    """Starts the probers of a trial."""

    def guards(self, trial: ExperimentTrial) -> GuardsChecked:
        """As check_guards."""
        return self.check_guards(trial.id)

    def begin_ways_in(self, trial: ExperimentTrial) -> WaysIn:
        """All of them, in processes of their own."""
        return self.probing(trial)

    def look(self) -> Sighting:
        """Asked of the API and of the databases themselves."""
        writers: dict[str, str] = {}
        redundant: dict[str, bool] = {}
        ready: dict[str, tuple[str, ...]] = {}
        for workload in self.plan.workloads:
            pods = self.cluster.pods(workload.namespace, workload.pods)
            ready[workload.id] = tuple(sorted(one.uid for one in pods if _serves(one)))
            match workload:
                case PostgresqlWorkload():
                    members = roles.postgres_members(workload, pods)
                    primaries = [one for one in members if one.primary]
                    if len(primaries) == 1:
                        writers[workload.id] = (
                            f"{primaries[0].pod.name} timeline {primaries[0].timeline}"
                        )
                    redundant[workload.id] = (
                        len(primaries) == 1 and primaries[0].streaming >= len(pods) - 1
                    )
                case RedisWorkload():
                    shards = roles.redis_shards(workload, pods, roles.access_of(workload))
                    for shard in shards:
                        host, port = shard.master
                        writers[f"{workload.id} {shard.slots}"] = (
                            f"{host}:{port} epoch {shard.epoch}"
                        )
                    redundant[workload.id] = bool(shards) and all(one.replicas for one in shards)
                case _:
                    continue
        return Sighting(
            ready_nodes={one.name: one.boot_id for one in self.cluster.nodes() if one.ready},
            writers=writers,
            redundant=redundant,
            ready_pods=ready,
        )


def _serves(pod: Pod) -> bool:
    return pod.ready and not pod.terminating
