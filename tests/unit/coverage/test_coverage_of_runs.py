"""What runs prove of the targets: nothing without a run, and never more than they found."""

from __future__ import annotations

from datetime import timedelta

import pytest
from coverage_runs import (
    BACKUPS,
    DAY,
    FAIL,
    INCONCLUSIVE,
    MASTERS,
    NOW,
    PASS,
    QUOTA,
    REHEARSED,
    RTO,
    TARGETS,
    conformance_run,
    coverage,
    ended,
    finding,
    game_day_run,
    load_run,
    measured,
    restore_run,
    row,
)
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.coverage.answering import EndedRun, answer_of
from harness.coverage.compose import QUARTER, WEEK, Periods
from harness.coverage.suites import Ground
from harness.model.coverage import Basis, NotCounted, RunNotCounted, State
from harness.model.target import Kind, RecoveryTime
from harness.model.verdict import Verdict


def test_without_a_run_nothing_is_proved() -> None:
    """Never PASS: each target that has a check was never proved, and all of it is owed."""
    of = coverage()
    assert of.verdict is INCONCLUSIVE
    assert {one.state for one in of.targets} == {State.NEVER, State.NO_CHECK}
    assert of.debt.owed == (
        "rto",
        "backup-frequency",
        *(one.id for one in (REHEARSED, QUOTA, MASTERS)),
    )
    assert of.runs == ()


def test_without_a_target_nothing_is_proved() -> None:
    """A run that proves all of nothing is no PASS."""
    assert coverage(restore_run(), targets=()).verdict is INCONCLUSIVE


def test_a_pass_of_every_target_is_a_pass() -> None:
    """Each by its own run; the state tells a test from a reading of settings."""
    of = coverage(restore_run(), game_day_run(), load_run(), conformance_run())
    assert of.verdict is PASS
    assert of.debt.owed == ()
    assert of.debt.next is None
    states = {one.target: one.state for one in of.targets}
    assert states == {
        "rto": State.PROVED,
        "backup-frequency": State.PROVED,
        "restore-test-frequency": State.PROVED,
        "quota-global": State.CONFIGURED,
        "control-plane": State.CONFIGURED,
        "alerting": State.NO_CHECK,
        "postgresql-volume": State.NO_CHECK,
    }


def test_the_newest_run_decides() -> None:
    """A FAIL after a PASS is a FAIL, with the day since when; what was proved is not forgotten."""
    passed, failed = restore_run(ago=3 * DAY), restore_run(FAIL, ago=2 * DAY)
    again = restore_run(FAIL, ago=DAY)
    of = coverage(again, failed, passed)
    assert of.verdict is FAIL
    found = row(of, RTO)
    assert found.state is State.FAILED
    assert found.last is not None
    assert found.last.run == again.run.run
    assert found.proved is not None
    assert found.proved.run == passed.run.run
    assert found.not_passed_since == failed.ended
    assert not found.owed


def test_a_pass_after_a_fail_proves() -> None:
    """What was mended is proved, and nothing says that it failed."""
    found = row(coverage(restore_run(FAIL, ago=2 * DAY), restore_run(ago=DAY)), RTO)
    assert found.state is State.PROVED
    assert found.not_passed_since is None


def test_one_bad_finding_is_enough() -> None:
    """A run proves a target where all its findings of it are PASS."""
    good = restore_run()
    bad = finding("rto", INCONCLUSIVE, subject="orders", scenario="latest-backup")
    run = _with(good, *good.judgement.findings, bad)
    answer = answer_of(run, RTO)
    assert answer is not None
    assert answer.verdict is INCONCLUSIVE


def test_a_covered_subject_that_nothing_was_found_of_is_no_pass() -> None:
    """The run had it: its own report says that it was not judged."""
    both = replace(RTO, covers=(Kind.POSTGRESQL, Kind.KUBERNETES))
    run = game_day_run()
    answer = answer_of(run, both)
    assert answer is not None
    assert answer.unjudged == ("kubernetes",)
    assert answer.verdict is INCONCLUSIVE
    whole = _with(run, *run.judgement.findings, finding("rto", subject="kubernetes"))
    answer = answer_of(whole, both)
    assert answer is not None
    assert answer.verdict is PASS


@pytest.mark.parametrize("target", [RTO, BACKUPS, REHEARSED])
def test_a_proof_of_restores_is_good_for_a_week(target: object) -> None:
    """To the second, by the document's `frequency: Weekly`."""
    at_the_edge, late = restore_run(ago=7 * DAY), restore_run(ago=7 * DAY + timedelta(seconds=1))
    assert row(coverage(at_the_edge), target).state is State.PROVED  # type: ignore[arg-type]
    of = coverage(late)
    found = row(of, target)  # type: ignore[arg-type]
    assert found.state is State.OVERDUE
    assert found.owed
    assert of.verdict is FAIL


def test_a_restore_that_failed_was_rehearsed_all_the_same() -> None:
    """How often restores are rehearsed is another promise than that they succeed."""
    of = coverage(restore_run(FAIL))
    assert row(of, RTO).state is State.FAILED
    assert row(of, REHEARSED).state is State.PROVED
    assert row(coverage(game_day_run()), REHEARSED).state is State.NEVER
    assert row(coverage(restore_run(interrupted=True)), REHEARSED).state is State.NEVER


def test_the_rest_is_good_for_a_quarter() -> None:
    """Unless a target, or who asks, says otherwise."""
    assert row(coverage(load_run(ago=92 * DAY)), QUOTA).state is State.CONFIGURED
    assert row(coverage(load_run(ago=93 * DAY)), QUOTA).state is State.OVERDUE
    assert Periods.of(()) == Periods(restores=WEEK, others=QUARTER)
    assert Periods.of(TARGETS, restores=DAY, others=2 * DAY).period(QUOTA) == 2 * DAY


def test_overdue_stays_a_fail_where_the_newest_run_could_not_tell() -> None:
    """Inconclusive runs do not put off what is due."""
    of = coverage(restore_run(ago=30 * DAY), restore_run(INCONCLUSIVE))
    assert row(of, RTO).state is State.INCONCLUSIVE
    assert row(of, RTO).overdue
    assert of.verdict is FAIL


def test_what_only_settings_say_is_told_apart() -> None:
    """Predicted numbers, no numbers at all, and conformance checks are no test."""
    plan = load_run().plan
    by = {
        Basis.CONFIGURATION: [(), (measured(predicted=True),)],
        Basis.TEST: [(measured(),), (measured(predicted=True), measured())],
    }
    for basis, cases in by.items():
        for measures in cases:
            answer = answer_of(ended(plan, [finding("quota-global", measures=measures)]), QUOTA)
            assert answer is not None
            assert answer.basis is basis
    answer = answer_of(conformance_run(), MASTERS)
    assert answer is not None
    assert answer.basis is Basis.CONFIGURATION


def test_a_test_of_the_period_counts_although_settings_were_read_since() -> None:
    """By configuration only means: no test of its period."""
    plan = load_run().plan
    filled = [finding("quota-global", measures=[measured()])]
    old, recent = ended(plan, filled, ago=100 * DAY), ended(plan, filled, ago=10 * DAY)
    assert row(coverage(recent, load_run()), QUOTA).state is State.PROVED
    assert row(coverage(old, load_run()), QUOTA).state is State.CONFIGURED


def test_how_strongly() -> None:
    """Trials of the scenarios it is about, and the least level that one of them claims."""
    answer = answer_of(game_day_run(), RTO)
    assert answer is not None
    assert (answer.level, answer.trials, answer.scenarios) == ("OBSERVED", 2, ("pod-delete",))
    run = game_day_run()
    weak = finding("rto", subject="orders", scenario="pod-delete", strength="1/1 trial: an example")
    answer = answer_of(_with(run, *run.judgement.findings, weak), RTO)
    assert answer is not None
    assert answer.level is None
    assert answer.claim == "1/1 trial: an example"


def test_another_environment_proves_nothing_here() -> None:
    """It is counted, and said."""
    of = coverage(restore_run(environment="staging"))
    assert row(of, RTO).state is State.NEVER
    assert of.elsewhere == {"staging": 1}
    both = (
        Ground(name="test", restores=True, cluster=True),
        Ground(name="staging", restores=True, cluster=True),
    )
    assert (
        row(coverage(restore_run(environment="staging"), grounds=both), RTO).state is State.PROVED
    )


def test_another_cluster_proves_nothing_here() -> None:
    """An environment that was built anew is another one, where its cluster is known."""
    of = coverage(load_run(), clusters={"test": "another"})
    assert row(of, QUOTA).state is State.NEVER
    assert [one.why for one in of.not_counted] == [NotCounted.ANOTHER_CLUSTER]
    assert row(coverage(load_run(), clusters={"test": "u"}), QUOTA).state is State.CONFIGURED


def test_a_run_from_the_future_proves_nothing() -> None:
    """Else a clock that was wrong once would keep a target from ever being overdue."""
    of = coverage(restore_run(ago=-DAY))
    assert row(of, RTO).state is State.NEVER
    assert [one.why for one in of.not_counted] == [NotCounted.LATER]


def test_a_proof_of_another_promise_is_none() -> None:
    """Five minutes were met; two minutes are promised now."""
    stricter = replace(RTO, objective=RecoveryTime(at_most=timedelta(minutes=2)))
    found = row(coverage(restore_run(), targets=(stricter,)), stricter)
    assert found.state is State.NEVER
    assert found.of_another_promise == (restore_run().run.run,)


def test_a_run_that_cannot_be_read_keeps_it_from_passing() -> None:
    """It may say FAIL; one that did not end, or of another environment, says nothing."""
    runs = (restore_run(), load_run(), conformance_run())
    for why, environment, verdict in (
        (NotCounted.UNREADABLE, None, INCONCLUSIVE),
        (NotCounted.UNREADABLE, "test", INCONCLUSIVE),
        (NotCounted.UNREADABLE, "staging", PASS),
        (NotCounted.UNFINISHED, "test", PASS),
    ):
        torn = RunNotCounted(run="torn", why=why, detail="", environment=environment)
        of = coverage(*runs, not_counted=[torn])
        assert of.verdict is verdict
        assert of.not_counted == (() if environment == "staging" else (torn,))


_RUNS = st.lists(
    st.builds(
        lambda make, verdict, hours: make(verdict, ago=timedelta(hours=hours)),
        st.sampled_from([restore_run, game_day_run, load_run, conformance_run]),
        st.sampled_from(list(Verdict)),
        st.integers(min_value=0, max_value=24 * 120),
    ),
    max_size=6,
    unique_by=lambda run: run.ended,
)


@given(_RUNS, st.randoms(use_true_random=False))
def test_the_order_in_which_runs_are_read_says_nothing(runs: list[EndedRun], draw: object) -> None:
    """Only when they ended."""
    shuffled = [*runs]
    draw.shuffle(shuffled)  # type: ignore[attr-defined]
    assert coverage(*shuffled) == coverage(*runs)


@given(_RUNS)
def test_a_target_is_proved_only_by_a_pass_within_its_period(runs: list[EndedRun]) -> None:
    """Whatever else was run."""
    of = coverage(*runs)
    for one in of.targets:
        if one.state in {State.PROVED, State.CONFIGURED}:
            assert one.last is not None
            assert one.period is not None
            assert one.last.verdict is PASS
            assert one.last.at + one.period >= NOW
    if of.verdict is PASS:
        assert not of.debt.owed


def _with(run: EndedRun, *findings: object) -> EndedRun:
    judgement = replace(run.judgement, findings=findings)
    return EndedRun(run=run.run, ended=run.ended, plan=run.plan, judgement=judgement)
