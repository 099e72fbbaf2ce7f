"""Archives runs as their environment says, and says where they are and until when."""

from __future__ import annotations

import sys

import click

from harness.errors import HarnessError, RecordError
from harness.settings import Archive
from harness.store import RunDirectory


def archive_at_its_end(run: RunDirectory, archive: Archive) -> None:
    """Archives a run that was just sealed. Whatever keeps it from the bucket is told at once, and
    kept with the run: an interruption that is on its way goes first.
    """
    try:
        archive_as_set(run, archive)
    except (HarnessError, OSError) as error:
        run.not_kept = RecordError(
            f"{run.path}: is not archived: {error}",
            hint=f"harness archive put {run.path} -e ENVIRONMENT",
        )
        sys.stderr.write(f"NOT ARCHIVED: {error}\n")


def archive_as_set(run: RunDirectory, archive: Archive) -> None:
    """Archives a run, and says where; raises what harness.archive.putting.put raises."""
    from harness.archive.putting import put

    done = put(run.path, archive, lambda text: click.echo(text, err=True))
    again = f", {done.before} of them from before" if done.before else ""
    sys.stderr.write(
        f"archived: {done.place}, {done.files} files{again}, locked until "
        f"{done.until:%Y-%m-%d %H:%M:%S} UTC\n"
    )
