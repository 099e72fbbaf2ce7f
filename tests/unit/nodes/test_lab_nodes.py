"""The lab's machines as nodes: what each change waits for before it is believed."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.drivers.process import Completed
from harness.errors import DeadlineExceededError, InputError, RefusedError, SurroundingsError
from harness.lab import network
from harness.lab.directories import Directories
from harness.lab.layout import Layout, Machine
from harness.nodes import lab
from harness.nodes.lab import LabNodes


class StandInLab:
    """A lab of which no process is real."""

    def __init__(self, directory: Path) -> None:
        self.layout = Layout()
        self.directories = Directories(directory)
        self.machines = self
        self.kubectl = self
        self.on = {machine.name for machine in self.layout.machines()}
        self.cut: set[str] = set()
        self.asked: list[str] = []
        self.deaf = False
        """Whether what is asked for is not done."""

        for machine in self.layout.machines():
            self.directories.services(machine.name).mkdir(parents=True)
            self.directories.boot_id(machine.name).write_text(f"boot-of-{machine.name}\n")

    def runs(self, machine: Machine) -> bool:
        return machine.name in self.on

    def state(self, machine: Machine) -> str:
        if machine.name not in self.on:
            return "off"
        return "partitioned" if machine.name in self.cut else "running"

    def power_cut_all(self, machines: list[Machine]) -> Iterator[str]:
        for machine in machines:
            self.asked.append(f"cut {machine.name}")
            if not self.deaf:
                self.on.discard(machine.name)
            yield machine.name

    def boot(self, machine: Machine) -> None:
        self.asked.append(f"boot {machine.name}")
        if not self.deaf:
            self.on.add(machine.name)

    def partition(self, machine: Machine) -> None:
        if not self.deaf:
            self.cut.add(machine.name)

    def heal(self, machine: Machine) -> None:
        if not self.deaf:
            self.cut.discard(machine.name)

    def first_processes(self, machine: Machine) -> tuple[int, ...]:
        return (4711,) if machine.name in self.on else ()

    def is_ready(self, machine: Machine) -> bool:
        self.asked.append(f"ready {machine.name}")
        return not self.deaf


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandInLab:
    made = StandInLab(tmp_path)

    @contextlib.contextmanager
    def changing(_state: Path) -> Iterator[StandInLab]:
        yield made

    monkeypatch.setattr(lab, "changing", changing)
    monkeypatch.setattr(lab, "find", lambda _state: made)
    monkeypatch.setattr(network, "is_cut", lambda machine: machine.name in made.cut)
    monkeypatch.setattr(lab, "_SEEN_WITHIN_S", 0.0)
    monkeypatch.setattr(lab, "_SERVES_WITHIN_S", 0.0)
    return made


@pytest.fixture
def nodes(stand_in: StandInLab, tmp_path: Path) -> LabNodes:
    assert stand_in.on
    return LabNodes(tmp_path)


def test_killed_and_started(stand_in: StandInLab, nodes: LabNodes) -> None:
    bracket, witness = nodes.kill(["worker-1", "worker-2"])
    assert bracket.earliest_ns <= bracket.latest_ns
    assert witness == "no process in the control groups of worker-1, worker-2"
    assert nodes.is_off("worker-1")
    assert nodes.start("worker-1") == (
        "boot boot-of-worker-1 of worker-1 has processes in its control group"
    )
    nodes.start("worker-1")  # again: it runs
    assert stand_in.asked == ["cut worker-1", "cut worker-2", "boot worker-1"]


def test_a_master_serves_before_it_counts_as_started(stand_in: StandInLab, nodes: LabNodes) -> None:
    nodes.kill(["master-1"])
    assert nodes.start("master-1").endswith("and its API server is ready")
    stand_in.deaf = True
    with pytest.raises(DeadlineExceededError, match="the API server of master-1"):
        nodes.start("master-1")


def test_cut_off_and_healed(nodes: LabNodes) -> None:
    _, witness = nodes.partition(["worker-3"])
    assert witness == "links of worker-3 down at the switch"
    assert nodes.heal("worker-3") == "link of worker-3 up at the switch"


def test_what_is_off_is_not_cut_off(nodes: LabNodes) -> None:
    nodes.kill(["worker-1"])
    with pytest.raises(RefusedError, match="worker-1: is off"):
        nodes.partition(["worker-2", "worker-1"])


def test_a_change_that_does_nothing_has_no_witness(stand_in: StandInLab, nodes: LabNodes) -> None:
    stand_in.deaf = True
    with pytest.raises(DeadlineExceededError, match="the end of worker-1"):
        nodes.kill(["worker-1"])
    with pytest.raises(DeadlineExceededError, match="the cables of worker-1 out"):
        nodes.partition(["worker-1"])
    stand_in.on.remove("worker-1")
    with pytest.raises(DeadlineExceededError, match="worker-1 running"):
        nodes.start("worker-1")


def test_what_is_no_member_cannot_be_killed(nodes: LabNodes) -> None:
    with pytest.raises(InputError, match="outside: is no member"):
        nodes.kill(["outside"])
    with pytest.raises(InputError, match="no machine 'worker-9'"):
        nodes.kill(["worker-1", "worker-9"])
    assert not nodes.is_off("worker-1")


def test_masters_and_those_of_a_zone(nodes: LabNodes) -> None:
    assert nodes.control_plane() == ("master-1", "master-2", "master-3")
    assert nodes.control_plane_of("zone-2") == ("master-2",)
    assert nodes.control_plane_of("zone-9") == ()


def test_a_lab_that_another_command_changes_is_waited_for(
    stand_in: StandInLab, nodes: LabNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = [RefusedError("process 7 is changing the lab now")] * 2

    @contextlib.contextmanager
    def changing(_state: Path) -> Iterator[StandInLab]:
        if refusals:
            raise refusals.pop()
        yield stand_in

    monkeypatch.setattr(lab, "changing", changing)
    nodes.kill(["worker-1"])
    refusals.append(RefusedError("process 8 is changing the lab now"))
    monkeypatch.setattr(lab, "_LOCK_WITHIN_S", 0.0)
    with pytest.raises(RefusedError, match="process 8 is changing"):
        nodes.kill(["worker-2"])


def answering(
    monkeypatch: pytest.MonkeyPatch, answers: dict[str, tuple[int, str]]
) -> list[tuple[Any, ...]]:
    """Programs that say what is said of the first word that occurs in what was called."""
    called: list[tuple[Any, ...]] = []

    def run(argv: tuple[Any, ...], **_: object) -> Completed:
        called.append(argv)
        line = " ".join(map(str, argv))
        code, said = next((told for word, told in answers.items() if word in line), (1, ""))
        return Completed(argv=tuple(map(str, argv)), returncode=code, stdout=said, stderr="")

    monkeypatch.setattr("harness.nodes.lab.process.run", run)
    return called


def member(identity: int, leader: int) -> str:
    status = {"header": {"member_id": identity}, "leader": leader}
    return json.dumps([{"Endpoint": "https://10.89.0.11:2379", "Status": status}])


def test_the_leader_is_the_member_that_says_so(
    nodes: LabNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(
        monkeypatch,
        {"10.89.0.11": (0, member(1, 2)), "10.89.0.12": (0, member(2, 2)), "10.89.0.13": (1, "")},
    )
    assert nodes.etcd_leader() == "master-2"


def test_no_leader_and_no_sense_are_told(nodes: LabNodes, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, {"10.89.0.1": (0, member(1, 0))})
    with pytest.raises(RefusedError, match="no member says that it leads"):
        nodes.etcd_leader()
    answering(monkeypatch, {"10.89.0.1": (0, "[]")})
    with pytest.raises(SurroundingsError, match="expected the status of one endpoint"):
        nodes.etcd_leader()


def test_a_service_is_stopped_and_its_port_with_it(
    stand_in: StandInLab, nodes: LabNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stand_in.directories.services("outside") / "s3-primary").mkdir()
    called = answering(
        monkeypatch,
        {
            "force-stop": (1, "kill: run: s3-primary"),
            "status": (0, "down: s3-primary: 1s"),
            "socket": (1, ""),
        },
    )
    _, witness = nodes.stop_service("outside", "s3-primary")
    assert witness == "s3-primary of outside is down, 10.89.0.2:8333 refuses"
    assert called[0][:3] == ("nsenter", "--target=4711", "--mount")


def test_a_stopped_service_whose_port_answers_is_not_down(
    stand_in: StandInLab, nodes: LabNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stand_in.directories.services("outside") / "s3-primary").mkdir()
    answering(
        monkeypatch,
        {"force-stop": (0, ""), "status": (0, "down: s3-primary: 1s"), "socket": (0, "")},
    )
    with pytest.raises(DeadlineExceededError, match="s3-primary of outside down"):
        nodes.stop_service("outside", "s3-primary")


def test_a_service_runs_again_when_its_port_answers(
    stand_in: StandInLab, nodes: LabNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stand_in.directories.services("outside") / "s3-primary").mkdir()
    answering(
        monkeypatch,
        {" up ": (0, ""), "status": (0, "run: s3-primary: (pid 9) 1s"), "socket": (0, "")},
    )
    assert "run: s3-primary" in nodes.start_service("outside", "s3-primary")


@pytest.mark.parametrize(
    ("status", "socket", "down"),
    [
        ("down: s3-primary: 9s", 1, True),
        ("down: s3-primary: 9s", 0, False),
        ("run: s3-primary: (pid 9) 1s", 1, False),
    ],
)
def test_whether_a_service_is_down_is_looked_at_and_not_changed(
    stand_in: StandInLab,
    nodes: LabNodes,
    monkeypatch: pytest.MonkeyPatch,
    status: str,
    socket: int,
    down: bool,  # noqa: FBT001
) -> None:
    (stand_in.directories.services("outside") / "s3-primary").mkdir()
    answering(monkeypatch, {"status": (0, status), "socket": (socket, "")})
    assert nodes.service_is_down("outside", "s3-primary") is down


def test_a_service_that_is_not_there(stand_in: StandInLab, nodes: LabNodes) -> None:
    (stand_in.directories.services("outside") / "s3").mkdir()
    with pytest.raises(RefusedError, match="no service 's3-primary', expected one of s3"):
        nodes.stop_service("outside", "s3-primary")
