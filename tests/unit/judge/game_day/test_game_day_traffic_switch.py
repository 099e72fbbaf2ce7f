"""How long two versions answered at once: seen in the answers, whatever a controller says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from constructors import SECOND, target
from game_days import CHECKOUT, Day, at, broken, plan, rolled_back, trial
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.judge.game_day.traffic_switch import CHECK, switch
from harness.model.history import Observation, Outcome
from harness.model.instant import Bracket
from harness.model.target import Kind, TrafficSwitch
from harness.model.verdict import Finding, Verdict

CHANGE = Bracket(earliest_ns=at(0), latest_ns=at(1))
TARGET = target(TrafficSwitch(at_most=timedelta(seconds=1)), Kind.SERVICE)
TRIAL = replace(trial(scenario="new-version", ways=()), rolls_out=("checkout",))


def answered(*parts: tuple[float, float, Sequence[str]]) -> tuple[Observation, ...]:
    """Answers every tenth of a second from one second to another, of those versions in turn; an
    empty one is no right answer.
    """
    found = []
    for start_s, end_s, versions in parts:
        for number in range(round(start_s * 10), round(end_s * 10)):
            version = versions[number % len(versions)]
            found.append(
                Observation(
                    scheduled_ns=at(number / 10),
                    started_ns=at(number / 10),
                    ended_ns=at(number / 10) + SECOND // 100,
                    outcome=Outcome.OK if version else Outcome.FAIL,
                    detail=version or "connection refused",
                )
            )
    return tuple(found)


def judged(observations: Sequence[Observation]) -> Finding:
    day = Day(plan(TRIAL, workloads=(CHECKOUT,), targets=(TARGET,)))
    day.begin(TRIAL)
    day.add(0.01, broken(TRIAL, subject="deployment:shop/checkout"))
    day.probe(TRIAL, observations, "checkout: GET /", None, "checkout")
    day.add(31, rolled_back(TRIAL, 30))
    day.end(TRIAL)
    (found,) = (one for one in day.judged().findings if one.check == CHECK)
    return found


def test_no_answers_switch_nothing() -> None:
    """The vacuous case."""
    assert switch((), CHANGE, at(30)) is None
    assert judged(()).verdict is Verdict.INCONCLUSIVE


def test_a_switch_within_the_target_passes() -> None:
    """Half a second in which both answered, and nothing lost."""
    found = judged(answered((-5, 5, ["v1"]), (5, 5.5, ["v2", "v1"]), (5.5, 30, ["v2"])))
    assert found.verdict is Verdict.PASS
    assert "v1 to v2: 0 of" in found.detail[1]


def test_both_for_three_seconds_fail() -> None:
    """Beyond doubt: the old one answered requests that began after the new one had."""
    found = judged(answered((-5, 5, ["v1"]), (5, 8, ["v2", "v1"]), (8, 30, ["v2"])))
    assert found.verdict is Verdict.FAIL
    assert "both versions answered for 2.8" in found.headline


def test_between_two_looks_nothing_is_told() -> None:
    """The target lies between the bounds of what was seen."""
    found = judged(answered((-5, 5, ["v1"]), (5, 6, ["v2", "v1"]), (6.2, 30, ["v2"])))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "the target lies between" in found.headline


def test_an_old_version_that_stays_fails() -> None:
    """It answered to the end."""
    found = judged(answered((-5, 5, ["v1"]), (5, 30, ["v2", "v1"])))
    assert found.verdict is Verdict.FAIL
    assert "the old one to the end" in found.headline


@pytest.mark.parametrize(
    ("versions", "why"),
    [(["v1"], "no answer of another version"), ([" "], "no answer of another"), ([""], "not say")],
)
def test_without_two_versions_nothing_is_known(versions: list[str], why: str) -> None:
    """The new one never answered, or no answer says whose it is."""
    found = judged(answered((-5, 30, versions)))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert why in found.headline


def test_lost_requests_and_the_way_back_are_told() -> None:
    """Four lost on the way there; two on the way back, of which both answered for a second."""
    found = judged(
        answered(
            (-5, 5, ["v1"]),
            (5, 5.4, [""]),
            (5.4, 30, ["v2"]),
            (30, 31, ["v1", "v2"]),
            (31, 31.2, [""]),
            (31.2, 40, ["v1"]),
        )
    )
    assert found.verdict is Verdict.PASS
    assert any("v1 to v2: 4 of" in line for line in found.detail)
    assert any("back to v1: both answered for 0.8" in line for line in found.detail)
    assert any("; 2 of" in line for line in found.detail)
    assert next(one.value for one in found.measures if one.name == "requests lost") == 4


@given(st.integers(1, 40), st.integers(0, 40))
def test_longer_is_never_shorter(overlap: int, more: int) -> None:
    """Bounds contain what was done, and grow with it."""

    def both_for(tenths: int) -> tuple[int, int]:
        end = 5 + tenths / 10
        seen = answered((-5, 5, ["v1"]), (5, end, ["v2", "v1"]), (end, 30, ["v2"]))
        found = switch(seen, CHANGE, at(30))
        assert found is not None
        assert found.bounds.high_ns is not None
        return found.bounds.low_ns, found.bounds.high_ns

    low, high = both_for(overlap)
    assert low <= overlap * SECOND // 10 <= high
    longer = both_for(overlap + more)
    assert longer[0] >= low
    assert longer[1] >= high
