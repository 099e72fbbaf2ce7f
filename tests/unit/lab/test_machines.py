"""A machine's disk, its state in words, and what is refused. Nothing is booted or broken."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import RefusedError
from harness.lab import machines as module
from harness.lab import network
from harness.lab.cgroups import ControlGroups
from harness.lab.directories import Directories
from harness.lab.layout import Layout, Machine, Role
from harness.lab.machines import Machines

LAYOUT = Layout(masters=1, workers=1, zones=1)
SERVICES = {
    Role.OUTSIDE: {"kube-proxy"},
    Role.MASTER: {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"},
    Role.WORKER: {"containerd", "kubelet", "kube-proxy"},
}
FILES = {
    Role.OUTSIDE: {"kube-proxy.yaml"},
    Role.MASTER: set[str](),
    Role.WORKER: {"containerd.toml", "kubelet.yaml", "kube-proxy.yaml"},
}
ALL = pytest.mark.parametrize("machine", LAYOUT.machines(), ids=lambda machine: machine.name)


@pytest.fixture(autouse=True)
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lab that is up meanwhile has machines of the same names."""

    def refuse(*words: str) -> None:
        raise AssertionError(f"a test would have changed a network: {words}")

    monkeypatch.setattr(network, "_run", refuse)
    monkeypatch.setattr(network, "_batch", refuse)
    monkeypatch.setattr(network, "namespaces", lambda: ())


@pytest.fixture
def machines(tmp_path: Path) -> Machines:
    """Those of a lab without processes: its control groups are an empty tree."""
    mounted = tmp_path / "cgroup"
    mounted.mkdir()
    (mounted / "cgroup.controllers").write_text("cpu cpuset memory pids\n")
    return Machines(
        layout=LAYOUT,
        directories=Directories.below(tmp_path / "state"),
        programs=Path("/programs"),
        groups=ControlGroups(mounted),
    )


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """What workers start with."""
    made = tmp_path / "disk"
    made.mkdir()
    (made / "meta.db").touch()
    return made


def runs(machines: Machines, machine: Machine) -> None:
    """As if a process of it were there."""
    group = machines.groups.mounted / "harness-lab" / machine.name / "system"
    group.mkdir(parents=True)
    (group / "cgroup.procs").write_text("12\n")


@ALL
def test_what_is_on_a_new_machine_s_disk(machines: Machines, disk: Path, machine: Machine) -> None:
    """Its configuration, its services, the beginnings of a /var; images on workers only."""
    machines.prepare(machine, disk)
    own = machines.directories.machine(machine.name)
    files = {path.name for path in own.iterdir() if path.is_file()}
    assert files == FILES[machine.role] | {"machine-id", "resolv.conf"}
    assert {path.name for path in (own / "services").iterdir()} == SERVICES[machine.role]
    assert (own / "var" / "run").readlink() == Path("/run")
    assert (own / "var" / "tmp").stat().st_mode & 0o7777 == 0o1777
    assert (own / "resolv.conf").read_text() == "nameserver 10.96.0.10\n"
    stored = own / "var" / "lib" / "containerd" / "meta.db"
    assert stored.exists() == (machine.role is Role.WORKER)


@ALL
def test_a_service_s_folder(machines: Machines, disk: Path, machine: Machine) -> None:
    """An executable that logs to the machine's /var, and a state that a power cut takes."""
    machines.prepare(machine, disk)
    for folder in machines.directories.services(machine.name).iterdir():
        assert {path.name for path in folder.iterdir()} == {"run", "supervise"}
        assert (folder / "run").stat().st_mode & 0o777 == 0o755
        assert f"exec >>/var/log/{folder.name}.log 2>&1\n" in (folder / "run").read_text()
        assert (folder / "supervise").readlink() == Path(f"/run/supervise-{folder.name}")


def test_machines_differ_in_their_ids(machines: Machines, disk: Path) -> None:
    """As systemd's format has them: 32 hexadecimal digits."""
    ids = set()
    for machine in LAYOUT.machines():
        machines.prepare(machine, disk)
        text = (machines.directories.machine(machine.name) / "machine-id").read_text()
        assert len(text) == 33
        assert int(text, 16) > 0
        ids.add(text)
    assert len(ids) == len(LAYOUT.machines())


@ALL
def test_a_machine_that_runs_is_not_booted_again(machines: Machines, machine: Machine) -> None:
    """The hint makes it possible."""
    runs(machines, machine)
    with pytest.raises(RefusedError, match=f"^{machine.name}: runs already$") as caught:
        machines.boot(machine)
    assert caught.value.hint == f"harness lab node kill {machine.name}"


CHANGES: tuple[Callable[[Machines, Machine], None], ...] = (
    Machines.pause,
    Machines.partition,
    Machines.heal,
)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_machine_that_is_off_cannot_be_broken_or_healed(
    machines: Machines, change: Callable[[Machines, Machine], None]
) -> None:
    """The hint makes it possible."""
    (worker,) = LAYOUT.of(Role.WORKER)
    with pytest.raises(RefusedError, match="^worker-1: is off$") as caught:
        change(machines, worker)
    assert caught.value.hint == "harness lab node start worker-1"


def test_a_machine_that_runs_can_be_broken_and_healed(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its control group and its cable, each undone by the one command."""
    (worker,) = LAYOUT.of(Role.WORKER)
    runs(machines, worker)
    done: list[str] = []
    monkeypatch.setattr(ControlGroups, "freeze", lambda _, name: done.append(f"freeze {name}"))
    monkeypatch.setattr(ControlGroups, "thaw", lambda _, name: done.append(f"thaw {name}"))
    monkeypatch.setattr(network, "cut", lambda machine: done.append(f"cut {machine.name}"))
    monkeypatch.setattr(network, "mend", lambda machine: done.append(f"mend {machine.name}"))
    machines.pause(worker)
    machines.partition(worker)
    machines.heal(worker)
    assert done == ["freeze worker-1", "cut worker-1", "thaw worker-1", "mend worker-1"]


@pytest.mark.parametrize(
    ("frozen", "cut", "state"),
    [
        (False, False, "running"),
        (True, False, "paused"),
        (False, True, "partitioned"),
        (True, True, "paused and partitioned"),
    ],
)
def test_a_machine_s_state(
    machines: Machines, monkeypatch: pytest.MonkeyPatch, *, frozen: bool, cut: bool, state: str
) -> None:
    """Off wins over all: the cable of a machine that is off is gone."""
    (worker,) = LAYOUT.of(Role.WORKER)
    monkeypatch.setattr(ControlGroups, "is_frozen", lambda *_: frozen)
    monkeypatch.setattr(network, "is_cut", lambda _: cut)
    assert machines.state(worker) == "off"
    runs(machines, worker)
    assert machines.state(worker) == state


def test_the_ends_of_logs(machines: Machines) -> None:
    """Of each log, by name; a byte that is no UTF-8 spoils nothing."""
    (worker,) = LAYOUT.of(Role.WORKER)
    logs = machines.directories.logs(worker.name)
    logs.mkdir(parents=True)
    (logs / "kubelet.log").write_text("one\ntwo\nthree\n")
    (logs / "boot.log").write_bytes(b"\xff\n")
    (logs / "other.txt").write_text("no log\n")
    assert (
        machines.log_tails(worker, 2)
        == """\
-- worker-1 boot.log
\N{REPLACEMENT CHARACTER}
-- worker-1 kubelet.log
two
three"""
    )


def test_a_process_is_known_by_its_ids_in_nested_namespaces() -> None:
    """This one has at least one; where there is none, there are no ids."""
    assert len(module._inner_pids(os.getpid())) >= 1
    assert module._inner_pids(2**22 + 1) == ()


def test_the_first_processes_of_a_machine(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that are 1 in their innermost namespace: the machine's own, and its containers'."""
    (worker,) = LAYOUT.of(Role.WORKER)
    known = {7: ("7", "1"), 8: ("8", "2"), 9: ("9", "11", "1"), 10: ("1", "10"), 12: ()}
    monkeypatch.setattr(ControlGroups, "members", lambda *_: tuple(known))
    monkeypatch.setattr(module, "_inner_pids", lambda pid: known[pid])
    assert machines.first_processes(worker) == (7, 9)
