"""Brings the lab up and takes it down; every step can be cut short, and `down` cleans after it.

Before anything is made it is written down that a lab is being made (lab.json). All that it has
outside its directory has names that begin with `harness-lab`: whatever of it there is, is found.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil

from harness.drivers import process
from harness.drivers.clock import boot_id, wait_until
from harness.drivers.loopback import free_ports
from harness.errors import (
    DeadlineExceededError,
    HealError,
    InputError,
    RefusedError,
    SurroundingsError,
)
from harness.lab import balancer, identities, network, requirements
from harness.lab.catalogue import platform_images, system_images
from harness.lab.cgroups import ControlGroups
from harness.lab.directories import Directories
from harness.lab.images import Builder
from harness.lab.kubectl import Kubectl
from harness.lab.layout import Layout, Machine, Record, Role
from harness.lab.machines import Machines
from harness.lab.programs import build
from harness.lab.sources import source
from harness.model.codec import from_json, to_json

Narrate = Callable[[str], None]

_API_WITHIN_S = 90.0
_NODES_WITHIN_S = 120.0
_ADDONS_WITHIN_S = 120.0
_ENDED_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """A lab that is up."""

    record: Record
    machines: Machines
    kubectl: Kubectl

    @property
    def layout(self) -> Layout:
        """Its machines' layout."""
        return self.record.layout

    def serves(self, machine: Machine) -> bool:
        """Whether a machine does its work again since its last boot.

        A node counts as Ready until its silence is noticed: only with the boot id of now is the
        Ready this boot's.
        """
        if machine.role is Role.MASTER:
            return self.kubectl.is_ready(machine)
        if machine.role is Role.WORKER:
            boot = self.machines.directories.boot_id(machine.name).read_text(encoding="ascii")
            return self.ready_nodes().get(machine.name) == boot.strip()
        return self.machines.runs(machine)

    def ready_nodes(self) -> Mapping[str, str]:
        """The nodes whose condition Ready is True, and the boot that each reports."""
        return {
            node["metadata"]["name"]: node["status"]["nodeInfo"]["bootID"]
            for node in self.kubectl.get("nodes")["items"]
            for condition in node["status"].get("conditions", ())
            if condition["type"] == "Ready" and condition["status"] == "True"
        }

    def await_serving(self, machine: Machine) -> None:
        """Returns when a machine that was booted or healed does its work again."""
        _await(self, f"{machine.name} serving", _NODES_WITHIN_S, lambda: self.serves(machine))


def find(state: Path) -> Lab:
    """The lab of a state directory; raises InputError where there is none that is up."""
    directories = Directories.below(state)
    record = read_record(directories)
    if record is None or not _alive(record):
        raise InputError("no lab is up", hint="harness lab up")
    if record.phase != "up":
        raise InputError(
            f"the lab is not up: it is being made by process {record.owner_pid}"
            if _owned(record)
            else "the lab was left half made",
            hint="harness lab down",
        )
    return _lab(directories, record)


def up(layout: Layout, state: Path, cache: Path, narrate: Narrate) -> Lab:
    """Makes a lab and returns when all of it is ready.

    A lab of the same layout that is up is taken as it is. On any error what was made is taken down
    again, with the last log lines of what was not ready in the message.
    """
    directories = Directories.below(state)
    groups = ControlGroups()
    layout.validate()
    requirements.check(layout, state, groups)
    with _changing(directories):
        record = read_record(directories)
        if record is not None and record.phase == "up" and _alive(record):
            if record.layout != layout:
                raise RefusedError(
                    f"a lab is up with {record.layout.masters} masters, {record.layout.workers} "
                    f"workers and {record.layout.zones} zones",
                    hint="harness lab down",
                )
            narrate("the lab is up already")
            return _lab(directories, record)
        for line in _take_down(directories, groups):
            narrate(f"left behind by an earlier lab: {line}")
        programs = build(cache, narrate)
        images = (*system_images(programs), *platform_images())
        disk = Builder(cache, source("images", "base"), narrate).disk(images)
        me = psutil.Process()
        record = Record(
            layout=layout,
            phase="starting",
            owner_pid=me.pid,
            owner_started=me.create_time(),
            boot_id=boot_id(),
            api_port=free_ports(1)[0],
            programs=str(programs),
        )
        try:
            return _make(directories, record, disk, narrate)
        except BaseException:
            process.allow_children()
            for line in _take_down(directories, groups):
                narrate(f"taken down again: {line}")
            raise


def down(state: Path) -> tuple[str, ...]:
    """Removes the lab, or what is left of one; a line for each thing there was.

    Raises HealError where something cannot be removed.
    """
    directories = Directories.below(state)
    with _changing(directories):
        return _take_down(directories, ControlGroups())


def read_record(directories: Directories) -> Record | None:
    """What was written down of a lab; None where nothing was, or only half of it."""
    try:
        return from_json(directories.record.read_bytes(), Record)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        return None


def _make(directories: Directories, record: Record, disk: Path, narrate: Narrate) -> Lab:
    layout = record.layout
    directories.root.mkdir(mode=0o755, parents=True, exist_ok=True)
    _write(directories, record)
    lab = _lab(directories, record)
    narrate(f"making {layout.masters} masters and {layout.workers} workers")
    identities.make(layout, directories, record.api_port)
    directories.commands.mkdir()
    (directories.commands / "kubectl").symlink_to(lab.machines.programs / "kubernetes")
    network.make_switch()
    # Masters first: they need longest until they answer, and workers wait for them.
    for machine in (*layout.of(Role.MASTER), *layout.of(Role.WORKER), *layout.of(Role.OUTSIDE)):
        lab.machines.prepare(machine, disk)
        lab.machines.boot(machine)
    _start_balancer(directories, record)
    _await(lab, "the API", _API_WITHIN_S, lab.kubectl.ready)
    narrate("the API answers")
    # Default roles appear moments after the API is ready; applying repeats until they have.
    _await(lab, "the addons taken", _API_WITHIN_S, lambda: _apply_addons(lab))
    _await(lab, "all workers Ready", _NODES_WITHIN_S, lambda: _all_ready(lab))
    narrate("all workers are Ready")
    _await(lab, "DNS, metrics and volumes", _ADDONS_WITHIN_S, lambda: _addons_ready(lab))
    record = msgspec.structs.replace(record, phase="up")
    _write(directories, record)
    return _lab(directories, record)


def _lab(directories: Directories, record: Record) -> Lab:
    programs = Path(record.programs)
    return Lab(
        record=record,
        machines=Machines(
            layout=record.layout,
            directories=directories,
            programs=programs,
            groups=ControlGroups(),
        ),
        kubectl=Kubectl(programs, directories),
    )


def _start_balancer(directories: Directories, record: Record) -> None:
    folder = directories.root / "balancer"
    folder.mkdir(mode=0o755)
    file = folder / "haproxy.cfg"
    text = balancer.configuration(record.layout, network.SWITCH, record.api_port)
    file.write_text(text, encoding="utf-8")
    run = folder / "run"
    run.write_text(f"#!/bin/sh\nexec haproxy -db -f '{file}'\n", encoding="utf-8")
    run.chmod(0o755)
    process.start(("runsv", folder), directory=folder, log=folder / "log.txt")


def _apply_addons(lab: Lab) -> bool:
    return lab.kubectl.run("apply", "-f", source("addons")).returncode == 0


def _all_ready(lab: Lab) -> bool:
    return {machine.name for machine in lab.layout.of(Role.WORKER)} <= set(lab.ready_nodes())


def _addons_ready(lab: Lab) -> bool:
    deployments = lab.kubectl.get("deployments", "--all-namespaces")["items"]
    wanted = all(
        one["status"].get("readyReplicas", 0) >= one["spec"]["replicas"]
        for one in deployments
        if one["metadata"]["namespace"] in ("kube-system", "local-path")
    )
    return bool(deployments) and wanted and lab.kubectl.run("top", "nodes").returncode == 0


def _await(lab: Lab, what: str, within_s: float, condition: Callable[[], bool]) -> None:
    """Waits; where that takes too long, shows the logs of the machines that do not serve."""
    try:
        wait_until(condition, within_s=within_s, what=what, every_s=0.2)
    except DeadlineExceededError as error:
        logs = "\n".join(lab.machines.log_tails(one) for one in _not_serving(lab))
        raise SurroundingsError(f"{error}\n{logs}", hint="harness lab up  # once more") from error


def _not_serving(lab: Lab) -> tuple[Machine, ...]:
    masters = tuple(one for one in lab.layout.of(Role.MASTER) if not lab.serves(one))
    if len(masters) * 2 > lab.layout.masters:
        return masters  # nobody can be asked about the workers
    return masters + tuple(one for one in lab.layout.of(Role.WORKER) if not lab.serves(one))


def _take_down(directories: Directories, groups: ControlGroups) -> tuple[str, ...]:
    done = []
    for machine in ("", *_paused(groups)):
        groups.thaw(machine)
    names = network.namespaces()
    pids = {*groups.members(), *(pid for name in names for pid in network.processes(name))}

    def ended() -> bool:
        left = {*groups.members(), *(pid for name in names for pid in network.processes(name))}
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        return not left

    if directories.root.is_dir():
        pids |= set(process.kill_below(directories.root))
    wait_until(ended, within_s=_ENDED_WITHIN_S, what="the end of the lab's processes")
    if pids:
        done.append(f"{len(pids)} processes")
    for name in names:
        network.remove(name)
        done.append(f"network namespace {name}")
    left = groups.left()
    if left:
        wait_until(
            groups.remove,
            within_s=_ENDED_WITHIN_S,
            what="removing the lab's control groups",
        )
        done.append(f"{len(left)} control groups")
    if directories.root.exists():
        _remove_tree(directories.root)
        done.append(f"directory {directories.root}")
    return tuple(done)


def _paused(groups: ControlGroups) -> tuple[str, ...]:
    return tuple({path.parent.name for path in groups.left() if path.name == "system"})


def _remove_tree(root: Path) -> None:
    failures: list[str] = []
    shutil.rmtree(root, onerror=lambda _call, path, error: failures.append(f"{path}: {error[1]}"))
    if failures:
        raise HealError(f"{root} could not be removed: {failures[0]}", hint="harness lab down")


@contextlib.contextmanager
def _changing(directories: Directories) -> Iterator[None]:
    """One command at a time changes the lab; the lock goes with the process that holds it.

    The lock is this machine's, as the names of namespaces and control groups are. It says whose
    lab it was last: one of another state directory that is up is not touched.
    """
    with _LOCK.open("a+", encoding="utf-8") as lock:
        lock.seek(0)
        pid, _, root = lock.read().partition(" ")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RefusedError(
                f"process {pid or 'unknown'} is changing the lab now", hint="harness lab status"
            ) from error
        other = Directories(Path(root)) if root else directories
        record = read_record(other)
        if other != directories and record is not None and _alive(record):
            raise RefusedError(
                f"a lab of the state directory {other.root.parent} is on this machine",
                hint=f"HARNESS_STATE_DIR={other.root.parent} harness lab down",
            )
        lock.truncate(0)
        lock.write(f"{os.getpid()} {directories.root}")
        lock.flush()
        yield


_LOCK = Path("/run/harness-lab.lock")


def _write(directories: Directories, record: Record) -> None:
    partial = directories.record.with_suffix(".part")
    with partial.open("wb") as file:
        file.write(to_json(record))
        file.flush()
        os.fsync(file.fileno())
    partial.rename(directories.record)


def _alive(record: Record) -> bool:
    return record.boot_id == boot_id()


def _owned(record: Record) -> bool:
    try:
        return abs(psutil.Process(record.owner_pid).create_time() - record.owner_started) < 1
    except psutil.NoSuchProcess:
        return False
