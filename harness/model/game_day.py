"""Game days: the experiments of a suite, and the ordered trials that a plan makes of them."""

from __future__ import annotations

import enum
from datetime import timedelta

import msgspec

from harness.model.cluster import Identity
from harness.model.target import Target
from harness.model.workload import (
    BrokerWorkload,
    HttpWorkload,
    PostgresqlWorkload,
    RedisWorkload,
    Workload,
)


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Way(enum.StrEnum):
    """A way in, as clients use it: each is probed by itself, and has an RTA of its own."""

    POSTGRESQL_NEW = "postgresql-new"
    """A write on a new connection."""

    POSTGRESQL_KEPT = "postgresql-kept"
    """A write on a connection that is kept as long as it works."""

    POSTGRESQL_READ = "postgresql-read"
    """A read on a new connection, from the replicas' service."""

    REDIS_SHARD = "redis-shard"
    """A write to one shard's master, one class for each shard."""

    HTTP = "http"
    """A request through the Service."""

    PUBSUB = "pubsub"
    """A message published and heard by every subscriber: delivery, never RPO."""

    API = "kubernetes-api"
    """A read of the Kubernetes API that etcd must agree to."""


class When(enum.StrEnum):
    """When a person acts in a trial."""

    BEFORE = "before"
    DURING = "during"
    """After the fault, while the clock runs: the person's time is part of the RTA."""

    AFTER = "after"


def ways_of(workload: Workload) -> tuple[Way, ...]:
    """The ways in that a workload has."""
    match workload:
        case PostgresqlWorkload():
            read = () if workload.read_service is None else (Way.POSTGRESQL_READ,)
            return (Way.POSTGRESQL_NEW, Way.POSTGRESQL_KEPT, *read)
        case RedisWorkload():
            return (Way.REDIS_SHARD,)
        case BrokerWorkload():
            return (Way.PUBSUB,)
        case HttpWorkload():
            return (Way.HTTP,)


class ManualStep(_Value, frozen=True, kw_only=True):
    """What a person does and confirms; timed."""

    id: str
    instruction: str
    when: When = When.DURING


class Experiment(_Value, frozen=True, kw_only=True):
    """One experiment of a game day, and how often it is tried."""

    id: str
    title: str
    experiment: str
    """File name below experiments/, without `.yaml`."""

    configuration: dict[str, str] = {}
    """Overrides of the experiment's own `configuration`: `workload: orders`."""

    trials: int = 1
    control_period: timedelta = timedelta(seconds=10)
    """The longest period of what detects the fault: its moment is drawn uniformly from it."""

    pause: timedelta = timedelta(seconds=0)
    """Between two trials of it, so that one's back-off does not slow the next."""

    observe: timedelta = timedelta(seconds=20)
    """The least time under the fault, however well all answer: what a fault does may come late."""

    watch: timedelta | None = None
    """How long a recovery is waited for before the rollback; None: twice the longest RTO."""

    ways: tuple[Way, ...] = tuple(Way)
    """Which ways in must recover; of those that the environment has."""

    manual: tuple[ManualStep, ...] = ()

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise ValueError(f"experiment {self.id}: got {self.trials} trials, expected 1 or more")


class Caps(_Value, frozen=True, kw_only=True):
    """How much may be broken at once. A share is of what is there and ready when it is checked."""

    pods_of_namespace: float = 0.8
    nodes: float = 0.34
    """Of the ready workers."""

    nodes_of_zone: float = 1.0
    keep_disruption_budget: bool = True
    """Refuse a voluntary disruption that a PodDisruptionBudget has no room for."""

    keep_quorum: bool = True
    """Refuse what takes the majority of etcd, of PostgreSQL's or of Redis' members."""


class GameDay(_Value, frozen=True, kw_only=True, tag_field="kind", tag="game-day"):
    """One file of suites/ with `kind: game-day`."""

    suite: str
    title: str
    experiments: tuple[Experiment, ...]
    opening: tuple[ManualStep, ...] = ()
    closing: tuple[ManualStep, ...] = ()
    sustained: timedelta = timedelta(seconds=5)
    """How long right answers must last before a recovery counts (measure.md t5)."""

    steady: timedelta = timedelta(seconds=10)
    """How long all ways in must have answered right before a fault."""

    caps: Caps = Caps()

    def __post_init__(self) -> None:
        if not self.experiments:
            raise ValueError(f"suite {self.suite} has no experiment")
        ids = [one.id for one in self.experiments]
        if len(set(ids)) != len(ids):
            raise ValueError(f"suite {self.suite} names an experiment twice: {ids}")


class Expected(_Value, frozen=True, kw_only=True):
    """What settings predict for one way in: a range, the sum behind it, and what it misses."""

    probe_class: str
    """As in ProbesRecorded: `orders: write on a new connection`."""

    low_s: float
    high_s: float | None
    """None: never by itself."""

    because: tuple[str, ...]
    """The parts of the sum, each with where its number is from."""

    misses: str | None = None
    """The target that it will or may miss, and why; None: it will be met."""

    subject: str = ""
    """The workload's id, or KUBERNETES; with `way` it says which classes it is about: one of Redis
    is about every shard's."""

    way: Way | None = None


class ExperimentTrial(_Value, frozen=True, kw_only=True):
    """One execution of an experiment."""

    id: str
    """`<experiment>-<n>`; names files of the run directory."""

    scenario: str
    """The Experiment's id."""

    title: str
    experiment: str
    digest: str
    """SHA-256 of the experiment's file."""

    configuration: dict[str, str]
    ways: tuple[Way, ...]
    observe: timedelta
    watch: timedelta
    pause: timedelta
    delay: timedelta
    """After the steady state was proved; drawn from the control period."""

    seed: int
    manual: tuple[ManualStep, ...] = ()
    rolls_out: tuple[str, ...] = ()
    """Ids of the workloads of which it brings another version."""

    rehearses: tuple[str, ...] = ()
    """Scenarios of restores that its experiment rehearses under the fault."""

    expected: tuple[Expected, ...] = ()
    unpredicted: tuple[str, ...] = ()
    """Ways in that nothing is predicted for, and why."""


class GameDayPlan(_Value, frozen=True, kw_only=True, tag_field="plan", tag="game-day"):
    """All that a game day's conduct needs, and all that the judges need beside the history."""

    suite: str
    title: str
    environment: str
    cluster: Identity
    sustained: timedelta
    steady: timedelta
    caps: Caps
    workloads: tuple[Workload, ...]
    targets: tuple[Target, ...]
    trials: tuple[ExperimentTrial, ...]
    opening: tuple[ManualStep, ...]
    closing: tuple[ManualStep, ...]
    blast_radius: tuple[str, ...]
    """In words: what will be touched, printed by `harness plan`."""

    rights: tuple[str, ...] = ()
    """What the account must be allowed to: `patch nodes`, `create pods/eviction in shop`."""
