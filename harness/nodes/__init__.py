"""What the machines under a cluster are: `lab`, `docker`, `ec2`, or none that may be touched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import InputError
from harness.ports import NodeProvider

if TYPE_CHECKING:
    from harness.drivers.kubernetes import Cluster

PROVIDERS = ("lab", "docker", "ec2", "none")


def choose(name: str, cluster: Cluster, *, state: Path | None = None) -> NodeProvider:
    """The provider of that name for the machines of `cluster`.

    `state` is the state directory (default: harness.faults.places). Raises InputError for a name
    that is none of PROVIDERS; nothing is reached before a method is called.
    """
    from harness.faults.places import default_state_directory

    where = state if state is not None else default_state_directory()
    match name:
        case "lab":
            from harness.nodes.lab import LabNodes

            return LabNodes(where)
        case "docker":
            from harness.nodes.docker import DockerNodes

            return DockerNodes(where, lambda: cluster.state().nodes)
        case "ec2":
            from harness.nodes.ec2 import Ec2Nodes

            return Ec2Nodes(lambda: cluster.state().nodes)
        case "none":
            from harness.nodes.refusing import RefusingNodes

            return RefusingNodes()
        case _:
            raise InputError(f"node provider: got {name!r}, expected one of {', '.join(PROVIDERS)}")
