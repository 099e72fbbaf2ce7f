"""Every change of sealed evidence is found and named; what was not changed is intact."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from sealed_runs import KeyPair, make_run, sealed_weeks

from harness.cli.verify import command
from harness.errors import InputError
from harness.seal.bundle import files
from harness.seal.signing import wrap
from harness.seal.statement import STATEMENT, SUMS, decode, state
from harness.seal.verifying import About, ChainOfRuns, Fault, verify_run, verify_runs
from harness.store import RunDirectory


@dataclass
class Sealed:
    """Four sealed weeks, and the key."""

    runs: Path
    key: KeyPair
    weeks: list[RunDirectory]

    def verified(self) -> ChainOfRuns:
        return verify_runs(self.runs, [self.key.public])

    def faults(self) -> list[Fault]:
        found = self.verified()
        return [*(fault for one in found.runs for fault in one.faults), *found.faults]

    def only_fault(self) -> Fault:
        (fault,) = self.faults()
        return fault


@pytest.fixture
def sealed(tmp_path: Path) -> Sealed:
    runs = tmp_path / "runs"
    runs.mkdir()
    key = KeyPair(tmp_path)
    return Sealed(runs=runs, key=key, weeks=sealed_weeks(runs, key, 4))


def test_nothing_changed(sealed: Sealed) -> None:
    found = sealed.verified()
    assert found.holds
    assert found.unbroken_since == sealed.weeks[0].path.name
    assert all(one.holds for one in found.runs)


def test_of_no_run_it_cannot_be_said(tmp_path: Path) -> None:
    key = KeyPair(tmp_path)
    assert not verify_runs(tmp_path, [key.public]).holds


def test_a_copy_of_one_run_is_verified_by_itself(sealed: Sealed, tmp_path: Path) -> None:
    """On a machine that has nothing but it and the public key."""
    copy = tmp_path / "copy" / sealed.weeks[2].path.name
    shutil.copytree(sealed.weeks[2].path, copy)
    assert verify_run(copy, [sealed.key.public]).holds


def test_a_run_that_is_not_sealed(sealed: Sealed) -> None:
    make_run(sealed.runs, 9)
    assert sealed.only_fault().about is About.SEAL


def test_a_file_that_was_added(sealed: Sealed) -> None:
    (sealed.weeks[0].path / "note.txt").write_text("all is well")
    assert (sealed.only_fault().about, sealed.only_fault().subject) == (About.ADDED, "note.txt")


def test_a_file_that_was_removed(sealed: Sealed) -> None:
    sealed.weeks[0].report.unlink()
    assert (sealed.only_fault().about, sealed.only_fault().subject) == (
        About.MISSING,
        "report.html",
    )


def test_a_file_that_is_a_link_now(sealed: Sealed, tmp_path: Path) -> None:
    """Of the same content: it can be another one tomorrow."""
    report = sealed.weeks[0].report
    report.rename(tmp_path / "elsewhere")
    report.symlink_to(tmp_path / "elsewhere")
    assert sealed.only_fault().says == "is no file any more"


def test_a_report_of_another_run(sealed: Sealed) -> None:
    shutil.copy(sealed.weeks[0].report, sealed.weeks[1].report)
    says = f"is report.html of run {sealed.weeks[0].path.name}: "
    assert sealed.only_fault().says.startswith(says)


def test_a_run_under_another_name(sealed: Sealed) -> None:
    moved = sealed.runs / "20261231T040000Z-weekly-restore-test"
    sealed.weeks[3].path.rename(moved)
    assert any(
        fault.about is About.SEAL and "is the seal of run" in fault.says
        for fault in verify_run(moved, [sealed.key.public]).faults
    )


def test_events_that_were_swapped_are_named_beside_their_file(sealed: Sealed) -> None:
    history = sealed.weeks[0].history
    lines = history.read_bytes().splitlines(keepends=True)
    lines[1], lines[2] = lines[2], lines[1]
    history.write_bytes(b"".join(lines))
    found = sealed.faults()
    assert (found[0].about, found[0].subject) == (About.CHANGED, "history.jsonl")
    assert any(one.says == "line 3 is event 1, after event 2: moved" for one in found)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda lines: lines[:-1], "the last 1 of 5 events are missing"),
        (
            lambda lines: [*lines[:-1], lines[-1].replace(b"step 4", b"step 5")],
            "the last event (line 5) is not the one that was sealed",
        ),
        (lambda lines: [*lines[:2], *lines[3:]], "event 2 is missing before line 3"),
    ],
)
def test_which_event_it_was(
    sealed: Sealed, change: Callable[[list[bytes]], list[bytes]], says: str
) -> None:
    history = sealed.weeks[1].history
    history.write_bytes(b"".join(change(history.read_bytes().splitlines(keepends=True))))
    assert says in [one.says for one in sealed.faults() if one.about is About.EVENT]


def test_a_seal_that_was_changed(sealed: Sealed) -> None:
    """The verdict in it, under the old signature."""
    path = sealed.weeks[3].path / STATEMENT
    _restate(path, lambda payload: payload.replace(b'"verdict":"PASS"', b'"verdict":"FAIL"'))
    assert sealed.only_fault().about is About.SIGNATURE


def _restate(path: Path, change: Callable[[bytes], bytes]) -> None:
    import base64

    envelope = json.loads(path.read_bytes())
    payload = base64.b64decode(envelope["payload"])
    assert change(payload) != payload
    envelope["payload"] = base64.b64encode(change(payload)).decode()
    path.write_text(json.dumps(envelope, indent=2) + "\n")


def test_a_bundle_that_somebody_else_sealed_again(sealed: Sealed, tmp_path: Path) -> None:
    """All of it fits, and the key is not known."""
    run = sealed.weeks[3]
    run.report.write_text("all is well")
    (run.path / STATEMENT).unlink()
    KeyPair(tmp_path, "other.pem").seal(run)
    assert sealed.only_fault().about is About.KEY


def test_a_bundle_that_its_owner_sealed_again(sealed: Sealed) -> None:
    """The key is right: the run after it tells that it was another seal."""
    run = sealed.weeks[1]
    statement = verify_run(run.path, [sealed.key.public]).statement
    assert statement is not None
    (run.path / STATEMENT).write_bytes(
        wrap(state(statement.predicate, statement.files) + b" ", sealed.key.signer)
    )
    fault = sealed.only_fault()
    assert (fault.about, fault.subject) == (About.LINK, sealed.weeks[2].path.name)
    assert "another seal of run" in fault.says


def test_a_run_that_is_gone(sealed: Sealed) -> None:
    shutil.rmtree(sealed.weeks[1].path)
    found = sealed.verified()
    (fault,) = found.faults
    assert (fault.about, fault.subject) == (About.LINK, sealed.weeks[2].path.name)
    assert f"{sealed.weeks[1].path.name}, which is missing" in fault.says
    assert found.unbroken_since == sealed.weeks[2].path.name
    assert not found.holds


def test_the_first_run_that_is_gone(sealed: Sealed) -> None:
    shutil.rmtree(sealed.weeks[0].path)
    assert sealed.only_fault().about is About.LINK


def test_a_link_to_a_run_whose_seal_is_broken_holds(sealed: Sealed) -> None:
    """One fault is one fault: the run after it names the envelope that is there."""
    shutil.rmtree(sealed.weeks[0].path)
    other = KeyPair(sealed.runs.parent, "other.pem")
    found = verify_runs(sealed.runs, [other.public])
    assert {fault.about for one in found.runs for fault in one.faults} == {About.KEY}
    assert found.faults == ()
    assert found.unbroken_since is None


def test_since_when_it_is_unbroken(sealed: Sealed) -> None:
    sealed.weeks[1].report.write_text("all is well")
    assert sealed.verified().unbroken_since == sealed.weeks[2].path.name
    sealed.weeks[3].report.write_text("all is well")
    assert sealed.verified().unbroken_since is None


def test_sums_that_say_otherwise_than_the_seal(sealed: Sealed) -> None:
    """Signed by the key, with sums for a reviewer that are of something else."""
    run = sealed.weeks[3]
    (run.path / SUMS).write_text("")
    statement = verify_run(run.path, [sealed.key.public]).statement
    assert statement is not None
    digests = {**statement.files, SUMS: _digest(run.path / SUMS)}
    (run.path / STATEMENT).write_bytes(wrap(state(statement.predicate, digests), sealed.key.signer))
    assert sealed.only_fault().says == "names other digests than the seal"


def _digest(path: Path) -> str:
    from harness.seal.bundle import digest_of

    return digest_of(path)


@pytest.mark.parametrize("name", ["/etc/passwd", "../other/run.json", "./run.json", "a//b"])
def test_a_seal_that_leads_out_of_its_run_is_none(sealed: Sealed, name: str) -> None:
    statement = verify_run(sealed.weeks[0].path, [sealed.key.public]).statement
    assert statement is not None
    with pytest.raises(ValueError, match="expected one of the run"):
        decode(state(statement.predicate, {name: "0"}))


def test_a_run_that_is_not_there(sealed: Sealed) -> None:
    with pytest.raises(InputError, match="no such run"):
        verify_run(sealed.runs / "nope", [sealed.key.public])


# --- fifty tamperings --------------------------------------------------------------------------


def _flip(path: Path, dice: random.Random) -> None:
    content = bytearray(path.read_bytes())
    at = dice.randrange(len(content))
    content[at] ^= 1 << dice.randrange(8)
    path.write_bytes(content)


def _cut(path: Path, dice: random.Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: dice.randrange(len(content))])


def _grow(path: Path, dice: random.Random) -> None:
    path.write_bytes(path.read_bytes() + dice.randbytes(3))


def _unlink(path: Path, _dice: random.Random) -> None:
    path.unlink()


def _shuffle(path: Path, dice: random.Random) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    at = dice.randrange(len(lines) - 1) if len(lines) > 1 else 0
    swapped = [*lines[:at], *lines[at + 1 : at + 2], lines[at], *lines[at + 2 :]]
    if swapped == lines:
        swapped = [*lines, *lines]
    path.write_bytes(b"".join(swapped))


@pytest.mark.parametrize("number", range(50))
def test_each_of_fifty_tamperings_is_found_in_the_right_run_and_file(
    sealed: Sealed, number: int
) -> None:
    dice = random.Random(number)  # noqa: S311 - repeatable
    run = dice.choice(sealed.weeks).path
    name = dice.choice([*files(run), SUMS, STATEMENT])
    dice.choice([_flip, _cut, _grow, _unlink, _shuffle])(run / name, dice)
    found = sealed.verified()
    assert not found.holds
    hit = next(one for one in found.runs if one.run == run.name)
    assert {one.run for one in found.runs if not one.holds} <= {run.name}
    if name != STATEMENT:
        assert hit.faults[0].subject == name
    else:
        assert hit.faults[0].about in (About.SEAL, About.SIGNATURE, About.KEY)


# --- what is typed and read --------------------------------------------------------------------


def typed(sealed: Sealed, *words: str) -> tuple[int, str]:
    arguments = [*words, "--key", str(sealed.key.public_file)]
    done = CliRunner().invoke(command, arguments, standalone_mode=False)
    assert done.exception is None, done.exception
    code: int = done.return_value
    return code, done.stdout


def test_what_a_reviewer_reads_of_a_folder(sealed: Sealed) -> None:
    code, said = typed(sealed, str(sealed.runs))
    assert code == 0
    assert said.startswith("INTACT  4 of 4 runs are as they were sealed\n")
    assert f"unbroken since {sealed.weeks[0].path.name}" in said


def test_what_a_reviewer_reads_of_a_changed_run(sealed: Sealed) -> None:
    sealed.weeks[2].report.write_text("all is well")
    code, said = typed(sealed, str(sealed.weeks[2].path))
    assert code == 1
    assert said.startswith(f"BROKEN  {sealed.weeks[2].path.name}: verdict PASS, sealed 2026-11-15")
    assert "\n  CHANGED  report.html: was changed: SHA-256 " in said


def test_a_folder_without_a_run_is_inconclusive(sealed: Sealed, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, said = typed(sealed, str(tmp_path / "empty"))
    assert code == 3
    assert said.startswith("INCONCLUSIVE")


def test_a_machine_reads_it(sealed: Sealed) -> None:
    code, said = typed(sealed, str(sealed.runs), "--json")
    assert code == 0
    assert json.loads(said)["unbroken_since"] == sealed.weeks[0].path.name
