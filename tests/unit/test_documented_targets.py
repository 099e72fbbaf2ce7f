"""The project's own targets say what they quote: a number that is in no quote is a slip."""

import re
from pathlib import Path

import pytest

from harness.model.codec import to_json
from harness.model.configuration import CONFIGURATION, Unmeasured
from harness.model.target import Target
from harness.targets import load_drilled_targets, load_target_files, load_targets

FOLDER = Path(__file__).parents[2] / "targets"
TARGETS = load_targets(FOLDER)
CHAPTERS = load_target_files(FOLDER)
READ_INTO_IT = {
    "traffic-switch": "Instantaneous has no number",
    "data-replication": "Multi-AZ: more than one",
    "review-cycle": "Quarterly",
    "restore-test-frequency": "Weekly",
}
"""Targets whose number the document does not say -> what it says instead."""


@pytest.mark.parametrize(
    "target",
    [
        one
        for one in TARGETS
        if isinstance(one.objective, CONFIGURATION) and not isinstance(one.objective, Unmeasured)
    ],
    ids=lambda one: str(one.id),
)
def test_a_number_is_in_a_quote(target: Target) -> None:
    """15 s where the document says 15s; or it is named why the document has none."""
    said = " ".join(
        part for source in target.sources for part in (*source.lines, source.under or "")
    )
    written = _numbers(said)
    minutes = {str(int(one) * 60) for one in written}  # PT900S is 15m
    missing = _numbers(to_json(target.objective).decode()) - written - minutes
    assert bool(missing) == (target.id in READ_INTO_IT)


def _numbers(text: str) -> set[str]:
    return set(re.findall(r"\d+", text))


@pytest.mark.parametrize("target", TARGETS, ids=lambda one: str(one.id))
def test_a_place_is_said_once(target: Target) -> None:
    """No line twice below the same keys, none empty, none with what is around it."""
    places = [
        (source.section, source.under, line) for source in target.sources for line in source.lines
    ]
    assert len(set(places)) == len(places)
    assert all(line == line.strip() and line and "\n" not in line for _, _, line in places)
    assert all(re.fullmatch(r"[\w/&-][\w /&-]*[\w]", section) for section, _, _ in places)


def test_every_chapter_is_of_one_document() -> None:
    """What is tied to no document is tied to nothing."""
    assert {one.document for one in CHAPTERS.values()} == {"deployment-architecture.md"}


def test_what_is_no_promise_is_no_target() -> None:
    """A section that promises nothing at all has no target in it."""
    nothing = {
        one.section for file in CHAPTERS.values() for one in file.no_promises if not one.quotes
    } - {"Related Documentation"}
    assert nothing
    assert not nothing & {source.section for one in TARGETS for source in one.sources}


def test_drills_are_planned_without_the_set_up() -> None:
    """Restores, game days and load tests store what they can answer, and the sizes they need."""
    drilled = load_drilled_targets(FOLDER)
    assert {"rto", "rpo", "postgresql-volume", "quota-global"} <= {one.id for one in drilled}
    assert not any(isinstance(one.objective, CONFIGURATION) for one in drilled)
    assert all(one in TARGETS for one in drilled)
