"""The script that is process 1 of a machine, and the run scripts of what it supervises. Pure.

A machine is a network, process, mount, host-name and IPC namespace with a /var of its own and an
empty /run, so that it looks like a host to what runs in it: what a power cut takes is in /run and
in the kernel, what a disk keeps is in /var. runit's runsvdir becomes its process 1, starts the
services again when they end, and dies with everything below it when it is killed.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.lab.directories import Directories


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One supervised process of a machine."""

    name: str
    argv: tuple[str, ...]
    after: str = ""
    """A Unix socket that must be there first."""


def boot_script(
    name: str, directories: Directories, cgroups: Sequence[Path], visible: Sequence[Path]
) -> str:
    """What process 1 does: joins its control groups, mounts, and becomes runsvdir.

    `visible` are directories of the host that the machine sees, too, where they are below /var.
    """
    disk = directories.machine(name)
    kept = [path for path in dict.fromkeys(visible) if path.is_relative_to("/var")]
    lines = [
        "#!/bin/sh",
        f"# Process 1 of the machine {name}: joins its control groups, mounts, supervises.",
        "set -eu",
        *(f"echo 0 >{_quoted(group / 'cgroup.procs')}" for group in cgroups),
        "mount -t proc proc /proc",
        *(
            line
            for path in kept
            for line in (
                f"mkdir -p {_quoted(disk / path.relative_to('/'))}",
                f"mount --bind {_quoted(path)} {_quoted(disk / path.relative_to('/'))}",
            )
        ),
        f"mount --rbind {_quoted(disk / 'var')} /var",
        "mount -t tmpfs -o mode=755 machine-run /run",
        "mkdir -p /run/lock",
        # A boot has an identity that the kernel gives; machines of one host would share it.
        f"mount --bind {_quoted(directories.boot_id(name))} /proc/sys/kernel/random/boot_id",
        f"[ ! -e /etc/machine-id ] || mount --bind {_quoted(disk / 'machine-id')} /etc/machine-id",
        # It may be a link into /run, which is empty now.
        "resolver=$(readlink -m /etc/resolv.conf)",
        'case "$resolver" in /run/*) mkdir -p "${resolver%/*}"; : >"$resolver" ;; esac',
        f'[ ! -e "$resolver" ] || mount --bind {_quoted(disk / "resolv.conf")} "$resolver"',
        f"hostname {name}",
        f"exec runsvdir -P {_quoted(directories.services(name))}",
    ]
    return "\n".join(lines) + "\n"


def run_script(service: Service, log: Path) -> str:
    """What runit executes to start a service, each time it ended."""
    wait: tuple[str, ...] = ()
    if service.after:
        wait = (f"until [ -S {_quoted(service.after)} ]; do sleep 0.1; done",)
    lines = ("#!/bin/sh", f"exec >>{_quoted(log)} 2>&1", *wait, f"exec {shlex.join(service.argv)}")
    return "\n".join(lines) + "\n"


def _quoted(path: Path | str) -> str:
    return shlex.quote(str(path))
