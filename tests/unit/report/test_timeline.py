"""The picture of one restore: well-formed, everything inside, no two labels on one another."""

import itertools
from xml.etree import ElementTree as ET

import pytest
from judged_runs import NAMES, judged
from msgspec.structs import replace

from harness.model.history import Phase
from harness.model.judgement import PhaseBar, RestoreSummary
from harness.report.timeline import describe, draw

RESTORES = [
    pytest.param(restore, id=f"{name}-{restore.trial}-{restore.subject}")
    for name in NAMES
    for restore in judged(name).judgement.restores
]
WIDTH = 760


def picture(restore: RestoreSummary, rto_s: float | None = 300.0) -> ET.Element:
    return ET.fromstring(draw(restore, rto_s=rto_s, name="r1"))  # noqa: S314 - our own text


def all_text(restore: RestoreSummary, rto_s: float | None = 300.0) -> list[str]:
    return [element.text or "" for element in picture(restore, rto_s).iter("text")]


def one() -> RestoreSummary:
    return judged("passing").judgement.restores[0]


@pytest.mark.parametrize("restore", RESTORES)
@pytest.mark.parametrize("rto_s", [None, 1.0, 9.0, 300.0, 1e6])
def test_labels_do_not_meet(restore: RestoreSummary, rto_s: float | None) -> None:
    """Whatever the proportions, no text overlaps another or leaves the picture."""
    boxes = [box(element) for element in picture(restore, rto_s).iter("text")]
    for left, top, right, bottom, text in boxes:
        assert left >= -1, text
        assert right <= WIDTH + 1, text
        assert top >= 0, text
        assert bottom > top
    for one, other in itertools.combinations(boxes, 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart, (one, other)


def box(element: ET.Element) -> tuple[float, float, float, float, str]:
    """Left, top, right and bottom of a text, with 6.2 units for a character of 12."""
    text = element.text or ""
    size = 11 if element.attrib["class"] == "tick" else 12
    width = 6.2 / 12 * size * len(text)
    x, y = float(element.attrib["x"]), float(element.attrib["y"])
    shift = {"start": 0.0, "middle": 0.5, "end": 1.0}[element.get("text-anchor", "start")]
    left = x - shift * width
    return left, y - 0.75 * size, left + width, y + 0.2 * size, text


@pytest.mark.parametrize("restore", RESTORES)
def test_marks_stay_inside(restore: RestoreSummary) -> None:
    """Every bar has a width and lies between the names and the right edge."""
    for bar in picture(restore).iter("rect"):
        assert float(bar.attrib["width"]) > 0
        assert float(bar.attrib["x"]) >= 96
        assert float(bar.attrib["x"]) + float(bar.attrib["width"]) <= WIDTH


def test_a_restore_of_which_nothing_is_known() -> None:
    """Without phases, times and ledger there is still a picture, and it says so."""
    restore = replace(
        one(),
        phases=(),
        bottleneck=None,
        rta_low_s=None,
        rta_high_s=None,
        sustained_s=None,
        verified_s=None,
        rpa_s=None,
        lost_records=None,
        levels=(),
    )
    assert "not measured" in all_text(restore, None)
    assert not list(picture(restore, None).iter("rect"))


def test_the_phases_in_their_order() -> None:
    """Bars follow one another on the time axis, and the bottleneck is told by a word."""
    root = picture(one())
    starts = [float(bar.attrib["x"]) for bar in root.iter("rect") if "phase" in bar.attrib["class"]]
    assert starts == sorted(starts)
    assert any("bottleneck" in text for text in all_text(one()))


def test_phases_that_run_side_by_side() -> None:
    """Parallel parts of one phase share a row, labelled with their whole extent."""
    bars = tuple(
        PhaseBar(phase=Phase.FETCH, start_s=start, end_s=start + 4.0, amount_bytes=2**20)
        for start in (1.0, 2.0, 3.0)
    )
    restore = replace(one(), phases=bars, bottleneck=Phase.FETCH)
    assert "6 s, bottleneck, 3 MiB, 3 parts" in all_text(restore)


def test_a_censored_restore_is_open() -> None:
    """What did not recover ends in an arrow and not in a bracket."""
    restore = replace(one(), rta_low_s=600.0, rta_high_s=None, sustained_s=None)
    root = picture(restore)
    assert [path for path in root.iter("path") if path.attrib["class"] == "open"]
    assert not [path for path in root.iter("path") if path.attrib["class"] == "bracket"]
    assert "not recovered within 10 min" in all_text(restore)


def test_the_gap_of_the_ledger_is_before_the_fault() -> None:
    """Lost writes are hatched, left of the fault; a day of them gets a scale of its own."""
    restore = replace(one(), rpa_s=86_400.0, lost_records=7, loss_from_s=-86_400.0, loss_to_s=-1.0)
    root = picture(restore)
    fault = next(line for line in root.iter("line") if line.attrib["class"] == "fault")
    gap = next(bar for bar in root.iter("rect") if bar.get("class") == "lost")
    assert float(gap.attrib["x"]) + float(gap.attrib["width"]) <= float(fault.attrib["x1"]) + 0.1
    assert [bar for bar in root.iter("rect") if bar.get("fill") == "url(#r1-lost)"]
    assert any("scale of its own" in text for text in all_text(restore))
    assert not any("scale of its own" in text for text in all_text(one()))


def test_nothing_lost_is_said_and_not_drawn() -> None:
    """An empty gap is a sentence: there is no bar without a loss."""
    assert "nothing (0 of 1,204 writes)" in all_text(one())
    assert not [bar for bar in picture(one()).iter("rect") if bar.get("class") == "lost"]


def test_a_far_rto_is_an_arrow() -> None:
    """An RTO far beyond the restore does not squeeze it: it is marked at the edge."""
    assert "RTO 5 min \u2192" in all_text(one(), 300.0)
    assert "RTO 20 s" in all_text(one(), 20.0)


def test_the_picture_in_words() -> None:
    """The description tells the same to people who do not see it."""
    words = describe(one(), 300.0)
    assert words.startswith("Recovery time 7.31..7.48 s after the fault; objective 5 min; ")
    assert "fetch 3.18 s, bottleneck, 512 MiB" in words
    assert "verified 17.9 s" in words
