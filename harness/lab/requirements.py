"""Checks what a lab needs of its host, before anything is made: one line says what is missing."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import psutil

from harness.drivers import process
from harness.errors import RefusedError
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


def check(groups: ControlGroups) -> None:
    """Raises RefusedError that names what is missing on this host and what to type."""
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


def check_kernel(state: Path) -> None:
    """Tries what the lab needs of the kernel, in namespaces that are gone with the trial.

    Raises RefusedError that names the feature and its module.
    """
    with tempfile.TemporaryDirectory(dir=state, prefix=".trial-") as directory:
        for words, feature, module in _FEATURES:
            done = process.run(
                ("unshare", "--net", "--mount", *words), directory=Path(directory), timeout_s=30
            )
            if done.returncode != 0:
                raise RefusedError(
                    f"the kernel refuses {feature}: {done.last_line()}",
                    hint=f"modprobe {module}; else {INSTEAD}",
                )


def check_room(layout: Layout, state: Path) -> None:
    """Raises RefusedError where memory or disk is too small, and says how much is needed."""
    memory = layout.masters * _MASTER_BYTES + layout.workers * _WORKER_BYTES + _BESIDE_BYTES
    available = psutil.virtual_memory().available
    if available < memory:
        raise RefusedError(
            f"memory: {available >> 20} MiB are available, {layout.masters} masters and "
            f"{layout.workers} workers need {memory >> 20} MiB",
            hint="harness lab up --masters 1"
            if layout.masters > 1
            else f"harness lab up --masters 1 --workers {max(1, layout.workers - 1)}",
        )
    existing = next(path for path in (state, *state.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < _DISK_BYTES:
        raise RefusedError(
            f"disk: {free >> 20} MiB are free at {existing}, a lab needs {_DISK_BYTES >> 20} MiB",
            hint="HARNESS_STATE_DIR=/a/larger/disk harness lab up",
        )


_TO_A_SERVICE = ("iptables", "-w", "-t", "nat", "-A", "OUTPUT")
_OVERLAY = (
    "mkdir lower upper work merged && mount -t overlay overlay "
    "-o lowerdir=lower,upperdir=upper,workdir=work merged"
)
_FEATURES = (
    (("sh", "-c", _OVERLAY), "an overlay file system in the state directory", "overlay"),
    (("ip", "link", "add", "probe0", "type", "bridge"), "a bridge", "bridge"),
    (("ip", "link", "add", "probe1", "type", "veth"), "a pair of virtual cables", "veth"),
    ((*_TO_A_SERVICE, "-m", "comment", "--comment", "x"), "iptables' comments", "xt_comment"),
    (
        (*_TO_A_SERVICE, "-m", "statistic", "--mode", "random", "--probability", "0.5"),
        "iptables' statistic match",
        "xt_statistic",
    ),
    (
        (*_TO_A_SERVICE, "-p", "tcp", "-j", "DNAT", "--to-destination", "10.0.0.1:1"),
        "iptables' address translation",
        "xt_nat",
    ),
    (
        (
            "iptables",
            "-w",
            "-A",
            "FORWARD",
            "-m",
            "conntrack",
            "--ctstate",
            "INVALID",
            "-j",
            "DROP",
        ),
        "iptables' connection tracking",
        "xt_conntrack",
    ),
)
"""What containers and kube-proxy's rules are made of: the trial, the feature, its module."""


def _there(program: str) -> bool:
    return Path(program).exists() if "/" in program else shutil.which(program) is not None
