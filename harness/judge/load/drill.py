"""Decides whether the load test itself was whole: guarded, ended, complete, put back. Pure.

What these findings say bears on every other one.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.judge import hygiene
from harness.judge.answer import finding
from harness.judge.load.evidence import LoadRun
from harness.model.verdict import Finding

CHECK = hygiene.CHECK


def judge(run: LoadRun) -> Iterator[Finding]:
    """The clean-up, the end, the trials, the record."""
    for name, answer in (
        ("clean-up", hygiene.clean_up(run.history)),
        ("end", hygiene.end(run.history)),
        ("trials", hygiene.trials(run.plan, run.history)),
        ("record", hygiene.record(run.history)),
    ):
        yield finding(answer, identity=f"{CHECK}/{name}", target=None, subject=None)
