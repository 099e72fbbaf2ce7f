"""metrics.prom: the whole file, its format, and that nothing unmeasured looks perfect."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from judged_runs import NAMES, expect, judged
from msgspec.structs import replace

from harness.report.openmetrics import read_last_success, render_metrics
from harness.report.summary import Report

EXPECTED = Path(__file__).parent / "expected"
EARLIER = datetime(2026, 11, 17, 1, 4, 6, tzinfo=UTC)
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"'
VALUE = r"\+Inf|-?\d+(?:\.\d+)?(?:e[+-]\d+)?"
SAMPLE = re.compile(rf"(?P<name>[a-z_]+)\{{(?P<labels>{LABEL}(?:,{LABEL})*)\}} (?P<value>{VALUE})")


def samples(text: str) -> dict[tuple[str, str], float]:
    """Series -> value, having checked the text format line by line.

    prometheus.io/docs/instrumenting/exposition_formats: HELP and TYPE once before a metric's
    samples, all of a metric together, no series twice, a line feed at the end; and what
    node_exporter's textfile collector asks beyond it: no sample timestamps.
    """
    assert text.endswith("\n")
    found: dict[tuple[str, str], float] = {}
    described: list[str] = []
    typed: list[str] = []
    for line in text.splitlines():
        if line.startswith("# HELP "):
            described.append(line.split()[2])
            assert len(line.split()) > 4
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert kind == "gauge"
            assert described[-1] == name
            typed.append(name)
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert typed[-1] == match["name"]
            series = (match["name"], match["labels"])
            assert series not in found
            found[series] = float(match["value"])
    assert described == typed
    assert len(set(typed)) == len(typed)
    assert {name for name, _ in found} == set(typed)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_file(name: str) -> None:
    """Each judged run gives exactly the expected file, in the text format."""
    text = render_metrics(judged(name), EARLIER)
    expect(EXPECTED / f"{name}.prom", text)
    samples(text)


def test_without_findings() -> None:
    """A run in which nothing was judged is INCONCLUSIVE and has no recovery time at all."""
    found = samples(render_metrics(judged("nothing")))
    names = {name for name, _ in found}
    promised = {"harness_rto_seconds", "harness_rpo_seconds"}  # what would be measured against
    assert names == {"harness_verdict", "harness_last_run_timestamp_seconds", *promised}
    verdicts = {labels: value for (name, labels), value in found.items() if "verdict" in name}
    assert sum(verdicts.values()) == 1
    assert next(labels for labels, value in verdicts.items() if value).endswith(
        'verdict="INCONCLUSIVE"'
    )


def test_each_finding_has_one_verdict() -> None:
    """Three series for each finding, exactly one of them 1."""
    found = samples(render_metrics(judged("failing")))
    for finding in judged("failing").judgement.findings:
        values = {
            labels: value
            for (name, labels), value in found.items()
            if name == "harness_finding" and f'id="{finding.id}"' in labels
        }
        assert len(values) == 3
        (one,) = [labels for labels, value in values.items() if value == 1]
        assert f'verdict="{finding.verdict.value}"' in one


def test_what_did_not_recover_is_infinite() -> None:
    """A censored recovery has an upper bound of +Inf, so that any threshold fires."""
    found = samples(render_metrics(judged("censored")))
    highs = [
        value
        for (name, labels), value in found.items()
        if name == "harness_rta_seconds" and 'subject="orders"' in labels and '"high"' in labels
    ]
    assert highs == [float("inf")]


def test_what_was_not_measured_has_no_series() -> None:
    """There is no 0 where there was no measurement."""
    found = samples(render_metrics(judged("censored")))
    assert not [1 for (name, labels) in found if "rpa" in name and 'subject="orders"' in labels]


def test_predictions_have_a_name_of_their_own() -> None:
    """No prediction is a series of harness_rta_seconds."""
    found = samples(render_metrics(judged("passing")))
    assert 643.2 in [v for (name, _), v in found.items() if name == "harness_predicted_rta_seconds"]
    assert 643.2 not in [v for (name, _), v in found.items() if name == "harness_rta_seconds"]


def test_the_last_success_survives_a_failure() -> None:
    """A failed run keeps the earlier success; a run that passes is the last success itself."""
    passed = render_metrics(judged("passing"), EARLIER)
    ended = judged("passing").run.ended
    assert read_last_success(passed) == ended
    failed = render_metrics(judged("failing"), read_last_success(passed))
    assert read_last_success(failed) == ended
    assert read_last_success(render_metrics(judged("failing"))) is None
    assert read_last_success("") is None


def test_labels_are_escaped() -> None:
    """Quotes, backslashes and line feeds of a name cannot break out of its label."""
    report = judged("failing")
    hostile = 'a"} 1\nharness_verdict{x="\\'
    found = replace(report.judgement.findings[0], id=hostile, subject=hostile)
    judgement = replace(report.judgement, findings=(found,))
    text = render_metrics(Report(judgement=judgement, run=report.run, plan=report.plan))
    assert sum(name == "harness_finding" for name, _ in samples(text)) == 3
