"""Ended runs of all four kinds, as few words as possible, for the tests of coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import constructors
import game_days
import load_tests
from msgspec.structs import replace

from harness.coverage.answering import EndedRun
from harness.coverage.compose import Periods, RunsRead, cover
from harness.coverage.suites import Ground
from harness.model.cluster import Identity
from harness.model.configuration import ControlPlane, RestoreTest, Unmeasured
from harness.model.conformance import Conformance, ConformancePlan
from harness.model.coverage import Coverage, RunNotCounted, TargetCoverage
from harness.model.game_day import Experiment, GameDay
from harness.model.judgement import Judgement, RestoreSummary
from harness.model.load_test import Fill, LoadTest
from harness.model.plan import RunPlan
from harness.model.run import RUN_FORMAT, RunRecord
from harness.model.subject import Region
from harness.model.suite import PointChoice, Scenario, Suite
from harness.model.target import (
    BackupFrequency,
    Kind,
    Quota,
    RecoveryTime,
    Source,
    Target,
    Volume,
)
from harness.model.verdict import Finding, Measure, Verdict
from harness.suites import Rehearsed

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SINGLE = "1/1 trial met the target: a single example, not a rate"
OBSERVED = "OBSERVED: 5/5 trials met the target; 95 % confidence that at least 54.9 % of such do"

RTO = Target(
    id="rto",
    covers=(Kind.POSTGRESQL,),
    objective=RecoveryTime(at_most=timedelta(minutes=5)),
    source=Source(section="High Availability", quote="recovery_time: < 5 minutes (RTO)"),
)
BACKUPS = Target(
    id="backup-frequency",
    covers=(Kind.POSTGRESQL,),
    objective=BackupFrequency(every=DAY, grace=timedelta(hours=1)),
    source=Source(section="Backup Strategy", quote="frequency: Daily"),
)
REHEARSED = Target(
    id="restore-test-frequency",
    covers=(Kind.POSTGRESQL,),
    objective=RestoreTest(every=timedelta(days=7)),
    source=Source(section="Backup Strategy", quote="frequency: Weekly"),
)
QUOTA = Target(
    id="quota-global",
    covers=(Kind.KUBERNETES,),
    objective=Quota(cores=100, memory="200Gi"),
    source=Source(section="Resource Management", quote="cpu: 100 cores"),
)
MASTERS = Target(
    id="control-plane",
    covers=(Kind.KUBERNETES,),
    objective=ControlPlane(masters=3),
    source=Source(section="High Availability", quote="control_plane: 3 masters"),
)
ALERTS = Target(
    id="alerting",
    covers=(Kind.SERVICE,),
    objective=Unmeasured(why="Nobody reads its Secret.", needs="a test alert"),
    source=None,
    note="For the tests.",
)
SIZE = Target(
    id="postgresql-volume",
    covers=(Kind.POSTGRESQL,),
    objective=Volume(size="100Gi"),
    source=Source(section="Data Layer", quote="storage: 100Gi per instance"),
)
TARGETS = (RTO, BACKUPS, REHEARSED, QUOTA, MASTERS, ALERTS, SIZE)

RESTORES = Suite(
    suite="weekly-restore",
    title="Weekly restore validation",
    scenarios=(
        Scenario(id="latest-backup", title="All that the archive holds", point=PointChoice.LATEST),
    ),
)
DAY_OF_GAMES = GameDay(
    suite="game-day",
    title="Game day",
    experiments=(
        Experiment(id="pod-delete", title="A pod is deleted", experiment="pod-delete", trials=2),
    ),
)
LOAD = LoadTest(
    suite="pre-release-load",
    title="Load test",
    workload="checkout",
    scenarios=(Fill(id="quotas", title="Every namespace at its full size"),),
)
LOOKS = Conformance(suite="conformance", title="As documented", looks=("objects",))
SUITES: tuple[Rehearsed, ...] = (LOOKS, DAY_OF_GAMES, LOAD, RESTORES)
HERE = Ground(name="test", restores=True, cluster=True)


def finding(
    target: str,
    verdict: Verdict = PASS,
    *,
    subject: str | None = None,
    scenario: str | None = None,
    strength: str | None = None,
    measures: Sequence[Measure] = (),
) -> Finding:
    return Finding(
        id=f"check/{target}/{subject}",
        check="check",
        target=target,
        subject=subject,
        scenario=scenario,
        verdict=verdict,
        headline=f"{target} of {subject}",
        measures=tuple(measures),
        strength=strength,
    )


def measured(*, predicted: bool = False) -> Measure:
    return Measure(name="RTA", unit="s", value=3.0, predicted=predicted)


def restore_run(
    verdict: Verdict = PASS,
    *,
    targets: Sequence[Target] = TARGETS,
    **other: Any,  # noqa: ANN401 - those of `ended`
) -> EndedRun:
    """A weekly restore of `orders`, one trial; all that it is about has that verdict."""
    plan = constructors.plan(*targets, trials=[constructors.trial()])
    findings = [
        finding("rto", verdict, subject="orders", scenario="latest-backup", strength=SINGLE),
        finding("backup-frequency", verdict, subject="orders", measures=[measured()]),
    ]
    restored = RestoreSummary(
        trial="latest-backup-orders-1",
        scenario="latest-backup",
        title="All that the archive holds",
        subject="orders",
        region=Region.PRIMARY,
        verdict=verdict,
        backup=None,
        target_time=None,
        phases=(),
        bottleneck=None,
        rta_low_s=1,
        rta_high_s=2,
        sustained_s=None,
        verified_s=None,
        rpa_s=None,
        lost_records=None,
        acknowledged_records=None,
    )
    return ended(plan, findings, restores=(restored,), **other)


def game_day_run(verdict: Verdict = PASS, **other: Any) -> EndedRun:  # noqa: ANN401 - those of `ended`
    """A game day of one experiment, twice, against `orders`."""
    plan = game_days.plan(game_days.trial(1), game_days.trial(2), targets=TARGETS)
    of_orders = finding(
        "rto",
        verdict,
        subject="orders",
        scenario="pod-delete",
        strength=OBSERVED,
        measures=[measured()],
    )
    return ended(plan, [of_orders], **other)


def load_run(verdict: Verdict = PASS, **other: Any) -> EndedRun:  # noqa: ANN401 - those of `ended`
    """A load test that filled nothing: of the quota only what is set was read."""
    plan = load_tests.plan(*TARGETS)
    return ended(plan, [finding("quota-global", verdict)], **other)


def conformance_run(verdict: Verdict = PASS, **other: Any) -> EndedRun:  # noqa: ANN401 - those of `ended`
    """A conformance check that looked at the objects of the API."""
    plan = ConformancePlan(
        suite="conformance",
        title="As documented",
        environment="test",
        cluster=Identity(context="c", server="s", uid="u", version="v1.34.4"),
        targets=TARGETS,
        workloads=(),
        looks=("objects",),
        critical=(),
        repository=None,
        blast_radius=(),
    )
    return ended(plan, [finding("control-plane", verdict, measures=[measured()])], **other)


def ended(
    plan: RunPlan,
    findings: Sequence[Finding],
    *,
    ago: timedelta = DAY,
    took: timedelta = timedelta(minutes=10),
    environment: str = "test",
    restores: Sequence[RestoreSummary] = (),
    interrupted: bool = False,
) -> EndedRun:
    """A run of that plan which ended so long before NOW."""
    at = NOW - ago
    drill = finding("", INCONCLUSIVE if interrupted else PASS)
    end = replace(drill, id="drill/end", check="drill", target=None)
    record = RunRecord(
        format=RUN_FORMAT,
        run=f"{at - took:%Y%m%dT%H%M%SZ}-{plan.suite}-{environment}",
        suite=plan.suite,
        environment=environment,
        started=at - took,
        ended=at,
        user="ada",
        host="bastion",
        argv=("harness", "run", plan.suite),
        versions={},
        settings=(),
        practice=False,
        seed=1,
    )
    judgement = Judgement(
        format=1,
        suite=plan.suite,
        environment=environment,
        verdict=findings[0].verdict if findings else INCONCLUSIVE,
        findings=(*findings, end),
        restores=tuple(restores),
        predictions=(),
    )
    return EndedRun(run=record, ended=at, plan=plan, judgement=judgement)


def coverage(
    *runs: EndedRun,
    targets: Sequence[Target] = TARGETS,
    suites: Sequence[Rehearsed] = SUITES,
    grounds: Sequence[Ground] = (HERE,),
    not_counted: Sequence[RunNotCounted] = (),
    clusters: Mapping[str, str] | None = None,
) -> Coverage:
    """What these runs cover, now."""
    return cover(
        targets,
        RunsRead(ended=runs, not_counted=not_counted),
        suites,
        grounds=grounds,
        now=NOW,
        periods=Periods.of(targets),
        clusters=clusters,
    )


def row(of: Coverage, target: Target) -> TargetCoverage:
    return next(one for one in of.targets if one.target == target.id)
