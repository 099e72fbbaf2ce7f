"""Renders report.pdf: the report as PDF/A-3a, with the files it was rendered from inside. Pure.

PDF/A-3 (ISO 19005-3) is for keeping: every font, colour profile and attached file is in the
document, nothing is fetched, and level A says what is a heading, a table, a picture. PDF/UA-1
(ISO 14289-1) is for who has it read aloud. Equal input gives equal
bytes on one machine: all times are the run's, and nothing is drawn from a clock or a random source.
"""

from __future__ import annotations

import copy
import hashlib
import io
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from harness.errors import HarnessError, SurroundingsError
from harness.report.html import render_paper
from harness.report.summary import Report

if TYPE_CHECKING:
    import pydyf
    import weasyprint

PACKAGES = (
    "libpango-1.0-0",
    "libpangoft2-1.0-0",
    "libharfbuzz-subset0",
    "fonts-dejavu-core",
    "fonts-liberation",
)
"""Debian packages of the libraries that WeasyPrint draws with, and of the fonts of paper.css."""

_SVG = "{http://www.w3.org/2000/svg}"
_FONTS = "Liberation Sans, DejaVu Sans, sans-serif"


class PaperError(SurroundingsError):
    """The report could not be put on paper; report.html says the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """One file of the run that goes into the document, as it stands on disk."""

    name: str
    """Its name in the run directory."""

    content: bytes
    says: str
    """What it is, for readers' lists of attachments."""

    @property
    def sha256(self) -> str:
        """Its digest in hex: that of the run's seal where it was sealed with this content."""
        return hashlib.sha256(self.content).hexdigest()


def render_pdf(report: Report, attached: Sequence[Attached]) -> bytes:
    """The whole report, with `attached` in it and their digests on its first page.

    Raises PaperError where Pango is missing, or where anything could not be drawn: a report without
    one of its pictures is none.
    """
    return print_page(render_paper(report, attached), attached, as_of=report.run.started)


def print_page(text: str, attached: Sequence[Attached], *, as_of: datetime) -> bytes:
    """A page of HTML as PDF/A-3a; nothing but the page itself is read, no file and no address."""
    weasyprint = _library()
    with _complaints():
        try:
            page = weasyprint.HTML(
                string=text,
                url_fetcher=weasyprint.urls.URLFetcher(allowed_protocols=(), fail_on_errors=True),
            )
            for picture in list(page.etree_element.iter(f"{_SVG}svg")):
                _dress(picture)
            pdf: bytes = page.write_pdf(
                pdf_variant="pdf/a-3a",
                finisher=_finish,
                # One use each: the library reads them up, and a second reading fails.
                attachments=[
                    weasyprint.Attachment(
                        file_obj=io.BytesIO(file.content),
                        name=file.name,
                        description=file.says,
                        relationship="Data",
                        created=as_of,
                        modified=as_of,
                    )
                    for file in attached
                ],
            )
        except weasyprint.urls.FatalURLFetchingError as error:
            raise PaperError(f"report.pdf: {error}: a report is one file") from error
    return pdf


def _library() -> Any:  # noqa: ANN401 - WeasyPrint has no types
    try:
        import weasyprint
    except OSError as error:
        raise PaperError(
            f"report.pdf: a library is missing: {str(error).splitlines()[0]}",
            hint=f"apt-get install -y --no-install-recommends {' '.join(PACKAGES)}",
        ) from error
    return weasyprint


# -- Pictures ---------------------------------------------------------------------------------


def _dress(picture: ET.Element) -> None:
    """Puts the style of a picture into it: WeasyPrint draws each as a document of its own, without
    the style sheets of the page, and has no variables and no `paint-order` there.
    """
    picture.set("font-size", "12")
    picture.set("font-family", _FONTS)
    title, description = picture.find(f"{_SVG}title"), picture.find(f"{_SVG}desc")
    if title is not None and description is not None:
        # The title becomes the alternate text; the description would be said nowhere.
        title.text = f"{title.text}: {description.text}"
    style = ET.Element(f"{_SVG}style")
    style.text = _picture_style()
    picture.insert(0, style)
    for parent in list(picture.iter()):
        for place, child in reversed(list(enumerate(parent))):
            if _HALOED & set(child.get("class", "").split()):
                halo = copy.deepcopy(child)
                halo.set("class", f"{child.get('class')} halo")
                parent.insert(place, halo)


_HALOED = frozenset({"label", "over"})
"""Classes of texts that have paper around their letters: drawn twice, the first time as paper."""

_VARIABLE = re.compile(r"--([a-z-]+): (#[0-9a-f]{6})")
_RULE = re.compile(r"^(\.(?:timeline|coverage)[^{]*)\{([^}]*)\}", re.MULTILINE)


@cache
def _picture_style() -> str:
    """The rules of the pictures with the colours of paper, which are the last that are set."""
    css = "\n".join(_template(name) for name in ("report.css", "coverage.css"))
    colours = dict(_VARIABLE.findall(css))
    rules = []
    for selectors, body in _RULE.findall(css):
        kept = [
            declaration.strip()
            for declaration in body.split(";")
            if declaration.strip()
            and not ("paint-order" in body and declaration.strip().startswith(("paint", "stroke")))
            and not declaration.strip().startswith("font:")
        ]
        rules.append(f"{selectors.strip()} {{ {'; '.join(kept)} }}")
    rules.append(
        ".timeline .halo { fill: var(--paper); stroke: var(--paper); stroke-width: 3.5; "
        "stroke-linejoin: round }"
    )
    return re.sub(r"var\(--([a-z-]+)\)", lambda name: colours[name[1]], "\n".join(rules))


def _template(name: str) -> str:
    return (resources.files("harness.report") / "templates" / name).read_text(encoding="utf-8")


# -- Tags and conformance ----------------------------------------------------------------------


_UNIVERSAL_ACCESS = """
<rdf:Description rdf:about="" xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/"><pdfuaid:part>1</pdfuaid:part></rdf:Description>
<rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"
 xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#" xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">
<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">
<pdfaSchema:schema>PDF/UA identification schema</pdfaSchema:schema>
<pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>
<pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>
<pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource">
<pdfaProperty:name>part</pdfaProperty:name><pdfaProperty:valueType>Integer</pdfaProperty:valueType>
<pdfaProperty:category>internal</pdfaProperty:category>
<pdfaProperty:description>Part of ISO 14289 that the file follows</pdfaProperty:description>
</rdf:li></rdf:Seq></pdfaSchema:property>
</rdf:li></rdf:Bag></pdfaExtension:schemas></rdf:Description>
</rdf:RDF>"""
"""PDF/UA-1's mark (ISO 14289-1, 5), and its schema as PDF/A asks for it (ISO 19005-3, 6.6.2.3): the
library sets the mark of one standard only."""


def _finish(_: weasyprint.Document, pdf: pydyf.PDF) -> None:
    """What the library leaves out: scopes of header cells, that it is PDF/UA too, and that each
    attached file is listed once.
    """
    import pydyf

    _say_scopes(pdf)
    if "AF" in pdf.catalog:
        pdf.catalog["AF"] = pydyf.Array(dict.fromkeys(pdf.catalog["AF"]))
    metadata = next(one for one in pdf.objects if one.reference == pdf.catalog["Metadata"])
    metadata.stream = [
        part.replace(b"</rdf:RDF>", _UNIVERSAL_ACCESS.encode()) for part in metadata.stream
    ]


def _say_scopes(pdf: pydyf.PDF) -> None:
    """Says of each header cell whether it heads a column or a row (ISO 32000-1, 14.8.5.7): all of a
    `thead` head columns, all others rows.
    """
    import pydyf

    elements = {one.reference: one for one in pdf.objects if isinstance(one, pydyf.Dictionary)}
    for one in elements.values():
        if one.get("S") == "/TH":
            above = elements[elements[one["P"]]["P"]]
            one["A"]["Scope"] = "/Column" if above.get("S") == "/THead" else "/Row"


# -- What the library says --------------------------------------------------------------------


class _Complaints(logging.Handler):
    """Keeps the library's errors, and what was raised behind them."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[str] = []
        self.interruption: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR:
            self.errors.append(record.getMessage())
        raised = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if raised is not None and not isinstance(raised, Exception):
            # It takes whatever is raised while it draws, also that the command is to end.
            self.interruption = raised


@contextmanager
def _complaints() -> Iterator[None]:
    """Raises what the library only logs: it leaves out what it cannot draw, and goes on."""
    logger, heard = logging.getLogger("weasyprint"), _Complaints()
    level, propagate = logger.level, logger.propagate
    logger.addHandler(heard)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield
    except (HarnessError, MemoryError):
        raise
    except Exception as error:
        raise PaperError(f"report.pdf: could not be rendered: {error!r}") from error
    finally:
        logger.removeHandler(heard)
        logger.setLevel(level)
        logger.propagate = propagate
    if heard.interruption is not None:
        raise heard.interruption
    if heard.errors:
        raise PaperError(f"report.pdf: could not be drawn: {'; '.join(heard.errors)}")
