"""What of a backup restores to a point, and what window can be restored."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from harness.backup.layout import (
    Base,
    Chain,
    Increment,
    Part,
    Slots,
    Snapshot,
    SnapshotShard,
    Stored,
)
from harness.backup.reading import Holdings
from harness.errors import RestoreError
from harness.model.subject import Region
from harness.restore.redis_cluster import nodes_conf
from harness.restore.redis_sets import choose, gaps, owned_slots, window

START = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
ALL: Slots = ((0, 16383),)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def stamp(second: int) -> int:
    return int(at(second).timestamp())


def parts_of(increment: Increment) -> Sequence[Part]:
    return increment.parts


def chain(  # a chain of one increment with one part a second, annotated
    first: int,
    end: int,
    *,
    node: str = "n",
    slots: Slots = ALL,
    epoch: int = 1,
    follows: str | None = None,
    timestamps: bool = True,
) -> Chain:
    parts = tuple(
        Part(
            key=f"{node}/{first}/{second}",
            offset=10 * number,
            size_bytes=10,
            sha256="",
            until=at(second + 1),
        )
        for number, second in enumerate(range(first, end))
    )
    return Chain(
        id=f"{first:04d}",
        node_id=node,
        cluster=True,
        slots=slots,
        config_epoch=epoch,
        base=Base(
            name="appendonly.aof.1.base.rdb",
            seq=1,
            file=Stored(key=f"{node}/{first}/base", size_bytes=10, sha256=""),
            first_point=at(first),
        ),
        increments=(
            Increment(
                name="appendonly.aof.1.incr.aof",
                seq=1,
                parts=parts,
                first_timestamp=stamp(first) if parts else None,
                last_timestamp=stamp(end - 1) if parts else None,
            ),
        ),
        until=at(end),
        timestamps=timestamps,
        follows=follows,
        closed=False,
        tools={},
    )


def snapshot(second: int) -> Snapshot:
    return Snapshot(
        label=f"20261124T1200{second:02d}.000000Z",
        cluster=True,
        started=at(second),
        stopped=at(second + 1),
        shards=(
            SnapshotShard(
                node_id="n",
                slots=ALL,
                config_epoch=1,
                saved=at(second),
                rdb=Stored(key=f"s/{second}", size_bytes=10, sha256=""),
                keys=1,
                slot_keys=None,
            ),
        ),
        tools={},
    )


def holdings(
    *chains: Chain,
    snapshots: Sequence[Snapshot] = (),
    without: Sequence[str] = (),
    damaged: dict[str, str] | None = None,
) -> Holdings:
    by_node: dict[str, tuple[Chain, ...]] = {}
    for each in chains:
        by_node[each.node_id] = (*by_node.get(each.node_id, ()), each)
    keys = [each.base.file.key for each in chains]
    keys += [part.key for each in chains for file in each.increments for part in file.parts]
    keys += [stored.key for each in snapshots for stored in each.objects()]
    return Holdings(
        sizes={key: 10 for key in keys if key not in without},
        snapshots=tuple(snapshots),
        damaged=damaged or {},
        chains=by_node,
    )


def test_of_nothing_nothing_is_restored_and_there_is_no_window() -> None:
    """An empty store is an error, never an empty server."""
    assert window(holdings(), cluster=True) == (None, None, False)
    for point in (None, at(5)):
        with pytest.raises(RestoreError, match="no snapshot and no AOF"):
            choose(holdings(), parts_of, point, Region.PRIMARY, cluster=True)


def test_the_latest_is_the_aof_unless_a_snapshot_is_newer() -> None:
    """A shipper that died a week ago does not hide last night's snapshot."""
    held = holdings(chain(0, 10), snapshots=[snapshot(5)])
    found = choose(held, parts_of, None, Region.PRIMARY, cluster=True)
    assert (found.recovered_until, found.shards[0].snapshot) == (at(10), None)
    held = holdings(chain(0, 10), snapshots=[snapshot(20)])
    found = choose(held, parts_of, None, Region.PRIMARY, cluster=True)
    assert found.label == snapshot(20).label


def test_a_point_in_the_aof_leaves_out_its_own_second_and_later_ones() -> None:
    """State as of the beginning of the second; 5.9 is the same as 5."""
    for second in (5, 5.9):
        found = choose(holdings(chain(0, 10)), parts_of, at(second), Region.PRIMARY, cluster=True)
        assert found.shards[0].truncate_after == stamp(4)
        assert found.recovered_until == at(5)


def test_a_point_after_the_last_command_needs_no_cut() -> None:
    """redis-check-aof would call it an error."""
    found = choose(holdings(chain(0, 10)), parts_of, at(10), Region.PRIMARY, cluster=True)
    assert found.shards[0].truncate_after is None


def test_a_point_before_the_aof_is_the_newest_snapshot_not_later() -> None:
    """And its time is what was recovered."""
    held = holdings(chain(30, 40), snapshots=[snapshot(5), snapshot(10), snapshot(25)])
    found = choose(held, parts_of, at(20), Region.PRIMARY, cluster=True)
    assert (found.label, found.recovered_until) == (snapshot(10).label, at(10))
    with pytest.raises(RestoreError, match="no snapshot"):
        choose(held, parts_of, at(5), Region.PRIMARY, cluster=True)


def test_a_point_after_the_end_of_the_aof_is_an_error() -> None:
    """Not the latest state under the name of a later one."""
    with pytest.raises(RestoreError, match="ends before it"):
        choose(holdings(chain(0, 10)), parts_of, at(11), Region.PRIMARY, cluster=True)


def test_without_timestamps_only_the_end_of_an_aof_can_be_restored() -> None:
    """redis-check-aof would cut nothing and exit with 0."""
    held = holdings(chain(0, 10, timestamps=False))
    assert window(held, cluster=True) == (at(10), at(10), False)
    with pytest.raises(RestoreError):
        choose(held, parts_of, at(5), Region.PRIMARY, cluster=True)


def test_every_second_of_chains_that_follow_each_other_can_be_restored() -> None:
    """The first covers all seconds before the second one's base."""
    held = holdings(chain(0, 10), chain(12, 20, follows="0000"))
    assert window(held, cluster=True) == (at(0), at(20), True)
    assert gaps(held, cluster=True) == []
    found = choose(held, parts_of, at(11), Region.PRIMARY, cluster=True)
    assert found.shards[0].base.key == "n/0/base"
    found = choose(held, parts_of, at(12), Region.PRIMARY, cluster=True)
    assert found.shards[0].base.key == "n/12/base"


def test_a_chain_that_follows_none_stands_after_a_gap() -> None:
    """The window ends there, and the gap is named."""
    held = holdings(chain(0, 10), chain(12, 20))
    assert window(held, cluster=True) == (at(12), at(20), True)
    assert gaps(held, cluster=True) == [(at(10), at(12))]
    with pytest.raises(RestoreError):
        choose(held, parts_of, at(11), Region.PRIMARY, cluster=True)


def test_snapshots_before_the_aof_are_points_but_not_every_second() -> None:
    """The window reaches back to the oldest, to whole backups only."""
    held = holdings(chain(20, 30), snapshots=[snapshot(1)])
    assert window(held, cluster=True) == (at(2), at(30), False)


def test_a_snapshot_of_the_second_in_which_the_aof_ends_does_not_end_the_window() -> None:
    """Its date is the end of that second, which may not have come yet."""
    held = holdings(chain(0, 10), snapshots=[snapshot(10)])
    assert window(held, cluster=True) == (at(0), at(10), True)
    held = holdings(chain(0, 10), snapshots=[snapshot(11)])
    assert window(held, cluster=True) == (at(0), at(12), False)


def test_slots_that_no_chain_covers_are_an_error() -> None:
    """A cluster with a shard missing must not look restored."""
    held = holdings(chain(0, 10, slots=((0, 16000),)))
    with pytest.raises(RestoreError, match="covers 16001 slots, expected 16384"):
        choose(held, parts_of, None, Region.PRIMARY, cluster=True)


def test_after_a_failover_the_higher_epoch_owns_the_slots() -> None:
    """The old master's chain, which ended, is left out."""
    old, new = chain(0, 10, node="old", epoch=1), chain(8, 20, node="new", epoch=7)
    other = chain(0, 20, node="other", slots=((16000, 16383),), epoch=8)
    assert [(each.node_id, slots) for each, slots in owned_slots([other, new, old])] == [
        ("new", ((0, 15999),)),
        ("other", ((16000, 16383),)),
    ]
    found = choose(holdings(old, new), parts_of, None, Region.PRIMARY, cluster=True)
    assert [shard.node_id for shard in found.shards] == ["new"]
    found = choose(holdings(old, new), parts_of, at(5), Region.PRIMARY, cluster=True)
    assert [shard.node_id for shard in found.shards] == ["old"]


def test_a_missing_part_is_damage_in_the_primary_region() -> None:
    """It is named, and so is a short one."""
    held = holdings(chain(0, 10), without=["n/0/9"])
    with pytest.raises(RestoreError, match="missing from the store: n/0/9"):
        choose(held, parts_of, None, Region.PRIMARY, cluster=True)
    held = holdings(chain(0, 10))
    held.sizes["n/0/9"] = 9
    with pytest.raises(RestoreError, match="holds 9 bytes, expected 10"):
        choose(held, parts_of, None, Region.REPLICA, cluster=True)


def test_a_replica_a_moment_behind_restores_to_the_last_part_it_has() -> None:
    """Every part ends with a whole command; what is promised stays visible beside what was got."""
    held = holdings(chain(0, 10), without=["n/0/8", "n/0/9"])
    found = choose(held, parts_of, None, Region.REPLICA, cluster=True)
    assert found.recovered_until == at(8)
    assert found.recovered_to != found.archive_end
    assert found.ended_early is None
    held = holdings(chain(0, 10), without=["n/0/5"])
    found = choose(held, parts_of, None, Region.REPLICA, cluster=True)
    assert found.recovered_until == at(5)
    assert found.ended_early is not None
    assert "n/0/5" in found.ended_early


def test_a_replica_without_the_newest_base_restores_the_chain_before() -> None:
    """Large objects arrive after small ones."""
    held = holdings(chain(0, 10), chain(10, 20, follows="0000"), without=["n/10/base"])
    found = choose(held, parts_of, None, Region.REPLICA, cluster=True)
    assert found.shards[0].base.key == "n/0/base"
    assert found.recovered_until == at(10)


def test_damaged_documents_are_never_passed_over() -> None:
    """What cannot be read might have been the right one."""
    held = holdings(chain(0, 10), damaged={"aof/m/chains/0.json": "broken"})
    with pytest.raises(RestoreError, match="damaged: broken"):
        choose(held, parts_of, None, Region.PRIMARY, cluster=True)
    newer = {"snapshots/20261124T120009.000000Z/manifest.json": "torn"}
    held = holdings(snapshots=[snapshot(5)], damaged=newer)
    with pytest.raises(RestoreError, match="damaged: torn"):
        choose(held, parts_of, None, Region.PRIMARY, cluster=True)
    found = choose(held, parts_of, at(8), Region.PRIMARY, cluster=True)
    assert found.label == snapshot(5).label


def test_a_missing_or_short_rdb_file_is_named() -> None:
    """Of a snapshot nothing may be missing."""
    held = holdings(snapshots=[snapshot(5)], without=["s/5"])
    with pytest.raises(RestoreError, match="missing from the store: s/5"):
        choose(held, parts_of, None, Region.REPLICA, cluster=True)
    held = holdings(snapshots=[snapshot(5)])
    held.sizes["s/5"] = 3
    with pytest.raises(RestoreError, match="holds 3 bytes, expected 10"):
        choose(held, parts_of, None, Region.PRIMARY, cluster=True)


def test_nodes_conf_names_every_node_and_marks_one_as_itself() -> None:
    """Ids are the same in every node's file; epochs and addresses are their own."""
    masters = [(((0, 99), (200, 200)), ("127.0.0.1", 7001)), (((100, 199),), ("127.0.0.1", 7002))]
    first, second = (nodes_conf(masters, number, seed="x") for number in range(2))
    assert first.replace("myself,", "") == second.replace("myself,", "")
    lines = first.splitlines()
    assert lines[0].split()[1:3] == ["127.0.0.1:7001@17001", "myself,master"]
    assert lines[0].endswith(" 1 connected 0-99 200-200")
    assert lines[1].endswith(" 2 connected 100-199")
    assert lines[2] == "vars currentEpoch 2 lastVoteEpoch 0"
