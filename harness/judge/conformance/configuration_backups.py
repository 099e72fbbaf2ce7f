"""Decides whether what a platform is set up by is kept in Git, signed, and far enough back; and
answers for what other commands look at. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from harness.judge.answer import Answer, finding, utc_text
from harness.judge.conformance.covered import unseen
from harness.judge.conformance.evidence import ConformanceEvidence, JudgeFunction
from harness.judge.facts import Known
from harness.model.configuration import ConfigurationBackup, RestoreTest, ReviewCycle
from harness.model.conformance import CommitsRead
from harness.model.quantity import show_duration
from harness.model.target import Target
from harness.model.verdict import Finding, Measure, Verdict

_LOOK = "configuration"


def judge_backup(
    run: ConformanceEvidence, target: Target, objective: ConfigurationBackup
) -> Iterator[Finding]:
    """How far back the history reaches, and whether every commit of it is signed."""
    check = f"configuration-backup/{target.id}"
    read = run.facts(CommitsRead)
    if not read:
        answer = unseen(run, _LOOK, "the Git repository of the platform")
        if run.plan.repository is None:
            answer = replace(
                answer,
                headline="the Git repository of the platform is not known to the suite",
                advice=f"repository: /path/of/a/clone in suites/{run.plan.suite}.yaml",
            )
        yield finding(answer, identity=check, target=target.id, subject=None)
        return
    last = read[-1]
    for part, answer in (
        ("history", history(last, objective)),
        ("signatures", signatures(last, objective)),
    ):
        yield finding(
            replace(answer, evidence=(last.sequence,)),
            identity=f"{check}/{part}",
            target=target.id,
            subject=None,
        )


def history(read: Known[CommitsRead], objective: ConfigurationBackup) -> Answer:
    """Git keeps all since the first commit: what is younger than that cannot be shown yet."""
    fact = read.fact
    expected = f"expected {show_duration(objective.retention)}"
    if not fact.commits or fact.oldest is None or fact.newest is None:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{fact.repository}: its history could not be read: {fact.detail}",
            advice=f"git -C {fact.repository} log -1",
        )
    age = read.at.utc - datetime.fromisoformat(fact.oldest)
    newest = f"last changed at {utc_text(datetime.fromisoformat(fact.newest))}"
    kept = age >= objective.retention
    return Answer(
        verdict=Verdict.PASS if kept else Verdict.INCONCLUSIVE,
        headline=f"{fact.repository}: {fact.commits} commits of {age.days} days, {expected}"
        + ("" if kept else ": no older state is known"),
        detail=(newest, *((fact.detail,) if fact.detail else ())),
        measures=(Measure(name="age of the oldest commit", unit="s", value=age.total_seconds()),),
        advice=None if kept else f"git -C {fact.repository} fetch --unshallow, if it is shallow",
    )


def signatures(read: Known[CommitsRead], objective: ConfigurationBackup) -> Answer:
    """Git encrypts nothing at rest: of what is documented, the signature is what can be seen."""
    fact = read.fact
    words = f"{fact.repository}: {fact.signed} of {fact.commits} commits are signed"
    expected = f"expected all of them by {objective.encryption}"
    advice = f"git -C {fact.repository} log --format='%h %G? %GS'"
    if not fact.commits:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{fact.repository}: its signatures could not be read: {fact.detail}",
            advice=advice,
        )
    if fact.signed + fact.unverifiable < fact.commits:
        return Answer(verdict=Verdict.FAIL, headline=f"{words}, {expected}", advice=advice)
    if fact.unverifiable:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{words}, and {fact.unverifiable} so that it could not be checked",
            detail=(fact.detail,) if fact.detail else (),
            advice="gpg --import KEYS",
        )
    return Answer(verdict=Verdict.PASS, headline=f"{words}, {expected}")


def judge_restore_test(
    run: ConformanceEvidence, target: Target, objective: RestoreTest
) -> Iterator[Finding]:
    """Only the runs of before can say it."""
    yield finding(
        Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{target.id}: a restore every {show_duration(objective.every)} is a matter "
            f"of other runs than {run.plan.suite}",
            advice="harness coverage  # says when each restore was rehearsed last",
        ),
        identity=f"restore-test/{target.id}",
        target=target.id,
        subject=None,
    )


def judge_review_cycle(
    _run: ConformanceEvidence, target: Target, objective: ReviewCycle
) -> Iterator[Finding]:
    """Only the document can say it."""
    yield finding(
        Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{target.id}: a review every {show_duration(objective.every)} is written in "
            "the document, not in a platform",
            advice="harness targets check --document FILE",
        ),
        identity=f"review-cycle/{target.id}",
        target=target.id,
        subject=None,
    )


JUDGES: dict[type, JudgeFunction] = {
    ConfigurationBackup: judge_backup,
    RestoreTest: judge_restore_test,
    ReviewCycle: judge_review_cycle,
}
