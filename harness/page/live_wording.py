"""Facts of a history as one line each, for people who follow a run. Pure."""

from __future__ import annotations

from typing import NamedTuple

from harness.model.history import (
    CleanedUp,
    ClusterCompared,
    Event,
    FaultInjected,
    GuardsChecked,
    HypothesisMeasured,
    LoadInjected,
    ManualStepEnded,
    MilestoneSeen,
    Outcome,
    PhaseEnded,
    ReplicasHeld,
    RestoreEnded,
    RolledBack,
    RunEnded,
    StepFailed,
    TrialEnded,
    TrialStarted,
    VerificationEnded,
)
from harness.model.instant import seconds
from harness.report.wording import duration, listed, plural


class Line(NamedTuple):
    """What a fact says."""

    text: str
    bad: bool = False


def told(fact: Event) -> Line | None:  # noqa: C901, PLR0911, PLR0912 - one line for each kind
    """The line of a fact; None: it says nothing to who follows the run."""
    match fact:
        case TrialStarted():
            return Line(f"{fact.trial} begins")
        case TrialEnded():
            return Line(f"{fact.trial} ended")
        case GuardsChecked():
            if fact.refused:
                return Line(f"refused: {'; '.join(fact.refused)}", bad=True)
            return Line(f"{plural(len(fact.passed), 'guard')} passed")
        case HypothesisMeasured():
            said = "holds" if fact.met else "does not hold"
            return Line(f"steady state {fact.when} {said}", bad=not fact.met)
        case FaultInjected():
            if fact.assumed:
                return Line(f"loss of {fact.subject} assumed")
            seen = fact.witness or "nobody saw it"
            return Line(f"broken: {fact.subject} ({seen})", bad=True)
        case MilestoneSeen():
            return Line(f"{fact.milestone}: {fact.subject}, {fact.detail}")
        case RolledBack():
            if fact.error is not None:
                return Line(f"not put back: {fact.action}: {fact.error}", bad=True)
            return Line(f"put back: {fact.action} ({fact.witness or 'nobody saw it'})")
        case PhaseEnded():
            took = duration(seconds(fact.ended_ns - fact.started_ns))
            return Line(f"{fact.subject}: {fact.phase} in {took}")
        case RestoreEnded():
            if fact.error is not None:
                return Line(f"{fact.subject}: not restored: {fact.error}", bad=True)
            return Line(f"{fact.subject}: restored from {fact.backup or 'the latest backup'}")
        case VerificationEnded():
            text = f"{fact.subject}: {fact.level}: {fact.detail or fact.outcome}"
            return Line(text, bad=fact.outcome is Outcome.FAIL)
        case ManualStepEnded():
            who = fact.confirmed_by or "nobody"
            return Line(f"{fact.instruction} (confirmed by {who})", bad=not fact.confirmed_by)
        case LoadInjected():
            if fact.error is not None:
                return Line(f"{fact.trial} {fact.step}: {fact.error}", bad=True)
            rate = "" if fact.rate is None else f" at {fact.rate:g}/s"
            return Line(f"{fact.trial} {fact.step}: {fact.scheduled:,} requests{rate}")
        case ReplicasHeld():
            text = f"held at {plural(fact.replicas, 'replica')}"
            if fact.error is not None:
                return Line(f"{text}: {fact.error}", bad=True)
            return Line(text)
        case ClusterCompared():
            if fact.error is not None:
                return Line(f"not compared with before: {fact.error}", bad=True)
            if fact.differences:
                return Line(f"not as it was before: {listed(fact.differences)}", bad=True)
            return Line(f"as it was before: {fact.examined:,} facts compared")
        case CleanedUp():
            if fact.leaks:
                return Line(f"left behind: {listed(fact.leaks)}", bad=True)
            return Line(f"cleaned up: {listed(fact.healed)}") if fact.healed else None
        case StepFailed():
            where = f"{fact.subject}: " if fact.subject else ""
            return Line(f"{where}{fact.step} failed: {fact.error}", bad=True)
        case RunEnded():
            how = fact.interrupted
            return Line(f"the run was ended by {how}" if how else "the run ended", bad=bool(how))
        case _:
            return None
