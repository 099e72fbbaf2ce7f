"""A capacity is known where a rate held and a little more failed; the peak is asked of the most."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

import load_tests
from msgspec.structs import replace

from harness.capacity.percentiles import Samples, injection_of
from harness.capacity.search import Search
from harness.judge.load.capacity import judge, summaries
from harness.judge.load.evidence import LoadRun
from harness.model.history import LoadInjected
from harness.model.load_judgement import Injection
from harness.model.load_test import Search as Scenario
from harness.model.target import ErrorRate, Latency
from harness.model.verdict import Finding, Verdict

PROBE_S = 20.0
PROMISES = (Latency(at_most=timedelta(milliseconds=500)), ErrorRate(at_most=0.05))


def never(_replicas: int, _rate: float) -> bool:
    return False


def searched(
    capacities: Mapping[int, float],
    *,
    late: Callable[[int, float], bool] = never,
    stopped_after: int = 99,
) -> LoadRun:
    """A whole search of a service that takes so much; its generator is late where it is told."""
    scenario = Scenario(id="capacity", title="Searched", replicas=(1, 2, 10))
    plan = load_tests.plan(*PROMISES, trials=[load_tests.trial(scenario)])
    search = Search.of(scenario, plan.trials[0], plan.targets)
    facts: list[LoadInjected] = []
    samples: dict[str, Samples] = {}
    for replicas, capacity in capacities.items():
        probes: list[Injection] = []
        while (rate := search.next_rate(probes)) is not None and len(probes) < stopped_after:
            fact = load_tests.injected(
                "capacity",
                step=f"{replicas}-replicas-{len(probes) + 1}",
                scheduled=round(rate * PROBE_S),
                lasts_s=PROBE_S,
                replicas=replicas,
            )
            fact = replace(fact, rate=rate)
            taken = load_tests.samples(
                fact.scheduled,
                rate=rate,
                takes_s=0.05 if rate <= capacity else 2.0,
                lag_s=0.02 if late(replicas, rate) else 0.0005,
            )
            samples[fact.samples[0]] = taken
            facts.append(fact)
            probes.append(injection_of(taken, fact))
    return load_tests.run(plan, *load_tests.around("capacity", *facts), samples=samples)


def found(run: LoadRun, about: str) -> Finding:
    (one,) = [one for one in judge(run) if one.id == f"capacity/capacity/{about}"]
    return one


def test_a_search_that_tried_nothing_says_nothing() -> None:
    """The vacuous case."""
    run = searched({})
    assert {one.verdict for one in judge(run)} == {Verdict.INCONCLUSIVE}
    assert summaries(run)[0].fit is None


def test_a_capacity_has_both_its_bounds() -> None:
    """What held, and what did not."""
    one = found(searched({1: 11.0}), "1-replicas")
    assert one.verdict is Verdict.PASS
    (capacity,) = one.measures
    assert capacity.low is not None
    assert capacity.high is not None
    assert capacity.low <= 11.0 < capacity.high <= 1.1 * capacity.low


def test_a_late_generator_bounds_no_capacity() -> None:
    """Nothing failed: what held is what the generator could."""
    run = searched({1: 1e9}, late=lambda _replicas, rate: rate > 40)
    one = found(run, "1-replicas")
    assert one.verdict is Verdict.INCONCLUSIVE
    assert "the generator" in one.headline


def test_a_generator_that_was_late_within_the_bracket_leaves_it_wide() -> None:
    """Between 10 and 20 it is known that it lies there, and no more."""
    one = found(searched({1: 11.0}, late=lambda _replicas, rate: rate == 15), "1-replicas")
    assert one.verdict is Verdict.INCONCLUSIVE
    assert "somewhere from 10.0 to 20.0" in one.headline


def test_a_search_that_was_cut_off_leaves_its_bracket_wide() -> None:
    """As above."""
    assert found(searched({1: 11.0}, stopped_after=3), "1-replicas").verdict is Verdict.INCONCLUSIVE


def test_a_service_that_holds_nothing_is_inconclusive() -> None:
    """It is known to hold less than was tried, which is no capacity."""
    assert found(searched({1: 0.0}), "1-replicas").verdict is Verdict.INCONCLUSIVE


def test_a_peak_that_the_maximum_holds_passes() -> None:
    """100 requests/s, with the ten replicas that there may be."""
    assert found(searched({1: 11.0, 10: 110.0}), "peak").verdict is Verdict.PASS


def test_a_peak_that_the_maximum_does_not_hold_fails() -> None:
    """There can be no more replicas than these."""
    assert found(searched({1: 11.0, 10: 80.0}), "peak").verdict is Verdict.FAIL


def test_a_peak_that_fewer_replicas_do_not_hold_is_inconclusive() -> None:
    """Eight more may come, and nobody looked."""
    one = found(searched({1: 11.0, 2: 22.0}), "peak")
    assert one.verdict is Verdict.INCONCLUSIVE
    assert "10 replicas, the autoscaler's maximum, were not tried" in one.headline


def test_the_law_is_of_capacities_only() -> None:
    """What a late generator held is no point of it."""
    whole = searched({1: 11.0, 2: 21.0, 10: 80.0})
    assert summaries(whole)[0].fit is not None
    late = searched(
        {1: 11.0, 2: 21.0, 10: 80.0}, late=lambda replicas, rate: replicas == 10 and rate > 20
    )
    assert summaries(late)[0].fit is None
