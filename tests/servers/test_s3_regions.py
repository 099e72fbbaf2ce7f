"""The practice regions: encrypted, locked, replicated, killed and put back."""

from __future__ import annotations

import secrets
import socket
import ssl
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from harness.drivers import s3, seaweedfs_sockets
from harness.drivers.clock import wait_until
from harness.errors import DeadlineExceededError, InputError
from harness.faults.places import Place
from harness.practice.object_store import Regions


def test_an_empty_bucket_is_caught_up(regions: Regions, bucket: str) -> None:
    """Nothing to replicate is replicated, and the probe object of the bucket left no trace."""
    regions.replication.await_caught_up(bucket, 20)
    for region in (regions.primary, regions.replica):
        store = region.store(bucket)
        assert list(s3.list_versions(s3.connect(store), store)) == []


def test_new_objects_are_encrypted_and_arrive_readable(regions: Regions, bucket: str) -> None:
    """Both regions report SSE AES256 and give the same bytes."""
    here, there = regions.primary.store(bucket, "p"), regions.replica.store(bucket, "p", "drill")
    content = secrets.token_bytes(3_000_000)
    s3.put_bytes(s3.connect(here), here, "k", content)
    regions.replication.await_caught_up(bucket, 20)
    for store in (here, there):
        client = s3.connect(store)
        assert s3.head(client, store, "k").encryption == "AES256"
        assert s3.read(client, store, "k") == content


def test_the_bytes_on_disk_are_not_the_content(regions: Regions, bucket: str) -> None:
    """SSE-S3 really encrypts: what was written is in no file of the region."""
    store = regions.primary.store(bucket)
    needle = b"this text must not be found on disk " * 4
    s3.put_bytes(s3.connect(store), store, "k", needle)
    volumes = list(regions.primary.directory.glob(f"{bucket}_*.dat"))
    assert volumes
    assert not any(needle[:36] in volume.read_bytes() for volume in volumes)


def test_a_locked_version_cannot_be_deleted_even_by_the_administrator(regions: Regions) -> None:
    """COMPLIANCE: a delete marker is allowed, removing the version is not, in either region."""
    bucket = f"b-{secrets.token_hex(4)}"
    regions.create_bucket(bucket, timedelta(days=2))
    here = regions.primary.store(bucket, profile="admin")
    client = s3.connect(here)
    s3.put_bytes(client, here, "k", b"keep me")
    regions.replication.await_caught_up(bucket, 20)
    for region in (regions.primary, regions.replica):
        store = region.store(bucket, profile="admin")
        client = s3.connect(store)
        about = s3.head(client, store, "k")
        assert about.lock_mode == "COMPLIANCE"
        assert about.retain_until is not None
        assert about.retain_until - about.modified >= timedelta(days=2) - timedelta(seconds=1)
        with pytest.raises(s3.StoreDeniedError):
            s3.delete(client, store, "k", about.version_id)
        assert s3.read(client, store, "k") == b"keep me"


@pytest.mark.parametrize("lock", [timedelta(0), timedelta(hours=12), timedelta(days=1, seconds=1)])
def test_a_lock_that_s3_cannot_express_is_refused(regions: Regions, lock: timedelta) -> None:
    """A default retention has whole days, one at least."""
    with pytest.raises(InputError, match="expected whole days"):
        regions.primary.create_bucket("never-made", lock)


def test_the_drill_may_read_but_not_write(regions: Regions, bucket: str) -> None:
    """The identity that restores can neither write nor delete."""
    backup, drill = regions.primary.store(bucket), regions.primary.store(bucket, profile="drill")
    s3.put_bytes(s3.connect(backup), backup, "k", b"x")
    client = s3.connect(drill)
    assert s3.read(client, drill, "k") == b"x"
    assert s3.read_retention(client, drill, "k") is None
    with pytest.raises(s3.StoreDeniedError):
        s3.put_bytes(client, drill, "k", b"y")
    with pytest.raises(s3.StoreDeniedError):
        s3.delete(client, drill, "k")


def test_only_tls_1_3_is_spoken(regions: Regions) -> None:
    """A client that knows nothing newer than TLS 1.2 gets no connection."""
    context = ssl.create_default_context(cafile=str(regions.primary.ca_file))
    address = ("localhost", regions.primary.port)
    with (
        socket.create_connection(address) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        assert secure.version() == "TLSv1.3"
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(address) as plain,
        pytest.raises((ssl.SSLError, ConnectionResetError)),
    ):
        context.wrap_socket(plain, server_hostname="localhost")


def test_all_ports_are_on_loopback(regions: Regions) -> None:
    """Nothing of a region can be reached from another host."""
    for pid in (regions.primary.pid, regions.replica.pid, regions.replication.pid):
        listening = [
            connection.laddr.ip
            for connection in psutil.Process(pid).net_connections()
            if connection.status == psutil.CONN_LISTEN
        ]
        assert set(listening) <= {"127.0.0.1"}


def test_no_secret_on_a_command_line_or_in_a_log(regions: Regions) -> None:
    """Secret keys and the SSE key are in files and environments only."""
    region = regions.primary
    words = " ".join(psutil.Process(region.pid).cmdline())
    log = region.log_file.read_text(encoding="utf-8", errors="replace")
    for secret in (
        region.credentials("backup")[1],
        region.credentials("admin")[1],
        region._sse_key,
    ):
        assert secret not in words
        assert secret not in log
        assert secret not in repr(region)


def test_the_credentials_file_is_closed_to_others(regions: Regions) -> None:
    """Only its owner and the group that archives and restores may read it."""
    assert regions.primary.credentials_file.stat().st_mode & 0o007 == 0
    assert regions.primary.ca_file.stat().st_mode & 0o004


def test_a_stopped_replication_is_noticed_and_catches_up(regions: Regions, bucket: str) -> None:
    """What is written meanwhile is missing until it runs again, then it arrives."""
    store = regions.primary.store(bucket)
    client = s3.connect(store)
    regions.replication.kill()
    try:
        s3.put_bytes(client, store, "k", b"x")
        with pytest.raises(DeadlineExceededError, match=r"lacks 1 of 1 .* does not run"):
            regions.replication.await_caught_up(bucket, 0.5)
    finally:
        regions.replication.restart()
    regions.replication.await_caught_up(bucket, 30)


def test_a_killed_region_comes_back_with_its_objects(regions: Regions, bucket: str) -> None:
    """After SIGKILL it refuses; started again it has what was acknowledged, and replicates.

    What was not replicated when it was killed is made good by the backfill, its latest version
    included.
    """
    here, there = regions.primary.store(bucket), regions.replica.store(bucket)
    client, other = s3.connect(here), s3.connect(there)
    s3.put_bytes(client, here, "old", b"first")
    regions.replication.await_caught_up(bucket, 20)
    regions.replication.kill()
    try:
        s3.put_bytes(client, here, "old", b"second")
        s3.put_bytes(client, here, "new", b"only")
        regions.primary.kill()
        assert not regions.primary.answers()
        assert regions.primary.pid is None
    finally:
        regions.primary.restart()
        regions.replication.restart()
    assert regions.primary.answers()
    assert s3.read(client, here, "old") == b"second"

    regions.replication.backfill(bucket)
    regions.replication.await_caught_up(bucket, 30)

    def latest_arrived() -> bool:
        return s3.read(other, there, "old") == b"second"

    wait_until(latest_arrived, within_s=20, what="the latest version is the latest there, too")
    assert s3.read(other, there, "new") == b"only"
    assert regions.replication.backfill(bucket) == 0


def test_a_region_leaves_no_socket_behind(regions: Regions) -> None:
    """SeaweedFS makes sockets in /tmp; killing a region removes them, and a start makes them."""
    made = regions.replica._foreign_sockets()
    regions.replica.kill()
    try:
        assert not any(Path(path).exists() for path in made)
    finally:
        regions.replica.restart()


def test_only_dead_sockets_of_the_harness_ports_are_removed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a killed harness left goes; what somebody listens on, or another program's, stays."""
    monkeypatch.setattr(seaweedfs_sockets, "SOCKETS", place.directory)
    dead, living, foreign = (
        place.directory / f"seaweedfs-master-grpc-{port}.sock" for port in (15001, 15002, 39001)
    )
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(living))
        listener.listen()
        for path in (dead, foreign):
            with socket.socket(socket.AF_UNIX) as gone:
                gone.bind(str(path))
        seaweedfs_sockets.remove_dead_sockets()
        assert not dead.exists()
        assert living.exists()
        assert foreign.exists()
