"""Fetching from a store that misbehaves in memory: whole files or an error, never a short one."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore import exceptions as botocore_exceptions
from botocore.response import StreamingBody
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.drivers import s3
from harness.drivers.clock import HostClock
from harness.errors import DeadlineExceededError, RestoreError, StoreError
from harness.model.subject import ObjectStore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

STORE = ObjectStore(bucket="b", prefix="p")


class _Breaking(io.BytesIO):
    """A body that is reset after `after` bytes."""

    def __init__(self, content: bytes, after: int) -> None:
        super().__init__(content)
        self._after = after

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = len(self.getvalue()) if size is None or size < 0 else size
        left = self._after - self.tell()
        if left <= 0:
            raise ConnectionResetError(errno.ECONNRESET, "reset by peer")
        return super().read(min(wanted, left))


def _answer(code: str, status: int) -> botocore_exceptions.ClientError:
    response: dict[str, Any] = {
        "Error": {"Code": code},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return botocore_exceptions.ClientError(response, "GetObject")  # type: ignore[arg-type] # a dict


class _Store:
    """As much of a client as fetching uses, over a dictionary."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects = objects
        self.breaks: list[int] = []
        """After how many bytes the next bodies are reset."""

        self.short_by = 0
        self.ignores_ranges = False
        self.requests: list[tuple[str, str | None]] = []

    def _find(self, key: str) -> bytes:
        if key not in self.objects:
            raise _answer("NoSuchKey", 404)
        return self.objects[key]

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 - boto3's
        assert Bucket == "b"
        content = self._find(Key)
        return {
            "ContentLength": len(content),
            "ETag": f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"',
            "LastModified": datetime(2026, 1, 1, tzinfo=UTC),
        }

    def get_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        Range: str | None = None,  # noqa: N803
        IfMatch: str | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        head = self.head_object(Bucket=Bucket, Key=Key)
        self.requests.append((Key, Range))
        if IfMatch is not None and head["ETag"] != IfMatch:
            raise _answer("PreconditionFailed", 412)
        content, answer = self.objects[Key], dict[str, Any]()
        if Range is not None and not self.ignores_ranges:
            first, last = (int(each) for each in Range.removeprefix("bytes=").split("-"))
            answer["ContentRange"] = f"bytes {first}-{last}/{len(content)}"
            content = content[first : last + 1]
        sent = content[: len(content) - self.short_by]
        raw = _Breaking(sent, self.breaks.pop(0)) if self.breaks else io.BytesIO(sent)
        return {
            **answer,
            "ContentLength": len(content),
            "Body": StreamingBody(raw, content_length=len(content)),
        }

    @property
    def client(self) -> S3Client:
        return cast("S3Client", self)


class _Progress:
    def __init__(self) -> None:
        self.advanced: list[tuple[int, int | None]] = []

    def advance(self, done_bytes: int, total_bytes: int | None = None) -> None:
        self.advanced.append((done_bytes, total_bytes))

    def note(self, text: str) -> None:
        raise AssertionError(text)


def _left_over(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_nothing_wanted_is_nothing_fetched() -> None:
    """No objects, no requests, no bytes."""
    store = _Store({})
    assert s3.fetch_all(store.client, STORE, []) == 0
    assert store.requests == []


def test_an_empty_object_becomes_an_empty_file(tmp_path: Path) -> None:
    """Of nothing no range can be asked for; the file is there all the same."""
    store = _Store({"p/k": b""})
    assert s3.fetch(store.client, STORE, "k", tmp_path / "f") == 0
    assert (tmp_path / "f").read_bytes() == b""


@settings(max_examples=40, deadline=None)
@given(
    content=st.binary(min_size=0, max_size=200),
    part=st.integers(1, 70),
    breaks=st.lists(st.integers(1, 60), max_size=3),
)
def test_what_arrives_is_what_is_there(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, part: int, breaks: list[int]
) -> None:
    """Whatever the sizes of object and parts, and wherever up to three bodies break off."""
    directory = tmp_path_factory.mktemp("fetch")
    store, progress = _Store({"p/k": content}), _Progress()
    store.breaks = breaks
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(s3, "_PART_BYTES", part)
        patch.setattr(s3, "_CHUNK_BYTES", 7)
        patch.setattr(s3, "_PAUSE_S", 0)
        assert s3.fetch(store.client, STORE, "k", directory / "f", progress) == len(content)
    assert (directory / "f").read_bytes() == content
    assert _left_over(directory) == ["f"]
    if content:
        assert progress.advanced[-1] == (len(content), len(content))
    counts = [done for done, _ in progress.advanced]
    assert counts == sorted(counts)


def test_a_body_that_breaks_off_each_time_fails_loudly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After four attempts the error says where it broke off; no file is left."""
    monkeypatch.setattr(s3, "_PAUSE_S", 0)
    store = _Store({"p/k": b"x" * 100})
    store.breaks = [10] * 100
    with pytest.raises(StoreError, match="broke off 4 times, the last time at byte 40 of 100"):
        s3.fetch(store.client, STORE, "k", tmp_path / "f")
    assert store.requests == [
        ("p/k", None),
        ("p/k", "bytes=10-99"),
        ("p/k", "bytes=20-99"),
        ("p/k", "bytes=30-99"),
    ]
    assert _left_over(tmp_path) == []


def test_a_short_body_without_an_error_fails_loudly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body that simply ends early is no success, however politely it ends."""
    monkeypatch.setattr(s3, "_PAUSE_S", 0)
    store = _Store({"p/k": b"x" * 100})
    store.short_by = 1
    with pytest.raises(StoreError, match="broke off"):
        s3.fetch(store.client, STORE, "k", tmp_path / "f")
    assert _left_over(tmp_path) == []


def test_a_store_that_ignores_ranges_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole object instead of a range would be written over its neighbours."""
    monkeypatch.setattr(s3, "_PART_BYTES", 40)
    store = _Store({"p/k": b"x" * 100})
    store.ignores_ranges = True
    with pytest.raises(StoreError, match="announced 100 bytes"):
        s3.fetch(store.client, STORE, "k", tmp_path / "f")
    assert _left_over(tmp_path) == []


def test_an_object_that_changed_since_its_listing_is_refused(tmp_path: Path) -> None:
    """A part of the old and a part of the new object would be neither."""
    store = _Store({"p/k": b"new"})
    wanted = s3.Fetch(key="k", destination=tmp_path / "f", size_bytes=3, etag="of the old one")
    with pytest.raises(StoreError, match="changed while it was being read"):
        s3.fetch_all(store.client, STORE, [wanted])
    assert _left_over(tmp_path) == []


def test_a_listed_size_that_is_not_the_sent_one_is_refused(tmp_path: Path) -> None:
    """A listing that is older than the object must not cut it."""
    store = _Store({"p/k": b"longer than listed"})
    wanted = s3.Fetch(key="k", destination=tmp_path / "f", size_bytes=3)
    with pytest.raises(StoreError, match="announced 18 bytes"):
        s3.fetch_all(store.client, STORE, [wanted])


def test_a_wrong_digest_is_refused(tmp_path: Path) -> None:
    """One flipped bit: the message says both digests, and no file is left."""
    store = _Store({"p/k": b"content"})
    digest = hashlib.sha256(b"Content").hexdigest()
    with pytest.raises(StoreError, match=f"expected {digest}"):
        s3.fetch(store.client, STORE, "k", tmp_path / "f", sha256=digest)
    assert _left_over(tmp_path) == []


def test_the_right_digest_passes(tmp_path: Path) -> None:
    """The digest of what was written is the digest of what was fetched."""
    store = _Store({"p/k": b"content"})
    digest = hashlib.sha256(b"content").hexdigest()
    s3.fetch(store.client, STORE, "k", tmp_path / "f", sha256=digest)
    assert (tmp_path / "f").read_bytes() == b"content"


def test_one_missing_object_fails_all_and_names_itself(tmp_path: Path) -> None:
    """The error is about the object that is missing, not about those given up because of it."""
    store = _Store({f"p/{number}": b"x" for number in range(50)})
    wanted = [
        s3.Fetch(key=str(number), destination=tmp_path / str(number), size_bytes=1)
        for number in range(51)
    ]
    with pytest.raises(s3.ObjectMissingError, match="s3://b/p/50 "):
        s3.fetch_all(store.client, STORE, wanted)
    assert not any(name.endswith(".partial") for name in _left_over(tmp_path))
    assert "50" not in _left_over(tmp_path)


def test_a_passed_deadline_gives_up(tmp_path: Path) -> None:
    """Nothing is fetched after the deadline, and nothing is left."""
    store = _Store({"p/k": b"content"})
    with pytest.raises(DeadlineExceededError, match="s3://b/p/k"):
        s3.fetch(store.client, STORE, "k", tmp_path / "f", None, HostClock().monotonic_ns() - 1)
    assert _left_over(tmp_path) == []


def test_a_full_disk_is_not_the_stores_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The space is taken before the first byte is asked for; the hint is df."""

    def full(_descriptor: int, _offset: int, _length: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    store = _Store({"p/k": b"content"})
    with pytest.raises(RestoreError, match="No space left") as caught:
        s3.fetch(store.client, STORE, "k", tmp_path / "f")
    assert caught.value.hint == f"df -h {tmp_path}"
    assert store.requests == []
    assert _left_over(tmp_path) == []


def test_a_missing_directory_is_not_the_stores_fault(tmp_path: Path) -> None:
    """It is a RestoreError that names the path."""
    store = _Store({"p/k": b"content"})
    with pytest.raises(RestoreError, match="cannot be written"):
        s3.fetch(store.client, STORE, "k", tmp_path / "absent" / "f")


def test_reading_into_memory_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small object whose body breaks off is read again; four times at most."""
    monkeypatch.setattr(s3, "_PAUSE_S", 0)
    store = _Store({"p/k": b"content"})
    store.breaks = [3, 2]
    assert s3.read(store.client, STORE, "k") == b"content"
    store.breaks = [3] * 9
    with pytest.raises(StoreError, match="broke off 4 times"):
        s3.read(store.client, STORE, "k")


def test_an_object_too_large_for_memory_is_refused() -> None:
    """The limit is checked on the announced length, before the body is read."""
    store = _Store({"p/k": b"content"})
    with pytest.raises(StoreError, match="got 7 bytes, expected at most 6"):
        s3.read(store.client, STORE, "k", at_most_bytes=6)


def test_work_in_parallel_keeps_the_order_and_raises_the_first_failure() -> None:
    """Results come in the order of the items; of nothing, nothing."""
    assert s3.in_parallel(str, [], 4) == []
    assert s3.in_parallel(str, range(100), 4) == [str(number) for number in range(100)]
    with pytest.raises(ZeroDivisionError):
        s3.in_parallel(lambda number: 1 // number, [1, 0, 1], 2)
