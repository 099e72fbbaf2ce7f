"""Checks what a lab needs of its host, before anything is made: one line says what is missing."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path

import psutil

from harness.errors import RefusedError
from harness.lab import network
from harness.lab.cgroups import ControlGroups
from harness.lab.layout import Layout

INSTEAD = "kind or k3d, with --context, serve instead of the lab on such a machine"

# Program -> the Debian package that has it.
PACKAGES: Mapping[str, str] = {
    "buildah": "buildah",
    "containerd": "containerd",
    "etcd": "etcd-server",
    "etcdctl": "etcd-client",
    "haproxy": "haproxy",
    "ip": "iproute2",
    "iptables": "iptables",
    "mmdebstrap": "mmdebstrap",
    "nsenter": "util-linux",
    "runc": "runc",
    "runsvdir": "runit",
    "/bin/busybox": "busybox-static",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
}

# Measured: docs/lab.md.
_MASTER_BYTES, _WORKER_BYTES, _BESIDE_BYTES = 500 << 20, 350 << 20, 500 << 20
_DISK_BYTES = 3 << 30


def check(layout: Layout, state: Path, groups: ControlGroups) -> None:
    """Raises RefusedError that names what is missing and what to type."""
    if platform.system() != "Linux":
        raise RefusedError(f"the lab needs Linux, this is {platform.system()}", hint=INSTEAD)
    if os.geteuid() != 0:
        raise RefusedError(
            "the lab needs root: it makes namespaces and control groups", hint=f"sudo, or {INSTEAD}"
        )
    missing = sorted({package for program, package in PACKAGES.items() if not _there(program)})
    if missing:
        raise RefusedError(
            f"the lab needs these packages: {' '.join(missing)}",
            hint=f"apt-get install -y --no-install-recommends {' '.join(missing)}",
        )
    controllers = groups.missing()
    if controllers:
        raise RefusedError(
            f"the kernel has no control group controllers {', '.join(controllers)}", hint=INSTEAD
        )
    absent = network.missing_features()
    if absent:
        raise RefusedError(
            f"the kernel refuses {absent[0]}", hint=f"modprobe {absent[1]}; else {INSTEAD}"
        )
    _room(layout, state)


def _room(layout: Layout, state: Path) -> None:
    memory = layout.masters * _MASTER_BYTES + layout.workers * _WORKER_BYTES + _BESIDE_BYTES
    available = psutil.virtual_memory().available
    if available < memory:
        raise RefusedError(
            f"memory: {available >> 20} MiB are available, {layout.masters} masters and "
            f"{layout.workers} workers need {memory >> 20} MiB",
            hint="harness lab up --masters 1",
        )
    existing = next(path for path in (state, *state.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < _DISK_BYTES:
        raise RefusedError(
            f"disk: {free >> 20} MiB are free at {existing}, a lab needs {_DISK_BYTES >> 20} MiB",
            hint="HARNESS_STATE_DIR=/a/larger/disk harness lab up",
        )


def _there(program: str) -> bool:
    return Path(program).exists() if "/" in program else shutil.which(program) is not None
