"""History: the facts of a run, append-only, each one written to disk before it is believed.

Facts only. Whether a fact is good or bad is for the judges; a fact that could not be had says
so in its own fields (`error`), so that a judge sees absence instead of silence.
"""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec

from harness.model.conformance import Look
from harness.model.game_day import Way
from harness.model.instant import Bracket, Instant
from harness.model.quota import Filled
from harness.model.subject import Region
from harness.model.suite import Level
from harness.model.verdict import Verdict


class Outcome(enum.StrEnum):
    """What came of one operation; a timeout is INDETERMINATE: it may or may not have happened."""

    OK = "OK"
    FAIL = "FAIL"
    INDETERMINATE = "INDETERMINATE"


class Blame(enum.StrEnum):
    """What an error of a restore or of a step speaks against."""

    BACKUP = "backup"
    """The backup, its key or its archive: what is tested does not do what it must."""

    SURROUNDINGS = "surroundings"
    """The place the drill ran in: a full disk, a missing program, a store that refuses or times
    out. Nothing is learned of the backup."""

    DEADLINE = "deadline"
    """Time: it was given up, and might have ended well later."""


class Phase(enum.StrEnum):
    """The parts of a restore, in the order in which they begin."""

    PROVISION = "provision"
    """Directories and empty servers."""

    LIST = "list"
    """Finding the backup in the store."""

    FETCH = "fetch"
    """Objects to local disk; decryption and decompression where the tool does them in stream."""

    DECOMPRESS = "decompress"
    """Decrypting and unpacking, where it is a step of its own."""

    REPLAY = "replay"
    """WAL or AOF replay, or loading an RDB file into memory."""

    PROMOTE = "promote"
    """From the end of replay to a server in its writable role."""


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Backup(_Value, frozen=True, kw_only=True):
    """One backup as its tool lists it. Times are the subject's own clock."""

    label: str
    kind: str
    """`full`, `diff`, `incr` for PostgreSQL; `snapshot` for Redis."""

    started: datetime
    stopped: datetime
    size_bytes: int
    """What it restores to."""

    stored_bytes: int | None = None
    references: tuple[str, ...] = ()
    error: str | None = None
    """What the tool itself says is wrong with it."""


class CatalogueRead(_Value, frozen=True, kw_only=True, tag_field="event", tag="catalogue-read"):
    """What backups one region holds of a subject, and the window that they can restore."""

    subject: str
    region: Region
    backups: tuple[Backup, ...]
    """Oldest first."""

    now: datetime
    """The harness's wall clock when it was read; ages are taken against it."""

    oldest_point: datetime | None = None
    """The earliest point that can be restored: the oldest backup's end."""

    newest_point: datetime | None = None
    """The latest point known to be in the store: the newest archived WAL, AOF or snapshot."""

    point_in_time: bool = False
    """Whether any second between the two can be restored."""

    tool: str = ""
    """Name and version of the tool that listed it."""

    error: str | None = None
    """Why it could not be read, or what status the tool gave; then `backups` says nothing."""


class ArchiveInspected(
    _Value, frozen=True, kw_only=True, tag_field="event", tag="archive-inspected"
):
    """WAL or AOF continuity from the oldest backup to the newest archived piece, by raw listing."""

    subject: str
    region: Region
    first: str | None
    last: str | None
    pieces: int
    missing: tuple[str, ...] = ()
    """Names of the missing pieces, at most 50."""

    missing_count: int = 0
    unusable_backups: tuple[str, ...] = ()
    """Backups whose own WAL (start to stop) is not whole."""

    error: str | None = None


class EncryptionInspected(
    _Value, frozen=True, kw_only=True, tag_field="event", tag="encryption-inspected"
):
    """How objects are encrypted, proved from their first bytes and their response headers."""

    subject: str
    region: Region
    objects: int
    """How many objects the repository holds."""

    inspected: int
    proofs: dict[str, int]
    """Proof -> count: `client-side aes-256-cbc (Salted__)`, `SSE AES256`, `SSE aws:kms`."""

    unproved: tuple[str, ...] = ()
    """Names of objects without any proof, at most 50."""

    unproved_count: int = 0
    error: str | None = None


class ReplicaCompared(_Value, frozen=True, kw_only=True, tag_field="event", tag="replica-compared"):
    """Whether the other region holds the whole closure that a restore needs."""

    subject: str
    needed: int
    """Objects of the primary region that a restore may need (manifests, data, WAL or AOF)."""

    missing: tuple[str, ...] = ()
    missing_count: int = 0
    differing: tuple[str, ...] = ()
    """Present with another size or another checksum."""

    behind_ns: int | None = None
    """Age of the oldest object that the replica lacks, by the primary store's own dates; 0 where it
    lacks none."""

    error: str | None = None


class RetentionLockRead(
    _Value, frozen=True, kw_only=True, tag_field="event", tag="retention-lock-read"
):
    """Object lock of the objects that each backup consists of."""

    subject: str
    region: Region
    inspected: int
    unlocked: tuple[str, ...] = ()
    unlocked_count: int = 0
    shortest_ns: int | None = None
    """The least time between an object's creation and its retain-until date."""

    modes: dict[str, int]
    error: str | None = None


class FaultInjected(_Value, frozen=True, kw_only=True, tag_field="event", tag="fault-injected"):
    """The instant of loss: inflicted and witnessed, or assumed."""

    trial: str
    subject: str
    """A subject's id, or `region:primary`."""

    assumed: bool
    bracket: Bracket | None
    """None where no witness saw the fault take effect: the trial is INCONCLUSIVE."""

    wall: datetime
    witness: str
    """Who saw it: `assumed`, `port refuses and pid 123 is gone`."""


class PhaseEnded(_Value, frozen=True, kw_only=True, tag_field="event", tag="phase-ended"):
    """One part of a restore."""

    trial: str
    subject: str
    phase: Phase
    started_ns: int
    ended_ns: int
    amount_bytes: int | None = None
    detail: str = ""


class RestoreEnded(_Value, frozen=True, kw_only=True, tag_field="event", tag="restore-ended"):
    """What a restore tool says that it restored, or why it did not."""

    trial: str
    subject: str
    backup: str | None
    target_time: datetime | None
    """The point asked for; None: the latest."""

    recovered_to: str | None = None
    """LSN and timeline, or the last AOF piece of each shard."""

    recovered_until: datetime | None = None
    """Time of the last transaction replayed, by the subject's own clock."""

    archive_end: str | None = None
    """Where the archive ended when the restore began, in the terms of `recovered_to`."""

    ended_early: str | None = None
    """Why replay stopped before the end of the archive, where it did."""

    restored_bytes: int | None = None
    error: str | None = None
    blame: Blame | None = None
    """What `error` speaks against; None where that is unknown, which is judged as the backup."""


class ProbesRecorded(_Value, frozen=True, kw_only=True, tag_field="event", tag="probes-recorded"):
    """One prober's observations of one trial are complete, in a file of the run directory."""

    trial: str
    subject: str
    probe_class: str
    file: str
    interval_ns: int
    timeout_ns: int
    way: Way | None = None
    """Of a game day: which way in it asks; None where there is but one."""


class VerificationEnded(
    _Value, frozen=True, kw_only=True, tag_field="event", tag="verification-ended"
):
    """One verification level of one restored subject."""

    trial: str
    subject: str
    level: Level
    outcome: Outcome
    """FAIL: damage was found. INDETERMINATE: it could not be verified."""

    started_ns: int
    ended_ns: int
    examined: int
    """How many objects, pages, rows, slots or invariants were looked at; 0 proves nothing."""

    detail: str
    damage: tuple[str, ...] = ()
    """Names of what is damaged, at most 50."""


class LedgerReadBack(_Value, frozen=True, kw_only=True, tag_field="event", tag="ledger-read-back"):
    """The ledger's rows in the restored data, in a file of the run directory."""

    trial: str
    subject: str
    file: str
    rows: int
    server: str
    """Which server answered, by identity, and in which role."""

    early: bool = False
    """Read at the recovery, before what was broken came back; the final read follows it."""

    began_ns: int | None = None
    """Monotonic, just before the snapshot: what was acknowledged until then must be in it, also
    where the writers go on. None: no writer went on."""

    error: str | None = None


class LedgerCopied(_Value, frozen=True, kw_only=True, tag_field="event", tag="ledger-copied"):
    """The ledger's journals as they stood at the end of the run, in the run directory."""

    subject: str
    files: tuple[str, ...]


class LogsKept(_Value, frozen=True, kw_only=True, tag_field="event", tag="logs-kept"):
    """What the tools and servers of one restore said, copied before its place was removed."""

    trial: str
    subject: str
    files: tuple[str, ...]
    """Paths below the run directory."""


class CleanedUp(_Value, frozen=True, kw_only=True, tag_field="event", tag="cleaned-up"):
    """What was put back after a trial, and what was left behind."""

    trial: str
    healed: tuple[str, ...]
    leaks: tuple[str, ...]


class StepFailed(_Value, frozen=True, kw_only=True, tag_field="event", tag="step-failed"):
    """A step of a trial ended in an error of the harness's surroundings; the run went on."""

    trial: str
    subject: str | None
    step: str
    error: str
    blame: Blame | None = None
    """What `error` speaks against; None where that is unknown."""


class GuardsChecked(_Value, frozen=True, kw_only=True, tag_field="event", tag="guards-checked"):
    """What was looked at before something is broken; one refusal keeps the trial from beginning."""

    trial: str
    passed: tuple[str, ...]
    refused: tuple[str, ...]


class HypothesisMeasured(
    _Value, frozen=True, kw_only=True, tag_field="event", tag="hypothesis-measured"
):
    """The steady-state hypothesis of an experiment, probe by probe."""

    trial: str
    when: str
    """`before` the fault, or `after` the recovery or the rollback."""

    met: bool
    probes: tuple[str, ...]
    """`name: answer`, in their order; of one that raised, its error."""


class ExperimentEnded(_Value, frozen=True, kw_only=True, tag_field="event", tag="experiment-ended"):
    """The process of an experiment ended. What Chaos Toolkit calls its status is no verdict."""

    trial: str
    exit_code: int
    journal: str | None
    """Its journal, in artefacts/; None where it left none."""

    error: str | None = None


class RolledBack(_Value, frozen=True, kw_only=True, tag_field="event", tag="rolled-back"):
    """One mutation was put back; what recovers after `started_ns` did not recover by itself."""

    trial: str
    action: str
    started_ns: int
    ended_ns: int
    witness: str
    """Who saw it back: `boot 5e2f.. Ready, lease renewed`; empty where nobody did."""

    error: str | None = None


class Milestone(enum.StrEnum):
    """What is seen of a recovery beside clients' answers; parts of the RTA, never its end."""

    DETECTED = "detected"
    """The platform knows: a node NotReady, an endpoint removed, an alert."""

    REPLACED = "replaced"
    """A new pod is Ready in the place of the old one."""

    PROMOTED = "promoted"
    """Another server has the role: a new timeline, a new configuration epoch."""

    REDUNDANT = "redundant"
    """Replicas follow again, all of them: a second fault would be survived."""

    RETURNED = "returned"
    """What was broken is a member again: the node's new boot, the old primary as a replica."""


class MilestoneSeen(_Value, frozen=True, kw_only=True, tag_field="event", tag="milestone-seen"):
    """One step of a recovery, between the last look that did not see it and the first that did."""

    trial: str
    subject: str
    """A workload's id, or `node:worker-2`."""

    milestone: Milestone
    bracket: Bracket
    detail: str


class ClusterCompared(_Value, frozen=True, kw_only=True, tag_field="event", tag="cluster-compared"):
    """Whether the cluster is as it was before: specs, cordons, taints, labels, finalizers."""

    trial: str
    examined: int
    """How many facts were compared; 0 proves nothing."""

    differences: tuple[str, ...] = ()
    error: str | None = None


class SubscriptionsRecorded(
    _Value, frozen=True, kw_only=True, tag_field="event", tag="subscriptions-recorded"
):
    """What was published, and heard by each subscriber, in a file of observations/."""

    trial: str
    subject: str
    file: str
    interval_ns: int
    """Between two messages."""

    subscribers: tuple[str, ...]


class RehearsedFinding(_Value, frozen=True, kw_only=True):
    """One finding of a restore that was rehearsed during a game day, as its own judge has it."""

    id: str
    check: str
    subject: str | None
    verdict: Verdict
    headline: str


class RestoreRehearsed(
    _Value, frozen=True, kw_only=True, tag_field="event", tag="restore-rehearsed"
):
    """A restore was rehearsed in the cluster while something was broken, and what its own verdict
    says of it.
    """

    trial: str
    job: str
    """`namespace/name` of the Job that ran it."""

    scenario: str
    """Of the suite that it ran."""

    began_ns: int
    """Before the Job was made, by the clock of the host that injects: all of it lies between."""

    ended_ns: int
    """After it was seen to have ended."""

    evidence: str | None = None
    """Where it says that its run directory is, as it sees it: on the Job's volume."""

    regions: tuple[Region, ...] = ()
    """That something was restored from."""

    findings: tuple[RehearsedFinding, ...] = ()
    """Those of the scenario."""

    away: tuple[str, ...] = ()
    """What was broken and was looked at after it ended: still away."""

    back: tuple[str, ...] = ()
    """What was broken and was seen back then."""

    error: str | None = None
    """Why there is no verdict of it."""


class ManualStepEnded(
    _Value, frozen=True, kw_only=True, tag_field="event", tag="manual-step-ended"
):
    """What a person did, by the prober's clock."""

    trial: str
    """Empty for the opening and closing steps of a game day."""

    step: str
    instruction: str
    started_ns: int
    ended_ns: int
    confirmed_by: str
    """Empty where nobody confirmed it."""

    note: str = ""


class LoadInjected(_Value, frozen=True, kw_only=True, tag_field="event", tag="load-injected"):
    """A load ended: its samples are whole, or `error` says why not."""

    trial: str
    step: str
    """Of a search: `4-replicas-7`, its seventh rate; else empty."""

    began: Instant
    """The zero of the samples' times."""

    scheduled: int
    """Arrivals that the schedule has; what was sent and answered is in the samples."""

    lasts_s: float
    rate: float | None
    """Requests per second, where it is one all the time."""

    workers: int
    """Processes that were to inject it."""

    samples: tuple[str, ...]
    """Names of the files of samples, one of each worker that was heard of to its end."""

    lost_workers: tuple[str, ...] = ()
    """Workers that ended too early, and how."""

    generator_cpu_s: float | None = None
    """CPU time of all that injected."""

    closed_loop: bool = False
    """A user's own locustfile: it waited for answers."""

    replicas: int | None = None
    """That the service was held at; None: its autoscaler was free."""

    error: str | None = None


class TimelineRecorded(
    _Value, frozen=True, kw_only=True, tag_field="event", tag="timeline-recorded"
):
    """The cluster was looked at during a trial: a file of model.autoscaling.Sighting."""

    trial: str
    file: str
    looks: int
    error: str | None = None


class ReplicasHeld(_Value, frozen=True, kw_only=True, tag_field="event", tag="replicas-held"):
    """The autoscaler was held at so many replicas, and so many were ready; else `error`."""

    trial: str
    replicas: int
    began_ns: int
    ready_ns: int | None
    error: str | None = None


class QuotasFilled(_Value, frozen=True, kw_only=True, tag_field="event", tag="quotas-filled"):
    """Namespaces were filled on fake nodes of this size, until their quotas refused."""

    trial: str
    nodes: int
    node_cores: float
    node_memory: float
    """Bytes."""

    filled: tuple[Filled, ...]
    error: str | None = None


class TrialStarted(_Value, frozen=True, kw_only=True, tag_field="event", tag="trial-started"):
    """A trial begins: nothing of it has been touched yet."""

    trial: str


class TrialEnded(_Value, frozen=True, kw_only=True, tag_field="event", tag="trial-ended"):
    """A trial ended, and all that it broke was put back."""

    trial: str


class RunEnded(_Value, frozen=True, kw_only=True, tag_field="event", tag="run-ended"):
    """The last event of a whole history; its absence means that the run was cut off."""

    interrupted: str | None = None
    """The signal, where one ended it."""


Event = (
    CatalogueRead
    | ArchiveInspected
    | EncryptionInspected
    | ReplicaCompared
    | RetentionLockRead
    | FaultInjected
    | PhaseEnded
    | RestoreEnded
    | ProbesRecorded
    | VerificationEnded
    | LedgerReadBack
    | LedgerCopied
    | LogsKept
    | CleanedUp
    | StepFailed
    | GuardsChecked
    | HypothesisMeasured
    | ExperimentEnded
    | RolledBack
    | MilestoneSeen
    | ClusterCompared
    | SubscriptionsRecorded
    | RestoreRehearsed
    | ManualStepEnded
    | LoadInjected
    | TimelineRecorded
    | ReplicasHeld
    | QuotasFilled
    | Look
    | TrialStarted
    | TrialEnded
    | RunEnded
)


class Entry(_Value, frozen=True, kw_only=True):
    """One line of history.jsonl."""

    sequence: int
    at: Instant
    fact: Event
    previous: str = ""
    """SHA-256 of the line before, without its line feed; of the first, of plan.json. Empty: of a
    harness that did not chain them yet (harness.seal.chain).
    """


class Observation(msgspec.Struct, frozen=True, array_like=True):
    """One probe, one line of an observations file: [scheduled, started, ended, outcome, detail].

    All times are monotonic nanoseconds of the prober's host. `started` minus `scheduled` is the
    prober's own lateness.
    """

    scheduled_ns: int
    started_ns: int
    ended_ns: int
    outcome: Outcome
    detail: str = ""


class History(_Value, frozen=True, kw_only=True):
    """A whole run as the judges see it: no file, no server."""

    entries: tuple[Entry, ...]
    observations: dict[str, tuple[Observation, ...]]
    """File name of a ProbesRecorded -> its observations, in the order of their schedule."""
