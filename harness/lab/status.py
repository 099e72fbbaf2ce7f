"""How a lab is: each machine's state, what it uses, and whether the cluster believes in it."""

from __future__ import annotations

import msgspec

from harness.errors import SurroundingsError
from harness.lab.lab import Lab
from harness.lab.layout import Role
from harness.model.quantity import show_bytes


class MachineStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One machine."""

    name: str
    role: str
    zone: str
    address: str
    state: str
    """`running`, `paused`, `partitioned`, `paused and partitioned` or `off`."""

    serves: bool | None
    """Masters: their API server is ready; workers: their node is. None: nobody can tell."""

    memory_bytes: int
    processor_s: float
    """Used since its boot."""


class LabStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A lab."""

    api: str
    api_ready: bool
    logs: str
    machines: tuple[MachineStatus, ...]


def status_of(lab: Lab) -> LabStatus:
    """Looks at every machine and asks the API; touches nothing."""
    ready = lab.kubectl.ready()
    groups = lab.machines.groups
    machines = []
    for machine in lab.layout.machines():
        serves: bool | None = False
        state = lab.machines.state(machine)
        if state == "running":
            try:
                serves = lab.serves(machine) if ready or machine.role is not Role.WORKER else None
            except SurroundingsError:
                serves = None
        machines.append(
            MachineStatus(
                name=machine.name,
                role=machine.role.value,
                zone=machine.zone,
                address=machine.address,
                state=state,
                serves=serves,
                memory_bytes=groups.memory_bytes(machine.name),
                processor_s=groups.processor_ns(machine.name) / 1e9,
            )
        )
    return LabStatus(
        api=f"https://127.0.0.1:{lab.record.api_port}",
        api_ready=ready,
        logs=str(lab.machines.directories.logs("NODE")),
        machines=tuple(machines),
    )


def render(status: LabStatus) -> str:
    """One screen."""
    words = {True: "yes", False: "no", None: "unknown"}
    rows = [("MACHINE", "ROLE", "ZONE", "ADDRESS", "STATE", "SERVES", "MEMORY")]
    rows += [
        (
            one.name,
            one.role,
            one.zone or "-",
            one.address,
            one.state,
            words[one.serves],
            show_bytes(one.memory_bytes),
        )
        for one in status.machines
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines += [
        "",
        f"API: {status.api}, {'ready' if status.api_ready else 'NOT ready'}",
        f"logs: {status.logs}",
    ]
    return "\n".join(lines) + "\n"
