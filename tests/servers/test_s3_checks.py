"""Raw checks of a backup's objects: every anomaly is planted once and found by name."""

from __future__ import annotations

import secrets
from datetime import timedelta

import pytest

from harness.drivers import s3
from harness.drivers.clock import HostClock, wait_until
from harness.drivers.loopback import free_ports
from harness.model.instant import nanoseconds
from harness.model.subject import ObjectStore, Region
from harness.practice.object_store import Regions
from harness.restore import objects

QUICK = s3.Limits(connect_timeout_s=1, read_timeout_s=1, attempts=1)
DAY_NS = nanoseconds(timedelta(days=1))


def _fill(store: ObjectStore, count: int = 5) -> list[str]:
    client = s3.connect(store)
    keys = [f"data/{number}" for number in range(count)]
    for key in keys:
        s3.put_bytes(client, store, key, secrets.token_bytes(100))
    return keys


def test_an_empty_repository_shows_as_zeros(regions: Regions, bucket: str) -> None:
    """No objects: no error, nothing inspected, nothing proved, nothing locked."""
    here, there = regions.primary.store(bucket), regions.replica.store(bucket)
    encryption = objects.inspect_encryption("s", Region.PRIMARY, here)
    assert (encryption.objects, encryption.inspected, encryption.proofs) == (0, 0, {})
    assert encryption.error is None
    compared = objects.compare_replica("s", here, there)
    assert (compared.needed, compared.missing_count, compared.error) == (0, 0, None)
    locks = objects.read_retention_locks("s", Region.PRIMARY, here)
    assert (locks.inspected, locks.shortest_ns, locks.modes) == (0, None, {})
    assert locks.error is None


def test_server_side_and_client_side_encryption_are_told_apart(
    regions: Regions, bucket: str
) -> None:
    """PgBackRest's salt header counts before the store's header; an empty object is neither."""
    store = regions.primary.store(bucket, "p", "backup")
    _fill(store, 3)
    client = s3.connect(store)
    s3.put_bytes(client, store, "pgbackrest", b"Salted__" + secrets.token_bytes(50))
    s3.put_bytes(client, store, "empty", b"")
    found = objects.inspect_encryption("s", Region.PRIMARY, store)
    assert found.error is None
    assert (found.objects, found.inspected, found.unproved_count) == (5, 5, 0)
    assert found.proofs[objects.CLIENT_SIDE] == 1
    assert found.proofs["SSE AES256"] >= 3
    assert sum(found.proofs.values()) == 5


def test_an_unencrypted_object_is_named(regions: Regions) -> None:
    """One object in plain text among encrypted ones, in a bucket without default encryption."""
    name = f"b-{secrets.token_hex(4)}"
    store = regions.primary.store(name, profile="admin")
    client = s3.connect(store)
    client.create_bucket(Bucket=name)
    for number in range(9):
        client.put_object(
            Bucket=name, Key=f"data/{number}", Body=b"x", ServerSideEncryption="AES256"
        )
    s3.put_bytes(client, store, "data/5-plain", b"everybody can read this")
    found = objects.inspect_encryption("s", Region.PRIMARY, store)
    assert found.unproved == ("data/5-plain",)
    assert found.unproved_count == 1
    assert found.proofs == {"SSE AES256": 9}


def test_a_sample_says_how_many_were_inspected(regions: Regions, bucket: str) -> None:
    """More objects than allowed: the fact has both numbers."""
    store = regions.primary.store(bucket)
    _fill(store, 20)
    found = objects.inspect_encryption("s", Region.PRIMARY, store, inspect_at_most=7)
    assert (found.objects, found.inspected) == (20, 7)
    chosen = objects.inspect_encryption("s", Region.PRIMARY, store, keys=["data/3"])
    assert (chosen.objects, chosen.inspected) == (1, 1)


def test_an_object_that_is_needed_but_not_there_is_an_error(regions: Regions, bucket: str) -> None:
    """Asked to inspect what does not exist, neither check looks clean."""
    store = regions.primary.store(bucket)
    found = objects.inspect_encryption("s", Region.PRIMARY, store, keys=["absent"])
    assert "absent" in (found.error or "")
    locks = objects.read_retention_locks("s", Region.PRIMARY, store, ["absent"])
    assert "absent" in (locks.error or "")


def test_a_whole_replica_lacks_nothing(regions: Regions, bucket: str) -> None:
    """After replication has caught up all is there, and nothing is behind."""
    here, there = regions.primary.store(bucket, "p"), regions.replica.store(bucket, "p")
    keys = _fill(here)
    regions.replication.await_caught_up(bucket, 20)
    found = objects.compare_replica("s", here, there, keys)
    assert (found.needed, found.missing_count, found.differing) == (5, 0, ())
    assert found.behind_ns == 0


def test_missing_and_differing_objects_of_a_replica_are_named(
    regions: Regions, bucket: str
) -> None:
    """One deleted, one overwritten in the replica alone; what is not needed is not named."""
    here, there = regions.primary.store(bucket), regions.replica.store(bucket)
    keys = _fill(here)
    regions.replication.await_caught_up(bucket, 20)
    other = s3.connect(there)
    s3.delete(other, there, "data/1")
    s3.put_bytes(other, there, "data/2", secrets.token_bytes(100))
    s3.put_bytes(other, there, "data/3", b"shorter")
    found = objects.compare_replica("s", here, there, keys)
    assert found.missing == ("data/1",)
    assert found.missing_count == 1
    assert found.differing == ("data/2", "data/3")
    assert found.behind_ns is not None
    whole = objects.compare_replica("s", here, there, ["data/0", "data/4"])
    assert (whole.needed, whole.missing_count, whole.differing) == (2, 0, ())


def test_what_both_regions_lack_is_missing_of_unknown_age(regions: Regions, bucket: str) -> None:
    """A closure that names an object that exists nowhere."""
    here, there = regions.primary.store(bucket), regions.replica.store(bucket)
    found = objects.compare_replica("s", here, there, ["absent"])
    assert found.missing == ("absent",)
    assert found.behind_ns is None


def test_a_stopped_replication_falls_behind(regions: Regions, bucket: str) -> None:
    """What is written while it is stopped is missing, and its age grows, until it runs again."""
    here, there = regions.primary.store(bucket), regions.replica.store(bucket)
    regions.replication.kill()
    try:
        keys = _fill(here, 3)
        found = objects.compare_replica("s", here, there, keys)
        assert found.missing == tuple(keys)
        wait_until(
            lambda: (objects.compare_replica("s", here, there, keys).behind_ns or 0) > 0,
            within_s=10,
            what="the replica falls behind",
        )
    finally:
        regions.replication.restart()
    regions.replication.await_caught_up(bucket, 30)
    assert objects.compare_replica("s", here, there, keys).missing_count == 0


def test_an_older_version_is_late_and_not_different(regions: Regions, bucket: str) -> None:
    """An object that is rewritten while replication stands still: lacked since the first rewriting
    that the replica has not, however young the newest version is.
    """
    here, there = regions.primary.store(bucket), regions.replica.store(bucket)
    client = s3.connect(here)
    s3.put_bytes(client, here, "data/chain", b"first")
    s3.put_bytes(client, here, "data/chain.copy", b"another object")
    regions.replication.await_caught_up(bucket, 20)
    regions.replication.kill()
    try:
        s3.put_bytes(client, here, "data/chain", b"second")
        wait_until(
            lambda: (objects.compare_replica("s", here, there).behind_ns or 0) > 0,
            within_s=10,
            what="the replica falls behind",
        )
        s3.put_bytes(client, here, "data/chain", b"third")
        found = objects.compare_replica("s", here, there)
        assert (found.missing, found.differing) == (("data/chain",), ())
        assert (found.behind_ns or 0) > 0
    finally:
        regions.replication.restart()
    # SeaweedFS replicates a version, and which one is the latest, apart from each other, and may
    # lose the second where its replication is killed.
    s3.put_bytes(client, here, "data/chain", b"fourth")
    wait_until(
        lambda: not objects.compare_replica("s", here, there).missing,
        within_s=30,
        what="the replica has caught up",
    )
    whole = objects.compare_replica("s", here, there)
    assert (whole.missing, whole.differing, whole.behind_ns) == ((), (), 0)


def test_locks_are_read_with_mode_and_length(regions: Regions) -> None:
    """Every object of a bucket with a default retention is locked for that long."""
    bucket = f"b-{secrets.token_hex(4)}"
    regions.create_bucket(bucket, timedelta(days=3))
    here = regions.primary.store(bucket)
    _fill(here)
    regions.replication.await_caught_up(bucket, 20)
    for region, store in (
        (Region.PRIMARY, regions.primary.store(bucket, profile="drill")),
        (Region.REPLICA, regions.replica.store(bucket, profile="drill")),
    ):
        found = objects.read_retention_locks("s", region, store)
        assert found.error is None
        assert (found.inspected, found.unlocked_count) == (5, 0)
        assert found.modes == {"COMPLIANCE": 5}
        assert found.shortest_ns is not None
        # S3's dates have whole seconds.
        assert abs(found.shortest_ns - 3 * DAY_NS) <= 1_000_000_000


def test_an_unlocked_object_and_a_short_lock_are_found(regions: Regions) -> None:
    """One object without, one with a day, one with a weaker mode."""
    name = f"b-{secrets.token_hex(4)}"
    store = regions.primary.store(name, profile="admin")
    client = s3.connect(store)
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    now = HostClock().now().utc
    client.put_object(
        Bucket=name,
        Key="short",
        Body=b"x",
        ObjectLockMode="COMPLIANCE",
        ObjectLockRetainUntilDate=now + timedelta(days=1),
    )
    client.put_object(
        Bucket=name,
        Key="weak",
        Body=b"x",
        ObjectLockMode="GOVERNANCE",
        ObjectLockRetainUntilDate=now + timedelta(days=30),
    )
    s3.put_bytes(client, store, "unlocked", b"x")
    found = objects.read_retention_locks("s", Region.PRIMARY, store)
    assert found.unlocked == ("unlocked",)
    assert found.unlocked_count == 1
    assert found.modes == {"COMPLIANCE": 1, "GOVERNANCE": 1}
    assert found.shortest_ns is not None
    assert found.shortest_ns <= DAY_NS + 1_000_000_000


def test_a_bucket_without_object_lock_locks_nothing(regions: Regions, bucket: str) -> None:
    """All objects are unlocked; that is a fact, no error."""
    store = regions.primary.store(bucket)
    keys = _fill(store, 3)
    found = objects.read_retention_locks("s", Region.PRIMARY, store)
    assert found.error is None
    assert found.unlocked == tuple(keys)
    assert (found.inspected, found.unlocked_count, found.shortest_ns) == (3, 3, None)


@pytest.mark.parametrize("dead", ["primary", "replica"])
def test_a_dead_region_is_an_error_in_the_fact(regions: Regions, bucket: str, dead: str) -> None:
    """A refusing endpoint and a wrong bucket are told, and look like nothing else."""
    good = regions.primary.store(bucket)
    refusing = ObjectStore(
        bucket=bucket,
        endpoint_url=f"https://localhost:{free_ports(1)[0]}",
        ca_file=good.ca_file,
        path_style=True,
        credentials_file=good.credentials_file,
        profile=good.profile,
    )
    here, there = (refusing, good) if dead == "primary" else (good, refusing)
    assert "refused" in (objects.compare_replica("s", here, there, limits=QUICK).error or "")
    region = Region(dead)
    assert "refused" in (
        objects.inspect_encryption("s", region, refusing, limits=QUICK).error or ""
    )
    assert "refused" in (
        objects.read_retention_locks("s", region, refusing, limits=QUICK).error or ""
    )
    wrong = regions.primary.store("no-such-bucket")
    assert "no bucket" in (objects.inspect_encryption("s", region, wrong).error or "")
    assert "no bucket" in (objects.read_retention_locks("s", region, wrong).error or "")
    assert "no-such-bucket" in (objects.compare_replica("s", good, wrong).error or "")
