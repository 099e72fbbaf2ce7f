"""Writes report.pdf of a judged run: what it is rendered from is read here, and goes into it."""

from __future__ import annotations

import sys
from pathlib import Path

from harness.errors import HarnessError, InputError, RecordError, RefusedError
from harness.report.summary import Report
from harness.seal.bundle import is_sealed
from harness.store import RunDirectory

ATTACHED = (
    ("verdict.json", "What was judged, and from which facts"),
    ("run.json", "Who ran what, when, from which code, with which settings"),
    ("plan.json", "What was planned, against which documented targets"),
)
"""Files of a run that go into its report.pdf, and what they are."""


def write_paper(run: RunDirectory, report: Report, path: Path | None = None) -> Path:
    """Renders a run's report to `path`, else to its own report.pdf; where it was written.

    Raises RefusedError for a sealed run without a path outside of it, PaperError where it cannot be
    rendered, RecordError where the disk does not take it.
    """
    from harness.report.pdf import Attached, render_pdf

    where = run.paper if path is None else path
    if where.suffix.lower() != ".pdf" or where.is_dir():
        raise InputError(
            f"--pdf: got {where}, expected a file *.pdf", hint="harness report RUN --pdf FILE.pdf"
        )
    if is_sealed(run.path) and where.resolve().is_relative_to(run.path.resolve()):
        raise RefusedError(
            f"{run.path}: is sealed, and nothing is written into it",
            hint=f"harness report {run.path} --pdf {run.path.name}.pdf",
        )
    attached = [
        Attached(name=name, content=(run.path / name).read_bytes(), says=says)
        for name, says in ATTACHED
    ]
    content = render_pdf(report, attached)
    try:
        where.write_bytes(content)
    except OSError as error:
        raise RecordError(
            f"{where}: cannot be written: {error.strerror}", hint=f"df {where.parent}"
        ) from error
    return where


def write_paper_at_its_end(run: RunDirectory, report: Report) -> None:
    """report.pdf of a run that was just judged. What keeps it from being written is told, and keeps
    nothing else: report.html says the same.
    """
    try:
        write_paper(run, report)
    except HarnessError as error:
        sys.stderr.write(f"no report.pdf: {error}\n")
        if error.hint is not None:
            sys.stderr.write(f"  {error.hint}\n  harness report {run.path} --pdf\n")
