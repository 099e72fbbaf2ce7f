"""A slow version is called a regression; an identical one is not, 20 times over."""

from __future__ import annotations

from typing import Any

import load_tests
import numpy as np
import pytest
from msgspec.structs import replace

from harness.capacity.comparison import capacity_change, compare, percentile_of
from harness.judge.load.evidence import LoadRun
from harness.judge.load.regression import comparisons, judge
from harness.model.load_judgement import CapacityPoint
from harness.model.sample import Answer
from harness.model.verdict import Verdict


def taken(seed: int, *, slower: float = 1.0) -> Any:  # noqa: ANN401 - an array
    """A minute at 20 requests/s: 30 ms of work, queues that last a second, a few stragglers."""
    draw = np.random.default_rng(seed)
    of_second = np.repeat(draw.gamma(4.0, 0.25, 60), 20)
    takes = 0.03 * slower * (1 + draw.exponential(0.5, 1200) * of_second)
    takes[draw.integers(0, 1200, 6)] += 0.2
    return load_tests.samples(1200, rate=20, takes_s=list(takes))


def version(samples: Any, name: str = "v2", before: LoadRun | None = None) -> LoadRun:  # noqa: ANN401
    return load_tests.run(
        load_tests.plan(version=name, trials=[load_tests.trial(replicas=2)]),
        *load_tests.around("drive", load_tests.injected(scheduled=1200)),
        samples={"drive.samples": samples},
        before=before,
    )


def verdicts(samples: Any, before: Any) -> dict[str, Verdict]:  # noqa: ANN401
    run = version(samples, before=version(before, "v1"))
    return {one.what: one.verdict for one in comparisons(run)}


def test_nothing_to_compare_with_says_nothing() -> None:
    """The vacuous case."""
    (one,) = judge(version(taken(1)))
    assert one.verdict is Verdict.INCONCLUSIVE
    assert "no run of another version" in one.headline


def test_another_load_is_not_compared() -> None:
    """With another peak it says nothing of the version."""
    earlier = version(taken(1), "v1")
    (trial,) = earlier.plan.trials
    other = replace(earlier.plan, trials=(replace(trial, peak=50.0),))
    before = load_tests.run(other, *[one.fact for one in earlier.history.entries][:-1])
    (one,) = judge(version(taken(2), before=before))
    assert one.verdict is Verdict.INCONCLUSIVE
    assert one.id == "regression/nothing-alike"


def test_a_late_generator_is_not_compared() -> None:
    """Neither before nor now."""
    late = load_tests.samples(1200, rate=20, lag_s=0.1)
    assert verdicts(late, taken(1)) == {}
    assert verdicts(taken(1), late) == {}


def test_a_slow_version_is_a_regression() -> None:
    """A third slower: in the middle and in the tail, with its size."""
    run = version(taken(2, slower=1.33), before=version(taken(1), "v1"))
    found = {one.what: one for one in comparisons(run)}
    assert found["p50 of drive"].verdict is Verdict.FAIL
    assert found["p50 of drive"].change.low > 0.1
    assert found["error rate of drive"].verdict is Verdict.PASS
    failed = [one for one in judge(run) if one.verdict is Verdict.FAIL]
    assert failed
    assert "ms before" in failed[0].headline


def test_an_identical_version_is_none_20_times_over() -> None:
    """At most one false alarm, in any of its numbers."""
    alarms = [
        seed
        for seed in range(20)
        if Verdict.FAIL in verdicts(taken(100 + seed), taken(seed)).values()
    ]
    assert len(alarms) <= 1


def test_errors_that_were_not_there_before_are_a_regression() -> None:
    """Two of a hundred, in all of the minute."""
    wrong = taken(2)
    wrong["answer"][::50] = Answer.WRONG_STATUS
    assert verdicts(wrong, taken(1))["error rate of drive"] is Verdict.FAIL


def test_too_few_seconds_are_not_compared() -> None:
    """Nine blocks are no distribution."""
    few = load_tests.samples(90)
    assert compare(few, few, percentile_of(95)) is None


@pytest.mark.parametrize(
    ("now", "worse"), [((80.0, 88.0), True), ((95.0, 104.0), False), ((100.0, 110.0), False)]
)
def test_a_capacity_is_smaller_where_its_bracket_lies_below(
    now: tuple[float, float], *, worse: bool
) -> None:
    """Brackets that overlap say nothing of a difference."""
    before = CapacityPoint(replicas=2, holds=100, fails=110, limited_by="p95")
    change = capacity_change(
        before, CapacityPoint(replicas=2, holds=now[0], fails=now[1], limited_by="p95")
    )
    assert change is not None
    assert (change.high < 0) is worse
    assert capacity_change(before, replace(before, fails=None)) is None


def test_what_would_be_seen_is_said_in_the_numbers_own_unit() -> None:
    """5 ms of 20 ms are a quarter; of error rates it is a share of all requests."""
    quick = load_tests.samples(1200, rate=20, takes_s=0.02)
    run = version(load_tests.samples(1200, rate=20, takes_s=0.024), before=version(quick, "v1"))
    told = {one.what: one.text for one in comparisons(run)}
    assert "+20.0%" in told["p50 of drive"]
    assert "one of more than 25.0% would be seen" in told["p50 of drive"]
    assert "one of more than 0.1% of all requests would be seen" in told["error rate of drive"]


def test_a_drive_whose_autoscaler_was_free_is_not_compared() -> None:
    """When it scaled is chance."""

    def free(seed: int, slower: float, before: LoadRun | None = None) -> LoadRun:
        return load_tests.run(
            load_tests.plan(version=f"v{seed}"),
            *load_tests.around("drive", load_tests.injected(scheduled=1200)),
            samples={"drive.samples": taken(seed, slower=slower)},
            before=before,
        )

    assert comparisons(free(2, 3.0, free(1, 1.0))) == ()
