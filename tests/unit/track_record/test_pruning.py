"""What evidence rests on is kept, and a chain that lost its beginning is still one."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
import sealed_runs
import track_records as made
from click.testing import CliRunner

from harness.cli.history import command
from harness.cli.verify import told_of_all
from harness.errors import RecordError
from harness.model.track_record import Answer, RunShown
from harness.model.verdict import Verdict
from harness.seal import pruned
from harness.seal.verifying import verify_runs
from harness.store import RunDirectory
from harness.track_record import pruning
from harness.track_record.retention import decide

LATER = made.NOW + timedelta(weeks=1)


def going(
    runs: list[RunShown], answers: list[Answer] | None = None, refused: dict[str, str] | None = None
) -> list[int]:
    """The numbers of the runs that may go, of those that ended before NOW."""
    found = decide(runs, answers or [], refused or {}, before=LATER)
    names = [run.run for run in runs]
    return [names.index(one.run) for one in found if one.keep is None]


def test_of_no_run_none_may_go() -> None:
    """Nothing in, nothing out."""
    assert decide([], [], {}, before=made.NOW) == ()


def test_what_is_not_old_enough_is_not_told_of() -> None:
    """Only what is older is decided."""
    runs = [made.run(number, of=5) for number in range(5)]
    before = runs[2].at
    assert [one.run for one in decide(runs, [], {}, before=before)] == [run.run for run in runs[:2]]


def test_the_newest_of_each_suite_and_environment_is_kept() -> None:
    """However old it is."""
    runs = [
        made.run(0, of=3),
        made.run(1, of=3, environment="prod"),
        made.run(2, of=3),
    ]
    assert going(runs) == [0]


def test_the_last_proof_of_a_target_is_kept() -> None:
    """What coverage calls its proof; older ones are none any more."""
    verdicts = [Verdict.PASS, Verdict.PASS, Verdict.FAIL, Verdict.FAIL]
    runs = [made.run(number, verdict, of=4) for number, verdict in enumerate(verdicts)]
    assert going(runs, made.answers(runs)) == [0, 2]


def test_a_proof_in_another_environment_is_another_one() -> None:
    """A PASS counts for its own environment."""
    runs = [
        made.run(0, of=3, environment="prod"),
        made.run(1, Verdict.FAIL, of=3, environment="prod"),
        made.run(2, of=3),
    ]
    assert going(runs, made.answers(runs)) == []


def test_a_chain_loses_its_beginning_only() -> None:
    """Behind a proof that is kept nothing sealed goes."""
    verdicts = [Verdict.FAIL, Verdict.PASS, Verdict.FAIL, Verdict.FAIL, Verdict.FAIL]
    runs = [
        made.run(number, verdict, of=5, sequence=number) for number, verdict in enumerate(verdicts)
    ]
    assert going(runs, made.answers(runs)) == [0]
    unsealed = [made.run(number, verdict, of=5) for number, verdict in enumerate(verdicts)]
    assert going(unsealed, made.answers(unsealed)) == [0, 2, 3]


def test_the_run_sealed_last_is_kept() -> None:
    """The next seal names it."""
    runs = [made.run(0, of=3, sequence=0), made.run(1, of=3, sequence=1), made.run(2, of=3)]
    assert going(runs) == [0]


def test_a_seal_that_cannot_be_read_keeps_all_sealed_ones() -> None:
    """It may be any link of the chain."""
    runs = [made.run(0, of=3, sequence=0), made.run(1, of=3, sealed=True), made.run(2, of=3)]
    assert going(runs) == []


def test_what_does_not_count_is_kept() -> None:
    """Nobody can say what would be lost."""
    (one,) = decide([], [], {"torn": "cannot be read"}, before=made.NOW)
    assert one.keep == "does not count: cannot be read"


def test_nothing_is_removed_unless_told_so(tmp_path: Path) -> None:
    """And what would go is named."""
    for number in range(3):
        made.write(tmp_path, number, of=60)
    before = sorted(tmp_path.iterdir())
    words = ["prune", "--older-than", "30d", "--runs", str(tmp_path)]
    result = CliRunner().invoke(command, words, standalone_mode=False)
    assert "2 runs would go; nothing was removed: add --yes" in result.output
    assert set(before) <= set(tmp_path.iterdir())


def test_what_may_go_is_removed_and_logged(tmp_path: Path) -> None:
    """Two of three; the record forgets them, and who did it is written down."""
    for number in range(3):
        made.write(tmp_path, number, of=60)
    words = ["prune", "--older-than", "30d", "--runs", str(tmp_path), "--yes", "--json"]
    result = CliRunner().invoke(command, words, standalone_mode=False)
    gone = [one["run"] for one in json.loads(result.output) if one["keep"] is None]
    assert len(gone) == 2
    assert not any((tmp_path / name).exists() for name in gone)
    logged = pruned.read_pruned(tmp_path)
    assert list(logged) == gone
    assert all(one.user and one.host for one in logged.values())
    assert not (tmp_path / pruning.ASIDE).exists()
    shown = CliRunner().invoke(command, ["--runs", str(tmp_path)], standalone_mode=False)
    assert "1 run," in shown.output


@pytest.mark.parametrize("given", ["400", "0d", "d", "-3d", "4w", "1.5d", "999999d"])
def test_days_have_their_unit(tmp_path: Path, given: str) -> None:
    """A bare number could be anything."""
    words = ["prune", "--older-than", given, "--runs", str(tmp_path)]
    assert CliRunner().invoke(command, words).exit_code == 2


def test_of_no_folder_nothing_is_removed(tmp_path: Path) -> None:
    """INCONCLUSIVE, and nothing is made."""
    words = ["prune", "--older-than", "1d", "--runs", str(tmp_path / "no"), "--yes"]
    result = CliRunner().invoke(command, words, standalone_mode=False)
    assert result.return_value == 3
    assert not (tmp_path / "no").exists()


def sealed(tmp_path: Path, weeks: int = 4) -> tuple[sealed_runs.KeyPair, Path, list[RunDirectory]]:
    key = sealed_runs.KeyPair(tmp_path)
    runs = tmp_path / "runs"
    runs.mkdir()
    return key, runs, sealed_runs.sealed_weeks(runs, key, weeks)


def test_a_pruned_chain_begins_later_and_is_intact(tmp_path: Path) -> None:
    """Verify says where it begins, and who removed what was before."""
    key, runs, directories = sealed(tmp_path)
    pruning.prune(runs, [one.path.name for one in directories[:2]], made.NOW)
    found = verify_runs(runs, [key.public])
    assert found.holds
    assert found.unbroken_since == directories[2].path.name
    assert found.begins_after is not None
    assert directories[1].path.name in found.begins_after
    assert "begins at" in "\n".join(told_of_all(found))
    key.seal(sealed_runs.make_run(runs, 9))
    assert verify_runs(runs, [key.public]).holds


def test_a_beginning_that_was_removed_by_hand_is_a_fault(tmp_path: Path) -> None:
    """The log does not name it."""
    key, runs, directories = sealed(tmp_path)
    directories[0].path.rename(tmp_path / "elsewhere")
    found = verify_runs(runs, [key.public])
    assert not found.holds
    assert found.begins_after is None


def test_the_log_explains_no_gap(tmp_path: Path) -> None:
    """A run that is missing between others is missing, whatever the log says."""
    key, runs, directories = sealed(tmp_path)
    pruning.prune(runs, [directories[1].path.name], made.NOW)
    found = verify_runs(runs, [key.public])
    assert [one.subject for one in found.faults] == [directories[2].path.name]
    assert found.begins_after is None


def test_a_log_of_another_seal_explains_nothing(tmp_path: Path) -> None:
    """It must name the very seal that the first run names."""
    key, runs, directories = sealed(tmp_path)
    pruning.prune(runs, [directories[0].path.name], made.NOW)
    log = runs / pruned.LOG
    one = json.loads(log.read_text())
    log.write_text(json.dumps({**one, "sha256": "0" * 64}) + "\ntorn line\n")
    assert not verify_runs(runs, [key.public]).holds


def test_who_is_killed_before_the_renaming_leaves_whole_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log names more than is gone, and the chain is whole."""
    key, runs, directories = sealed(tmp_path)
    rename = Path.rename

    def one_only(path: Path, to: Path) -> Path:
        if path == directories[1].path:
            raise OSError(28, "No space left on device")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", one_only)
    with pytest.raises(RecordError, match="No space left"):
        pruning.prune(runs, [one.path.name for one in directories[:2]], made.NOW)
    assert verify_runs(runs, [key.public]).holds
    assert directories[1].path.is_dir()


def test_who_is_killed_while_deleting_leaves_nothing_that_looks_like_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies aside is no run to anybody, and the next pruning deletes it."""
    key, runs, directories = sealed(tmp_path)

    def killed(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("harness.track_record.pruning.shutil.rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        pruning.prune(runs, [directories[0].path.name], made.NOW)
    monkeypatch.undo()
    assert (runs / pruning.ASIDE / directories[0].path.name / "plan.json").is_file()
    assert verify_runs(runs, [key.public]).holds
    pruning.clear(runs)
    assert not (runs / pruning.ASIDE).exists()


def test_a_log_that_cannot_be_written_stops_before_anything_is_touched(tmp_path: Path) -> None:
    """None is gone that the log does not name."""
    _, runs, directories = sealed(tmp_path)
    (runs / pruned.LOG).mkdir()
    with pytest.raises(RecordError):
        pruning.prune(runs, [directories[0].path.name], made.NOW)
    assert directories[0].path.is_dir()
