"""The record is what the run directories say, whatever happens to its database."""

from __future__ import annotations

import json
import sqlite3
import threading
from datetime import timedelta
from pathlib import Path

import pytest
import sealed_runs
import track_records as made
from click.testing import CliRunner
from msgspec.structs import replace

from harness.cli.history import command
from harness.cli.main import main
from harness.coverage.answering import EndedRun
from harness.errors import InputError
from harness.model.coverage import RunNotCounted
from harness.model.track_record import Course, Record
from harness.model.verdict import Verdict
from harness.settings import load_track_record
from harness.store import RunDirectory
from harness.track_record import intake
from harness.track_record.compose import Asked, Rows, detail, near, overview
from harness.track_record.database import FILE, Database
from harness.track_record.flaky import flaky
from harness.track_record.questions import of_every_target
from harness.track_record.reading import read_run

ASKED = Asked(now=made.NOW)


def record(runs: Path) -> tuple[Record, Rows, tuple[str, ...]]:
    rows, notes = intake.ask(runs, of_every_target)
    return overview(rows, ASKED, notes), rows, notes


@pytest.mark.parametrize("there", [True, False])
def test_of_no_run_nothing_is_known(
    tmp_path: Path,
    there: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """INCONCLUSIVE, never a pass, and no folder is made to keep a record of nothing."""
    runs = tmp_path / "runs"
    if there:
        runs.mkdir()
    found, _, _ = record(runs)
    assert (found.verdict, found.runs, found.targets) == (Verdict.INCONCLUSIVE, 0, ())
    assert runs.exists() is there
    result = CliRunner().invoke(command, ["--runs", str(runs)], standalone_mode=False)
    assert result.return_value == 3
    asked = CliRunner().invoke(command, ["rto", "--runs", str(runs)], standalone_mode=False)
    assert asked.return_value == 3


def test_a_run_says_what_its_findings_say(tmp_path: Path) -> None:
    """One run: its targets, the value with its bounds, its trials."""
    made.write(tmp_path, 0)
    found, rows, _ = record(tmp_path)
    (rto,) = [one for one in found.targets if one.target == "rto"]
    assert rto.verdicts == (Verdict.PASS,)
    assert rto.trend is not None
    assert [(one.value, one.low, one.high) for one in rto.trend.points] == [(8.0, 7.9, 8.0)]
    assert rto.trend.limit == made.AT_MOST
    assert rto.trend.forecast.course is Course.TOO_FEW
    assert {one.target for one in rows.answers} >= {"rto", "backup-frequency"}
    assert found.verdict is Verdict.PASS


def test_the_newest_run_decides(tmp_path: Path) -> None:
    """Two runs: a FAIL after a PASS is a FAIL."""
    made.write(tmp_path, 0, of=2)
    made.write(tmp_path, 1, None, of=2, verdict=Verdict.FAIL)
    found, _, _ = record(tmp_path)
    (rto,) = [one for one in found.targets if one.target == "rto"]
    assert rto.verdicts == (Verdict.PASS, Verdict.FAIL)
    assert rto.trend is not None
    assert rto.trend.censored == 1
    assert found.verdict is Verdict.FAIL


def test_a_run_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known is not opened again; what was judged again is."""
    directory = made.write(tmp_path, 0)
    read: list[str] = []

    def reading(one: RunDirectory) -> EndedRun | RunNotCounted:
        read.append(one.path.name)
        return read_run(one)

    monkeypatch.setattr(intake, "read_run", reading)
    record(tmp_path)
    record(tmp_path)
    assert read == [directory.path.name]
    judgement = directory.read_judgement()
    directory.write(directory.verdict, replace(judgement, verdict=Verdict.FAIL))
    _, rows, _ = record(tmp_path)
    assert len(read) == 2
    assert [one.verdict for one in rows.runs] == [Verdict.FAIL]


def test_a_file_that_was_touched_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copied folder has other times, and the same digests."""
    directory = made.write(tmp_path, 0)
    record(tmp_path)
    directory.verdict.touch()
    monkeypatch.setattr(intake, "read_run", lambda _: pytest.fail("was read again"))
    record(tmp_path)


def test_what_was_sealed_since_is_sealed(tmp_path: Path) -> None:
    """The seal comes after the verdict."""
    run = sealed_runs.make_run(tmp_path, number=0)
    assert [one.sealed for one in record(tmp_path)[1].runs] == [False]
    sealed_runs.KeyPair(tmp_path).seal(run)
    assert [(one.sealed, one.sequence) for one in record(tmp_path)[1].runs] == [(True, 0)]


def test_a_run_that_is_gone_is_not_told(tmp_path: Path) -> None:
    """The record is of what can be looked up."""
    first = made.write(tmp_path, 0, of=2)
    made.write(tmp_path, 1, of=2)
    assert record(tmp_path)[0].runs == 2
    first.path.rename(tmp_path.parent / "elsewhere")
    found, rows, _ = record(tmp_path)
    assert found.runs == 1
    assert {one.run for one in rows.answers} == {rows.runs[0].run}


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("verdict.json", b'{"format":1,"suite'),
        ("verdict.json", None),
        ("verdict.json", b'{"format":0,"findings":[{"old":1}]}'),
        ("run.json", b'{"format":0}'),
        ("plan.json", b""),
    ],
)
def test_a_run_that_cannot_be_read_is_named(
    tmp_path: Path, file: str, content: bytes | None
) -> None:
    """Torn, missing or of another format: it does not count, and the others do."""
    bad = made.write(tmp_path, 0, of=2)
    made.write(tmp_path, 1, of=2)
    if content is None:
        (bad.path / file).unlink()
    else:
        (bad.path / file).write_bytes(content)
    found, _, _ = record(tmp_path)
    assert found.runs == 1
    assert any(bad.path.name in note and file in note for note in found.notes)


def test_a_run_that_was_mended_counts(tmp_path: Path) -> None:
    """That it was refused once is no reason to refuse it now."""
    directory = made.write(tmp_path, 0)
    whole = directory.verdict.read_bytes()
    directory.verdict.write_bytes(whole[:40])
    assert record(tmp_path)[0].runs == 0
    directory.verdict.write_bytes(whole)
    assert record(tmp_path)[0].runs == 1


def test_a_copy_under_another_name_is_not_counted_twice(tmp_path: Path) -> None:
    """It is the same run."""
    directory = made.write(tmp_path, 0)
    made.copy(directory, "20200101T000000Z-copy-test")
    found, _, _ = record(tmp_path)
    assert found.runs == 1
    assert "under another name" in found.notes[0]


def test_a_damaged_database_is_made_anew(tmp_path: Path) -> None:
    """It is no evidence: nothing is lost, and it is said."""
    made.write(tmp_path, 0)
    record(tmp_path)
    (tmp_path / FILE).write_bytes(b"no database" * 1000)
    found, _, notes = record(tmp_path)
    assert found.runs == 1
    assert "was damaged" in notes[0]
    assert record(tmp_path)[2] == ()


def test_a_database_that_is_damaged_within_is_made_anew(tmp_path: Path) -> None:
    """Its head is right, and its pages are not."""
    for number in range(6):
        made.write(tmp_path, number, of=6)
    record(tmp_path)
    path = tmp_path / FILE
    content = bytearray(path.read_bytes())
    content[1024:] = b"\xff" * (len(content) - 1024)
    path.write_bytes(bytes(content))
    found, _, notes = record(tmp_path)
    assert found.runs == 6
    assert "made anew" in notes[0]


def test_a_locked_database_is_no_reason_to_have_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who holds the lock keeps it; the runs are read into memory."""
    monkeypatch.setattr("harness.track_record.database._WAIT_S", 0.05)
    made.write(tmp_path, 0)
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    found, _, notes = record(tmp_path)
    other.close()
    assert found.runs == 1
    assert "locked" in notes[0]


def test_a_full_disk_is_no_reason_to_have_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite says so by SQLITE_FULL, here of a database that may have no more pages."""
    whole = Database.sqlite

    def full(path: Path | None) -> Database:
        database = whole(path)
        if path is not None:
            (pages,) = database._connection.execute("PRAGMA page_count").fetchone()
            database._connection.execute(f"PRAGMA max_page_count = {pages}")
        return database

    monkeypatch.setattr(Database, "sqlite", full)
    for number in range(40):
        made.write(tmp_path, number, of=40)
    found, _, notes = record(tmp_path)
    assert found.runs == 40
    assert "full" in notes[0]


def test_two_who_take_in_at_once_take_in_each_run_once(tmp_path: Path) -> None:
    """One waits for the other, and then knows what that one took in."""
    for number in range(10):
        made.write(tmp_path, number, of=10)
    found: list[int] = []
    together = threading.Barrier(4)

    def take_in() -> None:
        together.wait()
        found.append(len(intake.ask(tmp_path, of_every_target)[0].showings))

    threads = [threading.Thread(target=take_in) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert found == [10] * 4


def test_a_clock_that_was_set_back_is_told() -> None:
    """Runs stand by what they say, and the seals say in which order they were sealed."""
    runs = [made.run(0, of=2, sequence=1), made.run(1, of=2, sequence=0)]
    rows = Rows(runs=runs, refused=(), answers=(), showings=(), scenarios=())
    assert "a clock was set back" in overview(rows, ASKED).notes[0]


def test_two_runs_of_one_time_stand_in_the_order_of_their_seals() -> None:
    """Then in that of their names: the same order in every answer."""
    database = Database.sqlite(None)
    at = made.NOW - timedelta(days=1)
    for name, sequence in (("b", 1), ("a", 2), ("d", None), ("c", None)):
        run = replace(made.run(0), run=name, at=at, sequence=sequence)
        with database.writing():
            database.put("", ("", ""), run, (), ())
    assert [one.run for one in database.runs()] == ["c", "d", "b", "a"]


def test_a_run_of_the_future_does_not_count(tmp_path: Path) -> None:
    """Somebody's clock is wrong, and nobody knows whose."""
    made.write(tmp_path, 5, of=1)
    found, _, _ = record(tmp_path)
    assert found.runs == 0
    assert "says that it ended at" in found.notes[0]


def test_environments_are_never_pooled(tmp_path: Path) -> None:
    """A PASS here does not hide a FAIL there."""
    made.write(tmp_path, 0, environment="prod")
    made.write(tmp_path, 0, None, environment="staging", verdict=Verdict.FAIL)
    found, rows, _ = record(tmp_path)
    said = {(one.environment, one.target): one.verdicts for one in found.targets}
    assert said["prod", "rto"] == (Verdict.PASS,)
    assert said["staging", "rto"] == (Verdict.FAIL,)
    only = overview(rows, Asked(now=made.NOW, environment="prod"))
    assert {one.environment for one in only.targets} == {"prod"}


def test_since_leaves_older_runs_out(tmp_path: Path) -> None:
    """Of a date on."""
    for number in range(4):
        made.write(tmp_path, number, of=4)
    _, rows, _ = record(tmp_path)
    since = made.NOW - 1.5 * made.WEEK
    assert overview(rows, Asked(now=made.NOW, since=since)).runs == 2


def test_a_name_that_nobody_knows_names_those_that_are_near(tmp_path: Path) -> None:
    """A typing error at 3 a.m."""
    made.write(tmp_path, 0)
    result = CliRunner().invoke(
        command, ["backup-frequncy", "--runs", str(tmp_path)], standalone_mode=False
    )
    assert isinstance(result.exception, InputError)
    assert "backup-frequency" in str(result.exception)
    assert near("nothing like it", ["rto"]) == []


@pytest.mark.parametrize("name", ["rto", "latest-backup", "check", "check/rto/orders"])
def test_a_target_a_scenario_a_check_or_a_finding_is_shown(tmp_path: Path, name: str) -> None:
    """As JSON with every row."""
    made.write(tmp_path, 0)
    result = CliRunner().invoke(
        command, [name, "--runs", str(tmp_path), "--json"], standalone_mode=False
    )
    told = json.loads(result.output)
    assert told["asked"] == name
    assert {row["showing"]["target"] for row in told["rows"]} >= {"rto"}


def test_the_command_is_found_and_ends_as_its_verdict_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """PASS 0, FAIL 1."""
    made.write(tmp_path, 0, of=2)
    assert main(["history", "--runs", str(tmp_path)]) == 0
    made.write(tmp_path, 1, None, of=2, verdict=Verdict.FAIL)
    assert main(["history", "--runs", str(tmp_path)]) == 1
    assert "rto" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("said", "flips", "of"),
    [
        ("", None, None),
        (".", None, None),
        ("..........", None, None),
        (".....FFFFF", None, None),
        ("..F..", 2, 4),
        (".F.F.", 4, 4),
        (".?F?.?F", 3, 3),
        ("?.?.?.", None, None),
    ],
)
def test_what_goes_to_and_fro_is_flaky(said: str, flips: int | None, of: int | None) -> None:
    """Two flips at least; an INCONCLUSIVE run is neither a pass nor a fail."""
    runs = [made.run(number, of=len(said)) for number in range(len(said))]
    verdicts = [
        (run.run, "latest-backup", made.VERDICTS[sign])
        for run, sign in zip(runs, said, strict=True)
    ]
    found = flaky(runs, verdicts)
    assert [(one.flips, one.of) for one in found] == ([] if flips is None else [(flips, of)])


def test_a_flip_with_a_new_version_is_no_flip() -> None:
    """Something was changed, and it did something."""
    runs = [made.run(number, of=5, version=f"v{number}") for number in range(5)]
    said = [(run.run, "s", made.VERDICTS[sign]) for run, sign in zip(runs, ".F.F.", strict=True)]
    assert flaky(runs, said) == ()


def test_what_is_worse_than_the_last_sealed_run_is_told() -> None:
    """In the overview, and in its verdict, although every run passed."""
    shown = made.weekly([*[10.0 + week % 3 / 10 for week in range(12)], 40.0], sealed=[1])
    runs = [run for run, _ in shown]
    rows = Rows(
        runs=runs,
        refused=(),
        answers=made.answers(runs),
        showings=[one for _, one in shown],
        scenarios=(),
    )
    found = overview(rows, ASKED)
    assert found.verdict is Verdict.FAIL
    assert found.targets[0].regressed is not None
    assert "more than runs differ" in found.targets[0].regressed
    assert detail("rto", rows, ASKED).verdict is Verdict.FAIL


def test_the_settings_name_the_database_and_no_password(tmp_path: Path) -> None:
    """A password in a file that is read by everybody is refused."""
    path = tmp_path / "harness.toml"
    assert load_track_record(path) is None
    path.write_text('[environments]\n[track_record]\npostgresql = "host=db dbname=record"\n')
    found = load_track_record(path)
    assert found is not None
    assert found.postgresql == "host=db dbname=record"
    for wrong in ("host=db password=geheim", "postgresql://ada:geheim@db/record"):
        path.write_text(f'[environments]\n[track_record]\npostgresql = "{wrong}"\n')
        with pytest.raises(InputError, match="pgpass"):
            load_track_record(path)
