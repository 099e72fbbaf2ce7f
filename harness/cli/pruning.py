"""`harness history prune`: says which old runs may go and, when told so, removes them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import options
from harness.cli.exit import INCONCLUSIVE, PASSED

if TYPE_CHECKING:  # read when the command is called, so that --help is quick
    from collections.abc import Iterator, Sequence

    from harness.track_record.database import Database
    from harness.track_record.retention import Decision


class _Days(click.ParamType[timedelta]):
    """`400d`."""

    name = "days"

    def convert(
        self, value: object, parameter: click.Parameter | None, context: click.Context | None
    ) -> timedelta:
        if isinstance(value, timedelta):
            return value
        text = str(value)
        if not text.endswith("d") or not text[:-1].isdecimal() or not 1 <= int(text[:-1]) < 10**5:
            self.fail(f"got {text!r}, expected days with their unit: 400d", parameter, context)
        return timedelta(days=int(text[:-1]))


@click.command("prune")
@click.option(
    "--older-than", required=True, type=_Days(), metavar="DAYS", help="Since they ended: 400d."
)
@click.option(
    "--runs",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="Folder of the run directories.",
)
@click.option("--yes", is_flag=True, help="Remove them; without, it is only said which.")
@options.as_json
def command(older_than: timedelta, folder: Path, *, yes: bool, json: bool) -> int:
    """Say which run directories are older than that and may go; with --yes, remove them.

    \b
    harness history prune --older-than 400d         which would go, and why others are kept
    harness history prune --older-than 400d --yes   removes them

    Kept, however old: the newest run of each suite and environment; the last run that passed a
    target; each sealed run after one that is kept, so that `harness verify` still finds the chain
    whole from its new beginning; and runs that cannot be read. Copies elsewhere, locked or not, are
    not touched. Who removed what stands in pruned.jsonl, beside the runs.

    Exit code 0: told, or removed. Exit code 3: there is no run.
    """
    from harness.drivers.clock import HostClock
    from harness.model.codec import to_indented_json
    from harness.track_record.intake import ask
    from harness.track_record.pruning import prune
    from harness.track_record.retention import decide

    now = HostClock().now().utc

    def question(database: Database) -> tuple[int, tuple[Decision, ...]]:
        runs = database.runs()
        refused = dict(database.refused())
        found = decide(runs, database.answers(), refused, before=now - older_than)
        return len(runs) + len(refused), found

    (count, decisions), notes = ask(folder, question)
    if not count:
        click.echo(f"INCONCLUSIVE  no run lies in {folder}: nothing can go")
        return INCONCLUSIVE
    going = [one.run for one in decisions if one.keep is None]
    if yes and going:
        prune(folder, going, now)
    if json:
        click.echo(to_indented_json(decisions), nl=False)
        return PASSED
    for line in (*_told(decisions, going, removed=yes), *notes):
        click.echo(line)
    return PASSED


def _told(decisions: Sequence[Decision], going: Sequence[str], *, removed: bool) -> Iterator[str]:
    for one in decisions:
        word = "keep" if one.keep is not None else ("removed" if removed else "would go")
        yield f"{word:<9} {one.run}" + (f": {one.keep}" if one.keep is not None else "")
    runs = "1 run" if len(going) == 1 else f"{len(going)} runs"
    if removed:
        yield f"{runs} removed"
    else:
        yield f"{runs} would go; nothing was removed" + (": add --yes" if going else "")
