"""Subjects must be back within the RTO: by the upper bound to pass, by the lower one to fail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from constructors import (
    NOW,
    RTO,
    SECOND,
    around,
    history,
    lost,
    plan,
    probed,
    probes,
    recovery,
    restored,
    target,
    trial,
    whole,
)
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.judge.recovery_time import judge
from harness.model.history import Blame, Event, History, Observation
from harness.model.plan import Trial
from harness.model.target import Kind, RecoveryTime
from harness.model.verdict import Finding, Verdict

ONE, TWO = trial(1), trial(2)
TEN_SECONDS = RecoveryTime(at_most=timedelta(seconds=10))


def judged(
    seen: History, objective: RecoveryTime = RTO, trials: Sequence[Trial] = (ONE,)
) -> Finding:
    """The one finding of a plan with one RTO and one scenario."""
    (found,) = judge(plan(objective, trials=trials), seen)
    return found


def of_trial(*facts: Event, seen: Sequence[Observation] = ()) -> History:
    """One trial with those facts, and its prober's observations."""
    return history(*around(ONE, facts), observations={probed(ONE).file: seen})


def test_a_trial_that_never_began_is_inconclusive() -> None:
    """Nothing was measured."""
    found = judged(history())
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.measures[0].value is None


def test_no_fault_on_record_is_inconclusive() -> None:
    """Without a fault there is no instant to count from."""
    found = judged(of_trial(restored(ONE), probed(ONE), seen=probes()))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "no fault of orders on record" in found.headline


def test_a_fault_without_a_witness_is_inconclusive() -> None:
    """Nobody saw it take effect."""
    facts: list[Event] = [lost(ONE, witnessed=False), restored(ONE), probed(ONE)]
    assert judged(of_trial(*facts, seen=probes())).verdict is Verdict.INCONCLUSIVE


def test_no_prober_is_inconclusive() -> None:
    """Without observations nobody knows when it was back."""
    found = judged(of_trial(lost(ONE), restored(ONE)))
    assert "no prober's observations" in found.headline


def test_no_observation_is_inconclusive() -> None:
    """An empty file of observations is not a recovery."""
    found = judged(of_trial(lost(ONE), restored(ONE), probed(ONE)))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "nothing was observed" in found.headline


def test_a_recovery_within_the_target_passes() -> None:
    """The bounds are those of the observations, and the claim is as small as one trial."""
    found = judged(whole(ONE))
    assert found.verdict is Verdict.PASS
    assert found.headline == "orders, latest-backup: back after 12 s, expected at most 5 min"
    (rta,) = found.measures
    assert (rta.low, rta.high, rta.value) == (11.89002, 12.0015, 12.0015)
    assert found.strength is not None
    assert found.strength.startswith("1/1 trial met the target")
    assert found.since is None


def test_a_recovery_after_the_target_fails() -> None:
    """The lower bound is beyond the target: it was seen not to be back."""
    found = judged(whole(ONE), TEN_SECONDS)
    assert found.verdict is Verdict.FAIL
    assert found.headline == ("orders, latest-backup: back only after 12 s, expected at most 10 s")
    assert found.since == NOW
    assert found.advice is not None


def test_a_target_between_the_bounds_is_inconclusive() -> None:
    """Where the target lies within the uncertainty, neither can be said."""
    found = judged(whole(ONE), RecoveryTime(at_most=timedelta(seconds=11.95)))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "the target lies between" in found.headline


def test_not_back_when_it_was_given_up_is_a_miss() -> None:
    """Censored at the deadline: counted as a miss, without a value."""
    facts, _ = recovery(ONE)
    found = judged(of_trial(*facts, seen=probes(up_from_s=None, until_s=601)))
    assert found.verdict is Verdict.FAIL
    (rta,) = found.measures
    assert rta.value is None
    assert rta.low is not None
    assert rta.low > 599
    assert any("censored" in line for line in found.detail)


@pytest.mark.parametrize(
    ("blame", "expected"),
    [
        (None, Verdict.FAIL),
        (Blame.BACKUP, Verdict.FAIL),
        (Blame.SURROUNDINGS, Verdict.INCONCLUSIVE),
    ],
)
def test_a_restore_that_failed_is_never_back(blame: Blame | None, expected: Verdict) -> None:
    """The prober stops when the restore fails: that is a miss where the backup is to blame."""
    facts: list[Event] = [
        lost(ONE),
        restored(ONE, error="checksum mismatch", blame=blame),
        probed(ONE),
    ]
    assert judged(of_trial(*facts, seen=probes(up_from_s=None))).verdict is expected


def test_right_answers_from_the_fault_on_are_inconclusive() -> None:
    """An empty place that answers is another server's."""
    facts: list[Event] = [lost(ONE), restored(ONE), probed(ONE)]
    found = judged(of_trial(*facts, seen=probes(up_from_s=0)))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "another server answered" in found.headline


def test_a_prober_that_was_stopped_when_it_mattered_is_inconclusive() -> None:
    """Three seconds without a probe around the recovery are named."""
    facts, _ = recovery(ONE)
    seen = [
        one
        for one in probes(up_from_s=12)
        if not 10_500 <= (one.scheduled_ns - 1_000 * SECOND) // 10**6 < 13_500
    ]
    found = judged(of_trial(*facts, seen=seen))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "the prober did not look for" in found.headline


def test_a_miss_that_was_seen_stands_though_the_prober_was_stopped_later() -> None:
    """A wrong answer beyond the target is a counter-example whatever came after it."""
    facts, _ = recovery(ONE)
    seen = [
        one
        for one in probes(up_from_s=12)
        if not 11_000 <= (one.scheduled_ns - 1_000 * SECOND) // 10**6 < 14_000
    ]
    found = judged(of_trial(*facts, seen=seen), TEN_SECONDS)
    assert found.verdict is Verdict.FAIL
    assert "not back after 10.9 s" in found.headline


def test_the_slowest_class_of_probes_decides() -> None:
    """A subject that reads but does not write is not back."""
    facts, seen = recovery(ONE)
    slow = probed(ONE, probe_class="read")
    seen = {**seen, slow.file: probes(up_from_s=15, until_s=25)}
    found = judged(history(*around(ONE, [*facts, slow]), observations=seen))
    assert found.measures[0].value == 15.0015


def test_the_death_of_the_primary_region_needs_its_witness() -> None:
    """A restore from the replica says nothing while the primary may have answered."""
    dead = trial(1, scenario="replica-region", primary_region_dead=True)
    facts, seen = recovery(dead)
    alone = history(*around(dead, facts), observations=seen)
    assert judged(alone, trials=[dead]).verdict is Verdict.INCONCLUSIVE
    both = history(*around(dead, [lost(dead, "region:primary"), *facts]), observations=seen)
    assert judged(both, trials=[dead]).verdict is Verdict.PASS


def test_the_worst_trial_decides_and_all_are_shown() -> None:
    """One miss of two is a FAIL, and the values of both are in the detail."""
    first, seen = recovery(ONE, up_from_s=5)
    second, seen_too = recovery(TWO, up_from_s=12)
    both = history(*around(ONE, first), *around(TWO, second), observations={**seen, **seen_too})
    found = judged(both, TEN_SECONDS, [ONE, TWO])
    assert found.verdict is Verdict.FAIL
    assert [line for line in found.detail if "RTA" not in line] == [
        "latest-backup-orders-1: PASS: back after 5 s",
        "latest-backup-orders-2: FAIL: back only after 12 s",
    ]
    assert judged(both, RTO, [ONE, TWO]).headline == (
        "orders, latest-backup: back after 12 s at most in 2 trials, expected at most 5 min"
    )


def test_two_targets_give_two_findings() -> None:
    """A stricter promise beside a milder one is judged on its own, under its own id."""
    strict = replace(target(TEN_SECONDS), id="gold")
    found = judge(plan(target(RTO, Kind.POSTGRESQL), strict, trials=[ONE]), whole(ONE))
    assert {one.id: one.verdict for one in found} == {
        "recovery-time/latest-backup/orders/recovery-time": Verdict.PASS,
        "recovery-time/latest-backup/orders/gold": Verdict.FAIL,
    }


@given(
    times=st.lists(st.sampled_from([5.0, 9.95, 12.0]), min_size=1, max_size=4),
    draw=st.randoms(use_true_random=False),
)
def test_the_order_of_trials_does_not_matter(times: list[float], draw: object) -> None:
    """The verdict and the RTA are those of the set of trials."""
    trials = [trial(number) for number, _ in enumerate(times)]
    facts: list[Event] = []
    observations: dict[str, Sequence[Observation]] = {}
    for one, up_from_s in zip(trials, times, strict=True):
        more, seen = recovery(one, up_from_s=up_from_s)
        facts += around(one, more)
        observations |= seen
    seen_all = history(*facts, observations=observations)
    shuffled = list(trials)
    draw.shuffle(shuffled)  # type: ignore[attr-defined] # hypothesis' randoms() are Random
    first = judged(seen_all, TEN_SECONDS, trials)
    second = judged(seen_all, TEN_SECONDS, shuffled)
    assert (first.verdict, first.measures) == (second.verdict, second.measures)
    assert sorted(first.detail) == sorted(second.detail)


@given(st.floats(min_value=0.5, max_value=30))
def test_a_slower_recovery_never_improves_the_verdict(up_from_s: float) -> None:
    """Five seconds more are never better."""
    rank = {Verdict.PASS: 0, Verdict.INCONCLUSIVE: 1, Verdict.FAIL: 2}
    sooner = judged(whole(ONE, up_from_s=up_from_s), TEN_SECONDS).verdict
    later = judged(whole(ONE, up_from_s=up_from_s + 5), TEN_SECONDS).verdict
    assert rank[later] >= rank[sooner]
