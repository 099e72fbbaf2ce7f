"""What follows a run: in its order, each whatever became of the others, with one verdict."""

from __future__ import annotations

from pathlib import Path

import pytest
from sealed_runs import KeyPair, SetClock, make_run

from harness.cli.after_a_run import after_a_run
from harness.cli.judging import render_run
from harness.errors import RecordError, StoreError, SurroundingsError
from harness.follow_up import FollowUp
from harness.model.notice import Notice, Occasion
from harness.model.subject import ObjectStore
from harness.notify import sending
from harness.seal.bundle import is_sealed
from harness.settings import Archive, Environment, Metrics, Sealing, Slack
from harness.store import RunDirectory

ARCHIVE = Archive(store=ObjectStore(bucket="evidence"), retention_days=1)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Notice]:
    """The notices that were sent."""
    sent: list[Notice] = []

    def send(_notify: object, notice: Notice, _clock: object) -> None:
        sent.append(notice)

    monkeypatch.setattr(sending, "send", send)
    return sent


def follow(run: RunDirectory, environment: Environment) -> None:
    render_run(run, FollowUp())
    clock = SetClock(run.read_run_record().started)
    after_a_run(run, run.read_judgement(), environment, clock)


def environment(folder: Path, key: Path | None, archive: Archive | None = None) -> Environment:
    (folder / "textfile").mkdir(exist_ok=True)
    return Environment(
        seal=None if key is None else Sealing(key=key),
        archive=archive,
        metrics=Metrics(textfile=folder / "textfile"),
        notify=(Slack(url_file=folder / "slack", on=tuple(Occasion)),),
    )


def published(folder: Path) -> str:
    (file,) = (folder / "textfile").iterdir()
    return file.read_text()


def test_an_environment_that_asks_for_nothing_gets_nothing(
    tmp_path: Path, told: list[Notice]
) -> None:
    run = make_run(tmp_path / "runs")
    follow(run, Environment())
    assert not is_sealed(run.path)
    assert told == []


def test_sealed_published_and_told(tmp_path: Path, told: list[Notice]) -> None:
    run, key = make_run(tmp_path / "runs"), KeyPair(tmp_path)
    follow(run, environment(tmp_path, key.private))
    assert is_sealed(run.path)
    assert run.not_kept is None
    assert "harness_evidence_kept" in published(tmp_path)
    assert published(tmp_path).endswith("} 1\n")
    assert [one.occasion for one in told] == [Occasion.PASS]


def test_what_is_not_sealed_is_not_archived_but_published_and_told(
    tmp_path: Path, told: list[Notice], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is gone: all the rest is done, and the command ends with exit code 5."""

    def put(*_: object) -> None:
        pytest.fail("what is not sealed must not be archived")

    monkeypatch.setattr("harness.archive.putting.put", put)
    run = make_run(tmp_path / "runs")
    follow(run, environment(tmp_path, tmp_path / "no-key", ARCHIVE))
    assert isinstance(run.not_kept, RecordError)
    assert run.not_kept.exit_code == 5
    assert published(tmp_path).endswith("} 0\n")
    (notice,) = told
    assert notice.occasion is Occasion.NOT_KEPT
    assert notice.not_kept is not None
    assert "is not sealed" in notice.not_kept


@pytest.mark.parametrize("error", [StoreError("no answer"), OSError("no such file")])
def test_what_is_not_archived_is_told(
    tmp_path: Path, told: list[Notice], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def put(*_: object) -> None:
        raise error

    monkeypatch.setattr("harness.archive.putting.put", put)
    run, key = make_run(tmp_path / "runs"), KeyPair(tmp_path)
    follow(run, environment(tmp_path, key.private, ARCHIVE))
    assert is_sealed(run.path)
    assert isinstance(run.not_kept, RecordError)
    assert [one.occasion for one in told] == [Occasion.NOT_KEPT]


def test_nobody_there_to_be_told_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def send(*_: object) -> None:
        raise SurroundingsError("nobody took it")

    monkeypatch.setattr(sending, "send", send)
    run, key = make_run(tmp_path / "runs"), KeyPair(tmp_path)
    follow(run, environment(tmp_path, key.private))
    assert "NOT TOLD: nobody took it" in capsys.readouterr().err
    assert run.not_kept is None


def test_metrics_that_cannot_be_written_are_told(
    tmp_path: Path, told: list[Notice], capsys: pytest.CaptureFixture[str]
) -> None:
    run, key = make_run(tmp_path / "runs"), KeyPair(tmp_path)
    asked = environment(tmp_path, key.private)
    (tmp_path / "textfile").rmdir()
    follow(run, asked)
    assert "METRICS NOT WRITTEN" in capsys.readouterr().err
    assert len(told) == 1


def test_a_torn_run_before_does_not_keep_this_one_from_being_told(
    tmp_path: Path, told: list[Notice]
) -> None:
    before, run = make_run(tmp_path / "runs", 0), make_run(tmp_path / "runs", 1)
    before.verdict.write_text("{")
    follow(run, environment(tmp_path, None))
    (notice,) = told
    assert notice.last_success is None
