"""One drill at a time under a state directory; it is told to stop, and answers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from drill_process import DrillProcess

from harness.cli import abort
from harness.errors import DeadlineExceededError, InputError, RefusedError
from harness.faults import drill_lock


def test_none_goes_on_at_first(tmp_path: Path) -> None:
    """The vacuous state; abort says what to do."""
    assert drill_lock.current(tmp_path) is None
    result = CliRunner().invoke(abort.command, ["--state", str(tmp_path)])
    assert isinstance(result.exception, InputError)
    assert "harness recover" in str(result.exception.hint)


def test_it_goes_on_for_the_length_of_a_block(tmp_path: Path) -> None:
    """And is forgotten by any way out."""

    def within() -> None:
        with drill_lock.going_on(tmp_path, "run", "e") as drill:
            assert drill_lock.current(tmp_path) == drill
            assert drill.pid == os.getpid()
            raise KeyError

    with pytest.raises(KeyError):
        within()
    assert drill_lock.current(tmp_path) is None


def test_a_second_one_is_refused_by_name(tmp_path: Path) -> None:
    """Exit code 4, with how it is stopped."""
    with (
        DrillProcess(tmp_path, "answers") as other,
        pytest.raises(RefusedError, match=f"run-1 in staging, process {other.pid}") as caught,
        drill_lock.going_on(tmp_path, "run-2", "staging"),
    ):
        pass
    assert caught.value.hint == "harness abort run-1"


def test_a_killed_one_is_followed(tmp_path: Path) -> None:
    """What it left tells `recover` whose lease it was."""
    with DrillProcess(tmp_path, "answers") as other:
        other.kill()
        other.wait(10)
    assert drill_lock.current(tmp_path) is None
    last = drill_lock.last(tmp_path)
    assert last is not None
    assert (last.run, last.cluster_uid) == ("run-1", "uid")
    with drill_lock.going_on(tmp_path, "run-2", "e"):
        drill_lock.forget(tmp_path, last)
        current = drill_lock.current(tmp_path)
        assert current is not None
        assert current.run == "run-2"


def test_abort_is_answered_with_what_is_put_back(tmp_path: Path) -> None:
    """By the drill, at once."""
    with DrillProcess(tmp_path, "answers") as other:
        result = CliRunner().invoke(abort.command, ["run-1", "--state", str(tmp_path)])
        assert result.exit_code == 0, result.exception
        assert result.output == (
            f"run-1 stops (process {other.pid})\n  putting back: power cut of worker-2\n"
        )
        assert other.wait(10) == 143


def test_abort_of_another_run_stops_nothing(tmp_path: Path) -> None:
    """A run's name that is given is meant."""
    with DrillProcess(tmp_path, "answers") as other:
        result = CliRunner().invoke(abort.command, ["run-0", "--state", str(tmp_path)])
        assert isinstance(result.exception, InputError)
        assert other.poll() is None


def test_one_that_does_not_answer_is_named(tmp_path: Path) -> None:
    """By its process."""
    with DrillProcess(tmp_path, "hangs") as other:
        drill = drill_lock.current(tmp_path)
        assert drill is not None
        with pytest.raises(DeadlineExceededError, match=f"process {other.pid}"):
            drill_lock.stop(tmp_path, drill)


def test_an_answer_of_an_earlier_drill_is_none(tmp_path: Path) -> None:
    """It may still lie there."""
    drill_lock.acknowledge(tmp_path, "run-0", [])
    with drill_lock.going_on(tmp_path, "run-1", "e") as drill:
        assert drill_lock._answer(tmp_path, drill) is None
        drill_lock.acknowledge(tmp_path, "run-1", [])
        assert drill_lock._answer(tmp_path, drill) is not None


def test_a_torn_one_is_named(tmp_path: Path) -> None:
    """It cannot come from us."""
    (tmp_path / "drill.json").write_text("{", encoding="ascii")
    with pytest.raises(InputError, match="drill.json"):
        drill_lock.current(tmp_path)
