"""Run directories: plans of both kinds, those of before there were two, and subscriptions."""

from __future__ import annotations

from pathlib import Path

import constructors
import game_days
import pytest

from harness.errors import InputError
from harness.model.codec import to_indented_json, to_json
from harness.model.history import History
from harness.model.plan import Plan
from harness.store import RunDirectory


def test_no_plan_is_an_input_error(tmp_path: Path) -> None:
    """It names the file."""
    with pytest.raises(InputError, match=r"plan\.json"):
        RunDirectory(tmp_path).read_plan()


def test_a_plan_says_what_it_plans(tmp_path: Path) -> None:
    """Restores and game days come back as what they were."""
    run = RunDirectory(tmp_path)
    for plan in (
        constructors.plan(constructors.RTO, trials=[constructors.trial()]),
        game_days.plan(game_days.trial()),
    ):
        run.write(run.plan, plan)
        assert run.read_plan() == plan


def test_a_plan_of_before_there_were_two_is_of_restores(tmp_path: Path) -> None:
    """Last year's run can be judged today."""
    run = RunDirectory(tmp_path)
    plan = constructors.plan(constructors.RTO, trials=[constructors.trial()])
    old = to_indented_json(plan).replace(b'"plan": "restores",', b"")
    assert old != to_indented_json(plan)
    run.plan.write_bytes(old)
    found = run.read_plan()
    assert isinstance(found, Plan)
    assert found == plan


def test_subscriptions_are_read_line_by_line(tmp_path: Path) -> None:
    """Every event of the file that a fact names; a torn line is an error that names the file."""
    run = RunDirectory(tmp_path)
    run.observations.mkdir()
    fact = game_days.subscribed(game_days.trial(), "one")
    history = History(entries=(game_days.entry(0, 1, fact),), observations={})
    with pytest.raises(InputError, match=fact.file):
        run.read_subscriptions(history)
    events = game_days.messages({"one": (0, 2)})
    lines = b"".join(to_json(one) + b"\n" for one in events)
    (run.observations / fact.file).write_bytes(lines)
    assert run.read_subscriptions(history) == {fact.file: events}
    (run.observations / fact.file).write_bytes(lines[:-5])
    with pytest.raises(InputError, match=fact.file):
        run.read_subscriptions(history)
