"""`harness targets check --document`: what a person types, what it prints, how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.cli.targets import command
from harness.errors import InputError

TARGETS = """\
document: platform.md
targets:
  - id: rto
    covers: [postgresql]
    objective: {kind: recovery-time, at_most: PT5M}
    source: {section: Recovery, quote: "recovery time: < 5 minutes"}
"""
SAYS = "# Recovery\n\n- recovery time: < 5 minutes\n\n## Reviews\n\n- Last Updated: 2026-02-07\n"
CYCLE = "- Review Cycle: Quarterly\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets" / "recovery.yaml").write_text(
        TARGETS + "no_promises:\n  - {section: Reviews, because: metadata}\n"
    )
    return tmp_path


def check(folder: Path, document: str | None, *words: str) -> Result:
    """Of a document with that text; None: there is no file."""
    path = folder / "platform.md"
    if document is not None:
        path.write_text(document)
    arguments = ["check", "--targets", str(folder / "targets"), "--document", str(path), *words]
    return CliRunner().invoke(command, arguments)


def test_the_same_is_exit_code_0(folder: Path) -> None:
    done = check(folder, SAYS)
    assert done.exit_code == 0
    assert "no drift" in done.output
    assert "next: harness targets check --feasibility" in done.output


def test_a_changed_number_is_exit_code_1_and_its_line(folder: Path) -> None:
    done = check(folder, SAYS.replace("5 minutes", "15 minutes"))
    assert done.exit_code == 1
    assert "platform.md:3: rto: says `- recovery time: < 15 minutes`" in done.output


@pytest.mark.parametrize("text", ["", "# Holidays\n\n- beach: 14 days\n"])
def test_nothing_recognisable_is_an_error_of_what_was_given(folder: Path, text: str) -> None:
    done = check(folder, text)
    assert isinstance(done.exception, InputError)
    assert "nothing recognisable" in str(done.exception)
    assert "--mapping FILE" in (done.exception.hint or "")


def test_a_document_that_is_not_there(folder: Path) -> None:
    assert isinstance(check(folder, None).exception, InputError)


def test_the_day_of_the_check_can_be_given(folder: Path) -> None:
    assert check(folder, SAYS + CYCLE, "--today", "2026-05-10").exit_code == 0
    done = check(folder, SAYS + CYCLE, "--today", "2026-05-11")
    assert done.exit_code == 1
    assert "past its review cycle by 1 day:" in done.output


def test_a_mapping_file(folder: Path) -> None:
    mapping = folder / "mapping.yaml"
    mapping.write_text("headings: {Recovery: Disaster Recovery}\n")
    text = SAYS.replace("# Recovery", "# Disaster Recovery")
    assert check(folder, text).exit_code == 1
    assert check(folder, text, "--mapping", str(mapping)).exit_code == 0


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        ("not_in_document: [nope]\n", "got target `nope`"),
        ("heading: {}\n", "heading"),
        ("headings: [a\n", "mapping.yaml"),
    ],
)
def test_a_mapping_that_is_wrong(folder: Path, mapping: str, says: str) -> None:
    path = folder / "mapping.yaml"
    path.write_text(mapping)
    done = check(folder, SAYS, "--mapping", str(path))
    assert isinstance(done.exception, InputError)
    assert says in str(done.exception)


def test_a_mapping_without_a_document(folder: Path) -> None:
    words = ["check", "--targets", str(folder / "targets"), "--mapping", "mapping.yaml"]
    done = CliRunner().invoke(command, words)
    assert isinstance(done.exception, InputError)
    assert "--document FILE" in (done.exception.hint or "")


def test_a_machine_reads_it(folder: Path) -> None:
    done = check(folder, SAYS, "--json")
    assert json.loads(done.stdout)["lines"] == {"rto": [3]}


def test_a_mapping_without_a_document_has_no_effect_on_contradictions_either(folder: Path) -> None:
    words = ["check", "--feasibility", "--targets", str(folder / "targets"), "--mapping", "m.yaml"]
    assert isinstance(CliRunner().invoke(command, words).exception, InputError)


def test_contradictions_have_the_lines_of_the_mapped_document(folder: Path) -> None:
    """A loss of a minute at most, from backups of a day, where nothing else is promised."""
    (folder / "targets" / "loss.yaml").write_text(
        "document: platform.md\n"
        "targets:\n"
        "  - id: rpo\n"
        "    covers: [postgresql]\n"
        "    objective: {kind: recovery-point, at_most: PT1M}\n"
        '    source: {section: Recovery, quote: "loss: < 1 minute"}\n'
        "  - id: backups\n"
        "    covers: [postgresql]\n"
        "    objective: {kind: backup-frequency, every: P1D, grace: PT1H}\n"
        '    source: {section: Recovery, quote: "backups: Daily"}\n'
    )
    mapping = folder / "mapping.yaml"
    mapping.write_text("headings: {Recovery: Disaster Recovery}\n")
    text = SAYS.replace("# Recovery", "# Disaster Recovery").replace(
        "5 minutes\n", "5 minutes\n- loss: < 1 minute\n- backups: Daily\n"
    )
    done = check(folder, text, "--feasibility", "--mapping", str(mapping))
    assert done.exit_code == 1, done.output
    assert "line 4" in done.output
