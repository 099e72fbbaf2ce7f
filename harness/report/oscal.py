"""Renders OSCAL assessment results of a run: what its findings say of NIST SP 800-53. Pure.

OSCAL knows `satisfied` and `not-satisfied` only. An objective that the run supports is the former,
with a remark that this is all that it says; whatever it contradicts or cannot tell is the latter,
with its reason; of what it says nothing there is no finding (OSCAL 1.2, assessment-results model,
`finding/target/status`).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from harness import __version__
from harness.model.compliance import ObjectiveSupport, Support
from harness.model.verdict import Finding
from harness.report.controls_table import cited
from harness.report.summary import Report, headline
from harness.report.wording import measure, printable

OSCAL_VERSION = "1.2.1"
FRAMEWORK = "nist-800-53"
"""The one whose controls have ids that OSCAL knows."""

_NAMESPACE = uuid.UUID("5b2f6f0e-6a1c-5d0e-9e52-3f0d8b0a7c11")
"""Of the name-based UUIDs (RFC 9562, version 5): the same run gives the same file."""

_REASONS = {Support.SUPPORTS: "pass", Support.CONTRADICTS: "fail", Support.INCONCLUSIVE: "other"}


def render_assessment_results(report: Report) -> str | None:
    """The whole file; None where the run says nothing of that framework's controls.

    OSCAL wants findings and observations where the lists are: an empty one is not valid.
    """
    spoken = [
        one
        for one in report.controls
        if one.framework == FRAMEWORK and one.support is not Support.NOTHING
    ]
    cited_ids = {each.finding for one in spoken for each in one.cited}
    observed = [one for one in report.judgement.findings if one.id in cited_ids]
    if not spoken or not observed:
        return None
    name = _Names(report.run.run)
    ended = report.run.ended or report.run.started
    content = {
        "assessment-results": {
            "uuid": name("results"),
            "metadata": {
                "title": printable(
                    f"{report.judgement.suite} on {report.judgement.environment}: what it says of "
                    "NIST SP 800-53"
                ),
                "last-modified": _instant(ended),
                "version": report.run.run,
                "oscal-version": OSCAL_VERSION,
                "remarks": "Whether a control is met, an assessor says.",
            },
            "import-ap": {"href": f"#{name('plan')}"},
            "results": [_result(report, spoken, observed, name)],
            "back-matter": {
                "resources": [
                    {
                        "uuid": name("plan"),
                        "title": "The plan of the run",
                        "rlinks": [{"href": "plan.json", "media-type": "application/json"}],
                    },
                    {
                        "uuid": name("verdict"),
                        "title": "The judgement that the findings are from",
                        "rlinks": [_verdict_link(report)],
                    },
                ]
            },
        }
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


class _Names:
    """UUIDs by what they name."""

    def __init__(self, run: str) -> None:
        self._run = run

    def __call__(self, what: str) -> str:
        return str(uuid.uuid5(_NAMESPACE, f"{self._run}\n{what}"))


def _result(
    report: Report,
    spoken: Sequence[ObjectiveSupport],
    observed: Iterable[Finding],
    name: _Names,
) -> Mapping[str, Any]:
    run = report.run
    controls = list(dict.fromkeys(one.control for one in spoken))
    return {
        "uuid": name("result"),
        "title": printable(f"Run {run.run}"),
        "description": printable(headline(report)),
        "start": _instant(run.started),
        "end": _instant(run.ended or run.started),
        "props": [
            {"name": "tool", "value": f"recovery-harness {__version__}", "ns": _NS},
            {"name": "environment", "value": printable(run.environment), "ns": _NS},
            {"name": "host", "value": printable(run.host), "ns": _NS},
            {"name": "user", "value": printable(run.user), "ns": _NS},
        ],
        "reviewed-controls": {
            "control-selections": [
                {"include-controls": [{"control-id": control} for control in controls]}
            ]
        },
        "observations": [_observation(report, finding, name) for finding in observed],
        "findings": [_finding(one, name) for one in spoken],
    }


_NS = "urn:recovery-harness:oscal"


def _observation(report: Report, finding: Finding, name: _Names) -> Mapping[str, Any]:
    said = [
        finding.headline,
        *finding.detail,
        *(f"{m.name}: {measure(m)}" for m in finding.measures),
    ]
    return {
        "uuid": name(f"observation {finding.id}"),
        "title": printable(finding.id),
        "description": "\n".join(printable(line) for line in said),
        "props": [{"name": "verdict", "value": finding.verdict, "ns": _NS}],
        "methods": ["TEST"],
        "relevant-evidence": [
            {
                "href": f"#{name('verdict')}",
                "description": "verdict.json; the events that it rests on are in history.jsonl",
            }
        ],
        "collected": _instant(report.run.ended or report.run.started),
    }


def _finding(one: ObjectiveSupport, name: _Names) -> Mapping[str, Any]:
    remarks = [f"The run {one.support}." if one.support is not Support.INCONCLUSIVE else _UNTOLD]
    remarks += [f"Missing: {line}." for line in one.missing]
    remarks += [f"Beyond it: {one.beyond}"] if one.beyond else []
    finding: dict[str, Any] = {
        "uuid": name(f"finding {one.objective}"),
        "title": printable(f"{one.objective}: {one.name}"),
        "description": printable(one.asks),
        "target": {
            "type": "objective-id",
            "target-id": _token(one.objective),
            "title": printable(one.objective),
            "status": {
                "state": "satisfied" if one.support is Support.SUPPORTS else "not-satisfied",
                "reason": _REASONS[one.support],
            },
        },
        "remarks": "\n".join(printable(line) for line in remarks),
    }
    if one.cited:
        finding["related-observations"] = [
            {"observation-uuid": name(f"observation {each.finding}")} for each in one.cited
        ]
        finding["props"] = [
            {"name": "evidence", "value": printable(cited(each)), "ns": _NS} for each in one.cited
        ]
    return finding


_UNTOLD = "The run cannot tell."


def _verdict_link(report: Report) -> Mapping[str, Any]:
    link: dict[str, Any] = {"href": "verdict.json", "media-type": "application/json"}
    if report.verdict_sha256 is not None:
        link["hashes"] = [{"algorithm": "SHA-256", "value": report.verdict_sha256}]
    return link


def _token(objective: str) -> str:
    """An id as OSCAL's tokens may be: letters, digits, dots, hyphens and underscores."""
    kept = "".join(one if one.isalnum() or one in "-._" else "_" for one in objective)
    return kept.strip("_")


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
