"""Judgements: all that a run's verdict.json says, to be rendered without computing anything."""

from __future__ import annotations

from datetime import datetime

import msgspec

from harness.model.history import Outcome, Phase
from harness.model.subject import Region
from harness.model.suite import Level
from harness.model.verdict import Finding, Verdict


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class PhaseBar(_Value, frozen=True, kw_only=True):
    """One phase of a restore, in seconds after the fault."""

    phase: Phase
    start_s: float
    end_s: float
    amount_bytes: int | None = None


class LevelResult(_Value, frozen=True, kw_only=True):
    """One verification level of a restore; never part of the RTA."""

    level: Level
    outcome: Outcome
    seconds: float
    examined: int
    detail: str
    start_s: float | None = None
    """When it began, in seconds after the fault; None: drawn back to back with the others."""


class RestoreSummary(_Value, frozen=True, kw_only=True):
    """One restore of one subject in one trial: what the timeline picture and the table show."""

    trial: str
    scenario: str
    title: str
    subject: str
    region: Region
    verdict: Verdict
    """Of this restore alone: the worst of its RTA, RPA or exactness, and integrity."""

    backup: str | None
    target_time: datetime | None
    phases: tuple[PhaseBar, ...]
    bottleneck: Phase | None
    """The longest phase."""

    rta_low_s: float | None
    rta_high_s: float | None
    """None with a low bound: censored, not recovered by the deadline."""

    sustained_s: float | None
    """When the answers had been right for as long as the suite asks, after the fault."""

    verified_s: float | None
    """Time to verified: from the fault to the end of the last verification level."""

    rpa_s: float | None
    lost_records: int | None
    acknowledged_records: int | None
    loss_from_s: float | None = None
    """First lost write, seconds relative to the fault (negative: before it)."""

    loss_to_s: float | None = None
    restored_bytes: int | None = None
    levels: tuple[LevelResult, ...] = ()
    invalid: tuple[str, ...] = ()
    """Why this trial says nothing, where it does not."""


class Prediction(_Value, frozen=True, kw_only=True):
    """A restore time extrapolated to the documented volume; never mixed with what was measured."""

    subject: str
    size_bytes: int
    seconds: float
    fixed_s: float
    """a of a + b x GB."""

    per_gb_s: float
    """b, in seconds per 10^9 bytes restored."""

    points: tuple[tuple[int, float], ...]
    """(bytes restored, seconds) that it was fitted to."""

    caution: str
    """How far beyond the largest measured size it reaches."""

    exceeds: str | None = None
    """The RTO that would be missed at that size, in words; None where it would be met."""


class Judgement(_Value, frozen=True, kw_only=True):
    """The content of verdict.json: the same run judged again gives the same bytes."""

    format: int
    suite: str
    environment: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    """Worst first, then in the order of the judges."""

    restores: tuple[RestoreSummary, ...]
    predictions: tuple[Prediction, ...]
    not_predicted: tuple[str, ...] = ()
    """For each subject without a prediction, why there is none."""
