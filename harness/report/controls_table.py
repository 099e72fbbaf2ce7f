"""Renders controls.csv: what runs say of each objective of the control frameworks. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from harness.model.compliance import Cited, ObjectiveSupport, Support
from harness.report.csv_table import write_csv
from harness.report.wording import when

_COLUMNS = (
    *("framework", "control", "name", "objective", "asks", "says"),
    *("evidence", "missing", "beyond", "source"),
)


SAYS = {
    Support.CONTRADICTS: "contradicts",
    Support.INCONCLUSIVE: "cannot tell of",
    Support.NOTHING: "says nothing of",
    Support.SUPPORTS: "supports",
}
"""What a run does with an objective, as a verb; in the order in which they are told."""


def render_controls(controls: Iterable[ObjectiveSupport]) -> str:
    """The whole file; equal input gives equal text."""
    return write_csv(
        _COLUMNS,
        (
            [
                *(one.framework, one.control, one.name, one.objective, one.asks, one.support),
                "; ".join([*map(cited, one.cited), *one.properties]),
                *("; ".join(one.missing), one.beyond, one.source),
            ]
            for one in controls
        ),
    )


def cited(one: Cited) -> str:
    """`PASS restore/latest-backup/orders (run, end)`."""
    return f"{one.verdict} {one.finding} ({one.run}, {when(one.at)})"
