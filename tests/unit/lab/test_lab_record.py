"""What is written down of a lab, who may change it, and when one counts as up. Nothing is made."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.drivers.clock import boot_id
from harness.errors import InputError, RefusedError
from harness.lab import lab, requirements
from harness.lab import record as records
from harness.lab.directories import Directories
from harness.lab.kubectl import Kubectl
from harness.lab.lab import find
from harness.lab.layout import Layout
from harness.lab.record import Phase, Record
from harness.model.codec import from_json, to_json

EARLIER_BOOT = "00000000-0000-0000-0000-000000000000"
NO_PROCESS = 2**22 + 1
"""Above Linux's largest process id."""


def record(phase: Phase = "up", *, boot: str = "", pid: int = 0, late_s: float = 0.0) -> Record:
    """Of a lab of this process and boot, unless told otherwise."""
    return Record(
        layout=Layout(),
        phase=phase,
        owner_pid=pid or os.getpid(),
        owner_started=psutil.Process().create_time() + late_s,
        boot_id=boot or boot_id(),
        api_port=17000,
        programs="/cache/programs/0123",
    )


def written(state: Path, one: Record) -> Directories:
    """A state directory in which that was written down."""
    directories = Directories.below(state)
    directories.root.mkdir(parents=True)
    records.write(directories, one)
    return directories


@pytest.fixture(autouse=True)
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock of the test's own, and no way to take any lab down."""
    path = tmp_path / "lock"
    monkeypatch.setattr(records, "_LOCK", path)

    def refuse(*_: object) -> tuple[str, ...]:
        raise AssertionError("a test would have taken a lab down")

    monkeypatch.setattr(lab, "_take_down", refuse)
    return path


RECORDS = st.builds(
    Record,
    layout=st.builds(
        Layout, masters=st.integers(), workers=st.integers(), zones=st.integers(0, 2**40)
    ),
    phase=st.sampled_from(("starting", "up")),
    owner_pid=st.integers(1, NO_PROCESS),
    owner_started=st.floats(0, 2**33),
    boot_id=st.uuids().map(str),
    api_port=st.integers(1, 65535),
    programs=st.text(),
)


@settings(deadline=None)
@given(RECORDS)
def test_a_record_comes_back_as_it_was_written(one: Record) -> None:
    """Equal values give equal bytes, and those bytes the value."""
    content = to_json(one)
    assert from_json(content, Record) == one
    assert to_json(from_json(content, Record)) == content


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"phase":"up"', b'"phase":"gone"'),
        (b'"phase":"up"', b'"phase":"up","more":1'),
        (b'"masters":3', b'"masters":"3"'),
        (b'"api_port":17000,', b""),
    ],
)
def test_what_is_no_record_is_refused(before: bytes, after: bytes) -> None:
    """A phase, field or type that is not known, or one that is missing."""
    content = to_json(record())
    assert before in content
    with pytest.raises(msgspec.ValidationError):
        from_json(content.replace(before, after), Record)


def test_what_was_written_down_is_read(tmp_path: Path) -> None:
    """Under its own name, with nothing beside it; a second writing replaces the first."""
    directories = written(tmp_path, record("starting"))
    assert records.read(directories) == record("starting")
    records.write(directories, record("up"))
    assert records.read(directories) == record("up")
    assert [path.name for path in directories.root.iterdir()] == ["lab.json"]


def test_no_record_is_none_and_a_strange_one_is_an_error(tmp_path: Path) -> None:
    """Absent, or below a file that is no directory; torn, or with a field of another version."""
    assert records.read(Directories.below(tmp_path / "absent")) is None
    (tmp_path / "file").write_bytes(b"")
    assert records.read(Directories.below(tmp_path / "file")) is None
    directories = written(tmp_path, record())
    content = directories.record.read_bytes()
    strange = content.replace(b'"phase":"up"', b'"phase":"up","more":1')
    assert strange != content
    for other in (b"", content[: len(content) // 2], strange):
        directories.record.write_bytes(other)
        with pytest.raises(InputError, match="not of this version") as caught:
            records.read(directories)
        assert caught.value.hint == "harness lab down"


def test_a_lab_that_is_up_is_found(tmp_path: Path) -> None:
    """With the layout and programs that it was made with."""
    directories = written(tmp_path, record())
    found = find(tmp_path)
    assert (found.record, found.layout) == (record(), Layout())
    assert found.machines.directories == directories
    assert found.kubectl.programs == found.machines.programs == Path("/cache/programs/0123")


@pytest.mark.parametrize("made", [None, lambda: record(boot=EARLIER_BOOT)])
def test_no_lab_is_found_where_none_is_up(
    tmp_path: Path, made: Callable[[], Record] | None
) -> None:
    """None was made, or in an earlier boot of the host: the hint makes one."""
    if made is not None:
        written(tmp_path, made())
    with pytest.raises(InputError, match="^no lab is up$") as caught:
        find(tmp_path)
    assert caught.value.hint == "harness lab up"


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (
            record("starting"),
            f"the lab is being made by process {os.getpid()}",
        ),
        (record("starting", pid=NO_PROCESS), "the lab was left half made"),
        (record("starting", late_s=-100), "the lab was left half made"),
    ],
    ids=["by this process", "by a process that ended", "by one whose id was given out again"],
)
def test_a_lab_that_is_half_made_is_not_found(tmp_path: Path, one: Record, message: str) -> None:
    """The message tells whether somebody is at it."""
    written(tmp_path, one)
    with pytest.raises(InputError) as caught:
        find(tmp_path)
    assert str(caught.value) == message


def test_one_command_at_a_time_changes_the_lab(tmp_path: Path, lock: Path) -> None:
    """The second is refused, and told by which process; afterwards it may."""
    directories = Directories.below(tmp_path)
    with records.changing(directories):
        with (
            pytest.raises(RefusedError, match=f"^process {os.getpid()} is changing the lab now$"),
            records.changing(directories),
        ):
            raise AssertionError("two at a time")
        assert lock.read_text() == f"{os.getpid()} {directories.root}"
    with records.changing(directories):
        pass


def test_a_lock_that_its_process_no_longer_holds_is_free(tmp_path: Path, lock: Path) -> None:
    """After SIGKILL the text is still there, the kernel's lock is not."""
    directories = Directories.below(tmp_path)
    lock.write_text(f"{NO_PROCESS} {directories.root}")
    with records.changing(directories), lock.open() as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_lab_of_another_state_directory_is_not_touched(tmp_path: Path) -> None:
    """Names of namespaces and control groups are the machine's: there is room for one lab."""
    mine, other = Directories.below(tmp_path / "mine"), tmp_path / "other"
    with records.changing(written(other, record())):
        pass
    with pytest.raises(RefusedError) as caught, records.changing(mine):
        raise AssertionError("took the machine from a lab that is up")
    assert str(caught.value) == f"a lab of the state directory {other} is on this machine"
    assert caught.value.hint == f"HARNESS_STATE_DIR={other} harness lab down"


@pytest.mark.parametrize("left", [None, record(boot=EARLIER_BOOT)])
def test_where_another_lab_was_there_is_room(tmp_path: Path, left: Record | None) -> None:
    """It was taken down, or did not outlive the host's boot."""
    mine, other = Directories.below(tmp_path / "mine"), Directories.below(tmp_path / "other")
    with records.changing(other):
        pass
    if left is not None:
        written(tmp_path / "other", left)
    entered = False
    with records.changing(mine):
        entered = True
    assert entered


def test_up_takes_a_lab_of_the_same_layout_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says so."""
    monkeypatch.setattr(requirements, "check", lambda *_: None)
    monkeypatch.setattr(Kubectl, "ready", lambda _: True)
    written(tmp_path, record())
    said: list[str] = []
    assert lab.up(Layout(), tmp_path, tmp_path, said.append).record == record()
    assert said == ["the lab is up already"]


def test_up_refuses_where_a_lab_of_another_layout_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not taken down by the way."""
    monkeypatch.setattr(requirements, "check", lambda *_: None)
    written(tmp_path, record())
    with pytest.raises(RefusedError) as caught:
        lab.up(Layout(workers=4), tmp_path, tmp_path, print)
    assert str(caught.value) == "a lab is up with 3 masters, 3 workers and 3 zones"
    assert caught.value.hint == "harness lab down"


def test_up_refuses_where_the_lab_that_is_up_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its record says that it is up; only its API knows."""
    monkeypatch.setattr(requirements, "check", lambda *_: None)
    monkeypatch.setattr(Kubectl, "ready", lambda _: False)
    written(tmp_path, record())
    with pytest.raises(RefusedError, match="its API does not answer"):
        lab.up(Layout(), tmp_path, tmp_path, print)


def test_a_state_directory_of_one_s_own_is_taken(tmp_path: Path) -> None:
    """Absent, it is made; nobody else may write in it."""
    state = tmp_path / "not" / "yet"
    records.refuse_strange_state(state)
    assert state.is_dir()
    records.refuse_strange_state(state)


@pytest.mark.parametrize("strange", ["a link", "others may write", "another's", "below /run"])
def test_a_state_directory_in_which_others_may_write_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strange: str
) -> None:
    """Root would execute what they put there; below /run a machine would not see it."""
    state = tmp_path / "state"
    state.mkdir()
    if strange == "a link":
        state = tmp_path / "link"
        state.symlink_to(tmp_path / "state")
    elif strange == "others may write":
        state.chmod(0o777)
    elif strange == "another's":
        monkeypatch.setattr(os, "geteuid", lambda: NO_PROCESS)
    else:
        monkeypatch.setattr(Path, "resolve", lambda _: Path("/run/state"))
    with pytest.raises(RefusedError) as caught:
        records.refuse_strange_state(state)
    assert str(state) in str(caught.value)
    assert "HARNESS_STATE_DIR=" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("one", "left"),
    [
        (None, False),
        (record("up"), False),
        (record("starting"), False),
        (record("starting", pid=NO_PROCESS), True),
        (record("up", boot=EARLIER_BOOT), True),
    ],
    ids=["none", "up", "being made", "killed while being made", "of an earlier boot"],
)
def test_what_recover_takes_away(tmp_path: Path, one: Record | None, left: bool) -> None:  # noqa: FBT001
    """Neither a lab that is up nor one that somebody is making."""
    if one is not None:
        written(tmp_path, one)
    assert lab.left_half_made(tmp_path) is left
