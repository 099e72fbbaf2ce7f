"""`harness verify`: says whether sealed evidence was changed, and what exactly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.exit import FAILED, INCONCLUSIVE, PASSED

if TYPE_CHECKING:  # cryptography is read where something is verified
    from harness.seal.verifying import ChainOfRuns, Verified


@click.command("verify")
@click.argument("bundle", type=click.Path(path_type=Path), metavar="BUNDLE")
@click.option(
    "--key",
    "keys",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="A public key in PEM that may have sealed it; may be repeated.",
)
@click.option(
    "--timestamp-root",
    "roots",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Certificate in PEM of a timestamp service's authority; may be repeated.",
)
@click.option("--json", is_flag=True, help="Print JSON, for a machine.")
def command(bundle: Path, keys: tuple[Path, ...], roots: tuple[Path, ...], *, json: bool) -> int:
    """Verify BUNDLE: one sealed run directory, or a folder of them with the chain between them.

    \b
    harness verify runs/20261124T010203Z-weekly-restore-staging --key seal.pem.pub
    harness verify runs --key seal.pem.pub --key seal-2025.pem.pub

    It needs the files and the public key: no network, no clock, no server. It names each file,
    event, signature and link that is not as it was sealed.

    Exit code 0: nothing was changed. Exit code 1: something was. Exit code 3: there is no run to
    verify.
    """
    from harness.model.codec import to_indented_json
    from harness.seal.signing import read_public_key
    from harness.seal.timestamps import read_root
    from harness.seal.verifying import verify_run, verify_runs

    public = [read_public_key(path) for path in keys]
    authorities = [read_root(path) for path in roots]
    if (bundle / "plan.json").is_file() or (bundle / "statement.dsse.json").is_file():
        one = verify_run(bundle.resolve(), public, authorities)
        lines, holds = [*told(one)], one.holds
        found: Verified | ChainOfRuns = one
    else:
        found = verify_runs(bundle, public, authorities)
        lines, holds = [*told_of_all(found)], found.holds
    if json:
        click.echo(to_indented_json(found), nl=False)
    else:
        for line in lines:
            click.echo(line)
    if not lines[1:] and lines[0].startswith("INCONCLUSIVE"):
        return INCONCLUSIVE
    return PASSED if holds else FAILED


def told(one: Verified) -> Iterator[str]:
    """One run, in words."""
    if one.statement is None:
        yield f"BROKEN  {one.run}"
    else:
        sealed = one.statement.predicate
        said = "INTACT" if one.holds else "BROKEN"
        yield (
            f"{said}  {one.run}: verdict {sealed.verdict}, sealed "
            f"{sealed.sealed:%Y-%m-%d %H:%M:%S} UTC by {sealed.user}@{sealed.host}"
        )
        if one.holds:
            yield (
                f"        {len(one.statement.subject)} files and {sealed.history.lines} events are "
                f"as they were sealed, key {one.signed_by[0][:12]}…"
            )
        if one.timestamp is not None:
            yield f"        seen by the timestamp service at {one.timestamp:%Y-%m-%d %H:%M:%S} UTC"
    for fault in one.faults:
        yield f"  {fault.about.upper()}  {fault.subject}: {fault.says}"
    for note in one.notes:
        yield f"        note: {note}"


def told_of_all(chain: ChainOfRuns) -> Iterator[str]:
    """A folder of runs: those that do not hold in full, then the chain."""
    good = [one for one in chain.runs if one.holds]
    for one in chain.runs:
        if not one.holds:
            yield from told(one)
    for fault in chain.faults:
        yield f"  {fault.about.upper()}  {fault.subject}: {fault.says}"
    if not chain.runs:
        yield "INCONCLUSIVE  no run here: nothing was verified"
        return
    said = "INTACT" if chain.holds else "BROKEN"
    yield f"{said}  {len(good)} of {len(chain.runs)} runs are as they were sealed"
    if chain.unbroken_since is None:
        yield "        the chain is broken at its end"
    else:
        last = chain.runs[-1]
        yield (
            f"        unbroken since {chain.unbroken_since}, to {last.run} (SHA-256 {last.sha256})"
        )
        if chain.begins_after is not None:
            yield f"        {chain.begins_after}"
        yield "        that no later run was removed, only that digest kept elsewhere can show"
