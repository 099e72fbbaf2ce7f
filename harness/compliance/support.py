"""Decides of each objective of a framework what runs say of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from harness.model.compliance import (
    Cited,
    Evidence,
    Framework,
    Objective,
    ObjectiveSupport,
    Property,
    Support,
)
from harness.model.judgement import Judgement
from harness.model.run import RunRecord
from harness.model.verdict import Finding, Verdict

_ORDER = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRun:
    """One run that ended and was judged."""

    run: RunRecord
    judgement: Judgement
    sealed: bool | None = None
    """None: not known yet, as a run is sealed when its reports are written."""

    timestamped: bool = False

    @property
    def ended(self) -> datetime:
        """When it ended; of one that was cut off, when it began."""
        return self.run.ended or self.run.started


def newest_of_each_suite(runs: Iterable[JudgedRun]) -> tuple[JudgedRun, ...]:
    """The newest run of each suite and environment: what stands today, by the order of ends."""
    found = {
        (one.run.suite, one.run.environment): one
        for one in sorted(runs, key=lambda one: (one.ended, one.run.run))
    }
    return tuple(found.values())


def support(
    frameworks: Iterable[Framework], runs: Sequence[JudgedRun], now: datetime
) -> tuple[ObjectiveSupport, ...]:
    """What the runs say of every objective, in the order of the frameworks.

    A run on the practice platform says nothing of a real one: it is left out, and where it is all
    there is, nothing is said. `now` (UTC): evidence that is older than its objective wants is no
    support any more.
    """
    real = [one for one in runs if not one.run.practice]
    return tuple(
        _support(framework, control.id, control.name, objective, real, now)
        for framework in frameworks
        for control in framework.controls
        for objective in control.objectives
    )


def _support(  # noqa: PLR0913 - an objective, and where it stands
    framework: Framework,
    control: str,
    name: str,
    objective: Objective,
    runs: Sequence[JudgedRun],
    now: datetime,
) -> ObjectiveSupport:
    cited: dict[tuple[str, str], Cited] = {}
    properties: list[str] = []
    missing: list[str] = []
    for one in objective.evidence:
        if one.property is not None:
            shown = [run.run.run for run in runs if _has(run, one.property)]
            properties += [f"{one.property}: {run}" for run in shown]
            if not shown:
                missing.append(_PROPERTIES[one.property])
            continue
        found = [
            Cited(
                run=run.run.run,
                finding=finding.id,
                verdict=finding.verdict,
                at=run.ended,
                strength=finding.strength,
            )
            for run in runs
            if one.suite in {None, run.run.suite}
            for finding in run.judgement.findings
            if _speaks(one, finding)
        ]
        recent = [
            each for each in found if objective.every is None or each.at + objective.every >= now
        ]
        if not found:
            missing.append(f"no finding of {_named(one)}")
        elif not recent:
            newest = max(each.at for each in found)
            missing.append(f"{_named(one)}: the newest finding is of {newest:%Y-%m-%d}, too old")
        cited |= {(each.run, each.finding): each for each in found}
    ordered = sorted(cited.values(), key=lambda each: _ORDER.index(each.verdict))
    return ObjectiveSupport(
        framework=framework.framework,
        control=control,
        name=name,
        objective=objective.id,
        asks=objective.asks,
        source=objective.source,
        support=_state(ordered, properties, missing),
        cited=tuple(ordered),
        properties=tuple(properties),
        missing=tuple(missing),
        beyond=objective.beyond,
    )


def _state(cited: Sequence[Cited], properties: Sequence[str], missing: Sequence[str]) -> Support:
    verdicts = {one.verdict for one in cited}
    if Verdict.FAIL in verdicts:
        return Support.CONTRADICTS
    if not cited and not properties:
        return Support.NOTHING
    if missing or Verdict.INCONCLUSIVE in verdicts:
        return Support.INCONCLUSIVE
    return Support.SUPPORTS


def _speaks(evidence: Evidence, finding: Finding) -> bool:
    return (
        evidence.check in {None, finding.check}
        and evidence.target in {None, finding.target}
        and evidence.scenario in {None, finding.scenario}
    )


def _named(evidence: Evidence) -> str:
    words = [] if evidence.check is None else [f"check {evidence.check}"]
    words += [] if evidence.target is None else [f"target {evidence.target}"]
    words += [] if evidence.suite is None else [f"suite {evidence.suite}"]
    words += [] if evidence.scenario is None else [f"scenario {evidence.scenario}"]
    return ", ".join(words)


_PROPERTIES = {
    Property.SEALED: "no run is sealed",
    Property.TIMESTAMPED: "no timestamp service saw a seal",
    Property.PARTICIPANTS: "no run names its participants",
    Property.OPERATOR: "no run says who ran it",
    Property.PLANNED_BEFORE: "no run has a plan",
}


def _has(run: JudgedRun, wanted: Property) -> bool:
    match wanted:
        case Property.SEALED:
            return run.sealed is True
        case Property.TIMESTAMPED:
            return run.timestamped
        case Property.PARTICIPANTS:
            return bool(run.run.participants)
        case Property.OPERATOR:
            return bool(run.run.user and run.run.host and run.run.argv)
        case Property.PLANNED_BEFORE:
            # A run has findings only where its plan could be read.
            return bool(run.judgement.findings)
