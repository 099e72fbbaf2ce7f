"""Says how much a number of trials proves: exact binomial bounds and order statistics.

No normal approximation and no bootstrap: both understate the tail at the handful of trials that
a disaster rehearsal affords (Hoefler and Belli, "Scientific benchmarking of parallel computing
systems", SC'15, rules 5 and 6).
"""

from __future__ import annotations

import math

CONFIDENCE = 0.95

# Trials without a miss after which 95 % confidence reaches 90 % and 95 % of such trials:
# n >= ln(1 - C) / ln(P), Wilks 1941.
OBSERVED, GATE, CERTIFY = 5, 29, 59

# Halvings of [0, 1] until the interval is below the spacing of doubles near 1.
_BISECTIONS = 60


def binomial_cdf(successes: int, trials: int, probability: float) -> float:
    """P(X <= successes) for X ~ Bin(trials, probability), summed term by term."""
    if successes < 0:
        return 0.0
    if successes >= trials:
        return 1.0
    if probability <= 0.0:
        return 1.0
    if probability >= 1.0:
        return 0.0
    log_p, log_q = math.log(probability), math.log1p(-probability)
    log_total = math.lgamma(trials + 1)
    return min(
        1.0,
        math.fsum(
            math.exp(
                log_total
                - math.lgamma(count + 1)
                - math.lgamma(trials - count + 1)
                + count * log_p
                + (trials - count) * log_q
            )
            for count in range(successes + 1)
        ),
    )


def lower_bound(successes: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """The one-sided lower confidence bound of a success probability; 0 where nothing succeeded.

    Clopper and Pearson (Biometrika 26, 1934): the p for which `successes` or more of `trials`
    would be seen with probability 1 - confidence. ValueError for counts that cannot be.
    """
    _check(successes, trials, confidence)
    if successes == 0:
        return 0.0
    if successes == trials:
        return success_run_bound(trials, confidence)
    alpha = 1.0 - confidence
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if 1.0 - binomial_cdf(successes - 1, trials, middle) < alpha:
            low = middle
        else:
            high = middle
    return low


def upper_bound(successes: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """The one-sided upper confidence bound of a success probability, as `lower_bound`."""
    _check(successes, trials, confidence)
    return 1.0 - lower_bound(trials - successes, trials, confidence)


def success_run_bound(trials: int, confidence: float = CONFIDENCE) -> float:
    """The lower bound where every one of `trials` succeeded: (1 - confidence) ** (1 / trials).

    The success-run theorem (Wilks, Annals of Mathematical Statistics 12, 1941).
    """
    _check(trials, trials, confidence)
    return float((1.0 - confidence) ** (1.0 / trials))


def quantile_rank(trials: int, quantile: float, confidence: float = CONFIDENCE) -> int | None:
    """Which of the values sorted ascending (1 = smallest) bounds a quantile from above.

    The smallest r with P(Bin(trials, quantile) <= r - 1) >= confidence, whatever the distribution
    (Conover, "Practical Nonparametric Statistics", section 3.2); None where so few values bound
    it with no confidence: it then cannot be estimated and no number may be printed.
    """
    _check(trials, trials, confidence)
    return next(
        (
            rank
            for rank in range(1, trials + 1)
            if binomial_cdf(rank - 1, trials, quantile) >= confidence
        ),
        None,
    )


def strength(successes: int, trials: int) -> str:
    """What so many trials of one scenario claim, in one sentence; says so where there was none."""
    if trials == 0:
        return "no valid trial: nothing is claimed"
    counted = f"{successes}/{trials} trial{'' if trials == 1 else 's'} met the target"
    low = 100 * lower_bound(successes, trials)
    if successes < trials:
        high = 100 * upper_bound(successes, trials)
        return f"{counted}; 95 % bounds of the share that does: {low:.1f} % and {high:.1f} %"
    claim = f"95 % confidence that at least {low:.1f} % of such trials do"
    if trials < OBSERVED:
        example = "a single example" if trials == 1 else "single examples"
        return f"{counted}: {example}, not a rate ({claim})"
    level = "CERTIFY" if trials >= CERTIFY else "GATE" if trials >= GATE else "OBSERVED"
    return f"{level}: {counted}; {claim}"


def _check(successes: int, trials: int, confidence: float) -> None:
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"got {successes} of {trials} trials, expected 0 <= successes <= trials")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"got confidence {confidence}, expected a value between 0 and 1")
