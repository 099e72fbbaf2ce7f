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
@click.option(
    "--pdf",
    is_flag=False,
    flag_value="",
    default=None,
    metavar="[FILE.pdf]",
    help="Also report.pdf: into the run, or to FILE.pdf where it is sealed.",
)
def command(run: str | None, runs_directory: Path, *, json: bool, pdf: str | None) -> int:
    """Render RUN (default: the latest) again, for each of its readers, and here.

    \b
    harness report                                   the latest run
    harness report RUN --pdf                         report.pdf: PDF/A-3, its evidence attached
    harness report RUN --pdf for-the-auditor.pdf     elsewhere; a sealed run is never written again

    report.html, summary.md, junit.xml, metrics.prom, actions.csv, and where `controls/` is:
    controls.csv and oscal-assessment-results.json. A sealed run is shown, and nothing is written.
    """
    from harness.cli.judging import render_run
    from harness.follow_up import read_follow_up
    from harness.model.codec import to_indented_json
    from harness.report.terminal import write_terminal
    from harness.seal.bundle import is_sealed
    from harness.store import RunDirectory

    directory = RunDirectory.find(run, runs_directory)
    report = render_run(directory, read_follow_up())
    printed = None
    if pdf is not None or (directory.paper.is_file() and not is_sealed(directory.path)):
        from harness.cli.paper import write_paper

        printed = write_paper(directory, report, Path(pdf) if pdf else None)
    if json:
        click.echo(to_indented_json(report.judgement), nl=False)
    else:
        write_terminal(report, sys.stdout)
    click.echo(f"report: {directory.report}", err=True)
    if printed is not None:
        click.echo(f"report: {printed}", err=True)
    return exit_code(report.judgement.verdict)
