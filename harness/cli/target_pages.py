"""`harness targets pages`: writes the documented targets as Markdown pages."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli import options


@click.command("pages")
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("docs/targets"),
    show_default=True,
    help="Folder of the pages; made where it is missing.",
)
@options.documents
def command(folder: Path, targets_directory: Path, suites_directory: Path) -> None:  # noqa: ARG001
    """Write one page for each file of targets, and an index; a page of no file is removed."""
    from harness.errors import InputError
    from harness.report.target_pages import MADE_BY, pages
    from harness.targets import load_target_files

    written = pages(load_target_files(targets_directory))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in written.items():
            (folder / name).write_text(text, encoding="utf-8")
        for path in folder.glob("*.md"):
            # Somebody's own page beside ours stays.
            if path.name not in written and MADE_BY in path.read_text(encoding="utf-8"):
                path.unlink()
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from error
    click.echo(f"{len(written)} pages in {folder}")
