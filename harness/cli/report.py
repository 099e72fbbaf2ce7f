"""`harness report`: renders a judged run."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.cli import options
from harness.cli.exit import exit_code


@click.command("report")
@click.argument("run", required=False)
@options.runs
@options.as_json
def command(run: str | None, runs_directory: Path, *, json: bool) -> int:
    """Render RUN (default: the latest) again, for each of its readers, and here.

    report.html, summary.md, junit.xml, metrics.prom, actions.csv, and where `controls/` is:
    controls.csv and oscal-assessment-results.json. A sealed run is shown, and nothing is written.
    """
    from harness.cli.judging import render_run
    from harness.follow_up import read_follow_up
    from harness.model.codec import to_indented_json
    from harness.report.terminal import write_terminal
    from harness.store import RunDirectory

    directory = RunDirectory.find(run, runs_directory)
    report = render_run(directory, read_follow_up())
    if json:
        click.echo(to_indented_json(report.judgement), nl=False)
    else:
        write_terminal(report, sys.stdout)
    click.echo(f"report: {directory.report}", err=True)
    return exit_code(report.judgement.verdict)
