"""Each backup that was tried must restore, all of it."""

from __future__ import annotations

import pytest
from constructors import (
    INTACT,
    around,
    catalogue,
    failed_step,
    history,
    lost,
    plan,
    restored,
    trial,
    whole,
)
from msgspec.structs import replace

from harness.judge.restore import judge
from harness.model.history import Blame, History, LogsKept, TrialStarted
from harness.model.verdict import Finding, Verdict

FIRST, SECOND_TRIAL = trial(1), trial(2)


def judged(seen: History) -> Finding:
    """The one finding of a plan with one trial."""
    (found,) = judge(plan(INTACT, trials=[FIRST]), seen)
    return found


def test_no_trial_no_question() -> None:
    """A plan without a trial asks nothing of a restore."""
    assert list(judge(plan(INTACT), history(catalogue()))) == []


def test_a_trial_that_never_began_is_inconclusive() -> None:
    """What was not tried is not known."""
    found = judged(history())
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "the trial never began" in found.headline


def test_a_restore_without_an_end_is_inconclusive() -> None:
    """A run that was cut off in a restore says nothing of the backup."""
    found = judged(history(TrialStarted(trial=FIRST.id), lost(FIRST)))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "never ended" in found.headline


def test_a_restore_that_succeeds_passes() -> None:
    """The finding names its target, and how little one trial claims."""
    found = judged(whole(FIRST))
    assert found.verdict is Verdict.PASS
    assert found.id == "restore/latest-backup/orders"
    assert found.target == "integrity"
    assert found.strength is not None
    assert "1/1 trial" in found.strength


def test_without_a_target_it_is_judged_all_the_same() -> None:
    """A backup that does not restore is a finding whoever asks."""
    seen = history(*around(FIRST, [restored(FIRST, error="checksum mismatch")]))
    (found,) = judge(plan(trials=[FIRST]), seen)
    assert (found.verdict, found.target) == (Verdict.FAIL, None)


@pytest.mark.parametrize(
    ("blame", "expected"),
    [
        (None, Verdict.FAIL),
        (Blame.BACKUP, Verdict.FAIL),
        (Blame.SURROUNDINGS, Verdict.INCONCLUSIVE),
        (Blame.DEADLINE, Verdict.INCONCLUSIVE),
    ],
)
def test_an_error_is_judged_by_what_it_speaks_against(
    blame: Blame | None, expected: Verdict
) -> None:
    """An error fails the backup, unless it is known to be the surroundings' or the time's."""
    error = "pgbackrest: [029]: checksum mismatch"
    found = judged(history(*around(FIRST, [restored(FIRST, error=error, blame=blame)])))
    assert found.verdict is expected
    assert error in found.headline
    assert found.advice is not None


def test_a_restore_that_failed_says_where_its_logs_are() -> None:
    """Of its own trial and subject; one that succeeded needs none."""
    kept = [
        LogsKept(trial=FIRST.id, subject="orders", files=("artefacts/a/tool/restore.log",)),
        LogsKept(trial=FIRST.id, subject="carts", files=("artefacts/b/redis.log",)),
    ]
    failed = judged(history(*around(FIRST, [restored(FIRST, error="checksum"), *kept])))
    assert [line for line in failed.detail if "log" in line] == [
        f"{FIRST.id}: log: artefacts/a/tool/restore.log"
    ]
    well = judged(history(*around(FIRST, [restored(FIRST), *kept])))
    assert not [line for line in well.detail if "log" in line]


def test_a_replay_that_ended_early_fails() -> None:
    """A server that promotes before the end of the archive has lost data, whatever it answers."""
    early = restored(FIRST, ended_early="restore_command failed: unreachable")
    found = judged(history(*around(FIRST, [early])))
    assert found.verdict is Verdict.FAIL
    assert "ended early, at 0/2E8000A0 on timeline 2" in found.headline


def test_a_step_before_the_restore_that_failed_is_named() -> None:
    """No backup to choose a point from is INCONCLUSIVE, or FAIL where the backup is to blame."""
    step = failed_step(FIRST, "preparing the restore", "no backup")
    found = judged(history(*around(FIRST, [step])))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "preparing the restore: no backup" in found.headline
    blamed = replace(step, blame=Blame.BACKUP)
    assert judged(history(*around(FIRST, [blamed]))).verdict is Verdict.FAIL


def test_one_failed_trial_of_two_fails() -> None:
    """One counter-example refutes, and every trial is in the detail."""
    good = whole(FIRST)
    bad = around(SECOND_TRIAL, [restored(SECOND_TRIAL, error="checksum mismatch")])
    facts = [entry.fact for entry in good.entries] + bad
    (found,) = judge(
        plan(INTACT, trials=[FIRST, SECOND_TRIAL]),
        history(*facts, observations=dict(good.observations)),
    )
    assert found.verdict is Verdict.FAIL
    assert "checksum mismatch (1 of 2 trials)" in found.headline
    assert [line.split(": ")[1] for line in found.detail] == ["PASS", "FAIL"]
