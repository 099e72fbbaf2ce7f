"""The record as people see it: whole outputs, compared with what they were."""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import track_records as made

from harness.model.track_record import Record, Showing
from harness.model.verdict import Verdict
from harness.report.track_record_table import render_detail, render_overview
from harness.report.trend_picture import describe, draw_trend, render_trend
from harness.track_record.compose import Asked, Rows, detail, overview
from harness.track_record.trend import trend

EXPECTED = Path(__file__).parent / "expected"
ASKED = Asked(now=made.NOW)


def rows() -> Rows:
    """A step, a drift since then that will miss, a deadline that was missed before, a flaky one."""
    noise = np.random.default_rng(1).normal(0, 2, 60).round(3)
    values: list[float | None] = [float(40 + one) for one in noise[:20]]
    values += [float(120 + 3 * week + noise[20 + week]) for week in range(40)]
    values[4] = None
    shown = made.weekly(values, sealed=[50])
    nothing = made.showing(shown[9][0].run, None, verdict=Verdict.INCONCLUSIVE)
    shown[9] = (shown[9][0], nothing)
    runs = [run for run, _ in shown]
    flips = [
        (run.run, "whole-loss", made.VERDICTS[sign])
        for run, sign in zip(runs[-6:], "..F.F?", strict=True)
    ]
    return Rows(
        runs=runs,
        refused=(("torn", "cannot be read: verdict.json"),),
        answers=[*made.answers(runs), *made.answers(runs[-3:], "backup-encryption")],
        showings=[one for _, one in shown],
        scenarios=flips,
    )


def nothing() -> Record:
    return overview(Rows(runs=(), refused=(), answers=(), showings=(), scenarios=()), ASKED)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("track_record_of_nothing.txt", render_overview(nothing())),
        ("track_record_overview.txt", render_overview(overview(rows(), ASKED))),
        ("track_record_of_rto.txt", render_detail(detail("rto", rows(), ASKED))),
    ],
)
def test_what_is_printed_is_what_was_expected(name: str, text: str) -> None:
    """`UPDATE_EXPECTED=1` writes it anew; look at the difference."""
    if os.environ.get("UPDATE_EXPECTED"):
        (EXPECTED / name).write_text(text, encoding="utf-8")
    assert text == (EXPECTED / name).read_text(encoding="utf-8")


def test_the_picture_shows_each_value_as_what_it_is() -> None:
    """A dot for each pass, an arrow for what was not recovered, a mark where nothing was measured.

    The file is our own.
    """
    (one,) = detail("rto", rows(), ASKED).trends
    svg = ET.fromstring(render_trend(one))  # noqa: S314 - our own
    styles = [element.get("class") for element in svg.iter() if element.get("class")]
    assert styles.count("held") == 58
    assert styles.count("missed") == 1
    assert styles.count("rto") == 1
    assert styles.count("curve dotted") == len(one.changes)
    assert "band" in styles
    assert one.forecast.weeks is not None
    assert f"in {one.forecast.weeks:.0f} weeks" in describe(one)


@pytest.mark.parametrize("values", [[10.0], [0.0], [None], [10.0, 10.0], [1e-6, 1e9]])
def test_any_trend_can_be_drawn(values: list[float | None]) -> None:
    """One value, none, all alike, far apart: never a division by nothing."""
    found = trend(made.weekly(values), made.NOW)
    assert "NaN" not in draw_trend(found, name="x")


def test_names_from_outside_do_not_leave_the_picture() -> None:
    """A subject is a text, and no mark-up."""
    run, one = made.weekly([10.0])[0]
    evil = Showing(
        **{name: getattr(one, name) for name in one.__struct_fields__ if name != "subject"},
        subject="</text><script>alert(1)</script>\x1b[31m",
    )
    text = render_trend(trend([(run, evil)], made.NOW))
    assert "<script>" not in text
    assert "\x1b" not in text
    assert "\x1b" not in render_detail(
        detail(
            "rto", Rows(runs=[run], refused=(), answers=(), showings=[evil], scenarios=()), ASKED
        )
    )
