"""How far back Git reaches, whether commits are signed, and what other commands answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec
import pytest
from conformances import evidence, plan, promise
from constructors import NOW

from harness.judge.conformance.configuration_backups import JUDGES, judge_backup
from harness.model.configuration import ConfigurationBackup, RestoreTest, ReviewCycle
from harness.model.conformance import CommitsRead
from harness.model.verdict import Finding, Verdict

BACKUP = ConfigurationBackup(retention=timedelta(days=90), encryption="GPG")
TARGET = promise(BACKUP, "git")
READ = CommitsRead(
    repository="/gitops",
    commits=10,
    oldest=(NOW - timedelta(days=100)).isoformat(),
    newest=NOW.isoformat(),
    signed=10,
)


def judged(facts: Sequence[CommitsRead], repository: str | None = "/gitops") -> dict[str, Finding]:
    """The findings by their last part."""
    planned = msgspec.structs.replace(plan(TARGET, looks=("configuration",)), repository=repository)
    found = judge_backup(evidence(planned, facts=facts), TARGET, BACKUP)
    return {one.id.rpartition("/")[2]: one for one in found}


def changed(**fields: object) -> dict[str, Finding]:
    """What was read, but for this."""
    return judged([msgspec.structs.replace(READ, **fields)])


def test_no_repository_is_inconclusive_and_says_where_to_name_it() -> None:
    """What to set is the next thing to type."""
    found = judged([], None)["git"]
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.advice == "repository: /path/of/a/clone in suites/conformance.yaml"


def test_a_repository_that_nobody_read_is_inconclusive() -> None:
    """The look left no fact."""
    assert judged([])["git"].verdict is Verdict.INCONCLUSIVE


def test_an_old_and_signed_history_passes() -> None:
    """Both parts."""
    found = judged([READ])
    assert {one.verdict for one in found.values()} == {Verdict.PASS}
    assert "10 commits of 100 days, expected 90 d" in found["history"].headline
    assert "10 of 10 commits are signed" in found["signatures"].headline


def test_a_young_history_cannot_show_its_retention_yet() -> None:
    """Nothing was lost, and nothing was shown."""
    found = changed(oldest=(NOW - timedelta(days=89)).isoformat())
    assert found["history"].verdict is Verdict.INCONCLUSIVE


def test_one_unsigned_commit_fails() -> None:
    """All of them are promised."""
    found = changed(signed=9)
    assert found["signatures"].verdict is Verdict.FAIL
    assert "9 of 10 commits are signed" in found["signatures"].headline
    assert found["history"].verdict is Verdict.PASS


def test_signatures_by_unknown_keys_are_inconclusive() -> None:
    """They may be good; with an unsigned one beside them it fails all the same."""
    assert changed(signed=4, unverifiable=6)["signatures"].verdict is Verdict.INCONCLUSIVE
    assert changed(signed=4, unverifiable=5)["signatures"].verdict is Verdict.FAIL


def test_a_repository_that_could_not_be_read_says_why() -> None:
    """Both parts are not known."""
    found = changed(commits=0, oldest=None, newest=None, signed=0, detail="not a git repository")
    assert {one.verdict for one in found.values()} == {Verdict.INCONCLUSIVE}
    assert all("not a git repository" in one.headline for one in found.values())


@pytest.mark.parametrize(
    ("objective", "command"),
    [
        (RestoreTest(every=timedelta(days=7)), "harness coverage"),
        (ReviewCycle(every=timedelta(days=90)), "harness targets check --document FILE"),
    ],
)
def test_what_another_command_answers_is_said(
    objective: RestoreTest | ReviewCycle, command: str
) -> None:
    """No look at a platform can see it."""
    target = promise(objective)
    (found,) = JUDGES[type(objective)](evidence(plan(target)), target, objective)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert (found.advice or "").startswith(command)
