"""Decides which old run directories may go, and why each other one is kept. Pure.

Evidence that something rests on is kept, however old: the newest run of each suite and environment,
the last run that passed a target, and every sealed run after one that is kept, since a chain can
lose its beginning and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from harness.model.track_record import Answer, RunShown
from harness.model.verdict import Verdict


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one run directory that is old enough."""

    run: str
    at: datetime | None
    keep: str | None
    """Why it is kept; None: it may go."""


def decide(
    runs: Sequence[RunShown],
    answers: Sequence[Answer],
    refused: Mapping[str, str],
    *,
    before: datetime,
) -> tuple[Decision, ...]:
    """Of all runs that ended before then, in the order in which they may go: sealed ones last, as
    they were sealed. Those that do not count are kept: nobody can say what would be lost.

    `runs` oldest first; `refused`: run -> why it does not count.
    """
    kept: dict[str, str] = {}
    newest = {(run.environment, run.suite): run.run for run in runs}
    for (environment, suite), name in newest.items():
        kept[name] = f"the newest run of {suite} in {environment}"
    for name, targets in _proofs(runs, answers).items():
        shown = ", ".join(targets[:3]) + (" ..." if len(targets) > 3 else "")
        kept.setdefault(name, f"the last that passed {shown}")
    # In the order of their seals: who is killed in between leaves no gap in the chain.
    old = sorted(
        (run for run in runs if run.at < before),
        key=lambda run: -1 if run.sequence is None else run.sequence,
    )
    decisions = {run.run: kept.get(run.run) for run in old}
    return (
        *(
            Decision(run=run.run, at=run.at, keep=why)
            for run, why in zip(old, _with_chain(old, runs, decisions), strict=True)
        ),
        *(
            Decision(run=name, at=None, keep=f"does not count: {because}")
            for name, because in sorted(refused.items())
        ),
    )


def _proofs(runs: Sequence[RunShown], answers: Sequence[Answer]) -> dict[str, list[str]]:
    order = {run.run: number for number, run in enumerate(runs)}
    last: dict[tuple[str, str], int] = {}
    for one in answers:
        number = order.get(one.run)
        if number is not None and one.verdict is Verdict.PASS:
            key = (runs[number].environment, one.target)
            last[key] = max(number, last.get(key, -1))
    found: dict[str, list[str]] = {}
    for (environment, target), number in sorted(last.items()):
        found.setdefault(runs[number].run, []).append(f"{target} in {environment}")
    return found


def _with_chain(
    old: Sequence[RunShown], runs: Sequence[RunShown], decisions: Mapping[str, str | None]
) -> list[str | None]:
    """Sealed runs go from the beginning of the chain only, and its end never."""
    sealed = sorted(
        (run for run in runs if run.sealed and run.sequence is not None),
        key=lambda run: run.sequence or 0,
    )
    unknown = next((run for run in runs if run.sealed and run.sequence is None), None)
    going = {name for name, keep in decisions.items() if keep is None}
    first_kept = next((run for run in sealed if run.run not in going), None)
    end = sealed[-1] if sealed else None
    chained: dict[str, str] = {}
    for run in sealed:
        if unknown is not None:
            chained[run.run] = (
                f"the seal of {unknown.run} cannot be read: where it stands is unknown"
            )
        elif first_kept is not None and (run.sequence or 0) > (first_kept.sequence or 0):
            chained[run.run] = f"sealed after {first_kept.run}, which is kept"
        elif run is end:
            chained[run.run] = "the run sealed last: the next seal names it"
    return [
        decisions[run.run]
        or chained.get(run.run)
        or ("its seal cannot be read" if run.sealed and run.sequence is None else None)
        for run in old
    ]
