"""Has every judge of game days say what it finds, and puts it into one judgement. Pure.

As harness.judge.compose does it for restores: equal evidence gives an equal judgement, to the byte;
a judge that fails is a finding; a target that nobody judged is INCONCLUSIVE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from harness.judge.compose import FORMAT, WORST_FIRST, not_measured, safely, told
from harness.judge.game_day import (
    aftermath,
    drill,
    recovery_point,
    recovery_time,
    rehearsal,
    summary,
    traffic_switch,
)
from harness.judge.game_day.evidence import GameDayRun, Subscriptions
from harness.judge.game_day.recovery import Recoveries, TrialRecovery, measure
from harness.judge.game_day.recovery_point import Examined
from harness.judge.game_day.scenarios import scenarios
from harness.judge.ledger_trial import Ledgers, ReadBacks
from harness.model.game_day import ExperimentTrial, GameDayPlan
from harness.model.history import History
from harness.model.judgement import (
    Judgement,
    RecoveredBy,
    RecoverySummary,
    ScenarioSummary,
)
from harness.model.plan import answerable, subjects
from harness.model.verdict import Finding, Verdict, merge


def judge_game_day(
    plan: GameDayPlan,
    history: History,
    ledgers: Ledgers,
    read_backs: ReadBacks,
    subscriptions: Subscriptions,
) -> Judgement:
    """The judgement of one run of a game day.

    `ledgers`: ledger -> its journals as they were copied. `read_backs`: file name of a
    LedgerReadBack -> its rows. `subscriptions`: file name of a SubscriptionsRecorded -> its events.
    """
    run = GameDayRun(
        plan=plan,
        history=history,
        ledgers=ledgers,
        read_backs=read_backs,
        subscriptions=subscriptions,
    )
    recoveries = measure(run)
    examined = recovery_point.examine(run, recoveries)
    found = [
        finding
        for check, ask in _judges(run, recoveries, examined)
        for finding in safely(check, ask)
    ]
    found += _unanswered(plan, found)
    trials = tuple(_summary(run, recoveries[one.id], examined) for one in plan.trials)
    return Judgement(
        format=FORMAT,
        suite=plan.suite,
        environment=plan.environment,
        verdict=merge(finding.verdict for finding in found),
        findings=tuple(sorted(found, key=lambda one: WORST_FIRST.index(one.verdict))),
        restores=(),
        predictions=(),
        scenarios=tuple(_scenarios(run, recoveries, trials)),
        recoveries=trials,
        manual_steps=summary.manual_steps(run),
        deviations=tuple(summary.deviations(run, recoveries)),
    )


def _judges(
    run: GameDayRun, recoveries: Recoveries, examined: Examined
) -> Iterator[tuple[str, Callable[[], Iterable[Finding]]]]:
    """Every judge in the order in which a person reads: what was promised first, then the drill."""
    yield recovery_time.CHECK, partial(recovery_time.judge, run, recoveries)
    yield recovery_point.CHECK, partial(recovery_point.judge, run, recoveries, examined)
    yield traffic_switch.CHECK, partial(traffic_switch.judge, run, recoveries)
    yield rehearsal.CHECK, partial(rehearsal.judge, run, recoveries)
    yield aftermath.PUT_BACK, partial(aftermath.judge, run, recoveries)
    yield drill.CHECK, partial(drill.judge, run)


def _unanswered(plan: GameDayPlan, found: Iterable[Finding]) -> Iterator[Finding]:
    """A finding for each target, and each workload it covers, of which no judge said anything."""
    answered = {(finding.target, finding.subject) for finding in found}
    kinds = subjects(plan)
    for target in answerable(plan):
        check = str(type(target.objective).__struct_config__.tag)
        covered = [subject for subject, kind in kinds.items() if kind in target.covers]
        for subject in covered:
            if (target.id, subject) not in answered:
                yield not_measured(f"{check}/{target.id}/{subject}", target.id, subject)
        if not covered:
            yield not_measured(f"{check}/{target.id}", target.id, None)


def _summary(run: GameDayRun, measured: TrialRecovery, examined: Examined) -> RecoverySummary:
    """One trial; where it cannot be put together, that is said in its place."""
    try:
        return summary.summarise(run, measured, examined)
    except Exception as error:  # noqa: BLE001 - as in `safely`
        return _broken(measured.evidence.trial, told(error))


def _broken(trial: ExperimentTrial, why: str) -> RecoverySummary:
    return RecoverySummary(
        trial=trial.id,
        scenario=trial.scenario,
        title=trial.title,
        verdict=Verdict.INCONCLUSIVE,
        fault=None,
        fault_width_s=None,
        witnesses=(),
        worst=None,
        by=RecoveredBy.UNKNOWN,
        rta_low_s=None,
        rta_high_s=None,
        invalid=(f"it could not be put together: {why}",),
    )


def _scenarios(
    run: GameDayRun, recoveries: Recoveries, trials: Iterable[RecoverySummary]
) -> Iterator[ScenarioSummary]:
    summaries = list(trials)
    for scenario in scenarios(run.plan):
        of = [one for one in summaries if one.scenario == scenario.id]
        yield summary.summarise_scenario(scenario, recoveries, of)
