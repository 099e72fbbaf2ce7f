"""What a lab needs of its host: each thing that can be missing, on a host that has all the rest."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from harness.drivers import process
from harness.errors import RefusedError
from harness.lab import requirements
from harness.lab.cgroups import ControlGroups
from harness.lab.layout import Layout

ROOT = Path(__file__).parents[3]
PLENTY = 1 << 40
MIB = 1 << 20
STATE = Path("/absent/state")


@pytest.fixture
def groups(tmp_path: Path) -> ControlGroups:
    """Control groups with all controllers."""
    mounted = tmp_path / "cgroup"
    mounted.mkdir()
    (mounted / "cgroup.controllers").write_text("cpu cpuset memory pids io\n")
    return ControlGroups(mounted)


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that has all that a lab needs."""
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(requirements, "_there", lambda _: True)
    free(monkeypatch)


def free(monkeypatch: pytest.MonkeyPatch, memory: int = PLENTY, disk: int = PLENTY) -> None:
    """So many bytes are free."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=memory))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=disk))


@contextmanager
def refused(message: str, hint: str) -> Iterator[None]:
    """Both to the letter."""
    with pytest.raises(RefusedError) as caught:
        yield
    assert (str(caught.value), caught.value.hint) == (message, hint)


def check(groups: ControlGroups) -> None:
    requirements.check(groups)


def test_a_host_that_has_everything_is_accepted(groups: ControlGroups) -> None:
    """In silence."""
    check(groups)


def test_another_system_is_refused(groups: ControlGroups, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what serves there."""
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    with refused("the lab needs Linux, this is Darwin", requirements.INSTEAD):
        check(groups)


def test_another_user_is_refused(groups: ControlGroups, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what needs root."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    message = "the lab needs root: it makes namespaces and control groups"
    with refused(message, f"sudo, or {requirements.INSTEAD}"):
        check(groups)


@pytest.mark.parametrize(("program", "package"), requirements.PACKAGES.items())
def test_a_missing_program_is_refused_by_its_package(
    groups: ControlGroups, monkeypatch: pytest.MonkeyPatch, program: str, package: str
) -> None:
    """With the line to type."""
    monkeypatch.setattr(requirements, "_there", lambda asked: asked != program)
    with refused(
        f"the lab needs these packages: {package}",
        f"apt-get install -y --no-install-recommends {package}",
    ):
        check(groups)


def test_all_missing_packages_are_named_at_once(
    groups: ControlGroups, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each once, in order."""
    monkeypatch.setattr(requirements, "_there", lambda _: False)
    packages = " ".join(sorted(set(requirements.PACKAGES.values())))
    with refused(
        f"the lab needs these packages: {packages}",
        f"apt-get install -y --no-install-recommends {packages}",
    ):
        check(groups)


def test_a_program_is_looked_for_where_it_is_started_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In PATH by its name, elsewhere by its whole path."""
    monkeypatch.undo()
    monkeypatch.setenv("PATH", str(tmp_path))
    program = tmp_path / "program"
    assert not requirements._there("program")
    assert not requirements._there(str(program))
    program.write_text("")
    assert requirements._there(str(program))
    assert not requirements._there("program")  # not executable
    program.chmod(0o755)
    assert requirements._there("program")


def test_missing_controllers_are_refused(groups: ControlGroups) -> None:
    """By name."""
    (groups.mounted / "cgroup.controllers").write_text("cpu pids\n")
    message = "the kernel has no control group controllers cpuset, memory"
    with refused(message, requirements.INSTEAD):
        check(groups)


def tried(monkeypatch: pytest.MonkeyPatch, fails: str = "") -> list[tuple[str, ...]]:
    """What is tried of the kernel, where trials with that word in them fail; nothing is run."""
    argvs: list[tuple[str, ...]] = []

    def run(argv: tuple[str, ...], **_: object) -> process.Completed:
        argvs.append(argv)
        code = 1 if fails and fails in argv else 0
        return process.Completed(argv=argv, returncode=code, stdout="", stderr="denied")

    monkeypatch.setattr(process, "run", run)
    return argvs


def test_what_is_tried_of_the_kernel_is_tried_in_namespaces_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a name, so that nothing is left of a trial that is killed; its folder goes."""
    argvs = tried(monkeypatch)
    requirements.check_kernel(tmp_path)
    assert len(argvs) == len(requirements._FEATURES)
    assert all(argv[:3] == ("unshare", "--net", "--mount") for argv in argvs)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("word", "module"), [("bridge", "bridge"), ("statistic", "xt_statistic")])
def test_a_missing_feature_of_the_kernel_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, module: str
) -> None:
    """By its module."""
    tried(monkeypatch, fails=word)
    with pytest.raises(RefusedError, match=r"^the kernel refuses .*: denied$") as caught:
        requirements.check_kernel(tmp_path)
    assert caught.value.hint == f"modprobe {module}; else {requirements.INSTEAD}"


@pytest.mark.parametrize(
    ("layout", "needed_mib"),
    [(Layout(), 3050), (Layout(workers=10), 5500)],
)
def test_too_little_memory_is_refused(
    monkeypatch: pytest.MonkeyPatch, layout: Layout, needed_mib: int
) -> None:
    """With what there is and what is needed, which grows by each machine; that much is enough."""
    free(monkeypatch, memory=needed_mib * MIB)
    requirements.check_room(layout, STATE)
    free(monkeypatch, memory=needed_mib * MIB - 1)
    with refused(
        f"memory: {needed_mib - 1} MiB are available, {layout.masters} masters and "
        f"{layout.workers} workers need {needed_mib} MiB",
        "harness lab up --masters 1",
    ):
        requirements.check_room(layout, STATE)


def test_a_small_lab_is_told_to_be_smaller_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hint is never the command that was refused, but for the smallest there is."""
    free(monkeypatch, memory=MIB)
    with pytest.raises(RefusedError) as caught:
        requirements.check_room(Layout(masters=1, workers=3), STATE)
    assert caught.value.hint == "harness lab up --masters 1 --workers 2"


def test_too_little_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the state directory will be, which need not be there yet; that much is enough."""
    free(monkeypatch, disk=3072 * MIB)
    requirements.check_room(Layout(), tmp_path / "not" / "yet")
    free(monkeypatch, disk=3072 * MIB - 1)
    with refused(
        f"disk: 3071 MiB are free at {tmp_path}, a lab needs 3072 MiB",
        "HARNESS_STATE_DIR=/a/larger/disk harness lab up",
    ):
        requirements.check_room(Layout(), tmp_path / "not" / "yet")


def test_the_set_up_installs_what_is_asked_for() -> None:
    """setup.sh says the same programs and packages."""
    text = (ROOT / "setup.sh").read_text(encoding="utf-8")
    said = re.search(r"LAB_PROGRAMS='([^']*)'", text)
    assert said is not None
    pairs = dict(pair.rsplit(":", 1) for pair in said[1].split())
    assert pairs == dict(requirements.PACKAGES)
