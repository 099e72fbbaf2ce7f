"""Sealed runs in a locked bucket of a real S3: put once, locked, compared, fetched as they were."""

from __future__ import annotations

import dataclasses
import itertools
import secrets
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from sealed_runs import KeyPair, make_run, sealed_weeks

from harness.archive import putting
from harness.archive.comparing import Compared, Here, compare
from harness.archive.fetching import fetch
from harness.archive.putting import put
from harness.drivers import s3
from harness.drivers.clock import HostClock
from harness.drivers.s3_locks import put_locked
from harness.errors import InputError, StoreError
from harness.practice.object_store import EVIDENCE, Regions
from harness.seal.statement import STATEMENT
from harness.seal.verifying import verify_run, verify_runs
from harness.settings import Archive
from harness.store import RunDirectory

DAYS = 30


@pytest.fixture
def archive(regions: Regions) -> Archive:
    """A new bucket with Object Lock and no default retention."""
    name = f"evidence-{secrets.token_hex(4)}"
    store = regions.primary.store(name, profile="admin")
    s3.connect(store).create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return Archive(store=replace(store, prefix="platform"), retention_days=DAYS)


@pytest.fixture
def key(tmp_path: Path) -> KeyPair:
    return KeyPair(tmp_path)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


def _silent(_: str) -> None:
    pass


def _states(found: tuple[Compared, ...]) -> dict[str, Here]:
    return {one.run: one.here for one in found}


def test_of_no_run_at_all_nothing_is_listed(archive: Archive, runs: Path) -> None:
    assert compare(archive.store, runs) == ()
    assert compare(archive.store, runs / "none") == ()


def test_a_sealed_run_is_archived_locked_and_comes_back_as_it_was(
    archive: Archive, key: KeyPair, runs: Path, tmp_path: Path
) -> None:
    """The copy verifies with the public key; every file is locked for as long as was asked."""
    (run,) = sealed_weeks(runs, key, 1)
    began = HostClock().now().utc
    done = put(run.path, archive, _silent)
    files = sum(path.is_file() for path in run.path.rglob("*"))
    assert (done.files, done.before) == (files, 0)
    assert done.until >= began + timedelta(days=DAYS) - timedelta(seconds=5)
    client = s3.connect(archive.store)
    listed = list(s3.list_objects(client, archive.store, f"{run.path.name}/"))
    assert len(listed) == files
    for one in listed:
        locked = s3.read_retention(client, archive.store, one.key)
        assert locked is not None
        assert locked[0] == "COMPLIANCE"
    fetched = fetch(archive.store, run.path.name, tmp_path / "copy")
    assert (fetched.files, fetched.overwritten, fetched.hidden) == (files, (), ())
    assert verify_run(fetched.path, [key.public]).holds


def test_what_is_archived_can_be_neither_deleted_nor_unlocked(
    archive: Archive, key: KeyPair, runs: Path
) -> None:
    """By the bucket's owner neither: the store refuses."""
    from botocore.exceptions import ClientError

    (run,) = sealed_weeks(runs, key, 1)
    put(run.path, archive, _silent)
    store, name = archive.store, f"{run.path.name}/verdict.json"
    client = s3.connect(store)
    (version,) = s3.list_versions(client, store, name)
    with pytest.raises(StoreError):
        s3.delete(client, store, name, version.version_id)
    with pytest.raises(ClientError):
        client.put_object_retention(
            Bucket=store.bucket,
            Key=s3.full_key(store, name),
            Retention={
                "Mode": "COMPLIANCE",
                "RetainUntilDate": HostClock().now().utc + timedelta(days=1),
            },
        )
    assert s3.read(client, store, name) == run.verdict.read_bytes()


def test_the_identity_of_the_weekly_run_adds_evidence_and_nothing_else(
    regions: Regions, bucket: str, key: KeyPair, runs: Path
) -> None:
    """Least privilege: it archives into its bucket, deletes nothing there, and sees no other."""
    owner = regions.primary.store(EVIDENCE, profile="admin")
    s3.connect(owner).create_bucket(Bucket=EVIDENCE, ObjectLockEnabledForBucket=True)
    store = regions.primary.store(EVIDENCE, profile="evidence")
    (run,) = sealed_weeks(runs, key, 1)
    put(run.path, Archive(store=store, retention_days=DAYS), _silent)
    assert _states(compare(store, runs)) == {run.path.name: Here.SAME}
    client = s3.connect(store)
    (version,) = s3.list_versions(client, store, f"{run.path.name}/verdict.json")
    with pytest.raises(StoreError):
        s3.delete(client, store, version.key, version.version_id)
    other = regions.primary.store(bucket, profile="evidence")
    with pytest.raises(s3.StoreDeniedError):
        s3.put_bytes(client, other, "x", b"x")
    with pytest.raises(s3.StoreDeniedError):
        list(s3.list_objects(client, other))


def test_done_again_it_finds_all_there(archive: Archive, key: KeyPair, runs: Path) -> None:
    (run,) = sealed_weeks(runs, key, 1)
    first = put(run.path, archive, _silent)
    again = put(run.path, archive, _silent)
    assert (again.files, again.before) == (first.files, first.files)
    versions = list(s3.list_versions(s3.connect(archive.store), archive.store))
    assert len(versions) == first.files


@pytest.mark.parametrize("sent", [0, 1, 5, 7])
def test_cut_off_it_is_no_run_yet_and_goes_on_where_it_was(
    archive: Archive, key: KeyPair, runs: Path, monkeypatch: pytest.MonkeyPatch, sent: int
) -> None:
    """Cut off after so many files: the seal is not there, and `put` again ends it."""
    (run,) = sealed_weeks(runs, key, 1)

    class Cut(BaseException):
        pass

    number = itertools.count()  # counts for several threads

    def cut(*arguments: object, **named: object) -> bool:
        if next(number) >= sent:
            raise Cut
        return put_locked(*arguments, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(putting, "put_locked", cut)
        with pytest.raises(Cut):
            put(run.path, archive, _silent)
    assert _states(compare(archive.store, runs)) == {run.path.name: Here.NOT_ARCHIVED}
    again = put(run.path, archive, _silent)
    assert again.before == sent
    assert _states(compare(archive.store, runs)) == {run.path.name: Here.SAME}


def test_a_bucket_without_object_lock_gets_nothing(
    regions: Regions, bucket: str, key: KeyPair, runs: Path
) -> None:
    """It is refused before anything is sent: what can be changed is no archive."""
    (run,) = sealed_weeks(runs, key, 1)
    store = regions.primary.store(bucket, profile="admin")
    with pytest.raises(StoreError, match="no Object Lock"):
        put(run.path, Archive(store=store, retention_days=1), _silent)
    assert list(s3.list_objects(s3.connect(store), store)) == []


def test_a_store_that_does_not_lock_is_found_out(
    archive: Archive, key: KeyPair, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the objects and forgets the retention: reading it back says so."""
    (run,) = sealed_weeks(runs, key, 1)

    def forgetful(client: object, store: object, name: str, source: Path, **_: object) -> bool:
        s3.put_bytes(client, store, name, source.read_bytes())  # type: ignore[arg-type]
        return True

    monkeypatch.setattr(putting, "put_locked", forgetful)
    with pytest.raises(StoreError, match="is not locked, although asked to be"):
        put(run.path, archive, _silent)


def test_a_weaker_or_shorter_lock_is_found_out(
    archive: Archive, key: KeyPair, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run,) = sealed_weeks(runs, key, 1)

    def weak(*arguments: object, **named: object) -> bool:
        return put_locked(*arguments, **{**named, "mode": "GOVERNANCE"})  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(putting, "put_locked", weak)
        with pytest.raises(StoreError, match="in mode GOVERNANCE, expected .* COMPLIANCE"):
            put(run.path, archive, _silent)
    key.seal(other := make_run(runs, 1))

    def short(*arguments: object, **named: object) -> bool:
        until = HostClock().now().utc + timedelta(days=1)
        return put_locked(*arguments, **{**named, "until": until})  # type: ignore[arg-type]

    monkeypatch.setattr(putting, "put_locked", short)
    with pytest.raises(StoreError, match="is locked until"):
        put(other.path, archive, _silent)


def test_something_else_under_a_name_of_the_run_is_not_taken_for_it(
    archive: Archive, key: KeyPair, runs: Path
) -> None:
    """Whoever was there first does not make us say that the run is archived."""
    (run,) = sealed_weeks(runs, key, 1)
    s3.put_bytes(
        s3.connect(archive.store), archive.store, f"{run.path.name}/report.html", b"all was well"
    )
    with pytest.raises(StoreError, match="something else is there already"):
        put(run.path, archive, _silent)


def test_what_is_written_over_it_later_is_told_and_not_taken(
    archive: Archive, key: KeyPair, runs: Path, tmp_path: Path
) -> None:
    """A later version and a delete marker hide nothing: the copy is what was put there."""
    (run,) = sealed_weeks(runs, key, 1)
    put(run.path, archive, _silent)
    client = s3.connect(archive.store)
    s3.put_bytes(client, archive.store, f"{run.path.name}/report.html", b"all was well")
    s3.delete(client, archive.store, f"{run.path.name}/verdict.json")
    s3.put_bytes(client, archive.store, f"{run.path.name}/{STATEMENT}", b"{}")
    fetched = fetch(archive.store, run.path.name, tmp_path / "copy")
    assert fetched.overwritten == ("report.html", STATEMENT)
    assert fetched.hidden == ("verdict.json",)
    assert verify_run(fetched.path, [key.public]).holds
    assert _states(compare(archive.store, runs)) == {run.path.name: Here.SAME}


def test_a_file_that_somebody_added_there_is_found_by_verify(
    archive: Archive, key: KeyPair, runs: Path, tmp_path: Path
) -> None:
    (run,) = sealed_weeks(runs, key, 1)
    put(run.path, archive, _silent)
    s3.put_bytes(s3.connect(archive.store), archive.store, f"{run.path.name}/more.txt", b"more")
    fetched = fetch(archive.store, run.path.name, tmp_path / "copy")
    (fault,) = verify_run(fetched.path, [key.public]).faults
    assert (fault.about, fault.subject) == ("added", "more.txt")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda run: (run.path / STATEMENT).unlink(), "is not sealed"),
        (lambda run: run.report.write_text("all was well"), "is not as it was sealed"),
        (lambda run: run.verdict.unlink(), "is not as it was sealed"),
        (lambda run: (run.path / STATEMENT).write_text("{}"), "cannot be read"),
    ],
)
def test_what_is_not_as_it_was_sealed_is_not_locked_away(
    archive: Archive,
    key: KeyPair,
    runs: Path,
    spoil: Callable[[RunDirectory], object],
    says: str,
) -> None:
    (run,) = sealed_weeks(runs, key, 1)
    spoil(run)
    with pytest.raises(InputError, match=says):
        put(run.path, archive, _silent)
    assert list(s3.list_objects(s3.connect(archive.store), archive.store)) == []


def test_the_archive_shows_what_a_folder_cannot(
    archive: Archive, key: KeyPair, runs: Path, tmp_path: Path
) -> None:
    """The newest run was removed: the folder verifies, the archive still has it."""
    first, second, third = sealed_weeks(runs, key, 3)
    put(first.path, archive, _silent)
    put(third.path, archive, _silent)
    shutil.rmtree(third.path)
    assert verify_runs(runs, [key.public]).holds
    assert _states(compare(archive.store, runs)) == {
        first.path.name: Here.SAME,
        second.path.name: Here.NOT_ARCHIVED,
        third.path.name: Here.MISSING,
    }
    # ... and a run that was sealed again by another key is another seal.
    shutil.rmtree(first.path)
    forged = make_run(runs, 0)
    (tmp_path / "other").mkdir()
    KeyPair(tmp_path / "other").seal(forged)
    assert _states(compare(archive.store, runs))[first.path.name] is Here.OTHER


def test_a_run_that_is_not_there_cannot_be_fetched(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such run in the archive"):
        fetch(archive.store, "20260101T000000Z-weekly-restore-test", tmp_path)


def test_a_copy_never_overwrites(
    archive: Archive, key: KeyPair, runs: Path, tmp_path: Path
) -> None:
    (run,) = sealed_weeks(runs, key, 1)
    put(run.path, archive, _silent)
    with pytest.raises(InputError, match="is there already"):
        fetch(archive.store, run.path.name, runs)
    assert verify_run(run.path, [key.public]).holds
    del tmp_path


@pytest.mark.parametrize("name", ["{run}/../../escaped", "{run}/a/../../../escaped"])
def test_a_name_that_leads_out_of_the_run_is_refused(
    archive: Archive,
    key: KeyPair,
    runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """This store refuses such names, others take them: the listing is what another would give."""
    (run,) = sealed_weeks(runs, key, 1)
    put(run.path, archive, _silent)
    listed = list(s3.list_versions(s3.connect(archive.store), archive.store))
    planted = [*listed, dataclasses.replace(listed[0], key=name.format(run=run.path.name))]
    monkeypatch.setattr(s3, "list_versions", lambda *_: planted)
    with pytest.raises(InputError, match="its name leads elsewhere"):
        fetch(archive.store, run.path.name, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_an_archive_that_does_not_answer_is_an_error(
    regions: Regions, key: KeyPair, runs: Path
) -> None:
    (run,) = sealed_weeks(runs, key, 1)
    store = replace(regions.primary.store("nowhere", profile="admin"), bucket="nowhere")
    with pytest.raises(StoreError):
        put(run.path, Archive(store=store, retention_days=1), _silent)
