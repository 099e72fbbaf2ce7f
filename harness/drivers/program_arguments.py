"""Reads the flags that programs of a cluster were started with, from the pods that they run in."""

from __future__ import annotations

from collections.abc import Mapping

from harness.drivers.kubernetes import Cluster
from harness.errors import SurroundingsError
from harness.model.program_arguments import flags
from harness.model.quantity import duration_s


def controller_manager(cluster: Cluster) -> Mapping[str, str] | None:
    """The flags of the controller manager; None where it does not run as a pod, as kubeadm has it.

    Raises as `Cluster` does.
    """
    found = cluster.list_objects(
        "v1", "Pod", "kube-system", selector="component=kube-controller-manager"
    )
    return flags(found[0]["spec"]) if found else None


def go_duration_s(text: str) -> float:
    """As harness.model.quantity.duration_s; SurroundingsError where a program gave no duration."""
    try:
        return duration_s(text)
    except ValueError as error:
        raise SurroundingsError(str(error)) from error
