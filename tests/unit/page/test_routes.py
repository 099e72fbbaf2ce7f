"""Every page: of nothing, of real runs, of torn and hostile ones; and what no address leads to."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import game_days as make
import judged_runs
import pytest
import sealed_runs
from msgspec.structs import replace
from page_client import Browser, page_of

from harness.cli.judging import report_of
from harness.errors import InputError
from harness.model.coverage import Coverage
from harness.model.target import RecoveryTime, Target
from harness.page import files, runs
from harness.report.html import render_html
from harness.store import RunDirectory

HOSTILE = '<script>alert("1")</script><img src=x onerror=alert(1)>'


def stored(folder: Path, name: str, run: str | None = None) -> RunDirectory:
    """A judged run of tests/histories, with its report."""
    record = judged_runs.judged(name).run
    path = folder / "runs" / (run or record.run)
    shutil.copytree(judged_runs.JUDGED / name, path)
    directory = RunDirectory(path)
    if run is not None:
        directory.write(directory.run_record, replace(record, run=run))
    directory.report.write_text(render_html(report_of(directory)), encoding="utf-8")
    directory.history.write_bytes(b"")
    return directory


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    return Browser(page_of(tmp_path, targets=(make.RTO_TARGET, make.RPO_TARGET))).signed_in()


def test_of_nothing_it_says_that_nothing_is_shown(browser: Browser) -> None:
    """No run is no pass, on any page."""
    assert "Nothing is shown to be met" in browser.get("/").text
    assert "No run is going on" in browser.get("/live").text
    targets = browser.get("/targets").text
    assert "no run" in targets
    assert "no environment: no run is stored" in targets
    assert "Nothing is proved" in browser.get("/coverage").text
    one = browser.get(f"/targets/{make.RTO_TARGET.id}").text
    assert "No stored run says anything of it" in one
    for text in (targets, one):
        assert "PASS" not in text


@pytest.mark.parametrize("name", ["nothing", "passing", "failing", "censored", "game-day"])
def test_a_run_says_what_its_report_says(tmp_path: Path, browser: Browser, name: str) -> None:
    """Its verdict, its sentence, its findings: those that failed before those that passed."""
    run = stored(tmp_path, name)
    answer = browser.get(f"/runs/{run.path.name}")
    assert answer.status_code == 200
    report = report_of(run)
    text = answer.text
    assert f"{report.judgement.verdict}</span><h1>" in text
    order = [
        text.find(f'<h2 id="{section}">')
        for section in ("failed", "inconclusive", "promises", "passed", "limits", "seal", "files")
    ]
    there = [place for place in order if place >= 0]
    assert there == sorted(there)
    assert (order[0] >= 0) is any(one.verdict == "FAIL" for one in report.judgement.findings)
    assert run.path.name in browser.get("/").text


def test_runs_are_chosen_by_suite_environment_and_verdict(tmp_path: Path, browser: Browser) -> None:
    """All together; a choice that nothing meets says so."""
    failing = stored(tmp_path, "failing").path.name
    day = stored(tmp_path, "game-day").path.name
    passing = stored(tmp_path, "passing", "20261201T000000Z-weekly-restore-demo").path.name

    def shown(query: str) -> set[str]:
        text = browser.get(f"/?{query}").text
        return {name for name in (failing, day, passing) if f"/runs/{name}" in text}

    assert shown("") == {failing, day, passing}
    assert shown("suite=game-day") == {day}
    assert shown("environment=demo&verdict=PASS") == {passing}
    assert shown(f"before={passing}") == {failing, day}
    assert "None of 3 runs is so" in browser.get("/?suite=<b>").text


def test_torn_files_are_said_and_hide_no_other_run(tmp_path: Path, browser: Browser) -> None:
    """The list goes on; the run's page says which file, and gives the files out."""
    stored(tmp_path, "passing")
    torn = stored(tmp_path, "failing", "20261202T000000Z-weekly-restore-demo")
    torn.verdict.write_bytes(torn.verdict.read_bytes()[:100])
    cut = stored(tmp_path, "failing", "20261203T000000Z-weekly-restore-demo")
    cut.run_record.write_bytes(b"{")
    text = browser.get("/").text
    assert text.count(">unreadable<") == 2
    assert "All 9 targets were met" in text
    for run, file in ((torn, "verdict.json"), (cut, "run.json")):
        page = browser.get(f"/runs/{run.path.name}")
        assert page.status_code == 200
        assert "This run cannot be read" in page.text
        assert file in page.text
        assert browser.get(f"/runs/{run.path.name}/files/{file}").status_code == 200
    torn_notes = stored(tmp_path, "passing", "20261204T000000Z-weekly-restore-demo")
    torn_notes.notes.write_bytes(b"{\n{}\n")
    assert "notes.jsonl" in browser.get(f"/runs/{torn_notes.path.name}").text


def test_a_run_that_changes_is_read_again(tmp_path: Path, browser: Browser) -> None:
    """What was read once is not believed for ever."""
    run = stored(tmp_path, "failing")
    assert "3 of 9 targets failed" in browser.get("/").text
    shutil.copyfile(judged_runs.JUDGED / "nothing" / "verdict.json", run.verdict)
    assert "3 of 9 targets failed" not in browser.get("/").text
    shutil.rmtree(run.path)
    assert "No run is stored" in browser.get("/").text


def test_what_comes_from_outside_is_never_markup(tmp_path: Path, browser: Browser) -> None:
    """A finding, a file's name, a setting: all of it text."""
    run = stored(tmp_path, "failing")
    judgement = run.read_judgement()
    finding = replace(
        judgement.findings[0], headline=HOSTILE, detail=(HOSTILE,), advice=HOSTILE, subject=HOSTILE
    )
    run.write(run.verdict, replace(judgement, findings=(finding, *judgement.findings[1:])))
    run.write(run.run_record, replace(run.read_run_record(), user=HOSTILE, host="\u202eevil"))
    run.artefacts.mkdir()
    (run.artefacts / "<script>.log").write_text(HOSTILE, encoding="utf-8")
    for path in ("/", f"/runs/{run.path.name}", "/targets", f"/targets/{make.RTO_TARGET.id}"):
        text = browser.get(path).text
        assert "<script>alert" not in text
        assert "<img" not in text
        assert "\u202e" not in text
    page = browser.get(f"/runs/{run.path.name}").text
    assert "&lt;script&gt;alert" in page
    assert "artefacts/%3Cscript%3E.log" in page
    log = browser.get(f"/runs/{run.path.name}/files/artefacts/%3Cscript%3E.log")
    assert log.text == HOSTILE
    assert log.headers["content-type"] == "text/plain; charset=utf-8"
    assert "sandbox" in log.headers["content-security-policy"]
    assert log.headers["x-content-type-options"] == "nosniff"


TRAVERSALS = (
    "../secret",
    "..%2fsecret",
    "%2e%2e/secret",
    "%2e%2e%2fsecret",
    "artefacts/../../secret",
    "artefacts%2f..%2f..%2fsecret",
    "..%5csecret",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "run.json%00.txt",
    "./run.json",
    "artefacts//run.json",
    "link",
    "linked/secret",
    "artefacts",
    "",
)


@pytest.mark.parametrize("name", TRAVERSALS)
def test_no_name_leads_out_of_a_run(tmp_path: Path, browser: Browser, name: str) -> None:
    """Names are looked up in the listing; links are not in it."""
    run = stored(tmp_path, "failing")
    run.artefacts.mkdir()
    (tmp_path / "runs" / "secret").write_text("secret", encoding="ascii")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret", encoding="ascii")
    (run.path / "link").symlink_to(tmp_path / "runs" / "secret")
    (run.path / "linked").symlink_to(tmp_path / "outside")
    for path in (f"/runs/{run.path.name}/files/{name}", f"/runs/{name}", f"/runs/{name}/seal"):
        status, content = browser.raw(path)
        assert status == 404, path
        assert content != b"secret"
        assert b"root:" not in content
    assert browser.raw(f"/runs/{run.path.name}/files/run.json")[0] == 200


@pytest.mark.parametrize("name", ["latest", "calibrations", ".sealing", "..", ".", "elsewhere"])
def test_only_directories_of_runs_are_runs(tmp_path: Path, browser: Browser, name: str) -> None:
    """No link, be it to a run; no folder beside the runs."""
    run = stored(tmp_path, "failing")
    folder = tmp_path / "runs"
    (folder / "latest").symlink_to(run.path.name)
    (folder / ".sealing").write_bytes(b"")
    shutil.copytree(run.path, folder / "calibrations")
    shutil.copytree(run.path, tmp_path / "elsewhere-run")
    (folder / "elsewhere").symlink_to(tmp_path / "elsewhere-run")
    assert browser.raw(f"/runs/{name}")[0] == 404
    assert "1 run, the newest first" in browser.get("/").text


def test_a_link_that_replaced_a_listed_file_is_not_followed(
    tmp_path: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the listing and the opening."""
    run = stored(tmp_path, "failing")
    (tmp_path / "secret").write_text("secret", encoding="ascii")
    found = files.find(run.path, "run.json")
    assert found is not None
    run.run_record.unlink()
    run.run_record.symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match=r"loop|symbolic"):
        files.response(run.path, found, keep=False)
    monkeypatch.setattr(files, "find", lambda _run, _name: found)
    assert browser.get(f"/runs/{run.path.name}/files/run.json").status_code == 404


def test_files_are_given_as_text_or_to_keep(tmp_path: Path, browser: Browser) -> None:
    """Only the report is a page, and it may do nothing."""
    run = stored(tmp_path, "failing")
    run.artefacts.mkdir()
    for name, content in (
        ("x.html", b"<b>"),
        ("x.svg", b"<svg/>"),
        ("x.bin", b"\0"),
        ("x.js", b"1"),
    ):
        (run.artefacts / name).write_bytes(content)
        answer = browser.get(f"/runs/{run.path.name}/files/artefacts/{name}")
        assert answer.content == content
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"].startswith("attachment")
    report = browser.get(f"/runs/{run.path.name}/files/report.html")
    assert report.headers["content-type"] == "text/html; charset=utf-8"
    policy = report.headers["content-security-policy"]
    assert "sandbox" in policy
    assert "allow" not in policy
    assert "script-src" not in policy
    assert report.content == run.report.read_bytes()
    kept = browser.get(f"/runs/{run.path.name}/files/report.html?keep")
    assert kept.headers["content-disposition"].startswith("attachment")


def test_a_large_text_is_given_to_keep(
    tmp_path: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And only as much of it as there was when it was asked for."""
    run = stored(tmp_path, "failing")
    monkeypatch.setattr(files, "MOST_SHOWN_BYTES", 10)
    answer = browser.get(f"/runs/{run.path.name}/files/verdict.json")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.content == run.verdict.read_bytes()


def test_a_huge_verdict_is_not_read(
    tmp_path: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said instead."""
    stored(tmp_path, "failing")
    monkeypatch.setattr(runs, "MOST_BYTES", 10_000)
    assert "expected 10,000 at most" in browser.get("/").text


def test_the_listing_of_files_is_bounded(
    tmp_path: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not listed can be asked for by its name."""
    run = stored(tmp_path, "failing")
    monkeypatch.setattr(files, "MOST_LISTED", 2)
    assert "The first 2 files" in browser.get(f"/runs/{run.path.name}").text
    assert browser.get(f"/runs/{run.path.name}/files/verdict.json").status_code == 200


def test_a_fifo_is_no_file(tmp_path: Path, browser: Browser) -> None:
    """Opening one would wait for ever."""
    run = stored(tmp_path, "failing")
    os.mkfifo(run.path / "pipe.txt")
    assert browser.get(f"/runs/{run.path.name}/files/pipe.txt").status_code == 404


def test_the_seal_is_verified_when_asked(tmp_path: Path) -> None:
    """Intact, broken, of another key; without a key it is only said what to type."""
    keys = tmp_path / "keys"
    keys.mkdir()
    pair, other = sealed_runs.KeyPair(keys), sealed_runs.KeyPair(keys, "other.pem")
    run = sealed_runs.sealed_weeks(tmp_path / "runs", pair, 1)[0]
    bare = sealed_runs.make_run(tmp_path / "runs", 1)
    without = Browser(page_of(tmp_path)).signed_in()
    page = without.get(f"/runs/{run.path.name}").text
    assert f"harness verify {run.path.name} --key" in page
    assert "The seal says: verdict PASS" in page
    assert without.get(f"/runs/{run.path.name}/seal").status_code == 404
    assert "It is not sealed" in without.get(f"/runs/{bare.path.name}").text
    browser = Browser(page_of(tmp_path, keys=[pair.public])).signed_in()
    assert "INTACT" in browser.get(f"/runs/{run.path.name}/seal").text
    assert "is not sealed" in browser.get(f"/runs/{bare.path.name}/seal").text
    stranger = Browser(page_of(tmp_path, keys=[other.public])).signed_in()
    assert "BROKEN" in stranger.get(f"/runs/{run.path.name}/seal").text
    with run.history.open("ab") as file:
        file.write(b"\n")
    broken = browser.get(f"/runs/{run.path.name}/seal").text
    assert "BROKEN" in broken
    assert "history.jsonl" in broken
    (run.path / "statement.dsse.json").write_bytes(b"{")
    assert "it cannot be read" in browser.get(f"/runs/{run.path.name}").text


def test_a_targets_page_has_each_run_in_the_order_of_time(tmp_path: Path) -> None:
    """With what it measured, and what was promised then where that was otherwise."""
    newer = "20261201T000000Z-weekly-restore-demo"
    stored(tmp_path, "failing")
    stored(tmp_path, "passing", newer)
    targets = report_of(RunDirectory(tmp_path / "runs" / newer)).plan.targets
    rto = next(one for one in targets if isinstance(one.objective, RecoveryTime))
    assert isinstance(rto.objective, RecoveryTime)
    browser = Browser(page_of(tmp_path, targets=targets)).signed_in()
    text = browser.get(f"/targets/{rto.id}").text
    older = judged_runs.judged("failing").run.run
    assert 0 < text.index(f"/runs/{newer}") < text.index(f"/runs/{older}")
    assert "RTA" in text
    assert "the same" in text
    # The trend is drawn, without anything inline that the page forbids.
    assert '<h2 id="trend">' in text
    drawn = text.partition('<h2 id="trend">')[2].partition("</section>")[0]
    assert drawn.count("<svg") >= 1
    assert "style=" not in drawn
    assert "<style" not in drawn
    changed = replace(rto, objective=replace(rto.objective, at_most=rto.objective.at_most * 2))
    other = Browser(page_of(tmp_path, targets=(changed,))).signed_in()
    assert "<b>RTO" in other.get(f"/targets/{rto.id}").text
    assert browser.get("/targets/none").status_code == 404


def test_a_wrong_input_file_is_said_with_what_to_type(tmp_path: Path) -> None:
    """The server lives on."""

    def fails(_environments: Sequence[str]) -> tuple[Coverage, Sequence[Target]]:
        raise InputError("suites/x.yaml: torn", hint="harness targets check")

    page = page_of(tmp_path)
    page.shelf = dataclasses.replace(page.shelf, cover=fails)
    browser = Browser(page).signed_in()
    answer = browser.get("/coverage")
    assert answer.status_code == 500
    assert "suites/x.yaml: torn" in answer.text
    assert "harness targets check" in answer.text
    assert browser.get("/").status_code == 200


def test_nothing_of_ours_is_inline(tmp_path: Path, browser: Browser) -> None:
    """The policy would block it; so no page may need it."""
    run = stored(tmp_path, "failing")
    for path in ("/", f"/runs/{run.path.name}", "/live", "/targets", "/coverage", "/sign-in"):
        text = browser.get(path).text
        assert " style=" not in text, path
        assert "<style" not in text, path
        assert " on" + "click" not in text
        assert "<script>" not in text


@pytest.mark.parametrize("name", ["page.css", "page.js", "icon.svg", "report.css", "coverage.css"])
def test_what_pages_need_is_served_from_here(browser: Browser, name: str) -> None:
    """And nothing else of the package is."""
    assert browser.get(f"/static/{name}").status_code == 200
    for other in ("app.py", "../app.py", "%2e%2e%2fapp.py", "layout.html.j2"):
        assert browser.raw(f"/static/{other}")[0] == 404


def test_unknown_pages_are_told_as_pages(browser: Browser) -> None:
    """And one that is asked for in a wrong way."""
    assert "there is no such page" in browser.get("/none").text
    assert browser.post("/coverage", {"form_token": "x"}).status_code in {403, 405}


def test_every_table_says_what_it_is(tmp_path: Path, browser: Browser) -> None:
    """A caption, and the scope of each head; one h1, landmarks, a skip link, a language."""
    run = stored(tmp_path, "failing")
    for path in ("/", f"/runs/{run.path.name}", "/targets", f"/targets/{make.RTO_TARGET.id}"):
        text = browser.get(path).text
        assert text.count("<table") == text.count("<caption"), path
        assert "<th>" not in text
        assert text.count("<h1") == 1
        assert '<html lang="en">' in text
        assert '<main id="main"' in text
        assert '<a class="skip" href="#main">' in text
        assert "<title>" in text


def test_json_of_a_run_is_what_it_is(tmp_path: Path, browser: Browser) -> None:
    """Byte for byte."""
    run = stored(tmp_path, "passing")
    got = browser.get(f"/runs/{run.path.name}/files/run.json").content
    assert got == run.run_record.read_bytes()
