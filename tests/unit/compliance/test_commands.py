"""`harness controls` and `harness actions` over stored runs, and their exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace
from sealed_runs import KeyPair, make_run

from harness.cli.judging import render_run
from harness.cli.main import main
from harness.follow_up import read_follow_up
from harness.model.judgement import Judgement
from harness.model.verdict import Finding, Verdict, merge
from harness.store import RunDirectory

ROOT = Path(__file__).parents[3]
NIST = ("--framework", "nist-800-53")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with controls and targets, in which the commands are typed."""
    for name in ("controls", "targets"):
        shutil.copytree(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ended(project: Path, week: int, *findings: Finding) -> RunDirectory:
    """The run of a week with these findings, rendered as `harness run` does."""
    run = make_run(project / "runs", week)
    judgement = Judgement(
        format=1,
        suite="weekly-restore",
        environment="test",
        verdict=merge(one.verdict for one in findings),
        findings=findings,
        restores=(),
        predictions=(),
    )
    run.write(run.verdict, judgement)
    render_run(run, read_follow_up())
    return run


def found(check: str, verdict: Verdict) -> Finding:
    return Finding(
        id=f"{check}/latest-backup/orders",
        check=check,
        target=None,
        subject="orders",
        scenario="latest-backup",
        verdict=verdict,
        headline=f"{check} of orders",
        advice="look",
    )


def test_of_no_run_nothing_is_said(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del project
    assert main(["controls"]) == 3
    assert "no run, " in capsys.readouterr().out
    assert main(["actions", "list"]) == 3


def test_a_failed_run_contradicts(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ended(project, 0, found("integrity", Verdict.FAIL))
    assert main(["controls", *NIST]) == 1
    shown = capsys.readouterr().out
    assert "contradicts\nnist-800-53 CP-04(04)" not in shown  # whole-loss was not tried
    assert "nist-800-53 CP-09(01)[02]" in shown.partition("contradicts\n")[2].partition("cannot")[0]


def test_the_newest_run_decides_and_an_older_one_can_be_asked(project: Path) -> None:
    first = ended(project, 0, found("integrity", Verdict.FAIL))
    ended(project, 1, found("integrity", Verdict.PASS))
    assert main(["controls", *NIST]) == 3
    assert main(["controls", first.path.name, *NIST]) == 1
    assert main(["controls", "-e", "elsewhere", *NIST]) == 3


def test_a_seal_is_evidence_from_when_it_is_there(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ended(project, 0, found("integrity", Verdict.PASS))
    states = []
    for _ in range(2):
        main(["controls", *NIST, "--json"])
        rows = json.loads(capsys.readouterr().out)
        states.append({one["objective"]: one["support"] for one in rows}["AU-09(03)"])
        if len(states) == 1:
            KeyPair(project).seal(run)
    assert states == ["says nothing", "supports"]


def test_what_is_printed_as_csv_is_what_lies_in_the_run(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ended(project, 0, found("restore", Verdict.PASS))
    capsys.readouterr()
    main(["controls", run.path.name, "--csv"])
    assert capsys.readouterr().out.replace("\r\n", "\n") == run.controls.read_text()


def test_a_framework_that_is_none_and_a_wrong_file_are_refused(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["controls", "--framework", "nist"]) == 2
    assert "expected one of dora" in capsys.readouterr().err
    (project / "controls" / "dora.yaml").write_text("framework: dora\n")
    assert main(["controls"]) == 2
    assert "controls/dora.yaml" in capsys.readouterr().err


def test_actions_are_assigned_carried_over_and_closed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the first failure to the PASS, as people would do it."""
    ended(project, 0, found("integrity", Verdict.FAIL))
    assert main(["actions", "list"]) == 0
    shown = capsys.readouterr().out
    assert "1 without an owner" in shown
    (key,) = [word for word in shown.split() if word.startswith("A-")]
    assert main(["actions", "assign", key, "--owner", "Ada", "--due", "2026-11-05"]) == 0
    assert "owner: Ada" in (project / "actions.yaml").read_text()
    carried = ended(project, 1, found("integrity", Verdict.INCONCLUSIVE))
    assert f"{key},overdue,Ada,2026-11-05" in carried.actions.read_text()
    assert main(["actions", "list"]) == 1
    later = ("--due", "2999-01-01", "--accept", "it moves")
    assert main(["actions", "assign", key, "--owner", "Ada", *later]) == 0
    assert main(["actions", "list"]) == 0
    closed = ended(project, 2, found("integrity", Verdict.PASS))
    assert f"{key},closed,Ada" in closed.actions.read_text()
    assert "**Actions**: 1 closed" in closed.summary.read_text()
    capsys.readouterr()
    assert main(["actions", "list"]) == 0
    assert capsys.readouterr().out == "no action is open\n"


def test_an_action_that_is_not_open_cannot_be_assigned(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended(project, 0, found("integrity", Verdict.PASS))
    assert main(["actions", "assign", "A-00000000", "--owner", "Ada", "--due", "2026-12-01"]) == 2
    assert "harness actions list" in capsys.readouterr().err
    assert not (project / "actions.yaml").exists()


def test_a_run_without_actions_between_is_passed_over(project: Path) -> None:
    """One that was killed left none: those of before are carried over it."""
    first = ended(project, 0, found("integrity", Verdict.FAIL))
    make_run(project / "runs", 1, ended=False)
    third = ended(project, 2, found("integrity", Verdict.FAIL))
    assert f",{first.path.name}," in third.actions.read_text()


def test_actions_that_cannot_be_read_do_not_keep_a_run_from_its_report(project: Path) -> None:
    """It says that they are missing: a report that left them out silently would close them."""
    first = ended(project, 0, found("integrity", Verdict.FAIL))
    first.actions.write_text("id,what\n")
    second = ended(project, 1, found("integrity", Verdict.PASS))
    page = second.report.read_text()
    assert "Actions of earlier runs are missing, as they could not be read" in page
    assert replace(second.read_judgement()).verdict is Verdict.PASS
