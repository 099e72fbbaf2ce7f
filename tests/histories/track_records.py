"""Rows of the track record from tiny words, for the tests of trends, record and pruning."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import coverage_runs
from msgspec.structs import replace

from harness.model.track_record import Answer, Limit, RunShown, Showing, Worse
from harness.model.verdict import Measure, Verdict
from harness.store import RunDirectory

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WEEK = timedelta(weeks=1)
AT_MOST = Limit(worse=Worse.HIGHER, at=300.0)
AT_LEAST = Limit(worse=Worse.LOWER, at=80.0)
VERDICTS = {".": Verdict.PASS, "F": Verdict.FAIL, "?": Verdict.INCONCLUSIVE}

Shown = tuple[RunShown, Showing]


def run(  # what a run is made of
    number: int,
    verdict: Verdict = Verdict.PASS,
    *,
    of: int = 1,
    environment: str = "test",
    sealed: bool = False,
    sequence: int | None = None,
    version: str = "v1",
) -> RunShown:
    """The run of a week; the last one of `of` ended an hour before NOW."""
    at = NOW - timedelta(hours=1) - (of - 1 - number) * WEEK
    return RunShown(
        run=f"{at:%Y%m%dT%H%M%SZ}-weekly-restore-{environment}",
        suite="weekly-restore",
        environment=environment,
        at=at,
        verdict=verdict,
        sealed=sealed or sequence is not None,
        sequence=sequence,
        version=version,
    )


def showing(
    name: str,
    value: float | None,
    *,
    low: float | None = None,
    high: float | None = None,
    limit: Limit | None = AT_MOST,
    verdict: Verdict = Verdict.PASS,
) -> Showing:
    return Showing(
        run=name,
        finding="recovery-time/latest-backup/orders",
        check="recovery-time",
        target="rto",
        scenario="latest-backup",
        subject="orders",
        verdict=verdict,
        trials=3,
        measure="RTA",
        unit="s",
        value=value,
        low=low,
        high=high,
        limit=limit,
    )


def weekly(
    values: Sequence[float | None], limit: Limit | None = AT_MOST, *, sealed: Sequence[int] = ()
) -> list[Shown]:
    """A value a week, the last one an hour before NOW; None: not recovered by 600 s."""
    found = []
    for number, value in enumerate(values):
        verdict = Verdict.PASS if value is not None else Verdict.FAIL
        of_week = run(number, verdict, of=len(values), sealed=number in sealed)
        low = 600.0 if value is None else value - 0.1
        found.append(
            (
                of_week,
                showing(of_week.run, value, low=low, high=value, limit=limit, verdict=verdict),
            )
        )
    return found


def answers(runs: Sequence[RunShown], target: str = "rto") -> list[Answer]:
    return [Answer(run=one.run, target=target, verdict=one.verdict, trials=3) for one in runs]


def write(
    runs: Path,
    number: int,
    value: float | None = 8.0,
    *,
    of: int = 1,
    verdict: Verdict = Verdict.PASS,
    environment: str = "test",
) -> RunDirectory:
    """A run directory of a week, with an RTA of `orders`."""
    shown = run(number, of=of, environment=environment)
    made = coverage_runs.restore_run(verdict, targets=coverage_runs.TARGETS)
    measure = Measure(
        name="RTA",
        unit="s",
        value=value,
        low=600.0 if value is None else value - 0.1,
        high=value,
    )
    findings = tuple(
        replace(one, measures=(measure,)) if one.target == "rto" else one
        for one in made.judgement.findings
    )
    started = shown.at - timedelta(minutes=9)
    directory = RunDirectory.create(runs, "weekly-restore", environment, started)
    record = replace(
        made.run,
        run=directory.path.name,
        environment=environment,
        started=started,
        ended=shown.at,
    )
    directory.write(directory.run_record, record)
    directory.write(directory.plan, made.plan)
    directory.write(
        directory.verdict, replace(made.judgement, environment=environment, findings=findings)
    )
    directory.history.write_bytes(b"")
    return directory


def copy(run_directory: RunDirectory, name: str) -> RunDirectory:
    path = run_directory.path.with_name(name)
    shutil.copytree(run_directory.path, path)
    return RunDirectory(path)
