"""Renders metrics.prom for node_exporter's textfile collector and the Pushgateway. Pure.

Prometheus text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats): that is what the
textfile collector reads. It refuses sample timestamps and one metric name with two HELP texts, so
there are none of either; the run's time is a metric of its own. Every series carries environment
and suite, so that files of several suites may lie side by side.

What was predicted has a metric name of its own and is never a label of what was measured. What was
not measured has no series at all: `absent()` finds it, and a 0 would look like a perfect score.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from harness.model.game_day import GameDayPlan
from harness.model.judgement import RestoreSummary
from harness.model.load_judgement import LoadSummary
from harness.model.plan import Plan, subjects
from harness.model.verdict import Verdict
from harness.report.summary import Report
from harness.report.wording import printable

_LAST_SUCCESS = "harness_last_success_timestamp_seconds"


@dataclass(frozen=True, slots=True)
class _Family:
    """One metric: its name, its help and its samples. Every one is a gauge."""

    name: str
    explanation: str
    samples: list[tuple[dict[str, str], float]] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        if not self.samples:
            return
        yield f"# HELP {self.name} {self.explanation}"
        yield f"# TYPE {self.name} gauge"
        for labels, value in self.samples:
            shown = ",".join(f'{key}="{_escape(text)}"' for key, text in labels.items())
            yield f"{self.name}{{{shown}}} {_number(value)}"


def render_metrics(report: Report, last_success: datetime | None = None) -> str:
    """The whole file; equal input gives equal text.

    Args:
        report: the run; where its verdict is PASS it is the last success itself.
        last_success: when the last earlier run with verdict PASS ended (`read_last_success` of its
            file). The file replaces the earlier one, so a failure would else wipe that out.
    """
    families = [
        *_of_the_run(report, last_success),
        *_of_findings(report),
        *_objectives(report),
        *_of_restores(report),
        *_of_game_days(report),
        *_of_loads(report),
        *_of_scaling(report),
        *_of_capacity(report),
    ]
    return "".join(f"{line}\n" for family in families for line in family.lines())


def read_last_success(text: str) -> datetime | None:
    """When the last success was, from an earlier metrics.prom of the same suite."""
    match = re.search(rf"^{_LAST_SUCCESS}\{{[^\n]*\}} (\S+)$", text, re.MULTILINE)
    return None if match is None else datetime.fromtimestamp(float(match[1]), UTC)


def _common(report: Report) -> dict[str, str]:
    return {"environment": report.judgement.environment, "suite": report.judgement.suite}


def _of_the_run(report: Report, last_success: datetime | None) -> Iterator[_Family]:
    common, run = _common(report), report.run
    verdicts = _Family("harness_verdict", "Verdict of the last run: 1 for the one it is, else 0.")
    verdicts.samples.extend(_one_of(common, report.judgement.verdict))
    yield verdicts
    ended = run.ended or run.started
    yield _Family(
        "harness_last_run_timestamp_seconds",
        "When the last run ended, or began where it was cut off, in seconds since the epoch.",
        [(common, ended.timestamp())],
    )
    success = run.ended if report.judgement.verdict is Verdict.PASS else None
    success = success or last_success
    yield _Family(
        _LAST_SUCCESS,
        "When the last run whose verdict was PASS ended, in seconds since the epoch.",
        [] if success is None else [(common, success.timestamp())],
    )
    yield _Family(
        "harness_run_duration_seconds",
        "How long the last run took.",
        [] if run.ended is None else [(common, (run.ended - run.started).total_seconds())],
    )


def _of_findings(report: Report) -> Iterator[_Family]:
    family = _Family("harness_finding", "Verdict of each finding: 1 for the one it is, else 0.")
    for found in report.judgement.findings:
        labels = {
            **_common(report),
            "id": found.id,
            "check": found.check,
            "target": found.target or "",
            "subject": found.subject or "",
            "scenario": found.scenario or "",
        }
        family.samples.extend(_one_of(labels, found.verdict))
    yield family


def _one_of(labels: dict[str, str], verdict: Verdict) -> Iterator[tuple[dict[str, str], float]]:
    for each in Verdict:
        yield {**labels, "verdict": each.value}, float(each is verdict)


def _objectives(report: Report) -> Iterator[_Family]:
    """What is promised of each subject: a measured time without it is a number only."""
    rto = _Family("harness_rto_seconds", "The strictest recovery time that is documented.")
    rpo = _Family("harness_rpo_seconds", "The strictest recovery point that is documented.")
    for subject in subjects(report.plan) if isinstance(report.plan, Plan | GameDayPlan) else ():
        labels = {**_common(report), "subject": subject}
        for family, promised in ((rto, report.rto_s(subject)), (rpo, report.rpo_s(subject))):
            if promised is not None:
                family.samples.append((labels, promised))
    yield from (rto, rpo)


def _of_restores(report: Report) -> Iterator[_Family]:
    rta = _Family(
        "harness_rta_seconds",
        "Recovery time achieved, its lower and upper bound; high is +Inf where the deadline "
        "passed first.",
    )
    rpa = _Family("harness_rpa_seconds", "Recovery point achieved: work lost, by time.")
    lost = _Family("harness_rpa_records", "Recovery point achieved: acknowledged writes lost.")
    verified = _Family(
        "harness_time_to_verified_seconds", "From the fault to the end of the last verification."
    )
    size = _Family("harness_restored_bytes", "Bytes that were restored.")
    valid = _Family("harness_trial_valid", "Whether the trial says anything: 1 or 0.")
    phase = _Family(
        "harness_phase_seconds", "From the first start to the last end of each phase of a restore."
    )
    predicted = _Family(
        "harness_predicted_rta_seconds",
        "Recovery time extrapolated to the documented size; not measured.",
    )
    for restore in report.judgement.restores:
        labels = {
            **_common(report),
            "scenario": restore.scenario,
            "subject": restore.subject,
            "trial": restore.trial,
        }
        valid.samples.append((labels, float(not restore.invalid)))
        if restore.rta_low_s is not None:
            high = math.inf if restore.rta_high_s is None else restore.rta_high_s
            rta.samples.append(({**labels, "bound": "low"}, restore.rta_low_s))
            rta.samples.append(({**labels, "bound": "high"}, high))
        for family, value in (
            (rpa, restore.rpa_s),
            (lost, restore.lost_records),
            (verified, restore.verified_s),
            (size, restore.restored_bytes),
        ):
            if value is not None:
                family.samples.append((labels, float(value)))
        phase.samples.extend(_phases(restore, labels))
    for guess in report.judgement.predictions:
        labels = {
            **_common(report),
            "subject": guess.subject,
            "size_bytes": str(guess.size_bytes),
        }
        predicted.samples.append((labels, guess.seconds))
    yield from (valid, rta, rpa, lost, verified, size, phase, predicted)


def _of_game_days(report: Report) -> Iterator[_Family]:
    """Ways in have a name of their own: a restore's RTA and a failover's are not one series."""
    rta = _Family(
        "harness_way_rta_seconds",
        "Recovery time achieved by itself of one way in, its lower and upper bound; high is +Inf "
        "where it was not seen back by itself.",
    )
    helped = _Family(
        "harness_way_back_after_rollback_seconds",
        "When a way in was back that was so only after our rollback.",
    )
    guess = _Family(
        "harness_way_predicted_rta_seconds",
        "Recovery time predicted from settings, its lower and upper bound; not measured.",
    )
    rpa = _Family("harness_ledger_rpa_seconds", "Recovery point achieved: work lost, by time.")
    lost = _Family("harness_ledger_lost_records", "Acknowledged writes lost.")
    ratio = _Family(
        "harness_delivery_ratio", "Messages that a subscriber heard, of those the broker took."
    )
    valid = _Family("harness_game_day_trial_valid", "Whether the trial says anything: 1 or 0.")
    trials = _Family("harness_trials", "Trials of each experiment.")
    for row in report.judgement.scenarios:
        trials.samples.append(({**_common(report), "scenario": row.scenario}, float(row.trials)))
    for trial in report.judgement.recoveries:
        labels = {**_common(report), "scenario": trial.scenario, "trial": trial.trial}
        valid.samples.append((labels, float(not trial.invalid)))
        for way in trial.ways:
            of_way = {**labels, "subject": way.subject, "way": way.probe_class}
            rta.samples.extend(_bounds(of_way, way.rta_low_s, way.rta_high_s))
            guess.samples.extend(_bounds(of_way, way.predicted_low_s, way.predicted_high_s))
            if way.after_rollback_s is not None:
                helped.samples.append((of_way, way.after_rollback_s))
        for loss in trial.losses:
            of_ledger = {**labels, "ledger": loss.ledger}
            if loss.rpa_s is not None:
                rpa.samples.append((of_ledger, loss.rpa_s))
            if loss.lost_records is not None:
                lost.samples.append((of_ledger, float(loss.lost_records)))
        ratio.samples.extend(
            ({**labels, "subject": one.subject, "subscriber": one.subscriber}, one.ratio)
            for one in trial.hearings
            if one.ratio is not None
        )
    yield from (trials, valid, rta, helped, guess, rpa, lost, ratio)


def _of_loads(report: Report) -> Iterator[_Family]:
    """Of a load whose generator is not to be believed there is nothing but that."""
    believed = _Family(
        "harness_load_believed", "Whether the generator of the load kept up: 1 or 0."
    )
    requests = _Family(
        "harness_load_requests", "Requests of the load: scheduled, sent, answered right."
    )
    wrong = _Family(
        "harness_load_error_share", "Share of the requests sent that had no right answer."
    )
    response = _Family(
        "harness_load_response_seconds",
        "Response times from when each request was due, nearest rank; quantile 1 is the longest.",
    )
    lag = _Family(
        "harness_load_lag_seconds", "99th percentile of how late the generator sent its requests."
    )
    load = report.judgement.load or LoadSummary()
    for one in load.injections:
        labels = {
            **_common(report),
            "scenario": one.trial,
            "loop": "closed" if one.closed_loop else "open",
        }
        believed.samples.append((labels, float(not one.gates)))
        if one.gates or one.latencies is None:
            continue
        for state, count in (
            ("scheduled", one.scheduled),
            ("sent", one.sent),
            ("right", one.answered),
        ):
            requests.samples.append(({**labels, "state": state}, float(count)))
        wrong.samples.append((labels, one.error_share))
        took = one.latencies
        for quantile, seconds in (
            ("0.5", took.p50),
            ("0.9", took.p90),
            ("0.95", took.p95),
            ("0.99", took.p99),
            ("0.999", took.p999),
            ("1", took.longest),
        ):
            response.samples.append(({**labels, "quantile": quantile}, seconds))
        if one.lag_p99_s is not None:
            lag.samples.append((labels, one.lag_p99_s))
    yield from (believed, requests, wrong, response, lag)


def _of_scaling(report: Report) -> Iterator[_Family]:
    onset = _Family(
        "harness_scale_onset_seconds",
        "From the load's rise to the first wish for more replicas, its lower and upper bound.",
    )
    to_maximum = _Family(
        "harness_scale_to_maximum_seconds",
        "From the load's rise to all of the maximum ready, its lower and upper bound.",
    )
    back = _Family(
        "harness_scale_back_seconds",
        "From the load's end to the minimum, its lower and upper bound.",
    )
    most = _Family("harness_scale_replicas", "The most replicas wanted, and ready.")
    odd = _Family(
        "harness_scale_unexplained_decisions",
        "Decisions of the autoscaler that its settings and metrics do not give.",
    )
    load = report.judgement.load or LoadSummary()
    for one in load.autoscaler:
        labels = {**_common(report), "scenario": one.trial}
        for family, bounds in (
            (onset, one.onset_s),
            (to_maximum, one.to_maximum_s),
            (back, one.back_s),
        ):
            if bounds is not None:
                family.samples.extend(_bounds(labels, *bounds))
        for state, count in (("wanted", one.highest_wanted), ("ready", one.highest_ready)):
            if count is not None:
                most.samples.append(({**labels, "state": state}, float(count)))
        if one.decisions:
            odd.samples.append((labels, float(sum(not each.explained for each in one.decisions))))
    yield from (onset, to_maximum, back, most, odd)


def _of_capacity(report: Report) -> Iterator[_Family]:
    capacity = _Family(
        "harness_capacity_requests_per_second",
        "The highest rate that held with so many replicas, and the lowest that did not; high is "
        "+Inf where none failed.",
    )
    claimed = _Family(
        "harness_quota_claimed",
        "What controllers may ask for at once with the largest rollout going on; not measured.",
    )
    hard = _Family("harness_quota_hard", "What the quota allows.")
    change = _Family(
        "harness_change",
        "Change against the version before, with the bounds of its interval: relative, of shares "
        "in points.",
    )
    load = report.judgement.load or LoadSummary()
    for searched in load.capacity:
        for point in searched.points:
            labels = {
                **_common(report),
                "scenario": searched.trial,
                "replicas": str(point.replicas),
            }
            capacity.samples.extend(_bounds(labels, point.holds, point.fails))
    for row in load.headroom:
        labels = {
            **_common(report),
            "namespace": row.namespace,
            "quota": row.quota,
            "resource": row.resource,
        }
        claimed.samples.append((labels, row.with_surge))
        hard.samples.append((labels, row.hard))
    for one in load.compared:
        labels = {**_common(report), "what": one.what}
        for bound, value in (
            ("low", one.change.low),
            ("value", one.change.value),
            ("high", one.change.high),
        ):
            change.samples.append(({**labels, "bound": bound}, value))
    yield from (capacity, claimed, hard, change)


def _bounds(
    labels: dict[str, str], low: float | None, high: float | None
) -> Iterator[tuple[dict[str, str], float]]:
    """Two samples, +Inf where there is no upper bound; none where nothing is known."""
    if low is not None:
        yield {**labels, "bound": "low"}, low
        yield {**labels, "bound": "high"}, math.inf if high is None else high


def _phases(
    restore: RestoreSummary, labels: dict[str, str]
) -> Iterator[tuple[dict[str, str], float]]:
    for name in dict.fromkeys(bar.phase for bar in restore.phases):
        bars = [bar for bar in restore.phases if bar.phase is name]
        length = max(bar.end_s for bar in bars) - min(bar.start_s for bar in bars)
        yield {**labels, "phase": name.value}, length


def _escape(text: str) -> str:
    """A label's value: backslash, quote and line feed are escaped, as the format asks."""
    return printable(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    """A Go float: `+Inf`, whole numbers without a fraction, else at most 15 digits."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else f"{value:.15g}"
