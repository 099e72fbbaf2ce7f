"""The control groups of a lab's machines: who belongs to one, what it uses, freezing it.

Both layouts of Linux are known: one hierarchy (v2; kernel documentation, cgroup-v2.rst) and one for
each controller (v1; cgroup-v1/). A machine's own processes are in `system`, its pods beside that:
v2 allows processes only in leaves.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.drivers.clock import wait_until
from harness.errors import SurroundingsError

LAB = "harness-lab"
_MOUNTED = Path("/sys/fs/cgroup")
_NEEDED = ("cpu", "cpuset", "memory", "pids")
_FROZEN_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class ControlGroups:
    """The hierarchies of this host, and the lab's part of them."""

    mounted: Path = _MOUNTED

    @property
    def unified(self) -> bool:
        """Whether this is v2."""
        return (self.mounted / "cgroup.controllers").exists()

    def missing(self) -> tuple[str, ...]:
        """The controllers that a lab needs and this host has not."""
        if self.unified:
            there = (self.mounted / "cgroup.controllers").read_text(encoding="ascii").split()
            return tuple(name for name in _NEEDED if name not in there)
        needed = (*_NEEDED, "freezer")
        return tuple(name for name in needed if not (self.mounted / name).is_dir())

    def pods(self, machine: str) -> str:
        """The kubelet's cgroupRoot."""
        return f"/{LAB}/{machine}"

    def make(self, machine: str) -> tuple[Path, ...]:
        """Makes a machine's groups; the ones that its process 1 must join."""
        system = []
        for hierarchy in self._hierarchies():
            parent = hierarchy
            for name in (LAB, machine, "system"):
                if self.unified:
                    _enable_controllers(parent)
                group = parent / name
                group.mkdir(exist_ok=True)
                _inherit_cpuset(parent, group)
                parent = group
            system.append(parent)
        return tuple(system)

    def members(self, machine: str = "") -> tuple[int, ...]:
        """The process ids in a machine's groups, its containers included; of all without a name.

        One hierarchy tells: each process of a machine is in all of them, as its process 1 was.
        """
        found: set[int] = set()
        for group in _below(self._freezer(machine)):
            with contextlib.suppress(OSError):  # a group may go away meanwhile
                text = (group / "cgroup.procs").read_text(encoding="ascii")
                found.update(int(word) for word in text.split())
        found.discard(0)  # how a process of another PID namespace shows
        return tuple(sorted(found))

    def freeze(self, machine: str) -> None:
        """Stops every process of a machine where it is; returns when all stand still."""
        if self.unified:
            self._write(machine, "cgroup.freeze", "1")
        else:
            self._write(machine, "freezer.state", "FROZEN")
        try:
            wait_until(
                lambda: self.is_frozen(machine),
                within_s=_FROZEN_WITHIN_S,
                what=f"{machine} frozen",
            )
        except BaseException:
            self.thaw(machine)
            raise

    def thaw(self, machine: str) -> None:
        """Lets them go on; harmless where nothing is frozen."""
        with contextlib.suppress(FileNotFoundError):
            if self.unified:
                self._write(machine, "cgroup.freeze", "0")
            else:
                self._write(machine, "freezer.state", "THAWED")

    def is_frozen(self, machine: str) -> bool:
        """Whether all of a machine's processes stand still."""
        try:
            if self.unified:
                events = (self._freezer(machine) / "cgroup.events").read_text(encoding="ascii")
                return "frozen 1" in events
            state = (self._freezer(machine) / "freezer.state").read_text(encoding="ascii")
            return state.strip() == "FROZEN"
        except FileNotFoundError:
            return False

    def memory_bytes(self, machine: str = "") -> int:
        """What the processes hold, page cache that can be given back at once not counted.

        As the kubelet counts it: usage less the inactive file pages (Kubernetes documentation,
        Node-pressure eviction). 0 where there is no such group.
        """
        if self.unified:
            group, usage, inactive = self.mounted, "memory.current", "inactive_file"
        else:
            group = self.mounted / "memory"
            usage, inactive = "memory.usage_in_bytes", "total_inactive_file"
        group = group / LAB / machine
        try:
            used = int((group / usage).read_text(encoding="ascii"))
            statistics = (group / "memory.stat").read_text(encoding="ascii").splitlines()
        except FileNotFoundError:
            return 0
        return used - sum(
            int(line.split()[1]) for line in statistics if line.split()[0] == inactive
        )

    def processor_ns(self, machine: str = "") -> int:
        """Processor time that was used since the groups were made; 0 where there are none."""
        try:
            if self.unified:
                text = (self.mounted / LAB / machine / "cpu.stat").read_text(encoding="ascii")
                used = next(line for line in text.splitlines() if line.startswith("usage_usec"))
                return int(used.split()[1]) * 1000
            group = self.mounted / "cpuacct" / LAB / machine
            return int((group / "cpuacct.usage").read_text(encoding="ascii"))
        except FileNotFoundError:
            return 0

    def left(self, machine: str = "") -> tuple[Path, ...]:
        """A machine's groups that exist, deepest first; the whole lab's without a name."""
        return tuple(
            group
            for hierarchy in self._hierarchies()
            for group in sorted(
                _below(hierarchy / LAB / machine), key=lambda path: -len(path.parts)
            )
        )

    def remove(self, machine: str = "") -> bool:
        """Removes these groups; whether all are gone: those that still have members stay."""
        for group in self.left(machine):
            with contextlib.suppress(OSError):
                group.rmdir()
        return not self.left(machine)

    def _hierarchies(self) -> tuple[Path, ...]:
        if self.unified:
            return (self.mounted,)
        # Controllers that are mounted together have a link for each of their names.
        found = {path.resolve() for path in self.mounted.iterdir()}
        return tuple(sorted(path for path in found if (path / "cgroup.procs").exists()))

    def _freezer(self, machine: str) -> Path:
        return (self.mounted if self.unified else self.mounted / "freezer") / LAB / machine

    def _write(self, machine: str, name: str, value: str) -> None:
        (self._freezer(machine) / name).write_text(value, encoding="ascii")


def _below(group: Path) -> Iterator[Path]:
    if group.is_dir():
        yield group
        for child in sorted(group.iterdir()):
            if child.is_dir():
                yield from _below(child)


def _inherit_cpuset(parent: Path, group: Path) -> None:
    """v1 starts a new cpuset empty, and refuses processes until it has cores and memory nodes."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        inherited, own = parent / name, group / name
        if inherited.exists() and own.exists() and not own.read_text(encoding="ascii").strip():
            own.write_text(inherited.read_text(encoding="ascii"), encoding="ascii")


def _enable_controllers(group: Path) -> None:
    # The kubelet asks for hugetlb, too, where the kernel has it (cgroup_v2_manager_linux.go).
    there = (group / "cgroup.controllers").read_text(encoding="ascii").split()
    names = " ".join(f"+{name}" for name in (*_NEEDED, "hugetlb") if name in there)
    try:
        (group / "cgroup.subtree_control").write_text(names, encoding="ascii")
    except OSError as error:
        raise SurroundingsError(f"{group}: controllers {names} refused: {error}") from error
