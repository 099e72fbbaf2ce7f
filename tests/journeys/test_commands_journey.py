"""The commands that start no server, as a user types them: results, exit codes, next commands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SETTINGS = """\
[[environments.staging.subjects]]
driver = "redis-cluster"
id = "carts"
primary = { store = { bucket = "backups", prefix = "carts" } }
replica = { store = { bucket = "backups-replica", prefix = "carts" } }
"""


def harness(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "command",
    [
        (),
        ("demo",),
        ("run",),
        ("plan",),
        ("analyse",),
        ("report",),
        ("calibrate",),
        ("targets", "list"),
        ("backup", "redis"),
        ("ledger", "write"),
        ("recover",),
    ],
    ids=" ".join,
)
def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    """--help of each is a page on standard output, and exit code 0."""
    done = harness(*command, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage: harness" in done.stdout


def test_targets_are_listed_for_people_and_for_machines() -> None:
    """The same targets both ways."""
    people, machine = harness("targets", "list"), harness("targets", "list", "--json")
    targets = json.loads(machine.stdout)
    assert len(people.stdout.splitlines()) == len(targets)
    assert all(target["id"] in people.stdout for target in targets)


def test_the_project_files_pass_their_check() -> None:
    """All target and suite files can be read."""
    done = harness("targets", "check")
    assert done.returncode == 0
    assert "targets and" in done.stdout


def test_a_plan_says_what_it_would_touch(tmp_path: Path) -> None:
    """In an environment of one's own nothing is broken, and the plan says so."""
    settings = tmp_path / "harness.toml"
    settings.write_text(SETTINGS, encoding="utf-8")
    done = harness("plan", "weekly-restore", "-e", "staging", "--settings", str(settings))
    assert done.returncode == 0, done.stderr
    assert "breaks nothing" in done.stdout
    assert "kills" not in done.stdout


def test_the_practice_plan_names_its_blast_radius() -> None:
    """What is killed stands in the plan; no server is started for it."""
    done = harness("plan", "weekly-restore", "-e", "demo")
    assert done.returncode == 0, done.stderr
    assert "kills and takes away, then gives back: carts, orders" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "weekly-restore"), "--environment"),
        (("run", "weekly-restore", "-e", "nowhere"), "harness.toml: no such file"),
        (
            ("plan", "nope", "-e", "demo"),
            "expected one of suites: conformance, game-day, pre-release-load, weekly-restore",
        ),
        (("plan", "weekly-restore", "-e", "demo", "--only", "nope"), "got nope"),
        (("report", "nope"), "expected a run directory"),
        (("analyse", "nope"), "expected a run directory"),
        (("demo", "--break", "nope"), "nope"),
        (("calibrate", "--only", "nope"), "nope"),
        (("ledger", "write", "--config", "nope.json"), "nope.json"),
        (("backup", "redis", "snapshot", "--config", "nope.json"), "nope.json: no such file"),
        (("nope",), "No such command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_wrong_word_is_exit_code_2_and_says_what_was_expected(
    arguments: tuple[str, ...], says: str
) -> None:
    """Nothing is started, no traceback is shown."""
    done = harness(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_target_names_file_and_place(tmp_path: Path) -> None:
    """A number without its unit ends with how to write it."""
    (tmp_path / "t.yaml").write_text(
        "document: d\ntargets:\n- {id: rto, covers: [redis], source: {section: s, quote: q},"
        " objective: {kind: recovery-time, at_most: 300}}\n",
        encoding="utf-8",
    )
    done = harness("targets", "check", "--targets", str(tmp_path))
    assert done.returncode == 2
    assert f"{tmp_path}/t.yaml: $.targets[0].objective.at_most" in done.stderr
    assert "PT5M" in done.stderr


def test_recover_has_nothing_to_do_where_nothing_was_left(tmp_path: Path) -> None:
    """And says so."""
    done = harness("recover", "--state", str(tmp_path))
    assert done.returncode == 0
    assert "nothing was left behind" in done.stdout
