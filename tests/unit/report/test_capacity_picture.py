"""Where the numbers of a search stand in its picture."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from harness.model.load_judgement import CapacityPoint, CapacitySummary
from harness.report.capacity_picture import draw_capacity
from harness.report.drawing import RIGHT, width


def searched(capacities: dict[int, float]) -> CapacitySummary:
    """Replicas -> the highest rate that held."""
    points = tuple(
        CapacityPoint(replicas=replicas, holds=held, fails=held + 10, limited_by="p95")
        for replicas, held in capacities.items()
    )
    return CapacitySummary(trial="capacity", points=points, fit=None)


def labels(svg: str) -> dict[float, list[tuple[float, str]]]:
    """Height -> each label's middle and text, from left to right."""
    found: dict[float, list[tuple[float, str]]] = {}
    for one in ET.fromstring(svg).iter():  # noqa: S314 - our own
        if one.get("class") == "label":
            row = found.setdefault(float(one.get("y", "nan")), [])
            row.append((float(one.get("x", "nan")), one.text or ""))
    return {height: sorted(row) for height, row in found.items()}


def test_a_search_without_a_point_has_no_number() -> None:
    assert labels(draw_capacity(searched({}), peak=None, name="p")) == {}


@given(st.dictionaries(st.integers(1, 30), st.floats(1, 1e6), min_size=1, max_size=12))
def test_no_number_stands_on_another(capacities: dict[int, float]) -> None:
    """All are there, each row has room for its own, none leaves the picture."""
    rows = labels(draw_capacity(searched(capacities), peak=100.0, name="p"))
    assert sum(len(row) for row in rows.values()) == len(capacities)
    for row in rows.values():
        assert all(middle + width(text) / 2 <= RIGHT + 0.1 for middle, text in row)
        for (left, text), (right, other) in pairwise(row):
            assert left + width(text) / 2 < right - width(other) / 2
