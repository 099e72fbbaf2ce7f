"""Brings the lab up and takes it down; every step can be cut short, and `down` cleans after it.

Before anything is made it is written down that a lab is being made (harness.lab.record). All that
it has outside its directory has names that begin with `harness-lab`: whatever of it there is, is
found.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
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
from harness.lab import balancer, boot, identities, network, record, requirements
from harness.lab.cache import sweep
from harness.lab.catalogue import platform_images, system_images
from harness.lab.cgroups import ControlGroups
from harness.lab.directories import Directories
from harness.lab.images import Builder
from harness.lab.kubectl import Kubectl
from harness.lab.layout import Layout, Machine, Role
from harness.lab.machines import Machines
from harness.lab.programs import build
from harness.lab.record import Record
from harness.lab.sources import source

Narrate = Callable[[str], None]

_API_WITHIN_S = 90.0
_NODES_WITHIN_S = 120.0
_ADDONS_WITHIN_S = 120.0
_ENDED_WITHIN_S = 30.0
_BALANCER = "balancer"


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
        Ready this boot's. Raises SurroundingsError where the API cannot be asked about a worker.
        """
        if machine.role is Role.MASTER:
            return self.kubectl.is_ready(machine)
        if machine.role is Role.WORKER:
            identity = self.machines.directories.boot_id(machine.name).read_text(encoding="ascii")
            return self.ready_nodes().get(machine.name) == identity.strip()
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
    found = record.read(directories)
    if found is None or not found.of_this_boot:
        raise InputError("no lab is up", hint="harness lab up")
    if found.phase != "up" and found.owned:
        raise InputError(
            f"the lab is being made by process {found.owner_pid}", hint="harness lab status"
        )
    if found.phase != "up":
        raise InputError("the lab was left half made", hint="harness lab down")
    return _lab(directories, found)


@contextlib.contextmanager
def changing(state: Path) -> Iterator[Lab]:
    """The lab of a state directory, while no other command changes it."""
    with record.changing(Directories.below(state)):
        yield find(state)


def up(layout: Layout, state: Path, cache: Path, narrate: Narrate) -> Lab:
    """Makes a lab and returns when all of it is ready.

    A lab of the same layout that is up is taken as it is. On any error what was made is taken down
    again, with the last log lines of what was not ready in the message.
    """
    layout.validate()
    directories = Directories.below(state)
    groups = ControlGroups()
    requirements.check(groups)
    with record.changing(directories):
        found = record.read(directories)
        if found is not None and found.phase == "up" and found.of_this_boot:
            return _as_it_is(_lab(directories, found), layout, narrate)
        record.refuse_strange_state(state)
        for line in _take_down(directories, groups):
            narrate(f"left behind by an earlier lab: {line}")
        requirements.check_kernel(state)
        requirements.check_room(layout, state)
        programs, disk = _built(cache, narrate)
        me = psutil.Process()
        made = Record(
            layout=layout,
            phase="starting",
            owner_pid=me.pid,
            owner_started=me.create_time(),
            boot_id=boot_id(),
            api_port=free_ports(1)[0],
            programs=str(programs),
        )
        try:
            return _make(directories, made, disk, narrate)
        except BaseException:
            process.allow_children()
            for line in _take_down(directories, groups):
                narrate(f"taken down again: {line}")
            raise


def built(state: Path, cache: Path, narrate: Narrate) -> tuple[Path, Path]:
    """The programs and the workers' disk that `up` needs; makes them where they are missing."""
    requirements.check(ControlGroups())
    with record.changing(Directories.below(state)):
        return _built(cache, narrate)


def _built(cache: Path, narrate: Narrate) -> tuple[Path, Path]:
    sweep(cache)
    programs = build(cache, narrate)
    images = (*system_images(programs), *platform_images())
    return programs, Builder(cache, source("images", "base"), narrate).disk(images)


def down(state: Path) -> tuple[str, ...]:
    """Removes the lab, or what is left of one; a line for each thing there was.

    Raises HealError where something cannot be removed.
    """
    directories = Directories.below(state)
    with record.changing(directories):
        return _take_down(directories, ControlGroups())


def left_half_made(state: Path) -> bool:
    """Whether an `up` was killed, or the host was started again under a lab."""
    found = record.read(Directories.below(state))
    if found is None:
        return False
    return not found.of_this_boot or (found.phase != "up" and not found.owned)


def _as_it_is(lab: Lab, layout: Layout, narrate: Narrate) -> Lab:
    if lab.layout != layout:
        raise RefusedError(
            f"a lab is up with {lab.layout.masters} masters, {lab.layout.workers} workers and "
            f"{lab.layout.zones} zones",
            hint="harness lab down",
        )
    if not lab.kubectl.ready():
        raise RefusedError(
            "a lab is up, but its API does not answer", hint="harness lab status  # or down"
        )
    narrate("the lab is up already")
    return lab


def _make(directories: Directories, made: Record, disk: Path, narrate: Narrate) -> Lab:
    layout = made.layout
    directories.root.mkdir(mode=0o755, parents=True, exist_ok=True)
    record.write(directories, made)
    lab = _lab(directories, made)
    narrate(f"making {layout.masters} masters and {layout.workers} workers")
    identities.make(layout, directories, made.api_port)
    directories.commands.mkdir()
    (directories.commands / "kubectl").symlink_to(lab.machines.programs / "kubernetes")
    network.make_switch()
    # Masters first: they need longest until they answer, and workers wait for them.
    for machine in (*layout.of(Role.MASTER), *layout.of(Role.WORKER), *layout.of(Role.OUTSIDE)):
        lab.machines.prepare(machine, disk)
        lab.machines.boot(machine)
    _start_balancer(lab)
    _await(lab, "the API", _API_WITHIN_S, lab.kubectl.ready)
    narrate("the API answers")
    # Default roles appear moments after the API is ready; applying repeats until they have.
    _await(lab, "the addons taken", _API_WITHIN_S, lambda: _apply_addons(lab))
    _await(lab, "all workers Ready", _NODES_WITHIN_S, lambda: _all_ready(lab))
    narrate("all workers are Ready")
    _await(lab, "DNS, metrics and volumes", _ADDONS_WITHIN_S, lambda: _addons_ready(lab))
    made = msgspec.structs.replace(made, phase="up")
    record.write(directories, made)
    return _lab(directories, made)


def _lab(directories: Directories, found: Record) -> Lab:
    programs = Path(found.programs)
    (outside,) = found.layout.of(Role.OUTSIDE)
    inside = network.is_here(network.namespace(outside))
    return Lab(
        record=found,
        machines=Machines(
            layout=found.layout,
            directories=directories,
            programs=programs,
            groups=ControlGroups(),
        ),
        kubectl=Kubectl(programs, directories, identities.INSIDE if inside else identities.ADMIN),
    )


def _start_balancer(lab: Lab) -> None:
    """On the host: a supervised process in a control group of the lab, in no machine."""
    folder = lab.machines.directories.root / _BALANCER
    folder.mkdir(mode=0o755)
    file = folder / "haproxy.cfg"
    text = balancer.configuration(lab.layout, network.SWITCH, lab.record.api_port)
    file.write_text(text, encoding="utf-8")
    service = boot.Service(name=_BALANCER, argv=("haproxy", "-db", "-f", str(file)))
    run = folder / "run"
    run.write_text(boot.run_script(service, _balancer_log(lab)), encoding="utf-8")
    run.chmod(0o755)
    joined = [f'echo 0 >"{group}/cgroup.procs"' for group in lab.machines.groups.make(_BALANCER)]
    words = ("sh", "-c", "; ".join((*joined, 'exec runsv "$0"')), folder)
    process.start(words, directory=folder, log=_balancer_log(lab))


def _balancer_log(lab: Lab) -> Path:
    return lab.machines.directories.root / _BALANCER / "balancer.log"


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
    """Waits; where that takes too long, shows the logs of the machines that do not serve.

    An API that does not answer for a moment, as when a leader is chosen, is no reason to give up.
    """
    said = ""

    def met() -> bool:
        nonlocal said
        try:
            return condition()
        except SurroundingsError as error:
            process.raise_if_interrupted(what)
            said = f"; the last answer: {error}"
            return False

    try:
        wait_until(met, within_s=within_s, what=what, every_s=0.2)
    except DeadlineExceededError as error:
        logs = "\n".join(lab.machines.log_tails(one) for one in _not_serving(lab))
        if not lab.kubectl.ready():
            logs += f"\n-- balancer\n{_balancer_log(lab).read_text('utf-8', 'replace')[-2000:]}"
        raise SurroundingsError(
            f"{error}{said}\n{logs}", hint="harness lab status  # or up, once more"
        ) from error


def _not_serving(lab: Lab) -> tuple[Machine, ...]:
    def fails(machine: Machine) -> bool:
        try:
            return not lab.serves(machine)
        except SurroundingsError:
            return False  # nobody can be asked about it

    members = (*lab.layout.of(Role.MASTER), *lab.layout.of(Role.WORKER))
    return tuple(machine for machine in members if fails(machine))


def _take_down(directories: Directories, groups: ControlGroups) -> tuple[str, ...]:
    try:
        return _removed(directories, groups)
    except SurroundingsError as error:
        raise HealError(f"the lab is not wholly down: {error}", hint="harness lab down") from error


def _removed(directories: Directories, groups: ControlGroups) -> tuple[str, ...]:
    done = []
    names = network.namespaces()

    def members() -> set[int]:
        return {*groups.members(), *(pid for name in names for pid in network.processes(name))}

    pids = members()
    if os.getpid() in pids:
        raise RefusedError("this command runs inside the lab", hint="run it outside `lab exec`")

    def ended() -> bool:
        left = members()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for machine in _machines_with_groups(groups):
            groups.thaw(machine)  # what is frozen dies when it is thawed
        return not left

    wait_until(ended, within_s=_ENDED_WITHIN_S, what="the end of the lab's processes")
    if pids:
        done.append(f"{len(pids)} processes")
    for name in names:
        network.remove(name)
        done.append(f"network namespace {name}")
    left = groups.left()
    if left:
        wait_until(groups.remove, within_s=_ENDED_WITHIN_S, what="removing its control groups")
        done.append(f"{len(left)} control groups")
    if directories.root.exists():
        _remove_tree(directories.root)
        done.append(f"directory {directories.root}")
    return tuple(done)


def _machines_with_groups(groups: ControlGroups) -> set[str]:
    return {path.parent.name for path in groups.left() if path.name == "system"}


def _remove_tree(root: Path) -> None:
    failures: list[str] = []
    shutil.rmtree(root, onerror=lambda _call, path, error: failures.append(f"{path}: {error[1]}"))
    if failures:
        raise HealError(f"{root} could not be removed: {failures[0]}", hint="harness lab down")
