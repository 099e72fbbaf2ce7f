"""A machine's control groups, in both layouts of Linux, on a tree of files that acts like one."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.errors import DeadlineExceededError, SurroundingsError
from harness.lab import cgroups
from harness.lab.cgroups import ControlGroups

V1 = ("blkio", "cpu", "cpuacct", "cpuset", "freezer", "memory", "pids")
NEEDED = ("cpu", "cpuset", "memory", "pids")


@dataclass(frozen=True)
class Kernel:
    """A tree in which new groups get their files, as the kernel's have them."""

    mounted: Path
    unified: bool

    def groups(self) -> ControlGroups:
        return ControlGroups(self.mounted)

    def files(self, group: Path) -> dict[str, str]:
        """The files of a new group, or of the root of a hierarchy."""
        if self.unified:
            names = ("cgroup.procs", "cgroup.subtree_control", "cpuset.cpus", "cpuset.mems")
            frozen = {"cgroup.freeze": "0\n", "cgroup.events": "populated 0\nfrozen 0\n"}
            there = {"cgroup.controllers": f"{' '.join(NEEDED)} io hugetlb\n"}
            return {**dict.fromkeys(names, ""), **frozen, **there}
        special = {
            "cpuset": {"cpuset.cpus": "\n", "cpuset.mems": "\n"},
            "freezer": {"freezer.state": "THAWED\n"},
        }
        hierarchy = group.relative_to(self.mounted).parts[0]
        return {"cgroup.procs": "", **special.get(hierarchy, {})}

    def fill(self, group: Path) -> None:
        """Gives a group its files."""
        for name, content in self.files(group).items():
            (group / name).write_text(content)

    def mount(self) -> None:
        """Makes what there is before any lab."""
        self.mounted.mkdir()
        if self.unified:
            self.fill(self.mounted)
            (self.mounted / "cpuset.cpus").unlink()  # the root has only what is effective
            (self.mounted / "cpuset.mems").unlink()
        else:
            for hierarchy in V1:
                (self.mounted / hierarchy).mkdir()
                self.fill(self.mounted / hierarchy)
            (self.mounted / "cpuset" / "cpuset.cpus").write_text("0-3\n")
            (self.mounted / "cpuset" / "cpuset.mems").write_text("0\n")
            (self.mounted / "no hierarchy").mkdir()

    def group(self, controller: str, *names: str) -> Path:
        """A group, in the hierarchy of its controller."""
        base = self.mounted if self.unified else self.mounted / controller
        return base.joinpath("harness-lab", *names)

    def join(self, controller: str, *names: str, pids: str) -> None:
        """Puts processes into a group, which is made where it is missing."""
        self.group(controller, *names).mkdir(parents=True, exist_ok=True)
        (self.group(controller, *names) / "cgroup.procs").write_text(pids)


@pytest.fixture(params=["v1", "v2"])
def kernel(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Kernel:
    """Either layout; a group with members or groups below it cannot be removed."""
    made = Kernel(tmp_path / "cgroup", unified=request.param == "v2")
    make, remove = Path.mkdir, Path.rmdir

    def mkdir(path: Path, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - as Path's
        existed = path.exists()
        make(path, *arguments, **options)
        if made.mounted in path.parents and not existed:
            made.fill(path)

    def rmdir(path: Path) -> None:
        if not path.exists():
            raise FileNotFoundError(errno.ENOENT, "no such group", str(path))
        below = any(child.is_dir() for child in path.iterdir())
        if below or (path / "cgroup.procs").read_text().strip():
            raise OSError(errno.EBUSY, "busy", str(path))
        for child in path.iterdir():
            child.unlink()
        remove(path)

    made.mount()
    monkeypatch.setattr(Path, "mkdir", mkdir)
    monkeypatch.setattr(Path, "rmdir", rmdir)
    return made


def test_the_layout_is_told(kernel: Kernel) -> None:
    """By the file that only v2 has."""
    assert kernel.groups().unified == kernel.unified


def test_all_controllers_are_there(kernel: Kernel) -> None:
    """Nothing is missing where nothing was taken away."""
    assert kernel.groups().missing() == ()


def test_missing_controllers_are_named(kernel: Kernel) -> None:
    """Of those that are needed; v1 freezes by a controller, v2 without one."""
    if kernel.unified:
        (kernel.mounted / "cgroup.controllers").write_text("cpu pids cpuset2\n")
        assert kernel.groups().missing() == ("cpuset", "memory")
        (kernel.mounted / "cgroup.controllers").write_text("")
        assert kernel.groups().missing() == NEEDED
    else:
        (kernel.mounted / "freezer").rmdir()
        (kernel.mounted / "cpuset").rmdir()
        (kernel.mounted / "blkio").rmdir()
        assert kernel.groups().missing() == ("cpuset", "freezer")


def test_making_a_machine_s_groups(kernel: Kernel) -> None:
    """Process 1 joins one leaf in each hierarchy; making them again changes nothing."""
    groups = kernel.groups()
    made = groups.make("worker-1")
    if kernel.unified:
        assert made == (kernel.mounted / "harness-lab/worker-1/system",)
    else:
        assert made == tuple(kernel.mounted / name / "harness-lab/worker-1/system" for name in V1)
    assert all((group / "cgroup.procs").is_file() for group in made)
    assert groups.make("worker-1") == made
    assert groups.pods("worker-1") == "/harness-lab/worker-1"


def test_controllers_are_enabled_down_to_the_machine(kernel: Kernel) -> None:
    """v2 needs that, above leaves with processes and never in one."""
    kernel.groups().make("worker-1")
    system = kernel.group("cpu", "worker-1", "system")
    if kernel.unified:
        for group in (kernel.mounted, kernel.group("cpu"), kernel.group("cpu", "worker-1")):
            enabled = (group / "cgroup.subtree_control").read_text().split()
            assert enabled == [f"+{name}" for name in (*NEEDED, "hugetlb")]
        assert (system / "cgroup.subtree_control").read_text() == ""
    else:
        assert list(kernel.mounted.rglob("cgroup.subtree_control")) == []


def test_a_kernel_that_refuses_controllers_is_named(kernel: Kernel) -> None:
    """By the group and what was asked of it, where v2 has to be asked."""
    if kernel.unified:
        (kernel.mounted / "cgroup.subtree_control").unlink()
        os.mkdir(kernel.mounted / "cgroup.subtree_control")  # cannot be written to  # noqa: PTH102
        with pytest.raises(SurroundingsError, match=r"/cgroup: controllers \+cpu .*refused"):
            kernel.groups().make("worker-1")
    else:
        kernel.groups().make("worker-1")


def test_cores_and_memory_nodes_are_inherited(kernel: Kernel) -> None:
    """v1 refuses processes without them; where somebody chose fewer, that stays."""
    kernel.group("cpuset").mkdir(parents=True)
    (kernel.group("cpuset") / "cpuset.cpus").write_text("1-2\n")
    kernel.groups().make("worker-1")
    for names in (("worker-1",), ("worker-1", "system")):
        group = kernel.group("cpuset", *names)
        assert (group / "cpuset.cpus").read_text() == "1-2\n"
        if not kernel.unified:
            assert (group / "cpuset.mems").read_text() == "0\n"


def test_members_are_those_of_the_machine_and_its_pods(kernel: Kernel) -> None:
    """In order, each once; not another machine's."""
    groups = kernel.groups()
    for machine in ("worker-1", "worker-11"):
        groups.make(machine)
    kernel.join("freezer", "worker-1", "system", pids="30\n7\n")
    kernel.join("freezer", "worker-1", "kubepods", "pod1", "c1", pids="100\n")
    kernel.join("freezer", "worker-11", "system", pids="5\n")
    assert groups.members("worker-1") == (7, 30, 100)
    assert groups.members("worker-11") == (5,)
    assert groups.members() == (5, 7, 30, 100)


def test_nothing_is_a_member_where_there_is_no_group(kernel: Kernel) -> None:
    """Nor where it is empty; nor what is of another PID namespace, which shows as 0."""
    groups = kernel.groups()
    assert groups.members() == groups.members("worker-1") == ()
    groups.make("worker-1")
    assert groups.members("worker-1") == ()
    kernel.join("freezer", "worker-1", "system", pids="0\n0\n12\n")
    assert groups.members("worker-1") == (12,)


def test_processes_of_the_host_are_no_members(kernel: Kernel) -> None:
    """Those at the root, and those of a group beside the lab's."""
    root = kernel.mounted if kernel.unified else kernel.mounted / "memory"
    (root / "cgroup.procs").write_text("1\n")
    (root / "user.slice").mkdir()
    (root / "user.slice" / "cgroup.procs").write_text("2\n")
    (root / "harness-lab-other").mkdir()
    (root / "harness-lab-other" / "cgroup.procs").write_text("3\n")
    kernel.groups().make("worker-1")
    assert kernel.groups().members() == ()


def test_freezing_and_thawing(kernel: Kernel) -> None:
    """What is written, and when all stand still; another machine goes on."""
    groups = kernel.groups()
    groups.make("worker-1")
    groups.make("worker-2")
    machine = kernel.group("freezer", "worker-1")
    assert not groups.is_frozen("worker-1")
    if kernel.unified:
        (machine / "cgroup.events").write_text("populated 1\nfrozen 1\n")
    groups.freeze("worker-1")
    file = machine / ("cgroup.freeze" if kernel.unified else "freezer.state")
    assert file.read_text() == ("1" if kernel.unified else "FROZEN")
    assert groups.is_frozen("worker-1")
    assert not groups.is_frozen("worker-2")
    groups.thaw("worker-1")
    assert file.read_text() == ("0" if kernel.unified else "THAWED")


def test_freezing_returns_only_when_all_stand_still(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On its way is not there: v1 says FREEZING, v2 `frozen 0`."""
    monkeypatch.setattr(cgroups, "_FROZEN_WITHIN_S", 0.05)
    monkeypatch.setattr(ControlGroups, "_write", lambda *_: None)
    groups = kernel.groups()
    groups.make("worker-1")
    if not kernel.unified:
        (kernel.group("freezer", "worker-1") / "freezer.state").write_text("FREEZING\n")
    with pytest.raises(DeadlineExceededError, match="^worker-1 frozen: not within"):
        groups.freeze("worker-1")


def test_thawing_what_is_not_there_is_harmless(kernel: Kernel) -> None:
    """And it is not frozen."""
    kernel.groups().thaw("worker-1")
    assert not kernel.groups().is_frozen("worker-1")


def test_memory_is_what_cannot_be_given_back_at_once(kernel: Kernel) -> None:
    """Usage less inactive file pages, those of all groups below; other lines are not counted."""
    groups = kernel.groups()
    assert groups.memory_bytes("worker-1") == 0
    groups.make("worker-1")
    machine = kernel.group("memory", "worker-1")
    if kernel.unified:
        (machine / "memory.current").write_text("1000\n")
        (machine / "memory.stat").write_text("anon 5\ninactive_anon 7\ninactive_file 300\n")
    else:
        (machine / "memory.usage_in_bytes").write_text("1000\n")
        (machine / "memory.stat").write_text(
            "inactive_file 11\ntotal_inactive_anon 7\ntotal_inactive_file 300\n"
        )
    assert groups.memory_bytes("worker-1") == 700


def test_processor_time_is_in_nanoseconds(kernel: Kernel) -> None:
    """v2 counts microseconds; without groups nothing was used."""
    groups = kernel.groups()
    assert groups.processor_ns("worker-1") == 0
    groups.make("worker-1")
    machine = kernel.group("cpuacct", "worker-1")
    if kernel.unified:
        (machine / "cpu.stat").write_text("user_usec 3\nusage_usec 2500\nsystem_usec 4\n")
    else:
        (machine / "cpuacct.usage").write_text("2500000\n")
    assert groups.processor_ns("worker-1") == 2_500_000


def test_what_is_left_is_told_deepest_first(kernel: Kernel) -> None:
    """A machine's own, or all of the lab's."""
    groups = kernel.groups()
    assert groups.left() == ()
    groups.make("worker-1")
    groups.make("worker-2")
    kernel.group("memory", "worker-1", "kubepods", "pod1").mkdir(parents=True)
    base = kernel.group("memory")
    of_memory = [path for path in groups.left() if path == base or base in path.parents]
    assert set(of_memory) == {
        base,
        *(base / name for name in ("worker-1", "worker-2")),
        *(base / name / "system" for name in ("worker-1", "worker-2")),
        *(base / "worker-1/kubepods", base / "worker-1/kubepods/pod1"),
    }
    for position, path in enumerate(of_memory):
        assert not any(path in later.parents for later in of_memory[position:])
    hierarchies = 1 if kernel.unified else len(V1)
    assert len(groups.left("worker-2")) == 2 * hierarchies


def test_removing_a_machine_s_groups(kernel: Kernel) -> None:
    """With its pods'; another machine keeps its own."""
    groups = kernel.groups()
    groups.make("worker-1")
    groups.make("worker-2")
    kernel.group("memory", "worker-1", "kubepods", "pod1").mkdir(parents=True)
    assert groups.remove("worker-1")
    assert groups.left("worker-1") == ()
    assert all("worker-1" not in path.parts for path in groups.left())
    assert groups.left("worker-2") != ()
    assert groups.remove()
    assert groups.left() == ()
    assert groups.remove()


def test_a_group_with_members_stays(kernel: Kernel) -> None:
    """And it is said that not all is gone; what can go, goes."""
    groups = kernel.groups()
    groups.make("worker-1")
    pod = kernel.group("freezer", "worker-1", "kubepods")
    pod.mkdir()
    kernel.join("freezer", "worker-1", "system", pids="12\n")
    assert not groups.remove("worker-1")
    assert not pod.exists()
    assert groups.members("worker-1") == (12,)
    kernel.join("freezer", "worker-1", "system", pids="")
    assert groups.remove("worker-1")
