"""`harness notify`: tells whoever an environment names of a run, again or as a test."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli import options
from harness.cli.exit import INCONCLUSIVE, PASSED


@click.command("notify")
@click.argument("run", required=False)
@options.environment
@options.settings
def command(run: str | None, environment: str, settings: Path) -> int:
    """Tell whoever [[environments.NAME.notify]] names of RUN, or the latest one, now.

    \b
    harness notify -e staging            do they hear of it at all? Try it before you need it

    Whether they asked for such an occasion makes no difference here. `harness run` tells them by
    itself, when a run is sealed and archived.

    Exit code 0: each of them took it. Exit code 3: one did not; standard error says why.
    """
    from harness.cli.after_a_run import tell
    from harness.cli.environments import environment_named
    from harness.drivers.clock import HostClock
    from harness.errors import InputError
    from harness.store import RunDirectory

    found = environment_named(environment, settings)
    if not found.notify:
        raise InputError(
            f"environment {environment}: names nobody to be told",
            hint=f"[[environments.{environment}.notify]] in {settings}: docs/schedules.md",
        )
    failed = tell(RunDirectory.find(run, found.runs), found, HostClock(), whatever=True)
    return INCONCLUSIVE if failed else PASSED
