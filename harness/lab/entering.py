"""How a command is run inside the lab's network. Pure."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from harness.lab import network
from harness.lab.identities import INSIDE
from harness.lab.kubectl import settings
from harness.lab.lab import Lab
from harness.lab.layout import Role


def argv(lab: Lab, words: Sequence[str]) -> tuple[str, ...]:
    """What to execute: enters the network of the machine outside the cluster, with its DNS."""
    (outside,) = lab.layout.of(Role.OUTSIDE)
    resolver = lab.machines.directories.machine(outside.name) / "resolv.conf"
    return (
        "nsenter",
        f"--net={network.file_of(network.namespace(outside))}",
        *("unshare", "--mount", "sh", "-c"),
        'mount --bind "$0" "$(readlink -m /etc/resolv.conf)" && exec "$@"',
        *(str(resolver), *words),
    )


def environment(lab: Lab) -> Mapping[str, str]:
    """This process's, with the lab's kubectl first in PATH and its kubeconfig."""
    directories = lab.machines.directories
    return {
        **os.environ,
        "PATH": f"{directories.commands}:{os.environ.get('PATH', '')}",
        "KUBECONFIG": str(directories.kubeconfig(INSIDE)),
        **settings(directories),
    }
