"""Fetches a Redis backup set and lays it out as the directories of servers that will load it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.backup.aof import write_manifest
from harness.backup.layout import Stored
from harness.drivers import process, s3
from harness.errors import RestoreError
from harness.model.subject import ObjectStore
from harness.ports import PhaseProgress
from harness.restore.redis_sets import BackupSet, ShardFiles

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FETCHED_MANIFEST = "fetched.manifest"
"""Names the files as they were fetched, for redis-check-aof; the server does not read it."""

_APPEND_DIRECTORY = "appendonlydir"
_COPY_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The directory of one server, and the files in its AOF directory."""

    shard: ShardFiles
    directory: Path

    @property
    def append_directory(self) -> Path:
        """Where the server has its AOF."""
        return self.directory / _APPEND_DIRECTORY

    @property
    def base(self) -> Path:
        """The base, under the name the server will load it by."""
        suffix = "rdb" if self.shard.base_is_rdb else "aof"
        return self.append_directory / f"appendonly.aof.1.base.{suffix}"

    def increment(self, number: int) -> Path:
        """The `number`th increment, from 1."""
        return self.append_directory / f"appendonly.aof.{number}.incr.aof"

    def piece(self, object_number: int) -> Path:
        """Where an object of an increment is fetched to, before it is appended to its file."""
        return self.directory / f"piece-{object_number}"


def fetch(  # noqa: PLR0913 - what, where to, and how long
    client: S3Client,
    store: ObjectStore,
    chosen: BackupSet,
    directory: Path,
    progress: PhaseProgress | None,
    deadline_ns: int,
) -> tuple[Layout, ...]:
    """Fetches every object, compares its sha256, and puts the increments together.

    Raises RestoreError where content is not what the backup says, StoreError, and
    DeadlineExceededError.
    """
    layouts = tuple(
        Layout(shard=shard, directory=directory / f"shard-{number}")
        for number, shard in enumerate(chosen.shards)
    )
    wanted: list[tuple[Stored, Path]] = []
    for layout in layouts:
        layout.append_directory.mkdir(parents=True)
        base, *pieces = layout.shard.objects()
        wanted.append((base, layout.base))
        wanted.extend((piece, layout.piece(number)) for number, piece in enumerate(pieces))
    s3.fetch_all(
        client,
        store,
        [
            s3.Fetch(key=each.key, destination=path, size_bytes=each.size_bytes)
            for each, path in wanted
        ],
        progress,
        deadline_ns,
    )
    s3.in_parallel(lambda each: compare_content(*each), wanted)
    for layout in layouts:
        _join(layout)
    return layouts


def compare_content(stored: Stored, path: Path) -> None:
    """That a file is what the backup says; RestoreError, naming the object, where it is not."""
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    size = path.stat().st_size
    if (digest, size) != (stored.sha256, stored.size_bytes):
        raise RestoreError(
            f"{stored.key}: got {size} bytes with sha256 {digest}, expected {stored.size_bytes} "
            f"with {stored.sha256}: the object is damaged",
            hint="restore from the other region, or to an earlier time",
        )


def _join(layout: Layout) -> None:
    """Appends the fetched pieces to their increments, and removes them."""
    number = 0
    for place, file in enumerate(layout.shard.increments, start=1):
        with layout.increment(place).open("wb") as whole:
            for _ in file.parts:
                piece = layout.piece(number)
                with piece.open("rb") as content:
                    shutil.copyfileobj(content, whole, _COPY_BYTES)
                piece.unlink()
                number += 1


def truncate(layout: Layout, within_s: float) -> int:
    """Cuts the last increment at the point, by redis-check-aof; how many increments are left.

    The tool takes a manifest, whose last file must be the one to cut (redis 7.0
    src/redis-check-aof.c); the choice of the set sees to that.
    """
    count = len(layout.shard.increments)
    second = layout.shard.truncate_after
    _write_fetched_manifest(layout, count)
    if second is None:
        return count
    last = layout.increment(count)
    if _first_timestamp(last) > second:
        last.unlink()  # nothing in it is early enough, which the tool takes for an error
        _write_fetched_manifest(layout, count - 1)
        return count - 1
    before = last.stat().st_size
    done = process.run(
        ["redis-check-aof", "--truncate-to-timestamp", str(second), FETCHED_MANIFEST],
        directory=layout.append_directory,
        timeout_s=within_s,
    )
    if done.returncode != 0 or last.stat().st_size >= before:
        raise RestoreError(
            f"redis-check-aof --truncate-to-timestamp {second}: cut nothing off {last.name}: "
            f"{done.last_line()}",
            hint=f"cd {layout.append_directory} && redis-check-aof {FETCHED_MANIFEST}",
        )
    return count


def _first_timestamp(path: Path) -> int:
    """The annotation that a file begins with, seconds; 0 where it begins with a command."""
    with path.open("rb") as content:
        line = content.readline(64)
    if not line.startswith(b"#TS:"):
        return 0
    return int(line[4:])


def _write_fetched_manifest(layout: Layout, increments: int) -> None:
    names = [(layout.base.name, "b")]
    names += [(layout.increment(number).name, "i") for number in range(1, increments + 1)]
    (layout.append_directory / FETCHED_MANIFEST).write_text(write_manifest(names), encoding="utf-8")


def make_loadable(layout: Layout, increments: int, user: str | None) -> None:
    """Writes the manifest that the server loads; the fetched files are never written to.

    An empty increment comes last, which takes what is written after the restore: a server loads
    an AOF only through its manifest, and would start empty beside a bare RDB file.
    """
    fresh = layout.increment(increments + 1)
    fresh.touch()
    names = [(layout.base.name, "b")]
    names += [(layout.increment(number).name, "i") for number in range(1, increments + 2)]
    manifest = layout.append_directory / "appendonly.aof.manifest"
    manifest.write_text(write_manifest(names), encoding="utf-8")
    if user is not None and os.geteuid() == 0:
        _give_to(user, [layout.directory, *layout.directory.rglob("*")])


def _give_to(user: str, paths: Sequence[Path]) -> None:
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            shutil.chown(path, user)
