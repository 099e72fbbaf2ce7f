"""Decisions recomputed from a timeline: all of an honest autoscaler, each anomaly once."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from load_tests import (
    AUTOSCALER,
    BEGAN_NS,
    CPU_70,
    MEMORY_80,
    looks,
    pending,
    pods,
    seen,
    sighting,
)
from msgspec.structs import replace

from harness.capacity.decisions import Recomputed, recompute
from harness.capacity.simulation import Phases, Service, Simulation
from harness.model.autoscaling import (
    DEFAULT_DOWN,
    DEFAULT_UP,
    AutoscalerSettings,
    PolicyKind,
    ScalingPolicy,
    ScalingRules,
    Sighting,
    Timings,
)
from harness.model.load_judgement import Decision

TIMINGS = Timings()
MINUTE = ScalingRules(
    window_s=0,
    policies=(
        ScalingPolicy(kind=PolicyKind.PERCENT, value=100, period_s=60),
        ScalingPolicy(kind=PolicyKind.PODS, value=4, period_s=60),
    ),
)
DOCUMENTED = replace(AUTOSCALER, metrics=(CPU_70, MEMORY_80), up=MINUTE)
EACH = (
    AUTOSCALER,
    DOCUMENTED,
    replace(AUTOSCALER, up=replace(DEFAULT_UP, window_s=60)),
    replace(AUTOSCALER, behavior_given=False),
)
LIMITED = {"ScalingLimited": "True ScaleUpLimit: faster than the maximum scale rate"}
STEP = ((-60.0, 0.005), (0.0, 0.6), (240.0, 0.005))


def judged(
    sightings: Sequence[Sighting],
    by: AutoscalerSettings = AUTOSCALER,
    timings: Timings = TIMINGS,
) -> Recomputed:
    return recompute(sightings, by, timings, zero_ns=BEGAN_NS)


def simulated(
    by: AutoscalerSettings,
    demand: Sequence[tuple[float, float]] = STEP,
    *,
    until_s: float = 700.0,
    timings: Timings = TIMINGS,
    phases: Phases | None = None,
    ready_s: float = 8.0,
    limit: float = 0.2,
) -> list[Sighting]:
    service = Service(request=0.1, limit=limit, ready_s=ready_s)
    shifted = phases or Phases(kubelet_s=3.0, scrape_s=4.0, sync_s=7.0)
    run = Simulation(by, timings, service, demand, shifted)
    return seen(run.states(until_s, every_s=1.0))


def odd(found: Recomputed) -> list[Decision]:
    return [one for one in found.decisions if not one.explained]


# An honest autoscaler


@settings(max_examples=25, deadline=None)
@given(
    by=st.sampled_from(EACH),
    cores=st.lists(st.floats(0.005, 0.9), min_size=1, max_size=3),
    phases=st.builds(
        Phases,
        kubelet_s=st.floats(0, 9.9),
        scrape_s=st.floats(0, 14.9),
        sync_s=st.floats(0, 14.9),
    ),
    ready_s=st.floats(2, 40),
    limit=st.sampled_from([0.1, 0.2, 0.4]),
)
def test_all_decisions_of_an_honest_autoscaler_are_explained(
    by: AutoscalerSettings, cores: list[float], phases: Phases, ready_s: float, limit: float
) -> None:
    """Whatever the load, the phases and the service: no false alarm."""
    demand = [(-60.0, 0.005), *((120.0 * at, one) for at, one in enumerate(cores)), (360, 0.005)]
    watched = simulated(by, demand, phases=phases, ready_s=ready_s, limit=limit, until_s=720)
    found = judged(watched, by)
    assert not odd(found), odd(found)
    changed = [
        (earlier.replicas, later.replicas)
        for earlier, later in itertools.pairwise(watched)
        if earlier.replicas != later.replicas
    ]
    assert [(one.before, one.observed) for one in found.decisions] == changed


def test_few_candidates_are_left() -> None:
    """Else anything would be explained."""
    found = judged(simulated(DOCUMENTED), DOCUMENTED)
    assert len(found.decisions) >= 4
    assert all(len(one.recomputed) <= 3 for one in found.decisions)


def test_the_sum_is_told() -> None:
    """Utilisation, ratio, pods, policy; what its own status says."""
    calm = looks(0, 20, cpu=0.5)
    busy = [replace(one, usages=None) for one in looks(20, 25, cpu=0.5)]
    crowded = looks(21, 26, cpu=9.0)
    # One pod at 90 % of ten requests: policies allow five.
    after = looks(26, 30, desired=5, cpu=9.0, scaled_s=25.5)
    told = [
        replace(
            one, autoscaler=replace(one.autoscaler, utilization={"cpu": 900}, conditions=LIMITED)
        )
        for one in after
        if one.autoscaler is not None
    ]
    found = judged([*calm, *busy[:1], *crowded, *told])
    (decision,) = [one for one in found.decisions if one.observed == 5]
    assert decision.explained
    assert (decision.before, decision.observed) == (1, 5)
    assert (decision.low_s, decision.high_s) == (25.0, 26.1)
    assert decision.because == (
        "cpu: 900 % of the request, target 70 %: ratio 12.86, 1 pod counted -> 13",
        "policies (100 %/15 s, 4 pods/15 s; Max) allow 5",
        "its status: cpu 900 %, ScalingLimited True ScaleUpLimit",
    )


# Planted anomalies: the watched autoscaler has other rules than those it is judged by


def test_who_scales_within_the_tolerance_is_found_once() -> None:
    """73 % of 70 %: a tolerance of 1 % makes it grow, one of 10 % does not."""
    watched = [*looks(0, 20, 4, cpu=0.73), *looks(20, 25, 5, cpu=0.73, scaled_s=20.0)]
    (found,) = odd(judged(watched))
    assert (found.before, found.observed, found.recomputed) == (4, 5, (4,))
    assert found.because[:2] == (
        "it decided 5; by its algorithm 4",
        "cpu: 73 % of the request, target 70 %: ratio 1.04, within the tolerance -> stays 4",
    )
    shy = replace(AUTOSCALER, up=replace(DEFAULT_UP, tolerance=0.01))
    assert not odd(judged(watched, shy))


def test_who_ignores_the_window_of_shrinking_is_found_once() -> None:
    """It drops a minute after eight were needed; the rules say five minutes."""
    watched = [*looks(0, 100, 8, cpu=0.7), *looks(100, 160, 8, cpu=0.1)]
    watched += looks(160, 162, 2, cpu=0.1, scaled_s=160.0)
    (found,) = odd(judged(watched))
    assert (found.before, found.observed, found.recomputed) == (8, 2, (8,))
    assert "the last 300 s asked for up to 8" in found.because
    hasty = replace(AUTOSCALER, down=replace(DEFAULT_DOWN, window_s=50))
    assert not odd(judged(watched, hasty))


def test_who_ignores_the_window_of_growing_is_found_once() -> None:
    watched = simulated(AUTOSCALER, ((-60.0, 0.005), (0.0, 0.13)), until_s=120)
    patient = replace(AUTOSCALER, up=replace(DEFAULT_UP, window_s=60))
    (found,) = odd(judged(watched, patient))
    assert (found.before, found.observed, found.recomputed) == (1, 2, (1,))


def test_who_goes_beyond_the_maximum_is_found_once() -> None:
    """Twelve, with ten as the most."""
    watched = [*looks(0, 40, 8, cpu=0.7), *looks(40, 60, 8, cpu=1.05)]
    watched += looks(60, 62, 12, cpu=1.05, scaled_s=60.0)
    (found,) = odd(judged(watched))
    assert (found.before, found.observed, found.recomputed) == (8, 12, (10,))
    assert "maximum 10" in found.because


def test_who_grows_faster_than_its_policies_is_found_once() -> None:
    """Doubled twice within its minute."""
    doubled = replace(AUTOSCALER, up=replace(MINUTE, policies=MINUTE.policies[:1]))
    watched = [*looks(0, 30, 2, cpu=1.9), *looks(30, 60, 4, cpu=1.9, scaled_s=30.0)]
    watched += looks(60, 62, 8, cpu=1.9, scaled_s=60.0)
    first, second = judged(watched, doubled).decisions
    assert first.explained
    assert not second.explained
    assert second.recomputed == (4,)


def test_who_does_nothing_although_asked_is_found_once() -> None:
    """Twice its target for a minute and a half."""
    (found,) = judged([*looks(0, 30, 2, cpu=0.7), *looks(30, 120, 2, cpu=1.4)]).decisions
    assert (found.before, found.observed, found.recomputed) == (2, 2, (4,))
    assert not found.explained
    assert found.because[0] == "it stayed at 2 for 86 s; by its algorithm 4"


def test_half_a_minute_without_a_decision_proves_nothing() -> None:
    """Its next sync may come late."""
    assert not judged([*looks(0, 30, 2, cpu=0.7), *looks(30, 60, 2, cpu=1.4)]).decisions


# What cannot be known


def test_what_was_before_the_first_look_is_not_held_against_it() -> None:
    """It may have asked for five then, or for three: staying and shrinking are both explained."""
    assert not judged(looks(0, 100, 5, cpu=0.1)).decisions
    watched = [*looks(0, 100, 5, cpu=0.1), *looks(100, 102, 3, cpu=0.1, scaled_s=100.0)]
    (found,) = judged(watched).decisions
    assert found.explained
    assert found.recomputed == (1, 2, 3, 4, 5)


def test_a_change_from_before_the_first_look_counts_for_policies() -> None:
    """It doubled ten seconds before: none of its policies may allow more, or all of it."""
    doubled = replace(AUTOSCALER, up=replace(MINUTE, policies=MINUTE.policies[:1]))
    held = looks(0, 45, 4, cpu=1.9, scaled_s=-10.0)
    assert not judged(held, doubled).decisions
    (found,) = judged(looks(0, 45, 4, cpu=1.9, scaled_s=-70.0), doubled).decisions
    assert not found.explained


def test_without_metrics_nothing_is_recomputed() -> None:
    """Unread, or of another kind: neither explained nor wrong."""
    blind = [
        *looks(0, 40, 2, cpu=None, unread={"usages": "503 Service Unavailable"}),
        *looks(40, 42, 4, cpu=None, scaled_s=40.0, unread={"usages": "503 Service Unavailable"}),
    ]
    (found,) = judged(blind).decisions
    assert (found.explained, found.recomputed) == (False, ())
    assert found.because == ("its metrics were not read: 503 Service Unavailable",)
    other = replace(AUTOSCALER, other_metrics=("requests_per_second",))
    watched = [*looks(0, 40, 2), *looks(40, 42, 4, scaled_s=40.0)]
    (found,) = judged(watched, other).decisions
    assert found.recomputed == ()
    assert found.because == ("it also follows requests_per_second, which is not of a resource",)


def test_a_decision_that_nobody_was_near_is_not_recomputed() -> None:
    """A minute between two looks: it may have decided several times."""
    watched = [*looks(0, 10, 2, cpu=1.4), *looks(70, 72, 9, cpu=0.7, scaled_s=50.0)]
    (found,) = judged(watched).decisions
    assert (found.explained, found.recomputed) == (False, ())
    assert found.because == ("nobody looked for 61 s: it may have decided more than once",)


def test_pods_that_came_of_a_decision_do_not_explain_it() -> None:
    """The look after it already shows them waiting: they were not there when it decided."""
    before = looks(0, 30, 2, cpu=1.4)
    four = (*pods(2), pending(2, since_s=30.0), pending(3, since_s=30.0))
    (found,) = judged([*before, sighting(30, 4, of=four, cpu=1.4, scaled_s=30.0)]).decisions
    assert (found.explained, found.recomputed) == (True, (4,))


def test_a_slow_look_that_saw_pods_after_the_decision_does_not_mislead() -> None:
    """It read the autoscaler before and its pods after: 78 % of three pods are 47 % of five."""
    before = looks(0, 30, 3, cpu=0.78)
    five = (*pods(3), pending(3, since_s=30.0), pending(4, since_s=30.0))
    slow = replace(sighting(30, 3, of=five, cpu=0.78), replicas=3)
    (found,) = judged([*before, slow, *looks(31, 33, 4, cpu=0.78, scaled_s=30.0)]).decisions
    assert (found.before, found.observed, found.explained) == (3, 4, True)
    assert found.because[0].endswith("3 pods counted -> 4")


def test_what_somebody_else_set_is_no_decision() -> None:
    """The autoscaler takes it over without a new lastScaleTime, and decides on from there."""
    watched = [
        *looks(0, 20, 2, cpu=0.7, scaled_s=-500.0),
        *(replace(one, replicas=6) for one in looks(20, 25, 2, cpu=0.7, scaled_s=-500.0)),
        *looks(25, 30, 6, cpu=0.7, scaled_s=-500.0),
    ]
    found = judged(watched)
    assert not found.decisions
    assert found.notes == ("25 s: somebody else set 6 replicas; the autoscaler took them over",)


def test_a_look_that_read_the_target_first_changes_nothing() -> None:
    """spec.replicas already new, status still old: one decision, from the old number."""
    watched = [
        *looks(0, 30, 2, cpu=1.4, scaled_s=-500.0),
        replace(sighting(30, 2, cpu=1.4, scaled_s=-500.0), replicas=4),
        *looks(31, 33, 4, cpu=1.4, scaled_s=30.0),
    ]
    (found,) = judged(watched).decisions
    assert (found.before, found.observed, found.explained) == (2, 4, True)


def test_looks_without_the_autoscaler_are_counted() -> None:
    watched = [replace(one, autoscaler=None) for one in looks(0, 3)]
    found = judged([*watched, *looks(3, 5)])
    assert found.notes == ("3 of 5 looks could not read the autoscaler",)
    assert judged([]) == Recomputed(decisions=(), wanted=(), notes=())


@pytest.mark.parametrize("every", [1, 5, 12])
def test_how_often_metrics_are_read_changes_nothing(every: int) -> None:
    """As long as each scrape is seen once."""
    service = Service(request=0.1, limit=0.2, ready_s=8.0)
    run = Simulation(AUTOSCALER, TIMINGS, service, STEP, Phases(sync_s=7.0))
    found = judged(seen(run.states(700.0, every_s=1.0), read_every=every))
    assert found.decisions
    assert not odd(found)
