"""The exact bounds, against published values and against their own definition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.statistics import (
    binomial_cdf,
    lower_bound,
    quantile_rank,
    strength,
    success_run_bound,
    upper_bound,
)


def test_no_trial_claims_nothing() -> None:
    """Without a trial there is no bound to compute, and the sentence says so."""
    assert strength(0, 0) == "no valid trial: nothing is claimed"
    with pytest.raises(ValueError, match="0 of 0"):
        lower_bound(0, 0)


@pytest.mark.parametrize(
    ("trials", "bound"),
    [(1, 0.05), (3, 0.368), (5, 0.549), (10, 0.741), (29, 0.902), (59, 0.9505), (299, 0.990)],
)
def test_success_runs(trials: int, bound: float) -> None:
    """An unbroken run of successes gives Wilks' bound, also through the general function."""
    assert success_run_bound(trials) == pytest.approx(bound, abs=5e-4)
    assert lower_bound(trials, trials) == success_run_bound(trials)


@pytest.mark.parametrize(("successes", "trials", "bound"), [(9, 10, 0.606), (29, 30, 0.851)])
def test_one_miss(successes: int, trials: int, bound: float) -> None:
    """One miss gives the Clopper-Pearson bound of published tables."""
    assert lower_bound(successes, trials) == pytest.approx(bound, abs=1e-3)


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(1, n - 1 or 1), st.just(n))))
def test_the_bound_is_where_the_tail_is_alpha(case: tuple[int, int]) -> None:
    """At the lower bound, seeing as many successes has probability 5 %; the bounds enclose."""
    successes, trials = case
    low = lower_bound(successes, trials)
    assert 1 - binomial_cdf(successes - 1, trials, low) == pytest.approx(0.05, abs=1e-9)
    assert low <= successes / trials <= upper_bound(successes, trials)


def test_nothing_succeeded() -> None:
    """No success bounds from above only, and all successes from below only."""
    assert lower_bound(0, 10) == 0.0
    assert upper_bound(10, 10) == 1.0
    assert upper_bound(0, 10) == pytest.approx(0.259, abs=1e-3)


@pytest.mark.parametrize(
    ("trials", "quantile", "rank"),
    [(4, 0.5, None), (5, 0.5, 5), (10, 0.5, 9), (20, 0.5, 15), (28, 0.9, None), (29, 0.9, 29)],
)
def test_quantile_rank(trials: int, quantile: float, rank: int | None) -> None:
    """The order statistic that bounds a quantile, or none where there are too few values."""
    assert quantile_rank(trials, quantile) == rank


@pytest.mark.parametrize(
    ("successes", "trials", "says"),
    [
        (1, 1, "a single example, not a rate"),
        (3, 3, "at least 36.8 %"),
        (5, 5, "OBSERVED"),
        (29, 29, "GATE"),
        (59, 59, "CERTIFY"),
        (9, 10, "9/10 trials"),
    ],
)
def test_strength(successes: int, trials: int, says: str) -> None:
    """The sentence names the level that the number of trials reaches, and never more."""
    assert says in strength(successes, trials)
    assert ("CERTIFY" in strength(successes, trials)) == (successes == trials >= 59)
