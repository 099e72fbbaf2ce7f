"""What is kept must outlive what is judged by it: a proof that is deleted before it is asked for
proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.feasibility.finding import Finding, Harm, Word, once
from harness.feasibility.ground import Ground
from harness.model.configuration import (
    ConfigurationBackup,
    RestoreTest,
    ReviewCycle,
    SecretRotation,
    TelemetryRetention,
)
from harness.model.quantity import show_duration
from harness.model.target import BackupFrequency, Immutability, Retention

RULE = "retention-outlives-judgement"
LAW = "What is kept must be there for as long as anything is judged by it."
NEEDS = "how long something is kept, and how long after that something is judged by it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How long something is kept, and for how long it is needed; seconds."""

    what: str
    kept_s: float
    judged: str
    needed_s: float
    targets: tuple[str, ...]
    harm: Harm
    why: str
    resolve: str
    shorter: Word = Word.TIGHT
    assumes: tuple[str, ...] = ()


def outlive(kept: Kept) -> Finding:
    """Whether it is kept for as long as it is needed."""
    enough = kept.kept_s >= kept.needed_s
    have, need = show_duration(kept.kept_s), show_duration(kept.needed_s)
    return Finding(
        rule=RULE,
        about=", ".join(kept.targets),
        word=Word.HOLDS if enough else kept.shorter,
        says=f"{kept.what} are kept {have}; {kept.judged} needs {need}",
        sum=f"{have} {'>=' if enough else '<'} {need}",
        targets=kept.targets,
        harm=kept.harm,
        times=None if enough or not kept.kept_s else kept.needed_s / kept.kept_s,
        why=kept.why,
        resolve="" if enough else kept.resolve,
        assumes=() if enough else kept.assumes,
    )


def look(ground: Ground) -> Iterator[Finding]:
    """Each thing that is kept, against each that is judged by it."""
    for kept in (*_telemetry(ground), *_backups(ground)):
        yield outlive(kept)


def _telemetry(ground: Ground) -> Iterator[Kept]:
    for store in ground.said(TelemetryRetention):
        kept_s = store.objective.at_least.total_seconds()
        if store.objective.store == "Prometheus":
            for review in ground.said(ReviewCycle):
                yield Kept(
                    what="metrics",
                    kept_s=kept_s,
                    judged="a review of all since the last one",
                    needed_s=review.objective.every.total_seconds(),
                    targets=once(store.id, review.id),
                    harm=Harm.SIGHT,
                    why="Whoever reviews what was promised asks whether it was kept since the last "
                    "review; the metrics of most of that time are deleted by then.",
                    resolve="Keep the metrics that promises are judged by for as long as a review "
                    "cycle and some days: recording rules, or a store for long terms.",
                    assumes=("a review looks at whether promises were kept, by metrics",),
                )
            for test in ground.said(RestoreTest):
                yield Kept(
                    what="metrics",
                    kept_s=kept_s,
                    judged="a trend of two restore tests",
                    needed_s=2 * test.objective.every.total_seconds(),
                    targets=once(store.id, test.id),
                    harm=Harm.SIGHT,
                    why="A restore that takes longer than the last one is seen only while both are "
                    "there.",
                    resolve="Keep the metrics of restore tests for longer.",
                )
        else:
            for rotation in ground.said(SecretRotation):
                yield Kept(
                    what="logs",
                    kept_s=kept_s,
                    judged="who used a secret during its life",
                    needed_s=rotation.objective.at_most.total_seconds(),
                    targets=once(store.id, rotation.id),
                    harm=Harm.SIGHT,
                    why="Where a secret has leaked one asks who used it since it was made. The "
                    "logs of its first weeks are deleted before it is replaced.",
                    resolve="Keep access logs for as long as a secret lives, in the archive where "
                    "not in the store, and say for how long the archive keeps them.",
                    assumes=("access logs are in that store and in no archive",),
                )


def _backups(ground: Ground) -> Iterator[Kept]:
    for retention in ground.said(Retention):
        needed_s = retention.objective.at_least.total_seconds()
        for locked in ground.said(Immutability):
            if set(locked.target.covers) & set(retention.target.covers):
                yield Kept(
                    what="backups that nobody can delete",
                    kept_s=locked.objective.at_least.total_seconds(),
                    judged="the promised retention",
                    needed_s=needed_s,
                    targets=once(locked.id, retention.id),
                    harm=Harm.DATA,
                    why="After that an attacker or a mistake may delete what was to be kept.",
                    resolve="Lock backups for as long as they are to be kept.",
                )
        for configuration in ground.said(ConfigurationBackup):
            yield Kept(
                what="configurations",
                kept_s=configuration.objective.retention.total_seconds(),
                judged="the oldest backup that may be restored",
                needed_s=needed_s,
                targets=once(configuration.id, retention.id),
                harm=Harm.OUTAGE,
                why="Old data fits the programs and schemas of its time.",
                resolve="Keep configurations for as long as backups.",
            )
        for test in ground.said(RestoreTest):
            if set(test.target.covers) & set(retention.target.covers):
                yield Kept(
                    what="backups",
                    kept_s=needed_s,
                    judged="the next restore test",
                    needed_s=test.objective.every.total_seconds(),
                    targets=once(retention.id, test.id),
                    harm=Harm.DATA,
                    shorter=Word.CONTRADICTION,
                    why="A backup that is deleted before any test proves nothing.",
                    resolve="Test more often than backups expire.",
                )
        for schedule in ground.said(BackupFrequency):
            if set(schedule.target.covers) & set(retention.target.covers):
                yield Kept(
                    what="backups",
                    kept_s=needed_s,
                    judged="the next backup",
                    needed_s=schedule.objective.every.total_seconds(),
                    targets=once(retention.id, schedule.id),
                    harm=Harm.DATA,
                    shorter=Word.CONTRADICTION,
                    why="Between the end of one backup and the next there is none.",
                    resolve="Keep each backup at least until the next one is whole.",
                )
