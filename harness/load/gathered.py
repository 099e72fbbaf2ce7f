"""What a master in a cluster has gathered of its workers, and how the harness fetches that.

Through the API server's proxy to the pod: no connection of its own into the cluster, no program on
this host, and no limit of size as a log has (kubelet rotates one at 10 MiB, containerLogMaxSize).
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.drivers.kubernetes import Cluster
from harness.errors import RecordError, SurroundingsError
from harness.load.config import InjectorReport
from harness.load.zero import Zero
from harness.model.codec import from_json

OUTCOME = "load.json"


class Gathered(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far a load is, as its master knows."""

    over: bool
    """Every worker has ended or is lost, and what there is of their samples is here."""

    zero: Zero | None
    """Of the schedule, by the master's clocks; None: it has not begun."""

    reports: dict[str, InjectorReport]
    """Number of a worker, as JSON has keys -> its last one, whose `began_ns` is the zero by that
    worker's own monotonic clock."""

    lost: tuple[str, ...]
    files: tuple[str, ...]
    """Names of files of samples."""

    error: str | None


def ask(cluster: Cluster, namespace: str, pod: str, port: int) -> Gathered:
    """How far it is; SurroundingsError where the master does not say."""
    return from_json(cluster.ask_pod(namespace, pod, port, OUTCOME), Gathered)


def fetch(cluster: Cluster, namespace: str, pod: str, port: int, directory: Path) -> Gathered:
    """Brings all files of samples into a directory, when the load is over.

    Raises SurroundingsError where it is not over or the master does not answer, RecordError where
    a file cannot be written. What was fetched may be fetched again: nothing is deleted there.
    """
    gathered = ask(cluster, namespace, pod, port)
    if not gathered.over:
        raise SurroundingsError(
            f"the load of pod {namespace}/{pod} is not over",
            hint=f"kubectl -n {namespace} logs -f {pod}",
        )
    for name in gathered.files:
        content = cluster.ask_pod(namespace, pod, port, name)
        try:
            (directory / name).write_bytes(content)
        except OSError as error:
            raise RecordError(f"{directory / name}: {error.strerror}", hint="df -h .") from error
    return gathered
