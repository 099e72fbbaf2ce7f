"""A run is sealed whole or not at all, once, and after the one before it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sealed_runs import BEGAN, KeyPair, SetClock, make_run, sealed_weeks

from harness.errors import HarnessError, InputError, RecordError, SurroundingsError
from harness.faults.places import write_durably
from harness.seal import sealing
from harness.seal.bundle import is_sealed
from harness.seal.sealing import seal
from harness.seal.statement import STATEMENT, SUMS, TIMESTAMP
from harness.seal.verifying import verify_run, verify_runs


@pytest.fixture
def key(tmp_path: Path) -> KeyPair:
    return KeyPair(tmp_path)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


def test_what_a_seal_says(runs: Path, key: KeyPair) -> None:
    first, second = sealed_weeks(runs, key, 2)
    sealed = verify_run(second.path, [key.public]).statement
    assert sealed is not None
    said = sealed.predicate
    assert said.run == second.path.name
    assert said.sequence == 1
    assert said.before is not None
    assert said.before.run == first.path.name
    assert said.history.lines == 5
    assert said.sealed == BEGAN + timedelta(days=7, minutes=15)
    assert set(sealed.files) == {
        SUMS,
        "artefacts/log/restore.log",
        "history.jsonl",
        "observations/orders.jsonl",
        "plan.json",
        "report.html",
        "run.json",
        "verdict.json",
    }


def test_the_sums_are_those_of_the_system(runs: Path, key: KeyPair) -> None:
    """A reviewer needs no harness for them."""
    (run,) = sealed_weeks(runs, key, 1)
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", SUMS], cwd=run.path, check=False, capture_output=True
    )
    assert done.returncode == 0, done.stderr


def test_a_run_is_sealed_once(runs: Path, key: KeyPair) -> None:
    (run,) = sealed_weeks(runs, key, 1)
    before = (run.path / STATEMENT).read_bytes()
    with pytest.raises(InputError, match="is sealed already"):
        key.seal(run)
    assert (run.path / STATEMENT).read_bytes() == before


def test_a_run_that_goes_on_is_not_sealed(runs: Path, key: KeyPair) -> None:
    run = make_run(runs, ended=False)
    with pytest.raises(InputError, match="did not end"):
        key.seal(run)
    seal(run, key.signer, SetClock(BEGAN), unfinished=True)
    found = verify_run(run.path, [key.public])
    assert found.holds
    assert found.statement is not None
    assert found.statement.predicate.ended is None


def test_a_killed_runs_torn_line_is_sealed_as_it_is(runs: Path, key: KeyPair) -> None:
    run = make_run(runs)
    with run.history.open("ab") as history:
        history.write(b'{"sequence":5,"at"')
    key.seal(run)
    assert verify_run(run.path, [key.public]).holds


def test_a_run_that_was_not_judged_is_not_sealed(runs: Path, key: KeyPair) -> None:
    run = make_run(runs)
    run.verdict.unlink()
    with pytest.raises(InputError):
        key.seal(run)
    assert not is_sealed(run.path)


def test_a_history_that_is_broken_before_is_not_sealed(runs: Path, key: KeyPair) -> None:
    run = make_run(runs)
    lines = run.history.read_bytes().splitlines(keepends=True)
    run.history.write_bytes(b"".join(lines[:2] + lines[3:]))
    with pytest.raises(InputError, match="event 2 is missing"):
        key.seal(run)


def test_what_leads_out_of_the_run_is_not_sealed(runs: Path, key: KeyPair) -> None:
    run = make_run(runs)
    (run.path / "link").symlink_to("/etc/hostname")
    with pytest.raises(InputError, match="no file of its own"):
        key.seal(run)


def test_the_run_before_is_the_one_sealed_last_whatever_the_clock_says(
    runs: Path, key: KeyPair
) -> None:
    """The clock was set back by three weeks: the chain goes by its own numbers."""
    sealed_weeks(runs, key, 3)
    earlier = make_run(runs, -1)
    key.seal(earlier)
    chain = verify_runs(runs, [key.public])
    assert chain.holds
    assert [one.run for one in chain.runs][-1] == earlier.path.name


def _no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("step", [0, 1])
def test_a_full_disk_leaves_no_half_a_seal(
    runs: Path, key: KeyPair, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """At each of the files that it writes."""
    run = make_run(runs)
    wrote = 0

    def write(path: Path, content: bytes) -> None:
        nonlocal wrote
        if wrote == step:
            _no_space()
        wrote += 1
        write_durably(path, content)

    monkeypatch.setattr(sealing, "write_durably", write)
    with pytest.raises(RecordError, match="No space left") as caught:
        key.seal(run)
    assert caught.value.hint == f"df {run.path}"
    assert not is_sealed(run.path)
    monkeypatch.undo()
    key.seal(run)
    assert verify_run(run.path, [key.public]).holds


KILLED = """
import os, sys
sys.path[:0] = sys.argv[3].split(os.pathsep)
from pathlib import Path
from sealed_runs import BEGAN, SetClock
from harness.seal.sealing import seal
from harness.seal.signing import read_signer
from harness.store import RunDirectory

left = int(sys.argv[4])

def killed(event, arguments):
    global left
    if event in ("open", "os.rename", "os.remove"):
        left -= 1
        if left < 0:
            os._exit(9)

sys.addaudithook(killed)
seal(RunDirectory(Path(sys.argv[1])), read_signer(Path(sys.argv[2])), SetClock(BEGAN))
"""


def test_a_sealer_killed_at_any_step_leaves_a_run_that_can_be_sealed(
    runs: Path, key: KeyPair
) -> None:
    """Killed at each file that it opens, renames or removes, until it gets to its end."""
    run = make_run(runs)
    for step in range(200):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, run.path, key.private, _path(), str(step)], check=False
        )
        found = verify_run(run.path, [key.public])
        assert found.holds or not is_sealed(run.path)
        if done.returncode == 0:
            assert found.holds
            break
        assert done.returncode == 9
        if found.holds:
            break
    else:
        pytest.fail("it never got to its end")
    assert step > 10


def _path() -> str:
    return ":".join(sys.path)


def test_two_who_seal_at_once_make_one_chain(runs: Path, key: KeyPair) -> None:
    made = [make_run(runs, number) for number in range(4)]
    program = KILLED.replace("left = int(sys.argv[4])", "left = 10**9")
    sealers = [
        subprocess.Popen([sys.executable, "-c", program, run.path, key.private, _path()])
        for run in made
    ]
    assert [one.wait(60) for one in sealers] == [0] * 4
    chain = verify_runs(runs, [key.public])
    assert chain.holds
    assert [
        one.statement.predicate.sequence for one in chain.runs if one.statement is not None
    ] == [0, 1, 2, 3]


def test_a_seal_that_cannot_be_read_stops_the_next(runs: Path, key: KeyPair) -> None:
    """It might be the last one; a chain that forgot it would be another chain."""
    first = make_run(runs, 0)
    key.seal(first)
    (first.path / STATEMENT).write_text("{")
    with pytest.raises(InputError, match="might be the run sealed last"):
        key.seal(make_run(runs, 1))


def test_without_its_timestamp_service_it_is_sealed_and_says_so(runs: Path, key: KeyPair) -> None:
    run = make_run(runs)

    def down(_: bytes) -> bytes:
        raise SurroundingsError("timestamp service: connection refused")

    sealed = seal(run, key.signer, SetClock(BEGAN), timestamp=down)
    assert sealed.trouble == "timestamp service: connection refused"
    assert not sealed.timestamped
    assert not (run.path / TIMESTAMP).exists()
    assert verify_run(run.path, [key.public]).holds


def test_a_folder_that_cannot_be_written(runs: Path, key: KeyPair) -> None:
    run = make_run(runs)
    (runs / sealing.LOCK).mkdir()
    with pytest.raises(HarnessError, match="cannot be made"):
        key.seal(run)


def test_a_reviewer_verifies_without_the_harness(runs: Path, key: KeyPair, tmp_path: Path) -> None:
    """The commands of docs/evidence.md: jq, base64 and openssl have what a seal needs."""
    (run,) = sealed_weeks(runs, key, 1)
    text = (Path(__file__).parents[3] / "docs" / "evidence.md").read_text(encoding="utf-8")
    _, _, below = text.partition("## Without the harness")
    script = below.split("```")[1]
    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "RUN": str(run.path),
            "PUBLIC": str(key.public_file),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Signature Verified Successfully" in done.stdout
    assert "run.json: OK" in done.stdout
