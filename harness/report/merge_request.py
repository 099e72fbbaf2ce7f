"""Renders summary.md: what a merge request, a chat or an e-mail shows of a run. Pure.

GitHub Flavored Markdown, which GitLab reads alike. Text from outside is escaped: an object's name
must not become a link, a mention or a heading. It ends long before the limits of comments.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from harness.model.action import State
from harness.model.verdict import Finding, Verdict
from harness.report.controls_table import SAYS
from harness.report.summary import Report, headline
from harness.report.wording import plural, printable, when

_AT_MOST = 12
"""Rows of a table; how many more there are stands below it."""

_LONGEST = 300
"""Characters of a cell."""

# ASCII punctuation that a backslash may escape (GFM 0.29, section 2.4) and that means something
# within a table cell.
_MEANS = re.compile(r"([\\`*_{}\[\]()!|~$])")

_ENTITIES = {
    "&": "&amp;",
    "#": "&#35;",  # an issue
    "@": "&#64;",  # a person
    "<": "&lt;",
    ">": "&gt;",
    "://": "&#58;//",  # a link
}
"""In this order: the second must not meet what the others write."""

_MARKS = {Verdict.FAIL: "\u2715", Verdict.INCONCLUSIVE: "?", Verdict.PASS: "\u2713"}


def render_summary(report: Report) -> str:
    """The whole file; equal input gives equal text."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    judgement, run = report.judgement, report.run
    yield f"## {_MARKS[judgement.verdict]} {judgement.verdict}: {text(judgement.suite)} on " + text(
        judgement.environment
    )
    yield ""
    yield text(headline(report))
    if run.practice:
        yield ""
        yield "**Practice platform**: it says nothing of a real one."
    for verdict, title in (
        (Verdict.FAIL, "What failed"),
        (Verdict.INCONCLUSIVE, "What could not be judged"),
    ):
        yield from _findings(title, report.of(verdict))
    passed = report.of(Verdict.PASS)
    yield ""
    yield f"{plural(len(passed), 'finding')} passed." if passed else "No finding passed."
    yield from _actions(report)
    yield from _controls(report)
    yield ""
    yield (
        f"Run `{run.run}`, ended {when(run.ended) if run.ended else 'before its end'}, by "
        + text(f"{run.user} on {run.host}")
    )
    if report.verdict_sha256 is not None:
        yield f"verdict.json: SHA-256 `{report.verdict_sha256}`"


def _findings(title: str, findings: Iterable[Finding]) -> Iterator[str]:
    found = list(findings)
    if not found:
        return
    yield ""
    yield f"### {title} ({len(found)})"
    yield ""
    yield "| finding | since | what to do |"
    yield "|---|---|---|"
    for one in found[:_AT_MOST]:
        since = "" if one.since is None else when(one.since)
        yield f"| {text(one.headline)} | {since} | {text(one.advice or '')} |"
    if len(found) > _AT_MOST:
        yield ""
        yield f"... and {len(found) - _AT_MOST} more: report.html"


def _actions(report: Report) -> Iterator[str]:
    if not report.actions:
        return
    counted = Counter(one.state for one in report.actions)
    said = ", ".join(f"{counted[state]} {state}" for state in State if counted[state])
    nobody = sum(one.open and not one.owner for one in report.actions)
    yield ""
    yield f"**Actions**: {said}" + (f"; {nobody} without an owner" if nobody else "")


def _controls(report: Report) -> Iterator[str]:
    if not report.controls:
        return
    counted = Counter(one.support for one in report.controls)
    said = ", ".join(f"{word} {counted[support]}" for support, word in SAYS.items())
    yield ""
    yield f"**Control objectives** ({len(report.controls)}): the run {said} (controls.csv)"


def text(given: str) -> str:
    """Text that stands in a table cell as it is."""
    line = printable(given)
    if len(line) > _LONGEST:
        line = line[: _LONGEST - 1] + "\u2026"
    escaped = _MEANS.sub(r"\\\1", line)
    for meant, entity in _ENTITIES.items():
        escaped = escaped.replace(meant, entity)
    return escaped
