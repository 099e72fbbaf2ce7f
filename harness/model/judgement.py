"""Judgements: all that a run's verdict.json says, to be rendered without computing anything."""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec

from harness.model.game_day import Way
from harness.model.history import Outcome, Phase
from harness.model.load_judgement import LoadSummary
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


class RecoveredBy(enum.StrEnum):
    """What brought a way in back; the first two are never the same result."""

    ITSELF = "itself"
    ROLLBACK = "our rollback"
    """Right answers began only after we put back what we had broken."""

    NO_OUTAGE = "no outage"
    """It never answered wrong, as far as the prober looked."""

    NOTHING = "nothing"
    """Not back when the watching ended."""

    UNKNOWN = "unknown"


class Against(enum.StrEnum):
    """What was measured against what was predicted; it bears no verdict."""

    BELOW = "below"
    INSIDE = "inside"
    ABOVE = "above"


class Interval(_Value, frozen=True, kw_only=True):
    """A time within a trial, in seconds after the fault (negative: before it)."""

    start_s: float
    end_s: float | None
    """None: to the end of what was observed."""


class WayRecovery(_Value, frozen=True, kw_only=True):
    """One way in of one trial; times are seconds after the fault."""

    subject: str
    probe_class: str
    way: Way | None
    judged: bool
    """False: the trial does not ask for it; it is shown."""

    verdict: Verdict | None
    """Against the strictest RTO of its kind; None: none covers it, or it is not judged."""

    text: str
    """What came of it, in words."""

    by: RecoveredBy
    rta_low_s: float | None = None
    rta_high_s: float | None = None
    """None with a low bound: censored, not back by itself for as long as was watched."""

    after_rollback_s: float | None = None
    """When it was back, where it was so only after our rollback."""

    rto_s: float | None = None
    predicted_low_s: float | None = None
    predicted_high_s: float | None = None
    """None with a low bound: predicted never to be back by itself."""

    against: Against | None = None
    outages: tuple[Interval, ...] = ()
    unobserved: tuple[Interval, ...] = ()


class Step(enum.StrEnum):
    """The steps of a recovery, in the order in which they are read (measure.md, section 3)."""

    FIRST_FAILURE = "first failure"
    DETECTED = "detected"
    REPLACED = "replaced"
    PROMOTED = "promoted"
    FIRST_SUCCESS = "first success"
    SUSTAINED = "sustained"
    REDUNDANT = "redundancy restored"
    RETURNED = "returned"
    VERIFIED = "data verified"


class StepSeen(_Value, frozen=True, kw_only=True):
    """When one step of a recovery was reached: between two looks, or at one instant."""

    step: Step
    subject: str
    low_s: float
    high_s: float
    detail: str = ""


class LedgerLoss(_Value, frozen=True, kw_only=True):
    """What one ledger lost in one trial."""

    ledger: str
    verdict: Verdict | None
    """Against the strictest RPO; None: none covers it, or it is not judged."""

    text: str
    rpa_s: float | None
    """Where nothing was lost, the resolution: a shorter loss could not have been seen."""

    lost_records: int | None
    acknowledged_records: int | None
    rpo_s: float | None = None
    loss_from_s: float | None = None
    loss_to_s: float | None = None


class Hearing(_Value, frozen=True, kw_only=True):
    """What one subscriber heard of a trial's messages; apart from any RPO."""

    subject: str
    subscriber: str
    taken: int
    """Messages that the broker took."""

    heard: int
    ratio: float | None
    """heard / taken; None where none was taken."""

    gaps: tuple[tuple[int, int], ...]
    """First and last number of each run that was not heard, at most 20."""

    gap_count: int
    cut_off_s: float | None
    """When it found its connection gone, after the fault; None: it kept it."""

    subscribed_s: float | None
    """When it was subscribed again for good; None: never cut off, or never again."""


class ManualStepTaken(_Value, frozen=True, kw_only=True):
    """What a person did, with the time it took."""

    trial: str
    """Empty for the opening and closing steps of a game day."""

    step: str
    instruction: str
    began: datetime
    seconds: float
    start_s: float | None
    """After the fault; None: outside a trial, or no fault was witnessed."""

    confirmed_by: str
    note: str


class RecoverySummary(_Value, frozen=True, kw_only=True):
    """One trial of a game day: what its picture and its row show."""

    trial: str
    scenario: str
    title: str
    verdict: Verdict
    """Of this trial alone: the worst of its ways in, ledgers, and what it left behind."""

    fault: datetime | None
    """By the wall clock; None: no fault is on record."""

    fault_width_s: float | None
    """Of its bracket; times are seconds after the bracket's beginning."""

    witnesses: tuple[str, ...]
    """What was broken and who saw it: `node:worker-2: lease not renewed`."""

    worst: str | None
    """The way in that was away longest, of those judged."""

    by: RecoveredBy
    rta_low_s: float | None
    rta_high_s: float | None
    ways: tuple[WayRecovery, ...] = ()
    steps: tuple[StepSeen, ...] = ()
    losses: tuple[LedgerLoss, ...] = ()
    hearings: tuple[Hearing, ...] = ()
    rollbacks: tuple[str, ...] = ()
    rolled_back_from_s: float | None = None
    rolled_back_until_s: float | None = None
    watched_until_s: float | None = None
    """End of the last observation."""

    differences: tuple[str, ...] = ()
    """How the cluster is not as it was."""

    manual_steps: tuple[ManualStepTaken, ...] = ()
    notes: tuple[str, ...] = ()
    unpredicted: tuple[str, ...] = ()
    """Ways in that nothing was predicted for, and why."""

    invalid: tuple[str, ...] = ()
    """Why this trial says nothing, where it does not."""


class ScenarioSummary(_Value, frozen=True, kw_only=True):
    """All trials of one experiment, never pooled with another's: one row of the game day's table.

    The predicted range is that of the way in whose worst trial is shown.
    """

    scenario: str
    title: str
    verdict: Verdict
    trials: int
    valid: int
    worst: str | None
    by: RecoveredBy
    """Of the worst trial."""

    rta_low_s: float | None
    rta_high_s: float | None
    rto_s: float | None = None
    predicted_low_s: float | None = None
    predicted_high_s: float | None = None
    predicted_misses: str | None = None
    against: Against | None = None
    loss: LedgerLoss | None = None
    """The most that a ledger lost in one trial."""

    strength: str


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

    scenarios: tuple[ScenarioSummary, ...] = ()
    """Of a game day: in the order of the plan."""

    recoveries: tuple[RecoverySummary, ...] = ()
    """Of a game day: its trials, in the order of the plan."""

    manual_steps: tuple[ManualStepTaken, ...] = ()
    """Of a game day as a whole: its opening and closing."""

    deviations: tuple[str, ...] = ()
    """What did not go as planned, in the order in which it happened."""

    load: LoadSummary | None = None
    """Of a load test."""
