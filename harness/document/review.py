"""Whether a document is past its own review cycle."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import msgspec

from harness.document.mapping import DocumentMapping, Place
from harness.document.quantities import Measure, quantities
from harness.document.statement import Document, Form, Statement, key_of, section_of

REVIEWED = (
    "last_reviewed",
    "last_review",
    "reviewed",
    "review_date",
    "last_updated",
    "last_update",
    "updated",
    "last_modified",
    "date",
)
"""What the date of the last review is called, the surest first."""

CYCLES = ("review_cycle", "review_frequency", "review_interval", "review_period", "review_every")
"""What the cycle is called."""

_FORMATS = ("%Y-%m-%d", "%B %d, %Y", "%b %d, %Y", "%d %B %Y", "%d %b %Y", "%d.%m.%Y", "%Y/%m/%d")


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """What the document says of its reviews. None: it does not say it, or not readably."""

    reviewed: date | None = None
    reviewed_line: int | None = None
    reviewed_says: str = ""
    cycle: timedelta | None = None
    cycle_line: int | None = None
    cycle_says: str = ""

    @property
    def due(self) -> date | None:
        """The last day on which it is within its cycle."""
        if self.reviewed is None or self.cycle is None:
            return None
        return self.reviewed + self.cycle


def review(document: Document, mapping: DocumentMapping) -> Review:
    """The last review and the cycle; a cycle's longest length is taken, a quarter is 92 days.

    Of several dates the first with the surest name is taken.
    """
    read = next(_named(document, mapping.reviewed, REVIEWED), None)
    cycle = next(_named(document, mapping.review_cycle, CYCLES), None)
    return Review(
        reviewed=_date(read.text) if read else None,
        reviewed_line=read.line if read else None,
        reviewed_says=read.text if read else "",
        cycle=_period(cycle.text) if cycle else None,
        cycle_line=cycle.line if cycle else None,
        cycle_says=cycle.text if cycle else "",
    )


def _named(document: Document, place: Place | None, names: tuple[str, ...]) -> Iterator[Statement]:
    keys = (key_of(place.key),) if place else names
    for key in keys:
        for one in document.statements:
            if key in one.keys and _is_at(one, place):
                yield one


def _is_at(statement: Statement, place: Place | None) -> bool:
    if place is None:
        # A key `date` deep in an example's YAML is none of the document's own.
        return statement.form is Form.CELL or len(statement.path) == 1
    return place.section is None or (
        section_of(place.section).casefold() == statement.section.casefold()
    )


def _date(text: str) -> date | None:
    bare = re.sub(r"[*`_]", "", text).strip().rstrip(".")
    for form in _FORMATS:
        try:
            return datetime.strptime(bare, form).replace(tzinfo=UTC).date()
        except ValueError:
            continue
    return None


def _period(text: str) -> timedelta | None:
    found = [one for one in quantities(text) if one.measure is Measure.DURATION]
    if not found:
        return None
    try:
        return timedelta(seconds=min(one.value for one in found))
    except OverflowError:
        return None
