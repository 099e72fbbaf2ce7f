"""Speaks S3: bounded in time and attempts, every failure a StoreError that says what to do.

Keys are relative to the store's prefix, in arguments and in what is returned, so that the same
object has the same key in both regions. A body shorter than announced is never a success.
"""

from __future__ import annotations

import contextlib
import enum
import errno
import functools
import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from harness.drivers.clock import HostClock
from harness.drivers.s3_errors import (
    BucketMissingError,
    ObjectMissingError,
    StoreDeniedError,
    by_hand,
    full_key,
    in_short,
    mapped_errors,
    place_of,
)
from harness.errors import DeadlineExceededError, RestoreError, StoreError
from harness.model.subject import ObjectStore
from harness.ports import PhaseProgress

if TYPE_CHECKING:
    from botocore.loaders import Loader
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

__all__ = [
    "Beginning",
    "BucketMissingError",
    "Fetch",
    "Head",
    "Limits",
    "Object",
    "ObjectMissingError",
    "StoreDeniedError",
    "Strategy",
    "Version",
    "connect",
    "delete",
    "fetch",
    "fetch_all",
    "full_key",
    "head",
    "in_parallel",
    "list_objects",
    "list_versions",
    "mapped_errors",
    "present",
    "put_bytes",
    "put_file",
    "read",
    "read_beginning",
    "read_range",
    "read_retention",
]

Item = TypeVar("Item")
Result = TypeVar("Result")

_PART_BYTES = 64 * 1024 * 1024
_PARTS_AT_ONCE = 4
_OBJECTS_AT_ONCE = 8
_CHUNK_BYTES = 1024 * 1024
_BODY_ATTEMPTS = 4
_PAUSE_S = 0.1
"""Before the second attempt at a body; doubled before each further one."""


class Strategy(enum.StrEnum):
    """How one large object is fetched; RANGES was the fastest wherever we measured."""

    RANGES = "ranges"
    """Parallel GETs of 64 MiB ranges, written in place."""

    TRANSFER_MANAGER = "transfer-manager"
    """boto3's transfer manager (s3transfer), threads of 64 MiB parts."""

    CRT = "crt"
    """The AWS Common Runtime client through s3transfer, made explicitly: boto3's
    `preferred_transfer_client=crt` fails on an endpoint with a port (AWS_IO_DNS_INVALID_NAME)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long and how often one request is tried."""

    connect_timeout_s: float = 5.0
    read_timeout_s: float = 30.0
    """The longest silence on a connection, not the length of a transfer."""

    attempts: int = 3
    """Of one request, by botocore (standard mode: connection errors, 429 and 5xx)."""

    connections: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Object:
    """One object as a listing shows it."""

    key: str
    size_bytes: int
    etag: str
    """Without quotes. The MD5 of the content only where one request wrote it without KMS."""

    modified: datetime
    """By the store's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of an object, or a delete marker."""

    key: str
    version_id: str
    size_bytes: int
    """0 for a delete marker."""

    etag: str
    modified: datetime
    latest: bool
    delete_marker: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What HeadObject says of one object."""

    key: str
    size_bytes: int
    etag: str
    modified: datetime
    version_id: str | None
    encryption: str | None
    """`AES256`, `aws:kms`, ...: x-amz-server-side-encryption; None: no such header."""

    lock_mode: str | None
    retain_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """How an object begins."""

    content: bytes
    """Fewer bytes than asked for only where the object is shorter."""

    size_bytes: int
    encryption: str | None
    """As in Head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """One object to be fetched to one file."""

    key: str
    destination: Path
    size_bytes: int | None = None
    """From a listing; None: asked for."""

    etag: str | None = None
    """The object must still have this one, from the first byte to the last; None: asked for where
    it takes more than one request."""

    sha256: str | None = None
    """Hexadecimal; the written file is read again and compared."""

    version_id: str | None = None
    """None: the latest version. Its size is to be given, as only the latest is asked for one."""


def connect(store: ObjectStore, limits: Limits | None = None) -> S3Client:
    """A client for one store; no request is made yet. Clients may be shared between threads.

    Raises StoreError where the credentials file or the profile does not exist.
    """
    import boto3
    import botocore.session
    from botocore.config import Config

    limits = limits or Limits()
    session = botocore.session.Session()
    models = _service_models()
    # Every boto3.Session appends its own path again.
    models.search_paths[:] = dict.fromkeys(models.search_paths)
    session.register_component("data_loader", models)
    if store.credentials_file is not None:
        if not store.credentials_file.is_file():
            raise StoreError(
                f"{place_of(store)}: credentials file {store.credentials_file} does not exist",
                hint=f"ls -l {store.credentials_file}",
            )
        session.set_config_variable("credentials_file", str(store.credentials_file))
    if store.profile is not None or store.credentials_file is not None:
        # An explicit profile also makes botocore ignore AWS_ACCESS_KEY_ID of the environment.
        session.set_config_variable("profile", store.profile or "default")
    config = Config(
        connect_timeout=limits.connect_timeout_s,
        read_timeout=limits.read_timeout_s,
        retries={"mode": "standard", "total_max_attempts": limits.attempts},
        max_pool_connections=limits.connections,
        s3={"addressing_style": "path" if store.path_style else "auto"},
        # Newer checksums are not understood by every S3; lengths and digests are checked here.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    with mapped_errors(store):
        client: S3Client = boto3.Session(
            botocore_session=session, region_name=store.region_name
        ).client(
            "s3",
            endpoint_url=store.endpoint_url,
            verify=str(store.ca_file) if store.ca_file is not None else None,
            config=config,
        )
    if store.endpoint_url is not None:
        client.meta.events.register("before-parameter-build.s3", _no_region_search)
    return client


def _no_region_search(context: dict[str, Any], **_: object) -> None:
    """Keeps botocore from answering a redirect with a search for the bucket's region.

    Only AWS has regions to be found. Elsewhere that search (S3RegionRedirectorv2) is a HeadBucket,
    and where it is redirected as well, botocore searches again until Python's stack is full.
    """
    context.setdefault("s3_redirect", {})["redirected"] = True


@functools.cache
def _service_models() -> Loader:
    """What botocore knows of services, read once: each client would read it again for 0.1 s."""
    import botocore.loaders

    return botocore.loaders.create_loader()


def list_objects(client: S3Client, store: ObjectStore, prefix: str = "") -> Iterator[Object]:
    """All objects whose key begins with `prefix`, in the order of their keys (ListObjectsV2)."""
    cut = len(full_key(store, ""))
    with mapped_errors(store):
        pages = client.get_paginator("list_objects_v2").paginate(
            Bucket=store.bucket, Prefix=full_key(store, prefix)
        )
        for page in pages:
            for item in page.get("Contents", ()):
                yield Object(
                    key=item["Key"][cut:],
                    size_bytes=item["Size"],
                    etag=item["ETag"].strip('"'),
                    modified=item["LastModified"],
                )


def list_versions(client: S3Client, store: ObjectStore, prefix: str = "") -> Iterator[Version]:
    """All versions and delete markers of keys that begin with `prefix` (ListObjectVersions)."""
    cut = len(full_key(store, ""))
    with mapped_errors(store):
        pages = client.get_paginator("list_object_versions").paginate(
            Bucket=store.bucket, Prefix=full_key(store, prefix)
        )
        for page in pages:
            for item in page.get("Versions", ()):
                yield Version(
                    key=item["Key"][cut:],
                    version_id=item["VersionId"],
                    size_bytes=item["Size"],
                    etag=item["ETag"].strip('"'),
                    modified=item["LastModified"],
                    latest=item["IsLatest"],
                    delete_marker=False,
                )
            for marker in page.get("DeleteMarkers", ()):
                yield Version(
                    key=marker["Key"][cut:],
                    version_id=marker["VersionId"],
                    size_bytes=0,
                    etag="",
                    modified=marker["LastModified"],
                    latest=marker["IsLatest"],
                    delete_marker=True,
                )


def head(client: S3Client, store: ObjectStore, key: str, version_id: str | None = None) -> Head:
    """What the store says of an object without sending it.

    Raises ObjectMissingError where there is none. The lock headers are left out by a store where
    the caller may not read them: their absence alone proves nothing (`read_retention` does).
    """
    which: dict[str, Any] = {} if version_id is None else {"VersionId": version_id}
    with mapped_errors(store, key):
        answer = client.head_object(Bucket=store.bucket, Key=full_key(store, key), **which)
    return Head(
        key=key,
        size_bytes=answer["ContentLength"],
        etag=answer["ETag"].strip('"'),
        modified=answer["LastModified"],
        version_id=answer.get("VersionId"),
        encryption=answer.get("ServerSideEncryption"),
        lock_mode=answer.get("ObjectLockMode"),
        retain_until=answer.get("ObjectLockRetainUntilDate"),
    )


def read_retention(
    client: S3Client, store: ObjectStore, key: str, version_id: str | None = None
) -> tuple[str, datetime] | None:
    """Mode and retain-until date by GetObjectRetention; None where the object has no retention.

    Raises StoreDeniedError where the caller may not know.
    """
    from botocore.exceptions import ClientError

    which: dict[str, Any] = {} if version_id is None else {"VersionId": version_id}
    with mapped_errors(store, key):
        try:
            answer = client.get_object_retention(
                Bucket=store.bucket, Key=full_key(store, key), **which
            )
        except ClientError as error:
            # No retention on the object, or no object lock on the whole bucket.
            if error.response.get("Error", {}).get("Code") in {
                "NoSuchObjectLockConfiguration",
                "ObjectLockConfigurationNotFoundError",
                "InvalidRequest",
            }:
                return None
            raise
    retention = answer.get("Retention", {})
    mode, until = retention.get("Mode"), retention.get("RetainUntilDate")
    return (mode, until) if mode is not None and until is not None else None


def read(
    client: S3Client,
    store: ObjectStore,
    key: str,
    at_most_bytes: int = 1 << 28,
    *,
    version_id: str | None = None,
) -> bytes:
    """The whole of an object that fits in memory, its latest version where none is named; a larger
    one is a StoreError.
    """
    return _read(client, store, key, None, at_most_bytes, version_id)


def read_range(client: S3Client, store: ObjectStore, key: str, first: int, length: int) -> bytes:
    """`length` bytes from offset `first`, fewer only where the object ends before."""
    if length < 1:
        return b""
    return _read(client, store, key, (first, length), length)


def read_beginning(client: S3Client, store: ObjectStore, key: str, length: int = 16) -> Beginning:
    """The first bytes of an object and how it is encrypted, from one answer.

    Of an empty object no range can be asked for: its headers come from HeadObject.
    """
    from botocore.exceptions import ClientError

    with mapped_errors(store, key):
        try:
            answer = client.get_object(
                Bucket=store.bucket, Key=full_key(store, key), Range=f"bytes=0-{length - 1}"
            )
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in {"InvalidRange", "416"}:
                raise
            about = head(client, store, key)
            return Beginning(content=b"", size_bytes=about.size_bytes, encryption=about.encryption)
    announced = answer["ContentLength"]
    try:
        content = b"".join(_chunks(answer["Body"], 0, announced))
    except _BrokenBodyError:
        content = read_range(client, store, key, 0, length)  # which has its own attempts
    total = answer.get("ContentRange", "").rpartition("/")[2]
    return Beginning(
        content=content[:length],
        size_bytes=int(total) if total.isdigit() else announced,
        encryption=answer.get("ServerSideEncryption"),
    )


def present(client: S3Client, store: ObjectStore) -> datetime:
    """The store's own clock, to the second (the Date header of a HeadBucket's answer).

    Ages of objects are taken against it, since their dates are the store's, too.
    """
    with mapped_errors(store):
        answer = client.head_bucket(Bucket=store.bucket)
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    if date is None:
        raise StoreError(
            f"{place_of(store)}: its answer has no Date header", hint=by_hand(store, "s3 ls")
        )
    return parsedate_to_datetime(date)


def put_bytes(client: S3Client, store: ObjectStore, key: str, content: bytes) -> None:
    """Writes an object in one request; returns when the store has acknowledged it."""
    with mapped_errors(store, key):
        client.put_object(
            Bucket=store.bucket,
            Key=full_key(store, key),
            Body=content,
            ContentLength=len(content),
        )


def put_file(
    client: S3Client,
    store: ObjectStore,
    key: str,
    source: Path,
    progress: PhaseProgress | None = None,
) -> None:
    """Writes a file as an object, in parallel 64 MiB parts where it is larger than one."""
    from boto3.s3.transfer import TransferConfig

    tally = _Tally(progress, source.stat().st_size)
    with mapped_errors(store, key):
        client.upload_file(
            str(source),
            store.bucket,
            full_key(store, key),
            Config=TransferConfig(
                multipart_threshold=_PART_BYTES,
                multipart_chunksize=_PART_BYTES,
                max_concurrency=_PARTS_AT_ONCE,
                preferred_transfer_client="classic",
            ),
            Callback=tally.add,
        )


def delete(client: S3Client, store: ObjectStore, key: str, version_id: str | None = None) -> None:
    """Deletes an object (a marker, in a versioned bucket) or one version of it for good."""
    which: dict[str, Any] = {} if version_id is None else {"VersionId": version_id}
    with mapped_errors(store, key):
        client.delete_object(Bucket=store.bucket, Key=full_key(store, key), **which)


def fetch(  # noqa: PLR0913 - what, where to, how, and until when
    client: S3Client,
    store: ObjectStore,
    key: str,
    destination: Path,
    progress: PhaseProgress | None = None,
    deadline_ns: int = 0,
    *,
    sha256: str | None = None,
    strategy: Strategy = Strategy.RANGES,
) -> int:
    """Fetches one object to `destination`, in parallel; the number of bytes written.

    Errors and guarantees as `fetch_all`. With another strategy than RANGES the transfer is
    s3transfer's: length and digest are checked all the same, the deadline only when it ends.
    """
    if strategy is Strategy.RANGES:
        wanted = Fetch(key=key, destination=destination, sha256=sha256)
        return fetch_all(client, store, [wanted], progress, deadline_ns)
    about = head(client, store, key)
    tally = _Tally(progress, about.size_bytes)
    file = _File(Fetch(key=key, destination=destination, sha256=sha256), about.size_bytes, 1)
    try:
        with mapped_errors(store, key), _disk_errors(destination):
            if strategy is Strategy.CRT:
                _crt_download(client, store, key, file.partial, tally.add)
            else:
                _classic_download(client, store, key, file.partial, tally.add)
        _check_deadline(store, key, deadline_ns)
        file.finish(store)
    finally:
        file.partial.unlink(missing_ok=True)
    return about.size_bytes


def fetch_all(
    client: S3Client,
    store: ObjectStore,
    wanted: Iterable[Fetch],
    progress: PhaseProgress | None = None,
    deadline_ns: int = 0,
) -> int:
    """Fetches objects in parallel, large ones in ranges; the number of bytes written.

    A range whose body breaks off goes on where it broke off, up to four times in all. A file
    appears under its name only when it is whole: its length is the announced one, the object did
    not change meanwhile (If-Match), and its sha256 is right where one was given.

    `deadline_ns` is an instant of the monotonic clock, 0 for none; it is noticed within the
    client's read timeout. Raises StoreError, ObjectMissingError, DeadlineExceededError, and
    RestoreError where the disk is full; no partial file is left then, whole ones stay.
    """
    files = in_parallel(lambda one: _sized(client, store, one), tuple(wanted), _OBJECTS_AT_ONCE)
    total = sum(file.size_bytes for file in files)
    transfer = _Transfer(client, store, _Tally(progress, total), deadline_ns)
    # Four large ranges at once fill two cores; small objects wait on round trips instead.
    large = any(file.size_bytes > _PART_BYTES for file in files)
    try:
        in_parallel(
            transfer.fetch_part,
            [(file, part) for file in files for part in range(file.parts)],
            _PARTS_AT_ONCE if large else _OBJECTS_AT_ONCE,
            on_failure=transfer.give_up,
        )
    finally:
        for file in files:
            file.partial.unlink(missing_ok=True)
    return total


def in_parallel(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    at_once: int = _OBJECTS_AT_ONCE,
    on_failure: Callable[[], None] | None = None,
) -> list[Result]:
    """`work` of every item, by `at_once` threads, in the order of the items.

    The first exception is raised, after `on_failure`; items not begun by then are not begun.
    """
    with ThreadPoolExecutor(at_once, thread_name_prefix="s3") as pool:
        futures = [pool.submit(work, item) for item in items]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        failure = next((each.exception() for each in done if each.exception() is not None), None)
        if failure is not None:
            if on_failure is not None:
                on_failure()
            pool.shutdown(wait=True, cancel_futures=True)
            raise failure
        return [future.result() for future in futures]


class _Tally:
    """Adds up bytes from many threads for a PhaseProgress."""

    def __init__(self, progress: PhaseProgress | None, total_bytes: int) -> None:
        self._progress = progress
        self._total = total_bytes
        self._done = 0
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        if self._progress is None:
            return
        with self._lock:
            self._done += count
            self._progress.advance(self._done, self._total)


class _File:
    """One file on its way: parts land in `partial`, which gets its name when the last one has."""

    def __init__(self, wanted: Fetch, size_bytes: int, parts: int) -> None:
        self.wanted = wanted
        self.size_bytes = size_bytes
        self.parts = parts
        self.partial = wanted.destination.with_name(f".{wanted.destination.name}.partial")
        self._missing = parts
        self._reserved = False
        self._lock = threading.Lock()

    def range_of(self, part: int) -> tuple[int, int]:
        """First byte and end (exclusive) of a part."""
        first = part * _PART_BYTES
        return first, min(first + _PART_BYTES, self.size_bytes)

    def open(self) -> int:
        """A descriptor to write to; the first call takes the whole space, so a full disk shows
        at once.
        """
        with self._lock, _disk_errors(self.wanted.destination):
            flags = os.O_WRONLY | os.O_CLOEXEC
            if self._reserved:
                return os.open(self.partial, flags)
            descriptor = os.open(self.partial, flags | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                if self.size_bytes:
                    os.posix_fallocate(descriptor, 0, self.size_bytes)
            except OSError:
                os.close(descriptor)
                raise
            self._reserved = True
            return descriptor

    def landed(self, store: ObjectStore) -> None:
        """One more part is there; after the last one the file is checked and gets its name."""
        with self._lock:
            self._missing -= 1
            last = self._missing == 0
        if last:
            self.finish(store)

    def finish(self, store: ObjectStore) -> None:
        """Checks length and digest and gives the file its name."""
        place, wanted = place_of(store, self.wanted.key), self.wanted
        got = self.partial.stat().st_size
        if got != self.size_bytes:
            raise StoreError(f"{place}: got {got} bytes, expected {self.size_bytes}")
        if wanted.sha256 is not None:
            with self.partial.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != wanted.sha256:
                raise StoreError(
                    f"{place}: sha256 of what was fetched is {digest}, expected {wanted.sha256}: "
                    "the object is damaged, or is not the one that was written",
                    hint=by_hand(store, "s3api list-object-versions", wanted.key),
                )
        self.partial.rename(wanted.destination)


def _sized(client: S3Client, store: ObjectStore, one: Fetch) -> _File:
    """Asks for the size, and for the etag where more than one request must see the same object."""
    size, etag = one.size_bytes, one.etag
    if size is None or (etag is None and size > _PART_BYTES):
        about = head(client, store, one.key)
        if size not in {None, about.size_bytes} or etag not in {None, about.etag}:
            raise StoreError(
                f"{place_of(store, one.key)}: is {about.size_bytes} bytes with etag {about.etag}, "
                f"expected {size} bytes with etag {etag}: it changed after it was listed",
                hint=by_hand(store, "s3api list-object-versions", one.key),
            )
        size, etag = about.size_bytes, about.etag
    return _File(replace(one, etag=etag), size, max(1, -(-size // _PART_BYTES)))


class _Transfer:
    """What all parts of one `fetch_all` share."""

    def __init__(
        self, client: S3Client, store: ObjectStore, tally: _Tally, deadline_ns: int
    ) -> None:
        self._client = client
        self._store = store
        self._tally = tally
        self._deadline_ns = deadline_ns
        self._given_up = threading.Event()

    def give_up(self) -> None:
        """Parts under way end at their next chunk."""
        self._given_up.set()

    def fetch_part(self, which: tuple[_File, int]) -> None:
        file, part = which
        position, end = file.range_of(part)
        descriptor = file.open()
        try:
            for attempt in range(1, _BODY_ATTEMPTS + 1):
                try:
                    for chunk in self._body(file, position, end):
                        with _disk_errors(file.wanted.destination):
                            _write_at(descriptor, chunk, position)
                        position += len(chunk)
                        self._tally.add(len(chunk))
                    break
                except _BrokenBodyError as broken:
                    if attempt == _BODY_ATTEMPTS:
                        raise StoreError(
                            f"{place_of(self._store, file.wanted.key)}: the body broke off "
                            f"{attempt} times, the last time at byte {broken.position} of "
                            f"{file.size_bytes}: {broken}",
                            hint=by_hand(self._store, "s3 cp", file.wanted.key) + " /dev/null",
                        ) from broken
                    position = broken.position
                    self._given_up.wait(_PAUSE_S * 2 ** (attempt - 1))
        finally:
            os.close(descriptor)
        file.landed(self._store)

    def _body(self, file: _File, position: int, end: int) -> Iterator[bytes]:
        """The bytes [position, end) of an object as they come; all of them or an exception."""
        wanted, store = file.wanted, self._store
        which: dict[str, Any] = {}
        if wanted.version_id is not None:
            which["VersionId"] = wanted.version_id
        if (position, end) != (0, file.size_bytes):
            which["Range"] = f"bytes={position}-{end - 1}"
        if wanted.etag is not None:
            which["IfMatch"] = f'"{wanted.etag}"'
        self._check_time(wanted.key)
        with mapped_errors(store, wanted.key):
            answer = self._client.get_object(
                Bucket=store.bucket, Key=full_key(store, wanted.key), **which
            )
        _check_announced(store, wanted.key, answer, position, end)
        for chunk in _chunks(answer["Body"], position, end):
            yield chunk
            self._check_time(wanted.key)

    def _check_time(self, key: str) -> None:
        if self._given_up.is_set():
            raise StoreError(f"{place_of(self._store, key)}: given up, another object failed")
        _check_deadline(self._store, key, self._deadline_ns)


class _BrokenBodyError(Exception):
    """A body ended before its announced length; `position` is the first byte not received."""

    def __init__(self, position: int, why: str) -> None:
        super().__init__(why)
        self.position = position


def _chunks(body: StreamingBody, position: int, end: int) -> Iterator[bytes]:
    """Reads a body that must be end - position bytes long, in chunks of at most 1 MiB."""
    import urllib3.exceptions
    from botocore.exceptions import BotoCoreError

    with contextlib.closing(body):
        while True:
            try:
                chunk = body.read(_CHUNK_BYTES)
            except (BotoCoreError, urllib3.exceptions.HTTPError, OSError) as error:
                raise _BrokenBodyError(position, in_short(error)) from error
            if not chunk:
                break
            yield chunk
            position += len(chunk)
    if position != end:
        raise _BrokenBodyError(position, f"{end - position} bytes are missing")


def _check_announced(
    store: ObjectStore, key: str, answer: GetObjectOutputTypeDef, position: int, end: int
) -> None:
    """That the answer announces the bytes asked for; a store that ignores ranges is caught here."""
    length = answer["ContentLength"]
    where = answer.get("ContentRange", f"bytes {position}-{end - 1}/")
    if length != end - position or not where.startswith(f"bytes {position}-{end - 1}/"):
        answer["Body"].close()
        raise StoreError(
            f"{place_of(store, key)}: the store announced {length} bytes ({where}), expected "
            f"{end - position} bytes from byte {position}",
            hint=by_hand(store, "s3api head-object", key),
        )


def _read(  # noqa: PLR0913 - which bytes of which object
    client: S3Client,
    store: ObjectStore,
    key: str,
    span: tuple[int, int] | None,
    at_most: int,
    version_id: str | None = None,
) -> bytes:
    """A whole object or a span (first, length) of one, begun anew where its body breaks off."""
    which: dict[str, Any] = {} if version_id is None else {"VersionId": version_id}
    if span is not None:
        which["Range"] = f"bytes={span[0]}-{span[0] + span[1] - 1}"
    broken: _BrokenBodyError | None = None
    for _ in range(_BODY_ATTEMPTS):
        with mapped_errors(store, key):
            answer = client.get_object(Bucket=store.bucket, Key=full_key(store, key), **which)
        length = answer["ContentLength"]
        if length > at_most:
            answer["Body"].close()
            raise StoreError(
                f"{place_of(store, key)}: got {length} bytes, expected at most {at_most}",
                hint=by_hand(store, "s3api head-object", key),
            )
        try:
            return b"".join(_chunks(answer["Body"], 0, length))
        except _BrokenBodyError as error:
            broken = error
    raise StoreError(
        f"{place_of(store, key)}: the body broke off {_BODY_ATTEMPTS} times: {broken}",
        hint=by_hand(store, "s3api head-object", key),
    ) from broken


def _write_at(descriptor: int, chunk: bytes, position: int) -> None:
    """Pwrite until all is written: it may write less, as write(2) may."""
    view = memoryview(chunk)
    while view:
        written = os.pwrite(descriptor, view, position)
        view, position = view[written:], position + written


def _classic_download(
    client: S3Client, store: ObjectStore, key: str, path: Path, add: Callable[[int], None]
) -> None:
    from boto3.s3.transfer import TransferConfig

    client.download_file(
        store.bucket,
        full_key(store, key),
        str(path),
        Config=TransferConfig(
            multipart_threshold=_PART_BYTES,
            multipart_chunksize=_PART_BYTES,
            max_concurrency=_PARTS_AT_ONCE,
            preferred_transfer_client="classic",
        ),
        Callback=add,
    )


def _crt_download(
    client: S3Client, store: ObjectStore, key: str, path: Path, add: Callable[[int], None]
) -> None:
    import botocore.session
    from botocore.config import Config
    from s3transfer.crt import (
        BotocoreCRTCredentialsWrapper,
        BotocoreCRTRequestSerializer,
        CRTTransferManager,
        create_s3_crt_client,
    )
    from s3transfer.futures import TransferFuture
    from s3transfer.subscribers import BaseSubscriber

    class Progress(BaseSubscriber):
        def on_progress(self, future: TransferFuture, bytes_transferred: int, **_: object) -> None:
            del future  # s3transfer passes it by name
            add(bytes_transferred)

    # The credentials that the client signs with; botocore has no public name for them.
    credentials = client._request_signer._credentials  # type: ignore[attr-defined] # noqa: SLF001
    crt_client = create_s3_crt_client(
        store.region_name,
        crt_credentials_provider=BotocoreCRTCredentialsWrapper(
            credentials
        ).to_crt_credentials_provider(),
        verify=str(store.ca_file) if store.ca_file is not None else None,
        part_size=_PART_BYTES,
        use_ssl=not (store.endpoint_url or "").startswith("http:"),
    )
    serializer = BotocoreCRTRequestSerializer(
        botocore.session.Session(),
        {
            "region_name": store.region_name,
            "endpoint_url": store.endpoint_url,
            "config": Config(
                s3={"addressing_style": "path" if store.path_style else "auto"},
                response_checksum_validation="when_required",
            ),
        },
    )
    with CRTTransferManager(crt_client, serializer) as transfers:
        transfers.download(
            store.bucket, full_key(store, key), str(path), subscribers=[Progress()]
        ).result()


def _check_deadline(store: ObjectStore, key: str, deadline_ns: int) -> None:
    if deadline_ns and HostClock().monotonic_ns() > deadline_ns:
        raise DeadlineExceededError(f"{place_of(store, key)}: not fetched by its deadline")


@contextlib.contextmanager
def _disk_errors(destination: Path) -> Iterator[None]:
    """A disk that is full, or cannot be written to, is not the store's fault."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise RestoreError(
                f"{destination}: {os.strerror(error.errno)} while fetching",
                hint=f"df -h {destination.parent}",
            ) from error
        if error.errno in {errno.EACCES, errno.ENOENT, errno.EROFS, errno.EIO, errno.EISDIR}:
            raise RestoreError(
                f"{destination}: cannot be written: {os.strerror(error.errno)}",
                hint=f"ls -ld {destination.parent}",
            ) from error
        raise
