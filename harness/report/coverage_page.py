"""Renders the coverage as a page of its own, and as a section for any report. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import jinja2
from markupsafe import Markup

from harness.model.coverage import Coverage
from harness.model.quantity import show_duration
from harness.model.target import Target
from harness.report import coverage_wording as words
from harness.report import wording
from harness.report.coverage_picture import draw_coverage
from harness.report.html import GLYPHS


def render_page(coverage: Coverage, targets: Sequence[Target]) -> str:
    """One file, no scripts, no links elsewhere; equal input gives equal text.

    `targets` are those that the coverage is of: their objectives are told in words.
    """
    return (
        _environment()
        .get_template("coverage.html.j2")
        .render(
            coverage=coverage,
            glyphs=GLYPHS,
            headline=words.headline(coverage),
            under=words.under_headline(coverage),
            section=coverage_section(coverage, name="coverage"),
            promises={target.id: wording.objective(target.objective) for target in targets},
        )
    )


def coverage_section(coverage: Coverage, *, name: str, styled: bool = True) -> Markup:
    """A `<section>` with the picture and what is owed, to stand in any page with report.css.

    `name` is an XML name, unique in that page. Not `styled`: the page has coverage.css
    too, and allows no style that stands in its text.
    """
    text = (
        _environment()
        .get_template("coverage_section.html.j2")
        .render(
            name=name,
            debt=words.debt(coverage),
            next=coverage.debt.next,
            why_next=words.next_drill(coverage),
            picture=Markup(  # noqa: S704 - escaped
                draw_coverage(coverage, name=f"{name}-picture", styled=styled)
            ),
        )
    )
    return Markup(text)  # noqa: S704 - escaped by the template


@cache
def _environment() -> jinja2.Environment:
    surroundings = jinja2.Environment(
        loader=jinja2.PackageLoader("harness.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    surroundings.filters.update(
        age=words.age,
        duration=show_duration,
        how=words.how,
        not_proved=words.not_proved,
        ratio=words.ratio,
        stand=words.stand,
        when=wording.when,
    )
    return surroundings


def _finalize(value: object) -> object:
    if isinstance(value, str) and not isinstance(value, Markup):
        return wording.printable(value)
    return value
