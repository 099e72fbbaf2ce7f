"""The recomputed autoscaler: what counts, what is asked for, what rules make of it."""

from __future__ import annotations

import math
from datetime import timedelta
from fractions import Fraction

import pytest
from constructors import NOW
from hypothesis import given
from hypothesis import strategies as st
from load_tests import AUTOSCALER, CONTAINER, CPU_70, MEMORY_80, pending, pod, pods, usage
from msgspec.structs import replace

from harness.capacity.autoscaler import (
    Change,
    View,
    Windows,
    decide,
    growth_limit,
    recommend,
    shrink_limit,
    sort_pods,
    windows,
)
from harness.model.autoscaling import (
    DEFAULT_DOWN,
    DEFAULT_UP,
    AutoscalerSettings,
    ContainerResources,
    PolicyKind,
    Resource,
    ResourceTarget,
    ScaledPod,
    ScalingPolicy,
    ScalingRules,
    SelectPolicy,
    Timings,
)

TIMINGS = Timings()
BOTH = replace(AUTOSCALER, metrics=(CPU_70, MEMORY_80))


def view(
    of: tuple[ScaledPod, ...], *cpu: float, replicas: int | None = None, memory: float = 0.4
) -> View:
    """The first pods have these shares; those beyond have no measurement."""
    return View(
        now=NOW,
        replicas=len(of) if replicas is None else replicas,
        pods=of,
        usages=tuple(usage(one, share, memory) for one, share in zip(of, cpu, strict=False)),
    )


def asked(seen: View, settings: AutoscalerSettings = AUTOSCALER) -> int | None:
    return recommend(seen, settings, TIMINGS).replicas


# What is asked for


def test_the_ratio_of_all_that_counts_decides() -> None:
    """With the sum in words."""
    made = recommend(view(pods(3), 1.4, 1.4, 1.4), AUTOSCALER, TIMINGS)
    assert made.replicas == 6
    assert made.because == (
        "cpu: 140 % of the request, target 70 %: ratio 2.00, 3 pods counted -> 6",
    )


@pytest.mark.parametrize(
    ("share", "wanted"),
    [(0.63, 10), (0.70, 10), (0.77, 10), (0.62, 9), (0.78, 12)],
)
def test_within_the_tolerance_nothing_changes(share: float, wanted: int) -> None:
    """63 % to 77 %, both included."""
    assert asked(view(pods(10), *[share] * 10)) == wanted


def test_thousandths_are_rounded_up_and_percents_are_cut() -> None:
    """77.1 m of each of ten pods are 78 m; 779 m of 1000 m are 77 %."""
    assert asked(view(pods(10), *[0.771] * 10)) == 12
    assert asked(view(pods(10), *[0.78] * 9, 0.77)) == 10


def test_each_direction_may_have_its_own_tolerance() -> None:
    """KEP-4951: only growing is made less shy."""
    settings = replace(AUTOSCALER, up=replace(DEFAULT_UP, tolerance=0.02))
    assert asked(view(pods(10), *[0.73] * 10), settings) == 11
    assert asked(view(pods(10), *[0.65] * 10), settings) == 10


def test_a_pod_without_a_measurement_slows_both_directions() -> None:
    """All of its request on the way down, nothing on the way up."""
    assert asked(view(pods(4), 0.2, 0.2, 0.2)) == 3
    assert asked(view(pods(4), 1.4, 1.4, 1.4)) == 6
    assert asked(view(pods(2), 1.0)) == 2  # 0.5 / 0.7 would turn the direction


def test_a_pod_that_is_not_ready_counts_only_against_growth() -> None:
    """As 0 %; on the way down it is as if it were not there."""
    new = pod(9, ready=False, since_s=-20)
    growing = view((*pods(2), new), 1.4, 1.4, 5.0)
    assert asked(growing) == 4
    shrinking = view((*pods(2), new), 0.2, 0.2, 5.0)
    assert asked(shrinking) == 1


def test_pods_are_sorted_as_the_controller_sorts_them() -> None:
    """Pending before missing, ending before both."""
    of = (
        pod(0),
        pod(1, terminating=True),
        pod(2, phase="Failed"),
        pending(3, since_s=-5),
        pod(4),
        pod(5, ready=False, since_s=-100),
        pod(6, since_s=-100, ready_since_s=-12),
        pod(7, since_s=-100, ready_since_s=-60),
        pod(8, ready=False, since_s=-1_000, ready_since_s=-500),
        pod(9, ready=False, since_s=-1_000, ready_since_s=-990),
    )
    usages = tuple(usage(one) for one in of if one.name != "checkout-4")
    seen = View(now=NOW, replicas=len(of), pods=of, usages=usages)
    measured = frozenset(one.pod for one in usages)
    sorted_ = sort_pods(seen, measured, Resource.CPU, TIMINGS)
    # 6: its sample ended 5 s ago and is 10 s long: it began before the pod was ready.
    assert sorted_.counted == {"checkout-0", "checkout-7", "checkout-8"}
    assert sorted_.unready == {"checkout-3", "checkout-5", "checkout-6", "checkout-9"}
    assert sorted_.missing == {"checkout-4"}
    assert sorted_.ignored == {"checkout-1", "checkout-2"}
    # Memory is believed of pods that are not ready.
    of_memory = sort_pods(seen, measured, Resource.MEMORY, TIMINGS)
    assert of_memory.unready == {"checkout-3"}


def test_the_metric_that_asks_for_most_wins() -> None:
    """Memory alone may hold replicas up."""
    assert asked(view(pods(4), *[0.1] * 4, memory=0.8), BOTH) == 4
    assert asked(view(pods(4), *[1.4] * 4, memory=0.8), BOTH) == 8


def test_a_metric_that_fails_stops_the_way_down_only() -> None:
    """One container has no memory request: memory cannot be computed."""
    bare = replace(CONTAINER, requests={Resource.CPU: 0.1})
    of = pods(4, containers=(bare,))
    down = recommend(view(of, *[0.1] * 4), BOTH, TIMINGS)
    assert down.replicas is None
    assert "memory: the metrics API has nothing of it" in down.because
    assert asked(view(of, *[1.4] * 4), BOTH) == 8
    without = replace(CONTAINER, name="proxy", requests={})
    proxied = pods(1, containers=(CONTAINER, without))
    failed = recommend(
        View(
            now=NOW,
            replicas=1,
            pods=proxied,
            usages=(usage(pod(0), 1.4),),
        ),
        AUTOSCALER,
        TIMINGS,
    )
    assert failed.replicas is None
    assert failed.because == ("cpu: container proxy of pod checkout-0 has no request",)


def test_a_container_metric_counts_that_container_alone() -> None:
    """The idle sidecar halves the share of the whole pod."""
    sidecar = ContainerResources(name="proxy", requests={Resource.CPU: 0.1}, sidecar=True)
    of = pods(2, containers=(CONTAINER, sidecar))
    used = tuple(
        replace(
            usage(one),
            containers={"checkout": {Resource.CPU: 0.14}, "proxy": {Resource.CPU: 0.0}},
        )
        for one in of
    )
    seen = View(now=NOW, replicas=2, pods=of, usages=used)
    alone = ResourceTarget(resource=Resource.CPU, utilization=70, container="checkout")
    assert asked(seen) == 2
    assert asked(seen, replace(AUTOSCALER, metrics=(alone,))) == 4


def test_an_average_value_needs_no_request() -> None:
    """0.14 cores of each, 0.1 wanted."""
    metric = ResourceTarget(resource=Resource.CPU, average_value=0.1)
    settings = replace(AUTOSCALER, metrics=(metric,))
    assert asked(view(pods(2), 1.4, 1.4), settings) == 3


def test_without_any_measurement_nothing_is_asked_for() -> None:
    """No metrics, no pods, none that is ready."""
    assert asked(view(pods(2))) is None
    assert asked(View(now=NOW, replicas=1, pods=(), usages=(usage(pod(0)),))) is None
    assert asked(view((pod(0, ready=False, since_s=-5),), 1.4)) is None


shares = st.lists(st.floats(0, 4, allow_nan=False), min_size=1, max_size=8)


@given(shares, st.permutations(range(8)), st.integers(0, 2), st.integers(0, 2))
def test_the_order_of_pods_says_nothing(
    used: list[float], order: list[int], missing: int, unready: int
) -> None:
    """Any order of the pods and of their measurements."""
    of = pods(len(used) + missing)
    new = tuple(pod(20 + number, ready=False, since_s=-20) for number in range(unready))
    made = view((*of, *new), *used)
    chosen = sorted(range(len(made.pods)), key=lambda at: order[at % 8] * 100 + at)
    turned = View(
        now=NOW,
        replicas=made.replicas,
        pods=tuple(made.pods[at] for at in chosen),
        usages=made.usages[::-1],
    )
    assert asked(turned, BOTH) == asked(made, BOTH)


@given(shares, st.integers(0, 7), st.floats(0, 2), st.integers(0, 2), st.integers(0, 2))
def test_more_usage_never_asks_for_less(
    used: list[float], which: int, more: float, missing: int, unready: int
) -> None:
    """Monotone in the usage of each pod, with pods that have none or are not ready."""
    new = tuple(pod(20 + number, ready=False, since_s=-20) for number in range(unready))
    of = (*pods(len(used)), *(pod(30 + number) for number in range(missing)), *new)
    busier = list(used)
    busier[which % len(used)] += more
    less, greater = asked(view(of, *used)), asked(view(of, *busier))
    assert less is not None
    assert greater is not None
    assert greater >= less


@given(st.integers(1, 10), st.integers(0, 400), st.integers(10, 150))
def test_it_agrees_with_a_naive_model(count: int, percent: int, target: int) -> None:
    """All pods alike, ready and measured; one metric: exact fractions, from the documentation."""
    settings = replace(
        AUTOSCALER, metrics=(ResourceTarget(resource=Resource.CPU, utilization=target),)
    )
    ratio = Fraction(percent, target)
    within = Fraction(9, 10) < ratio < Fraction(11, 10)
    naive = count if within else math.ceil(ratio * count)
    on_the_edge = ratio in (Fraction(9, 10), Fraction(11, 10))
    if not on_the_edge:
        # A float that should be whole may be one more when it is rounded up, as it is in Go.
        either = {naive, count if within else math.ceil(percent / target * count)}
        assert asked(view(pods(count), *[percent / 100] * count), settings) in either


# What windows, policies and limits make of it


def rules(*policies: tuple[PolicyKind, int, int], **other: object) -> ScalingRules:
    made = ScalingRules(
        window_s=0,
        policies=tuple(
            ScalingPolicy(kind=kind, value=value, period_s=period_s)
            for kind, value, period_s in policies
        ),
    )
    return replace(made, **other)


DOUBLE = (PolicyKind.PERCENT, 100, 60)
FOUR = (PolicyKind.PODS, 4, 60)


def test_the_window_of_growing_takes_its_lowest_the_other_its_highest() -> None:
    """Only ages below each window count; the newest recommendation always does."""
    settings = replace(AUTOSCALER, up=replace(DEFAULT_UP, window_s=60))
    past = [(15.0, 4), (59.9, 3), (60.0, 1), (299.9, 9), (300.0, 10)]
    assert windows(settings, 5, past) == Windows(lowest=3, highest=9)
    assert windows(AUTOSCALER, 5, past) == Windows(lowest=5, highest=9)


def test_windows_hold_the_present_number() -> None:
    """It grows to the lowest, shrinks to the highest, and else stays."""
    allowed = Windows(lowest=3, highest=8)
    for current, then in ((1, 3), (3, 3), (5, 5), (8, 8), (10, 8)):
        outcome = decide(AUTOSCALER, current=current, wanted=5, allowed=allowed)
        assert outcome.replicas == then
    held = decide(AUTOSCALER, current=10, wanted=2, allowed=Windows(lowest=2, highest=10))
    assert held.conditions["AbleToScale"] == "True ScaleDownStabilized"
    assert held.because == ("the last 300 s asked for up to 10",)


def test_policies_count_what_was_changed_in_their_period() -> None:
    """Three pods at the beginning of the minute: six, or seven; and no more until it is over."""
    assert growth_limit(rules(DOUBLE), 3, ()) == 6
    assert growth_limit(rules(DOUBLE, FOUR), 3, ()) == 7
    assert growth_limit(rules(DOUBLE, FOUR, select=SelectPolicy.MIN), 3, ()) == 6
    assert growth_limit(rules(DOUBLE, FOUR, select=SelectPolicy.DISABLED), 3, ()) == 3
    assert growth_limit(rules(DOUBLE), 6, (Change(age_s=59.9, by=3),)) == 6
    assert growth_limit(rules(DOUBLE), 6, (Change(age_s=60.0, by=3),)) == 12
    assert growth_limit(rules((PolicyKind.PERCENT, 10, 60)), 1, ()) == 2
    assert shrink_limit(rules((PolicyKind.PERCENT, 10, 60)), 5, ()) == 4
    assert shrink_limit(rules(DOUBLE, FOUR, select=SelectPolicy.MIN), 5, ()) == 1
    assert shrink_limit(rules(FOUR), 6, (Change(age_s=1.0, by=-2),)) == 4


@pytest.mark.parametrize(
    ("current", "wanted", "then", "reason"),
    [
        (1, 9, 5, "True ScaleUpLimit"),
        (8, 20, 10, "True TooManyReplicas"),
        (5, 0, 1, "True TooFewReplicas"),
        (5, 7, 7, "False DesiredWithinRange"),
    ],
)
def test_what_limited_a_decision_is_told(current: int, wanted: int, then: int, reason: str) -> None:
    outcome = decide(AUTOSCALER, current=current, wanted=wanted)
    assert (outcome.replicas, outcome.conditions["ScalingLimited"]) == (then, reason)


def test_the_way_down_is_limited_too() -> None:
    settings = replace(AUTOSCALER, down=rules((PolicyKind.PODS, 1, 60)))
    outcome = decide(settings, current=5, wanted=2)
    assert outcome.replicas == 4
    assert outcome.conditions["ScalingLimited"] == "True ScaleDownLimit"
    assert outcome.because == ("policies (1 pods/60 s; Max) allow 4",)


def test_without_behavior_it_grows_to_twice_or_four() -> None:
    """And no window of growing, no period applies."""
    settings = replace(AUTOSCALER, behavior_given=False)
    change = (Change(age_s=1.0, by=3),)
    assert decide(settings, current=1, wanted=9, changes=change).replicas == 4
    assert decide(settings, current=3, wanted=9, changes=change).replicas == 6
    assert decide(settings, current=8, wanted=20).replicas == 10
    assert decide(settings, current=4, wanted=0).replicas == 1
    allowed = Windows(lowest=1, highest=7)
    assert decide(settings, current=7, wanted=1, allowed=allowed).replicas == 7


def test_outside_of_its_limits_it_asks_no_metric() -> None:
    """Nor where it is switched off, nor where metrics fail."""
    assert decide(AUTOSCALER, current=12, wanted=11).replicas == 10
    settings = replace(AUTOSCALER, minimum=2)
    assert decide(settings, current=1, wanted=9).replicas == 2
    assert decide(AUTOSCALER, current=0, wanted=9).replicas == 0
    failed = decide(AUTOSCALER, current=3, wanted=None)
    assert failed.replicas == 3
    assert failed.conditions == {"ScalingActive": "False FailedGetResourceMetric"}


policies = st.lists(
    st.tuples(st.sampled_from(PolicyKind), st.integers(1, 200), st.sampled_from([15, 60, 300])),
    min_size=1,
    max_size=3,
)
counts = st.integers(1, 10)
histories = st.lists(st.builds(Change, age_s=st.floats(0, 400), by=st.integers(-5, 5)), max_size=4)
bounds = st.tuples(counts, counts).map(lambda two: Windows(lowest=min(two), highest=max(two)))


@given(policies, policies, counts, st.integers(0, 40), histories, bounds)
def test_it_stays_within_limits_windows_and_policies(
    up: list[tuple[PolicyKind, int, int]],
    down: list[tuple[PolicyKind, int, int]],
    current: int,
    wanted: int,
    changes: list[Change],
    around: Windows,
) -> None:
    """Whatever it is asked for: never out of them, never against the direction."""
    settings = replace(AUTOSCALER, up=rules(*up), down=replace(rules(*down), window_s=300))
    allowed = Windows(lowest=min(wanted, around.lowest), highest=max(wanted, around.highest))
    then = decide(
        settings, current=current, wanted=wanted, allowed=allowed, changes=changes
    ).replicas
    assert settings.minimum <= then <= settings.maximum
    assert then <= max(current, growth_limit(settings.up, current, changes))
    assert then >= min(current, shrink_limit(settings.down, current, changes))
    if then > current:
        assert then <= allowed.lowest
    if then < current:
        assert then >= min(allowed.highest, current)


@given(counts, st.integers(0, 40), st.integers(0, 10))
def test_a_greater_wish_never_gives_less(current: int, wanted: int, more: int) -> None:
    """Decisions are monotone in what metrics ask for."""
    less = decide(AUTOSCALER, current=current, wanted=wanted)
    greater = decide(AUTOSCALER, current=current, wanted=wanted + more)
    assert greater.replicas >= less.replicas


def test_now_moves_a_pod_out_of_its_initialisation() -> None:
    """Five minutes after its start, a pod that is not ready any more counts."""
    started = pod(0, ready=False, since_s=-299, ready_since_s=-100)
    seen = View(now=NOW, replicas=1, pods=(started,), usages=(usage(started, 1.4),))
    later = View(now=NOW + timedelta(seconds=2), replicas=1, pods=(started,), usages=seen.usages)
    assert asked(seen) is None
    assert asked(later) == 2


def test_defaults_are_those_of_the_documentation() -> None:
    """1, 5, 10: two decisions."""
    assert growth_limit(DEFAULT_UP, 1, ()) == 5
    assert growth_limit(DEFAULT_UP, 5, ()) == 10
    assert shrink_limit(DEFAULT_DOWN, 10, ()) == 0
