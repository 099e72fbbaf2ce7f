"""Durations of steps that follow each other, against what is promised for all of them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from promised import MINUTE, looked, promise, rto, wave, words

from harness.feasibility.durations import look
from harness.feasibility.finding import Harm, Word
from harness.feasibility.ground import Ground
from harness.feasibility.time_budgets import Step, TimeBudget, spend
from harness.model.autoscaling import Timings
from harness.model.cluster_settings import ClusterSettings, PodSettings, Span, WorkloadSettings
from harness.model.configuration import (
    Canary,
    CanaryPhase,
    DaprAnnotations,
    HealthProbe,
    ServiceCalls,
)
from harness.model.target import (
    AutoscalerRange,
    Kind,
    Latency,
    Replicas,
    ScalingPeriod,
    Target,
)

SECONDS = st.floats(min_value=0, max_value=1e6, allow_nan=False)


def budget(limit_s: float, *steps: tuple[float, float]) -> TimeBudget:
    return TimeBudget(
        about="b",
        subject="s",
        limit_s=limit_s,
        limit="RTO",
        target="rto",
        steps=tuple(Step(name="x", least_s=low, longest_s=high) for low, high in steps),
        harm=Harm.OUTAGE,
        why="w",
        resolve="r",
    )


def sidecar(delay: str) -> Target:
    return promise(
        "sidecar",
        DaprAnnotations(annotations={"dapr.io/sidecar-readiness-probe-delay-seconds": delay}),
    )


def autoscaled(minimum: int) -> Target:
    return promise("range", AutoscalerRange(minimum=minimum, maximum=10))


def calls(timeout_s: float, retries: int) -> Target:
    return promise("calls", ServiceCalls(timeout=timedelta(seconds=timeout_s), retries=retries))


def test_without_any_target_nothing_is_compared() -> None:
    """No facts: no finding at all, which is never "no contradiction"."""
    assert words(look) == {}


def test_a_recovery_time_without_steps_is_not_compared() -> None:
    """One side of a sum alone says nothing."""
    assert words(look, rto(5)) == {}
    assert words(look, wave(0, 5), wave(1, 5)) == {}


def test_waves_that_add_up_to_more_than_the_recovery_time_contradict_it() -> None:
    """5 + 5 + 10 + 10 + 5 minutes are not 5 minutes; the sum is written out."""
    waves = [wave(number, takes) for number, takes in enumerate((5, 5, 10, 10, 5))]
    (found,) = looked(look, rto(5), *waves).values()
    assert found.word is Word.CONTRADICTION
    assert found.sum == (
        "5 min wave 0 + 5 min wave 1 + 10 min wave 2 + 10 min wave 3 + 5 min wave 4 = 35 min "
        "> 5 min RTO"
    )
    assert found.targets == ("rto", "wave-0", "wave-1", "wave-2", "wave-3", "wave-4")
    assert found.times == 7
    assert found.resolve


def test_waves_within_the_recovery_time_hold() -> None:
    """Just as long is within: the target is an upper bound."""
    (found,) = looked(look, rto(10), wave(0, 5), wave(1, 5)).values()
    assert found.word is Word.HOLDS
    assert found.resolve == ""


def test_two_parts_of_one_wave_go_together() -> None:
    """Only the longest of each wave counts."""
    (found,) = looked(
        look, rto(10), wave(0, 4, identity="a"), wave(0, 6, identity="b"), wave(1, 4)
    ).values()
    assert found.word is Word.HOLDS
    assert found.targets == ("rto", "b", "wave-1")


def test_the_recovery_time_of_a_data_store_alone_has_nothing_to_do_with_waves() -> None:
    """What is not promised for the platform is not held against it."""
    assert words(look, rto(5, Kind.POSTGRESQL), wave(0, 35)) == {}


def test_canary_phases_beyond_the_recovery_time_are_tight() -> None:
    """A fault may be mended by going back: no contradiction, but a condition."""
    phases = (
        CanaryPhase(weight=10, lasts=5 * MINUTE),
        CanaryPhase(weight=100, lasts=30 * MINUTE),
    )
    canary = promise("canary", Canary(phases=phases))
    assert words(look, rto(5), canary) == {"rto, canary": Word.TIGHT}
    assert words(look, rto(35), canary) == {"rto, canary": Word.HOLDS}


def test_attempts_of_a_call_add() -> None:
    """Four attempts of 30 s are 2 min, of which a response time of 500 ms has no room."""
    quick = promise("quick", Latency(at_most=timedelta(seconds=0.5)))
    (found,) = looked(look, quick, calls(30, 3)).values()
    assert found.word is Word.TIGHT
    assert "= 2 min > 0.5 s" in found.sum
    assert found.times == 240
    assert words(look, quick, calls(0.1, 3)) == {"quick, calls": Word.HOLDS}


def test_one_replica_is_away_for_longer_than_the_recovery_time_when_its_node_is_lost() -> None:
    """40 to 50 s + 300 s of Kubernetes' defaults, which are named so."""
    (found,) = looked(look, rto(5), autoscaled(1)).values()
    assert found.word is Word.CONTRADICTION
    assert "= 5 min 40 s to 5 min 50 s > 5 min RTO" in found.sum
    assert any("Kubernetes default" in one for one in found.sources)


def test_two_replicas_or_a_long_recovery_time_say_nothing_of_a_lost_node() -> None:
    """Where a second replica is always there, nobody waits for the first."""
    assert words(look, rto(5), autoscaled(2)) == {}
    assert set(words(look, rto(6), autoscaled(1)).values()) == {Word.HOLDS}


def test_one_replica_of_one_environment_of_several_is_tight() -> None:
    """Whether the recovery time is meant for it, nobody says."""
    dev = promise("dev", Replicas(namespaces="*-dev", count=1))
    prod = promise("prod", Replicas(namespaces="*-prod", count=3))
    assert words(look, rto(5), dev, prod) == {"rto, lost node, dev": Word.TIGHT}
    assert words(look, rto(5), dev) == {"rto, lost node, dev": Word.CONTRADICTION}


@pytest.mark.parametrize(
    ("delay", "word"), [("30", Word.TIGHT), ("5", Word.HOLDS), ("61", Word.CONTRADICTION)]
)
def test_the_delay_of_a_sidecar_is_part_of_scaling_up(delay: str, word: Word) -> None:
    """What is asked only after the period is over cannot be ready within it."""
    up = promise("up", ScalingPeriod(direction="up", period=MINUTE))
    assert words(look, up, sidecar(delay)) == {"up, readiness": word}


def test_containers_of_a_pod_start_beside_each_other() -> None:
    """The longest of their delays counts, not their sum."""
    ready = promise(
        "ready",
        HealthProbe(
            probe="readiness",
            path="/",
            port=1,
            initial_delay=timedelta(seconds=40),
            period=timedelta(seconds=5),
        ),
    )
    up = promise("up", ScalingPeriod(direction="up", period=2 * MINUTE))
    (found,) = looked(look, up, sidecar("30"), ready).values()
    assert found.targets == ("up", "ready")
    assert "40 s to 45 s" in found.sum


def test_a_scale_down_period_is_not_compared() -> None:
    """A pod that goes waits for no readiness."""
    down = promise("down", ScalingPeriod(direction="down", period=MINUTE))
    assert words(look, down, sidecar("90")) == {}


def workload(
    *, replicas: int = 1, minimum: int | None = None, controller: str = "Deployment/shop"
) -> WorkloadSettings:
    return WorkloadSettings(
        workload="shop",
        pods=PodSettings(
            controller=controller,
            replicas=replicas,
            unreachable_toleration_s=30,
            readiness_delay_s=5,
            readiness_period_s=5,
            grace_s=30,
            restarts=0,
            volume="none",
            autoscaler_minimum=minimum,
        ),
    )


def deployed(*workloads: WorkloadSettings) -> ClusterSettings:
    return ClusterSettings(
        node_grace=Span(low_s=20, high_s=20, source="--node-monitor-grace-period"),
        node_grace_known=True,
        workloads=workloads,
    )


def test_the_settings_of_a_cluster_take_the_place_of_defaults() -> None:
    """20 s + 30 s + 5 to 10 s; no default of Kubernetes is named."""
    ground = Ground(targets=(rto(0.9),), settings=deployed(workload()))
    (found,) = look(ground)
    assert found.word is Word.CONTRADICTION
    assert "= 55 s to 1 min > 54 s RTO" in found.sum
    assert not any("default" in one for one in found.sources)


def test_a_cluster_whose_services_have_two_replicas_is_not_compared() -> None:
    """Neither is a StatefulSet, which nothing makes anew elsewhere."""
    for one in (
        workload(replicas=2),
        workload(replicas=1, minimum=2),
        workload(controller="StatefulSet/shop"),
        WorkloadSettings(workload="shop", unknown={"pods": "refused"}),
    ):
        assert list(look(Ground(targets=(rto(0.9),), settings=deployed(one)))) == []


def test_an_autoscaler_that_looks_less_often_needs_longer() -> None:
    """The cluster's own timings are in the sum."""
    up = promise("up", ScalingPeriod(direction="up", period=MINUTE))
    slow = Timings(sync_s=60, scrape_s=60, source="the cluster's")
    (found,) = look(Ground(targets=(up, sidecar("30")), timings=slow))
    assert "= 30 s to 2 min 36 s" in found.sum


@given(st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=8), SECONDS)
def test_one_more_step_never_makes_a_budget_looser(
    spans: list[tuple[float, float]], limit_s: float
) -> None:
    """Monotonic in the parts: contradiction is worse than tight, and tight than holds."""
    order = list(Word)[::-1]
    steps = [(min(one), max(one)) for one in spans]
    ranks = [
        order.index(spend(budget(limit_s, *steps[: number + 1])).word)
        for number in range(len(steps))
    ]
    assert ranks == sorted(ranks)


@given(st.lists(st.tuples(SECONDS, SECONDS), max_size=6), SECONDS, SECONDS)
def test_a_larger_budget_is_never_tighter(
    spans: list[tuple[float, float]], limit_s: float, more_s: float
) -> None:
    """Monotonic in the whole."""
    order = list(Word)[::-1]
    steps = [(min(one), max(one)) for one in spans]
    before = order.index(spend(budget(limit_s, *steps)).word)
    after = order.index(spend(budget(limit_s + more_s, *steps)).word)
    assert after <= before
