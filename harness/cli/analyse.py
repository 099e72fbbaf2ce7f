"""`harness analyse`: judges a stored run again, from its evidence alone."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.cli import options
from harness.cli.exit import FAILED, PASSED, exit_code


@click.command("analyse")
@click.argument("run", required=False)
@options.runs
@click.option(
    "--check",
    is_flag=True,
    help="Write nothing; exit 1 where verdict.json is not, byte for byte, what the evidence gives.",
)
def command(run: str | None, runs_directory: Path, *, check: bool) -> int:
    """Judge RUN (default: the latest) again and write its verdict.json.

    No server is needed: the judges read history.jsonl, the observations and the ledger. The same
    run gives the same bytes; `--check` proves it.
    """
    from harness.cli.judging import judge_run, judgement_of, report_of
    from harness.model.codec import to_indented_json
    from harness.report.terminal import write_terminal
    from harness.seal.bundle import is_sealed
    from harness.store import RunDirectory

    directory = RunDirectory.find(run, runs_directory)
    if check:
        same = directory.verdict.read_bytes() == to_indented_json(judgement_of(directory))
        click.echo(f"{directory.verdict}: {'identical' if same else 'DIFFERS'}")
        return PASSED if same else FAILED
    judgement = judge_run(directory)
    if is_sealed(directory.path):
        same = directory.verdict.read_bytes() == to_indented_json(judgement)
        click.echo(
            f"sealed: {directory.verdict} stays as it is; this harness judges it "
            f"{'the same' if same else 'OTHERWISE'}",
            err=True,
        )
    write_terminal(report_of(directory), sys.stdout)
    return exit_code(judgement.verdict)
