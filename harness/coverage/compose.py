"""Puts runs, targets and suites together: the state of each target, and what is owed. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from harness.coverage.answering import EndedRun, answer_of, promised_otherwise
from harness.coverage.debt import debt_of
from harness.coverage.suites import Ground, drills
from harness.coverage.unchecked import no_check
from harness.model.configuration import RestoreTest, ReviewCycle
from harness.model.coverage import (
    COVERAGE_FORMAT,
    Basis,
    Coverage,
    Drill,
    NotCounted,
    RunAnswer,
    RunCounted,
    RunNotCounted,
    State,
    TargetCoverage,
)
from harness.model.load_profile import Profile
from harness.model.plan import Plan, answers
from harness.model.target import Target
from harness.model.verdict import Verdict
from harness.suites import Rehearsed

WEEK = timedelta(days=7)
"""How often restores are validated, where no target of kind `restore-test` says it."""

QUARTER = timedelta(days=92)
"""How often the rest is proved, where no target of kind `review-cycle` says it: the longest quarter
of a year, July to September.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods:
    """How old a proof may be."""

    restores: timedelta
    """Of what a suite of restores could answer."""

    others: timedelta

    @classmethod
    def of(
        cls,
        targets: Iterable[Target],
        *,
        restores: timedelta | None = None,
        others: timedelta | None = None,
    ) -> Periods:
        """Those given; else the shortest that the targets say; else a week and a quarter."""
        objectives = [target.objective for target in targets]
        said = [one.every for one in objectives if isinstance(one, RestoreTest)]
        reviewed = [one.every for one in objectives if isinstance(one, ReviewCycle)]
        return cls(
            restores=restores or min(said, default=WEEK),
            others=others or min(reviewed, default=QUARTER),
        )

    def period(self, target: Target) -> timedelta:
        """Of one target."""
        of_restores = isinstance(target.objective, RestoreTest) or answers(Plan, target.objective)
        return self.restores if of_restores else self.others


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsRead:
    """What was found where runs are stored."""

    ended: Sequence[EndedRun]
    not_counted: Sequence[RunNotCounted] = ()
    """Those that cannot be read, or did not end."""


def cover(  # noqa: PLR0913 - what coverage is made of
    targets: Sequence[Target],
    read: RunsRead,
    suites: Sequence[Rehearsed],
    *,
    grounds: Sequence[Ground],
    now: datetime,
    periods: Periods,
    profiles: Mapping[str, Profile] | None = None,
    clusters: Mapping[str, str] | None = None,
) -> Coverage:
    """The coverage of all targets in some environments.

    Args:
        targets: as they are promised today.
        read: the runs; those of other environments count for themselves only.
        suites: those that could be run.
        grounds: the environments, each with what can be tried there.
        now: UTC; a run that ended later proves nothing.
        periods: how old a proof may be.
        profiles: of load tests, by name, for how long they take.
        clusters: environment -> UID of its namespace kube-system, where that is known: a run
            against another cluster proves nothing of this one.
    """
    names = tuple(ground.name for ground in grounds)
    counted: list[EndedRun] = []
    not_counted = [one for one in read.not_counted if one.environment in (None, *names)]
    for run in sorted(read.ended, key=lambda one: (one.ended, one.run.run)):
        if run.run.environment not in names:
            continue
        refused = _refused(run, now, clusters or {})
        if refused is None:
            counted.append(run)
        else:
            not_counted.append(refused)
    possible = drills(suites, grounds, targets, counted, profiles or {})
    rows = tuple(_row(target, counted, periods, now, possible) for target in targets)
    return Coverage(
        format=COVERAGE_FORMAT,
        environments=names,
        now=now,
        verdict=_verdict(rows, not_counted),
        targets=rows,
        runs=tuple(_counted(run) for run in counted),
        not_counted=tuple(sorted(not_counted, key=lambda one: one.run)),
        elsewhere=dict(
            sorted(
                Counter(
                    run.run.environment for run in read.ended if run.run.environment not in names
                ).items()
            )
        ),
        debt=debt_of([row.target for row in rows if row.owed], possible),
    )


def _refused(run: EndedRun, now: datetime, clusters: Mapping[str, str]) -> RunNotCounted | None:
    if run.ended > now:
        return RunNotCounted(
            run=run.run.run,
            why=NotCounted.LATER,
            detail=f"it says that it ended at {run.ended.isoformat()}",
            environment=run.run.environment,
        )
    expected, got = clusters.get(run.run.environment), _cluster(run)
    if expected is not None and got is not None and got != expected:
        return RunNotCounted(
            run=run.run.run,
            why=NotCounted.ANOTHER_CLUSTER,
            detail=f"{run.run.environment} is {expected}, it was against {got}",
            environment=run.run.environment,
        )
    return None


def _cluster(run: EndedRun) -> str | None:
    return None if isinstance(run.plan, Plan) else run.plan.cluster.uid


def _counted(run: EndedRun) -> RunCounted:
    return RunCounted(
        run=run.run.run,
        suite=run.run.suite,
        kind=str(type(run.plan).__struct_config__.tag),
        environment=run.run.environment,
        cluster=_cluster(run),
        ended=run.ended,
        verdict=run.judgement.verdict,
    )


def _row(
    target: Target,
    runs: Sequence[EndedRun],
    periods: Periods,
    now: datetime,
    possible: Sequence[Drill],
) -> TargetCoverage:
    said = tuple(answer for run in runs if (answer := answer_of(run, target)) is not None)
    passed = [answer for answer in said if answer.verdict is Verdict.PASS]
    tested = [answer for answer in passed if answer.basis is Basis.TEST]
    proved = passed[-1] if passed else None
    period = periods.period(target)
    reason = no_check(target)
    overdue = proved is not None and proved.at + period < now and reason is None
    recently = bool(tested) and tested[-1].at + period >= now
    unproved = said[said.index(proved) + 1 :] if proved is not None else said
    return TargetCoverage(
        target=target.id,
        section="" if target.source is None else target.source.section,
        state=State.NO_CHECK if reason else _state(said, overdue=overdue, recently=recently),
        answers=said,
        proved=proved,
        tested=tested[-1] if tested else None,
        period=None if reason else period,
        due=None if proved is None else proved.at + period,
        overdue=overdue,
        owed=reason is None and (proved is None or overdue),
        not_passed_since=unproved[0].at if unproved else None,
        suites=tuple(
            dict.fromkeys(drill.suite for drill in possible if target.id in drill.answers)
        ),
        of_another_promise=tuple(run.run.run for run in runs if promised_otherwise(run, target)),
        reason=reason,
    )


def _state(said: Sequence[RunAnswer], *, overdue: bool, recently: bool) -> State:
    if not said:
        return State.NEVER
    match said[-1].verdict:
        case Verdict.FAIL:
            return State.FAILED
        case Verdict.INCONCLUSIVE:
            return State.INCONCLUSIVE
        case Verdict.PASS if overdue:
            return State.OVERDUE
        case Verdict.PASS:
            return State.PROVED if recently else State.CONFIGURED


def _verdict(rows: Sequence[TargetCoverage], not_counted: Sequence[RunNotCounted]) -> Verdict:
    judged = [row for row in rows if row.state is not State.NO_CHECK]
    if any(row.state is State.FAILED or row.overdue for row in judged):
        return Verdict.FAIL
    proved = {State.PROVED, State.CONFIGURED}
    unread = any(one.why is NotCounted.UNREADABLE for one in not_counted)
    if not judged or unread or any(row.state not in proved for row in judged):
        return Verdict.INCONCLUSIVE
    return Verdict.PASS
