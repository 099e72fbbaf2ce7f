"""Shows a finished run: the result on standard output, where its files are on standard error."""

from __future__ import annotations

import sys

import click

from harness.cli.judging import report_of
from harness.model.codec import to_indented_json
from harness.store import RunDirectory


def show(run: RunDirectory, *, json: bool) -> None:
    """The terminal report, or verdict.json for a machine; raises what kept its evidence."""
    from harness.report.terminal import write_terminal

    report = report_of(run)
    if json:
        click.echo(to_indented_json(report.judgement), nl=False)
    else:
        write_terminal(report, sys.stdout)
    click.echo(f"report: {run.report}", err=True)
    if run.not_kept is not None:
        raise run.not_kept
