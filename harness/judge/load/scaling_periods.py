"""Decides in which reading a documented scaling period holds: window, policy's period, time. Pure.

A document that says "scale_up_period: 60s" does not say which. What is set to the period must have
been kept by every decision; what is not set to it does not hold, and is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.capacity.expectations import fastest_s
from harness.judge.answer import Answer
from harness.judge.load.autoscaler_words import brief, describe, name
from harness.model.autoscaling import AutoscalerSettings, ScalingRules, Timings
from harness.model.load_judgement import AutoscalerSummary, Decision, Timing
from harness.model.quantity import show_duration
from harness.model.target import ScalingPeriod, Target
from harness.model.verdict import Measure, Verdict, merge


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One reading of a period, and whether it is set to that."""

    timing: Timing
    configured: bool


def judge_period(
    settings: AutoscalerSettings,
    timings: Timings,
    target: Target,
    asked: ScalingPeriod,
    trials: Sequence[AutoscalerSummary],
) -> Answer:
    """Passes if what is set to the period was kept; says of each reading whether it holds."""
    found = readings(settings, timings, target, asked, trials)
    configured = [one.timing for one in found if one.configured]
    taken = found[-1].timing
    measured = _times(asked, trials)
    if configured:
        verdict = merge(one.verdict for one in configured)
    else:
        verdict = Verdict.PASS if taken.verdict is Verdict.PASS else Verdict.FAIL
    holding = [one.timing.reading for one in found if one.timing.verdict is Verdict.PASS]
    failing = [one.timing.reading for one in found if one.timing.verdict is Verdict.FAIL]
    period = show_duration(asked.period)
    told = {
        Verdict.PASS: f"{period} holds {_as(holding)}",
        Verdict.FAIL: f"{period} does not hold {_as(failing)}",
        Verdict.INCONCLUSIVE: f"{period} is set {_as([one.reading for one in configured])}, "
        "and no decision tried it",
    }[verdict]
    return Answer(
        verdict=verdict,
        headline=f"{name(settings)}: scaling {asked.direction}: {told}",
        detail=tuple(
            f"{one.timing.reading}: {_WORDS[one.timing.verdict]}: {one.timing.text}"
            for one in found
        ),
        measures=tuple(
            Measure(
                name=f"time that scaling {asked.direction} took",
                unit="s",
                value=high,
                low=low,
                high=high,
            )
            for low, high in measured
        ),
        advice=None if verdict is Verdict.PASS else describe(settings),
    )


_WORDS = {
    Verdict.PASS: "holds",
    Verdict.FAIL: "does not hold",
    Verdict.INCONCLUSIVE: "not seen",
}


def _as(readings: Sequence[str]) -> str:
    names = [one.partition(" as ")[2] for one in readings]
    return " and ".join(f"as {one}" for one in names) if names else "in no reading"


def readings(
    settings: AutoscalerSettings,
    timings: Timings,
    target: Target,
    asked: ScalingPeriod,
    trials: Sequence[AutoscalerSummary],
) -> list[Reading]:
    """As a stabilisation window, as a policy's period, as the time that it took."""
    rules = settings.up if asked.direction == "up" else settings.down
    period_s = asked.period.total_seconds()
    about = f"{target.id} {period_s:g}s as"
    kept, how = _kept(asked, trials)
    window = rules.window_s == period_s
    policies = bool(rules.policies) and all(one.period_s == period_s for one in rules.policies)
    if not settings.behavior_given:
        policies = False
    found = []
    for reading, configured, is_set in (
        ("stabilisation window", window, f"it is {rules.window_s} s"),
        ("policy period", policies, _told_periods(settings, rules)),
    ):
        verdict, text = (kept, f"{is_set}; {how}") if configured else (Verdict.FAIL, is_set)
        timing = Timing(reading=f"{about} {reading}", verdict=verdict, text=text)
        found.append(Reading(timing=timing, configured=configured))
    found.append(Reading(timing=_time(settings, timings, about, asked, trials), configured=False))
    return found


def _told_periods(settings: AutoscalerSettings, rules: ScalingRules) -> str:
    if not settings.behavior_given:
        return "spec.behavior says nothing: no period applies"
    periods = sorted({one.period_s for one in rules.policies})
    return f"its policies have {' and '.join(f'{one} s' for one in periods) or 'none'}"


def _kept(asked: ScalingPeriod, trials: Sequence[AutoscalerSummary]) -> tuple[Verdict, str]:
    """Whether all decisions of that direction are those that its rules give."""
    of_it = [one for trial in trials for one in trial.decisions if _goes(one, asked.direction)]
    odd = [one for one in of_it if not one.explained and one.recomputed]
    if odd:
        return Verdict.FAIL, f"{len(odd)} decisions are not what it gives: {brief(odd[0])}"
    explained = sum(one.explained for one in of_it)
    if not explained:
        return Verdict.INCONCLUSIVE, f"no decision {asked.direction} that could be recomputed"
    return Verdict.PASS, f"all {explained} decisions {asked.direction} are what it gives"


def _goes(decision: Decision, direction: str) -> bool:
    """Whether it went that way, or should have."""
    if decision.observed == decision.before:
        ways = {one > decision.before for one in decision.recomputed if one != decision.before}
    else:
        ways = {decision.observed > decision.before}
    return (direction == "up") in ways


def _times(asked: ScalingPeriod, trials: Sequence[AutoscalerSummary]) -> list[tuple[float, float]]:
    return [
        bounds
        for one in trials
        if (bounds := one.to_maximum_s if asked.direction == "up" else one.back_s) is not None
    ]


def _time(
    settings: AutoscalerSettings,
    timings: Timings,
    about: str,
    asked: ScalingPeriod,
    trials: Sequence[AutoscalerSummary],
) -> Timing:
    up = asked.direction == "up"
    way = f"to {settings.maximum} ready" if up else f"back to {settings.minimum}"
    reading = f"{about} time to the {'maximum' if up else 'minimum'}"
    alone_s = fastest_s(settings, timings, up=up)
    by_design = (
        "by its rules alone it never gets there"
        if alone_s is None
        else f"its rules alone take {alone_s:g} s"
    )
    measured = _times(asked, trials)
    if not measured:
        text = f"nobody saw it get {way}; {by_design}"
        return Timing(reading=reading, verdict=Verdict.INCONCLUSIVE, text=text)
    low_s, high_s = max(measured)
    period_s = asked.period.total_seconds()
    text = f"{way} after {low_s:.0f} to {high_s:.0f} s; {by_design}"
    if low_s > period_s:
        verdict = Verdict.FAIL
    else:
        verdict = Verdict.PASS if high_s <= period_s else Verdict.INCONCLUSIVE
    return Timing(reading=reading, verdict=verdict, text=text)
