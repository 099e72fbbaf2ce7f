"""Tiny constructors of plans and histories, so that a test of a judge says only what it is about.

Everything defaults to what meets every target; a test changes the one thing that it is about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.ledger.journal import Journal, Type, payload_of
from harness.ledger.rows import ROW
from harness.model.history import (
    ArchiveInspected,
    Backup,
    Blame,
    CatalogueRead,
    CleanedUp,
    EncryptionInspected,
    Entry,
    Event,
    FaultInjected,
    History,
    LedgerReadBack,
    Observation,
    Outcome,
    Phase,
    PhaseEnded,
    ProbesRecorded,
    ReplicaCompared,
    RestoreEnded,
    RetentionLockRead,
    RunEnded,
    StepFailed,
    TrialEnded,
    TrialStarted,
    VerificationEnded,
)
from harness.model.instant import NANOSECONDS_PER_SECOND, Bracket, Instant
from harness.model.plan import Plan, Trial
from harness.model.subject import (
    ObjectStore,
    PgBackRest,
    PgBackRestRepository,
    RedisRepository,
    RedisServer,
    Region,
    Subject,
)
from harness.model.suite import Invariant, Level, Loss, PointChoice, SqlInvariant, Verification
from harness.model.target import (
    BackupFrequency,
    Encryption,
    Immutability,
    Integrity,
    Kind,
    Objective,
    RecoveryPoint,
    RecoveryTime,
    Replication,
    Retention,
    Source,
    Target,
    Volume,
)

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = NANOSECONDS_PER_SECOND
FAULT_NS = 1_000 * SECOND
"""When the subject of every trial is lost; the bracket is 10 ms wide."""

ORDERS = PgBackRest(
    id="orders",
    stanza="orders",
    primary=PgBackRestRepository(
        config=Path("pgbackrest.conf"), store=ObjectStore(bucket="backups", prefix="orders")
    ),
    replica=PgBackRestRepository(
        config=Path("replica.conf"), store=ObjectStore(bucket="copies", prefix="orders")
    ),
)
SESSIONS = RedisServer(
    id="sessions",
    primary=RedisRepository(store=ObjectStore(bucket="backups", prefix="sessions")),
    replica=RedisRepository(store=ObjectStore(bucket="copies", prefix="sessions")),
)

RTO = RecoveryTime(at_most=timedelta(minutes=5))
RPO = RecoveryPoint(at_most=timedelta(minutes=1))
DAILY = BackupFrequency(every=DAY, grace=timedelta(hours=1))
RETENTION = Retention(at_least=30 * DAY, point_in_time=True)
AES_256 = Encryption(algorithm="AES-256")
REPLICATED = Replication(lag_at_most=timedelta(minutes=1))
LOCKED = Immutability(at_least=30 * DAY)
INTACT = Integrity()
VOLUME = Volume(size="100Gi")


def target(objective: Objective, *covers: Kind) -> Target:
    """A target whose id is its kind's name."""
    return Target(
        id=str(objective.__struct_config__.tag),
        covers=covers or (Kind.POSTGRESQL,),
        objective=objective,
        source=Source(section="Disaster Recovery", quote="as promised"),
    )


def trial(
    number: int = 1,
    *,
    scenario: str = "latest-backup",
    subjects: Sequence[str] = ("orders",),
    point: PointChoice = PointChoice.LATEST,
    region: Region = Region.PRIMARY,
    primary_region_dead: bool = False,
) -> Trial:
    """`<scenario>-<subject or all>-<number>`, given up after ten minutes."""
    name = subjects[0] if len(subjects) == 1 else "all"
    return Trial(
        id=f"{scenario}-{name}-{number}",
        scenario=scenario,
        title=scenario.replace("-", " ").capitalize(),
        subjects=tuple(subjects),
        point=point,
        region=region,
        loss=Loss.INFLICTED,
        primary_region_dead=primary_region_dead,
        deadline=timedelta(minutes=10),
        seed=number,
    )


def plan(
    *objectives: Objective | Target,
    trials: Sequence[Trial] = (),
    subjects: Sequence[Subject] = (ORDERS,),
    levels: Sequence[Level] = (Level.OBJECTS, Level.AMCHECK),
    invariants: Sequence[Invariant] = (),
) -> Plan:
    """A plan with a target for each objective; a Target is taken as it is."""
    return Plan(
        suite="weekly-restore",
        environment="test",
        check_backups=True,
        sustained=timedelta(seconds=2),
        verification=Verification(levels=tuple(levels), invariants=tuple(invariants)),
        subjects=tuple(subjects),
        targets=tuple(
            one if isinstance(one, Target) else target(one, Kind.POSTGRESQL, Kind.REDIS)
            for one in objectives
        ),
        trials=tuple(trials),
        blast_radius=(),
    )


def history(
    *facts: Event, observations: Mapping[str, Sequence[Observation]] | None = None
) -> History:
    """The facts a second apart from the fault on, numbered from 0."""
    return History(
        entries=tuple(
            Entry(
                sequence=number,
                at=Instant(
                    monotonic_ns=FAULT_NS + number * SECOND, utc=NOW + timedelta(seconds=number)
                ),
                fact=fact,
            )
            for number, fact in enumerate(facts)
        ),
        observations={name: tuple(seen) for name, seen in (observations or {}).items()},
    )


def backup(age: timedelta, *, error: str | None = None, kind: str = "full") -> Backup:
    """A backup that took a minute and ended `age` before NOW."""
    stopped = NOW - age
    return Backup(
        label=f"{stopped:%Y%m%d-%H%M%S}F",
        kind=kind,
        started=stopped - timedelta(minutes=1),
        stopped=stopped,
        size_bytes=10**9,
        error=error,
    )


def daily(days: int = 31, *, without: Iterable[int] = ()) -> tuple[Backup, ...]:
    """A backup at every midnight of the last days but those `without` days ago; oldest first."""
    ages = [days - number for number in range(days + 1)]
    return tuple(backup(timedelta(days=age, hours=3)) for age in ages if age not in set(without))


def catalogue(
    backups: Sequence[Backup] | None = None,
    *,
    subject: str = "orders",
    region: Region = Region.PRIMARY,
    point_in_time: bool = True,
    error: str | None = None,
) -> CatalogueRead:
    """A month of daily backups, all of it restorable."""
    held = daily() if backups is None else tuple(backups)
    good = [one for one in held if one.error is None]
    return CatalogueRead(
        subject=subject,
        region=region,
        backups=held,
        now=NOW,
        oldest_point=good[0].stopped if good else None,
        newest_point=NOW if good else None,
        point_in_time=point_in_time,
        tool="pgBackRest 2.45",
        error=error,
    )


def archive(
    *missing: str,
    subject: str = "orders",
    region: Region = Region.PRIMARY,
    pieces: int = 744,
    unusable: Sequence[str] = (),
    error: str | None = None,
) -> ArchiveInspected:
    """A month of WAL without a gap."""
    return ArchiveInspected(
        subject=subject,
        region=region,
        first="000000010000000000000001" if pieces else None,
        last="0000000100000000000002E8" if pieces else None,
        pieces=pieces,
        missing=missing,
        missing_count=len(missing),
        unusable_backups=tuple(unusable),
        error=error,
    )


def encryption(
    *unproved: str,
    subject: str = "orders",
    region: Region = Region.PRIMARY,
    objects: int = 100,
    inspected: int | None = None,
    proofs: dict[str, int] | None = None,
    error: str | None = None,
) -> EncryptionInspected:
    """A hundred objects, all encrypted by pgBackRest."""
    looked_at = objects if inspected is None else inspected
    return EncryptionInspected(
        subject=subject,
        region=region,
        objects=objects,
        inspected=looked_at,
        proofs={"client-side aes-256-cbc (Salted__)": looked_at - len(unproved)}
        if proofs is None
        else proofs,
        unproved=unproved,
        unproved_count=len(unproved),
        error=error,
    )


def replica(
    *missing: str,
    subject: str = "orders",
    needed: int = 100,
    differing: Sequence[str] = (),
    behind_s: float | None = 0,
    error: str | None = None,
) -> ReplicaCompared:
    """The replica holds all of a hundred objects."""
    return ReplicaCompared(
        subject=subject,
        needed=needed,
        missing=missing,
        missing_count=len(missing),
        differing=tuple(differing),
        behind_ns=None if behind_s is None else round(behind_s * SECOND),
        error=error,
    )


def locks(
    *unlocked: str,
    subject: str = "orders",
    region: Region = Region.PRIMARY,
    inspected: int = 100,
    shortest: timedelta | None = 30 * DAY,
    modes: dict[str, int] | None = None,
    error: str | None = None,
) -> RetentionLockRead:
    """A hundred objects, all locked for thirty days."""
    return RetentionLockRead(
        subject=subject,
        region=region,
        inspected=inspected,
        unlocked=unlocked,
        unlocked_count=len(unlocked),
        shortest_ns=None if shortest is None else round(shortest.total_seconds()) * SECOND,
        modes={"COMPLIANCE": inspected - len(unlocked)} if modes is None else modes,
        error=error,
    )


def lost(
    of: Trial, subject: str = "orders", *, witnessed: bool = True, at_ns: int = FAULT_NS
) -> FaultInjected:
    """The fault, seen to take effect within 10 ms."""
    return FaultInjected(
        trial=of.id,
        subject=subject,
        assumed=False,
        bracket=Bracket(earliest_ns=at_ns, latest_ns=at_ns + SECOND // 100) if witnessed else None,
        wall=NOW,
        witness="port refuses and pid 123 is gone" if witnessed else "none",
    )


def restored(
    of: Trial,
    subject: str = "orders",
    *,
    error: str | None = None,
    blame: Blame | None = None,
    ended_early: str | None = None,
    restored_bytes: int | None = 10**9,
) -> RestoreEnded:
    """A restore of the newest backup to the end of the archive."""
    return RestoreEnded(
        trial=of.id,
        subject=subject,
        backup=None if error else "20261124-000000F",
        target_time=None,
        recovered_to=None if error else "0/2E8000A0 on timeline 2",
        archive_end="0/2E8000A0",
        ended_early=ended_early,
        restored_bytes=None if error else restored_bytes,
        error=error,
        blame=blame,
    )


def phase(
    of: Trial, which: Phase, start_s: float, end_s: float, subject: str = "orders"
) -> PhaseEnded:
    """One phase, in seconds after the fault."""
    return PhaseEnded(
        trial=of.id,
        subject=subject,
        phase=which,
        started_ns=FAULT_NS + round(start_s * SECOND),
        ended_ns=FAULT_NS + round(end_s * SECOND),
        amount_bytes=10**9 if which is Phase.FETCH else None,
    )


def verified(
    of: Trial,
    level: Level,
    outcome: Outcome = Outcome.OK,
    *damage: str,
    subject: str = "orders",
    examined: int = 12,
    end_s: float = 20,
) -> VerificationEnded:
    """One verification level that took a second."""
    return VerificationEnded(
        trial=of.id,
        subject=subject,
        level=level,
        outcome=outcome,
        started_ns=FAULT_NS + round((end_s - 1) * SECOND),
        ended_ns=FAULT_NS + round(end_s * SECOND),
        examined=examined,
        detail="as the tool says",
        damage=damage,
    )


def probed(of: Trial, subject: str = "orders", *, probe_class: str = "write") -> ProbesRecorded:
    """One prober, asking every 100 ms and waiting for a second at most."""
    return ProbesRecorded(
        trial=of.id,
        subject=subject,
        probe_class=probe_class,
        file=f"{of.id}-{subject}-{probe_class}.jsonl",
        interval_ns=SECOND // 10,
        timeout_ns=SECOND,
    )


def probes(
    *, down_from_s: float = 0, up_from_s: float | None = 12, until_s: float = 20
) -> tuple[Observation, ...]:
    """Probes every 100 ms from a second before the fault: refused while down, else right.

    `up_from_s` None: never right again. All in seconds after the fault.
    """
    seen = []
    for tenth in range(-10, round(until_s * 10)):
        at_s = tenth / 10
        right = at_s < down_from_s or (up_from_s is not None and at_s >= up_from_s)
        at_ns = FAULT_NS + tenth * SECOND // 10
        seen.append(
            Observation(
                scheduled_ns=at_ns,
                started_ns=at_ns + 20_000,
                ended_ns=at_ns + 1_500_000,
                outcome=Outcome.OK if right else Outcome.FAIL,
                detail="" if right else "connection refused",
            )
        )
    return tuple(seen)


def ledger(count: int = 600, *, every_s: float = 0.1) -> Journal:
    """One client's acknowledged writes, each taking 2 ms, the last one just before the fault."""
    seq = np.arange(1, count + 1, dtype=np.uint64)
    before_ns = (count - np.arange(count, dtype=np.int64)) * round(every_s * SECOND)
    wall_ns = int(NOW.timestamp()) * SECOND
    took_ns = SECOND // 500
    return Journal(
        headers=(),
        damage=(),
        boot_id="this",
        client=np.ones(count, np.uint32),
        seq=seq,
        outcome=np.full(count, Type.OK, np.uint8),
        flags=np.zeros(count, np.uint8),
        log=np.zeros(count, np.uint16),
        payload=np.array([payload_of(1, 1, int(number)) for number in seq], np.uint64),
        invoked_ns=FAULT_NS - before_ns,
        completed_ns=FAULT_NS - before_ns + took_ns,
        invoked_wall_ns=wall_ns - before_ns,
        completed_wall_ns=wall_ns - before_ns + took_ns,
        server_us=(wall_ns - before_ns + took_ns // 2) // 1000,
        position=np.zeros(count, np.uint64),
        this_boot=np.ones(count, np.bool_),
    )


def rows(of: Journal, *, without_last: int = 0) -> NDArray[Any]:
    """The ledger as it is read back, all of it but the last so many writes."""
    kept = len(of) - without_last
    found = np.zeros(kept, ROW)
    for column in ("client", "seq", "payload", "server_us", "log"):
        found[column] = getattr(of, column)[:kept]
    return found


def read_back(of: Trial, count: int, subject: str = "orders") -> LedgerReadBack:
    """So many rows, in the file that conduct names."""
    return LedgerReadBack(
        trial=of.id,
        subject=subject,
        file=f"readback-{of.id}-{subject}.npy",
        rows=count,
        server="127.0.0.1:5433, system 7301, primary, timeline 2",
    )


def recovery(
    of: Trial,
    subject: str = "orders",
    *,
    up_from_s: float | None = 12,
    restored_bytes: int = 10**9,
    levels: Sequence[Level] = (Level.OBJECTS, Level.AMCHECK),
) -> tuple[list[Event], dict[str, Sequence[Observation]]]:
    """The facts of one good restore of one subject, and its observations."""
    facts: list[Event] = [
        lost(of, subject),
        phase(of, Phase.FETCH, 1, 8, subject),
        phase(of, Phase.REPLAY, 8, 11, subject),
        phase(of, Phase.PROMOTE, 11, 12, subject),
        restored(of, subject, restored_bytes=restored_bytes),
        probed(of, subject),
        *(
            verified(of, level, subject=subject, end_s=20 + number)
            for number, level in enumerate(levels)
        ),
    ]
    until_s = 20 if up_from_s is None else up_from_s + 8
    return facts, {probed(of, subject).file: probes(up_from_s=up_from_s, until_s=until_s)}


def around(of: Trial, facts: Iterable[Event]) -> list[Event]:
    """The start of a trial, its facts, its clean-up and its end."""
    return [
        TrialStarted(trial=of.id),
        *facts,
        CleanedUp(trial=of.id, healed=("removed the scratch servers",), leaks=()),
        TrialEnded(trial=of.id),
    ]


def whole(*trials: Trial, up_from_s: float = 12) -> History:
    """A whole run of those trials in which every restore went well."""
    facts: list[Event] = [
        catalogue(),
        catalogue(region=Region.REPLICA),
        archive(),
        encryption(),
        encryption(region=Region.REPLICA),
        replica(),
        locks(),
    ]
    observations: dict[str, Sequence[Observation]] = {}
    for one in trials:
        of_trial: list[Event] = []
        for subject in one.subjects:
            more, seen = recovery(one, subject, up_from_s=up_from_s)
            of_trial += more
            observations |= seen
        facts += around(one, of_trial)
    return history(*facts, RunEnded(), observations=observations)


def failed_step(of: Trial | None, step: str, error: str, subject: str | None = None) -> StepFailed:
    """A step that ended in an error; None: before any trial."""
    return StepFailed(trial="" if of is None else of.id, subject=subject, step=step, error=error)


SQL_INVARIANT = SqlInvariant(name="the ledger is not empty", sql="select true", expect="true")
