"""Has the practice PostgreSQL archive what it wrote so far, and waits until the store has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.drivers import s3
from harness.drivers.clock import wait_until
from harness.drivers.postgres import connect
from harness.errors import SurroundingsError
from harness.model.subject import ObjectStore
from harness.practice.platform import Practice
from harness.practice.postgres import STANZA

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ARCHIVED_WITHIN_S = 60.0

# The sentence before pg_switch_wal's answer in the manual: "the ending write-ahead log location
# plus 1 within the just-completed write-ahead log file", so its file is the one completed. The
# message makes sure that there is something to complete: without any WAL nothing is switched.
_SWITCH = """SELECT pg_logical_emit_message(false, 'practice', 'a segment of its own'),
  pg_walfile_name(pg_switch_wal())"""


def switch_wal(practice: Practice) -> str:
    """Completes the current WAL segment; its name."""
    with connect(practice.postgres.endpoint) as connection:
        row = connection.execute(_SWITCH).fetchone()
    if row is None:
        raise SurroundingsError(f"{STANZA}: pg_switch_wal gave no answer")
    return str(row[1])


def await_archived(client: S3Client, store: ObjectStore, *segments: str) -> dict[str, str]:
    """Segment -> key of the archive, as soon as it holds all `segments`; `store` is the stanza's.

    Asynchronous archiving pushes several at once (pgBackRest's `archive-async`, `process-max`), so
    that a later one may arrive first.
    """

    def archived() -> dict[str, str] | None:
        found = {
            name[:24]: each.key
            for each in s3.list_objects(client, store, f"archive/{STANZA}/")
            # SEGMENT-CHECKSUM.zst; not SEGMENT.OFFSET.backup
            if (name := each.key.rsplit("/", 1)[-1])[24:25] == "-"
        }
        return found if found.keys() >= set(segments) else None

    return wait_until(
        archived,
        within_s=_ARCHIVED_WITHIN_S,
        what=f"{STANZA}: {', '.join(segments)} in the archive",
        every_s=0.2,
    )
