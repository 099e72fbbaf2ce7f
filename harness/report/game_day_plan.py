"""Shows the plan of a game day to a person: what is predicted to miss its target first. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from harness.model.game_day import Expected, ExperimentTrial, GameDayPlan, ManualStep
from harness.model.quantity import show_duration


def show_game_day_plan(plan: GameDayPlan, *, reasons: bool = False) -> str:
    """The plan in words: trials, predictions, blast radius, rights.

    `reasons`: with the sum behind each prediction, not only of those that miss a target.
    """
    return "".join(f"{line}\n" for line in _lines(plan, reasons=reasons))


def _lines(plan: GameDayPlan, *, reasons: bool) -> Iterator[str]:
    yield (
        f"{plan.suite} in {plan.environment}: {len(plan.trials)} trials; context "
        f"{plan.cluster.context}, {plan.cluster.server}, Kubernetes {plan.cluster.version}, "
        f"cluster {plan.cluster.uid}"
    )
    yield from _steps("before the first", plan.opening)
    scenarios = _scenarios(plan)
    width = max((len(one[0].scenario) for one in scenarios), default=0)
    for trials in scenarios:
        yield f"  {trials[0].scenario:<{width}}  {_trials(trials)}"
        yield from _steps("    by a person", trials[0].manual)
    yield from _steps("after the last", plan.closing)
    yield from _missed(scenarios)
    yield from _predictions(scenarios, reasons=reasons)
    yield "blast radius:"
    yield from (f"  {line}" for line in plan.blast_radius)
    if plan.rights:
        yield (
            f"needs {len(plan.rights)} rights: harness plan {plan.suite} -e {plan.environment} "
            "--rbac NAMESPACE/SERVICEACCOUNT"
        )


def _scenarios(plan: GameDayPlan) -> list[list[ExperimentTrial]]:
    found: dict[str, list[ExperimentTrial]] = {}
    for trial in plan.trials:
        found.setdefault(trial.scenario, []).append(trial)
    return list(found.values())


def _trials(trials: Sequence[ExperimentTrial]) -> str:
    first = trials[0]
    many = f"{len(trials)} trials" if len(trials) > 1 else "1 trial"
    pause = f"; {show_duration(first.pause)} between them" if first.pause and trials[1:] else ""
    delays = ", ".join(f"{trial.delay.total_seconds():.1f}" for trial in trials)
    return (
        f"{first.title}; {many}, begun {delays} s after a steady state{pause}; watched for "
        f"{_at_least(first.observe)}{show_duration(first.watch)} at most"
    )


def _at_least(observe: timedelta) -> str:
    return f"{show_duration(observe)} at least, " if observe else ""


def _steps(when: str, steps: Sequence[ManualStep]) -> Iterator[str]:
    for step in steps:
        yield f"{when}, {step.id}: {step.instruction.strip()}"


def _missed(scenarios: Sequence[Sequence[ExperimentTrial]]) -> Iterator[str]:
    """What is surely missed first, each with its reasons."""
    missed = [
        (trials[0].scenario, one)
        for trials in scenarios
        for one in trials[0].expected
        if one.misses is not None
    ]
    if missed:
        yield "predicted to miss a target:"
    for scenario, one in sorted(missed, key=lambda pair: not _surely(pair[1])):
        yield f"  {scenario}  {one.probe_class}: {_range(one)}; {one.misses}"
        yield from (f"    - {line}" for line in one.because)


def _predictions(scenarios: Sequence[Sequence[ExperimentTrial]], *, reasons: bool) -> Iterator[str]:
    """Every way in of every scenario; those that nothing is known of, by the reason."""
    yield "predicted, from the fault to lasting right answers (nothing of it is measured):"
    for first in (trials[0] for trials in scenarios):
        yield f"  {first.scenario}"
        hit = [one for one in first.expected if one.high_s != 0]
        width = max((len(one.probe_class) for one in hit), default=0)
        for one in hit:
            miss = "  MISS" if _surely(one) else "  may miss" if one.misses is not None else ""
            yield f"    {one.probe_class:<{width}}  {_range(one)}{miss}"
            yield from (f"      - {line}" for line in one.because if reasons)
        untouched = [one.probe_class for one in first.expected if one.high_s == 0]
        if untouched:
            yield f"    no outage: {'; '.join(untouched)}"
        by_reason: dict[str, list[str]] = {}
        for line in first.unpredicted:
            subject, _, rest = line.partition(": ")
            doing, _, reason = rest.partition(": ")
            by_reason.setdefault(reason, []).append(f"{subject}: {doing}")
        for reason, ways in by_reason.items():
            yield f"    not predicted, {reason}: {'; '.join(ways)}"


def _surely(one: Expected) -> bool:
    return one.misses is not None and one.misses.startswith("will")


def _range(one: Expected) -> str:
    if one.high_s is None:
        return "never by itself"
    low, high = show_duration(one.low_s), show_duration(one.high_s)
    if one.low_s == 0:
        return f"up to {high}"
    return low if low == high else f"{low} to {high}"
