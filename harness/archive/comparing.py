"""Compares a folder of sealed runs with the archive: what a folder alone cannot show is gone."""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from harness.archive.fetching import first_versions
from harness.drivers import s3
from harness.model.subject import ObjectStore
from harness.seal import bundle
from harness.seal.statement import STATEMENT


class Here(enum.StrEnum):
    """What the folder has of a run."""

    SAME = "same"
    """The same seal."""

    OTHER = "other seal"
    """Another seal of the same run: it was sealed again, by whomever."""

    MISSING = "not here"
    """In the archive only."""

    NOT_ARCHIVED = "not archived"
    """In the folder only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One run of the archive, the folder, or both."""

    run: str
    here: Here
    archived: datetime | None = None
    """When its seal arrived, by the store's clock; None: it is not archived."""

    locked: tuple[str, datetime] | None = None
    """Mode and end of the lock of its seal."""


def compare(store: ObjectStore, runs: Path) -> tuple[Compared, ...]:
    """All runs, by name. `runs` may hold none, or not be there. Raises StoreError."""
    client = s3.connect(store)
    ours = {path.name: path for path in bundle.sealed_runs(runs)} if runs.is_dir() else {}
    seals = {
        key.removesuffix(f"/{STATEMENT}"): version
        for key, version in first_versions(s3.list_versions(client, store)).items()
        if key.endswith(f"/{STATEMENT}")
    }

    def look(run: str) -> Compared:
        version = seals[run]
        here = Here.MISSING
        if run in ours:
            sealed = s3.read(client, store, version.key, version_id=version.version_id)
            same = hashlib.sha256(sealed).hexdigest() == bundle.digest_of(ours[run] / STATEMENT)
            here = Here.SAME if same else Here.OTHER
        locked = s3.read_retention(client, store, version.key, version.version_id)
        return Compared(run=run, here=here, archived=version.modified, locked=locked)

    found = s3.in_parallel(look, sorted(seals))
    found += [
        Compared(run=name, here=Here.NOT_ARCHIVED) for name in sorted(ours.keys() - seals.keys())
    ]
    return tuple(sorted(found, key=lambda one: one.run))
