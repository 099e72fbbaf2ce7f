"""report.pdf: PDF/A-3a with its evidence inside, whole, repeatable, and nothing fetched.

Whether it conforms is veraPDF's to say (tests/paper); here is what a reader relies on.
"""

import os
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from io import BytesIO

import pikepdf
import pytest
from judged_runs import judged
from msgspec.structs import replace

from harness.model.codec import to_indented_json
from harness.model.judgement import Judgement
from harness.report import pdf as module
from harness.report.pdf import Attached, PaperError, print_page, render_pdf
from harness.report.summary import Report

# WeasyPrint leaves the file of its colour profile to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file.*sRGB2014:ResourceWarning")

AS_OF = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
SHOWN = ("nothing", "failing", "load-test", "conformance")


def attached(report: Report) -> list[Attached]:
    return [
        Attached(name="verdict.json", content=to_indented_json(report.judgement), says="Verdict"),
        Attached(name="run.json", content=to_indented_json(report.run), says="Run"),
        Attached(name="plan.json", content=to_indented_json(report.plan), says="Plan"),
    ]


@cache
def rendered(name: str) -> bytes:
    report = judged(name)
    return render_pdf(report, attached(report))


def opened(content: bytes) -> pikepdf.Pdf:
    return pikepdf.open(BytesIO(content))


def elements(document: pikepdf.Pdf, kind: str) -> list[pikepdf.Object]:
    return [
        one
        for one in document.objects
        if isinstance(one, pikepdf.Dictionary) and one.get("/S") == f"/{kind}" and "/P" in one
    ]


@pytest.mark.parametrize("name", SHOWN)
def test_it_says_what_it_is(name: str) -> None:
    """Standard, title, language, date and author program are in it, and all dates are the run's."""
    report, document = judged(name), opened(rendered(name))
    with document.open_metadata() as metadata:
        assert metadata["pdfaid:part"] == "3"
        assert metadata["pdfaid:conformance"] == "A"
        assert metadata["pdfuaid:part"] == "1"
        assert metadata["xmp:CreateDate"] == f"{report.run.started:%Y-%m-%dT%H:%M:%S}+00:00"
        assert metadata["dc:title"].startswith(f"{report.judgement.verdict}: ")
    assert document.Root.Lang == "en"
    assert document.Root.MarkInfo.Marked
    assert document.Root.OutputIntents[0].S == "/GTS_PDFA1"
    assert "/Encrypt" not in document.trailer
    assert not elements(document, "URI")
    assert b"/JavaScript" not in rendered(name)


@pytest.mark.parametrize("name", SHOWN)
def test_its_evidence_is_in_it(name: str) -> None:
    """The files it was rendered from are attached byte for byte, and its text has their digests."""
    files, document = attached(judged(name)), opened(rendered(name))
    assert set(document.attachments) == {file.name for file in files}
    for file in files:
        assert document.attachments[file.name].get_file().read_bytes() == file.content
    assert [str(one.AFRelationship) for one in document.Root.AF] == ["/Data"] * 3
    assert {str(one.UF) for one in document.Root.AF} == {file.name for file in files}
    words = text_of(rendered(name), first_page_only=True)
    assert all(file.sha256 in words for file in files)


@pytest.mark.parametrize("name", SHOWN)
def test_all_fonts_are_in_it(name: str) -> None:
    """No font is left to the reader's machine."""
    document = opened(rendered(name))
    fonts = [
        one
        for one in document.objects
        if isinstance(one, pikepdf.Dictionary) and one.get("/Type") == "/FontDescriptor"
    ]
    assert fonts
    assert all({"/FontFile2", "/FontFile3"} & set(font.keys()) for font in fonts)
    assert {str(font.FontName).partition("+")[2].split("-")[0] for font in fonts} <= {
        "Liberation",
        "DejaVu",
    }


@pytest.mark.parametrize("name", SHOWN)
def test_it_can_be_read_aloud(name: str) -> None:
    """Each picture has its words, each header cell its direction, each section its bookmark."""
    report, document = judged(name), opened(rendered(name))
    figures = elements(document, "Figure")
    assert all(
        len(str(figure.Alt)) > len("picture") and ":" in str(figure.Alt) for figure in figures
    )
    load = report.judgement.load
    drawn = len(report.judgement.restores)
    if load is not None:
        drawn += len(load.seconds) + len(load.capacity) + bool(load.headroom)
    assert len(figures) == drawn
    headers = elements(document, "TH")
    assert {str(cell.A.Scope) for cell in headers} == {"/Column", "/Row"}
    assert len(elements(document, "H1")) == 1
    with document.open_outline() as outline:
        top = [str(one.title) for one in outline.root]
        sections = [str(one.title) for one in outline.root[0].children]
    assert top == ["Summary"]
    assert {"What this report does not show", "Where it comes from", "Words"} <= set(sections)


def test_the_same_run_gives_the_same_bytes() -> None:
    """In another process with another hash seed, and whatever SOURCE_DATE_EPOCH says."""
    script = (
        "import sys; sys.path[:0] = ['tests/histories', 'tests/unit/report']\n"
        "from test_pdf import rendered\n"
        "sys.stdout.buffer.write(rendered('failing'))"
    )
    other = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "SOURCE_DATE_EPOCH": "1"},
    )
    assert other.stdout == rendered("failing")
    assert rendered("failing") != rendered("nothing")


def test_every_sheet_names_the_run_and_its_verdict() -> None:
    """A sheet that was printed and lies alone still says of which run it is."""
    pages = text_of(rendered("failing")).split("\f")[:-1]
    assert len(pages) > 2
    for number, page in enumerate(pages, start=1):
        assert f"Page {number} of {len(pages)}" in page
    for page in pages[1:]:
        assert page.split()[:2] == ["FAIL", "20261124T010203Z-weekly-restore-demo"]
    assert "3 of 9 targets failed" in pages[0]


def test_pictures_have_the_colours_of_paper() -> None:
    """A picture is drawn without the page's style sheets: all of its style is put into it."""
    style = module._picture_style()
    assert "var(" not in style
    assert "paint-order" not in style
    assert ".timeline .phase { fill: #7fb2d6 }" in style
    assert ".timeline text { fill: #000000 }" in style


@pytest.mark.parametrize(
    "markup",
    [
        '<img alt="x" src="file:///etc/hostname">',
        '<img alt="x" src="http://127.0.0.1:9/x.png">',
        '<link rel="stylesheet" href="file:///etc/hostname">',
        '<div style="background: url(file:///etc/hostname)">x</div>',
        '<a rel="attachment" href="file:///etc/hostname">x</a>',
    ],
)
def test_nothing_is_fetched(markup: str) -> None:
    """A page that wants a file or an address, however it came to that, is refused."""
    with pytest.raises(PaperError):
        print_page(f'<html lang="en"><title>x</title><body>{markup}', [], as_of=AS_OF)


def test_what_cannot_be_drawn_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture that the library would leave out is an error, never a gap in the report."""
    from weasyprint.svg import SVG

    def broken(*_: object) -> None:
        raise ValueError("no such curve")

    monkeypatch.setattr(SVG, "draw", broken)
    with pytest.raises(PaperError, match="could not be drawn"):
        render_pdf(judged("failing"), [])


def test_an_interruption_goes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library takes whatever is raised while it draws; but an interruption."""
    from weasyprint.svg import SVG

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(SVG, "draw", interrupted)
    with pytest.raises(KeyboardInterrupt):
        render_pdf(judged("failing"), [])


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Pango: what is missing, and the line that installs it."""

    class Missing:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "weasyprint":
                raise OSError("cannot load library 'libpango-1.0-0': no such file\nand more")

    monkeypatch.delitem(sys.modules, "weasyprint")
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    with pytest.raises(PaperError, match="libpango-1.0-0") as caught:
        render_pdf(judged("nothing"), [])
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("apt-get install -y --no-install-recommends libpango")


def test_names_from_outside_stay_text() -> None:
    """Markup, signs of other scripts and control characters in names do no harm."""
    report = judged("failing")
    hostile = '<img src="file:///etc/passwd">\x1b[2J\u202e \u6f22\u5b57 \U0001f4a5 url(x) </style>'
    found = replace(report.judgement.findings[0], headline=hostile, detail=(hostile,))
    judgement: Judgement = replace(report.judgement, findings=(found,), restores=())
    run = replace(report.run, run=f"run</div>{hostile}")
    content = render_pdf(Report(judgement=judgement, run=run, plan=report.plan), [])
    assert "root:" not in text_of(content)


def test_large_reports_can_be_printed() -> None:
    """400 findings with their rows, over many sheets, each with the head of the table."""
    report = judged("passing")
    findings = tuple(
        replace(report.judgement.findings[0], id=f"check/{number}", headline=f"row {number}")
        for number in range(400)
    )
    judgement = replace(report.judgement, findings=findings, restores=())
    words = text_of(render_pdf(Report(judgement=judgement, run=report.run, plan=report.plan), []))
    assert "row 399" in words
    assert words.count("How much it claims") >= words.count("\f") - 4


def text_of(content: bytes, *, first_page_only: bool = False) -> str:
    """What a reader can copy out of it, by poppler."""
    last = ["-l", "1"] if first_page_only else []
    done = subprocess.run(
        ["pdftotext", "-layout", *last, "-", "-"], input=content, capture_output=True, check=True
    )
    return done.stdout.decode()
