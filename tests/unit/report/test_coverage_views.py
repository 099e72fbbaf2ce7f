"""Coverage as a table, a page and a picture: the whole output, and nothing that is not said."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from coverage_runs import (
    DAY,
    FAIL,
    INCONCLUSIVE,
    TARGETS,
    conformance_run,
    coverage,
    game_day_run,
    load_run,
    restore_run,
)
from judged_runs import expect

from harness.cli.coverage import command
from harness.errors import InputError
from harness.model.coverage import Coverage, NotCounted, RunNotCounted
from harness.report.coverage_page import render_page
from harness.report.coverage_picture import as_file, draw_coverage
from harness.report.coverage_table import render_coverage

EXPECTED = Path(__file__).parent / "expected"
TORN = RunNotCounted(
    run="20261101T040000Z-weekly-restore-test",
    why=NotCounted.UNREADABLE,
    detail="verdict.json: no such file",
    environment="test",
)
VIEWS: dict[str, Coverage] = {
    "of-nothing": coverage(),
    "passing": coverage(restore_run(), game_day_run(), load_run(), conformance_run()),
    "failing": coverage(
        restore_run(ago=9 * DAY),
        restore_run(FAIL, ago=2 * DAY),
        load_run(ago=timedelta(days=120)),
        conformance_run(INCONCLUSIVE),
        not_counted=[TORN],
    ),
}


@pytest.mark.parametrize("name", VIEWS)
def test_the_whole_table(name: str) -> None:
    expect(EXPECTED / f"coverage-{name}.txt", render_coverage(VIEWS[name]))


@pytest.mark.parametrize("name", VIEWS)
def test_the_whole_page(name: str) -> None:
    expect(EXPECTED / f"coverage-{name}.html", render_page(VIEWS[name], TARGETS))


@pytest.mark.parametrize("name", VIEWS)
def test_the_whole_picture(name: str) -> None:
    expect(EXPECTED / f"coverage-{name}.svg", as_file(draw_coverage(VIEWS[name], name="coverage")))


@pytest.mark.parametrize("name", VIEWS)
def test_the_picture_is_xml_and_says_what_it_shows(name: str) -> None:
    """A file of its own, and a text for those who do not see it (WAI-ARIA Graphics Module 1.0)."""
    root = ET.fromstring(as_file(draw_coverage(VIEWS[name], name="coverage")))  # noqa: S314 - our own
    assert root.get("role") == "img"
    assert any(child.tag.endswith("title") and child.text for child in root)


@pytest.mark.parametrize("name", ["of-nothing", "failing"])
def test_no_view_says_pass_of_what_was_not_proved(name: str) -> None:
    assert VIEWS[name].verdict.value != "PASS"
    assert not render_coverage(VIEWS[name]).startswith("PASS")


@pytest.mark.parametrize("option", ["--html", "--picture"])
def test_a_file_that_cannot_be_written_is_an_error_of_what_was_given(
    tmp_path: Path, option: str
) -> None:
    nowhere = tmp_path / "nowhere" / "coverage"
    arguments = ["-e", "lab", "--runs", str(tmp_path), option, str(nowhere)]
    done = CliRunner().invoke(command, arguments)
    assert isinstance(done.exception, InputError)
    assert str(nowhere) in str(done.exception)


def test_the_files_are_written(tmp_path: Path) -> None:
    page, picture = tmp_path / "coverage.html", tmp_path / "coverage.svg"
    arguments = ["-e", "lab", "--runs", str(tmp_path)]
    arguments += ["--html", str(page), "--picture", str(picture)]
    done = CliRunner().invoke(command, arguments, standalone_mode=False)
    assert done.return_value == 3, done.output
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert picture.read_text().startswith("<svg")
