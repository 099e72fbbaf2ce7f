"""The drill itself must have been whole: ended, complete, without a gap, cleaned up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from constructors import NOW, SECOND, around, failed_step, history, plan, trial, whole
from msgspec.structs import replace

from harness.judge.hygiene import judge
from harness.model.history import CleanedUp, Event, History, RunEnded, TrialStarted
from harness.model.instant import Instant
from harness.model.plan import Plan, Trial
from harness.model.verdict import Finding, Verdict

ONE, TWO = trial(1), trial(2)


def judged(seen: History, trials: Sequence[Trial] = (ONE,)) -> dict[str, Finding]:
    """The four findings by what they are about."""
    asked: Plan = plan(trials=trials)
    return {found.id.removeprefix("drill/"): found for found in judge(asked, seen)}


def facts(*more: Event) -> list[Event]:
    """The facts of a whole run of one trial, with others before its end."""
    kept = [entry.fact for entry in whole(ONE).entries if not isinstance(entry.fact, RunEnded)]
    return [*kept, *more]


def test_an_empty_history_is_inconclusive_throughout() -> None:
    """Nothing on record is nothing done."""
    found = judged(history())
    assert set(found) == {"clean-up", "end", "trials", "record"}
    assert {one.verdict for one in found.values()} == {Verdict.INCONCLUSIVE}


def test_a_whole_run_passes() -> None:
    """A run that ended, with all its trials, numbered and cleaned up, is a valid drill."""
    assert {one.verdict for one in judged(whole(ONE, TWO), [ONE, TWO]).values()} == {Verdict.PASS}


def test_a_run_without_an_end_was_cut_off() -> None:
    """The absence of the last fact is INCONCLUSIVE, with the command that puts things back."""
    found = judged(history(*facts()))["end"]
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.advice is not None
    assert found.advice.startswith("harness recover")


def test_an_interrupted_run_is_inconclusive() -> None:
    """The signal is named."""
    found = judged(history(*facts(RunEnded(interrupted="SIGINT"))))["end"]
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "SIGINT" in found.headline


def test_facts_after_the_end_are_inconclusive() -> None:
    """The end is last, or it is not the end."""
    found = judged(history(*facts(RunEnded(), failed_step(None, "late", "late"))))["end"]
    assert found.verdict is Verdict.INCONCLUSIVE


def test_a_trial_that_never_began_is_named() -> None:
    """What was planned and not done is INCONCLUSIVE."""
    found = judged(whole(ONE), [ONE, TWO])["trials"]
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "1 never began (latest-backup-orders-2)" in found.headline


def test_a_trial_that_never_ended_is_named() -> None:
    """A trial that was begun only is INCONCLUSIVE, and its clean-up is unknown."""
    found = judged(history(*facts(TrialStarted(trial=TWO.id), RunEnded())), [ONE, TWO])
    assert "1 never ended (latest-backup-orders-2)" in found["trials"].headline
    assert found["clean-up"].verdict is Verdict.INCONCLUSIVE


def test_a_trial_of_another_plan_is_named() -> None:
    """A history that does not belong to the plan is INCONCLUSIVE."""
    assert "not in the plan" in judged(whole(ONE, TWO))["trials"].headline


def test_no_planned_trial_is_inconclusive() -> None:
    """A plan that tries nothing shows nothing."""
    assert judged(history(RunEnded()), [])["trials"].verdict is Verdict.INCONCLUSIVE


def test_a_step_that_failed_is_inconclusive() -> None:
    """The step and its error are in the headline."""
    step = failed_step(ONE, "reading the ledger", "timed out")
    found = judged(history(*facts(step, RunEnded())))["trials"]
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "reading the ledger: timed out" in found.headline


@pytest.mark.parametrize("without", [0, 3])
def test_a_gap_in_the_record_is_inconclusive(without: int) -> None:
    """A missing line is noticed by its number, also the first."""
    seen = whole(ONE)
    kept = tuple(entry for entry in seen.entries if entry.sequence != without)
    found = judged(replace(seen, entries=kept))["record"]
    assert found.verdict is Verdict.INCONCLUSIVE
    assert f"the first is {without}" in found.headline


def test_a_repeated_line_is_inconclusive() -> None:
    """Two facts of one number are not one record."""
    seen = whole(ONE)
    found = judged(replace(seen, entries=(*seen.entries, seen.entries[3])))["record"]
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "twice" in found.headline


def test_a_clock_that_runs_backwards_is_inconclusive() -> None:
    """A host that was started anew has another monotonic clock."""
    seen = whole(ONE)
    moved = replace(
        seen.entries[-1], at=Instant(monotonic_ns=SECOND // 2, utc=NOW + timedelta(days=1))
    )
    found = judged(replace(seen, entries=(*seen.entries[:-1], moved)))["record"]
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "backwards" in found.headline


def test_a_leak_fails() -> None:
    """What is left behind is named, with the command that removes it."""
    left = CleanedUp(trial=TWO.id, healed=(), leaks=("process 4242 in /scratch",))
    found = judged(history(*facts(left, RunEnded())))["clean-up"]
    assert found.verdict is Verdict.FAIL
    assert "latest-backup-orders-2: process 4242 in /scratch" in found.headline
    assert found.advice == "harness recover"


def test_trials_without_clean_up_are_inconclusive() -> None:
    """Nothing on record of a clean-up is not a clean-up."""
    kept = [fact for fact in facts(RunEnded()) if not isinstance(fact, CleanedUp)]
    assert judged(history(*kept))["clean-up"].verdict is Verdict.INCONCLUSIVE


def test_around_is_a_whole_trial() -> None:
    """The constructors' own trial passes: failures above are what the tests planted."""
    seen = history(*around(ONE, []), RunEnded())
    assert {one.verdict for one in judged(seen).values()} == {Verdict.PASS}
