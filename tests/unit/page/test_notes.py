"""Notes: durable, in order, of the run that goes on only; a torn one was never confirmed."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest
import sealed_runs
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.drivers.clock import HostClock
from harness.errors import InputError, RecordError
from harness.model.codec import from_json, to_json
from harness.model.note import MOST_CHARACTERS, Note, SignedIn
from harness.page.notes import take_note
from harness.seal.sealing import LOCK
from harness.seal.verifying import verify_run
from harness.store import RunDirectory


def note(text: str = "seen", who: str = "Ada") -> Note:
    return Note(at=HostClock().now(), host="probe-1", who=who, signed_in=SignedIn.TOKEN, text=text)


def going_on(folder: Path) -> RunDirectory:
    return sealed_runs.make_run(folder / "runs", ended=False)


def test_of_no_note_there_is_none(tmp_path: Path) -> None:
    """Nor is a file of none an error."""
    run = going_on(tmp_path)
    assert run.read_notes() == ()
    run.notes.write_bytes(b"")
    assert run.read_notes() == ()


def test_notes_are_kept_in_their_order(tmp_path: Path) -> None:
    """Whatever they say."""
    run = going_on(tmp_path)
    taken = [note(text) for text in ("one", 'two "2"', "drei\u2028ü", "<b>")]
    for one in taken:
        take_note(run, one)
    assert run.read_notes() == tuple(taken)


def test_a_run_that_ended_takes_none(tmp_path: Path) -> None:
    """Its report is written."""
    run = sealed_runs.make_run(tmp_path / "runs")
    with pytest.raises(InputError, match="is over") as refused:
        take_note(run, note())
    assert "after-action" in str(refused.value.hint)
    assert not run.notes.exists()


def test_a_sealed_run_takes_none_though_it_never_ended(tmp_path: Path) -> None:
    """It was killed, and sealed as it stood."""
    run = going_on(tmp_path)
    pair = sealed_runs.KeyPair(tmp_path)
    from harness.seal.sealing import seal

    seal(run, pair.signer, HostClock(), unfinished=True)
    with pytest.raises(InputError, match="is over"):
        take_note(run, note())
    assert verify_run(run.path, [pair.public]).holds


def test_whoever_seals_waits_for_a_note_and_seals_it_too(tmp_path: Path) -> None:
    """And a note waits for who seals: none is lost, none breaks the seal."""
    run = going_on(tmp_path)
    lock = os.open(run.path.parent / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    fcntl.flock(lock, fcntl.LOCK_EX)
    taken = threading.Event()

    def take() -> None:
        take_note(run, note())
        taken.set()

    thread = threading.Thread(target=take)
    thread.start()
    assert not taken.wait(0.2)
    os.close(lock)
    thread.join(10)
    assert taken.is_set()
    pair = sealed_runs.KeyPair(tmp_path)
    run.write(run.run_record, replace(run.read_run_record(), ended=sealed_runs.BEGAN))
    pair.seal(run)
    found = verify_run(run.path, [pair.public])
    assert found.holds
    assert found.statement is not None
    assert "notes.jsonl" in {one.name for one in found.statement.subject}
    run.notes.write_bytes(run.notes.read_bytes().replace(b"seen", b"SEEN"))
    assert not verify_run(run.path, [pair.public]).holds


def test_a_torn_note_gives_way_to_the_next(tmp_path: Path) -> None:
    """Nobody was told that it was taken."""
    run = going_on(tmp_path)
    take_note(run, note("one"))
    with run.notes.open("ab") as file:
        file.write(to_json(note("torn"))[:40])
    assert [one.text for one in run.read_notes()] == ["one"]
    take_note(run, note("two"))
    assert [one.text for one in run.read_notes()] == ["one", "two"]


def test_a_torn_line_elsewhere_is_an_error(tmp_path: Path) -> None:
    """It cannot come from us."""
    run = going_on(tmp_path)
    run.notes.write_bytes(b"{\n" + to_json(note()) + b"\n")
    with pytest.raises(InputError, match=r"notes\.jsonl"):
        run.read_notes()


def test_a_disk_that_does_not_take_it_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a note is none."""
    run = going_on(tmp_path)
    take_note(run, note("one"))
    before = run.notes.read_bytes()

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(RecordError, match="No space left"):
            take_note(run, note("two"))
    assert run.notes.read_bytes() == before


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    """Nothing is written outside the run."""
    run = going_on(tmp_path)
    (tmp_path / "elsewhere").write_bytes(b"")
    run.notes.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecordError):
        take_note(run, note())
    assert (tmp_path / "elsewhere").read_bytes() == b""


@pytest.mark.parametrize(
    ("text", "who"), [("", "Ada"), (" \n", "Ada"), ("x" * (MOST_CHARACTERS + 1), "Ada"), ("x", "")]
)
def test_a_note_says_something_and_by_whom(text: str, who: str) -> None:
    """And is no book."""
    with pytest.raises(ValueError, match=r"expected 1 to"):
        note(text, who)


@given(st.text(min_size=1, max_size=MOST_CHARACTERS).filter(str.strip))
def test_any_note_is_one_line(text: str) -> None:
    """And is read as it was written."""
    try:
        line = to_json(note(text))
    except UnicodeEncodeError:  # a lone surrogate, which no form can carry
        return
    assert b"\n" not in line
    assert from_json(line, Note).text == text
