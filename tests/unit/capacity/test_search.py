"""The search finds what a service takes, and never asks for more than twice of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.capacity.search import Search
from harness.model.load_judgement import Injection, Latencies
from harness.model.target import ErrorRate, Latency

SEARCH = Search(
    start_rate=10,
    resolution=0.1,
    objectives=(Latency(at_most=timedelta(milliseconds=500)), ErrorRate(at_most=0.05)),
)


def probe(
    rate: float, *, p95: float = 0.1, wrong: int = 0, gates: tuple[str, ...] = ()
) -> Injection:
    return Injection(
        trial="capacity",
        step="1",
        rate=rate,
        scheduled=100,
        sent=100,
        answered=100 - wrong,
        errors={"TIMEOUT": wrong} if wrong else {},
        latencies=Latencies(p50=p95, p90=p95, p95=p95, p99=p95, p999=p95, longest=p95),
        lag_p99_s=0.001,
        lag_longest_s=0.001,
        gates=gates,
    )


def searched(capacity: float, search: Search = SEARCH) -> list[Injection]:
    probes: list[Injection] = []
    while (rate := search.next_rate(probes)) is not None:
        probes.append(probe(rate, p95=0.1 if rate <= capacity else 2.0))
    return probes


def test_it_begins_where_it_is_told() -> None:
    """The vacuous case."""
    assert SEARCH.next_rate([]) == 10
    point = SEARCH.point(1, [])
    assert (point.holds, point.fails) == (None, None)


@given(st.floats(10, 5000))
def test_any_service_that_holds_up_to_a_rate_is_found(capacity: float) -> None:
    """Within the resolution, and without more than twice what it takes."""
    probes = searched(capacity)
    point = SEARCH.point(1, probes)
    assert point.holds is not None
    assert point.fails is not None
    assert point.holds <= capacity < point.fails
    assert max(one.rate for one in probes) <= 2 * capacity
    if len(probes) < 16:
        assert (point.fails - point.holds) / point.holds <= 0.1 + 1e-9


@given(st.lists(st.booleans(), min_size=40, max_size=40))
def test_a_service_that_contradicts_itself_ends_the_search_too(answers: list[bool]) -> None:
    """Whatever it answers."""
    probes: list[Injection] = []
    for good in answers:
        rate = SEARCH.next_rate(probes)
        if rate is None:
            return
        probes.append(probe(rate, p95=0.1 if good else 2.0))
    pytest.fail("it never ended")


def test_one_hiccup_is_no_capacity() -> None:
    """What failed is tried again, and holds then."""
    probes = [probe(10), probe(20, p95=3.0)]
    assert SEARCH.next_rate(probes) == 20
    assert SEARCH.next_rate([*probes, probe(20)]) == 40


def test_a_rate_is_not_tried_for_ever() -> None:
    """Once with a late generator, once too slow: that is twice."""
    probes = [probe(20), probe(40, gates=("late",)), probe(40, p95=3.0)]
    assert SEARCH.bracket(probes) == (20, 40)
    assert SEARCH.next_rate(probes) == 30


def test_a_late_generator_is_never_the_services_failure() -> None:
    """Tried once more; then the search ends at the generator, which it says."""
    late = probe(20, p95=9.0, gates=("the generator was late",))
    assert SEARCH.next_rate([probe(10), late]) == 20
    assert SEARCH.next_rate([probe(10), late, late]) is None
    point = SEARCH.point(1, [probe(10), late, late])
    assert (point.holds, point.fails) == (10, None)
    assert point.limited_by == "the generator: the generator was late"


def test_a_service_that_holds_nothing_ends_it_downwards() -> None:
    """It is not tried for ever."""
    point = SEARCH.point(1, searched(0.0))
    assert point.holds is None
    assert point.fails is not None


def test_each_objective_may_be_the_one_that_fails() -> None:
    """And is named with what was got."""
    assert SEARCH.missed(probe(10)) == ()
    assert SEARCH.missed(probe(10, p95=0.6)) == ("p95 600 ms > 500 ms",)
    assert SEARCH.missed(probe(10, wrong=6)) == ("errors 6.0% > 5.0%",)
