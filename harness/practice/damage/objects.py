"""Damages objects of the primary region's bucket, which the replica then gets too, and mends them.

The bucket is versioned and locked: nothing is ever overwritten. A damage is a newer version, or a
delete marker; mending is the old content as the newest version.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from harness.backup.layout import (
    Chain,
    Part,
    Snapshot,
    chain_key,
    decode,
    encode,
    is_manifest_key,
    label_at,
)
from harness.backup.reading import newest_chain, parts_of
from harness.drivers import s3
from harness.drivers.clock import HostClock
from harness.errors import SurroundingsError
from harness.model.calibration import Sign
from harness.model.quantity import show_duration
from harness.model.subject import ObjectStore
from harness.model.verdict import Verdict
from harness.practice.damage.archive import await_archived, switch_wal
from harness.practice.damage.damage import NotPlantedError, Planted
from harness.practice.platform import BUCKET, Practice
from harness.practice.postgres import STANZA
from harness.practice.redis import CLUSTER

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_REPLICATED_WITHIN_S = 60.0
_CUT_BYTES = 64
_MISSED_BACKUPS = timedelta(days=3)


@dataclass(frozen=True, kw_only=True)
class _Bucket:
    """The primary region's objects of one subject, to be written by someone who may."""

    client: S3Client
    store: ObjectStore
    practice: Practice

    @classmethod
    def of(cls, practice: Practice, subject: str) -> _Bucket:
        store = practice.regions.primary.store(BUCKET, subject, "admin")
        return cls(client=s3.connect(store), store=store, practice=practice)

    def read(self, key: str) -> bytes | None:
        """None where its newest version is a delete marker, or where there is none."""
        try:
            return s3.read(self.client, self.store, key)
        except s3.ObjectMissingError:
            return None

    def write(self, key: str, content: bytes | None) -> None:
        """A newer version, None: a delete marker; read back."""
        if content is None:
            s3.delete(self.client, self.store, key)
        else:
            s3.put_bytes(self.client, self.store, key, content)
        if self.read(key) != content:
            raise NotPlantedError(f"{key}: what was written to it is not what is read from it")

    @contextlib.contextmanager
    def replaced(self, contents: Mapping[str, bytes | None]) -> Iterator[None]:
        """Objects with another content (None: deleted) in both regions for the length of a block.

        Raises NotPlantedError where that is no change.
        """
        before = {key: self.read(key) for key in contents}
        for key, content in contents.items():
            if before[key] == content:
                raise NotPlantedError(f"{key}: would be what it was")
        try:
            for key, content in contents.items():
                self.write(key, content)
            self.await_replicated()
            yield
        finally:
            for key, content in before.items():
                if self.read(key) != content:
                    self.write(key, content)
            self.await_replicated()

    def await_replicated(self) -> None:
        """Returns when the other region holds every version, damaged or not."""
        self.practice.regions.replication.await_caught_up(BUCKET, _REPLICATED_WITHIN_S)


@contextlib.contextmanager
def flip_byte_of_backup(practice: Practice) -> Iterator[Planted]:
    """One byte in the middle of the largest object of PostgreSQL's newest backup."""
    bucket = _Bucket.of(practice, STANZA)
    listed = list(s3.list_objects(bucket.client, bucket.store, f"backup/{STANZA}/"))
    labels = {each.key.split("/")[2] for each in listed if each.key.count("/") >= 3}
    # Labels begin with a time: 20261124-040506F, 20261124-040506F_20261124-050607I.
    newest = max(labels - {"backup.history", "latest"}, key=lambda label: label.split("_")[-1])
    data = [
        each
        for each in listed
        if each.key.startswith(f"backup/{STANZA}/{newest}/")
        and not each.key.rsplit("/", 1)[-1].startswith("backup.manifest")
    ]
    if not data:
        raise SurroundingsError(f"{STANZA}: the newest backup {newest} has no object of its own")
    key = max(data, key=lambda each: each.size_bytes).key
    content, what = _flipped(bucket, key)
    with bucket.replaced({key: content}):
        yield Planted(
            what=what,
            # What pgBackRest complains of (decryption, decompression, a checksum) is decided by
            # where the byte is.
            sign=Sign(
                check="restore", verdict=Verdict.FAIL, says=(f"pgbackrest restore of {newest}",)
            ),
        )


@contextlib.contextmanager
def flip_byte_of_aof(practice: Practice) -> Iterator[Planted]:
    """One byte in the middle of the base of the first shard's AOF, as it was shipped."""
    bucket = _Bucket.of(practice, CLUSTER)
    _, chain = _heads(bucket)[0]
    key = chain.base.file.key
    content, what = _flipped(bucket, key)
    with bucket.replaced({key: content}):
        yield Planted(
            what=what,
            sign=Sign(check="restore", verdict=Verdict.FAIL, says=(key, "sha256")),
        )


@contextlib.contextmanager
def cut_newest_part(practice: Practice) -> Iterator[Planted]:
    """The last bytes of the newest AOF part of a shard: shorter than its chain document says."""
    bucket = _Bucket.of(practice, CLUSTER)
    newest: Part | None = None
    for _, chain in _heads(bucket):
        for increment in chain.increments:
            for part in parts_of(bucket.client, bucket.store, increment):
                if newest is None or part.until > newest.until:
                    newest = part
    if newest is None:
        raise SurroundingsError(f"{CLUSTER}: no part of an AOF was shipped yet")
    content = bucket.read(newest.key) or b""
    cut = max(1, min(_CUT_BYTES, len(content) // 2))
    with bucket.replaced({newest.key: content[:-cut]}):
        yield Planted(
            what=f"{newest.key}: the last {cut} of its {len(content)} bytes cut off",
            sign=Sign(
                check="restore",
                verdict=Verdict.FAIL,
                says=(newest.key, str(len(content) - cut), str(len(content))),
            ),
        )


@contextlib.contextmanager
def delete_segment(practice: Practice) -> Iterator[Planted]:
    """One archived WAL segment after the newest backup, with whole ones before and after it."""
    bucket = _Bucket.of(practice, STANZA)
    before, segment, after = (switch_wal(practice) for _ in range(3))
    if not before < segment < after:
        raise NotPlantedError(f"{STANZA}: {before}, {segment}, {after} do not follow each other")
    archived = await_archived(bucket.client, bucket.store, before, segment, after)
    key = archived[segment]
    with bucket.replaced({key: None}):
        yield Planted(
            what=f"{key}: deleted; the archive holds {before} before it and goes on to {after}",
            sign=Sign(check="continuity", verdict=Verdict.FAIL, says=(segment,)),
        )


@contextlib.contextmanager
def forget_newest_backups(practice: Practice) -> Iterator[Planted]:
    """No snapshot of the last three days is known, as if the nightly job had failed since."""
    bucket = _Bucket.of(practice, CLUSTER)
    snapshots: dict[str, Snapshot] = {}
    for each in s3.list_objects(bucket.client, bucket.store, "snapshots/"):
        if is_manifest_key(each.key):
            content = s3.read(bucket.client, bucket.store, each.key)
            snapshots[each.key] = decode(content, Snapshot, each.key)
    now = HostClock().now().utc
    young = [key for key, one in snapshots.items() if now - one.stopped < _MISSED_BACKUPS]
    old = [one for key, one in snapshots.items() if key not in young]
    if not young or not old:
        raise SurroundingsError(f"{CLUSTER}: {len(young)} young and {len(old)} old snapshots")
    newest = max(old, key=lambda one: one.stopped)
    with bucket.replaced(dict.fromkeys(young)):
        yield Planted(
            what=f"{len(young)} manifests deleted; the newest snapshot left is {newest.label}, "
            f"{show_duration(now - newest.stopped)} old",
            sign=Sign(
                check="backup-frequency",
                verdict=Verdict.FAIL,
                says=("latest good backup is", newest.label),
            ),
        )


@contextlib.contextmanager
def swap_shards(practice: Practice) -> Iterator[Planted]:
    """Two shards' newest chains with each other's files, all documents and digests right.

    They are new chains beside the old ones: the job that ships the AOF goes on rewriting those.
    """
    bucket = _Bucket.of(practice, CLUSTER)
    (here, mine), (there, theirs), *_ = _heads(bucket)
    chain_id = f"{label_at(HostClock().now().utc)}-swapped"
    with bucket.replaced(
        {
            chain_key(node, chain_id): encode(
                msgspec.structs.replace(
                    other,
                    id=chain_id,
                    node_id=own.node_id,
                    slots=own.slots,
                    config_epoch=own.config_epoch,
                    follows=None,
                )
            )
            for node, own, other in ((here, mine, theirs), (there, theirs, mine))
        }
    ):
        for node in (here, there):
            head = newest_chain(bucket.client, bucket.store, node)
            if head is None or head.id != chain_id:
                raise NotPlantedError(f"shard {node}: its newest chain is not the swapped one")
        yield Planted(
            what=f"the files of shards {_slots(mine)} and {_slots(theirs)} swapped in new chain "
            f"documents {chain_id}",
            sign=Sign(check="integrity", verdict=Verdict.FAIL, says=("slots of other shards",)),
        )


def _slots(chain: Chain) -> str:
    return ",".join(f"{first}-{last}" for first, last in chain.slots)


def _heads(bucket: _Bucket) -> list[tuple[str, Chain]]:
    """Every node's newest chain, by its first slot."""
    nodes = {
        each.key.split("/")[1] for each in s3.list_objects(bucket.client, bucket.store, "aof/")
    }
    found = [
        (node, chain)
        for node in nodes
        if (chain := newest_chain(bucket.client, bucket.store, node)) is not None
    ]
    if len(found) < 2:
        raise SurroundingsError(f"{CLUSTER}: the AOF of {len(found)} shards is shipped")
    return sorted(found, key=lambda one: one[1].slots)


def _flipped(bucket: _Bucket, key: str) -> tuple[bytes, str]:
    """An object's content with one byte changed, and what was changed."""
    content = bytearray(bucket.read(key) or b"")
    if not content:
        raise SurroundingsError(f"{key}: is empty: it has no byte to flip")
    middle = len(content) // 2
    before = content[middle]
    content[middle] ^= 0xFF
    what = f"{key}: byte {middle} of {len(content)} is {content[middle]:#04x}, was {before:#04x}"
    return bytes(content), what
