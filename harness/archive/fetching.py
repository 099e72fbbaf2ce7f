"""Fetches an archived run as it was put there, whatever was written over it since."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.drivers import s3
from harness.drivers.s3_errors import by_hand, place_of
from harness.errors import InputError, StoreError
from harness.model.subject import ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A copy of an archived run."""

    path: Path
    files: int
    overwritten: tuple[str, ...]
    """Files of which the bucket has later versions: somebody wrote there after us."""

    hidden: tuple[str, ...]
    """Files with a delete marker: somebody tried to delete them."""


def fetch(store: ObjectStore, run: str, into: Path) -> Fetched:
    """Copies the first version of each file of a run to `into`/`run`.

    What is put is put once, so that the first version is ours: later ones are told, not taken.
    Raises InputError where the directory is there, or a name leads out of it; StoreError where the
    bucket has no such run.
    """
    target = into / run
    if target.exists():
        raise InputError(f"{target}: is there already", hint=f"ls {target}")
    client = s3.connect(store)
    versions = tuple(s3.list_versions(client, store, f"{run}/"))
    first = first_versions(versions)
    if not first:
        raise StoreError(
            f"{place_of(store, run)}: no such run in the archive",
            hint="harness archive list -e ENVIRONMENT",
        )
    wanted = []
    for key, version in first.items():
        path = PurePosixPath(key)
        if ".." in path.parts or path.is_absolute() or path.parts[0] != run:
            raise InputError(
                f"{place_of(store, key)}: is no file of a run: its name leads elsewhere",
                hint=by_hand(store, "s3api list-object-versions", key),
            )
        wanted.append(
            s3.Fetch(
                key=key,
                destination=into / path,
                size_bytes=version.size_bytes,
                etag=version.etag,
                version_id=version.version_id,
            )
        )
    for one in wanted:
        one.destination.parent.mkdir(parents=True, exist_ok=True)
    s3.fetch_all(client, store, wanted)
    own = len(run) + 1
    return Fetched(
        path=target,
        files=len(wanted),
        overwritten=_named(
            one.key[own:]
            for one in versions
            if not one.delete_marker and one.version_id != first[one.key].version_id
        ),
        hidden=_named(one.key[own:] for one in versions if one.delete_marker),
    )


def first_versions(versions: Iterable[s3.Version]) -> dict[str, s3.Version]:
    """Key -> the version that was written first, by the store's order: newest first of each key."""
    return {one.key: one for one in versions if not one.delete_marker}


def _named(keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(keys)))
