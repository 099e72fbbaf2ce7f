"""How a lab is shown: the whole screen; and what is asked of whom to know it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from harness.errors import SurroundingsError
from harness.lab.directories import Directories
from harness.lab.lab import Lab
from harness.lab.layout import Layout, Machine, Role
from harness.lab.status import LabStatus, MachineStatus, render, status_of


def machine(name: str, role: str, zone: str, address: str, **more: object) -> MachineStatus:
    """A machine that runs and serves, unless told otherwise."""
    usual = {"state": "running", "serves": True, "memory_bytes": 0, "processor_s": 0.0}
    return MachineStatus(name=name, role=role, zone=zone, address=address, **{**usual, **more})  # type: ignore[arg-type]


def test_the_whole_screen() -> None:
    """With one that is off, one of which nobody can tell, and one that is broken twice."""
    status = LabStatus(
        api="https://127.0.0.1:17042",
        api_ready=True,
        logs="/state/lab/machines/NODE/var/log",
        machines=(
            machine("outside", "outside", "", "10.89.0.2", memory_bytes=46 << 20),
            machine("master-1", "master", "zone-1", "10.89.0.11", memory_bytes=(3 << 30) // 2),
            machine("worker-1", "worker", "zone-1", "10.89.0.101", state="off", serves=False),
            machine("worker-2", "worker", "zone-2", "10.89.0.102", serves=None, memory_bytes=2048),
            machine(
                *("worker-3", "worker", "zone-3", "10.89.0.103"),
                state="paused and partitioned",
                serves=False,
                memory_bytes=1,
            ),
        ),
    )
    assert (
        render(status)
        == """\
MACHINE   ROLE     ZONE    ADDRESS      STATE                   SERVES   MEMORY
outside   outside  -       10.89.0.2    running                 yes      46 MiB
master-1  master   zone-1  10.89.0.11   running                 yes      1.5 GiB
worker-1  worker   zone-1  10.89.0.101  off                     no       0 B
worker-2  worker   zone-2  10.89.0.102  running                 unknown  2 KiB
worker-3  worker   zone-3  10.89.0.103  paused and partitioned  no       1 B

API: https://127.0.0.1:17042, ready
logs: /state/lab/machines/NODE/var/log
"""
    )


def test_an_api_that_is_not_ready_catches_the_eye() -> None:
    """And a lab without machines is still a screen."""
    status = LabStatus(api="https://127.0.0.1:1", api_ready=False, logs="/logs", machines=())
    assert (
        render(status)
        == """\
MACHINE  ROLE  ZONE  ADDRESS  STATE  SERVES  MEMORY

API: https://127.0.0.1:1, NOT ready
logs: /logs
"""
    )


@dataclass
class Stub:
    """Stands in for a lab: what its machines and its API would say."""

    ready: bool = True
    states: dict[str, str] = field(default_factory=dict)
    unanswered: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)
    layout: Layout = field(default_factory=lambda: Layout(masters=1, workers=2, zones=1))

    @property
    def record(self) -> SimpleNamespace:
        return SimpleNamespace(api_port=17042)

    @property
    def kubectl(self) -> SimpleNamespace:
        return SimpleNamespace(ready=lambda: self.ready)

    @property
    def machines(self) -> SimpleNamespace:
        groups = SimpleNamespace(memory_bytes=len, processor_ns=lambda name: len(name) * 10**9)
        return SimpleNamespace(
            groups=groups,
            directories=Directories(Path("/state/lab")),
            state=lambda machine: self.states.get(machine.name, "running"),
        )

    def serves(self, machine: Machine) -> bool:
        self.asked.append(machine.name)
        if machine.name in self.unanswered:
            raise SurroundingsError("no answer")
        return True


def serving(stub: Stub) -> dict[str, bool | None]:
    return {one.name: one.serves for one in status_of(cast("Lab", stub)).machines}


def test_a_lab_that_is_well() -> None:
    """Each machine is asked; its use is in bytes and seconds."""
    stub = Stub()
    status = status_of(cast("Lab", stub))
    assert status == LabStatus(
        api="https://127.0.0.1:17042",
        api_ready=True,
        logs="/state/lab/machines/NODE/var/log",
        machines=tuple(
            MachineStatus(
                name=one.name,
                role=one.role.value,
                zone=one.zone,
                address=one.address,
                state="running",
                serves=True,
                memory_bytes=len(one.name),
                processor_s=float(len(one.name)),
            )
            for one in stub.layout.machines()
        ),
    )


@pytest.mark.parametrize("state", ["off", "paused", "partitioned", "paused and partitioned"])
def test_a_machine_that_is_broken_serves_nobody(state: str) -> None:
    """It is not asked: that would take until a timeout."""
    stub = Stub(states={"worker-1": state, "master-1": state})
    assert serving(stub) == {
        "outside": True,
        "master-1": False,
        "worker-1": False,
        "worker-2": True,
    }
    assert stub.asked == ["outside", "worker-2"]


def test_without_an_api_nobody_can_tell_of_workers() -> None:
    """Masters are asked themselves."""
    stub = Stub(ready=False)
    assert serving(stub) == {"outside": True, "master-1": True, "worker-1": None, "worker-2": None}
    assert stub.asked == [one.name for one in stub.layout.machines() if one.role is not Role.WORKER]


def test_an_api_that_does_not_answer_meanwhile_is_no_error() -> None:
    """Of that machine nobody can tell."""
    stub = Stub(unanswered=("worker-2",))
    assert serving(stub)["worker-2"] is None
    assert serving(stub)["worker-1"] is True
