"""Nodes that are containers, by a program `docker` that does what Docker's manual says."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.errors import DeadlineExceededError, RefusedError, SurroundingsError
from harness.model.cluster import Node
from harness.nodes import docker
from harness.nodes.docker import DockerNodes

# Its world is a file: containers with state and networks. What it is asked goes to another one.
_PROGRAM = f"""#!{sys.executable} -I
import json, os, sys
file = os.environ["WORLD"]
with open(file) as one:
    world = json.load(one)
words = sys.argv[1:]
with open(file + ".asked", "a") as asked:
    asked.write(" ".join(words) + "\\n")
containers, broken = world["containers"], world.get("broken", [])

def fail(text):
    print(text, file=sys.stderr)
    sys.exit(1)

def find(name):
    if name not in containers:
        fail("Error response from daemon: No such container: " + name)
    return containers[name]

def main():
    if words[:2] == ["container", "inspect"]:
        print(json.dumps([find(words[2])]))
    elif words[0] == "kill":
        assert words[1:3] == ["--signal", "KILL"], words
        for name in words[3:]:
            found = find(name)
            if not found["State"]["Running"]:
                fail("container " + name + " is not running")
            if "kill" not in broken:
                found["State"].update(Running=False, Pid=0)
    elif words[0] == "start":
        find(words[1])["State"].update(Running=True, Pid=2, StartedAt="later")
    elif words[:2] == ["network", "disconnect"]:
        network, name = words[-2:]
        if network not in find(name)["NetworkSettings"]["Networks"]:
            fail(name + " is not connected to network " + network)
        del find(name)["NetworkSettings"]["Networks"][network]
    elif words[:2] == ["network", "connect"]:
        network, name = words[-2:]
        address = words[words.index("--ip") + 1] if "--ip" in words else world["next"]
        if "--ip" in words and "subnet" in broken:
            fail("user specified IP address is supported only when connecting to networks with "
                 "user configured subnets")
        aliases = [words[at + 1] for at, word in enumerate(words) if word == "--alias"]
        find(name)["NetworkSettings"]["Networks"][network] = {{
            "IPAddress": address, "Aliases": aliases}}
    elif words[0] == "exec":
        print(world["metrics"].get(words[1], ""))
    else:
        fail("unknown command: " + " ".join(words))

main()
with open(file, "w") as one:
    json.dump(world, one)
"""


class World:
    """What `docker` knows."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "world.json"
        self.state = directory / "state"
        self.write(
            {
                "containers": {name: container(name, 2 + at) for at, name in enumerate(NAMES)},
                "metrics": {},
                "next": "172.18.0.9",
            }
        )

    def read(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.file.read_text())
        return found

    def write(self, content: dict[str, Any]) -> None:
        self.file.write_text(json.dumps(content))

    def change(self, **changed: object) -> None:
        self.write({**self.read(), **changed})

    def asked(self) -> list[str]:
        """Commands that change something."""
        file = Path(f"{self.file}.asked")
        lines = file.read_text().splitlines() if file.exists() else []
        return [line for line in lines if not line.startswith(("container inspect", "exec"))]

    def networks(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.read()["containers"][name]["NetworkSettings"]["Networks"]
        return found


NAMES = ("kind-control-plane", "kind-worker")


def container(name: str, number: int) -> dict[str, Any]:
    return {
        "State": {"Running": True, "Pid": 1, "StartedAt": "earlier"},
        "NetworkSettings": {
            "Networks": {"kind": {"IPAddress": f"172.18.0.{number}", "Aliases": [name]}}
        },
    }


def node(name: str) -> Node:
    return Node(
        name=name,
        uid=name,
        boot_id="",
        ready=True,
        unschedulable=False,
        zone="",
        control_plane="control" in name,
        provider_id="",
    )


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path)
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(_PROGRAM)
    program.chmod(0o755)
    monkeypatch.setenv("WORLD", str(made.file))
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return made


@pytest.fixture
def nodes(world: World) -> DockerNodes:
    return DockerNodes(world.state, lambda: [node(name) for name in NAMES])


def test_no_program_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RefusedError, match="none of docker, podman is in PATH"):
        DockerNodes(tmp_path, list).is_off("kind-worker")


def test_podman_where_there_is_no_docker(
    world: World, nodes: DockerNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin" / "docker").rename(tmp_path / "bin" / "podman")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    nodes.kill(["kind-worker"])
    assert world.asked() == ["kill --signal KILL kind-worker"]


def test_a_node_is_killed_and_never_stopped(world: World, nodes: DockerNodes) -> None:
    bracket, witness = nodes.kill(["kind-worker"])
    assert world.asked() == ["kill --signal KILL kind-worker"]
    assert "have no process any more" in witness
    assert bracket.earliest_ns <= bracket.latest_ns
    assert nodes.is_off("kind-worker")
    assert not nodes.is_off("kind-control-plane")


def test_no_daemon_is_no_answer_about_the_node(world: World, nodes: DockerNodes) -> None:
    world.file.write_text("no world")
    with pytest.raises(SurroundingsError, match="container inspect kind-worker"):
        nodes.is_off("kind-worker")


def test_several_go_by_one_command(world: World, nodes: DockerNodes) -> None:
    nodes.kill(NAMES)
    assert world.asked() == ["kill --signal KILL kind-control-plane kind-worker"]


def test_what_is_off_is_killed_again_without_harm(world: World, nodes: DockerNodes) -> None:
    nodes.kill(["kind-worker"])
    nodes.kill(["kind-worker"])
    assert len(world.asked()) == 1


def test_a_node_without_a_container_is_refused_before_any_is_touched(
    world: World, nodes: DockerNodes
) -> None:
    with pytest.raises(RefusedError, match="ec2-worker: no container of that name"):
        nodes.kill(["kind-worker", "ec2-worker"])
    assert not world.asked()


def test_a_kill_that_does_nothing_has_no_witness(
    world: World, nodes: DockerNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker, "_SEEN_WITHIN_S", 0.0)
    world.change(broken=["kill"])
    with pytest.raises(DeadlineExceededError, match="the end of kind-worker"):
        nodes.kill(["kind-worker"])


def test_started_again(world: World, nodes: DockerNodes) -> None:
    nodes.kill(["kind-worker"])
    assert nodes.start("kind-worker") == "container kind-worker runs since later"
    nodes.start("kind-worker")
    assert world.asked()[1:] == ["start kind-worker"]


def test_cut_off_and_back_with_its_address_and_aliases(world: World, nodes: DockerNodes) -> None:
    before = world.networks("kind-worker")
    _, witness = nodes.partition(["kind-worker"])
    assert "in no network" in witness
    assert world.networks("kind-worker") == {}
    nodes.partition(["kind-worker"])  # again: what was written down stays
    nodes.heal("kind-worker")
    assert world.networks("kind-worker") == before
    assert nodes.heal("kind-worker") == "container kind-worker is in kind again"
    assert not any((world.state / "docker-networks").iterdir())


def test_another_process_heals_what_a_killed_one_cut(world: World, nodes: DockerNodes) -> None:
    before = world.networks("kind-worker")
    nodes.partition(["kind-worker"])
    DockerNodes(world.state, list).heal("kind-worker")
    assert world.networks("kind-worker") == before


def test_a_death_before_the_first_disconnection_is_healed(world: World, nodes: DockerNodes) -> None:
    nodes._write_down("kind-worker")
    nodes.heal("kind-worker")
    assert world.asked() == []


def test_a_network_without_a_subnet_of_its_own_gives_the_address_by_itself(
    world: World, nodes: DockerNodes
) -> None:
    nodes.partition(["kind-worker"])
    world.change(broken=["subnet"], next="172.18.0.3")
    nodes.heal("kind-worker")
    assert world.networks("kind-worker")["kind"]["IPAddress"] == "172.18.0.3"


def test_another_address_is_told_and_tried_again(world: World, nodes: DockerNodes) -> None:
    nodes.partition(["kind-worker"])
    world.change(broken=["subnet"])
    with pytest.raises(SurroundingsError, match=r"has address 172\.18\.0\.9 in kind, expected"):
        nodes.heal("kind-worker")
    world.change(broken=[])
    nodes.heal("kind-worker")
    assert world.networks("kind-worker")["kind"]["IPAddress"] == "172.18.0.3"


def test_what_is_off_is_not_cut_off(nodes: DockerNodes) -> None:
    nodes.kill(["kind-worker"])
    with pytest.raises(RefusedError, match="is off"):
        nodes.partition(["kind-worker"])


def test_the_control_plane_and_the_leader_of_etcd(world: World, nodes: DockerNodes) -> None:
    assert nodes.control_plane() == ("kind-control-plane",)
    assert nodes.control_plane_of("zone-1") == ()
    with pytest.raises(RefusedError, match="no node says in its metrics that it leads"):
        nodes.etcd_leader()
    metrics = "# HELP etcd_server_is_leader Whether\netcd_server_is_leader {}\n"
    world.change(metrics={"kind-control-plane": metrics.format(0)})
    with pytest.raises(RefusedError, match="no node says"):
        nodes.etcd_leader()
    world.change(metrics={"kind-control-plane": metrics.format(1)})
    assert nodes.etcd_leader() == "kind-control-plane"


def test_services_of_machines_are_refused(nodes: DockerNodes) -> None:
    with pytest.raises(RefusedError, match="provider 'docker' cannot do it"):
        nodes.stop_service("kind-worker", "kubelet")
