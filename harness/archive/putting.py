"""Puts a sealed run into a locked bucket: each file once, the seal last, every lock read back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from harness.drivers import s3
from harness.drivers.s3_errors import by_hand, place_of
from harness.drivers.s3_locks import check_retention, put_locked, read_bucket_lock
from harness.errors import InputError, StoreError
from harness.seal import bundle
from harness.seal.signing import open_envelope, read_statement
from harness.seal.statement import STATEMENT, TIMESTAMP
from harness.settings import Archive

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_BATCH = 32
"""Files that are sent before it is said how far it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """A run that is in the bucket, whole."""

    place: str
    files: int
    before: int
    """Of them, those that were there already, as they are here."""

    until: datetime
    """Until when the first of its locks holds, by the store's clock."""


def put(run: Path, archive: Archive, narrate: Callable[[str], None]) -> Archived:
    """Archives a sealed run under its own name; `narrate` is told how far it is.

    The envelope of the seal goes last: without it, nobody takes what is there for a run. Done
    again, it goes on where it was cut off. Raises InputError where the run is not sealed, or is
    not as it was sealed; StoreError where the bucket has no Object Lock (nothing is sent then),
    does not lock what it was told to, or holds something else under a name of the run.
    """
    digests = _digests(run)
    store = archive.store
    client = s3.connect(store)
    lock = read_bucket_lock(client, store)
    if lock is None:
        raise StoreError(
            f"{place_of(store)}: the bucket has no Object Lock: whatever is put there can be "
            "changed; nothing was sent",
            hint=f"aws s3api create-bucket --bucket {store.bucket} --object-lock-enabled-for-bucket"
            "  # as its owner",
        )
    until = lock.present + max(timedelta(days=archive.retention_days), lock.default)
    upload = _Upload(client=client, run=run, archive=archive, until=until)
    done = 0
    before = 0
    locked: list[datetime] = []
    for batch in _batches(digests):
        for found, there in s3.in_parallel(lambda name: upload.one(name, digests[name]), batch):
            locked.append(found)
            before += there
        done += len(batch)
        if len(digests) > _BATCH:
            narrate(f"archived {done} of {len(digests)} files")
    return Archived(
        place=place_of(store, run.name), files=len(digests), before=before, until=min(locked)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Upload:
    client: S3Client
    run: Path
    archive: Archive
    until: datetime

    def one(self, name: str, sha256: str) -> tuple[datetime, bool]:
        """Until when it is locked, and whether it was there before."""
        store, key = self.archive.store, f"{self.run.name}/{name}"
        written = put_locked(
            self.client,
            store,
            key,
            self.run / name,
            sha256=sha256,
            mode=self.archive.mode,
            until=self.until,
        )
        if not written:
            found = hashlib.sha256(s3.read(self.client, store, key, 1 << 32)).hexdigest()
            if found != sha256:
                raise StoreError(
                    f"{place_of(store, key)}: something else is there already: SHA-256 "
                    f"{found[:12]}…, of the run {sha256[:12]}…",
                    hint=by_hand(store, "s3api list-object-versions", key),
                )
        # What was there is locked as it was then: for as long as was asked, it need not be.
        until = self.until if written else self.until - timedelta(days=self.archive.retention_days)
        return check_retention(self.client, store, key, self.archive.mode, until), not written


def _digests(run: Path) -> dict[str, str]:
    """Each file to be sent -> SHA-256, in the order in which they go."""
    if not bundle.is_sealed(run):
        raise InputError(
            f"{run}: is not sealed: of what is not, nobody can tell whether it is the run",
            hint=f"harness seal {run} --key PRIVATE",
        )
    envelope = run / STATEMENT
    try:
        sealed = read_statement(open_envelope(envelope.read_bytes(), ())).files
    except ValueError as error:
        raise InputError(
            f"{envelope}: cannot be read: {error}", hint=f"harness verify {run} --key PUBLIC"
        ) from error
    digests = {}
    for name in sorted(sealed):
        path = run / name
        found = None
        if path.is_file() and not path.is_symlink():
            found = bundle.digest_of(path)
        if found != sealed[name]:
            raise InputError(
                f"{path}: is not as it was sealed: it is not locked away so",
                hint=f"harness verify {run} --key PUBLIC",
            )
        digests[name] = sealed[name]
    for name in (TIMESTAMP, STATEMENT):
        if (run / name).is_file():
            digests[name] = bundle.digest_of(run / name)
    return digests


def _batches(digests: dict[str, str]) -> Sequence[Sequence[str]]:
    """Names in batches that may go at once; the seal alone, and last."""
    names = [name for name in digests if name != STATEMENT]
    batches = [names[first : first + _BATCH] for first in range(0, len(names), _BATCH)]
    return [*batches, [STATEMENT]]
