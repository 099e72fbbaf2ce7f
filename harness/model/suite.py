"""Suites: what is rehearsed, how often, and what must hold in the restored data."""

from __future__ import annotations

import enum
from datetime import timedelta

import msgspec

from harness.model.subject import Region
from harness.model.target import Kind


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class PointChoice(enum.StrEnum):
    """Which point a scenario restores to."""

    LATEST = "latest"
    """All that the archive holds: the newest backup and everything shipped since."""

    RANDOM_SECOND = "random-second"
    """A second drawn uniformly from the window that can be restored; the seed is recorded."""

    OLDEST_PROMISED = "oldest-promised"
    """The oldest point that the documented retention promises: now minus the retention."""


class Loss(enum.StrEnum):
    """How the subject is lost when the clock starts."""

    ASSUMED = "assumed"
    """Nothing is touched: what was acknowledged before the instant of the fault must be there."""

    INFLICTED = "inflicted"
    """The subject is killed and its data taken away. Only the practice platform allows it; in any
    other environment the plan assumes the loss instead, and says so."""


class Level(enum.StrEnum):
    """Verification levels, cheapest first; each is timed apart from the RTA."""

    OBJECTS = "objects"
    """Every object of the restored backup against its manifest."""

    STRUCTURE = "structure"
    """PostgreSQL: page checksums. Redis: no importing or migrating slots, all slots covered."""

    AMCHECK = "amcheck"
    """pg_amcheck over every heap and B-tree. Redis: redis-check-rdb and redis-check-aof."""

    LOGICAL_READ = "logical-read"
    """Every row (pg_dump to nowhere), or every slot's key count and digests of sampled keys."""

    INVARIANTS = "invariants"
    """The suite's own SQL or Redis commands."""

    LEDGER = "ledger"
    """Every acknowledged write of the ledger, classified."""


class SqlInvariant(_Value, frozen=True, kw_only=True, tag_field="kind", tag="sql"):
    """One query that returns one value, as text, and what it must be."""

    name: str
    sql: str
    expect: str
    """Compared as in RedisInvariant; a boolean's text is `true` or `false` where it is cast, with
    `::text`."""


class RedisInvariant(_Value, frozen=True, kw_only=True, tag_field="kind", tag="redis"):
    """One command, sent to every master, and what each must answer, as text."""

    name: str
    command: tuple[str, ...]
    expect: str
    """Compared with the answer's text; `*` stands for anything (fnmatch), as in
    `*evicted_keys:0*`."""


Invariant = SqlInvariant | RedisInvariant


class Verification(_Value, frozen=True, kw_only=True):
    """How thoroughly restored data is verified."""

    levels: tuple[Level, ...] = tuple(Level)
    heap_all_indexed: bool = False
    """pg_amcheck --heapallindexed: finds rows missing from indexes, about eight times slower."""

    whole_repository: bool = False
    """Level OBJECTS also has pgBackRest verify every backup and all WAL that the region holds, once
    a run and region: it reads all of it, where a restore reads one backup."""

    invariants: tuple[Invariant, ...] = ()


class Scenario(_Value, frozen=True, kw_only=True):
    """One thing that is done to the subjects, and how many times."""

    id: str
    title: str
    point: PointChoice
    region: Region = Region.PRIMARY
    loss: Loss = Loss.ASSUMED
    primary_region_dead: bool = False
    """The primary region's object store is away during the restore (inflicted on practice)."""

    covers: tuple[Kind, ...] = (Kind.POSTGRESQL, Kind.REDIS)
    together: bool = False
    """True: one trial restores every covered subject at once; False: one trial a subject."""

    trials: int = 1

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise ValueError(f"scenario {self.id}: got {self.trials} trials, expected 1 or more")


class Suite(_Value, frozen=True, kw_only=True, tag_field="kind", tag="restores"):
    """One file of suites/ with `kind: restores`."""

    suite: str
    title: str
    scenarios: tuple[Scenario, ...]
    verification: Verification = Verification()
    sustained: timedelta = timedelta(seconds=2)
    """How long right answers must last before a recovery counts (measure.md t5)."""

    check_backups: bool = True
    """Whether the backups are checked before anything is restored."""

    def __post_init__(self) -> None:
        if not self.scenarios:
            raise ValueError(f"suite {self.suite} has no scenario")
        ids = [scenario.id for scenario in self.scenarios]
        if len(set(ids)) != len(ids):
            raise ValueError(f"suite {self.suite} names a scenario twice: {ids}")
