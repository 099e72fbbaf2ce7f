"""Draws what controllers may ask for at once against what each quota allows. Pure.

One bar for each resource of each quota, as a share of its hard limit, which is one line through all
of them: what crosses it has no room. Parts are its controllers, the largest first; the hatched end
is what the largest single rollout adds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.model.load_judgement import Headroom
from harness.report.drawing import RIGHT, ROW, Pen, as_text, picture, width
from harness.report.load_wording import fits, quota_of
from harness.report.wording import of_resource

_LEFT = 152.0
_TOP = 30.0
_BAR = 14.0
_HEAD = 18.0
_AFTER = 230.0
"""Kept free at the right for the words."""

_MOST = 2.0
"""Bars end here, in hard limits, with a break: one that is far too large must not flatten all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where bars stand: from the left, so many units for a whole hard limit."""

    whole: float

    def x(self, share: float) -> float:
        return _LEFT + min(share, _MOST) * self.whole


def draw_quotas(rows: Sequence[Headroom], *, name: str) -> str:
    """The picture of all quotas; `name` is unique in its document."""
    groups = _groups(rows)
    bottom = _TOP + sum(_HEAD + ROW * len(of_quota) for of_quota in groups)
    largest = max((_share(row, row.with_surge) for row in rows), default=1.0)
    place = _Place(whole=(RIGHT - _LEFT - _AFTER) / max(1.0, min(largest, _MOST)))
    svg = picture(
        name, bottom, "What may be asked for at once, against the quotas", _described(rows)
    )
    pen = Pen(svg=svg, name=name)
    for percent in (0, 50):
        x = place.x(percent / 100)
        pen.line("grid", x, _TOP - 6, x, bottom)
        pen.text("tick", x, bottom + 15, f"{percent} %", "middle")
    pen.text("tick", place.x(1), bottom + 15, "100 %", "middle")
    pen.text("tick", RIGHT, bottom + 31, "of the hard limit", "end")
    top = _TOP
    for of_quota in groups:
        first = of_quota[0]
        pen.text("strong", 4, top + 12, f"{first.namespace}, {first.quota}", "start")
        top += _HEAD
        for row in of_quota:
            _bar(pen, place, row, top + ROW / 2)
            top += ROW
    pen.line("rto", place.x(1), _TOP - 6, place.x(1), bottom)
    pen.text("rto-label", place.x(1), _TOP - 12, "hard limit", "middle")
    return as_text(svg)


def _groups(rows: Sequence[Headroom]) -> list[list[Headroom]]:
    found: dict[tuple[str, str], list[Headroom]] = {}
    for row in rows:
        found.setdefault((row.namespace, row.quota), []).append(row)
    return list(found.values())


def _share(row: Headroom, amount: float) -> float:
    """Of the hard limit; where that is 0, as much as is drawn for anything."""
    if row.hard > 0:
        return amount / row.hard
    return _MOST if amount else 0.0


def _bar(pen: Pen, place: _Place, row: Headroom, middle: float) -> None:
    pen.text("name", _LEFT - 8, middle + 4, row.resource, "end")
    at = 0.0
    for number, (controller, amount) in enumerate(row.parts):
        begin, end = place.x(_share(row, at)), place.x(_share(row, at + amount))
        at += amount
        if end <= begin:
            continue
        style = "part" if number % 2 == 0 else "part other"
        pen.box(style, begin, middle - _BAR / 2, end - begin, _BAR)
        label = controller.rpartition("/")[2]
        if width(label) * 0.9 + 8 <= end - begin:
            pen.text("tick part-label", begin + 4, middle + 4, label, "start")
    begin, end = place.x(_share(row, row.claimed)), place.x(_share(row, row.with_surge))
    if end > begin:
        pen.box("surge", begin, middle - _BAR / 2, end - begin, _BAR, "lost")
    if _share(row, row.with_surge) > _MOST:
        pen.break_(end - 6, middle)
    style = "label" if row.fits else "label strong"
    pen.text(style, max(end, place.x(1)) + 8, middle + 4, _words(row), "start")


def _words(row: Headroom) -> str:
    amount = f"{of_resource(row.with_surge, row.resource)} of {of_resource(row.hard, row.resource)}"
    return amount if row.fits else f"does not fit: {amount}"


def _described(rows: Sequence[Headroom]) -> str:
    return "; ".join(_sentences(rows)) + "."


def _sentences(rows: Sequence[Headroom]) -> Iterator[str]:
    for row in rows:
        parts = ", ".join(f"{name} {of_resource(each, row.resource)}" for name, each in row.parts)
        yield f"{quota_of(row)}: {fits(row)}{f' ({parts})' if parts else ''}"
    if not rows:
        yield "no quota is known"
