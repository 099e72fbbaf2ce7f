"""What is broken stays broken until the supervisor lets go, or the deadline does."""

from __future__ import annotations

from datetime import timedelta

import pytest
from drills import Drill

from harness.chaos import context
from harness.chaos.activity import failed
from harness.chaos.hold import hold
from harness.errors import SurroundingsError


def test_until_the_release(the_drill: Drill) -> None:
    the_drill.config.release.touch()
    assert hold() == "the supervisor"


def test_until_the_deadline_where_nobody_releases(the_drill: Drill) -> None:
    context.enter(the_drill.set(deadline=timedelta(0)).config)
    assert hold() == "the deadline"


def test_until_the_supervisor_is_gone(the_drill: Drill, monkeypatch: pytest.MonkeyPatch) -> None:
    """An orphan has another parent; what it broke is put back next."""
    context.enter(the_drill.set(deadline=timedelta(days=1)).config)
    monkeypatch.setattr("os.getppid", lambda: 1_000_000)
    assert hold() == "the supervisor is gone"


def test_nothing_is_watched_after_a_failure(the_drill: Drill) -> None:
    context.enter(the_drill.set(deadline=timedelta(days=1)).config)
    failed(SurroundingsError("the fault was not seen"))
    with pytest.raises(SurroundingsError, match="not done, since the fault was not seen"):
        hold()
