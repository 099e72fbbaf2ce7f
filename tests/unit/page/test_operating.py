"""The two things that the page may do: take a note, and abort the drill; each asked for rightly."""

from __future__ import annotations

from pathlib import Path

import pytest
import sealed_runs
from drill_process import DrillProcess
from page_client import Browser, page_of

from harness.faults import drill_lock
from harness.model.note import SignedIn
from harness.store import RunDirectory

HOSTILE = "<script>alert(1)</script> & \u202eso"


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return sealed_runs.make_run(tmp_path / "runs", ended=False)


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    return Browser(page_of(tmp_path, operate=True)).signed_in()


def note_fields(browser: Browser, run: str, text: str = "seen", who: str = "Ada") -> dict[str, str]:
    return {"form_token": browser.form_token(), "run": run, "who": who, "text": text}


def test_a_note_is_written_and_shown_as_text(browser: Browser, run: RunDirectory) -> None:
    """On the live page and on the run's, whatever it holds."""
    answer = browser.post("/live/notes", note_fields(browser, run.path.name, HOSTILE))
    assert answer.status_code == 303
    assert answer.headers["location"] == "/live#notes"
    (note,) = run.read_notes()
    assert (note.text, note.who, note.signed_in) == (HOSTILE, "Ada", SignedIn.TOKEN)
    for path in ("/live", f"/runs/{run.path.name}"):
        text = browser.get(path).text
        assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; \ufffdso" in text
        assert "<script>alert" not in text
        assert "Ada" in text


@pytest.mark.parametrize(
    ("text", "who"), [("", "Ada"), ("  ", "Ada"), ("x", ""), ("x" * 3000, "A")]
)
def test_a_note_that_says_nothing_or_too_much_is_refused(
    browser: Browser, run: RunDirectory, text: str, who: str
) -> None:
    """And told why."""
    answer = browser.post("/live/notes", note_fields(browser, run.path.name, text, who))
    assert answer.status_code == 400
    assert "expected 1 to" in answer.text
    assert run.read_notes() == ()


def test_a_note_of_a_run_that_ended_or_is_none_is_refused(tmp_path: Path, browser: Browser) -> None:
    """It is meant for the run that its form was of."""
    ended = sealed_runs.make_run(tmp_path / "runs")
    answer = browser.post("/live/notes", note_fields(browser, ended.path.name))
    assert answer.status_code == 409
    assert "is over" in answer.text
    for name in ("none", "../runs", "latest", ""):
        assert browser.post("/live/notes", note_fields(browser, name)).status_code == 404
    assert ended.read_notes() == ()


def test_the_proxys_name_is_the_notes_whatever_was_typed(tmp_path: Path, run: RunDirectory) -> None:
    """Nobody writes as somebody else."""
    page = page_of(tmp_path, operate=True, proxy_header="X-User")
    browser = Browser(page, headers={"x-user": "grace"})
    token = page.sessions.visitor("grace", "grace").form_token
    fields = {"form_token": token, "run": run.path.name, "who": "Ada", "text": "x"}
    assert browser.post("/live/notes", fields).status_code == 303
    (note,) = run.read_notes()
    assert (note.who, note.signed_in) == ("grace", SignedIn.PROXY)


def test_without_leave_nothing_can_be_done(tmp_path: Path, run: RunDirectory) -> None:
    """No form is shown, none is taken, and no drill is asked."""
    browser = Browser(page_of(tmp_path)).signed_in()
    page = browser.get("/live").text
    assert 'action="/live/notes"' not in page
    assert 'action="/live/abort"' not in page
    assert "harness serve --operate" in page
    assert browser.get("/live/abort").status_code == 403
    with DrillProcess(tmp_path / "state", "answers", run.path.name) as drill:
        fields = {**note_fields(browser, run.path.name), "environment": "staging"}
        assert browser.post("/live/abort", fields).status_code == 403
        assert browser.post("/live/notes", fields).status_code == 403
        assert drill.poll() is None
    assert run.read_notes() == ()


def test_no_drill_cannot_be_aborted(browser: Browser) -> None:
    """Both times that it is asked."""
    assert "No drill is going on" in browser.get("/live/abort").text
    fields = {"form_token": browser.form_token(), "run": "x", "environment": "staging"}
    answer = browser.post("/live/abort", fields)
    assert answer.status_code == 409
    assert "harness recover" in answer.text


def test_an_abort_is_asked_twice_and_then_done(
    tmp_path: Path, browser: Browser, run: RunDirectory
) -> None:
    """By the name of the environment; a GET, another name, another run stop nothing."""
    with DrillProcess(tmp_path / "state", "answers", run.path.name) as drill:
        question = browser.get("/live/abort")
        assert f"Abort {run.path.name}?" in question.text
        fields = {"form_token": browser.form_token(), "run": run.path.name}
        for typed in ("", "stagin", "STAGING", "production", run.path.name):
            answer = browser.post("/live/abort", {**fields, "environment": typed})
            assert answer.status_code == 400
            assert "Not aborted" in answer.text
        other = {**fields, "run": "run-0", "environment": "staging"}
        assert browser.post("/live/abort", other).status_code == 409
        assert drill.poll() is None
        done = browser.post("/live/abort", {**fields, "environment": " staging "})
        assert done.status_code == 200
        assert "power cut of worker-2" in done.text
        assert drill.wait(10) == 143
    assert [note.text for note in run.read_notes()] == ["aborted from the page"]
    assert drill_lock.current(tmp_path / "state") is None


def test_a_drill_that_does_not_answer_is_told(
    tmp_path: Path, browser: Browser, run: RunDirectory
) -> None:
    """By its process, as `harness abort` tells it."""
    with DrillProcess(tmp_path / "state", "hangs", run.path.name) as drill:
        fields = {
            "form_token": browser.form_token(),
            "run": run.path.name,
            "environment": "staging",
        }
        answer = browser.post("/live/abort", fields)
        assert answer.status_code == 409
        assert f"process {drill.pid}" in answer.text
    assert run.read_notes() == ()
