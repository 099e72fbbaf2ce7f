"""Ranges that must nest, and settings that two targets give two values."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from promised import DAY, looked, promise, resources, words

from harness.feasibility import ranges, values
from harness.feasibility.finding import Finding, Harm, Word
from harness.model.configuration import (
    ContainerEnvironment,
    EngineVersion,
    Size,
    TelemetryRetention,
    VerticalAutoscaler,
)
from harness.model.target import (
    AutoscalerRange,
    Availability,
    ErrorRate,
    Kind,
    Replicas,
    Target,
)

NUMBERS = st.floats(min_value=0, max_value=1e9, allow_nan=False)


def autoscaled(minimum: int, maximum: int = 10) -> Target:
    return promise("range", AutoscalerRange(minimum=minimum, maximum=maximum))


def replicas(count: int, namespaces: str = "*-prod", identity: str = "replicas") -> Target:
    return promise(identity, Replicas(namespaces=namespaces, count=count))


def nested(may: tuple[float, float], must: tuple[float, float]) -> Finding:
    return ranges.nest(
        ranges.Nesting(
            about="n",
            may=may,
            must=must,
            may_called="may",
            must_called="must",
            targets=("a", "b"),
            harm=Harm.OUTAGE,
            why="w",
            resolve="r",
        )
    )


def test_without_any_target_no_range_is_compared() -> None:
    """Nor one range alone."""
    assert words(ranges.look) == {}
    assert words(ranges.look, autoscaled(1)) == {}
    assert words(ranges.look, replicas(3)) == {}


def test_a_minimum_below_the_documented_replicas_does_not_keep_them() -> None:
    """1 of 3: two of them may be taken away while there is no load."""
    found = looked(ranges.look, autoscaled(1), replicas(3))["range, replicas"]
    assert found.word is Word.CONTRADICTION
    assert found.sum == "1 < 3"
    assert found.targets == ("replicas", "range")


def test_a_minimum_of_the_documented_replicas_holds() -> None:
    """Both ways of comparing it."""
    assert set(words(ranges.look, autoscaled(3), replicas(3)).values()) == {Word.HOLDS}


@pytest.mark.parametrize("count", [1, 11])
def test_replicas_outside_of_the_range_are_never_there(count: int) -> None:
    """An autoscaler of 2 to 10 lets neither 1 nor 11 be."""
    got = words(ranges.look, autoscaled(2), replicas(count))
    assert got["replicas, range, reach"] is Word.CONTRADICTION


def test_requests_beyond_their_limits_contradict_them() -> None:
    """The API refuses such a container."""
    wrong = resources(requests=Size(cpu="2", memory="1Gi"), limits=Size(cpu="1", memory="1Gi"))
    got = words(ranges.look, wrong)
    assert got == {"resources, cpu": Word.CONTRADICTION, "resources, memory": Word.HOLDS}


def test_requests_outside_of_a_vertical_autoscaler_are_never_deployed() -> None:
    """512Mi is less than it gives to anything."""
    bounds = VerticalAutoscaler(
        mode="Auto",
        minimum=Size(cpu="100m", memory="1Gi"),
        maximum=Size(cpu="2", memory="4Gi"),
    )
    got = words(ranges.look, promise("vpa", bounds), resources())
    assert got["resources, vpa, memory"] is Word.CONTRADICTION
    assert got["resources, vpa, cpu"] is Word.HOLDS


def test_a_looser_threshold_of_the_same_event_never_decides() -> None:
    """5 % errors beside 0.1 %: tight, for availability may be a share of time."""
    available = promise("available", Availability(at_least=0.999))
    (found,) = looked(ranges.look, available, promise("errors", ErrorRate(at_most=0.05))).values()
    assert found.word is Word.TIGHT
    assert found.sum == "5 % > 0.1 %"
    even = promise("errors", ErrorRate(at_most=0.001))
    assert words(ranges.look, available, even) == {"errors, available": Word.HOLDS}


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_a_wider_range_never_nests_better(
    a: float, b: float, c: float, d: float, wider: float
) -> None:
    """Monotonic in what may be."""
    may, must = (min(a, b), max(a, b)), (min(c, d), max(c, d))
    if nested((may[0] - wider, may[1] + wider), must).word is Word.HOLDS:
        assert nested(may, must).word is Word.HOLDS


@given(NUMBERS, NUMBERS)
def test_each_range_nests_in_itself(a: float, b: float) -> None:
    """The edges are within."""
    both = (min(a, b), max(a, b))
    assert nested(both, both).word is Word.HOLDS


def test_without_any_target_no_value_is_compared() -> None:
    """Nor one setting alone, nor two of different things."""
    assert words(values.look) == {}
    assert words(values.look, replicas(3)) == {}
    assert words(values.look, replicas(3), autoscaled(3)) == {}


def test_two_values_of_one_thing_contradict_each_other() -> None:
    """Where both are said of the same namespaces."""
    (found,) = looked(values.look, replicas(3), replicas(2, identity="again")).values()
    assert found.word is Word.CONTRADICTION
    assert found.sum == "3 != 2"
    assert set(words(values.look, replicas(3), replicas(3, identity="again")).values()) == {
        Word.HOLDS
    }


def test_a_narrower_place_may_override_a_wider_one() -> None:
    """Nobody says so: tight. Two places that do not meet are not compared."""
    everywhere = resources(requests=Size(cpu="100m", memory="512Mi"))
    prod, dev = resources("*-prod", identity="prod"), resources("*-dev", identity="dev")
    assert words(values.look, everywhere, prod) == {"resources, prod": Word.TIGHT}
    assert words(values.look, prod, dev) == {}


def test_variables_are_compared_each_by_itself() -> None:
    """A variable that only one target names is no second value."""
    one = promise("one", ContainerEnvironment(variables={"LOG": "info", "ENV": "prod"}))
    two = promise("two", ContainerEnvironment(variables={"LOG": "debug", "OTHER": "x"}))
    (found,) = looked(values.look, one, two).values()
    assert found.word is Word.CONTRADICTION
    assert "info" in found.sum
    assert "debug" in found.sum


def test_versions_are_of_their_kind_of_data() -> None:
    """PostgreSQL 15 and Redis 7 are two things; two versions of Redis are one."""
    postgresql = promise("pg", EngineVersion(major=15), Kind.POSTGRESQL)
    redis = promise("redis", EngineVersion(major=7), Kind.REDIS)
    newer = promise("newer", EngineVersion(major=8), Kind.REDIS)
    assert words(values.look, postgresql, redis) == {}
    assert words(values.look, postgresql, redis, newer) == {"redis, newer": Word.CONTRADICTION}


def test_retentions_of_two_stores_are_two_things() -> None:
    """15 days of metrics do not contradict 30 days of logs."""
    metrics = promise("m", TelemetryRetention(store="Prometheus", at_least=15 * DAY))
    logs = promise("l", TelemetryRetention(store="Loki", at_least=timedelta(days=30)))
    assert words(values.look, metrics, logs) == {}
