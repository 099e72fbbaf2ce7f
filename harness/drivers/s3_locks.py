"""Writes objects of S3 that nobody can change: once, with a retention that is read back."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.drivers.s3 import full_key, mapped_errors, read_retention
from harness.drivers.s3_errors import by_hand, place_of
from harness.errors import StoreError
from harness.model.subject import ObjectStore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Mode = Literal["COMPLIANCE", "GOVERNANCE"]
"""GOVERNANCE yields to whoever may bypass it (S3 User Guide, "Locking objects")."""

ONE_REQUEST_BYTES = 5 * 2**30
"""The largest object of one PutObject (S3 User Guide, "Uploading objects")."""

_YEAR_DAYS = 365
"""Of a default retention that is given in years."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketLock:
    """What a bucket says of its lock."""

    default: timedelta
    """How long an object is locked that names no retention; zero: not at all."""

    present: datetime
    """The store's own clock: it decides when a retention is over."""


def read_bucket_lock(client: S3Client, store: ObjectStore) -> BucketLock | None:
    """The bucket's Object Lock configuration; None where it has no Object Lock.

    Raises StoreDeniedError where the caller may not know, BucketMissingError, StoreError.
    """
    from botocore.exceptions import ClientError

    with mapped_errors(store):
        try:
            answer = client.get_object_lock_configuration(Bucket=store.bucket)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in {
                "ObjectLockConfigurationNotFoundError",
                "NoSuchObjectLockConfiguration",
            }:
                return None
            raise
    configuration = answer.get("ObjectLockConfiguration", {})
    if configuration.get("ObjectLockEnabled") != "Enabled":
        return None
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    if date is None:
        raise StoreError(
            f"{place_of(store)}: its answer has no Date header", hint=by_hand(store, "s3 ls")
        )
    rule = configuration.get("Rule", {}).get("DefaultRetention", {})
    days = rule.get("Days", 0) + _YEAR_DAYS * rule.get("Years", 0)
    return BucketLock(default=timedelta(days=days), present=parsedate_to_datetime(date))


def put_locked(  # noqa: PLR0913 - what, where to, for how long
    client: S3Client,
    store: ObjectStore,
    key: str,
    source: Path,
    *,
    sha256: str,
    mode: Mode,
    until: datetime,
) -> bool:
    """Writes a file as an object that must not be there yet, and locks it in the same request.

    `sha256` (64 hex digits) is sent along: the store refuses a body that is otherwise. False where
    an object is there under that key (If-None-Match, RFC 9110 section 13.1.2): nothing was written.
    Raises StoreError, of a file over 5 GiB too.
    """
    from botocore.exceptions import ClientError

    size = source.stat().st_size
    if size > ONE_REQUEST_BYTES:
        raise StoreError(
            f"{source}: got {size} bytes, expected at most {ONE_REQUEST_BYTES}: that much is "
            "written in one request, which is needed to write it once"
        )
    with mapped_errors(store, key), source.open("rb") as body:
        try:
            client.put_object(
                Bucket=store.bucket,
                Key=full_key(store, key),
                Body=body,
                ContentLength=size,
                ChecksumSHA256=base64.b64encode(bytes.fromhex(sha256)).decode(),
                IfNoneMatch="*",
                ObjectLockMode=mode,
                ObjectLockRetainUntilDate=until,
            )
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in {"PreconditionFailed", "412"}:
                return False
            raise
    return True


def check_retention(
    client: S3Client, store: ObjectStore, key: str, mode: Mode, until: datetime
) -> datetime:
    """Until when the store says that the object is locked, by GetObjectRetention.

    Raises StoreError where that is not at all, in a weaker mode, or for less long than `until`, to
    the second.
    """
    found = read_retention(client, store, key)
    hint = by_hand(store, "s3api get-object-retention", key)
    if found is None:
        raise StoreError(f"{place_of(store, key)}: is not locked, although asked to be", hint=hint)
    got_mode, got_until = found
    weaker = mode == "COMPLIANCE" and got_mode != mode
    if weaker or got_until < until.replace(microsecond=0):
        raise StoreError(
            f"{place_of(store, key)}: is locked until {got_until:%Y-%m-%d %H:%M:%S} UTC in mode "
            f"{got_mode}, expected {until:%Y-%m-%d %H:%M:%S} in mode {mode}",
            hint=hint,
        )
    return got_until
