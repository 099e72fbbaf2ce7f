"""The picture of one trial of a game day: lanes, labels that do not meet, and words for it all."""

import itertools
from xml.etree import ElementTree as ET

import pytest
from game_day_run import JUDGED, day
from judged_runs import judged
from msgspec.structs import replace

from harness.model.codec import to_indented_json
from harness.model.judgement import (
    Interval,
    RecoveredBy,
    RecoverySummary,
    Step,
    StepSeen,
    WayRecovery,
)
from harness.report.lanes import describe_lanes, draw_lanes

WIDTH = 760
TRIALS = [
    pytest.param(trial, id=trial.trial)
    for trial in judged("game-day").judgement.recoveries
    if trial.ways
]


def node() -> RecoverySummary:
    return judged("game-day").judgement.recoveries[2]


def picture(trial: RecoverySummary) -> ET.Element:
    return ET.fromstring(draw_lanes(trial, name="g1"))  # noqa: S314 - our own text


def texts(trial: RecoverySummary) -> list[str]:
    return [element.text or "" for element in picture(trial).iter("text")]


def box(element: ET.Element) -> tuple[float, float, float, float, str]:
    """Left, top, right and bottom of a text, with 6.2 units for a character of 12."""
    text = element.text or ""
    size = 11 if element.attrib["class"] == "tick" else 12
    width = 6.2 / 12 * size * len(text)
    x, y = float(element.attrib["x"]), float(element.attrib["y"])
    shift = {"start": 0.0, "middle": 0.5, "end": 1.0}[element.get("text-anchor", "start")]
    left = x - shift * width
    return left, y - 0.75 * size, left + width, y + 0.2 * size, text


def one_way(
    by: RecoveredBy, *outages: tuple[float, float | None], rto_s: float = 300.0
) -> WayRecovery:
    return WayRecovery(
        subject="orders",
        probe_class="orders: write on a new connection",
        way=None,
        judged=True,
        verdict=None,
        text="as it was",
        by=by,
        rta_low_s=outages[-1][0] if outages else 0.0,
        rta_high_s=outages[-1][1] if outages else 0.1,
        rto_s=rto_s,
        outages=tuple(Interval(start_s=start, end_s=end) for start, end in outages),
    )


def test_the_fixture_is_what_the_judges_say() -> None:
    """judged/game-day/verdict.json is the judgement of game_day_run.py, byte for byte."""
    assert to_indented_json(day().judged()) == (JUDGED / "verdict.json").read_bytes()


def test_a_trial_of_which_nothing_is_known() -> None:
    """No way in, no instant: still a picture, and words that say so."""
    bare = replace(
        node(),
        ways=(),
        steps=(),
        manual_steps=(),
        rolled_back_from_s=None,
        rolled_back_until_s=None,
        fault_width_s=None,
        watched_until_s=None,
    )
    assert not list(picture(bare).iter("rect"))
    assert describe_lanes(bare) == "Nothing was observed."


@pytest.mark.parametrize("trial", TRIALS)
@pytest.mark.parametrize("rto_s", [1.0, 9.0, 90.0, 300.0, 1e6])
def test_labels_do_not_meet(trial: RecoverySummary, rto_s: float) -> None:
    """Whatever the proportions, no text overlaps another or leaves the picture."""
    changed = replace(trial, ways=tuple(replace(way, rto_s=rto_s) for way in trial.ways))
    boxes = [box(element) for element in picture(changed).iter("text")]
    for left, top, right, _, text in boxes:
        assert left >= -1, text
        assert right <= WIDTH + 1, text
        assert top >= 0, text
    for one, other in itertools.combinations(boxes, 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart, (one, other)


@pytest.mark.parametrize("trial", TRIALS)
def test_marks_stay_inside(trial: RecoverySummary) -> None:
    """Every bar has a width and lies between the names and the right edge."""
    for bar in picture(trial).iter("rect"):
        assert float(bar.attrib["width"]) > 0
        assert float(bar.attrib["x"]) >= 220
        assert float(bar.attrib["x"]) + float(bar.attrib["width"]) <= WIDTH


def test_wrong_and_unseen_are_told_without_colour() -> None:
    """An outage is hatched and what nobody saw is dotted."""
    fills = [bar.get("fill") for bar in picture(node()).iter("rect")]
    assert "url(#g1-lost)" in fills
    assert "url(#g1-unsure)" in fills


def test_each_end_has_its_words() -> None:
    """By itself, by our rollback, never, and never away are told apart."""
    ends = {
        RecoveredBy.ITSELF: "2..3 s",
        RecoveredBy.NOTHING: "not back, > 2 s",
        RecoveredBy.NO_OUTAGE: "no outage",
        RecoveredBy.UNKNOWN: "unknown",
        RecoveredBy.ROLLBACK: "back after our rollback, 40 s",
    }
    for by, words in ends.items():
        end_s = 3.0 if by is RecoveredBy.ITSELF else None
        way = one_way(by, *([] if by is RecoveredBy.NO_OUTAGE else [(2.0, end_s)]))
        if by is RecoveredBy.ROLLBACK:
            way = replace(way, after_rollback_s=40.0)
        assert words in texts(replace(node(), ways=(way,)))
    shown = replace(one_way(RecoveredBy.NO_OUTAGE), judged=False)
    assert "no outage (not judged)" in texts(replace(node(), ways=(shown,)))


def test_an_outage_without_an_end_reaches_to_where_nobody_looked_on() -> None:
    """It is drawn to the end of the lane."""
    way = one_way(RecoveredBy.NOTHING, (2.0, None))
    trial = replace(node(), ways=(way,), watched_until_s=50.0)
    lane, outage = [
        bar for bar in picture(trial).iter("rect") if bar.get("class") in {"right", "lost"}
    ]
    ends = [float(bar.attrib["x"]) + float(bar.attrib["width"]) for bar in (lane, outage)]
    assert ends[0] == pytest.approx(ends[1], abs=0.2)


def test_an_outage_of_an_instant_is_seen() -> None:
    """A tenth of a second beside ten minutes is still a mark."""
    ways = (
        one_way(RecoveredBy.ITSELF, (0.0, 0.1)),
        one_way(RecoveredBy.ITSELF, (0.0, 600.0)),
    )
    marks = [
        bar
        for bar in picture(replace(node(), ways=ways)).iter("rect")
        if bar.get("class") == "lost"
    ]
    assert all(float(bar.attrib["width"]) >= 2 for bar in marks)


def test_steps_of_the_platform_have_a_row_each() -> None:
    """Two of a kind share one, the first is named."""
    seen = tuple(
        StepSeen(step=Step.DETECTED, subject=f"node:worker-{number}", low_s=1.0, high_s=number)
        for number in (3.0, 2.0)
    )
    trial = replace(node(), steps=seen, manual_steps=())
    assert "2 s: node:worker-2.0 and 1 more" in texts(trial)


def test_names_are_text() -> None:
    """Markup and control characters are shown or replaced, not obeyed."""
    hostile = "<script>alert(1)</script>\x1b[2J"
    trial = replace(node(), trial=hostile, ways=(replace(node().ways[0], probe_class=hostile),))
    text = draw_lanes(trial, name="g1")
    assert "<script>" not in text
    assert "\x1b" not in text


def test_the_picture_in_words() -> None:
    """The description tells the same to people who do not see it."""
    words = describe_lanes(node())
    assert "orders: write on a new connection: back after 21.4 s" in words
    assert "our rollback began 1 min after the fault" in words
    assert "detected 41.3 s: node:worker-2" in words
