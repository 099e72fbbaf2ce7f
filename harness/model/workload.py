"""Workloads: what a cluster serves to clients, how they reach it, and what of it may be broken."""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.model.target import Kind


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class _Workload(_Value, frozen=True, kw_only=True, tag_field="kind"):
    id: str
    """Names it in suites, files and findings."""

    namespace: str
    pods: str
    """Label selector of its pods: `app=postgresql`."""

    container: str | None = None
    """Its main container; None: the first."""

    depends_on: tuple[str, ...] = ()
    """Ids of the workloads without which it gives no right answer: for predictions."""


class PostgresqlWorkload(_Workload, frozen=True, kw_only=True, tag="postgresql"):
    """A PostgreSQL cluster: one primary that takes writes, replicas."""

    service: str
    """Service that leads to the primary."""

    read_service: str | None = None
    """Service that leads to replicas; None: reads are not probed."""

    port: int = 5432
    database: str = "postgres"
    user: str = "postgres"
    password_file: Path | None = None
    """In the form of PGPASSFILE (libpq)."""

    @property
    def target_kind(self) -> Kind:
        """Which targets cover it."""
        return Kind.POSTGRESQL


class RedisWorkload(_Workload, frozen=True, kw_only=True, tag="redis"):
    """A Redis cluster with data."""

    service: str
    port: int = 6379
    user: str | None = None
    password_file: Path | None = None
    """Holds the password and nothing else."""

    @property
    def target_kind(self) -> Kind:
        """Which targets cover it."""
        return Kind.REDIS


class BrokerWorkload(_Workload, frozen=True, kw_only=True, tag="broker"):
    """A Redis Pub/Sub broker: what is published at one node is heard at all of them."""

    service: str
    port: int = 6379

    @property
    def target_kind(self) -> Kind:
        """Which targets cover it."""
        return Kind.BROKER


class HttpWorkload(_Workload, frozen=True, kw_only=True, tag="http"):
    """A service that answers HTTP."""

    service: str
    port: int = 80
    path: str = "/"
    method: str = "GET"
    body: str | None = None
    """`{id}` in it becomes a new UUID for each request."""

    expect_status: int = 200
    expect_body: str = ""
    """What the answer's body must contain, beside the status."""

    version_field: str | None = None
    """Field of its JSON answers that says which version answered; None: they do not say."""

    tls: bool = False
    ca_file: Path | None = None
    """Of the authority that signs its certificate; None: the system's."""

    peak_rate: float | None = None
    """Requests per second that it must hold at its busiest: 1.0 of a load profile."""

    deployment: str | None = None
    """The Deployment that a rollout changes."""

    @property
    def target_kind(self) -> Kind:
        """Which targets cover it."""
        return Kind.SERVICE


Workload = PostgresqlWorkload | RedisWorkload | BrokerWorkload | HttpWorkload

KUBERNETES = "kubernetes"
"""The id of the Kubernetes API itself, which every cluster has: a subject like a workload."""
