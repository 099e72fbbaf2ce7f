"""Reads the documents of Redis backups out of a store, and what is in the store besides them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.backup.layout import (
    Chain,
    Increment,
    LayoutError,
    Part,
    PartIndex,
    Snapshot,
    chain_prefix,
    decode,
    is_chain_key,
    is_manifest_key,
)
from harness.drivers import s3
from harness.model.subject import ObjectStore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def newest_chain(client: S3Client, store: ObjectStore, node_id: str) -> Chain | None:
    """The head of a node; None where nothing was ever shipped of it."""
    keys = [each.key for each in s3.list_objects(client, store, chain_prefix(node_id))]
    if not keys:
        return None
    key = max(keys)  # their ids begin with a time
    return decode(s3.read(client, store, key), Chain, key)


def parts_of(client: S3Client, store: ObjectStore, increment: Increment) -> tuple[Part, ...]:
    """All parts of an increment, those in index objects included, in order and without a gap.

    Raises ObjectMissingError where an index is missing, LayoutError where one is damaged or the
    parts do not follow on each other.
    """
    parts: list[Part] = []
    for index in increment.indexes:
        content = s3.read(client, store, index.key)
        digest = hashlib.sha256(content).hexdigest()
        if digest != index.sha256:
            raise LayoutError(f"{index.key}: has sha256 {digest}, expected {index.sha256}")
        parts.extend(decode(content, PartIndex, index.key).parts)
    parts.extend(increment.parts)
    end = 0
    for part in parts:
        if part.offset != end:
            raise LayoutError(f"{part.key}: begins at byte {part.offset}, expected {end}")
        end += part.size_bytes
    return tuple(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What a store holds of one Redis subject."""

    sizes: dict[str, int]
    """Key -> bytes of every object."""

    snapshots: tuple[Snapshot, ...]
    """Oldest first; only those with a manifest, which is written last."""

    damaged: dict[str, str]
    """Key of a document that cannot be read -> why."""

    chains: dict[str, tuple[Chain, ...]]
    """Node id -> its chains, oldest first."""


def read_holdings(client: S3Client, store: ObjectStore, *, newest_only: bool = False) -> Holdings:
    """Reads the documents below the subject's prefix, then lists what is there.

    In this order: a chain is rewritten while it is read, and what a document names was in the store
    before the document was; a listing from before it would lack the newest parts. `newest_only`
    reads one manifest and the head of each node, which is all that the latest state needs. Raises
    StoreError; damaged documents are told, not raised.
    """
    listed = [each.key for each in s3.list_objects(client, store)]
    manifests = sorted(filter(is_manifest_key, listed))
    heads: dict[str, list[str]] = {}
    for key in sorted(filter(is_chain_key, listed)):
        heads.setdefault(key.split("/")[1], []).append(key)
    if newest_only:
        manifests = manifests[-1:]
        heads = {node: keys[-1:] for node, keys in heads.items()}
    damaged: dict[str, str] = {}

    def read_one(key: str) -> Snapshot | Chain | None:
        try:
            content = s3.read(client, store, key)
            if is_chain_key(key):
                return decode(content, Chain, key)
            return decode(content, Snapshot, key)
        except (LayoutError, s3.ObjectMissingError) as error:
            damaged[key] = str(error)
            return None

    keys = [*manifests, *(key for each in heads.values() for key in each)]
    documents = dict(zip(keys, s3.in_parallel(read_one, keys), strict=True))
    sizes = {each.key: each.size_bytes for each in s3.list_objects(client, store)}
    return Holdings(
        sizes=sizes,
        snapshots=tuple(each for key in manifests if isinstance(each := documents[key], Snapshot)),
        damaged=damaged,
        chains={
            node: tuple(each for key in keys if isinstance(each := documents[key], Chain))
            for node, keys in heads.items()
        },
    )
