"""The files of controls/: what they name exists; wrong ones are refused with their place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.follow_up import read_follow_up
from harness.frameworks import load_frameworks
from harness.targets import load_targets

ROOT = Path(__file__).parents[3]
TARGETS = {target.id for target in load_targets(ROOT / "targets")}
FRAMEWORKS = load_frameworks(ROOT / "controls", TARGETS)
EVIDENCE = [
    (objective.id, evidence)
    for framework in FRAMEWORKS
    for control in framework.controls
    for objective in control.objectives
    for evidence in objective.evidence
]


def test_the_frameworks_of_the_issue_are_there() -> None:
    named = {(one.framework, control.id) for one in FRAMEWORKS for control in one.controls}
    assert {name for name, _ in named} == {
        *("nist-800-53", "soc-2", "iso-27001", "iso-22301", "dora", "nis2", "hipaa", "pci-dss")
    }
    nist = {control for name, control in named if name == "nist-800-53"}
    assert nist >= {"cp-2", "cp-4", "cp-6", "cp-9.1", "cp-9.2", "cp-9.8", "cp-10", "au-10"}


def test_a_control_with_two_objectives_has_two_rows() -> None:
    """Reliability is not integrity, and a system that is up is not yet in a known state."""
    counted = {
        control.id: [one.id for one in control.objectives]
        for framework in FRAMEWORKS
        for control in framework.controls
    }
    assert counted["cp-9.1"] == ["CP-09(01)[01]", "CP-09(01)[02]"]
    assert counted["cp-10"] == ["CP-10[01]", "CP-10[02]"]


@pytest.mark.parametrize(("objective", "evidence"), EVIDENCE)
def test_what_is_asked_for_can_be_found(objective: str, evidence: object) -> None:
    """Checks are those of judges, scenarios those of suites: a name that none has is a debt that
    no run could ever pay.
    """
    del objective
    check, suite, scenario = (getattr(evidence, name) for name in ("check", "suite", "scenario"))
    if check is not None:
        judges = "".join(path.read_text() for path in (ROOT / "harness/judge").rglob("*.py"))
        assert re.search(rf'"{re.escape(check)}["/]', judges), check
    suites = sorted(path.stem for path in (ROOT / "suites").glob("*.yaml"))
    assert suite is None or suite in suites
    if scenario is not None:
        text = "".join((ROOT / f"suites/{name}.yaml").read_text() for name in suites)
        assert re.search(rf"\bid: {re.escape(scenario)}\b", text), scenario


def _framework(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "small.yaml").write_text(text)
    return folder


SMALL = """
framework: small
title: A small one
controls:
- id: c
  name: C
  objectives:
  - {id: c1, asks: Something., source: here, evidence: [{target: rto}]}
"""


def test_a_folder_without_any_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="got no framework"):
        load_frameworks(tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (SMALL.replace("target: rto", "target: rot"), "got target 'rot', which is none"),
        (SMALL.replace("framework: small", "framework: other"), "expected the name"),
        (SMALL + "  - {id: c1, asks: Else., source: here, evidence: [{target: rto}]}", "twice"),
        (SMALL.replace("asks:", "ask:"), "ask"),
        (SMALL.replace("[{target: rto}]", "[]"), "nothing that says why"),
        (SMALL.replace("{target: rto}", "{target: rto, property: sealed}"), "or a property"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=r"small\.yaml") as refused:
        load_frameworks(_framework(tmp_path, text), TARGETS)
    assert says in str(refused.value)


def test_a_project_without_either_has_nothing_to_follow_up(tmp_path: Path) -> None:
    found = read_follow_up(tmp_path)
    assert (found.frameworks, found.assignments) == ((), {})


def test_assignments_are_read_and_wrong_ones_refused(tmp_path: Path) -> None:
    path = tmp_path / "actions.yaml"
    path.write_text("actions:\n- {id: A-12345678, owner: Ada, due: 2026-12-24}\n")
    assert read_follow_up(tmp_path).assignments["A-12345678"].owner == "Ada"
    for wrong in ("{id: A-1, owner: Ada, due: 2026-12-24}", "{id: A-12345678, owner: Ada}"):
        path.write_text(f"actions:\n- {wrong}\n")
        with pytest.raises(InputError, match=r"actions\.yaml"):
            read_follow_up(tmp_path)
