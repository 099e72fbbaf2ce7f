"""The scripts of a machine: its process 1, and what starts each of its services."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from harness.lab.boot import Service, boot_script, run_script
from harness.lab.directories import Directories

GROUPS = (Path("/groups/cpu/lab/worker-1/system"), Path("/groups/memory/lab/worker-1/system"))


def script(state: str, programs: str = "/programs") -> list[str]:
    """The boot script of worker-1, by lines."""
    directories = Directories(Path(state) / "lab")
    return boot_script("worker-1", directories, GROUPS, (Path(state), Path(programs))).splitlines()


def test_the_whole_script() -> None:
    """State and programs are beside /var: the machine's own /var hides neither."""
    directories = Directories(Path("/state/lab"))
    assert (
        boot_script("worker-1", directories, GROUPS, (Path("/state"), Path("/programs")))
        == """\
#!/bin/sh
# Process 1 of the machine worker-1: joins its control groups, mounts, supervises.
set -eu
echo 0 >/groups/cpu/lab/worker-1/system/cgroup.procs
echo 0 >/groups/memory/lab/worker-1/system/cgroup.procs
mount -t proc proc /proc
mount --rbind /state/lab/machines/worker-1/var /var
mount -t tmpfs -o mode=755 machine-run /run
mkdir -p /run/lock
mount --bind /state/lab/machines/worker-1/boot-id /proc/sys/kernel/random/boot_id
[ ! -e /etc/machine-id ] || mount --bind /state/lab/machines/worker-1/machine-id /etc/machine-id
resolver=$(readlink -m /etc/resolv.conf)
case "$resolver" in /run/*) mkdir -p "${resolver%/*}"; : >"$resolver" ;; esac
[ ! -e "$resolver" ] || mount --bind /state/lab/machines/worker-1/resolv.conf "$resolver"
hostname worker-1
exec runsvdir -P /state/lab/machines/worker-1/services
"""
    )


def test_what_is_below_var_stays_visible_at_its_path() -> None:
    """It is bound into the machine's /var before that takes the place of the host's."""
    lines = script("/var/own state", "/var/cache/programs")
    disk = "/var/own state/lab/machines/worker-1"
    binds = [
        [["mkdir", "-p", f"{disk}{path}"], ["mount", "--bind", path, f"{disk}{path}"]]
        for path in ("/var/own state", "/var/cache/programs")
    ]
    hiding = lines.index(f"mount --rbind '{disk}/var' /var")
    assert [shlex.split(line) for line in lines[hiding - 4 : hiding]] == [*binds[0], *binds[1]]


@pytest.mark.parametrize("state", ["/variable", "/home/var"])
def test_what_is_only_called_like_var_is_left_alone(state: str) -> None:
    """A path that begins with the same letters is hidden by nothing."""
    assert not any(
        line.startswith(("mkdir -p /home", "mkdir -p /variable")) for line in script(state)
    )
    assert sum("mount --bind" in line for line in script(state)) == 3


@pytest.mark.parametrize("state", ["/a state/of mine", "/it's/$HOME/`id`", '/"quoted"/*'])
def test_paths_reach_the_shell_as_they_are(state: str) -> None:
    """Blanks, quotes and what a shell would expand."""
    disk = f"{state}/lab/machines/worker-1"
    words = [shlex.split(line, comments=True) for line in script(state)]
    assert words[-1] == ["exec", "runsvdir", "-P", f"{disk}/services"]
    assert ["mount", "--rbind", f"{disk}/var", "/var"] in words
    bind = ["mount", "--bind", f"{disk}/resolv.conf", "$resolver"]
    assert any(line[-len(bind) :] == bind for line in words)


def test_a_control_group_s_path_is_quoted() -> None:
    """It follows a redirection."""
    group = Path("/control groups/system")
    directories = Directories(Path("/state/lab"))
    text = boot_script("worker-1", directories, (group,), ())
    assert "echo 0 >'/control groups/system/cgroup.procs'" in text.splitlines()


def test_groups_are_joined_before_anything_else() -> None:
    """What the script starts would otherwise not be counted, frozen and found."""
    lines = script("/state")
    first = next(number for number, line in enumerate(lines) if line.startswith("mount"))
    assert sum(line.startswith("echo 0 >") for line in lines[:first]) == len(GROUPS)
    assert lines[2] == "set -eu"


def test_a_service_is_started_at_once() -> None:
    """Where it waits for nothing."""
    service = Service(name="etcd", argv=("etcd", "--name=master-1"))
    assert (
        run_script(service, Path("/var/log/etcd.log"))
        == "#!/bin/sh\nexec >>/var/log/etcd.log 2>&1\nexec etcd --name=master-1\n"
    )


def test_a_service_waits_for_a_socket() -> None:
    """What it says while it waits goes to its log, too."""
    service = Service(name="kubelet", argv=("kubernetes", "kubelet"), after="/run/c.sock")
    assert (
        run_script(service, Path("/var/log/kubelet.log"))
        == """\
#!/bin/sh
exec >>/var/log/kubelet.log 2>&1
until [ -S /run/c.sock ]; do sleep 0.1; done
exec kubernetes kubelet
"""
    )


@pytest.mark.parametrize("word", ["two words", "it's", "$HOME", "a;b", "*", ""])
def test_arguments_reach_the_program_as_they_are(word: str) -> None:
    """Each stays one word, and nothing is expanded."""
    service = Service(name="x", argv=("/my programs/x", word), after="/run/my own/x.sock")
    _, log, wait, start = run_script(service, Path("/var/my log/x.log")).splitlines()
    assert shlex.split(start) == ["exec", "/my programs/x", word]
    assert log == "exec >>'/var/my log/x.log' 2>&1"
    assert wait == "until [ -S '/run/my own/x.sock' ]; do sleep 0.1; done"
