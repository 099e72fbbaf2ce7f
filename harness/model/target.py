"""Documented targets: what the architecture document promises, each with the place that says it."""

from __future__ import annotations

import enum
from datetime import timedelta
from typing import Literal

import msgspec

from harness.model.configuration import Configuration
from harness.model.quantity import bytes_of


class Kind(enum.StrEnum):
    """What kind of service a target covers or a subject is."""

    POSTGRESQL = "postgresql"
    REDIS = "redis"
    BROKER = "broker"
    """Publish and subscribe: keeps nothing, so that no loss is promised."""

    SERVICE = "service"
    """What answers clients over HTTP."""

    KUBERNETES = "kubernetes"
    """The Kubernetes API."""


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class RecoveryTime(_Value, frozen=True, kw_only=True, tag_field="kind", tag="recovery-time"):
    """RTO: from the fault to the first of a sustained run of right answers."""

    at_most: timedelta


class RecoveryPoint(_Value, frozen=True, kw_only=True, tag_field="kind", tag="recovery-point"):
    """RPO: how much acknowledged work, by time, may be missing from the recovered data."""

    at_most: timedelta


class BackupFrequency(_Value, frozen=True, kw_only=True, tag_field="kind", tag="backup-frequency"):
    """How often a backup is taken, and how late one may be before it is missed."""

    every: timedelta
    grace: timedelta


class Retention(_Value, frozen=True, kw_only=True, tag_field="kind", tag="retention"):
    """How far back a restore must reach; `point_in_time`: to any second of it, WAL included."""

    at_least: timedelta
    point_in_time: bool = False


class Encryption(_Value, frozen=True, kw_only=True, tag_field="kind", tag="encryption"):
    """How every object of a backup is encrypted at rest."""

    algorithm: Literal["AES-256"]


class Replication(_Value, frozen=True, kw_only=True, tag_field="kind", tag="replication"):
    """That another region holds all that a restore needs, and how far behind it may be."""

    lag_at_most: timedelta


class Immutability(_Value, frozen=True, kw_only=True, tag_field="kind", tag="immutability"):
    """For how long a backup cannot be deleted, by anyone, after it was taken."""

    at_least: timedelta


class Integrity(_Value, frozen=True, kw_only=True, tag_field="kind", tag="integrity"):
    """That restored data is the data that was written: every verification level passes."""


class Volume(_Value, frozen=True, kw_only=True, tag_field="kind", tag="volume"):
    """The documented size of one instance: what the restore time is extrapolated to."""

    size: str

    def __post_init__(self) -> None:
        bytes_of(self.size)


class Latency(_Value, frozen=True, kw_only=True, tag_field="kind", tag="latency"):
    """How long an answer takes, from when its user asked."""

    at_most: timedelta
    percentile: float = 95
    """Of all requests, percent: the document's "response time" without one is read as this."""


class ErrorRate(_Value, frozen=True, kw_only=True, tag_field="kind", tag="error-rate"):
    """The share of requests without a right answer."""

    at_most: float


class Availability(_Value, frozen=True, kw_only=True, tag_field="kind", tag="availability"):
    """The share of the time in which the service is usable: seconds in which most requests were
    answered right. By requests it would contradict an error rate of more than 1 - `at_least`.
    """

    at_least: float


class AutoscalerRange(_Value, frozen=True, kw_only=True, tag_field="kind", tag="autoscaler-range"):
    """From how many replicas to how many an autoscaler goes."""

    minimum: int
    maximum: int


class AutoscalerUtilization(
    _Value, frozen=True, kw_only=True, tag_field="kind", tag="autoscaler-utilization"
):
    """What share of its request a service's pods shall use of one resource."""

    resource: Literal["cpu", "memory"]
    percent: int


class ScalingPeriod(_Value, frozen=True, kw_only=True, tag_field="kind", tag="scaling-period"):
    """A period of an autoscaler. It may be meant as a stabilisation window, as the period of a
    policy, or as the time that scaling takes: each is judged, and named.
    """

    direction: Literal["up", "down"]
    period: timedelta


class TrafficSwitch(_Value, frozen=True, kw_only=True, tag_field="kind", tag="traffic-switch"):
    """From the first answer of a new version to the last one of the old."""

    at_most: timedelta


class Replicas(_Value, frozen=True, kw_only=True, tag_field="kind", tag="replicas"):
    """How many replicas each service has in one environment."""

    namespaces: str
    """Glob of the namespaces' names: `*-prod`."""

    count: int


class Quota(_Value, frozen=True, kw_only=True, tag_field="kind", tag="quota"):
    """What may be asked for in all."""

    cores: float
    memory: str
    """`100Gi`."""

    namespace: str | None = None
    """None: of all namespaces together."""

    def __post_init__(self) -> None:
        bytes_of(self.memory)


class QualityOfService(
    _Value, frozen=True, kw_only=True, tag_field="kind", tag="quality-of-service"
):
    """The class that pods of some services have (Kubernetes documentation, Pod QoS)."""

    qos: Literal["Guaranteed", "Burstable", "BestEffort"]
    services: str
    """As the document calls them: `Critical services`."""


Objective = (
    RecoveryTime
    | RecoveryPoint
    | BackupFrequency
    | Retention
    | Encryption
    | Replication
    | Immutability
    | Integrity
    | Volume
    | Latency
    | ErrorRate
    | Availability
    | AutoscalerRange
    | AutoscalerUtilization
    | ScalingPeriod
    | Replicas
    | Quota
    | QualityOfService
    | TrafficSwitch
    | Configuration
)

LOAD = (
    Latency,
    ErrorRate,
    Availability,
    AutoscalerRange,
    AutoscalerUtilization,
    ScalingPeriod,
    Replicas,
    Quota,
    QualityOfService,
)
"""The kinds of objectives that a load test looks at."""


class Source(_Value, frozen=True, kw_only=True):
    """Where the document says it."""

    section: str
    """Its heading, without what is no letter or digit around it."""

    quote: str
    """As the document has it on one line, without what is around it."""

    quotes: tuple[str, ...] = ()
    """Further lines that it is made of: all that say so in the section, below the same `under`."""

    under: str | None = None
    """The first of the keys above, where a section says the same more than once:
    `environments.dev` for all that is below it.
    """

    @property
    def lines(self) -> tuple[str, ...]:
        """The quote and the further ones."""
        return (self.quote, *self.quotes)


class Target(_Value, frozen=True, kw_only=True):
    """One documented promise."""

    id: str
    covers: tuple[Kind, ...]
    objective: Objective
    source: Source | None
    """None only where the project adds a target that is not in the document; `note` says why."""

    also: tuple[Source, ...] = ()
    """Where the document says it again, or a part of it, in another section."""

    note: str | None = None

    @property
    def sources(self) -> tuple[Source, ...]:
        """Every place of the document that says it; none where the project adds it."""
        return () if self.source is None else (self.source, *self.also)

    def __post_init__(self) -> None:
        if not self.covers:
            raise ValueError(f"target {self.id} covers nothing")
        if self.source is None and self.note is None:
            raise ValueError(f"target {self.id} has neither a source nor a note that says why")


class NoPromise(_Value, frozen=True, kw_only=True):
    """What the document says without promising anything, so that nobody looks for its target."""

    section: str
    because: str
    quotes: tuple[str, ...] = ()
    """Keys or lines within it; none: all that no target names."""


class TargetFile(_Value, frozen=True, kw_only=True):
    """One file of targets/: one section of the document."""

    document: str
    targets: tuple[Target, ...]
    no_promises: tuple[NoPromise, ...] = ()
