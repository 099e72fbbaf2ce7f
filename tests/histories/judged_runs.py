"""Judged runs for the renderers' tests, and the comparison with what is expected of them.

judged/<name>/ holds the plan.json, run.json and verdict.json of one run:

- nothing: cut off before anything was judged;
- passing: every target met, with predictions;
- failing: lost writes, a replica with gaps, damage, an invalid trial, hostile names;
- censored: a restore that did not come back by its deadline, and targets that nothing judged;
- game-day: made by game_day_run.py;
- load-test, load-test-of-nothing: no folder, made by load_judgements.py;
- conformance, conformance-of-nothing: no folder, made by conformance_judgements.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import conformance_judgements
import load_judgements

from harness.model.codec import from_json
from harness.model.judgement import Judgement
from harness.model.run import RunRecord
from harness.report.summary import Report
from harness.store import RunDirectory

JUDGED = Path(__file__).parent / "judged"
MADE: dict[str, Callable[[], Report]] = {
    "load-test": load_judgements.report,
    "load-test-of-nothing": load_judgements.nothing,
    "conformance": conformance_judgements.report,
    "conformance-of-nothing": conformance_judgements.nothing,
}
NAMES = ("nothing", "passing", "failing", "censored", "game-day", *MADE)


def judged(name: str) -> Report:
    """One of NAMES."""
    if name in MADE:
        return MADE[name]()
    folder = JUDGED / name
    return Report(
        judgement=from_json((folder / "verdict.json").read_bytes(), Judgement),
        run=from_json((folder / "run.json").read_bytes(), RunRecord),
        plan=RunDirectory(folder).read_plan(),
    )


def expect(path: Path, got: str) -> None:
    """`got` is what the file holds; with UPDATE_EXPECTED=1 in the environment it is made so."""
    if os.environ.get("UPDATE_EXPECTED") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(got, encoding="utf-8", newline="")
    assert path.is_file(), f"{path} is missing: UPDATE_EXPECTED=1 pytest tests/unit/report"
    assert got == path.read_bytes().decode(), "UPDATE_EXPECTED=1 pytest tests/unit/report"
