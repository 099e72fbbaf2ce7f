"""What arithmetic predicts of an autoscaler, against a table that another simulation made."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from load_tests import AUTOSCALER, CPU_70, MEMORY_80
from msgspec.structs import replace

from harness.capacity.expectations import Expectation, Range, expect, fastest_s, memory_share
from harness.model.autoscaling import (
    DEFAULT_UP,
    AutoscalerSettings,
    ContainerResources,
    PolicyKind,
    Resource,
    ScalingPolicy,
    ScalingRules,
    SelectPolicy,
    Timings,
    Usage,
)

DOUBLE = ScalingPolicy(kind=PolicyKind.PERCENT, value=100, period_s=60)
FOUR = ScalingPolicy(kind=PolicyKind.PODS, value=4, period_s=60)


def growing(*policies: ScalingPolicy) -> AutoscalerSettings:
    return replace(AUTOSCALER, up=ScalingRules(window_s=0, policies=policies))


def container(limit: float | None) -> ContainerResources:
    return ContainerResources(
        name="checkout",
        requests={Resource.CPU: 0.1},
        limits={} if limit is None else {Resource.CPU: 0.1 * limit},
    )


def predicted(
    settings: AutoscalerSettings = AUTOSCALER,
    *,
    limit: float | None = 2.0,
    ready_s: float = 10.0,
    timings: Timings | None = None,
) -> Expectation:
    return expect(
        settings,
        timings or Timings(),
        (container(limit),),
        seed=7,
        ready_s=(ready_s, ready_s),
        draws=30,
    )


SLOW = Timings(scrape_s=60)
PATIENT = replace(AUTOSCALER, up=replace(DEFAULT_UP, window_s=60))


@pytest.mark.parametrize(
    ("settings", "limit", "ready_s", "timings", "onset", "wanted"),
    [
        (AUTOSCALER, 1.0, 10, None, (20, 30, 42), (144, 210, 278)),
        (AUTOSCALER, 1.0, 30, None, (20, 30, 42), (260, 272, 340)),
        (AUTOSCALER, 2.0, 10, None, (14, 26, 36), (78, 130, 150)),
        (AUTOSCALER, 4.0, 10, None, (10, 22, 32), (45, 74, 89)),
        (PATIENT, 2.0, 10, None, (59, 70, 81), (227, 265, 300)),
        (growing(DOUBLE, FOUR), 2.0, 10, None, (14, 26, 36), (108, 130, 150)),
        (growing(DOUBLE), 2.0, 10, None, (14, 26, 36), (194, 206, 216)),
        (AUTOSCALER, 2.0, 10, SLOW, (35, 61, 91), (275, 301, 331)),
    ],
)
def test_ranges_agree_with_an_independent_simulation(
    settings: AutoscalerSettings,
    limit: float,
    ready_s: float,
    timings: Timings | None,
    onset: tuple[float, float, float],
    wanted: tuple[float, float, float],
) -> None:
    """That one steps by half a second and knows CPU only; medians within half a sync period.

    Tails within two: a handful of phases decides whether one sync more is needed.
    """
    found = predicted(settings, limit=limit, ready_s=ready_s, timings=timings)
    for range_, (low, typical, high) in ((found.onset_s, onset), (found.wanted_s, wanted)):
        assert range_ is not None
        assert abs(range_.typical - typical) <= 7.5
        assert abs(range_.low - low) <= 30
        assert abs(range_.high - high) <= 30


def test_the_path_is_bounded_by_saturation_and_policies() -> None:
    """ceil(n x limit / request / target), and no more than policies allow."""
    assert predicted(limit=1.0).path == (2, 3, 5, 8, 10)
    assert predicted(limit=4.0).path == (5, 6, 10)
    assert predicted(growing(DOUBLE)).path == (2, 4, 8, 10)


def test_the_way_back_is_the_window_and_one_chain() -> None:
    """300 s, and what measuring and deciding take."""
    back = predicted().back_s
    assert back is not None
    assert 300 <= back.low <= back.typical <= back.high <= 345


def test_memory_that_does_not_fall_holds_replicas_back() -> None:
    """40 % of an 80 % target: half of them go in each window (kubernetes#78761)."""
    both = replace(AUTOSCALER, metrics=(CPU_70, MEMORY_80))
    found = expect(both, Timings(), (container(4.0),), seed=7, memory=0.4, draws=5)
    assert found.back_s is not None
    assert 4 * 300 <= found.back_s.low <= found.back_s.high <= 4 * 345
    assert found.lines[-1].endswith("on the way back 10, 5, 3, 2, 1, each after a window of 300 s")
    full = expect(both, Timings(), (container(4.0),), seed=7, memory=0.7, draws=5)
    assert full.back_s is None
    assert "on the way back 10, 9, 8, 7, each after" in full.lines[-1]
    unknown = expect(both, Timings(), (container(4.0),), seed=7, draws=5)
    assert unknown.back_s is not None
    assert unknown.back_s.high <= 345
    assert unknown.lines[-1].startswith("memory is left out")


def test_pods_are_ready_after_they_are_wanted() -> None:
    found = predicted(ready_s=30.0)
    assert found.wanted_s is not None
    assert found.to_maximum_s is not None
    assert found.to_maximum_s.low >= found.wanted_s.low + 29


def test_equal_seeds_give_equal_predictions() -> None:
    assert predicted() == predicted()


def test_it_is_told_in_words() -> None:
    """The chain, the bound of one step, the ranges."""
    found = predicted(growing(DOUBLE, FOUR))
    chain, bound, there, back = found.lines
    assert chain.startswith("a change is seen after 40 s at the most: sampled each 10 s")
    assert bound.startswith(
        "1 saturated at 2 x the request ask for 3 at the most, and policies allow 5"
    )
    assert isinstance(found.to_maximum_s, Range)
    assert f"all ready after {found.to_maximum_s.low:.0f} to" in there
    assert back.endswith("of which the window is 300 s")
    assert predicted(limit=None).lines[1].startswith("no CPU limit")


def test_what_cannot_be_predicted_is_said() -> None:
    """Memory only; a container without a request; policies that never get there."""
    memory = replace(AUTOSCALER, metrics=(MEMORY_80,))
    assert predicted(memory).lines == (
        "nothing is predicted: no share of a CPU request is its target",
    )
    bare = ContainerResources(name="proxy")
    both = replace(AUTOSCALER, metrics=(CPU_70,))
    found = expect(both, Timings(), (container(2.0), bare), seed=1)
    assert found.onset_s is None
    slow = growing(ScalingPolicy(kind=PolicyKind.PODS, value=1, period_s=300))
    assert predicted(slow).to_maximum_s is None
    assert "more than is looked at" in predicted(slow).lines[2]


@pytest.mark.parametrize(
    ("settings", "up", "takes_s"),
    [
        (AUTOSCALER, "up", 15),
        (growing(DOUBLE, FOUR), "up", 60),
        (growing(DOUBLE), "up", 180),
        (PATIENT, "up", 75),
        (AUTOSCALER, "down", 300),
        (replace(AUTOSCALER, up=replace(DEFAULT_UP, select=SelectPolicy.DISABLED)), "up", None),
    ],
)
def test_rules_alone_take_time(
    settings: AutoscalerSettings, up: str, takes_s: float | None
) -> None:
    """1, 5, 10 in two decisions; 1, 2, 4, 8, 10 in four periods."""
    assert fastest_s(settings, Timings(), up=up == "up") == takes_s


def test_what_a_pod_uses_of_its_memory() -> None:
    """Nothing measured, nothing asked for, and the mean of two pods."""
    asked = ContainerResources(name="checkout", requests={Resource.MEMORY: 100.0})

    def used(pod: str, amount: float) -> Usage:
        return Usage(
            pod=pod,
            measured=datetime(2026, 11, 24, 3, tzinfo=UTC),
            window_s=15.0,
            containers={"checkout": {Resource.MEMORY: amount}, "another": {Resource.MEMORY: 9.0}},
        )

    assert memory_share((), [asked]) is None
    assert memory_share((used("a", 30.0),), [ContainerResources(name="checkout")]) is None
    assert memory_share((used("a", 30.0), used("b", 50.0)), [asked]) == 0.4
