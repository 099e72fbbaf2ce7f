"""Reads from the store itself how a backup's objects are encrypted, replicated and locked.

Independent of the backup tool and of its configuration. A store that does not answer is the
`error` of the fact, never an exception; no objects at all are visible as zeros.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from harness.drivers import s3
from harness.errors import StoreError
from harness.model.history import EncryptionInspected, ReplicaCompared, RetentionLockRead
from harness.model.instant import nanoseconds
from harness.model.subject import ObjectStore, Region

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

INSPECT_AT_MOST = 1000
_NAMED_AT_MOST = 50
_AT_ONCE = 16
_LIMITS = s3.Limits(connections=_AT_ONCE)

# OpenSSL's salted format (enc(1)), which pgBackRest writes: eight magic bytes, then the salt
# (pgBackRest src/common/crypto/cipherBlock.c, CIPHER_BLOCK_MAGIC).
_SALTED = b"Salted__"
CLIENT_SIDE = "client-side aes-256-cbc (Salted__)"
EMPTY = "empty object, nothing to encrypt"

# What a backup is found and checked by: pgBackRest's and Barman's backup.info, archive.info,
# backup.manifest, timeline histories, and the manifests of the Redis layout.
_MANIFESTS = (".info", ".info.copy", ".manifest", ".manifest.copy", ".json", ".history")


def inspect_encryption(  # noqa: PLR0913 - which objects, of what, and how long to try
    subject_id: str,
    region: Region,
    store: ObjectStore,
    inspect_at_most: int = INSPECT_AT_MOST,
    keys: Collection[str] | None = None,
    *,
    limits: s3.Limits = _LIMITS,
) -> EncryptionInspected:
    """How objects are encrypted, each proved by one answer of the store.

    Its first bytes are OpenSSL's salt header (encrypted before it was sent), or else the store's
    header says which server-side encryption it has. `keys`: all objects below the prefix where
    None. Of more than `inspect_at_most`, those of `sample` are inspected.
    """
    objects = 0
    try:
        client = s3.connect(store, limits)
        listed = _listed(client, store) if keys is None else sorted(keys)
        objects = len(listed)
        chosen = sample(listed, inspect_at_most)
        beginnings = s3.in_parallel(
            lambda key: s3.read_beginning(client, store, key, len(_SALTED)), chosen, _AT_ONCE
        )
    except StoreError as error:
        return EncryptionInspected(
            subject=subject_id,
            region=region,
            objects=objects,
            inspected=0,
            proofs={},
            error=str(error),
        )
    proofs = [_proof(beginning) for beginning in beginnings]
    unproved = [key for key, proof in zip(chosen, proofs, strict=True) if proof is None]
    return EncryptionInspected(
        subject=subject_id,
        region=region,
        objects=objects,
        inspected=len(chosen),
        proofs=_counted(proof for proof in proofs if proof is not None),
        unproved=tuple(unproved[:_NAMED_AT_MOST]),
        unproved_count=len(unproved),
    )


def compare_replica(
    subject_id: str,
    primary_store: ObjectStore,
    replica_store: ObjectStore,
    needed: Collection[str] | None = None,
    *,
    limits: s3.Limits = _LIMITS,
) -> ReplicaCompared:
    """Whether the replica holds every needed object with the size and etag it has in the primary.

    `needed`: the closure of a restore, as keys relative to the prefix (which may differ between
    the stores); None: all objects below the prefix. Both regions are listed, the primary first, so
    that what is written meanwhile is not held against the replica; an object that was overwritten
    meanwhile is looked at again. Where KMS makes etags incomparable, content is compared.

    An older version of an object that is overwritten again and again (a Redis chain document, a
    backup.info) is no other content: the replica lacks the newer one, since that was written.
    """
    count = len(needed) if needed is not None else 0
    try:
        primary, replica = s3.connect(primary_store, limits), s3.connect(replica_store, limits)
        here = {each.key: each for each in s3.list_objects(primary, primary_store)}
        now = s3.present(primary, primary_store)
        there = {each.key: each for each in s3.list_objects(replica, replica_store)}
        wanted = sorted(here if needed is None else set(needed))
        count = len(wanted)
        missing = [key for key in wanted if key not in there]
        suspects = [
            key for key in wanted if key in here and key in there and not _same(here, there, key)
        ]
        truly = s3.in_parallel(
            lambda key: _differs(primary, primary_store, replica, replica_store, key),
            suspects,
            _AT_ONCE,
        )
        unlike = [key for key, differs in zip(suspects, truly, strict=True) if differs]
        outdated = dict(
            zip(
                unlike,
                s3.in_parallel(
                    lambda key: _superseded(primary, primary_store, key, there[key].etag),
                    unlike,
                    _AT_ONCE,
                ),
                strict=True,
            )
        )
    except StoreError as error:
        return ReplicaCompared(subject=subject_id, needed=count, error=str(error))
    differing = [key for key in unlike if outdated[key] is None]
    late = {
        **{key: here[key].modified if key in here else None for key in (*missing, *differing)},
        **{key: since for key, since in outdated.items() if since is not None},
    }
    lacking = sorted(late.keys() - set(differing))
    return ReplicaCompared(
        subject=subject_id,
        needed=count,
        missing=tuple(lacking[:_NAMED_AT_MOST]),
        missing_count=len(lacking),
        differing=tuple(differing[:_NAMED_AT_MOST]),
        behind_ns=_behind_ns(late.values(), now),
    )


def read_retention_locks(  # noqa: PLR0913 - as above
    subject_id: str,
    region: Region,
    store: ObjectStore,
    keys: Collection[str] | None = None,
    inspect_at_most: int = INSPECT_AT_MOST,
    *,
    limits: s3.Limits = _LIMITS,
) -> RetentionLockRead:
    """Object lock of the latest version of each object: mode, and the time it holds from creation.

    Unlocked is an object without a retention; a lock that has run out since is not, its length
    says whether it was long enough. S3's dates have whole seconds, so that length is known to one
    second. `keys` and sampling as in `inspect_encryption`.
    """
    try:
        client = s3.connect(store, limits)
        listed = _listed(client, store) if keys is None else sorted(keys)
        chosen = sample(listed, inspect_at_most)
        locks = s3.in_parallel(lambda key: _lock(client, store, key), chosen, _AT_ONCE)
    except StoreError as error:
        return RetentionLockRead(
            subject=subject_id, region=region, inspected=0, modes={}, error=str(error)
        )
    unlocked = [key for key, lock in zip(chosen, locks, strict=True) if lock is None]
    held = [lock for lock in locks if lock is not None]
    return RetentionLockRead(
        subject=subject_id,
        region=region,
        inspected=len(chosen),
        unlocked=tuple(unlocked[:_NAMED_AT_MOST]),
        unlocked_count=len(unlocked),
        shortest_ns=min((nanoseconds(length) for _, length in held), default=None),
        modes=_counted(mode for mode, _ in held),
    )


def sample(keys: Sequence[str], at_most: int) -> list[str]:
    """At most so many keys, the same ones for the same keys, in their order.

    All manifests, since without them nothing is found, and the rest evenly spaced over the other
    objects, the first and the last included.
    """
    if len(keys) <= at_most:
        return list(keys)
    manifests = [key for key in keys if key.endswith(_MANIFESTS)]
    chosen = set(_evenly(manifests, at_most))
    others = [key for key in keys if key not in chosen]
    chosen.update(_evenly(others, at_most - len(chosen)))
    return [key for key in keys if key in chosen]


def _evenly(keys: Sequence[str], count: int) -> list[str]:
    if count <= 0:
        return []
    if len(keys) <= count:
        return list(keys)
    if count == 1:
        return [keys[0]]
    return [keys[index * (len(keys) - 1) // (count - 1)] for index in range(count)]


def _listed(client: S3Client, store: ObjectStore) -> list[str]:
    return [each.key for each in s3.list_objects(client, store)]


def _counted(words: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items()))


def _proof(beginning: s3.Beginning) -> str | None:
    if beginning.content.startswith(_SALTED):
        return CLIENT_SIDE
    if beginning.encryption is not None:
        return f"SSE {beginning.encryption}"
    return EMPTY if beginning.size_bytes == 0 else None


def _same(here: dict[str, s3.Object], there: dict[str, s3.Object], key: str) -> bool:
    return (here[key].size_bytes, here[key].etag) == (there[key].size_bytes, there[key].etag)


def _differs(
    primary: S3Client,
    primary_store: ObjectStore,
    replica: S3Client,
    replica_store: ObjectStore,
    key: str,
) -> bool:
    """Whether an object whose listed size or etag differed really is another one."""
    try:
        here = s3.head(primary, primary_store, key)
    except s3.ObjectMissingError:
        return False  # deleted since it was listed
    try:
        there = s3.head(replica, replica_store, key)
    except s3.ObjectMissingError:
        return True
    if here.size_bytes != there.size_bytes:
        return True
    if here.etag == there.etag:
        return False
    # The etag of an object under KMS is no digest of its content (S3 API reference, Object).
    if not any((each.encryption or "").startswith("aws:kms") for each in (here, there)):
        return True
    part = 16 * 1024 * 1024
    return any(
        s3.read_range(primary, primary_store, key, first, part)
        != s3.read_range(replica, replica_store, key, first, part)
        for first in range(0, here.size_bytes, part)
    )


def _superseded(
    primary: S3Client, primary_store: ObjectStore, key: str, etag: str
) -> datetime | None:
    """When the version with that etag was overwritten in the primary region; None: it never was
    there, or the store does not say.
    """
    newer: datetime | None = None
    try:
        for version in s3.list_versions(primary, primary_store, key):
            if version.key != key or version.delete_marker:
                continue
            if version.etag == etag:
                return newer
            newer = version.modified  # the newest comes first (ListObjectVersions)
    except s3.StoreDeniedError:  # s3:ListBucketVersions is a permission of its own
        pass
    return None


def _behind_ns(lacked_since: Iterable[datetime | None], now: datetime) -> int | None:
    """Age of the oldest; 0 of none; None where no age is known."""
    moments = list(lacked_since)
    ages = [nanoseconds(now - each) for each in moments if each is not None]
    if ages:
        return max(0, *ages)
    return None if moments else 0


def _lock(client: S3Client, store: ObjectStore, key: str) -> tuple[str, timedelta] | None:
    about = s3.head(client, store, key)
    if about.lock_mode is not None and about.retain_until is not None:
        return about.lock_mode, about.retain_until - about.modified
    # A store leaves these headers out for a caller who may not read them; then this raises.
    retention = s3.read_retention(client, store, key, about.version_id)
    return None if retention is None else (retention[0], retention[1] - about.modified)
