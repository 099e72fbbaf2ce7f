"""What samples amount to, and when their generator is not to be believed."""

from __future__ import annotations

import load_tests
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.capacity.percentiles import injection_of, latencies, nearest_rank
from harness.model.sample import DTYPE, Answer

NOTHING = np.empty(0, dtype=DTYPE)


def test_no_sample_is_no_measurement() -> None:
    """The vacuous case: a gate, and no percentile."""
    found = injection_of(NOTHING, load_tests.injected())
    assert found.latencies is None
    assert found.gates == ("no request was sent",)
    assert found.error_share == 0


def test_a_whole_load_passes_its_gates() -> None:
    """All of the schedule, in time."""
    found = injection_of(load_tests.samples(), load_tests.injected())
    assert found.gates == ()
    assert (found.sent, found.answered, found.errors) == (600, 600, {})
    assert found.lag_p99_s == pytest.approx(0.0005)
    assert found.latencies is not None
    assert found.latencies.p95 == pytest.approx(0.05)


def test_one_stall_is_seen_by_all_who_came_meanwhile() -> None:
    """A second's stall at 500 requests/s in 8 s: 6.25 % waited longer than 500 ms, not 1.4 %
    (load.md, 2d).
    """
    due = np.arange(4000) / 500
    stalled = (due >= 3) & (due < 4)
    takes = np.where(stalled, 4 - due + 0.001, 0.001)
    samples = load_tests.samples(4000, rate=500, takes_s=list(takes))
    share = np.mean((samples["ended"] - samples["intended"]) > 500_000_000)
    assert share == pytest.approx(0.0625, abs=0.001)
    found = latencies(samples)
    assert found is not None
    assert found.p95 > 0.5


def test_errors_are_counted_by_kind_and_what_was_not_sent_is_none() -> None:
    """What the generator did not send is its own failure, not the service's."""
    answers = [Answer.WRONG_STATUS] * 6 + [Answer.TIMEOUT] * 3 + [Answer.UNSENT] * 1
    samples = load_tests.samples(600, answer=[*answers, *[Answer.OK] * 590])
    found = injection_of(samples, load_tests.injected())
    assert found.errors == {"WRONG_STATUS": 6, "TIMEOUT": 3}
    assert (found.sent, found.answered) == (599, 590)
    assert found.error_share == pytest.approx(9 / 599)
    assert found.gates == ()


def test_a_late_generator_is_not_believed() -> None:
    """Stopped for two seconds of a minute: 3 % of its requests were late."""
    lag = [2.0] * 20 + [0.0005] * 580
    (gate,) = injection_of(load_tests.samples(lag_s=lag), load_tests.injected()).gates
    assert "the generator was late: p99 of its lag is 2000.0 ms" in gate


def test_a_schedule_that_was_not_covered_is_not_believed() -> None:
    """With the worker that was lost; where all was sent all the same, a lost one is no matter."""
    fact = load_tests.injected(lost_workers=("worker 1: exit code -9",))
    half = injection_of(load_tests.samples(300), fact)
    assert "300 of 600 scheduled requests were sent (50.0%)" in half.gates[0]
    assert "worker 1: exit code -9" in half.gates[1]
    assert injection_of(load_tests.samples(600), fact).gates == ()


def test_a_closed_loop_has_no_lag() -> None:
    """It has no schedule that it could be late for."""
    fact = load_tests.injected(closed_loop=True)
    found = injection_of(load_tests.samples(300, lag_s=1.0), fact)
    assert found.gates == ()
    assert found.lag_p99_s is None


@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=300),
    st.floats(0.1, 100),
    st.floats(0.1, 100),
)
def test_nearest_rank_is_a_value_that_so_many_do_not_exceed(
    values: list[float], percent: float, other: float
) -> None:
    """By its definition; and a higher percentile is no smaller."""
    ordered = np.sort(np.array(values))
    got = nearest_rank(ordered, percent)
    assert got in values
    assert np.count_nonzero(ordered <= got) * 100_000 >= len(ordered) * round(percent * 1000)
    low, high = sorted((percent, other))
    assert nearest_rank(ordered, low) <= nearest_rank(ordered, high)


@given(st.permutations(range(40)))
def test_the_order_of_samples_is_no_matter(order: list[int]) -> None:
    """Files of workers are laid together in any order."""
    samples = load_tests.samples(40, takes_s=[0.01 * number for number in range(40)])
    assert latencies(samples[order]) == latencies(samples)
