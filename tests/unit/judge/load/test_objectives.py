"""Answers under load: each promise kept, missed, and not to be told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import load_tests
import numpy as np
import pytest

from harness.judge.load.objectives import judge, usable_seconds
from harness.model.sample import Answer
from harness.model.target import Availability, ErrorRate, Latency
from harness.model.verdict import Finding, Verdict

FAST = Latency(at_most=timedelta(milliseconds=500))
RIGHT = ErrorRate(at_most=0.05)
THERE = Availability(at_least=0.999)


def found(promise: Any, samples: Any = None, **of_load: Any) -> Finding:  # noqa: ANN401
    taken = load_tests.samples() if samples is None else samples
    run = load_tests.run(
        load_tests.plan(promise),
        *load_tests.around("drive", load_tests.injected(**of_load)),
        samples={"drive.samples": taken},
    )
    (one,) = judge(run)
    return one


@pytest.mark.parametrize("promise", [FAST, RIGHT, THERE])
def test_no_load_says_nothing(promise: Any) -> None:  # noqa: ANN401
    """The vacuous case, of each."""
    (one,) = judge(load_tests.run(load_tests.plan(promise)))
    assert one.verdict is Verdict.INCONCLUSIVE
    assert "no load is on record" in one.headline


@pytest.mark.parametrize("promise", [FAST, RIGHT, THERE])
def test_a_generator_that_was_late_says_nothing(promise: Any) -> None:  # noqa: ANN401
    """However good its answers were."""
    late = load_tests.samples(lag_s=[2.0] * 20 + [0.0] * 580)
    one = found(promise, late)
    assert one.verdict is Verdict.INCONCLUSIVE
    assert "the generator was late" in one.headline


@pytest.mark.parametrize("promise", [FAST, RIGHT, THERE])
def test_a_load_that_was_answered_passes(promise: Any) -> None:  # noqa: ANN401
    """With what that shows."""
    one = found(promise)
    assert one.verdict is Verdict.PASS
    assert one.strength
    assert one.evidence
    assert one.scenario == "drive"


def test_slow_answers_are_too_slow() -> None:
    """6 % of them: more than the percentile leaves out."""
    slow = [0.6] * 36 + [0.1] * 564
    one = found(FAST, load_tests.samples(takes_s=slow))
    assert one.verdict is Verdict.FAIL
    assert "p95 of 600 response times is 600 ms, expected at most 500 ms" in one.headline
    assert found(FAST, load_tests.samples(takes_s=[0.6] * 30 + [0.1] * 570)).verdict is Verdict.PASS


def test_wrong_answers_are_errors_by_kind() -> None:
    """A right status with the wrong body is one, too."""
    answers = [Answer.WRONG_BODY] * 20 + [Answer.TIMEOUT] * 11 + [Answer.OK] * 569
    one = found(RIGHT, load_tests.samples(answer=answers))
    assert one.verdict is Verdict.FAIL
    assert one.detail == ("20 WRONG_BODY, 11 TIMEOUT",)


def test_a_second_without_right_answers_is_not_available() -> None:
    """One of sixty is too many; few errors in every second are none."""
    one_second = [Answer.REFUSED] * 10 + [Answer.OK] * 590
    assert found(THERE, load_tests.samples(answer=one_second)).verdict is Verdict.FAIL
    spread = [Answer.REFUSED if number % 10 == 0 else Answer.OK for number in range(600)]
    assert found(THERE, load_tests.samples(answer=spread)).verdict is Verdict.PASS
    assert found(RIGHT, load_tests.samples(answer=spread)).verdict is Verdict.FAIL


def test_a_short_load_shows_little() -> None:
    """A minute without a bad second is a PASS, and says how much would be needed."""
    assert "takes 3000 without a bad one" in str(found(THERE).strength)


def test_seconds_without_requests_are_not_looked_at() -> None:
    """Nobody asked."""
    gap = np.concatenate([load_tests.samples(10), load_tests.samples(10, at_s=30)])
    assert usable_seconds(gap) == (2, 2)
