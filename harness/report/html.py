"""Renders report.html: one file, no scripts, no links elsewhere, for screen and A4. Pure.

The page that report.pdf is printed from is the same one, with a few lines more.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from datetime import UTC
from functools import cache
from typing import Protocol

import jinja2
from markupsafe import Markup

from harness.model.conformance import ConformancePlan
from harness.model.game_day import GameDayPlan
from harness.model.judgement import Step
from harness.model.load_judgement import LoadSummary
from harness.model.load_test import LoadPlan
from harness.model.quantity import show_bytes
from harness.model.verdict import Verdict
from harness.report import lanes, load_wording, timeline, wording
from harness.report.capacity_picture import draw_capacity
from harness.report.controls_table import SAYS
from harness.report.load_picture import draw_load, limits_of
from harness.report.load_summary import drive_rows
from harness.report.promises import sections
from harness.report.quota_picture import draw_quotas
from harness.report.summary import Report, figures, headline, limits, target_rows

GLYPHS = {Verdict.PASS: "\u2713", Verdict.FAIL: "\u2715", Verdict.INCONCLUSIVE: "?"}
"""A shape for each verdict, so that none is told by colour alone."""


class File(Protocol):
    """A file of the run that a report names."""

    @property
    def name(self) -> str:
        """Within the run directory."""

    @property
    def sha256(self) -> str:
        """In hex."""


def render_html(report: Report) -> str:
    """The whole report; equal input gives equal text."""
    return _template("report.html.j2").render(_shown(report))


def render_paper(report: Report, attached: Sequence[File]) -> str:
    """The page that becomes report.pdf: names what is attached to it, and what each sheet says."""
    return _template("paper.html.j2").render(
        _shown(report),
        attached=attached,
        as_of=report.run.started.astimezone(UTC).isoformat(timespec="seconds"),
    )


def _shown(report: Report) -> dict[str, object]:
    """What the templates are filled with."""
    pictures = [
        Markup(  # noqa: S704 - timeline.draw escapes all text, through xml.etree
            timeline.draw(restore, rto_s=report.rto_s(restore.subject), name=f"r{number}")
        )
        for number, restore in enumerate(report.judgement.restores, start=1)
    ]
    lane_pictures = [
        Markup(lanes.draw_lanes(trial, name=f"g{number}"))  # noqa: S704 - as above
        for number, trial in enumerate(report.judgement.recoveries, start=1)
    ]
    return dict(
        judgement=report.judgement,
        run=report.run,
        report=report,
        headline=headline(report),
        figures=figures(report),
        rows=target_rows(report),
        limits=limits(report),
        failed=report.of(Verdict.FAIL),
        inconclusive=report.of(Verdict.INCONCLUSIVE),
        passed=report.of(Verdict.PASS),
        targets={target.id: target for target in report.plan.targets},
        pictures=pictures,
        lane_pictures=lane_pictures,
        load=report.judgement.load,
        **_of_load(report),
        sections=sections(report.plan, report.judgement.findings)
        if isinstance(report.plan, ConformancePlan)
        else None,
        all_steps=tuple(
            step for trial in report.judgement.recoveries for step in trial.manual_steps
        ),
        recovery_steps=tuple(Step),
        by_support=[
            (word, [one for one in report.controls if one.support is support])
            for support, word in SAYS.items()
        ],
        game_day=isinstance(report.plan, GameDayPlan),
        glyphs=GLYPHS,
        command=shlex.join(report.run.argv),
    )


def _of_load(report: Report) -> dict[str, object]:
    """What the section of a load test is made of: rows and pictures."""
    load = report.judgement.load or LoadSummary()
    limits = limits_of(report.plan)
    peak = report.plan.workload.peak_rate if isinstance(report.plan, LoadPlan) else None
    return {
        "drives": drive_rows(report.judgement),
        "load_pictures": [
            (trial, Markup(draw_load(load, trial, limits, name=f"l{number}")))  # noqa: S704 - as above
            for number, trial in enumerate(load.seconds, start=1)
        ],
        "capacity_pictures": [
            Markup(draw_capacity(searched, peak=peak, name=f"c{number}"))  # noqa: S704 - as above
            for number, searched in enumerate(load.capacity, start=1)
        ],
        "quota_picture": Markup(draw_quotas(load.headroom, name="q"))  # noqa: S704 - as above
        if load.headroom
        else None,
        "closed_loop": load_wording.CLOSED,
    }


@cache
def _template(name: str) -> jinja2.Template:
    surroundings = jinja2.Environment(
        loader=jinja2.PackageLoader("harness.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Whatever is printed and is not our own markup goes through `printable` first.
        finalize=_finalize,
    )
    filters: dict[str, Callable[..., object]] = {
        "after": wording.after,
        "by_itself": wording.by_itself,
        "bounded": load_wording.bounded,
        "bytes": show_bytes,
        "capacity_bounds": load_wording.capacity_bounds,
        "change": load_wording.change,
        "duration": wording.duration,
        "errors": load_wording.errors,
        "evidence": wording.evidence,
        "fits": load_wording.fits,
        "law": load_wording.law,
        "loss_of": wording.loss_of,
        "lost_writes": wording.lost_writes,
        "masked": wording.masked,
        "measure": wording.measure,
        "objective": wording.objective,
        "of_resource": wording.of_resource,
        "plural": wording.plural,
        "predicted": wording.predicted,
        "rate": load_wording.rate,
        "recovery_point": wording.recovery_point,
        "recovery_time": wording.recovery_time,
        "response": load_wording.response,
        "scaled_facts": load_wording.scaled_facts,
        "share": load_wording.share,
        "time_to_verified": wording.time_to_verified,
        "way_time": wording.way_time,
        "when": wording.when,
    }
    surroundings.filters.update(filters)
    return surroundings.get_template(name)


def _finalize(value: object) -> object:
    if isinstance(value, str) and not isinstance(value, Markup):
        return wording.printable(value)
    return value
