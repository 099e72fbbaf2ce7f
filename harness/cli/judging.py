"""Judges and renders a stored run: what `analyse` and `report` do, and `run` at its end."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import msgspec

from harness.compliance.actions import actions_after
from harness.compliance.support import JudgedRun, support
from harness.follow_up import FollowUp
from harness.judge.compose import judge
from harness.judge.conformance.compose import judge_conformance
from harness.judge.conformance.evidence import ConformanceEvidence
from harness.judge.game_day.compose import judge_game_day
from harness.judge.load.compose import judge_load_test
from harness.judge.load.evidence import LoadRun
from harness.ledger.evidence import read_ledgers, read_read_backs
from harness.model.action import Action
from harness.model.codec import to_indented_json
from harness.model.conformance import ConformancePlan
from harness.model.game_day import GameDayPlan
from harness.model.history import History
from harness.model.judgement import Judgement
from harness.model.load_test import LoadPlan
from harness.model.plan import Plan
from harness.report.actions_table import read_actions, render_actions
from harness.report.controls_table import render_controls
from harness.report.html import render_html
from harness.report.junit import render_junit
from harness.report.merge_request import render_summary
from harness.report.openmetrics import read_last_success, render_metrics
from harness.report.oscal import render_assessment_results
from harness.report.summary import Report
from harness.seal.bundle import is_sealed
from harness.store import RunDirectory


def judge_run(run: RunDirectory) -> Judgement:
    """Judges the run's history and writes verdict.json; no server is needed.

    A sealed run is judged, and nothing of it is written. The same run gives the same bytes, today
    and in years.
    """
    judgement = judgement_of(run)
    if is_sealed(run.path):
        return judgement
    run.verdict.write_bytes(to_indented_json(judgement))
    return judgement


def judgement_of(run: RunDirectory) -> Judgement:
    """The judgement of a stored run, without writing anything."""
    history, plan = run.read_history(), run.read_plan()
    ledgers = read_ledgers(run.ledger, history)
    read_backs = read_read_backs(run.ledger, history)
    match plan:
        case GameDayPlan():
            heard = run.read_subscriptions(history)
            return judge_game_day(plan, history, ledgers, read_backs, heard)
        case LoadPlan():
            return judge_load_test(load_run(run, plan, history))
        case ConformancePlan():
            objects = run.read_objects(history)
            return judge_conformance(
                ConformanceEvidence(plan=plan, history=history, objects=objects)
            )
        case Plan():
            return judge(plan, history, ledgers, read_backs)


def load_run(run: RunDirectory, plan: LoadPlan, history: History) -> LoadRun:
    """The evidence of a load test, with that of the version that it is compared with."""
    before = None
    if plan.baseline is not None:
        earlier = RunDirectory(run.baseline)
        earlier_plan = earlier.read_plan()
        if isinstance(earlier_plan, LoadPlan):
            # Its own baseline is its own matter.
            earlier_plan = msgspec.structs.replace(earlier_plan, baseline=None)
            before = load_run(earlier, earlier_plan, earlier.read_history())
    return LoadRun(
        plan=plan,
        history=history,
        samples=run.read_samples(history),
        timelines=run.read_timelines(history),
        before=before,
    )


def report_of(run: RunDirectory, follow_up: FollowUp | None = None) -> Report:
    """All that a report shows of a judged run.

    `follow_up`: the controls that it is held against, and whose its actions are; None: nobody asks
    for either.
    """
    judgement, record = run.read_judgement(), run.read_run_record()
    report = Report(
        judgement=judgement,
        plan=run.read_plan(),
        run=record,
        notes=run.read_notes(),
        verdict_sha256=hashlib.sha256(run.verdict.read_bytes()).hexdigest(),
    )
    if follow_up is None:
        return report
    held = JudgedRun(run=record, judgement=judgement)
    before, trouble = _actions_before(run)
    actions = actions_after(record, judgement, before, follow_up.assignments)
    if is_sealed(run.path) and run.actions.is_file():
        # What people decided since is not what was sealed.
        with contextlib.suppress(ValueError):
            actions = read_actions(run.actions.read_text(encoding="utf-8"))
    return replace(
        report,
        actions=actions,
        not_carried_over=trouble,
        controls=support(follow_up.frameworks, [held], held.ended),
    )


def render_run(run: RunDirectory, follow_up: FollowUp) -> Report:
    """Writes the reports beside the verdict, each for its reader (docs/reports.md), but of no
    sealed run.
    """
    report = report_of(run, follow_up)
    if is_sealed(run.path):
        return report
    for path, text in _rendered(run, report):
        path.write_text(text, encoding="utf-8", newline="")
    return report


def _rendered(run: RunDirectory, report: Report) -> Iterator[tuple[Path, str]]:
    """Each file and its text, one after the other; what people wake up for is first."""
    yield run.report, render_html(report)
    yield run.junit, render_junit(report)
    yield run.metrics, render_metrics(report, _last_success(run))
    yield run.summary, render_summary(report)
    yield run.actions, render_actions(report.actions or ())
    if report.controls:
        yield run.controls, render_controls(report.controls)
    results = render_assessment_results(report)
    if results is not None:
        yield run.oscal, results


def _actions_before(run: RunDirectory) -> tuple[tuple[Action, ...], str | None]:
    """Those that the run before it left, of the same suite and environment; or why they cannot be
    read, which must not keep this run from being reported.
    """
    earlier = run.before()
    while earlier is not None:
        if earlier.actions.is_file():
            text = earlier.actions.read_text(encoding="utf-8")
            try:
                return read_actions(text), None
            except ValueError as error:
                return (), f"{earlier.path.name}: {error}"
        earlier = earlier.before()  # one that was killed, or of before there were actions
    return (), None


def _last_success(run: RunDirectory) -> datetime | None:
    """When the runs before this one last passed: a failed run must not make that forgotten."""
    before = run.before()
    if before is None or not before.metrics.is_file():
        return None
    return read_last_success(before.metrics.read_text(encoding="utf-8"))
