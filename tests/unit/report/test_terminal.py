"""The result at a terminal: the whole text, failures first, plain where it is no terminal."""

import io
from pathlib import Path

import pytest
from judged_runs import NAMES, expect, judged
from msgspec.structs import replace

from harness.report.summary import Report
from harness.report.terminal import PLAIN_WIDTH, render_terminal, write_terminal

EXPECTED = Path(__file__).parent / "expected"


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_text(name: str) -> None:
    """Each judged run gives exactly the expected text, whatever the surroundings."""
    expect(EXPECTED / f"{name}.txt", render_terminal(judged(name)))


@pytest.mark.parametrize("name", NAMES)
def test_it_is_plain(name: str) -> None:
    """No colour code, no line wider than told, no blank at a line's end."""
    text = render_terminal(judged(name))
    assert "\x1b" not in text
    for line in text.splitlines():
        assert len(line) <= PLAIN_WIDTH
        assert line == line.rstrip()


def test_surroundings_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """COLUMNS, TERM and FORCE_COLOR have no say where the output is not a terminal."""
    before = render_terminal(judged("failing"))
    for name, value in {"COLUMNS": "40", "TERM": "dumb", "FORCE_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    assert render_terminal(judged("failing")) == before


def test_failures_come_first() -> None:
    """What failed stands before what could not be judged, and that before what passed."""
    text = render_terminal(judged("failing"))
    order = ["What failed", "What could not be judged", "Restores", "Predictions", "What passed"]
    assert sorted(order, key=text.index) == order
    assert text.startswith("FAIL  3 of 9 targets failed")
    assert "do: aws s3api get-bucket-replication --bucket backups-eu-west" in text


def test_without_findings() -> None:
    """A run in which nothing was judged says so in its first line."""
    assert render_terminal(judged("nothing")).startswith("INCONCLUSIVE  Nothing was judged")


def test_markup_is_text() -> None:
    """Square brackets of a name are shown, not obeyed; an escape sequence is taken apart."""
    report = judged("failing")
    found = replace(report.judgement.findings[0], headline="[red]x[/red] \x1b[2J :smile:")
    judgement = replace(report.judgement, findings=(found,))
    text = render_terminal(Report(judgement=judgement, run=report.run, plan=report.plan))
    assert "[red]x[/red] \ufffd[2J :smile:" in text


def test_a_terminal_gets_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Colour is for terminals only, and not where NO_COLOR is set (no-color.org)."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    write_terminal(judged("failing"), terminal)
    assert "\x1b[" in terminal.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    write_terminal(judged("failing"), terminal)
    assert "\x1b[3" not in terminal.getvalue()
    pipe = io.StringIO()
    write_terminal(judged("failing"), pipe)
    assert pipe.getvalue() == render_terminal(judged("failing"))


def test_an_encoding_without_the_characters() -> None:
    """A C locale gets escapes instead of a UnicodeEncodeError."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    write_terminal(judged("failing"), stream)
    stream.flush()
    assert b"FAIL" in raw.getvalue()
    raw.getvalue().decode("ascii")
