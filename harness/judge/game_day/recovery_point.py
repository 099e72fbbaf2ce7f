"""Decides how much acknowledged work a fault cost, ledger by ledger, and whether rows are whole.

Pure. A ledger is read twice: at the recovery, and again when what was broken is a member again;
what the first read had and the second lacks was rolled back (LOST-LATE), and is lost. Writers go on
all the time, so a read answers for what was acknowledged before it began; and what an earlier trial
lost is that trial's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from harness.judge import ledger_integrity
from harness.judge import recovery_point as against
from harness.judge.advice import SHOW_REPORT
from harness.judge.answer import finding
from harness.judge.facts import Known, known, sequences
from harness.judge.game_day import ways
from harness.judge.game_day.evidence import GameDayRun
from harness.judge.game_day.recovery import Recoveries, TrialRecovery
from harness.judge.game_day.scenarios import Scenario, scenarios
from harness.judge.game_day.untried import not_tried, untried
from harness.judge.ledger_trial import (
    CannotTellError,
    LedgerTrial,
    epoch_ns,
    gaps,
    journal_of,
    rows_of,
)
from harness.judge.promise import covering
from harness.judge.statistics import strength
from harness.judge.trials import over_trials
from harness.ledger.classify import (
    BeforeFault,
    Classification,
    Clocked,
    Mask,
    OpClass,
    classify,
    holes,
    on_clock_of,
)
from harness.ledger.journal import Journal, Type
from harness.model.history import LedgerReadBack, TrialStarted
from harness.model.instant import Bracket, nanoseconds
from harness.model.quantity import show_duration
from harness.model.target import Kind, RecoveryPoint, Target
from harness.model.verdict import Finding, Verdict
from harness.model.workload import Workload

CHECK = against.CHECK

KEEP_A_LEDGER = "harness ledger write --config FILE.json"

_KEEP_DATA = (Kind.POSTGRESQL, Kind.REDIS)

Examined = Mapping[tuple[str, str], LedgerTrial]
"""(trial, ledger) -> what its read-backs say."""


def ledgers(run: GameDayRun) -> dict[str, Workload]:
    """Every ledger, `<workload>` or `<workload>-<durability class>`, with its workload; a workload
    that keeps data and has none stands for itself, to be missed.
    """
    reads = {one.fact.subject for one in known(run.history, LedgerReadBack)}
    names = sorted({*run.ledgers, *reads})
    found: dict[str, Workload] = {}
    for workload in run.plan.workloads:
        if workload.target_kind in _KEEP_DATA:
            own = [name for name in names if _workload_of(run, name) == workload.id]
            found |= dict.fromkeys(own or [workload.id], workload)
    return found


def _workload_of(run: GameDayRun, ledger: str) -> str | None:
    """The longest id wins: `orders-archive` is no class of `orders` where it is a workload."""
    of = [
        one.id for one in run.plan.workloads if ledger == one.id or ledger.startswith(f"{one.id}-")
    ]
    return max(of, key=len, default=None)


def examine(run: GameDayRun, recoveries: Recoveries) -> dict[tuple[str, str], LedgerTrial]:
    """Classifies every ledger in every trial that asks for its workload, or read it back."""
    found: dict[tuple[str, str], LedgerTrial] = {}
    for trial in run.plan.trials:
        asked = ways.asked(run, trial)
        for ledger, workload in ledgers(run).items():
            measured = recoveries[trial.id]
            if workload.id in asked or _reads(measured, ledger):
                found[trial.id, ledger] = _examine(run, measured, ledger)
    return found


def judge(run: GameDayRun, recoveries: Recoveries, examined: Examined) -> Iterator[Finding]:
    """Two findings for each experiment and ledger: what was lost, and whether rows are whole."""
    for scenario in scenarios(run.plan):
        if untried(scenario, recoveries):
            yield from _not_tried(run, scenario, recoveries)
            continue
        asked = {subject for trial in scenario.trials for subject in ways.asked(run, trial)}
        for ledger, workload in ledgers(run).items():
            if workload.id not in asked:
                continue
            of_trials = [
                examined[trial.id, ledger]
                for trial in scenario.trials
                if (trial.id, ledger) in examined
            ]
            promises = covering(run.plan.targets, workload.target_kind, RecoveryPoint)
            for target, objective in promises:
                alone = len(promises) == 1
                yield _lost(run, scenario, ledger, target, objective, of_trials, alone=alone)
            yield _whole(scenario, ledger, workload, of_trials)


def _not_tried(run: GameDayRun, scenario: Scenario, recoveries: Recoveries) -> Iterator[Finding]:
    for target in run.plan.targets:
        if isinstance(target.objective, RecoveryPoint):
            expected = f"at most {show_duration(target.objective.at_most)} lost"
            yield from not_tried(CHECK, run, scenario, recoveries, (target, expected))


def _examine(run: GameDayRun, measured: TrialRecovery, ledger: str) -> LedgerTrial:
    evidence = measured.evidence
    reads = _reads(measured, ledger)
    found = LedgerTrial(
        trial=evidence.trial.id,
        invalid=(),
        bracket=evidence.bracket,
        wall=evidence.wall,
        evidence=sequences([*evidence.faults, *reads]),
    )
    try:
        journal = journal_of(run.ledgers, ledger)
        if evidence.bracket is None or evidence.wall is None:
            raise CannotTellError(  # noqa: TRY301
                next(iter(evidence.invalid), "nobody witnessed the fault")
            )
        early = next((one for one in reversed(reads) if one.fact.early), None)
        final = next((one for one in reversed(reads) if not one.fact.early), None)
        if early is None and final is None:
            raise CannotTellError("the ledger was not read back")  # noqa: TRY301
        clocked = on_clock_of(journal, evidence.bracket.latest_ns, epoch_ns(evidence.wall))
        classification = _classify(run, journal, clocked, early, final)
        classification = _without_earlier(run, measured, ledger, journal, clocked, classification)
        classification = replace(
            classification, hole=_holes(journal, clocked, classification, evidence.bracket)
        )
    except CannotTellError as why:
        return replace(found, invalid=tuple(dict.fromkeys((*evidence.invalid, str(why)))))
    doubts = [*evidence.invalid, *gaps(journal, evidence.wall)]
    if final is None:
        doubts.append("the ledger was not read back after what was broken had come back")
    return replace(
        found,
        invalid=tuple(doubts),
        journal=journal,
        classification=classification,
        clocked=clocked,
    )


def _reads(measured: TrialRecovery, ledger: str) -> list[Known[LedgerReadBack]]:
    return [one for one in measured.evidence.of(LedgerReadBack) if one.fact.subject == ledger]


def _classify(
    run: GameDayRun,
    journal: Journal,
    clocked: Clocked,
    early: Known[LedgerReadBack] | None,
    final: Known[LedgerReadBack] | None,
) -> Classification:
    """By the first read and the last; by one of them where the other failed or was not made."""
    if final is not None and (early is None or early.fact.error is not None):
        return classify(
            journal, rows_of(run.read_backs, final.fact), _scope(final), clocked=clocked
        )
    if early is None:
        raise CannotTellError("the ledger was not read back")
    first = rows_of(run.read_backs, early.fact)
    if final is None:
        return classify(journal, first, _scope(early), clocked=clocked)
    found = classify(
        journal,
        first,
        _scope(final),
        clocked=clocked,
        later=rows_of(run.read_backs, final.fact),
    )
    # Acknowledged after the first read began: it need not have them.
    between = clocked.completed_ns > _began_ns(early)
    classes = found.classes.copy()
    classes[between & (classes == OpClass.STALE)] = OpClass.SURVIVED
    return replace(found, classes=classes)


def _scope(read: Known[LedgerReadBack]) -> BeforeFault:
    """All that was acknowledged until the read began, also by a server that was not yet fenced."""
    began_ns = _began_ns(read)
    return BeforeFault(until_ns=began_ns, read_ns=began_ns)


def _began_ns(read: Known[LedgerReadBack]) -> int:
    return read.at.monotonic_ns if read.fact.began_ns is None else read.fact.began_ns


def _without_earlier(  # noqa: PLR0913 - what both reads are of
    run: GameDayRun,
    measured: TrialRecovery,
    ledger: str,
    journal: Journal,
    clocked: Clocked,
    found: Classification,
) -> Classification:
    """Leaves out what was gone before the trial began: another trial answers for it."""
    began = min((one.sequence for one in measured.evidence.of(TrialStarted)), default=0)
    before = [
        one
        for one in known(run.history, LedgerReadBack)
        if one.fact.subject == ledger
        and not one.fact.early
        and one.fact.error is None
        and one.sequence < began
    ]
    if not before:
        return found
    rows = rows_of(run.read_backs, before[-1].fact)
    gone = classify(journal, rows, _scope(before[-1]), clocked=clocked).classes == OpClass.LOST
    classes = found.classes.copy()
    classes[gone & (classes == OpClass.LOST)] = OpClass.AFTER
    return replace(found, classes=classes)


def _holes(journal: Journal, clocked: Clocked, found: Classification, fault: Bracket) -> Mask:
    """Lost operations with a later one of before the fault that is there.

    What was written after the fault is in the log of another primary: it outlives no loss.
    """
    lost = np.isin(found.classes, (OpClass.LOST, OpClass.LOST_LATE))
    before = clocked.invoked_ns < fault.earliest_ns
    acknowledged = journal.outcome == Type.OK
    return holes(journal, clocked, lost, found.present & before & acknowledged)


def _lost(  # noqa: PLR0913 - what one finding is about
    run: GameDayRun,
    scenario: Scenario,
    ledger: str,
    target: Target,
    objective: RecoveryPoint,
    examined: Sequence[LedgerTrial],
    *,
    alone: bool,
) -> Finding:
    answers = [against.judge_trial(one, objective) for one in examined]
    passed = sum(answer.verdict is Verdict.PASS for answer in answers)
    window_ns = nanoseconds(objective.at_most)
    costs = [cost for one in examined if (cost := one.loss(window_ns)) is not None]
    answer = over_trials(
        f"{ledger}, {scenario.id}",
        answers,
        expected=f"at most {show_duration(objective.at_most)} lost",
        advice=SHOW_REPORT if ledger in run.ledgers else KEEP_A_LEDGER,
        strength=strength(passed, len(answers)),
        measures=tuple(against.measures(costs)),
    )
    return finding(
        answer,
        identity="/".join((CHECK, scenario.id, ledger, *(() if alone else (target.id,)))),
        target=target.id,
        subject=ledgers(run)[ledger].id,
        scenario=scenario.id,
    )


def _whole(
    scenario: Scenario, ledger: str, workload: Workload, examined: Sequence[LedgerTrial]
) -> Finding:
    answers = [ledger_integrity.judge_trial(one) for one in examined]
    passed = sum(answer.verdict is Verdict.PASS for answer in answers)
    answer = over_trials(
        f"{ledger}, {scenario.id}",
        answers,
        expected="every row as it was written",
        advice=SHOW_REPORT,
        strength=strength(passed, len(answers)),
        measures=tuple(ledger_integrity.measures(examined)),
    )
    return finding(
        answer,
        identity=f"{ledger_integrity.CHECK}/{scenario.id}/{ledger}",
        target=None,
        subject=workload.id,
        scenario=scenario.id,
    )
