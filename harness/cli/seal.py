"""`harness seal`: signs the evidence of a stored run, and makes keys for it."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli import options


@click.command("seal")
@click.argument("run", required=False)
@options.runs
@click.option(
    "--key",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The private key in PEM: Ed25519 or ECDSA.",
)
@click.option("--timestamp", metavar="URL", help="A timestamp service (RFC 3161) that is asked.")
@click.option(
    "--unfinished", is_flag=True, help="Seal a run that was killed, as it stands; it is gone."
)
@click.option(
    "--new-key",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Make a key: the private one at FILE, the public one at FILE.pub; seals nothing.",
)
def command(  # noqa: PLR0913 - one for each option
    run: str | None,
    runs_directory: Path,
    *,
    key: Path | None,
    timestamp: str | None,
    unfinished: bool,
    new_key: Path | None,
) -> int:
    """Seal RUN (default: the latest): digests of all its files, signed, linked to the run before.

    \b
    harness seal --new-key seal.pem                make a key, once; give FILE.pub to reviewers
    harness seal --key seal.pem                    the latest run
    harness verify runs --key seal.pem.pub         what a reviewer types

    `harness run --seal-key FILE`, or [environments.NAME.seal] of harness.toml, seals every run
    when it ends. A sealed run is never written again: `analyse` and `report` only show it.
    """
    from harness.cli.sealing import seal_as_set
    from harness.drivers.clock import HostClock
    from harness.errors import InputError
    from harness.settings import Sealing
    from harness.store import RunDirectory

    if new_key is not None:
        from harness.seal.signing import create_key

        for path in create_key(new_key):
            click.echo(path)
        return 0
    directory = RunDirectory.find(run, runs_directory)
    if key is None:
        raise InputError(
            "--key: got none, expected a private key", hint="harness seal --new-key seal.pem"
        )
    sealing = Sealing(key=key, timestamp=timestamp)
    seal_as_set(directory, sealing, HostClock(), unfinished=unfinished)
    return 0
