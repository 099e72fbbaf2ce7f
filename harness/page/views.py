"""Turns what the page shows into HTML: one template for each page, everything escaped."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache

import jinja2
from markupsafe import Markup

from harness.model.instant import seconds
from harness.model.quantity import show_bytes
from harness.page.guard import Visitor
from harness.page.live_view import LiveView
from harness.report import coverage_wording, wording
from harness.report.html import GLYPHS

REGIONS = ("head", "broken", "clocks", "lanes", "steps", "ledgers", "notes", "events")
"""Parts of the live page that are replaced as they change; none of them can be focused."""


def page(name: str, visitor: Visitor | None, *, operate: bool, **values: object) -> str:
    """A whole page, by the name of its template."""
    return (
        surroundings()
        .get_template(f"{name}.html.j2")
        .render(
            form_token=visitor.form_token if visitor is not None else "",
            visitor=visitor,
            operate=operate,
            here=name,
            **values,
        )
    )


def regions(view: LiveView | None) -> Mapping[str, str]:
    """Every region of the live page."""
    return {
        name: surroundings().get_template(f"live/{name}.html.j2").render(view=view)
        for name in REGIONS
    }


def clock(moment: datetime) -> str:
    """A time of the day in UTC: `14:03:07`."""
    return moment.strftime("%H:%M:%S")


def stopwatch(elapsed_ns: int) -> str:
    """A time that runs: `4:07`, `1:02:33`; of one length while it runs, so that nothing jumps."""
    minutes, rest = divmod(elapsed_ns // 1_000_000_000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def in_short(elapsed_ns: int) -> str:
    """Nanoseconds as a duration in words."""
    return wording.duration(float(int(seconds(elapsed_ns))))


@cache
def surroundings() -> jinja2.Environment:
    """Templates, escaping, and the words of the reports."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("harness.page", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    found.globals["glyphs"] = GLYPHS
    found.globals["regions_of"] = REGIONS
    found.filters.update(
        age=coverage_wording.age,
        bytes=show_bytes,
        clock=clock,
        how=coverage_wording.how,
        in_short=in_short,
        measure=wording.measure,
        objective=wording.objective,
        plural=wording.plural,
        stand=coverage_wording.stand,
        stopwatch=stopwatch,
        when=wording.when,
    )
    return found


def _finalize(value: object) -> object:
    """What comes from servers and people is one line without what turns or hides text; text that
    has lines of its own goes through the filter `lines`.
    """
    if isinstance(value, str) and not isinstance(value, Markup):
        return wording.printable(value)
    return value
