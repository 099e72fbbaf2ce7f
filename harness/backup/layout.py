"""Decides what a Redis backup looks like in S3: keys and documents (docs/redis-backup-layout.md).

Pure: no store is touched here. A document is one JSON object that carries the sha256 of its own
body, so that a damaged one is never taken for a smaller backup.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from harness.errors import RestoreError
from harness.model.codec import to_json

FORMAT = 1
"""The version that is written. A reader refuses one it does not know."""

SNAPSHOTS = "snapshots/"
CHAINS = "aof/"

PARTS_PER_INDEX = 256
"""So many parts of an increment are moved out of the chain document into an index object."""

Slots = tuple[tuple[int, int], ...]
"""Ranges of hash slots, both ends included."""

Document = TypeVar("Document")


class LayoutError(RestoreError):
    """A document of a backup is damaged, or of a format that this version does not know."""


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Stored(_Value, frozen=True, kw_only=True):
    """One object: its key below the subject's prefix, and what its content must be."""

    key: str
    size_bytes: int
    sha256: str


class SnapshotShard(_Value, frozen=True, kw_only=True):
    """The RDB file of one master."""

    node_id: str
    """The master's id in the source cluster; `server` for a single server."""

    slots: Slots
    """Empty for a single server."""

    config_epoch: int
    saved: datetime
    """The RDB's own `ctime`, by the server's clock, whole seconds: what was acknowledged before
    it is in the file; what came a second later is not."""

    rdb: Stored
    keys: int
    """Keys in the file, by redis-check-rdb."""

    slot_keys: tuple[tuple[int, int, int], ...] | None
    """(slot, keys without expiry, keys with), counted in the file itself; slots without keys
    are left out. None where the file has a type that our reader does not know, and for a
    single server, whose counts are under slot 0."""


class Snapshot(_Value, frozen=True, kw_only=True):
    """`manifest.json` of one snapshot; written last: without it there is no snapshot."""

    label: str
    cluster: bool
    started: datetime
    """The earliest `saved` of a shard; the subject's clock."""

    stopped: datetime
    """The latest `saved` of a shard plus its second: nothing in the set is younger."""

    shards: tuple[SnapshotShard, ...]
    tools: dict[str, str]

    def objects(self) -> tuple[Stored, ...]:
        """The objects it consists of, without the manifest."""
        return tuple(shard.rdb for shard in self.shards)


class Part(_Value, frozen=True, kw_only=True):
    """Some whole commands of an increment file, as one object."""

    key: str
    offset: int
    size_bytes: int
    sha256: str
    until: datetime
    """What was acknowledged before it, by the server's clock, is in the parts up to this one."""


class PartIndex(_Value, frozen=True, kw_only=True):
    """The body of an index object: parts that will not change any more."""

    parts: tuple[Part, ...]


class Increment(_Value, frozen=True, kw_only=True):
    """One incremental AOF file, from its first byte to the last whole command shipped."""

    name: str
    seq: int
    indexes: tuple[Stored, ...] = ()
    """Index objects of the first parts, in order."""

    parts: tuple[Part, ...] = ()
    """The parts after those."""

    first_timestamp: int | None = None
    """The first and last `#TS:` annotation in it, seconds since the epoch."""

    last_timestamp: int | None = None


class Base(_Value, frozen=True, kw_only=True):
    """The base file of a chain."""

    name: str
    seq: int
    file: Stored
    first_point: datetime
    """The earliest point that the chain restores to: a whole second after the base was forked."""


class Chain(_Value, frozen=True, kw_only=True):
    """One base and the increments after it: `aof/<node>/chains/<id>.json`, written last and
    rewritten at every shipment. The newest chain of a node is its head.
    """

    id: str
    node_id: str
    cluster: bool
    slots: Slots
    config_epoch: int
    base: Base
    increments: tuple[Increment, ...]
    until: datetime
    """What was acknowledged before it, by the server's clock, is in the chain."""

    timestamps: bool
    """Whether aof-timestamp-enabled was always on: without it there is no point in time."""

    follows: str | None
    """The chain before, where no command is missing between the two."""

    closed: bool
    """Whether another chain goes on from here."""

    tools: dict[str, str]


def label_at(moment: datetime) -> str:
    """A label that sorts by time: `20261124T033915.123456Z`."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")


def time_of_label(label: str) -> datetime | None:
    """The moment of a label; None where it is none."""
    try:
        return datetime.strptime(label[:23], "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def snapshot_manifest_key(label: str) -> str:
    """Where the commit point of a snapshot is."""
    return f"{SNAPSHOTS}{label}/manifest.json"


def is_manifest_key(key: str) -> bool:
    """Whether a key is that of a snapshot's manifest."""
    words = key.split("/")
    return len(words) == 3 and words[0] == "snapshots" and words[2] == "manifest.json"


def snapshot_rdb_key(label: str, node_id: str) -> str:
    """Where the RDB file of one shard is."""
    return f"{SNAPSHOTS}{label}/{node_id}.rdb"


def chain_prefix(node_id: str) -> str:
    """What the chain documents of a node begin with."""
    return f"{CHAINS}{node_id}/chains/"


def chain_key(node_id: str, chain_id: str) -> str:
    """Where a chain document is."""
    return f"{chain_prefix(node_id)}{chain_id}.json"


def is_chain_key(key: str) -> bool:
    """Whether a key is that of a chain document."""
    words = key.split("/")
    return len(words) == 4 and words[0] == "aof" and words[2] == "chains"


def base_key(node_id: str, name: str, sha256: str) -> str:
    """Where a base file is; its content is part of its key: a key never changes its content."""
    return f"{CHAINS}{node_id}/bases/{name}.{sha256[:16]}"


def part_key(node_id: str, name: str, offset: int, sha256: str) -> str:
    """Where a part of an increment is."""
    return f"{CHAINS}{node_id}/parts/{name}.{offset:015d}.{sha256[:16]}"


def index_key(node_id: str, name: str, offset: int, sha256: str) -> str:
    """Where an index object is."""
    return f"{CHAINS}{node_id}/indexes/{name}.{offset:015d}.{sha256[:16]}.json"


class _Sealed(_Value, frozen=True, kw_only=True):
    format: int
    sha256: str
    body: msgspec.Raw


def encode(document: msgspec.Struct) -> bytes:
    """A document as it is stored: equal values give equal bytes."""
    body = to_json(document)
    digest = hashlib.sha256(body).hexdigest()
    return b'{"format":%d,"sha256":"%s","body":%s}\n' % (FORMAT, digest.encode(), body)


def decode(content: bytes, kind: type[Document], key: str) -> Document:
    """The document in `content`; LayoutError, naming `key`, where it is not whole or not known."""
    try:
        sealed = msgspec.json.decode(content, type=_Sealed)
        if sealed.format != FORMAT:
            raise LayoutError(
                f"{key}: got format {sealed.format}, expected {FORMAT}",
                hint="a newer harness wrote it: upgrade this one",
            )
        digest = hashlib.sha256(sealed.body).hexdigest()
        if digest != sealed.sha256:
            raise LayoutError(
                f"{key}: its body has sha256 {digest}, expected {sealed.sha256} as it says itself"
            )
        return msgspec.json.decode(sealed.body, type=kind)
    except msgspec.DecodeError as error:
        raise LayoutError(f"{key}: {error}") from error
