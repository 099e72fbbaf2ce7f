"""Has every judge say what it finds in a run, and puts it all into one judgement. Pure.

Equal evidence gives an equal judgement, to the byte: nothing here reads a clock, and every order
is that of the plan or of the history's own numbers. A judge that fails is a finding and takes no
other with it (Jepsen's check-safe); a target that nobody judged is INCONCLUSIVE.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from harness.judge import (
    backup_frequency,
    continuity,
    encryption,
    hygiene,
    immutability,
    integrity,
    recovery_point,
    recovery_time,
    replication,
    restore,
    retention,
)
from harness.judge.advice import SHOW_REPORT
from harness.judge.ledger_trial import LedgerEvidence, Ledgers, ReadBacks
from harness.judge.prediction import predictions
from harness.judge.promise import promised
from harness.judge.summary import summarise
from harness.model.history import History
from harness.model.judgement import Judgement, RestoreSummary
from harness.model.plan import Plan, Trial, answerable
from harness.model.verdict import Finding, Verdict, merge

FORMAT = 1
"""Version of verdict.json."""

Judge = Callable[[Plan, History], Iterable[Finding]]

WORST_FIRST = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)
_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


def judge(
    plan: Plan,
    history: History,
    ledgers: Ledgers,
    read_backs: ReadBacks,
) -> Judgement:
    """The judgement of one run.

    `ledgers`: subject id -> its journals as they were copied. `read_backs`: file name of a
    LedgerReadBack -> its rows.
    """
    run = LedgerEvidence(plan=plan, history=history, ledgers=ledgers, read_backs=read_backs)
    found = [
        finding
        for check, ask in _judges(ledgers, read_backs)
        for finding in safely(check, partial(ask, plan, history))
    ]
    restores = tuple(
        _summary(partial(summarise, run), trial, subject)
        for trial in plan.trials
        for subject in trial.subjects
    )
    try:
        made, not_made = predictions(plan, restores)
    except Exception as error:  # noqa: BLE001 - as in `safely`
        made, not_made = (), (f"predictions could not be made: {told(error)}",)
    found += _unanswered(plan, found)
    return Judgement(
        format=FORMAT,
        suite=plan.suite,
        environment=plan.environment,
        verdict=merge(finding.verdict for finding in found),
        findings=tuple(sorted(found, key=lambda one: WORST_FIRST.index(one.verdict))),
        restores=restores,
        predictions=made,
        not_predicted=not_made,
    )


def _judges(ledgers: Ledgers, read_backs: ReadBacks) -> Iterator[tuple[str, Judge]]:
    """Every judge in the order in which a person reads: what was promised first, then why."""
    yield recovery_time.CHECK, recovery_time.judge
    yield (
        recovery_point.CHECK,
        partial(recovery_point.judge, ledgers=ledgers, read_backs=read_backs),
    )
    yield restore.CHECK, restore.judge
    yield integrity.CHECK, integrity.judge
    yield backup_frequency.CHECK, backup_frequency.judge
    yield retention.CHECK, retention.judge
    yield continuity.CHECK, continuity.judge
    yield encryption.CHECK, encryption.judge
    yield replication.CHECK, replication.judge
    yield immutability.CHECK, immutability.judge
    yield hygiene.CHECK, hygiene.judge


def safely(check: str, ask: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What a judge finds; where it fails, what it had found by then and that it failed."""
    found: list[Finding] = []
    try:
        found.extend(ask())
    except Exception as error:  # noqa: BLE001 - whatever it is, the other judges must be heard
        found.append(_broken(check, error))
    return found


def _broken(check: str, error: Exception) -> Finding:
    text = told(error)
    return Finding(
        id=f"{check}/judge",
        check=check,
        target=None,
        subject=None,
        scenario=None,
        verdict=Verdict.INCONCLUSIVE,
        headline=f"{check}: its judge failed: {text}",
        advice="harness analyse RUN  # once the judge is mended; the evidence is whole",
    )


def told(error: Exception) -> str:
    """An exception in one line, without what differs between two processes."""
    return _ADDRESS.sub("0x...", f"{type(error).__name__}: {error}".replace("\n", " "))


def _summary(
    put_together: Callable[[Trial, str], RestoreSummary], trial: Trial, subject: str
) -> RestoreSummary:
    """One restore; where it cannot be put together, that is said in its place."""
    try:
        return put_together(trial, subject)
    except Exception as error:  # noqa: BLE001 - as in `safely`
        return RestoreSummary(
            trial=trial.id,
            scenario=trial.scenario,
            title=trial.title,
            subject=subject,
            region=trial.region,
            verdict=Verdict.INCONCLUSIVE,
            backup=None,
            target_time=None,
            phases=(),
            bottleneck=None,
            rta_low_s=None,
            rta_high_s=None,
            sustained_s=None,
            verified_s=None,
            rpa_s=None,
            lost_records=None,
            acknowledged_records=None,
            invalid=(f"it could not be put together: {told(error)}",),
        )


def _unanswered(plan: Plan, found: Iterable[Finding]) -> Iterator[Finding]:
    """A finding for each target, and each subject it covers, of which no judge said anything.

    A documented volume promises nothing: it is what recovery times are extrapolated to.
    """
    answered = {(finding.target, finding.subject) for finding in found}
    for target in answerable(plan):
        kind = type(target.objective)
        check = str(kind.__struct_config__.tag)
        covering = [one for one in promised(plan, kind) if one.target.id == target.id]
        for promise in covering:
            if (target.id, promise.subject.id) not in answered:
                identity = promise.finding_id(check, promise.subject.id)
                yield not_measured(identity, target.id, promise.subject.id)
        if not covering:
            yield not_measured(f"{check}/{target.id}", target.id, None)


def not_measured(identity: str, target: str, subject: str | None) -> Finding:
    """A target of which no judge said anything."""
    return Finding(
        id=identity,
        check=identity.split("/", maxsplit=1)[0],
        target=target,
        subject=subject,
        scenario=None,
        verdict=Verdict.INCONCLUSIVE,
        headline=f"{subject or 'no subject'}: {target} was not measured in this run, expected it "
        "to be",
        advice=SHOW_REPORT,
    )
