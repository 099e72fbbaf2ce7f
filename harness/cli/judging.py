"""Judges and renders a stored run: what `analyse` and `report` do, and `run` at its end."""

from __future__ import annotations

from datetime import datetime

import msgspec

from harness.judge.compose import judge
from harness.judge.conformance.compose import judge_conformance
from harness.judge.conformance.evidence import ConformanceEvidence
from harness.judge.game_day.compose import judge_game_day
from harness.judge.load.compose import judge_load_test
from harness.judge.load.evidence import LoadRun
from harness.ledger.evidence import read_ledgers, read_read_backs
from harness.model.codec import to_indented_json
from harness.model.conformance import ConformancePlan
from harness.model.game_day import GameDayPlan
from harness.model.history import History
from harness.model.judgement import Judgement
from harness.model.load_test import LoadPlan
from harness.model.plan import Plan
from harness.report.html import render_html
from harness.report.junit import render_junit
from harness.report.openmetrics import read_last_success, render_metrics
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


def report_of(run: RunDirectory) -> Report:
    """All that a report shows of a judged run."""
    return Report(
        judgement=run.read_judgement(),
        plan=run.read_plan(),
        run=run.read_run_record(),
    )


def render_run(run: RunDirectory) -> Report:
    """Writes report.html, junit.xml and metrics.prom beside the verdict, but of no sealed run."""
    report = report_of(run)
    if is_sealed(run.path):
        return report
    run.report.write_text(render_html(report), encoding="utf-8")
    run.junit.write_text(render_junit(report), encoding="utf-8")
    run.metrics.write_text(render_metrics(report, _last_success(run)), encoding="utf-8")
    return report


def _last_success(run: RunDirectory) -> datetime | None:
    """When the runs before this one last passed: a failed run must not make that forgotten."""
    before = run.before()
    if before is None or not before.metrics.is_file():
        return None
    return read_last_success(before.metrics.read_text(encoding="utf-8"))
