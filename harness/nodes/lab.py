"""Breaks the lab's machines: process 1, the cable, and services that runit keeps.

The witness of each change is the kernel of the host, not the command that made it: the machine's
control group, the link at the switch, the port of a service.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.drivers import process
from harness.drivers.clock import HostClock, wait_until
from harness.errors import DeadlineExceededError, RefusedError, SurroundingsError
from harness.lab import network
from harness.lab.control_plane import ETCD_CLIENT_PORT
from harness.lab.lab import Lab, changing, find
from harness.lab.layout import Machine, Role
from harness.lab.object_stores import PORTS
from harness.model.instant import Bracket
from harness.nodes.refusing import RefusingNodes

_CLOCK = HostClock()
_LOCK_WITHIN_S = 60.0
_SEEN_WITHIN_S = 30.0
_SERVES_WITHIN_S = 120.0
_TOOL_WITHIN_S = 15.0


class LabNodes(RefusingNodes):
    """ports.NodeProvider of the lab of one state directory."""

    name = "lab"

    def __init__(self, state: Path) -> None:
        """`state` is the state directory that the lab was made with."""
        self._state = state

    def kill(self, nodes: Sequence[str]) -> tuple[Bracket, str]:
        """All cables out, then process 1 of each killed; seen by their empty control groups."""
        with self._changing() as lab:
            machines = [lab.layout.member(node) for node in nodes]
            before_ns = _CLOCK.monotonic_ns()
            for _line in lab.machines.power_cut_all(machines):
                pass
            wait_until(
                lambda: not any(lab.machines.runs(machine) for machine in machines),
                within_s=_SEEN_WITHIN_S,
                what=f"the end of {', '.join(nodes)}",
            )
            return _since(before_ns), f"no process in the control groups of {', '.join(nodes)}"

    def start(self, node: str) -> str:
        """Boots it, where it does not run; seen by its control group, with its boot id.

        A master is no node of the API, so nobody else will look whether it does its work again:
        this returns when its own API server, and etcd behind it, is ready.
        """
        with self._changing() as lab:
            machine = lab.layout.member(node)
            if not lab.machines.runs(machine):
                lab.machines.boot(machine)
                wait_until(
                    lambda: lab.machines.runs(machine),
                    within_s=_SEEN_WITHIN_S,
                    what=f"{node} running",
                )
            identity = lab.machines.directories.boot_id(node).read_text(encoding="ascii").strip()
        witness = f"boot {identity} of {node} has processes in its control group"
        if machine.role is not Role.MASTER:
            return witness
        wait_until(
            lambda: lab.kubectl.is_ready(machine),
            within_s=_SERVES_WITHIN_S,
            what=f"the API server of {node}",
            every_s=0.5,
        )
        return f"{witness}, and its API server is ready"

    def partition(self, nodes: Sequence[str]) -> tuple[Bracket, str]:
        """All cables out; seen by the links being down at the switch."""
        with self._changing() as lab:
            machines = [lab.layout.member(node) for node in nodes]
            for machine in machines:
                if not lab.machines.runs(machine):
                    raise RefusedError(f"{machine.name}: is off, expected a machine that runs")
            before_ns = _CLOCK.monotonic_ns()
            for machine in machines:
                lab.machines.partition(machine)
            wait_until(
                lambda: all(network.is_cut(machine) for machine in machines),
                within_s=_SEEN_WITHIN_S,
                what=f"the cables of {', '.join(nodes)} out",
            )
            return _since(before_ns), f"links of {', '.join(nodes)} down at the switch"

    def heal(self, node: str) -> str:
        """The cable in again and all its processes going on; seen by the link at the switch."""
        with self._changing() as lab:
            machine = lab.layout.member(node)
            lab.machines.heal(machine)
            wait_until(
                lambda: lab.machines.state(machine) == "running",
                within_s=_SEEN_WITHIN_S,
                what=f"{node} connected",
            )
            return f"link of {node} up at the switch"

    def is_off(self, node: str) -> bool:
        """Whether its control group is empty."""
        lab = find(self._state)
        return not lab.machines.runs(lab.layout.machine(node))

    def control_plane(self) -> tuple[str, ...]:
        """The masters, which are no nodes of the API."""
        return tuple(one.name for one in find(self._state).layout.of(Role.MASTER))

    def control_plane_of(self, zone: str) -> tuple[str, ...]:
        """The zone's masters; none where the lab has no such zone."""
        masters = find(self._state).layout.of(Role.MASTER)
        return tuple(one.name for one in masters if one.zone == zone)

    def etcd_leader(self) -> str:
        """The master whose member says that it is the leader itself (`etcdctl endpoint status`)."""
        lab = find(self._state)
        for machine in lab.layout.of(Role.MASTER):
            if lab.machines.runs(machine) and _leads(lab, machine):
                return machine.name
        raise RefusedError(
            "etcd: no member says that it leads, expected one", hint="harness lab status"
        )

    def stop_service(self, node: str, service: str) -> tuple[Bracket, str]:
        """`sv force-stop`, which keeps it down; seen by its port being closed, where it has one."""
        with self._changing() as lab:
            machine = _with_service(lab, node, service)
            before_ns = _CLOCK.monotonic_ns()
            _sv(lab, machine, "force-stop", service)
            wait_until(
                lambda: _is_down(lab, machine, service),
                within_s=_SEEN_WITHIN_S,
                what=f"{service} of {node} down",
            )
            port = PORTS.get(service)
            seen = f", {machine.address}:{port} refuses" if port else ""
            return _since(before_ns), f"{service} of {node} is down{seen}"

    def start_service(self, node: str, service: str) -> str:
        """`sv up`; seen by its port answering, where it has one."""
        with self._changing() as lab:
            machine = _with_service(lab, node, service)
            _sv(lab, machine, "up", service)
            wait_until(
                lambda: (
                    _sv_status(lab, machine, service).startswith("run:")
                    and (service not in PORTS or _listens(machine, service))
                ),
                within_s=_SEEN_WITHIN_S,
                what=f"{service} of {node} running",
            )
            return f"{service} of {node}: {_sv_status(lab, machine, service)}"

    def service_is_down(self, node: str, service: str) -> bool:
        """By runit's own word, and by its port, where it has one."""
        lab = find(self._state)
        return _is_down(lab, _with_service(lab, node, service), service)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[Lab]:
        """The lab, when no other command changes it; the last refusal where that takes too long."""
        with contextlib.ExitStack() as stack:
            refused: RefusedError | None = None

            def entered() -> Lab | None:
                nonlocal refused
                try:
                    return stack.enter_context(changing(self._state))
                except RefusedError as error:
                    refused = error
                    return None

            try:
                lab = wait_until(entered, within_s=_LOCK_WITHIN_S, what="the lab", every_s=0.1)
            except DeadlineExceededError:
                raise refused or RefusedError("the lab cannot be changed now") from None
            yield lab


def _since(before_ns: int) -> Bracket:
    return Bracket(earliest_ns=before_ns, latest_ns=_CLOCK.monotonic_ns())


def _leads(lab: Lab, master: Machine) -> bool:
    """Whether the member of etcd on this master takes itself for the leader."""
    directories = lab.machines.directories
    (outside,) = lab.layout.of(Role.OUTSIDE)
    done = process.run(
        (
            *("nsenter", f"--net={network.file_of(network.namespace(outside))}", "etcdctl"),
            f"--endpoints=https://{master.address}:{ETCD_CLIENT_PORT}",
            f"--cacert={directories.certificate('etcd-ca')}",
            f"--cert={directories.certificate('etcd-client')}",
            f"--key={directories.key('etcd-client')}",
            *("--dial-timeout=2s", "--command-timeout=3s"),
            *("endpoint", "status", "--write-out=json"),
        ),
        directory=Path("/"),
        environment={"ETCDCTL_API": "3"},
        timeout_s=_TOOL_WITHIN_S,
    )
    if done.returncode != 0:
        return False
    try:
        (answer,) = json.loads(done.stdout)
        status = answer["Status"]
        return bool(status["leader"] == status["header"]["member_id"])
    except (ValueError, KeyError, TypeError) as error:
        raise SurroundingsError(
            f"etcdctl: got {done.last_line()!r}, expected the status of one endpoint"
        ) from error


def _with_service(lab: Lab, node: str, service: str) -> Machine:
    machine = lab.layout.machine(node)
    folder = lab.machines.directories.services(node)
    known = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if service not in known:
        raise RefusedError(
            f"{node}: no service {service!r}, expected one of {', '.join(known) or 'none'}",
            hint="harness lab up --overlay production",
        )
    if not lab.machines.runs(machine):
        raise RefusedError(f"{node}: is off, expected a machine that runs {service}")
    return machine


def _sv(lab: Lab, machine: Machine, command: str, service: str) -> str:
    """Runs runit's `sv` in the machine's mounts: its state is in the machine's own /run."""
    first = lab.machines.first_processes(machine)
    if not first:
        raise RefusedError(f"{machine.name}: has no process 1, expected a machine that runs")
    done = process.run(
        (
            *("nsenter", f"--target={first[0]}", "--mount"),
            *("sv", "-w", "5", command, lab.machines.directories.services(machine.name) / service),
        ),
        directory=Path("/"),
        timeout_s=_TOOL_WITHIN_S,
    )
    # `force-stop` exits with 1 where it had to kill, which is what it is for (sv(8)).
    if done.returncode != 0 and command != "force-stop":
        raise SurroundingsError(f"sv {command} {service} on {machine.name}: {done.last_line()}")
    return done.stdout.strip()


def _sv_status(lab: Lab, machine: Machine, service: str) -> str:
    return _sv(lab, machine, "status", service)


def _is_down(lab: Lab, machine: Machine, service: str) -> bool:
    stopped = _sv_status(lab, machine, service).startswith("down:")
    return stopped and not _listens(machine, service)


def _listens(machine: Machine, service: str) -> bool:
    """Whether the service's port takes a connection, from the machine's own network."""
    port = PORTS.get(service)
    if port is None:
        return False
    connect = f"import socket; socket.create_connection(({machine.address!r}, {port}), 2)"
    inside = f"--net={network.file_of(network.namespace(machine))}"
    done = process.run(
        ("nsenter", inside, sys.executable, "-I", "-c", connect),
        directory=Path("/"),
        timeout_s=_TOOL_WITHIN_S,
    )
    return done.returncode == 0
