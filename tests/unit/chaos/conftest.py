"""A drill in memory, and this process's own state of one put back after each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from drills import Drill, drill

from harness.chaos import activity, context, injector


@pytest.fixture
def the_drill(tmp_path: Path) -> Iterator[Drill]:
    """A drill that this process performs, with its guard standing."""
    made = drill(tmp_path)
    enter(made)
    yield made
    activity.forget()
    context.guard_stands(stands=False)
    injector.enter(None)


def enter(made: Drill) -> None:
    """Makes a drill this process's."""
    activity.forget()
    context.enter(made.config)
    context.guard_stands()
    injector.enter(made.injector)
