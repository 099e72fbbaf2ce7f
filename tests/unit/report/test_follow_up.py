"""What is followed up: summary.md, actions.csv, controls.csv, OSCAL, and their sections."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from followed_up import followed_up
from hypothesis import given
from hypothesis import strategies as st
from judged_runs import NAMES, expect, judged
from msgspec.structs import replace
from trestle.oscal.assessment_results import AssessmentResults

from harness.model.action import State
from harness.model.compliance import Support
from harness.model.verdict import Verdict
from harness.report.actions_screen import render_actions_screen
from harness.report.actions_table import read_actions, render_actions
from harness.report.controls_screen import render_controls_screen
from harness.report.controls_table import render_controls
from harness.report.csv_table import read_csv, write_csv
from harness.report.html import render_html
from harness.report.merge_request import render_summary, text
from harness.report.oscal import render_assessment_results

EXPECTED = Path(__file__).parent / "expected"


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_summary(name: str) -> None:
    expect(EXPECTED / f"{name}.md", render_summary(followed_up(name)))


@pytest.mark.parametrize("name", ["nothing", "failing", "passing"])
def test_the_whole_page_and_screens(name: str) -> None:
    report = followed_up(name)
    expect(EXPECTED / f"followed-up-{name}.html", render_html(report))
    expect(
        EXPECTED / f"followed-up-{name}.actions.txt", render_actions_screen(report.actions or ())
    )
    runs = [report.run.run]
    expect(
        EXPECTED / f"followed-up-{name}.controls.txt", render_controls_screen(report.controls, runs)
    )
    expect(EXPECTED / f"followed-up-{name}.actions.csv", render_actions(report.actions or ()))
    expect(EXPECTED / f"followed-up-{name}.controls.csv", render_controls(report.controls))


def test_a_run_of_nothing_supports_nothing_and_says_so() -> None:
    report = followed_up("nothing")
    assert {one.support for one in report.controls} == {Support.NOTHING, Support.INCONCLUSIVE}
    shown = render_summary(report)
    assert "supports 0" in shown
    assert "No finding passed." in shown
    assert "no run" in render_controls_screen(report.controls, [])
    assert render_actions_screen(()) == "no action is open\n"


def test_notes_are_text_and_unproved_names_are_told_so() -> None:
    page = render_html(followed_up("failing"))
    section = page.partition('id="notes"')[2].partition("</section>")[0]
    assert "the shop is slow" in section
    assert "&lt;script&gt;1&lt;/script&gt;" in section
    assert section.count("as typed") == 1
    assert 'id="notes"' not in render_html(judged("failing"))


def test_what_was_open_before_is_overdue_and_first() -> None:
    report = followed_up("failing")
    assert report.actions
    assert report.actions[0].state is State.OVERDUE
    assert report.actions[-1].state is State.ACCEPTED
    assert "1 overdue" in render_summary(report)


@pytest.mark.parametrize("name", NAMES)
def test_actions_are_read_as_they_were_written(name: str) -> None:
    """Which is how they are carried over; text from outside is on one line by then."""
    written = render_actions(followed_up(name).actions or ())
    assert render_actions(read_actions(written)) == written
    assert len(read_actions(written)) == len(followed_up(name).actions or ())


@pytest.mark.parametrize(
    "damage",
    [
        lambda given: given.replace("id,state", "id,status", 1),
        lambda given: given.replace("overdue", "elsewhere", 1),
        lambda given: given.replace("2026-09-01", "yesterday", 1),
        lambda given: given + "A-1,new\r\n",
        lambda given: given + '"',
        lambda _: "",
    ],
)
def test_a_file_that_holds_no_actions_is_refused(damage: Callable[[str], str]) -> None:
    with pytest.raises(ValueError, match="."):
        read_actions(damage(render_actions(followed_up("failing").actions or ())))


def test_a_spreadsheet_takes_no_field_for_a_formula() -> None:
    rows = [["=1+1", "+1", "-1", "@x", "'=1", 'a "b", c', "line\r\nline", "\t=1"]]
    written = write_csv(list("abcdefgh"), rows)
    (_, row) = csv.reader(io.StringIO(written, newline=""))
    assert not [field for field in row if field.startswith(("=", "+", "-", "@", "\t", "\r"))]
    (again,) = read_csv(written, list("abcdefgh"))
    assert list(again.values()) == [*rows[0][:6], "line line", " =1"]


@given(st.lists(st.text(), min_size=2, max_size=2))
def test_a_row_comes_back_as_it_was_but_for_what_cannot_be_printed(fields: list[str]) -> None:
    once = write_csv(["a", "b"], [fields])
    (row,) = read_csv(once, ["a", "b"])
    assert write_csv(["a", "b"], [list(row.values())]) == once


@pytest.mark.parametrize(
    "hostile",
    [
        "[click](https://example.com)",
        "@everyone",
        "#1 | x",
        "<img src=x>",
        "`code` **bold** ~~gone~~",
        "line\n# heading",
        "https://example.com",
    ],
)
def test_text_from_outside_is_text_in_a_summary(hostile: str) -> None:
    """No link, no mention, no cell and no heading of its own."""
    shown = text(hostile)
    assert "\n" not in shown
    for meaning in ("](", "@", "#1", "# h", "<img", "://", "**", "~~"):
        assert meaning not in shown
    assert "|" not in shown.replace("\\|", "")


def test_a_long_run_gives_a_short_summary() -> None:
    report = judged("failing")
    many = tuple(
        replace(one, id=f"{one.id}/{n}", headline="x" * 1000)
        for n in range(500)
        for one in report.judgement.findings
    )
    long = dataclasses.replace(report, judgement=replace(report.judgement, findings=many))
    shown = render_summary(long)
    assert len(shown) < 65_536  # the shortest limit of a comment: GitHub's
    assert "more: report.html" in shown


@pytest.mark.parametrize("name", ["failing", "passing"])
def test_assessment_results_are_valid_oscal(name: str) -> None:
    """By the models that trestle has generated from NIST's own schemas."""
    written = render_assessment_results(followed_up(name))
    assert written is not None
    assert written == render_assessment_results(followed_up(name))
    expect(EXPECTED / f"followed-up-{name}.oscal.json", written)
    content = json.loads(written)["assessment-results"]
    results = AssessmentResults.parse_obj(content)
    states = {
        one["target"]["target-id"]: one["target"]["status"]["state"]
        for one in content["results"][0]["findings"]
    }
    assert len(results.results[0].findings or ()) == len(states)
    # What the run says nothing of has no finding: neither satisfied nor not.
    assert "CP-04_01" not in states
    assert states["CP-10"] == "not-satisfied"
    assert states["CP-09_01__02"] == ("not-satisfied" if name == "failing" else "satisfied")


def test_where_nothing_is_said_there_are_no_results() -> None:
    assert render_assessment_results(followed_up("nothing")) is None
    assert render_assessment_results(judged("passing")) is None


@pytest.mark.parametrize("spoil", ["uuid", "import-ap", "results"])
def test_the_validator_would_notice(spoil: str) -> None:
    """A file without what OSCAL demands is refused: the test above can fail."""
    written = render_assessment_results(followed_up("passing"))
    assert written is not None
    content = json.loads(written)["assessment-results"]
    del content[spoil]
    with pytest.raises(ValueError, match="."):
        AssessmentResults.parse_obj(content)


def test_never_the_word_compliant() -> None:
    for name in NAMES:
        report = followed_up(name)
        for shown in (
            render_html(report),
            render_summary(report),
            render_controls(report.controls),
            render_assessment_results(report) or "",
        ):
            assert "compliant" not in shown.lower()


def test_a_practice_run_supports_nothing() -> None:
    report = judged("passing")
    assert report.run.practice
    assert "says nothing of a real one" in render_summary(report)
    assert Verdict.PASS in {one.verdict for one in report.judgement.findings}
