"""The targets' pages: those of docs/ are what targets/ says, and nothing of it is left out."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from judged_runs import expect

from harness.cli.target_pages import command
from harness.model.configuration import Component, ReviewCycle, Unmeasured
from harness.model.target import (
    Kind,
    Latency,
    NoPromise,
    Objective,
    RecoveryTime,
    Retention,
    Source,
    Target,
    TargetFile,
    Volume,
)
from harness.report.target_pages import INDEX, answered_by, pages
from harness.targets import load_target_files

ROOT = Path(__file__).parents[3]
FILES = load_target_files(ROOT / "targets")
MINUTE = timedelta(minutes=1)


def target(objective: Objective, *covers: Kind, source: Source | None = None) -> Target:
    return Target(
        id="one",
        covers=covers or (Kind.KUBERNETES,),
        objective=objective,
        source=source or Source(section="Here", quote="as it is"),
    )


def page_of(one: Target, *no_promises: NoPromise) -> str:
    file = TargetFile(document="document.md", targets=(one,), no_promises=no_promises)
    return pages({"page": file})["page.md"]


@pytest.mark.parametrize("name", pages(FILES))
def test_the_pages_of_docs(name: str) -> None:
    """They are what targets/ says now: UPDATE_EXPECTED=1 or `harness targets pages` writes them."""
    expect(ROOT / "docs" / "targets" / name, pages(FILES)[name])


def test_docs_have_no_page_of_no_file() -> None:
    """A page whose file is gone would say what nobody checks any more."""
    assert {path.name for path in (ROOT / "docs" / "targets").glob("*.md")} == set(pages(FILES))


@pytest.mark.parametrize("name", FILES)
def test_every_target_has_its_place(name: str) -> None:
    """A heading, a row, and each line that it quotes."""
    text = pages(FILES)[f"{name}.md"]
    for one in FILES[name].targets:
        assert text.count(f"\n## {one.id}\n") == 1
        assert text.count(f"\n| [{one.id}](#{one.id}) |") == 1
        for line in (line for source in one.sources for line in source.lines):
            assert f"\n{line}\n" in text


def test_every_link_leads_somewhere() -> None:
    """To a page, and to a heading on it."""
    made = pages(FILES)
    links = [
        (name, *match)
        for name, text in made.items()
        for match in re.findall(r"\]\(([\w-]*(?:\.md)?)(?:#([\w-]+))?\)", text)
    ]
    assert len(links) > len(FILES)
    for name, page, heading in links:
        text = made[page or name]
        assert not heading or f"\n## {heading}\n" in text


def test_the_index_counts_every_target() -> None:
    """Those of each page, and in its first sentence all of them."""
    index = pages(FILES)[INDEX]
    rows = re.findall(r"^\| \[[\w-]+\]\([\w-]+\.md\) \| (\d+) \|", index, re.MULTILINE)
    total = sum(len(one.targets) for one in FILES.values())
    assert sum(map(int, rows)) == total
    assert f"\n{total} targets of deployment-architecture.md:" in index


@pytest.mark.parametrize(
    ("objective", "covers", "runs"),
    [
        (RecoveryTime(at_most=MINUTE), (Kind.POSTGRESQL,), ("restores", "game days")),
        (RecoveryTime(at_most=MINUTE), (Kind.SERVICE,), ("game days",)),
        (Retention(at_least=MINUTE), (Kind.REDIS,), ("restores",)),
        (Latency(at_most=MINUTE), (Kind.SERVICE,), ("load tests",)),
        (Component(name="Loki"), (Kind.KUBERNETES,), ("conformance checks",)),
        (Volume(size="1Gi"), (Kind.REDIS,), ()),
        (ReviewCycle(every=MINUTE), (Kind.KUBERNETES,), ()),
        (Unmeasured(why="no", needs="much"), (Kind.KUBERNETES,), ()),
    ],
)
def test_what_answers(
    objective: Objective, covers: tuple[Kind, ...], runs: tuple[str, ...]
) -> None:
    """Runs of the kinds that look at it, where something that it covers is in them."""
    assert answered_by(target(objective, *covers)) == runs


def test_what_no_check_sees() -> None:
    """The document's words stand for the promise, and beside them why, and what is needed."""
    text = page_of(target(Unmeasured(why="It is elsewhere.", needs="a way there")))
    assert "| [one](#one) | `as it is` | kubernetes | no run |" in text
    assert "Answered by no run. It is elsewhere; needs a way there." in text


def test_a_cell_stays_one() -> None:
    """What Markdown would read as the end of a cell, or of a row, is not."""
    text = page_of(target(Component(name="a|b\nc")))
    assert "| [one](#one) | a\\|b c runs |" in text


def test_what_is_no_promise() -> None:
    """Named with its lines, or as the rest of its section."""
    text = page_of(
        target(Component(name="Loki")),
        NoPromise(section="There", because="A picture"),
        NoPromise(section="Here", because="Praise.", quotes=("it is fine",)),
    )
    assert '"There", what no target names: A picture.' in text
    assert '"Here", these lines: Praise.\n\n```text\nit is fine\n```' in text


def test_the_command(tmp_path: Path) -> None:
    """It writes the pages, removes those of no file, and leaves what others wrote."""
    folder = tmp_path / "pages"
    arguments = ["--to", str(folder), "--targets", str(ROOT / "targets")]
    assert CliRunner().invoke(command, arguments).exit_code == 0
    (folder / "gone.md").write_text(pages(FILES)["gitops.md"], encoding="utf-8")
    (folder / "own.md").write_text("# Ours\n", encoding="utf-8")
    result = CliRunner().invoke(command, arguments)
    assert result.output == f"{len(FILES) + 1} pages in {folder}\n"
    assert {path.name for path in folder.iterdir()} == {*pages(FILES), "own.md"}
    assert (folder / INDEX).read_text(encoding="utf-8") == pages(FILES)[INDEX]


def test_the_command_says_where_it_cannot_write(tmp_path: Path) -> None:
    """A file in the place of the folder is told, not a traceback."""
    (tmp_path / "taken").write_text("", encoding="utf-8")
    arguments = ["--to", str(tmp_path / "taken" / "pages"), "--targets", str(ROOT / "targets")]
    result = CliRunner().invoke(command, arguments)
    assert "cannot be written: Not a directory" in str(result.exception)
