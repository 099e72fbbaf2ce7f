"""Chooses what of a Redis backup restores to a point, and says what window can be restored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from harness.backup.layout import (
    Chain,
    Increment,
    Part,
    Slots,
    Snapshot,
    SnapshotShard,
    Stored,
    is_chain_key,
)
from harness.backup.reading import Holdings
from harness.drivers.redis import SLOTS, slot_numbers
from harness.errors import RestoreError
from harness.model.subject import Region

PartsOf = Callable[[Increment], Sequence[Part]]

_SECOND = timedelta(seconds=1)
_ELSEWHERE = "restore from the other region, or to an earlier time"


@dataclass(frozen=True, slots=True, kw_only=True)
class IncrementFile:
    """An increment to be put together from its parts."""

    increment: Increment
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardFiles:
    """The files of one shard."""

    node_id: str
    slots: Slots
    base: Stored
    base_is_rdb: bool
    increments: tuple[IncrementFile, ...]
    truncate_after: int | None
    """Commands after this second (`#TS:`, epoch) are cut off; None: nothing is."""

    base_until: datetime
    """What was acknowledged before it is in the base alone."""

    until: datetime
    """What was acknowledged before it is in the files."""

    snapshot: SnapshotShard | None

    def objects(self) -> tuple[Stored, ...]:
        """Every object it is made of; index objects excepted."""
        parts = (
            Stored(key=part.key, size_bytes=part.size_bytes, sha256=part.sha256)
            for file in self.increments
            for part in file.parts
        )
        return (self.base, *parts)

    def end(self) -> str:
        """Its last piece: `0-5460: appendonly.aof.1.incr.aof byte 4096`."""
        name = self.base.key.rsplit("/", 1)[-1]
        if self.increments:
            last = self.increments[-1]
            name = f"{last.increment.name} byte {sum(part.size_bytes for part in last.parts)}"
        if self.truncate_after is not None:
            name += f" up to #TS:{self.truncate_after}"
        return f"{show_slots(self.slots) or 'server'}: {name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSet:
    """All that one restore needs."""

    label: str
    shards: tuple[ShardFiles, ...]
    """In the order of their first slot."""

    archive_end: str
    ended_early: str | None = None

    @property
    def recovered_until(self) -> datetime:
        """The least of the shards': before it everything is there."""
        return min(shard.until for shard in self.shards)

    @property
    def recovered_to(self) -> str:
        """The last piece of every shard."""
        return "; ".join(shard.end() for shard in self.shards)

    def objects(self) -> tuple[Stored, ...]:
        """Every object that is fetched."""
        return tuple(each for shard in self.shards for each in shard.objects())


def show_slots(slots: Slots) -> str:
    """`0-5460,10000`."""
    return ",".join(f"{first}-{last}" if first != last else str(first) for first, last in slots)


def choose(
    holdings: Holdings, parts_of: PartsOf, point: datetime | None, region: Region, *, cluster: bool
) -> BackupSet:
    """What restores to `point`; None: to the newest state in the store.

    The newest is the AOF or, where that is older or not there, the newest snapshot. A time is
    restored from the AOF where every slot's chain reaches it, as of the beginning of its second;
    else from the newest snapshot that is not later. Raises RestoreError where nothing fits, where
    an object is missing or short, or where a document that might have fitted is damaged.
    """
    snapshots = [each for each in holdings.snapshots if each.cluster is cluster]
    if point is not None:
        snapshots = [each for each in snapshots if each.stopped <= point]
    newest = snapshots[-1] if snapshots else None
    heads = [chain for chain in _heads(holdings) if chain.cluster is cluster]
    damaged = [why for key, why in holdings.damaged.items() if is_chain_key(key)]
    if damaged:
        raise RestoreError(f"damaged: {'; '.join(damaged)}", hint=_ELSEWHERE)
    if point is None:
        found = _from_aof(holdings, heads, parts_of, None, region, cluster=cluster)
        if found is not None and (newest is None or found.recovered_until >= newest.started):
            return found
    else:
        covering = [_covering(holdings, node, point) for node in holdings.chains]
        chains = [chain for chain in covering if chain is not None and chain.cluster is cluster]
        if _covers(chains, cluster=cluster):
            found = _from_aof(holdings, chains, parts_of, point, region, cluster=cluster)
            if found is not None:
                return found
        end = min((chain.until for chain in heads), default=point)
        if end < point and (newest is None or end > newest.stopped):
            raise RestoreError(
                f"point {point}: the shipped AOF ends before it, at {end}",
                hint="restore to the latest point instead",
            )
    if newest is None:
        raise RestoreError(
            "no snapshot and no AOF in the store" + (f" up to {point}" if point else ""),
            hint="harness backup redis",
        )
    _refuse_damaged_after(holdings, newest, point)
    return _from_snapshot(holdings, newest)


def window(holdings: Holdings, *, cluster: bool) -> tuple[datetime | None, datetime | None, bool]:
    """Oldest and newest point that can be restored, and whether every second between them can.

    Oldest and newest are None where nothing can be.
    """
    points = [each.stopped for each in holdings.snapshots if each.cluster is cluster]
    aof = _aof_window(holdings, cluster=cluster)
    if aof is None:
        return (points[0], points[-1], False) if points else (None, None, False)
    first, end = aof
    oldest = min([first, *points])
    # A snapshot is dated to the end of its second: that of the second in which the AOF was last
    # shipped would end the window after what is in the store, and may lie in the future.
    later = [point for point in points if point - _SECOND > end]
    return oldest, max([end, *later]), first < end and first <= oldest and not later


# -- AOF ----------------------------------------------------------------------------------------


def _heads(holdings: Holdings) -> list[Chain]:
    return [chains[-1] for chains in holdings.chains.values() if chains]


def _covering(holdings: Holdings, node_id: str, point: datetime) -> Chain | None:
    """The newest chain of a node that can be restored to the beginning of the point's second."""
    for chain in reversed(holdings.chains[node_id]):
        if chain.timestamps and chain.base.first_point <= point.replace(microsecond=0):
            # A closed chain reaches to where the next takes over, whose base holds its end.
            return chain if point <= _end(holdings, chain) else None
    return None


def _end(holdings: Holdings, chain: Chain) -> datetime:
    following = [each for each in holdings.chains[chain.node_id] if each.follows == chain.id]
    return max([chain.until, *(each.base.first_point for each in following)])


def owned_slots(chains: Iterable[Chain]) -> list[tuple[Chain, Slots]]:
    """Each chain with the slots that are its own: the highest config epoch wins a slot, as in
    the cluster itself (Redis cluster specification, "Hash slots configuration propagation").
    """
    owner: dict[int, Chain] = {}
    for chain in sorted(chains, key=lambda each: (each.config_epoch, each.until)):
        for slot in slot_numbers(chain.slots):
            owner[slot] = chain
    owned: dict[str, tuple[Chain, list[list[int]]]] = {}
    for slot in sorted(owner):
        _, ranges = owned.setdefault(owner[slot].node_id, (owner[slot], []))
        if ranges and ranges[-1][1] == slot - 1:
            ranges[-1][1] = slot
        else:
            ranges.append([slot, slot])
    return [
        (chain, tuple((first, last) for first, last in ranges)) for chain, ranges in owned.values()
    ]


def _covers(chains: Sequence[Chain], *, cluster: bool) -> bool:
    if not cluster:
        return any(not chain.cluster for chain in chains)
    return len({slot for chain in chains for slot in slot_numbers(chain.slots)}) == SLOTS


def _from_aof(  # noqa: PLR0913 - all of it is asked by the one caller above
    holdings: Holdings,
    chains: Sequence[Chain],
    parts_of: PartsOf,
    point: datetime | None,
    region: Region,
    *,
    cluster: bool,
) -> BackupSet | None:
    """The set of some chains; None where there is no AOF at all."""
    mine = [chain for chain in chains if chain.cluster is cluster]
    if not mine:
        return None
    if not _covers(mine, cluster=cluster):
        covered = len({slot for chain in mine for slot in slot_numbers(chain.slots)})
        raise RestoreError(
            f"the shipped AOF covers {covered} slots, expected {SLOTS}: a shard was never shipped",
            hint="restore to a time, from a snapshot; ship the AOF of every master",
        )
    owned = owned_slots(mine) if cluster else [(max(mine, key=lambda each: each.id), ())]
    heads = [_shard(chain, slots, parts_of, point) for chain, slots in owned]
    shards, holes = [], []
    for (chain, slots), head in zip(owned, heads, strict=True):
        shard, missing = _present(holdings, head)
        if missing and region is Region.PRIMARY:
            raise RestoreError(
                f"AOF of {show_slots(slots) or chain.node_id}: missing from the store: "
                f"{', '.join(missing[:5])}" + (" ..." if len(missing) > 5 else ""),
                hint=_ELSEWHERE,
            )
        if shard is None:
            shard = _earlier(holdings, chain, slots, parts_of, point)
        elif len(missing) < _absent_after(head, shard):
            holes.append(f"{missing[0]} is missing although what was shipped after it is there")
        shards.append(shard)
    return BackupSet(
        label="; ".join(sorted(f"{chain.node_id[:8]}/{chain.id}" for chain, _ in owned)),
        shards=tuple(shards),
        archive_end="; ".join(head.end() for head in heads),
        ended_early="; ".join(holes) or None,
    )


def _shard(chain: Chain, slots: Slots, parts_of: PartsOf, point: datetime | None) -> ShardFiles:
    files = tuple(
        IncrementFile(increment=each, parts=tuple(parts_of(each))) for each in chain.increments
    )
    until, truncate_after = chain.until, None
    if point is not None:
        # What Redis did within the point's own second cannot be told apart: it is left out.
        until = point.replace(microsecond=0)
        last_second = int(until.timestamp()) - 1
        for number, file in enumerate(files):
            if (file.increment.last_timestamp or 0) > last_second:
                # It is cut within; what was written after it is later still.
                files, truncate_after = files[: number + 1], last_second
                break
    return ShardFiles(
        node_id=chain.node_id,
        slots=slots,
        base=chain.base.file,
        base_is_rdb=chain.base.name.endswith(".rdb"),
        increments=files,
        truncate_after=truncate_after,
        base_until=chain.base.first_point - _SECOND,
        until=until,
        snapshot=None,
    )


def _present(holdings: Holdings, head: ShardFiles) -> tuple[ShardFiles | None, list[str]]:
    """The files up to the first object that is not in the store, and all that are not.

    Every part ends with a whole command: what is left is a state the server was in. None where
    the base is missing. Raises RestoreError where an object has another length: never written so.
    """
    missing = []
    for each in head.objects():
        size = holdings.sizes.get(each.key)
        if size is None:
            missing.append(each.key)
        elif size != each.size_bytes:
            raise RestoreError(
                f"{each.key}: the store holds {size} bytes, expected {each.size_bytes} "
                "as the backup says",
                hint=_ELSEWHERE,
            )
    if not missing:
        return head, missing
    if missing[0] == head.base.key:
        return None, missing
    files: list[IncrementFile] = []
    until = head.base_until
    for file in head.increments:
        parts = []
        for part in file.parts:
            if part.key == missing[0]:
                break
            parts.append(part)
            until = part.until
        files.append(IncrementFile(increment=file.increment, parts=tuple(parts)))
        if len(parts) < len(file.parts):
            break
    shorter = ShardFiles(
        node_id=head.node_id,
        slots=head.slots,
        base=head.base,
        base_is_rdb=head.base_is_rdb,
        increments=tuple(files),
        truncate_after=head.truncate_after,
        base_until=head.base_until,
        until=min(head.until, until),
        snapshot=None,
    )
    return shorter, missing


def _absent_after(head: ShardFiles, shard: ShardFiles) -> int:
    return len(head.objects()) - len(shard.objects())


def _earlier(
    holdings: Holdings, chain: Chain, slots: Slots, parts_of: PartsOf, point: datetime | None
) -> ShardFiles:
    """An older chain of the node, where the base of a newer one has not been replicated yet."""
    for older in reversed(holdings.chains[chain.node_id]):
        if older.id < chain.id and (point is None or older.base.first_point <= point):
            shard, _ = _present(holdings, _shard(older, slots, parts_of, point))
            if shard is not None:
                return shard
    raise RestoreError(f"{chain.base.file.key}: missing from the store, and no older base is there")


def _aof_window(holdings: Holdings, *, cluster: bool) -> tuple[datetime, datetime] | None:
    """From when to when chains cover every slot without a gap, looking back from their ends."""
    newest = _aof_end(holdings, cluster=cluster)
    if newest is None:
        return None
    oldest = newest
    for first, _, covered in _segments(holdings, newest, cluster=cluster):
        if not covered:
            break
        oldest = first
    return oldest, newest


def gaps(holdings: Holdings, *, cluster: bool) -> list[tuple[datetime, datetime]]:
    """Times, newest first, that no chains cover, although they cover earlier ones."""
    newest = _aof_end(holdings, cluster=cluster)
    if newest is None:
        return []
    segments = list(_segments(holdings, newest, cluster=cluster))
    while segments and not segments[-1][2]:
        segments.pop()  # before every shard was shipped
    return [(first, end) for first, end, covered in segments if not covered]


def _aof_end(holdings: Holdings, *, cluster: bool) -> datetime | None:
    heads = [chain for chain in _heads(holdings) if chain.cluster is cluster]
    if not _covers(heads, cluster=cluster):
        return None
    return min(chain.until for chain, _ in owned_slots(heads)) if cluster else heads[-1].until


def _segments(
    holdings: Holdings, newest: datetime, *, cluster: bool
) -> Iterator[tuple[datetime, datetime, bool]]:
    """The time before `newest`, cut where a chain begins or ends, newest first: from, to, and
    whether any second of it can be restored.
    """
    spans = [
        (chain.base.first_point, _end(holdings, chain), chain)
        for chains in holdings.chains.values()
        for chain in chains
        if chain.timestamps and chain.cluster is cluster
    ]
    upper = newest
    edges = {edge for first, end, _ in spans for edge in (first, end) if edge < newest}
    for edge in sorted(edges, reverse=True):
        across = [chain for first, end, chain in spans if first <= edge and end >= upper]
        yield edge, upper, _covers(across, cluster=cluster)
        upper = edge


# -- snapshots ----------------------------------------------------------------------------------


def _refuse_damaged_after(holdings: Holdings, chosen: Snapshot, point: datetime | None) -> None:
    """A damaged manifest that is newer than the choice might have been the right one."""
    for key, why in holdings.damaged.items():
        label = key.split("/")[1]
        if not key.startswith("snapshots/") or label <= chosen.label:
            continue
        if point is None or label < f"{point:%Y%m%dT%H%M%S}":
            raise RestoreError(f"damaged: {why}", hint="restore to a time before it")


def _from_snapshot(holdings: Holdings, snapshot: Snapshot) -> BackupSet:
    missing = [each.key for each in snapshot.objects() if each.key not in holdings.sizes]
    if missing:
        raise RestoreError(
            f"snapshot {snapshot.label}: missing from the store: {', '.join(missing[:5])}",
            hint=_ELSEWHERE,
        )
    for each in snapshot.objects():
        if holdings.sizes[each.key] != each.size_bytes:
            raise RestoreError(
                f"{each.key}: the store holds {holdings.sizes[each.key]} bytes, expected "
                f"{each.size_bytes} as the manifest says"
            )
    return BackupSet(
        label=snapshot.label,
        shards=tuple(
            ShardFiles(
                node_id=shard.node_id,
                slots=shard.slots,
                base=shard.rdb,
                base_is_rdb=True,
                increments=(),
                truncate_after=None,
                base_until=shard.saved,
                until=shard.saved,
                snapshot=shard,
            )
            for shard in snapshot.shards
        ),
        archive_end=f"snapshot {snapshot.label}",
    )
