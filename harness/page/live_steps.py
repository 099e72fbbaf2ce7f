"""The steps of a plan and their parts, from the facts so far: done, now, next, failed. Pure."""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from harness.model.conformance import ConformancePlan
from harness.model.game_day import ExperimentTrial, GameDayPlan, ManualStep, When
from harness.model.history import (
    CleanedUp,
    ClusterCompared,
    Event,
    ExperimentEnded,
    FaultInjected,
    GuardsChecked,
    HypothesisMeasured,
    LedgerReadBack,
    LoadInjected,
    ManualStepEnded,
    QuotasFilled,
    RestoreEnded,
    RolledBack,
    RunEnded,
    StepFailed,
    TrialEnded,
    TrialStarted,
    VerificationEnded,
)
from harness.model.load_test import Drive, Fill, LoadPlan, LoadTrial
from harness.model.plan import RunPlan, Trial


class Stand(enum.StrEnum):
    """How far a step is."""

    DONE = "done"
    NOW = "now"
    NEXT = "next"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a step."""

    name: str
    stand: Stand
    detail: str = ""


_OVER = (Stand.DONE, Stand.FAILED)

Step = tuple[str, str, tuple[Part, ...]]
"""(id, title, its parts)."""


def parts_of(plan: RunPlan, facts: Sequence[Event]) -> Iterator[Step]:
    """Every step of the plan, in its order."""
    over = any(isinstance(fact, RunEnded) for fact in facts)
    of: dict[str, list[Event]] = defaultdict(list)
    for fact in facts:
        of[getattr(fact, "trial", "")].append(fact)
    match plan:
        case GameDayPlan():
            begun = any(isinstance(fact, TrialStarted) for fact in facts)
            yield from _by_people(plan.opening, of[""], waiting=not begun and not over)
            for trial in plan.trials:
                parts = _of_experiment(trial, of[trial.id])
                yield trial.id, trial.title, _in_order(of[trial.id], parts, over=over)
            ended = {fact.trial for fact in facts if isinstance(fact, TrialEnded)}
            all_ended = all(trial.id in ended for trial in plan.trials)
            yield from _by_people(plan.closing, of[""], waiting=all_ended and not over)
        case LoadPlan():
            for drive in plan.trials:
                title = drive.scenario.title
                parts = _of_load(drive, of[drive.id])
                yield drive.id, title, _in_order(of[drive.id], parts, over=over)
        case ConformancePlan():
            looks = Part(
                name=f"{len(facts)} facts read",
                stand=Stand.DONE if over else Stand.NOW if facts else Stand.NEXT,
            )
            yield "conformance", "Looking at the platform", (looks,)
        case _:
            for restore in plan.trials:
                parts = _of_restore(restore, of[restore.id])
                yield restore.id, restore.title, _in_order(of[restore.id], parts, over=over)


def _by_people(
    steps: Iterable[ManualStep], facts: Sequence[Event], *, waiting: bool
) -> Iterator[Step]:
    """Opening and closing steps are asked for one after the other."""
    for step in steps:
        part = _manual(step, facts)
        if part.stand is Stand.NEXT and waiting:
            part, waiting = replace(part, stand=Stand.NOW, detail="waits for a person"), False
        yield step.id, step.instruction, (part,)


def _in_order(mine: Sequence[Event], parts: Sequence[Part], *, over: bool) -> tuple[Part, ...]:
    """What is done is done in order: what comes before it is over too, and the first that is not
    over goes on while the trial does. A part that an ended trial never came to stays as it is.
    """
    started = any(isinstance(fact, TrialStarted) for fact in mine)
    ended = over or any(isinstance(fact, TrialEnded) for fact in mine)
    last = max((number for number, part in enumerate(parts) if part.stand in _OVER), default=-1)
    found = [
        replace(part, stand=Stand.DONE) if number < last and part.stand is Stand.NEXT else part
        for number, part in enumerate(parts)
    ]
    failed = _failure(mine)
    if started and not ended and last + 1 < len(found):
        following = found[last + 1]
        found[last + 1] = replace(
            following, stand=Stand.NOW, detail=following.detail or _waits(following)
        )
    elif started and ended and last < 0 and failed is None:
        found.append(Part(name="ended before anything was done", stand=Stand.FAILED))
    return (*found, *(() if failed is None else (failed,)))


def _waits(part: Part) -> str:
    return "waits for a person" if part.name.startswith("person: ") else ""


def _failure(mine: Sequence[Event]) -> Part | None:
    failed = [fact for fact in mine if isinstance(fact, StepFailed)]
    if not failed:
        return None
    return Part(name=f"failed: {failed[-1].step}", stand=Stand.FAILED, detail=failed[-1].error)


def _manual(step: ManualStep, mine: Sequence[Event]) -> Part:
    done = [fact for fact in mine if isinstance(fact, ManualStepEnded) and fact.step == step.id]
    if not done:
        return Part(name=f"person: {step.instruction}", stand=Stand.NEXT)
    who = done[-1].confirmed_by
    return Part(
        name=f"person: {step.instruction}",
        stand=Stand.DONE if who else Stand.FAILED,
        detail=f"confirmed by {who}" if who else "nobody confirmed it",
    )


def _part(name: str, found: Sequence[Event], detail: str = "", *, failed: bool = False) -> Part:
    stand = Stand.FAILED if failed else Stand.DONE if found else Stand.NEXT
    return Part(name=name, stand=stand, detail=detail)


def _of_experiment(trial: ExperimentTrial, mine: Sequence[Event]) -> list[Part]:
    faults = [fact for fact in mine if isinstance(fact, FaultInjected)]
    back = [fact for fact in mine if isinstance(fact, RolledBack)]
    not_back = [fact.action for fact in back if fact.error is not None]
    early = [fact for fact in mine if isinstance(fact, LedgerReadBack) and fact.early]
    return [
        _guards(mine),
        _part(
            "proving the steady state",
            [fact for fact in mine if isinstance(fact, HypothesisMeasured | FaultInjected)],
        ),
        *_people(trial, When.BEFORE, mine),
        _part("breaking", faults, ", ".join(fact.subject for fact in faults)),
        *_people(trial, When.DURING, mine),
        _part("clients recover by themselves", [*early, *back]),
        _part(
            "putting back",
            [fact for fact in mine if isinstance(fact, ExperimentEnded)],
            ", ".join(not_back),
            failed=bool(not_back),
        ),
        *_people(trial, When.AFTER, mine),
        _compared(mine),
    ]


def _people(trial: ExperimentTrial, when: When, mine: Sequence[Event]) -> list[Part]:
    return [_manual(step, mine) for step in trial.manual if step.when is when]


def _guards(mine: Sequence[Event]) -> Part:
    checked = [fact for fact in mine if isinstance(fact, GuardsChecked)]
    refused = checked[-1].refused if checked else ()
    return _part("checking the guards", checked, "; ".join(refused), failed=bool(refused))


def _compared(mine: Sequence[Event]) -> Part:
    compared = [fact for fact in mine if isinstance(fact, ClusterCompared)]
    differences = compared[-1].differences if compared else ()
    error = compared[-1].error if compared else None
    return _part(
        "comparing with before",
        compared,
        error or "; ".join(differences),
        failed=bool(differences) or error is not None,
    )


def _of_load(trial: LoadTrial, mine: Sequence[Event]) -> list[Part]:
    if isinstance(trial.scenario, Fill):
        filled = [fact for fact in mine if isinstance(fact, QuotasFilled)]
        return [_part("filling the quotas", filled)]
    loads = [fact for fact in mine if isinstance(fact, LoadInjected)]
    drives = isinstance(trial.scenario, Drive)
    name = "injecting the load" if drives else "searching for the highest rate"
    detail = loads[-1].step if loads and not drives else ""
    compared = _compared(mine)
    found = loads if drives or compared.stand is not Stand.NEXT else []
    return [_guards(mine), _part(name, found, detail), compared]


def _of_restore(trial: Trial, mine: Sequence[Event]) -> list[Part]:
    restored = [fact for fact in mine if isinstance(fact, RestoreEnded)]
    wrong = [f"{fact.subject}: {fact.error}" for fact in restored if fact.error is not None]
    whole = len({fact.subject for fact in restored}) == len(set(trial.subjects))
    cleaned = [fact for fact in mine if isinstance(fact, CleanedUp)]
    leaks = [leak for fact in cleaned for leak in fact.leaks]
    return [
        _part("losing the data", [fact for fact in mine if isinstance(fact, FaultInjected)]),
        _part(
            "restoring",
            restored if whole else [],
            "; ".join(wrong) or f"{len(restored)} of {len(trial.subjects)} restored",
            failed=bool(wrong),
        ),
        _part(
            "reading the ledger back",
            [fact for fact in mine if isinstance(fact, LedgerReadBack | VerificationEnded)],
        ),
        _part("verifying", cleaned, _levels(mine)),
        _part("cleaning up", cleaned, "; ".join(leaks), failed=bool(leaks)),
    ]


def _levels(mine: Sequence[Event]) -> str:
    levels = [fact.level for fact in mine if isinstance(fact, VerificationEnded)]
    return ", ".join(dict.fromkeys(levels))
