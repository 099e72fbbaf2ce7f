"""Draws lines, boxes and texts into an SVG, and says where times lie on its axis. Pure.

Lengths are SVG user units: 760 across, which is 180 mm on A4, so that 12 units of text are 8 pt.
Colours are set by class in templates/report.css, from the palette of Okabe and Ito, "Color
Universal Design" (2008), which people with any of the common colour deficiencies can tell apart;
hatching and words say the same once more, for black-and-white paper.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from harness.report.wording import printable

WIDTH = 760.0
RIGHT = WIDTH - 8
TOP = 24.0  # above the first row: the labels of the fault and of the RTO
ROW = 21.0
BAR = 11.0
BESIDE = 5.0  # between a mark and its label
LEAST = 2.0  # a mark is never narrower: 0.01 s of 10 min is still a mark

OFF_SCALE = 2.5
"""An RTO further away than so many times the last mark is drawn as an arrow at the edge."""

_TICKS_APART = 56

_STEPS_S = (
    *(digit * 10.0**power for power in (-3, -2, -1, 0) for digit in (1, 2, 5)),
    *(10.0, 15.0, 30.0),
    *(60.0 * minutes for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 1440)),
)


def picture(name: str, bottom: float, title: str, description: str) -> ET.Element:
    """An empty `<svg>` with its title, its description and its patterns.

    `name` is an XML name, unique in the document that the picture is put in.
    """
    svg = ET.Element(
        "svg",
        {
            "class": "timeline",
            "viewBox": f"0 0 {WIDTH:g} {bottom + 38:g}",
            "role": "img",
            "aria-labelledby": f"{name}-t {name}-d",
        },
    )
    ET.SubElement(svg, "title", id=f"{name}-t").text = printable(title)
    ET.SubElement(svg, "desc", id=f"{name}-d").text = printable(description)
    _hatching(svg, name)
    return svg


def as_text(svg: ET.Element) -> str:
    """The picture as it stands in a page."""
    return ET.tostring(svg, encoding="unicode", short_empty_elements=True)


def width(text: str, *, strong: bool = False) -> float:
    """Of 12-unit sans-serif text, on the wide side: no font is at hand to measure it with."""
    return len(text) * (7.9 if strong else 7.0)


def ticks(first_s: float, last_s: float, per_second: float) -> Iterator[float]:
    """Round times from `first_s` to `last_s`, far enough apart for their labels."""
    step = next(
        (step for step in _STEPS_S if step * per_second >= _TICKS_APART),
        86_400.0 * max(1, math.ceil(_TICKS_APART / (per_second * 86_400))),
    )
    for count in range(math.ceil(first_s / step), math.floor(last_s / step + 1e-9) + 1):
        yield count * step


@dataclass(frozen=True, slots=True, kw_only=True)
class Pen:
    """Draws into one picture."""

    svg: ET.Element
    name: str

    def rectangle(
        self, style: str, x: float, middle: float, length: float, hatch: str | None = None
    ) -> None:
        """A bar around `middle`, hatched where it must be told without colour."""
        self.box(style, x, middle - BAR / 2, length, BAR, hatch)

    def box(  # noqa: PLR0913 - what a box is made of
        self, style: str, x: float, y: float, length: float, height: float, hatch: str | None = None
    ) -> None:
        """A box, hatched where it must be told without colour."""
        box = {
            "x": f"{x:.1f}",
            "y": f"{round(y, 1):g}",
            "width": f"{length:.1f}",
            "height": f"{round(height, 1):g}",
        }
        ET.SubElement(self.svg, "rect", {"class": style, **box})
        if hatch is not None:
            ET.SubElement(self.svg, "rect", {"fill": self.pattern(hatch), **box})

    def pattern(self, hatch: str) -> str:
        """What fills a shape with one of the picture's patterns."""
        return f"url(#{self.name}-{hatch})"

    def plate(self, x: float, middle: float, length: float) -> None:
        """Paper under a text that stands over a mark."""
        box = {"x": f"{x:.1f}", "y": f"{middle - 8:g}", "width": f"{length:.1f}", "height": "16"}
        ET.SubElement(self.svg, "rect", {"class": "plate", **box})

    def path(self, style: str, path: str, hatch: str | None = None) -> None:
        """Any path, hatched where it must be told without colour."""
        ET.SubElement(self.svg, "path", {"class": style, "d": path})
        if hatch is not None:
            ET.SubElement(self.svg, "path", {"fill": self.pattern(hatch), "d": path})

    def dot(self, style: str, x: float, y: float, radius: float) -> None:
        """A circle."""
        where = {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": f"{radius:g}"}
        ET.SubElement(self.svg, "circle", {"class": style, **where})

    def line(self, style: str, x: float, y: float, to_x: float, to_y: float) -> None:
        """A straight line."""
        ends = {"x1": x, "y1": y, "x2": to_x, "y2": to_y}
        shown = {key: f"{round(value, 1):g}" for key, value in ends.items()}
        ET.SubElement(self.svg, "line", {"class": style, **shown})

    def text(self, style: str, x: float, y: float, text: str, anchor: str) -> None:
        """A text on one line; `anchor` as SVG has it."""
        attributes = {"class": style, "x": f"{round(x, 1):g}", "y": f"{y:g}"}
        if anchor != "start":
            attributes["text-anchor"] = anchor
        ET.SubElement(self.svg, "text", attributes).text = printable(text)

    def bracket(self, x: float, end: float, middle: float) -> None:
        """Two bounds and what lies between."""
        path = (
            f"M{x + 3:.1f} {middle - 6:g}H{x:.1f}V{middle + 6:g}H{x + 3:.1f}"
            f"M{end - 3:.1f} {middle - 6:g}H{end:.1f}V{middle + 6:g}H{end - 3:.1f}"
        )
        self.rectangle("between", x, middle, end - x)
        self.path("bracket", path)

    def open_end(self, x: float, middle: float) -> None:
        """On from `x` to nobody knows where."""
        self.path(
            "open",
            f"M{x:.1f} {middle:g}H{RIGHT - 8:g}"
            f"M{RIGHT - 15:g} {middle - 6:g}L{RIGHT - 7:g} {middle:g}"
            f"L{RIGHT - 15:g} {middle + 6:g}",
        )
        self.line("bracket", x, middle - 6, x, middle + 6)

    def break_(self, x: float, y: float) -> None:
        """Two slanted strokes: the axis is not continuous here."""
        self.path("break", f"M{x - 5:.1f} {y + 5:g}l5 -10M{x:.1f} {y + 5:g}l5 -10")


def _hatching(svg: ET.Element, name: str) -> None:
    """The patterns that tell lost, damaged and unsure apart without colour."""
    definitions = ET.SubElement(svg, "defs")
    for kind, path in (("lost", "M0 6L6 0"), ("unsure", "M3 3h.1")):
        pattern = ET.SubElement(
            definitions,
            "pattern",
            id=f"{name}-{kind}",
            width="6",
            height="6",
            patternUnits="userSpaceOnUse",
        )
        ET.SubElement(pattern, "path", {"class": f"hatch-{kind}", "d": path})
