"""Groups the trials of a game day by their experiment: what one finding answers for. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.model.game_day import ExperimentTrial, GameDayPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One experiment with its trials, in the order of the plan."""

    id: str
    title: str
    trials: tuple[ExperimentTrial, ...]


def scenarios(plan: GameDayPlan) -> Iterator[Scenario]:
    """Every experiment that is tried."""
    found: dict[str, list[ExperimentTrial]] = {}
    for trial in plan.trials:
        found.setdefault(trial.scenario, []).append(trial)
    for name, trials in found.items():
        yield Scenario(id=name, title=trials[0].title, trials=tuple(trials))
