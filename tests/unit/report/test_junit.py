"""junit.xml: the whole file, and that nothing inconclusive can look green."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from judged_runs import NAMES, expect, judged
from msgspec.structs import replace

from harness.model.verdict import Verdict
from harness.report.junit import render_junit
from harness.report.summary import Report

EXPECTED = Path(__file__).parent / "expected"


def read(report: Report) -> ET.Element:
    suite = ET.fromstring(render_junit(report)).find("testsuite")  # noqa: S314 - our own text
    assert suite is not None
    return suite


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_file(name: str) -> None:
    """Each judged run gives exactly the expected file."""
    expect(EXPECTED / f"{name}.junit.xml", render_junit(judged(name)))


def test_no_findings_are_an_error() -> None:
    """A run in which nothing was judged has one case, and it is red."""
    suite = read(judged("nothing"))
    assert suite.attrib["tests"] == "1"
    assert suite.attrib["errors"] == "1"
    assert suite.find("testcase/error") is not None


@pytest.mark.parametrize("name", NAMES)
def test_the_counts_are_the_cases(name: str) -> None:
    """A failure for each FAIL, an error for each INCONCLUSIVE, nothing for a PASS or skipped."""
    report = judged(name)
    suite = read(report)
    cases = suite.findall("testcase")
    assert suite.attrib["tests"] == str(len(cases))
    for kind, verdict in (("failure", Verdict.FAIL), ("error", Verdict.INCONCLUSIVE)):
        found = [case for case in cases if case.find(kind) is not None]
        assert suite.attrib[f"{kind}s"] == str(len(found))
        assert len(found) == len(report.of(verdict)) or name.endswith("nothing")
    assert suite.attrib["skipped"] == "0"
    assert not list(suite.iter("skipped"))


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.INCONCLUSIVE])
def test_the_run_is_never_greener_than_its_verdict(verdict: Verdict) -> None:
    """Where all findings pass but the run does not, a case of its own says so."""
    report = judged("passing")
    judgement = replace(report.judgement, verdict=verdict)
    suite = read(Report(judgement=judgement, run=report.run, plan=report.plan))
    kind = "failure" if verdict is Verdict.FAIL else "error"
    assert suite.attrib[f"{kind}s"] == "1"


def test_all_pass_is_green() -> None:
    """A run whose findings all pass has no failure and no error."""
    suite = read(judged("passing"))
    assert suite.attrib["failures"] == suite.attrib["errors"] == "0"
    assert suite.attrib["tests"] == "17"


def test_a_failure_says_what_to_do() -> None:
    """Since when, what was measured, which objects, the next command and the evidence."""
    failure = read(judged("failing")).find("testcase/failure")
    assert failure is not None
    assert failure.attrib["message"].startswith("sessions lost 2,210 of 9,876")
    assert failure.text is not None
    for part in ("since 2026-11-23", "lost: 2,210 records", "do: harness backup", "40-42"):
        assert part in failure.text


def test_any_text_is_valid_xml() -> None:
    """Control characters and markup of a server's message leave the file well-formed."""
    report = judged("failing")
    hostile = "<x a='1'> & ]]> \x00\x08\x1b \ud800 \ufffe"
    found = replace(
        report.judgement.findings[0], id=hostile, headline=hostile, detail=(hostile,), check=hostile
    )
    judgement = replace(report.judgement, findings=(found,))
    changed = Report(judgement=judgement, run=report.run, plan=report.plan)
    render_junit(changed).encode()
    assert "]]>" in read(changed).findall("testcase")[0].attrib["name"]
