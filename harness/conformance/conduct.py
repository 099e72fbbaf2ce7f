"""Makes one look after the other and records what was seen; no look keeps another from its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.conformance.ground import ActiveLook, Ground
from harness.conformance.objects import read_objects
from harness.conformance.plan import OBJECTS
from harness.drivers import process
from harness.drivers.kubernetes import Cluster
from harness.errors import HarnessError, RecordError
from harness.model.cluster import ClusterAccess
from harness.model.conformance import ConformancePlan, Objects
from harness.model.history import (
    Blame,
    CleanedUp,
    RunEnded,
    StepFailed,
    TrialEnded,
    TrialStarted,
)
from harness.ports import Narrator, Record


@dataclass(frozen=True, kw_only=True)
class ConformanceSurroundings:
    """All that a conformance check touches, chosen by the command line."""

    cluster: Cluster
    access: ClusterAccess
    looks: Mapping[str, ActiveLook]
    """By their names."""

    run: str
    observations: Path
    record: Record
    narrator: Narrator
    should_stop: Callable[[], str | None]
    """As Ground's."""


def conduct_conformance(plan: ConformancePlan, at: ConformanceSurroundings) -> None:
    """Makes every look of the plan, and records the end of the run.

    Each is a trial of the history by its name. What one makes is removed before the next begins,
    also where it fails or an interruption ends it; the interruption goes through afterwards.
    """
    interrupted: str | None = None
    objects: Objects = {}
    try:
        for index, name in enumerate(plan.looks, start=1):
            at.narrator.trial_started(name, index, len(plan.looks))
            objects.update(_made(plan, at, name, objects))
    except BaseException as error:
        interrupted = type(error).__name__ if isinstance(error, HarnessError) else str(error)
        raise
    finally:
        process.allow_children()
        at.record(RunEnded(interrupted=interrupted))


def _made(
    plan: ConformancePlan, at: ConformanceSurroundings, name: str, objects: Objects
) -> Objects:
    """Makes one look; the objects that it read."""
    found: Objects = {}
    at.record(TrialStarted(trial=name))
    try:
        if name == OBJECTS:
            found = read_objects(at.cluster, at.observations, at.record)
        elif (why := at.should_stop()) is not None:
            at.record(_failed(name, f"was not begun: {why}", Blame.SURROUNDINGS))
        else:
            at.looks[name].look(
                Ground(
                    plan=plan,
                    cluster=at.cluster,
                    access=at.access,
                    objects=objects,
                    run=at.run,
                    record=at.record,
                    should_stop=at.should_stop,
                )
            )
    except RecordError:
        raise
    except HarnessError as error:
        at.record(_failed(name, str(error), Blame.SURROUNDINGS))
    except Exception as error:  # noqa: BLE001 - an object of an unknown shape ends one look, not all
        at.record(_failed(name, f"{type(error).__name__}: {error}", None))
    finally:
        process.allow_children()
        at.record(_cleaned_up(at, name))
    at.record(TrialEnded(trial=name))
    return found


def _failed(look: str, error: str, blame: Blame | None) -> StepFailed:
    return StepFailed(trial=look, subject=None, step=look, error=error, blame=blame)


def _cleaned_up(at: ConformanceSurroundings, name: str) -> CleanedUp:
    """Removes the pods that a look left, where it may have made any."""
    makes_something = name in at.looks and at.looks[name].rights
    try:
        removed = at.cluster.remove_helper_pods(at.run) if makes_something else ()
    except HarnessError as error:
        return CleanedUp(trial=name, healed=(), leaks=(f"pods of {at.run}: {error}",))
    return CleanedUp(trial=name, healed=removed, leaks=())
