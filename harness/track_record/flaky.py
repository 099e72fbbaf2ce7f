"""Finds scenarios whose verdict goes to and fro while nothing that was tried changed. Pure.

The flip rate: of the successive runs, how many have another verdict than the one before (E.
Kowalczyk et al., "Modeling and Ranking Flaky Tests at Apple", ICSE-SEIP 2020), among runs of the
same version and the same promises. INCONCLUSIVE runs are neither: they are left out, and the runs
around one are successive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from harness.model.track_record import Flaky, RunShown
from harness.model.verdict import Verdict, merge

LAST = 20
"""Conclusive runs that are looked at, of each scenario."""

LEAST = 2
"""Flips: one is a break, or a repair; the second one goes back."""


def flaky(runs: Sequence[RunShown], said: Iterable[tuple[str, str, Verdict]]) -> tuple[Flaky, ...]:
    """Of each environment, suite and scenario that flipped LEAST times, most often first.

    `runs` oldest first; `said`: (run, scenario, verdict) of findings: a scenario has the worst.
    """
    by_scenario: dict[tuple[str, str, str], dict[str, list[Verdict]]] = {}
    known = {run.run: run for run in runs}
    for name, scenario, verdict in said:
        run = known.get(name)
        if run is not None:
            key = (run.environment, run.suite, scenario)
            by_scenario.setdefault(key, {}).setdefault(name, []).append(verdict)
    found = (_flips(key, runs, verdicts) for key, verdicts in sorted(by_scenario.items()))
    return tuple(
        sorted((one for one in found if one.flips >= LEAST), key=lambda one: -one.flips / one.of)
    )


def _flips(
    key: tuple[str, str, str], runs: Sequence[RunShown], said: Mapping[str, list[Verdict]]
) -> Flaky:
    verdicts = [(run, merge(said[run.run])) for run in runs if run.run in said]
    conclusive = [one for one in verdicts if one[1] is not Verdict.INCONCLUSIVE][-LAST:]
    pairs = [
        (before, after)
        for before, after in pairwise(conclusive)
        if before[0].version == after[0].version
    ]
    flipped = [after[0].run for before, after in pairs if before[1] is not after[1]]
    environment, suite, scenario = key
    return Flaky(
        environment=environment,
        suite=suite,
        scenario=scenario,
        flips=len(flipped),
        of=len(pairs),
        runs=tuple(flipped),
    )
