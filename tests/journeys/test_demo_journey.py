"""`harness demo` as its user meets it: to the end, interrupted, terminated, killed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from harness.drivers.clock import wait_until
from harness.faults.places import Places

ROOT = Path(__file__).parents[2]
ENDS_WITHIN_S = 600
"""Several times what it takes on two idle cores: a limit, not a measurement."""

pytestmark = pytest.mark.timeout(ENDS_WITHIN_S + 60)

SMALL = ("demo", "--scale", "0.2")


@dataclass
class Demo:
    """A demo that ended."""

    returncode: int
    stdout: str
    stderr: str
    run: Path
    state: Path
    secrets: set[str]
    command_lines: set[str]


def start(state: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "harness", *arguments],
        cwd=ROOT,
        env={**os.environ, "HARNESS_STATE_DIR": str(state)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    """A state directory that servers' users may enter, and that is empty again afterwards."""
    import shutil
    import tempfile

    directory = Path(tempfile.mkdtemp(prefix="hj", dir="/var/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def left_behind(state: Path) -> list[str]:
    """Processes that work below the state directory, and places that are still declared."""
    found = [place.name for place in Places(state).declared()]
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd().startswith(str(state)) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid} {process.cmdline()}")
    return found


def look_for_secrets(state: Path, secrets: set[str], command_lines: set[str]) -> None:
    """Reads the practice platform's secrets from its files, and all command lines below it."""
    for folder, _, names in os.walk(state):  # tolerates what vanishes while it walks
        for path in (Path(folder, name) for name in names):
            with contextlib.suppress(OSError, UnicodeDecodeError):
                if re.search(r"credential|pass", path.name):
                    text = path.read_text("utf-8")
                    secrets.update(re.findall(r"[A-Za-z0-9+/=_-]{16,}", text))
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd().startswith(str(state)):
                command_lines.add(" ".join(process.cmdline()))


@pytest.fixture(scope="module")
def demo(state: Path, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """One whole demo, watched for secrets while it runs."""
    runs = tmp_path_factory.mktemp("runs")
    child = start(state, *SMALL, "--runs", str(runs))
    secrets: set[str] = set()
    command_lines: set[str] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.5):
            look_for_secrets(state, secrets, command_lines)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        stdout, stderr = child.communicate(timeout=ENDS_WITHIN_S)
    finally:
        child.kill()
        over.set()
        watcher.join()
    return Demo(
        returncode=child.returncode,
        stdout=stdout,
        stderr=stderr,
        run=(runs / "latest").resolve(),
        state=state,
        secrets=secrets,
        command_lines=command_lines,
    )


def harness(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_demo_passes(demo: Demo) -> None:
    """Every target is met on the practice platform, and the exit code says so."""
    assert demo.returncode == 0, demo.stdout + demo.stderr
    verdict = json.loads((demo.run / "verdict.json").read_bytes())
    assert verdict["verdict"] == "PASS"
    assert {finding["verdict"] for finding in verdict["findings"]} == {"PASS"}
    assert len(verdict["restores"]) == 10


def test_every_restore_was_measured(demo: Demo) -> None:
    """Each has a bounded RTA, phases, and every verification level with something examined."""
    for restore in json.loads((demo.run / "verdict.json").read_bytes())["restores"]:
        assert restore["rta_low_s"] is not None
        assert restore["rta_high_s"] is not None
        assert restore["phases"]
        assert len(restore["levels"]) == 6
        assert all(level["examined"] > 0 for level in restore["levels"])


def test_nothing_is_left_behind(demo: Demo) -> None:
    """No process, no place."""
    assert left_behind(demo.state) == []


def test_judging_again_gives_the_same_bytes(demo: Demo) -> None:
    """`harness analyse --check` without any server."""
    done = harness("analyse", str(demo.run), "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "identical" in done.stdout


def test_changed_evidence_is_noticed_when_judged_again(demo: Demo, tmp_path: Path) -> None:
    """The twin of the test above: another history gives another verdict."""
    import shutil

    copy = tmp_path / "run"
    shutil.copytree(demo.run, copy)
    lines = (copy / "history.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if '"restore-ended"' not in line]
    (copy / "history.jsonl").write_text("".join(kept), encoding="utf-8")
    done = harness("analyse", str(copy), "--check")
    assert done.returncode == 1
    assert "DIFFERS" in done.stdout


def test_the_report_is_small_and_stands_alone(demo: Demo) -> None:
    """Under 500 kB, no scripts, nothing fetched."""
    page = (demo.run / "report.html").read_text(encoding="utf-8")
    assert len(page.encode()) < 500_000
    assert "<script" not in page
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", page)


def test_no_secret_is_in_any_output_or_process_list(demo: Demo) -> None:
    """Passphrases and keys go through files and the environment only."""
    assert demo.secrets, "the watcher found no secret to look for: it proves nothing"
    written = [demo.stdout, demo.stderr, *demo.command_lines]
    written += [
        path.read_text("utf-8", "replace") for path in demo.run.rglob("*") if path.is_file()
    ]
    leaked = [secret for secret in demo.secrets if any(secret in text for text in written)]
    # Names that stand in the same files (profiles, paths) are no secrets.
    assert not [secret for secret in leaked if not _is_a_name(secret)]


def _is_a_name(word: str) -> bool:
    return not re.search(r"\d", word) or "/" in word


@pytest.mark.parametrize(
    ("number", "code", "moment"),
    [
        (signal.SIGTERM, 143, "s3 regions"),
        (signal.SIGINT, 130, "trial 1"),
        (signal.SIGINT, 130, "verif"),
    ],
)
def test_an_interruption_heals_and_is_recorded(
    state: Path, tmp_path: Path, number: signal.Signals, code: int, moment: str
) -> None:
    """At the start, in the first trial, while verifying: nothing is left, the exit code tells."""
    child = start(state, *SMALL, "--runs", str(tmp_path))
    with child:
        stderr = _until(child, moment)
        child.send_signal(number)
        rest = child.communicate(timeout=60)[1]
    assert child.returncode == code, stderr + rest
    assert left_behind(state) == []
    if (tmp_path / "latest").exists():
        history = (tmp_path / "latest" / "history.jsonl").read_text(encoding="utf-8")
        assert number.name in history.splitlines()[-1]


def test_recover_leaves_nothing_of_a_killed_demo(state: Path, tmp_path: Path) -> None:
    """SIGKILL in the middle of a trial; the next command finds and removes it all."""
    child = start(state, *SMALL, "--runs", str(tmp_path))
    with child:
        _until(child, "trial 1")
        child.kill()
    assert left_behind(state) != [], "nothing was running: the test proves nothing"
    done = subprocess.run(
        [sys.executable, "-m", "harness", "recover"],
        cwd=ROOT,
        env={**os.environ, "HARNESS_STATE_DIR": str(state)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    wait_until(lambda: left_behind(state) == [], within_s=10, what="nothing left behind")


def _until(child: subprocess.Popen[str], text: str) -> str:
    """Reads the narration until a line holds `text`; fails where it ends before."""
    assert child.stderr is not None
    seen = []
    for line in child.stderr:
        seen.append(line)
        if text in line.lower():
            return "".join(seen)
    pytest.fail(f"the demo ended before {text!r}: {''.join(seen)}")
