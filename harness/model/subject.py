"""Subjects: the data services under test in an environment, and where their backups are."""

from __future__ import annotations

import enum
from pathlib import Path

import msgspec

from harness.model.target import Kind


class Region(enum.StrEnum):
    """Which of the two regions' object stores a backup is read from."""

    PRIMARY = "primary"
    REPLICA = "replica"


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class ObjectStore(_Value, frozen=True, kw_only=True):
    """A bucket and prefix of one S3 endpoint. Credentials are named here, never contained."""

    bucket: str
    prefix: str = ""
    endpoint_url: str | None = None
    """None: AWS's own endpoint for the region."""

    region_name: str = "us-east-1"
    ca_file: Path | None = None
    path_style: bool = False
    credentials_file: Path | None = None
    """An AWS shared credentials file; None: boto3's usual chain."""

    profile: str | None = None


class PgBackRestRepository(_Value, frozen=True, kw_only=True):
    """One pgBackRest repository: its configuration file and the same place as plain S3."""

    config: Path
    """pgbackrest.conf with the repository as repo1; read by pgBackRest itself."""

    store: ObjectStore
    passphrase_file: Path | None = None
    """Holds the repo1 cipher passphrase where the configuration file does not; passed by
    environment, never on a command line."""


class BarmanRepository(_Value, frozen=True, kw_only=True):
    """One barman-cloud server's backups in S3 (prefix is what precedes the server name)."""

    server: str
    store: ObjectStore


class RedisRepository(_Value, frozen=True, kw_only=True):
    """One Redis subject's backups in the layout of docs/redis-backup-layout.md."""

    store: ObjectStore


class _Subject(_Value, frozen=True, kw_only=True, tag_field="driver"):
    id: str
    volume: str | None = None
    """The documented size this subject may grow to, for the prediction."""

    ledger: Path | None = None
    """Folder of the ledger's journals; None: RPA cannot be measured, and is INCONCLUSIVE."""

    operating_system_user: str | None = None
    """Who the scratch servers run as; PostgreSQL refuses root. None: the harness's own user."""


class PgBackRest(_Subject, frozen=True, kw_only=True, tag="pgbackrest"):
    """A PostgreSQL cluster backed up by pgBackRest."""

    stanza: str
    primary: PgBackRestRepository
    replica: PgBackRestRepository | None = None
    database: str = "postgres"
    user: str = "postgres"
    bin_directory: Path | None = None
    """PostgreSQL's own programs; None: the newest version found."""

    @property
    def kind(self) -> Kind:
        """What it is, whatever backs it up."""
        return Kind.POSTGRESQL


class BarmanCloud(_Subject, frozen=True, kw_only=True, tag="barman-cloud"):
    """A PostgreSQL cluster backed up by barman-cloud."""

    primary: BarmanRepository
    replica: BarmanRepository | None = None
    database: str = "postgres"
    user: str = "postgres"
    bin_directory: Path | None = None

    @property
    def kind(self) -> Kind:
        """What it is, whatever backs it up."""
        return Kind.POSTGRESQL


class RedisServer(_Subject, frozen=True, kw_only=True, tag="redis-rdb"):
    """A single Redis server backed up as an RDB file or a multi-part AOF."""

    primary: RedisRepository
    replica: RedisRepository | None = None

    @property
    def kind(self) -> Kind:
        """What it is, whatever backs it up."""
        return Kind.REDIS


class RedisCluster(_Subject, frozen=True, kw_only=True, tag="redis-cluster"):
    """A Redis cluster backed up per shard, with its slot map."""

    primary: RedisRepository
    replica: RedisRepository | None = None

    @property
    def kind(self) -> Kind:
        """What it is, whatever backs it up."""
        return Kind.REDIS


Subject = PgBackRest | BarmanCloud | RedisServer | RedisCluster
