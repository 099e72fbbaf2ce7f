"""Inspects a Redis backup by listing alone: is every object there that a document names?"""

from __future__ import annotations

from collections.abc import Iterator

from harness.backup.layout import (
    Chain,
    LayoutError,
    Stored,
    chain_key,
    is_chain_key,
    snapshot_manifest_key,
)
from harness.backup.reading import Holdings, parts_of, read_holdings
from harness.drivers import s3
from harness.errors import RestoreError, StoreError
from harness.model.history import ArchiveInspected
from harness.model.subject import ObjectStore, Region
from harness.restore.redis_sets import gaps

_NAMED = 50


def inspect_archive(
    subject_id: str, region: Region, store: ObjectStore, *, cluster: bool
) -> tuple[ArchiveInspected, list[str]]:
    """Continuity of snapshots and AOF, and the keys of everything that a restore may need.

    A store that cannot be read is an `error` in the fact.
    """
    try:
        client = s3.connect(store)
        holdings = read_holdings(client, store)
        chains = [chain for node in holdings.chains.values() for chain in node]
        unreadable: list[str] = []
        needed: list[Stored] = []
        pieces: list[str] = []
        for chain in chains:
            needed.append(chain.base.file)
            pieces.append(chain.base.file.key)
            for increment in chain.increments:
                needed.extend(increment.indexes)
                try:
                    parts = parts_of(client, store, increment)
                except (LayoutError, s3.ObjectMissingError) as error:
                    unreadable.append(f"{increment.name} of {chain.id}: {error}")
                    continue
                needed.extend(
                    Stored(key=part.key, size_bytes=part.size_bytes, sha256=part.sha256)
                    for part in parts
                )
                pieces.extend(part.key for part in parts)
    except (StoreError, RestoreError) as error:
        return ArchiveInspected(
            subject=subject_id, region=region, first=None, last=None, pieces=0, error=str(error)
        ), []
    missing = sorted(set(_absent(holdings, needed)))
    missing += unreadable
    missing += [f"{key}: {why}" for key, why in holdings.damaged.items() if is_chain_key(key)]
    missing += [
        f"AOF of {first:%Y-%m-%dT%H:%M:%SZ} to {end:%Y-%m-%dT%H:%M:%SZ}"
        for first, end in gaps(holdings, cluster=cluster)
    ]
    unusable = [
        snapshot.label
        for snapshot in holdings.snapshots
        if any(_absent(holdings, snapshot.objects()))
    ]
    unusable += [key.split("/")[1] for key in holdings.damaged if not is_chain_key(key)]
    return ArchiveInspected(
        subject=subject_id,
        region=region,
        first=pieces[0] if pieces else None,
        last=pieces[-1] if pieces else None,
        pieces=len(set(pieces)),
        missing=tuple(missing[:_NAMED]),
        missing_count=len(missing),
        unusable_backups=tuple(sorted(unusable)),
    ), closure(holdings, chains, needed)


def closure(holdings: Holdings, chains: list[Chain], needed: list[Stored]) -> list[str]:
    """The keys of all documents and of all objects that they name, each once, in order."""
    keys = {each.key for each in needed}
    keys |= {chain_key(chain.node_id, chain.id) for chain in chains}
    for snapshot in holdings.snapshots:
        keys.add(snapshot_manifest_key(snapshot.label))
        keys |= {each.key for each in snapshot.objects()}
    return sorted(keys | set(holdings.damaged))


def _absent(holdings: Holdings, needed: list[Stored] | tuple[Stored, ...]) -> Iterator[str]:
    """Keys that are not in the store, or not with their length."""
    for each in needed:
        if holdings.sizes.get(each.key) != each.size_bytes:
            yield each.key
