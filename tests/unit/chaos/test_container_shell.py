"""The shell that kills, on a /proc made for it: it takes the right process, and tells the truth."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness.chaos import container_shell
from harness.errors import SurroundingsError

CONTAINER = "c0ffee"


def process(proc: Path, pid: int, parent: int, name: str, started: int, group: str) -> None:
    """One process of /proc (proc_pid_stat(5)); its name may hold spaces and brackets."""
    folder = proc / str(pid)
    folder.mkdir(parents=True)
    (folder / "comm").write_text(f"{name}\n")
    (folder / "cgroup").write_text(f"0::/kubepods/pod1/{group}\n")
    middle = " ".join(["0"] * 17)
    (folder / "stat").write_text(f"{pid} ({name}) S {parent} {middle} {started} 0 0\n")


def run(proc: Path, name: str, *, kill: str = 'rm -r "{proc}/$2"') -> tuple[int, str]:
    """The script on that /proc, with a `kill` that does what the test says."""
    (proc / "sys/kernel/random").mkdir(parents=True, exist_ok=True)
    (proc / "sys/kernel/random/boot_id").write_text("boot-of-the-kernel\n")
    (proc / "uptime").write_text("12.34 5.67\n")
    shell, option, script = container_shell.kill(CONTAINER, name)
    script = script.replace("/proc", str(proc)).replace("seq 1000", "seq 2")
    instead = f"kill() {{ {kill.format(proc=proc)}; }}\n"
    done = subprocess.run(
        [shell, option, instead + script], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout


def container(proc: Path) -> None:
    """A container whose first process is Patroni, with a postmaster and its children."""
    process(proc, 1, 0, "systemd", 1, "host")
    process(proc, 40, 1, "shim", 50, "host")
    process(proc, 50, 40, "patroni", 60, CONTAINER)
    process(proc, 60, 50, "postgres", 70, CONTAINER)
    process(proc, 55, 60, "postgres", 80, CONTAINER)
    process(proc, 45, 40, "sh (exec) x", 90, CONTAINER)  # by `kubectl exec`: not of the container
    process(proc, 61, 60, "postgres", 75, "another")


def test_the_first_process_is_the_oldest_whose_parent_is_outside(tmp_path: Path) -> None:
    container(tmp_path)
    code, said = run(tmp_path, "")
    assert code == 0
    assert container_shell.killed(said) == "process 50 (patroni) of the node"
    assert "kernel boot-of-the-kernel\nbefore 12.34\nafter 12.34\n" in said


def test_by_its_name_the_one_whose_parent_is_called_otherwise(tmp_path: Path) -> None:
    container(tmp_path)
    code, said = run(tmp_path, "postgres")
    assert code == 0
    assert container_shell.killed(said) == "process 60 (postgres) of the node"


def test_a_zombie_is_gone(tmp_path: Path) -> None:
    container(tmp_path)
    zombie = 'sed -i "s/) S /) Z /" "{proc}/$2/stat"'
    code, said = run(tmp_path, "postgres", kill=zombie)
    assert code == 0
    assert "after" in said


@pytest.mark.parametrize("looks", range(1, 7))
def test_a_zombie_that_is_reaped_between_two_looks_is_gone(tmp_path: Path, looks: int) -> None:
    """Whichever look it is after which nothing is left to be looked at."""
    container(tmp_path)
    zombie = (
        'sed -i "s/) S /) Z /" "{proc}/$2/stat"; killed=yes; }};'
        'cut() {{ command cut "$@"; [ -z "${{killed:-}}" ] || echo >> "{proc}/looked";'
        f'[ "$(cat "{{proc}}/looked" 2>/dev/null | wc -l)" -lt {looks} ] || rm -rf "{{proc}}/60"'
    )
    code, said = run(tmp_path, "postgres", kill=zombie)
    assert code == 0, said
    assert "gone process 60 (postgres) of the node" in said


def test_an_id_that_was_used_again_is_another_process(tmp_path: Path) -> None:
    container(tmp_path)
    code, _ = run(tmp_path, "postgres", kill='sed -i "s/ 70 / 99 /" "{proc}/$2/stat"')
    assert code == 0


def test_a_kill_that_does_nothing_is_no_success(tmp_path: Path) -> None:
    container(tmp_path)
    code, said = run(tmp_path, "postgres", kill=":")
    assert code == 1
    assert "process 60 (postgres) is still there" in said
    assert "gone" not in said


def test_a_container_that_is_not_on_the_node(tmp_path: Path) -> None:
    process(tmp_path, 1, 0, "systemd", 1, "host")
    code, said = run(tmp_path, "")
    assert (code, said) == (1, f"no process of container {CONTAINER} is on this node\n")


def test_a_process_that_the_container_has_not(tmp_path: Path) -> None:
    container(tmp_path)
    code, said = run(tmp_path, "mysqld")
    assert code == 1
    assert "no process called 'mysqld'" in said


def test_names_are_quoted(tmp_path: Path) -> None:
    container(tmp_path)
    planted = tmp_path / "planted"
    code, _ = run(tmp_path, f"'; touch {planted}; '")
    assert code == 1
    assert not planted.exists()


def test_no_container_is_no_command() -> None:
    with pytest.raises(ValueError, match="no container"):
        container_shell.kill("")


def test_what_does_not_say_that_a_process_is_gone_is_no_witness() -> None:
    with pytest.raises(SurroundingsError, match="did not say"):
        container_shell.killed("kernel x\nbefore 1.0\nafter 1.1\n")
