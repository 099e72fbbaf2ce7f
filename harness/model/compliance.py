"""Control frameworks: what their controls ask for, and which evidence of a run speaks of it."""

from __future__ import annotations

import enum
from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from harness.model.verdict import Verdict

_Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Property(enum.StrEnum):
    """What a run shows by how it was held, apart from any finding."""

    SEALED = "sealed"
    """Its files are under a signature, and in a chain."""

    TIMESTAMPED = "timestamped"
    """A timestamp service saw the seal."""

    PARTICIPANTS = "participants"
    """Who took part is named."""

    OPERATOR = "operator"
    """Who ran it, on which host, by which command."""

    PLANNED_BEFORE = "planned-before"
    """The plan stands in plan.json, and begins the chain of events: it was there before them."""


class Evidence(_Value, frozen=True, kw_only=True):
    """One kind of evidence: findings of a check, of a target, or of both; or a property."""

    check: str | None = None
    """The judge's name: the first part of a finding's id."""

    target: str | None = None
    """Id of a documented target."""

    suite: str | None = None
    """Only of runs of that suite."""

    scenario: str | None = None
    """Only of that scenario."""

    property: Property | None = None

    def __post_init__(self) -> None:
        named = self.check is not None or self.target is not None
        if named == (self.property is not None):
            raise ValueError("evidence: expected a check or a target, or a property")


class Objective(_Value, frozen=True, kw_only=True):
    """One thing that a control asks to be shown; a control with two has two."""

    id: _Text
    asks: _Text
    """In our own words."""

    source: _Text
    """Where that is said, and whether the text itself was read."""

    evidence: tuple[Evidence, ...]
    """Each of them is needed. None: no rehearsal can show it, and `beyond` says why."""

    every: timedelta | None = None
    """How old the evidence may be, where the control says it."""

    beyond: str = ""
    """What the control asks for besides, which no run of this harness can show."""

    def __post_init__(self) -> None:
        if not self.evidence and not self.beyond:
            raise ValueError(f"objective {self.id}: got no evidence, and nothing that says why")


class Control(_Value, frozen=True, kw_only=True):
    """One control and its objectives."""

    id: _Text
    name: _Text
    objectives: Annotated[tuple[Objective, ...], msgspec.Meta(min_length=1)]


class Framework(_Value, frozen=True, kw_only=True):
    """One file of controls/."""

    framework: _Text
    """Its id, as options name it: `nist-800-53`."""

    title: _Text
    controls: Annotated[tuple[Control, ...], msgspec.Meta(min_length=1)]


class Support(enum.StrEnum):
    """What runs say of an objective; none of these words is `compliant`."""

    CONTRADICTS = "contradicts"
    """A finding that speaks of it is FAIL."""

    INCONCLUSIVE = "inconclusive"
    """Evidence is missing, could not be judged, or is too old."""

    NOTHING = "says nothing"
    """No run has any evidence of it."""

    SUPPORTS = "supports"
    """Everything that is asked for is there, and every finding of it is PASS."""


class Cited(_Value, frozen=True, kw_only=True):
    """One finding that speaks of an objective."""

    run: str
    finding: str
    verdict: Verdict
    at: datetime
    """End of the run."""

    strength: str | None = None


class ObjectiveSupport(_Value, frozen=True, kw_only=True):
    """What the runs say of one objective."""

    framework: str
    control: str
    name: str
    objective: str
    asks: str
    source: str
    support: Support
    cited: tuple[Cited, ...]
    """Worst first."""

    properties: tuple[str, ...] = ()
    """Those that are there: `sealed: 20261122T040000Z-weekly-restore-staging`."""

    missing: tuple[str, ...] = ()
    """What it asks for and no run has, in words."""

    beyond: str = ""
