"""Renders junit.xml for CI servers: one test case for each finding. Pure.

FAIL is a `<failure>`. INCONCLUSIVE is an `<error>`, not a `<skipped>`: GitLab and Jenkins show a
suite of skipped cases as green, and what was not shown to hold must not look as if it held. JUnit's
own meaning of an error, "the test could not be carried out", is what INCONCLUSIVE says. For the
same reason a run without findings has one case, with an error: no data is no success.

The elements and attributes are those that both read: the Ant JUnit schema as documented for
Jenkins' JUnit plugin and GitLab's "unit test reports".
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC
from xml.etree import ElementTree as ET

from harness.model.verdict import Finding, Verdict, merge
from harness.report.summary import Report, headline
from harness.report.wording import evidence, measure, printable, when


def render_junit(report: Report) -> str:
    """The whole file; equal input gives equal text."""
    judgement, run = report.judgement, report.run
    cases = [_case(report, found) for found in judgement.findings]
    if judgement.verdict is not merge(found.verdict for found in judgement.findings) or not cases:
        cases.append(_whole(report))
    suite = ET.Element(
        "testsuite",
        {
            "name": printable(f"{judgement.suite} on {judgement.environment}"),
            "tests": str(len(cases)),
            "failures": str(_count(cases, "failure")),
            "errors": str(_count(cases, "error")),
            "skipped": "0",
            "timestamp": run.started.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
            "hostname": printable(run.host),
        },
    )
    if run.ended is not None:
        suite.set("time", f"{(run.ended - run.started).total_seconds():.3f}")
    properties = ET.SubElement(suite, "properties")
    known = {"run": run.run, "seed": str(run.seed), "git": run.git_head or "none"}
    for name, value in known.items():
        ET.SubElement(properties, "property", name=name, value=printable(value))
    suite.extend(cases)
    totals = {key: suite.attrib[key] for key in ("tests", "failures", "errors")}
    root = ET.Element("testsuites", {"name": "harness", **totals})
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _count(cases: Iterable[ET.Element], kind: str) -> int:
    return sum(case.find(kind) is not None for case in cases)


def _case(report: Report, found: Finding) -> ET.Element:
    case = ET.Element(
        "testcase",
        {
            # Jenkins takes what is before the last dot for a package, and groups by it.
            "classname": printable(f"{report.judgement.environment}.{found.check}"),
            "name": printable(found.id),
        },
    )
    if found.verdict is Verdict.PASS:
        if found.strength:
            ET.SubElement(case, "system-out").text = printable(found.strength)
        return case
    kind = "failure" if found.verdict is Verdict.FAIL else "error"
    problem = ET.SubElement(
        case, kind, {"type": found.verdict.value, "message": printable(found.headline)}
    )
    problem.text = "\n".join(_explanation(found))
    return case


def _explanation(found: Finding) -> Iterable[str]:
    yield printable(found.headline)
    if found.since is not None:
        yield f"since {when(found.since)}"
    for number in found.measures:
        yield printable(f"{number.name}: {measure(number)}")
    for line in found.detail:
        yield printable(f"- {line}")
    if found.advice is not None:
        yield printable(f"do: {found.advice}")
    if found.evidence:
        yield f"evidence: history.jsonl {evidence(found.evidence)}"


def _whole(report: Report) -> ET.Element:
    """The run's own verdict, where the findings alone would look better than it."""
    verdict = report.judgement.verdict
    case = ET.Element(
        "testcase", {"classname": printable(f"{report.judgement.environment}.run"), "name": "run"}
    )
    if verdict is not Verdict.PASS:
        kind = "failure" if verdict is Verdict.FAIL else "error"
        ET.SubElement(case, kind, {"type": verdict.value, "message": printable(headline(report))})
    return case
