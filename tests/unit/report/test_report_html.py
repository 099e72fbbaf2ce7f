"""report.html: the whole text, self-contained, well-formed, small, readable in every scheme."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from judged_runs import NAMES, expect, judged
from msgspec.structs import replace

from harness.report import html
from harness.report.html import render_html
from harness.report.summary import Report

EXPECTED = Path(__file__).parent / "expected"
STYLES = Path(html.__file__).parent / "templates" / "report.css"
VOID = {"meta", "link", "br", "col"}


class Page(HTMLParser):
    """Reads a page strictly: every element is closed where it must be."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def values(self, attribute: str) -> list[str]:
        return [attrs[attribute] or "" for _, attrs in self.elements if attribute in attrs]


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_report(name: str) -> None:
    """Each judged run gives exactly the expected page, twice."""
    text = render_html(judged(name))
    expect(EXPECTED / f"{name}.html", text)
    assert text == render_html(judged(name))


@pytest.mark.parametrize("name", NAMES)
def test_it_needs_nothing_else(name: str) -> None:
    """No script, no handler, no style sheet, image, font or link outside the file itself."""
    text = render_html(judged(name))
    page = Page(text)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "iframe", "object", "embed", "img", "base", "form"}
    assert not [
        attribute
        for _, attrs in page.elements
        for attribute in attrs
        if attribute.startswith("on") or attribute in {"src", "srcset", "style"}
    ]
    for target in page.values("href"):
        assert target == "data:," or target.startswith("#")
    assert not re.search(r"@import|url\((?!#)", text)
    assert "default-src 'none'" in text


@pytest.mark.parametrize("name", NAMES)
def test_it_is_well_formed_and_accessible(name: str) -> None:
    """Elements close, ids are unique and found, tables and pictures have names."""
    page = Page(render_html(judged(name)))
    assert page.open == []
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    for named in page.values("aria-labelledby"):
        assert set(named.split()) <= set(ids)
    for target in page.values("href"):
        assert target == "data:," or target[1:] in ids
    assert sum(tag == "h1" for tag, _ in page.elements) == 1
    assert all("scope" in attrs for tag, attrs in page.elements if tag == "th")
    pictures = [attrs for tag, attrs in page.elements if tag == "svg"]
    assert all(attrs["role"] == "img" and attrs["aria-labelledby"] for attrs in pictures)
    judgement = judged(name).judgement
    drawn = sum(bool(trial.ways) for trial in judgement.recoveries)
    if (load := judgement.load) is not None:
        drawn += len(load.seconds) + len(load.capacity) + bool(load.headroom)
    assert len(pictures) == len(judgement.restores) + drawn


def test_names_from_outside_are_text() -> None:
    """Markup and control characters in names and messages are shown, not obeyed."""
    report = judged("failing")
    hostile = '<script>alert(1)</script><img src=x onerror="y">{{ 7 * 7 }}\x1b[2J\u202e'
    found = replace(
        report.judgement.findings[0],
        headline=hostile,
        detail=(hostile,),
        advice=hostile,
        id=f"a/{hostile}",
    )
    restore = replace(
        report.judgement.restores[0], title=hostile, subject=hostile, trial=hostile, backup=hostile
    )
    judgement = replace(report.judgement, findings=(found,), restores=(restore,))
    text = render_html(Report(judgement=judgement, run=report.run, plan=report.plan))
    page = Page(text)
    assert not {tag for tag, _ in page.elements} & {"script", "img"}
    assert "<script>" in "".join(page.text)
    assert "{{ 7 * 7 }}" in "".join(page.text)
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_a_large_report_stays_small() -> None:
    """200 findings and 60 restores are less than 500 kB."""
    report = judged("failing")
    judgement = report.judgement
    findings = tuple(
        replace(judgement.findings[number % len(judgement.findings)], id=f"check/{number}")
        for number in range(200)
    )
    restores = tuple(
        replace(judgement.restores[number % len(judgement.restores)], trial=f"trial-{number}")
        for number in range(60)
    )
    large = replace(judgement, findings=findings, restores=restores)
    text = render_html(Report(judgement=large, run=report.run, plan=report.plan))
    assert len(text.encode()) < 500_000
    assert Page(text).open == []


def test_text_can_be_read_in_every_scheme() -> None:
    """Text has a contrast of 4.5:1 or more (WCAG 2.1, 1.4.3) on light, on dark and on paper."""
    schemes = re.findall(r":root \{(.*?)\}", STYLES.read_text(encoding="utf-8"), re.DOTALL)
    assert len(schemes) == 3
    for scheme in schemes:
        colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", scheme))
        pairs = [
            ("ink", "paper"),
            ("quiet", "paper"),
            ("ink", "panel"),
            ("quiet", "panel"),
            ("pass", "pass-panel"),
            ("fail", "fail-panel"),
            ("unsure", "unsure-panel"),
            ("rto", "paper"),
        ]
        for text, ground in pairs:
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground, scheme)
        for mark in ("mark-slowest", "mark-lost"):
            assert contrast(colours[mark], colours["paper"]) >= 3, (mark, scheme)


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.1, definitions)."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """Relative luminance, 0 to 1 (WCAG 2.1, definitions)."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_predictions_stand_apart() -> None:
    """A predicted time is in its own section, says so, and in no table of measurements."""
    text = render_html(judged("passing"))
    assert text.count("10 min 43.2 s") == 1
    assert text.index("Predictions, not measured") < text.index("10 min 43.2 s")
    assert text.index("10 min 43.2 s") < text.index("What passed")
    assert "Predictions" not in render_html(judged("nothing"))


def test_what_is_not_shown_is_said() -> None:
    """Invalid trials, notes, practice and inconclusive findings are named in the report."""
    text = render_html(judged("failing"))
    limits = text[text.index("What this report does not show") : text.index("Where it comes from")]
    assert "the prober was stopped for 3.2 s" in limits
    assert "clocks were set back" in limits
    assert "practice platform" in limits
    assert "2 findings could not be judged" in limits
    assert "The run was cut off" in render_html(judged("nothing"))
