"""The seams between deciding and doing: what conduct asks of clocks, tools and platforms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import msgspec

from harness.model import autoscaling
from harness.model.cluster import Snapshot
from harness.model.game_day import ExperimentTrial, ManualStep
from harness.model.history import (
    ArchiveInspected,
    CatalogueRead,
    EncryptionInspected,
    Event,
    ExperimentEnded,
    GuardsChecked,
    LedgerCopied,
    LedgerReadBack,
    LoadInjected,
    Phase,
    ProbesRecorded,
    QuotasFilled,
    ReplicaCompared,
    ReplicasHeld,
    RestoreEnded,
    RetentionLockRead,
    RolledBack,
    SubscriptionsRecorded,
    TimelineRecorded,
    VerificationEnded,
)
from harness.model.instant import Bracket, Instant
from harness.model.load_judgement import Injection
from harness.model.load_profile import Profile
from harness.model.load_test import Locustfile
from harness.model.subject import Region
from harness.model.suite import Level, Verification


class Clock(Protocol):
    """The harness's one clock; drivers/clock.py is the only implementation outside tests."""

    def monotonic_ns(self) -> int:
        """CLOCK_MONOTONIC, nanoseconds."""
        ...

    def now(self) -> Instant:
        """The same moment on the monotonic and on the wall clock."""
        ...


class Record(Protocol):
    """Where facts go; returns only when the fact is on disk, raises RecordError if it cannot be."""

    def __call__(self, fact: Event) -> None:
        """Writes one fact."""
        ...


class PhaseProgress(Protocol):
    """What a running phase reports to."""

    def advance(self, done_bytes: int, total_bytes: int | None = None) -> None:
        """`done_bytes` of `total_bytes` so far; from any thread, as often as one likes."""
        ...

    def note(self, text: str) -> None:
        """One line for the person watching and for the phase's `detail`."""
        ...


class Watch(Protocol):
    """What a restore reports its phases and its long steps to."""

    def phase(self, phase: Phase) -> AbstractContextManager[PhaseProgress]:
        """Times one phase; a PhaseEnded is recorded when the block ends, also by an exception.
        The last `advance` becomes its `amount_bytes`.
        """
        ...

    def phase_between(self, phase: Phase, started_ns: int, ended_ns: int, detail: str = "") -> None:
        """Records a phase that was timed by other means (log lines turned into instants)."""
        ...


class Scratch(msgspec.Struct, frozen=True, kw_only=True):
    """The place one restore may use: nothing outside it is written, all of it is removed after."""

    trial: str
    directory: Path
    """Empty, owned by the operating-system user the server runs as; short enough for sockets."""

    ports: tuple[int, ...]
    """Free loopback ports reserved for this restore, lowest first (16 of them)."""

    address: str = "127.0.0.1"
    deadline_ns: int = 0
    """Monotonic instant after which the restore is given up with DeadlineExceededError."""


class PostgresEndpoint(msgspec.Struct, frozen=True, kw_only=True, tag="postgresql"):
    """How a client reaches a PostgreSQL server, and which one it must be."""

    host: str
    port: int
    database: str
    user: str
    system_identifier: str
    """From pg_control_system(): a server with another identifier is the wrong server."""

    password_file: Path | None = None
    """In the form of PGPASSFILE; None: as libpq's environment says."""

    @property
    def passfile(self) -> str | None:
        """The password file, as libpq takes it."""
        return None if self.password_file is None else str(self.password_file)


class RedisEndpoint(msgspec.Struct, frozen=True, kw_only=True, tag="redis"):
    """How a client reaches a Redis server or cluster; every master must answer."""

    nodes: tuple[tuple[str, int], ...]
    """(host, port) of every master, in shard order; may be empty where there are seeds."""

    cluster: bool
    seeds: tuple[tuple[str, int], ...] = ()
    """Where a cluster's masters are learned from, anew after each failure: addresses that outlive
    its nodes', such as a Service's. None: `nodes` are asked, and are the masters for good."""


Endpoint = PostgresEndpoint | RedisEndpoint


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """A running scratch server (or cluster) that holds restored data."""

    scratch: Scratch
    endpoint: Endpoint
    ended: RestoreEnded


CheckFact = (
    ArchiveInspected | EncryptionInspected | ReplicaCompared | RetentionLockRead | CatalogueRead
)


class RestoreTool(Protocol):
    """One backup tool's way from a bucket to a running server.

    Implementations are bound to one subject. They never archive from a scratch server, never
    write outside the scratch directory and the loopback ports given, and never put a secret on a
    command line. Every child process goes through drivers/process.py.
    """

    def discover(self, region: Region) -> CatalogueRead:
        """What one region holds; an unreachable store is an `error` in the fact, not raised."""
        ...

    def check(self, region: Region) -> Iterator[CheckFact]:
        """Continuity, encryption, replica closure and locks; read-only, as above for errors."""
        ...

    def endpoint(self, region: Region, scratch: Scratch) -> Endpoint:
        """Where the restored server will answer, known before it exists, for the prober."""
        ...

    def restore(
        self, region: Region, point: datetime | None, scratch: Scratch, watch: Watch
    ) -> Restored:
        """Restores to `point` (None: everything in the store) and leaves a writable server running.

        Raises RestoreError, StoreError or DeadlineExceededError; what was started is then still
        registered and goes with `remove`.
        """
        ...

    def verify(
        self, restored: Restored, verification: Verification, level: Level
    ) -> VerificationEnded:
        """One level (any but LEDGER); damage is an outcome, not raised. May restart the server."""
        ...

    def logs(self, scratch: Scratch) -> tuple[Path, ...]:
        """What the tools and servers of a restore have written in its place, for a person to read
        once that is gone; no secret is in them.
        """
        ...

    def remove(self, scratch: Scratch) -> tuple[str, ...]:
        """Stops what runs in the scratch place and deletes it; names what is left behind."""
        ...


class Platform(Protocol):
    """What an environment lets the harness break, and how it is put back.

    Only the practice platform inflicts anything; every method is idempotent, and giving back
    works whatever state the loss was left in.
    """

    inflicts: bool
    """False: losses are assumed, nothing is touched, and the methods raise RefusedError."""

    def lose(self, subject: str) -> tuple[Bracket, str]:
        """Kills the subject's servers and takes its data away; when, and who saw it gone."""
        ...

    def give_back(self, subject: str) -> str:
        """Puts the subject back as it was before `lose`; says what was done."""
        ...

    def lose_region(self, region: Region) -> tuple[Bracket, str]:
        """Kills the region's object store and its replication."""
        ...

    def give_back_region(self, region: Region) -> str:
        """Starts the region's object store and replication again and awaits their answer."""
        ...


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """Who has which role at one moment, as the servers themselves say."""

    ready_nodes: dict[str, str]
    """Node -> boot id, of those that the API calls Ready."""

    writers: dict[str, str]
    """Workload, or `<workload> 0-5460` for a shard -> who takes its writes, with the timeline or
    configuration epoch: `10.90.2.4 timeline 3`."""

    redundant: dict[str, bool]
    """Workload -> whether all its replicas follow."""

    ready_pods: dict[str, tuple[str, ...]]
    """Workload -> UIDs of its ready pods, sorted."""


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """What the live view shows at one moment."""

    trial: str
    title: str
    doing: str
    """What happens now, or next."""

    since_fault_ns: int | None
    target_ns: int | None
    """The RTO that the clock runs against."""

    broken: tuple[str, ...]
    ways: tuple[WayNow, ...]
    now_ns: int


class NodeProvider(Protocol):
    """What can be done to the machines under a cluster, and how it is seen that it was done.

    Every change is idempotent. A change returns when a witness other than its own call saw the
    effect, with the bracket [just before the call, first sight]; DeadlineExceededError where none
    did. What a provider cannot do it refuses by RefusedError, before anything is touched.
    """

    name: str
    """`lab`, `docker`, `ec2`."""

    def kill(self, nodes: Sequence[str]) -> tuple[Bracket, str]:
        """Takes machines away as a power cut does, all at once; the disks stay. And the witness."""
        ...

    def start(self, node: str) -> str:
        """Switches it on again; returns when the machine runs, by whom it was seen."""
        ...

    def partition(self, nodes: Sequence[str]) -> tuple[Bracket, str]:
        """Takes their network away; everything on them goes on."""
        ...

    def heal(self, node: str) -> str:
        """Undoes a partition."""
        ...

    def is_off(self, node: str) -> bool:
        """Whether the machine is without power, by the provider's own knowledge."""
        ...

    def control_plane(self) -> tuple[str, ...]:
        """Machines of the control plane that may be killed; none where it is managed."""
        ...

    def control_plane_of(self, zone: str) -> tuple[str, ...]:
        """Those of `control_plane` in a zone, where the provider knows more than the API does."""
        ...

    def etcd_leader(self) -> str:
        """The machine of the member that leads etcd; RefusedError where that is not to be known."""
        ...

    def stop_service(self, node: str, service: str) -> tuple[Bracket, str]:
        """Ends a process of a machine and keeps it down: `s3-primary` of the lab's `outside`."""
        ...

    def start_service(self, node: str, service: str) -> str:
        """Lets it run again; returns when it answers."""
        ...

    def service_is_down(self, node: str, service: str) -> bool:
        """Whether it is stopped and does not answer now; changes nothing."""
        ...


class WayNow(msgspec.Struct, frozen=True, kw_only=True):
    """What one way in answered last; for the live view and for knowing when to go on."""

    probe_class: str
    right_since_ns: int | None
    """Start of the first of the right answers without a wrong one since; None: wrong, or none."""

    right_until_ns: int | None
    """End of the last right answer of those."""

    wrong_since_ns: int | None
    """Start of the first of the wrong or missing answers without a right one since."""

    detail: str = ""
    """Of the newest wrong answer."""


class WaysIn(Protocol):
    """All ways in of one trial, probed from outside the blast radius at once."""

    def now(self) -> tuple[WayNow, ...]:
        """Each of them; SurroundingsError where a prober died."""
        ...

    def stop(self) -> tuple[ProbesRecorded | SubscriptionsRecorded, ...]:
        """Ends the probing; its files are then complete. May be called twice."""
        ...


class Ledgers(Protocol):
    """The ledgers of a game day: one writer for each workload and durability class."""

    left_behind: tuple[str, ...]
    """What `stop` could not take out of a database, and why."""

    def unsteady(self, window: timedelta) -> tuple[str, ...]:
        """Those that were not acknowledged often enough, for so long, to show a loss."""
        ...

    def read_back(self, trial: str, *, early: bool) -> tuple[LedgerReadBack, ...]:
        """Every ledger from the servers that have the writing role now."""
        ...

    def stop(self) -> tuple[LedgerCopied, ...]:
        """Ends the writing and takes what was written out of the databases again."""
        ...


class RunningExperiment(Protocol):
    """The process of one experiment under its supervisor."""

    def facts(self) -> tuple[Event, ...]:
        """What it has recorded since the last call, in its order."""
        ...

    def exit_code(self) -> int | None:
        """None while it runs."""
        ...

    def release(self) -> None:
        """Lets its method end: the recovery was seen, or is not waited for any longer."""
        ...

    def interrupt(self) -> None:
        """Tells it to stop; its rollbacks run all the same."""
        ...

    def ended(self) -> ExperimentEnded:
        """What is left of it: its journal and its last words."""
        ...


class DrillGround(Protocol):
    """The cluster of a game day and what stands around it, chosen by the command line."""

    def guards(self, trial: ExperimentTrial) -> GuardsChecked:
        """Whether it may begin now; what cannot be told is a refusal."""
        ...

    def snapshot(self) -> Snapshot:
        """What a trial must leave as it was."""
        ...

    def begin_ways_in(self, trial: ExperimentTrial) -> WaysIn:
        """Starts the probers of a trial."""
        ...

    def begin_experiment(self, trial: ExperimentTrial) -> RunningExperiment:
        """Starts the process of its experiment."""
        ...

    def look(self) -> Sighting:
        """Roles and readiness now, for milestones; raises SurroundingsError where nothing is."""
        ...

    def undo_left_over(self) -> tuple[RolledBack, ...]:
        """Puts back what the experiment's own rollbacks did not; once more for what failed."""
        ...

    def whole(self) -> tuple[str, ...]:
        """What is not yet as a healthy platform has it: replicas, nodes, pods; none: all well."""
        ...


class LoadProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a load is; of all its workers."""

    elapsed_s: float
    lasts_s: float
    sent: int
    ended: int
    wrong: int
    """Of those that ended, without a right answer."""

    longest_lag_s: float


class RunningLoad(Protocol):
    """A load that is being injected."""

    def progress(self) -> LoadProgress | None:
        """None: it has not begun."""
        ...

    def ended(self) -> LoadInjected | None:
        """What was injected, with its samples on disk; None while it goes on."""
        ...

    def stop(self) -> LoadInjected:
        """Ends it early, if it has not ended; what was injected until then."""
        ...


class RunningTimeline(Protocol):
    """A process that looks at all that scales a service, once a second."""

    def now(self) -> autoscaling.Sighting | None:
        """The newest look; None: there is none yet. SurroundingsError where the process died."""
        ...

    def stop(self) -> TimelineRecorded:
        """Ends it; its file is then whole. May be called twice."""
        ...


class LoadGround(Protocol):
    """What a load test does to a cluster, and what it reads there."""

    def guards(self, trial: str) -> GuardsChecked:
        """Whether the trial may begin; what cannot be told is a refusal."""
        ...

    def snapshot(self) -> Snapshot:
        """All that must be afterwards as it was."""
        ...

    def begin_timeline(self, trial: str) -> RunningTimeline:
        """Begins to look."""
        ...

    def hold(self, trial: str, replicas: int) -> ReplicasHeld:
        """Holds the service at so many replicas, until `release_hold`; returns when they serve, or
        with `error`.
        """
        ...

    def begin_load(self, trial: str, step: str, load: Load, *, replicas: int | None) -> RunningLoad:
        """Begins to inject; `replicas`: that the service is held at."""
        ...

    def measured(self, injected: LoadInjected) -> Injection:
        """What its samples say: for the search of a capacity, which goes by it."""
        ...

    def begin_experiment(self, trial: ExperimentTrial) -> RunningExperiment:
        """Begins to break something while a load goes on."""
        ...

    def fill(self, trial: str, tell: Callable[[str], None]) -> QuotasFilled:
        """Fills all namespaces at full size on fake nodes."""
        ...

    def undo_left_over(self) -> tuple[RolledBack, ...]:
        """Puts back what was held or broken, newest first; all are tried."""
        ...

    def whole(self) -> tuple[str, ...]:
        """What is missing of the platform; none: it is whole."""
        ...


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be injected."""

    profile: Profile
    peak: float
    """Requests per second at a rate of 1.0; with a locustfile: users."""

    seed: int
    workers: int = 1
    from_pods: bool = False
    """Each worker is a pod of the cluster."""

    locustfile: Locustfile | None = None
    """Users of their own, who wait for answers."""


class Person(Protocol):
    """Who does and confirms manual steps."""

    def confirm(self, step: ManualStep) -> tuple[str, str]:
        """Asks and waits; (who confirmed, a note). ("", "") where nobody is there."""
        ...


class LiveView(Protocol):
    """Shows a game day while it goes on; never part of the evidence."""

    def show(self, scene: Scene) -> None:
        """What is broken, each way in, the clocks, what comes next."""
        ...


class Narrator(Protocol):
    """Tells the person who watches what is being done; never part of the evidence."""

    def step(self, text: str) -> None:
        """One line: what begins now."""
        ...

    def warning(self, text: str) -> None:
        """One line that should not be missed."""
        ...

    def trial_started(self, trial: str, index: int, count: int) -> None:
        """Trial `index` (from 1) of `count` begins."""
        ...

    def phase(self, name: str) -> AbstractContextManager[PhaseProgress]:
        """One long step, with its bytes, rate and time left; usable from several threads."""
        ...


class Prober(Protocol):
    """A running open-loop prober: a process of its own that writes observations to a file."""

    probe_class: str
    interval_ns: int
    timeout_ns: int

    def begun(self) -> bool:
        """Whether the first observation is on file."""
        ...

    def sustained(self, at_least: timedelta) -> bool:
        """Whether the newest answers have been right, without a break, for that long."""
        ...

    def stop(self) -> None:
        """Ends the process; its file is then complete. May be called twice."""
        ...


class Ledger(Protocol):
    """The ledger of one subject, as conduct uses it."""

    def begin_probing(
        self, endpoint: Endpoint, before: datetime | None, output: Path, directory: Path
    ) -> Prober:
        """A prober of the endpoint that demands a write acknowledged long before, by the server's
        clock before `before`, in every answer: an empty server answers too.
        """
        ...

    def steady(self, window: timedelta) -> bool:
        """Whether the ledger has been acknowledged often enough, for that long, to show a loss;
        True where the subject has no ledger to wait for.
        """
        ...

    def read_back(self, trial: str, endpoint: Endpoint, file: Path) -> LedgerReadBack:
        """All the ledger's rows in the restored data; a failure is an `error` in the fact."""
        ...

    def copy_journals(self, directory: Path) -> LedgerCopied | None:
        """Copies the journals as they stand; None where the subject has no ledger."""
        ...
