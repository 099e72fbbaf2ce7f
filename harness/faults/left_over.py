"""What a killed drill leaves beside its faults: helper pods, its lease, its name on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.drivers.kubernetes import Cluster
from harness.errors import HarnessError
from harness.faults import drill_lock
from harness.faults.lease import DrillLease, holder


def cleared_up(state: Path, cluster_of: Callable[[str], Cluster]) -> tuple[str, ...]:
    """Removes it, where the drill that is written down is gone; a line for each thing.

    None of it does harm: what cannot be reached is said, and ends by itself.
    """
    drill = drill_lock.last(state)
    if drill is None or drill_lock.current(state) is not None:
        return ()
    done: list[str] = []
    if drill.cluster_uid:
        try:
            cluster = cluster_of(drill.cluster_uid)
            cluster.require(drill.cluster_uid)
            done += cluster.remove_helper_pods(drill.run)
            if DrillLease(cluster, holder(drill.run, drill.pid)).release():
                done.append(f"lease of drill {drill.run}")
        except HarnessError as error:
            done.append(f"drill {drill.run}: helper pods and lease end by themselves: {error}")
    drill_lock.forget(state, drill)
    return (*done, f"drill {drill.run} is over: process {drill.pid} is gone")
