"""Boots a lab's machines, and breaks them: power cut, freeze, cable out. Each can be undone."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.drivers import process
from harness.drivers.clock import wait_until
from harness.errors import RefusedError
from harness.lab import boot, control_plane, network, worker
from harness.lab.boot import Service
from harness.lab.cgroups import ControlGroups
from harness.lab.directories import Directories
from harness.lab.images import give_disk
from harness.lab.layout import DNS_SERVICE, Layout, Machine, Role
from harness.lab.sources import SOURCES

_ENDED_WITHIN_S = 20.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """The machines of one lab."""

    layout: Layout
    directories: Directories
    programs: Path
    groups: ControlGroups

    def prepare(self, machine: Machine, disk: Path) -> None:
        """Writes what is on a new machine's disk; `disk` is what workers start with."""
        own = self.directories.machine(machine.name)
        for name in ("var/log", "var/lib", "var/cache", "var/tmp", "services", "cni"):
            (own / name).mkdir(mode=0o755, parents=True, exist_ok=True)
        (own / "var" / "tmp").chmod(0o1777)
        (own / "var" / "run").symlink_to("/run")
        (own / "machine-id").write_text(f"{secrets.token_hex(16)}\n", encoding="ascii")
        (own / "resolv.conf").write_text(f"nameserver {DNS_SERVICE}\n", encoding="ascii")
        for name, content in self._files(machine).items():
            (own / name).write_text(content, encoding="utf-8")
        for service in self._services(machine):
            self.add_service(machine, service)
        if machine.role is Role.WORKER:
            give_disk(disk, own / "var" / "lib" / "containerd")

    def add_service(self, machine: Machine, service: Service) -> None:
        """Writes a service onto a machine's disk; one that runs starts it within five seconds."""
        made = self.directories.machine(machine.name) / f".{service.name}"
        shutil.rmtree(made, ignore_errors=True)  # of a command that was killed here
        made.mkdir()
        # As seen from inside, where the machine's own /var is.
        log = Path("/var/log") / f"{service.name}.log"
        (made / "run").write_text(boot.run_script(service, log), encoding="utf-8")
        (made / "run").chmod(0o755)
        # Its state is in /run, which a power cut empties.
        (made / "supervise").symlink_to(f"/run/supervise-{service.name}")
        made.rename(self.directories.services(machine.name) / service.name)

    def boot(self, machine: Machine) -> None:
        """Switches a machine on; returns at once. Refused where it runs."""
        if self.runs(machine):
            raise RefusedError(
                f"{machine.name}: runs already", hint=f"harness lab node kill {machine.name}"
            )
        self.groups.remove(machine.name)
        network.plug_in(machine, self.layout)
        identity = self.directories.boot_id(machine.name)
        identity.write_text(f"{uuid.uuid4()}\n", encoding="ascii")
        script = boot.boot_script(
            machine.name,
            self.directories,
            self.groups.make(machine.name),
            (
                self.directories.root.parent,
                self.programs,
                *(Path(prefix) for prefix in (sys.prefix, sys.base_prefix)),
                SOURCES.parent,
            ),
        )
        self.directories.boot(machine.name).write_text(script, encoding="utf-8")
        process.start(
            (
                "nsenter",
                f"--net={network.file_of(network.namespace(machine))}",
                # Nothing of the caller's environment: a proxy's address in it would be obeyed.
                *("env", "-i", f"PATH={_PATH}", "LANG=C.UTF-8", "HOME=/root"),
                *("unshare", "--pid", "--mount", "--uts", "--ipc", "--fork", "--kill-child"),
                *("sh", self.directories.boot(machine.name)),
            ),
            directory=self.directories.machine(machine.name),
            log=self.directories.logs(machine.name) / "boot.log",
        )

    def power_cut(self, machine: Machine) -> None:
        """Takes a machine away as a power cut does; returns when nothing of it runs.

        Its cable goes first: peers hear nothing of the end of its processes, no FIN and no RST.
        What the kernel and /run held is gone, what was on its disk stays.
        """
        network.cut(machine)
        for pid in self.first_processes(machine):
            _kill(pid)
        self.groups.thaw(machine.name)  # a frozen process dies when it is thawed, and does no more

        def ended() -> bool:
            left = self.groups.members(machine.name)
            for pid in left:
                _kill(pid)
            return not left

        wait_until(
            ended, within_s=_ENDED_WITHIN_S, what=f"{machine.name}: the end of its processes"
        )
        if network.namespace(machine) in network.namespaces():
            for pid in network.processes(network.namespace(machine)):
                _kill(pid)
        network.unplug(machine)
        self.groups.remove(machine.name)

    def power_cut_all(self, machines: Sequence[Machine]) -> Iterator[str]:
        """As one power cut: every cable is out before the first process ends; a line for each."""
        for machine in machines:
            network.cut(machine)
        for machine in machines:
            self.power_cut(machine)
            yield f"{machine.name} is off"

    def pause(self, machine: Machine) -> None:
        """Stops all its processes where they are: a host that hangs."""
        self._refuse_where_off(machine)
        self.groups.freeze(machine.name)

    def partition(self, machine: Machine) -> None:
        """Takes its cable out; everything on it goes on."""
        self._refuse_where_off(machine)
        network.cut(machine)

    def heal(self, machine: Machine) -> None:
        """Undoes pause and partition; harmless where nothing is to be undone."""
        self._refuse_where_off(machine)
        self.groups.thaw(machine.name)
        network.mend(machine)

    def runs(self, machine: Machine) -> bool:
        """Whether any process of the machine is there."""
        return bool(self.groups.members(machine.name))

    def state(self, machine: Machine) -> str:
        """`off`, `paused`, `partitioned`, both, or `running`."""
        if not self.runs(machine):
            return "off"
        broken = [
            word
            for word, broken in (
                ("paused", self.groups.is_frozen(machine.name)),
                ("partitioned", network.is_cut(machine)),
            )
            if broken
        ]
        return " and ".join(broken) or "running"

    def log_tails(self, machine: Machine, lines: int = 5) -> str:
        """The last lines of each of a machine's logs, for who must find out why it is not well."""
        said = []
        for log in sorted(self.directories.logs(machine.name).glob("*.log")):
            last = log.read_text("utf-8", "replace").splitlines()[-lines:]
            said += [f"-- {machine.name} {log.name}", *last]
        return "\n".join(said)

    def _services(self, machine: Machine) -> tuple[Service, ...]:
        arguments = (self.directories, self.programs)
        services: Mapping[Role, Callable[[], tuple[Service, ...]]] = {
            Role.MASTER: lambda: control_plane.services(machine, self.layout, *arguments),
            Role.WORKER: lambda: worker.services(machine, *arguments),
            Role.OUTSIDE: lambda: (worker.kube_proxy(machine, *arguments),),
        }
        return services[machine.role]()

    def _files(self, machine: Machine) -> Mapping[str, str]:
        if machine.role is Role.WORKER:
            return worker.files(machine, self.directories, self.groups.pods(machine.name))
        if machine.role is Role.OUTSIDE:
            return {"kube-proxy.yaml": worker.kube_proxy_file(machine, self.directories)}
        return {}

    def first_processes(self, machine: Machine) -> tuple[int, ...]:
        """Those that are process 1 of a namespace; the machine's own takes all others with it."""
        return tuple(
            pid for pid in self.groups.members(machine.name) if _inner_pids(pid)[-1:] == ("1",)
        )

    def _refuse_where_off(self, machine: Machine) -> None:
        if not self.runs(machine):
            raise RefusedError(
                f"{machine.name}: is off", hint=f"harness lab node start {machine.name}"
            )


def _inner_pids(pid: int) -> tuple[str, ...]:
    """A process's ids in its nested PID namespaces, outermost first (proc(5), NSpid)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ()
    for line in status.splitlines():
        if line.startswith("NSpid:"):
            return tuple(line.split()[1:])
    return ()


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
