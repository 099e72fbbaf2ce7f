"""Improvement actions: opened by a finding, carried over, assigned, overdue, closed by a PASS."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from ended_runs import finding, run
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.compliance.actions import action_id, actions_after, assigned_on
from harness.compliance.support import JudgedRun
from harness.model.action import Action, Assignment, Assignments, State
from harness.model.verdict import Verdict

WEEK = timedelta(days=7)
BEGAN = datetime(2026, 11, 1, 4, 0, tzinfo=UTC)


def week(number: int, *verdicts: Verdict) -> JudgedRun:
    findings = [finding(verdict, scenario=str(n)) for n, verdict in enumerate(verdicts)]
    return run(*findings, ended=BEGAN + number * WEEK)


def after(
    one: JudgedRun, before: tuple[Action, ...] = (), *assigned: Assignment
) -> tuple[Action, ...]:
    return actions_after(one.run, one.judgement, before, {each.id: each for each in assigned})


def test_a_run_without_findings_opens_none() -> None:
    assert after(week(0)) == ()


def test_a_pass_opens_none() -> None:
    assert after(week(0, Verdict.PASS)) == ()


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.INCONCLUSIVE])
def test_whatever_did_not_pass_opens_one(verdict: Verdict) -> None:
    first = week(0, verdict)
    (action,) = after(first)
    assert (action.state, action.verdict) == (State.NEW, verdict)
    assert (action.opened, action.opened_by) == (BEGAN.date(), first.run.run)
    assert (action.owner, action.due) == ("", None)


def test_it_is_carried_over_from_the_day_it_was_opened_and_closed_by_a_pass() -> None:
    (opened,) = after(week(0, Verdict.FAIL))
    (carried,) = after(week(1, Verdict.INCONCLUSIVE), (opened,))
    assert (carried.state, carried.opened, carried.opened_by) == (
        State.CARRIED_OVER,
        opened.opened,
        opened.opened_by,
    )
    (closed,) = after(week(2, Verdict.PASS), (carried,))
    assert closed.state is State.CLOSED
    assert not closed.open
    assert after(week(3, Verdict.PASS), (closed,)) == ()


def test_what_fails_again_after_it_was_closed_is_new() -> None:
    (closed,) = after(week(1, Verdict.PASS), after(week(0, Verdict.FAIL)))
    (again,) = after(week(2, Verdict.FAIL), (closed,))
    assert (again.id, again.state) == (closed.id, State.NEW)
    assert again.opened == (BEGAN + 2 * WEEK).date()


def test_a_question_that_was_left_out_is_not_answered() -> None:
    (opened,) = after(week(0, Verdict.FAIL))
    (carried,) = after(week(1), (opened,))
    assert carried == replace(opened, state=State.CARRIED_OVER)


def test_owner_and_date_are_peoples_and_it_is_overdue_from_the_day_after() -> None:
    (opened,) = after(week(0, Verdict.FAIL))
    assigned = Assignment(id=opened.id, owner="Ada", due=(BEGAN + WEEK).date())
    (on_the_day,) = after(week(1, Verdict.FAIL), (opened,), assigned)
    assert (on_the_day.state, on_the_day.owner) == (State.CARRIED_OVER, "Ada")
    (late,) = after(week(2, Verdict.FAIL), (on_the_day,), assigned)
    assert late.state is State.OVERDUE
    # Given more time, or taken from her, it is overdue no more.
    (given_time,) = after(week(3, Verdict.FAIL), (late,), replace(assigned, due=date(2100, 1, 1)))
    assert given_time.state is State.CARRIED_OVER
    (nobodys,) = after(week(3, Verdict.FAIL), (late,))
    assert (nobodys.state, nobodys.owner, nobodys.due) == (State.CARRIED_OVER, "", None)


def test_what_is_accepted_is_so_until_its_day() -> None:
    (opened,) = after(week(0, Verdict.FAIL))
    accepted = Assignment(id=opened.id, owner="Ada", due=(BEGAN + WEEK).date(), accepted="moves")
    (lived_with,) = after(week(1, Verdict.FAIL), (opened,), accepted)
    assert (lived_with.state, lived_with.accepted) == (State.ACCEPTED, "moves")
    assert assigned_on([lived_with], {opened.id: accepted}, date(2100, 1, 1))[0].state is (
        State.OVERDUE
    )


def test_an_overdue_action_that_passes_is_closed() -> None:
    (opened,) = after(week(0, Verdict.FAIL))
    late = Assignment(id=opened.id, owner="Ada", due=date(2020, 1, 1))
    (closed,) = after(week(1, Verdict.PASS), (opened,), late)
    assert (closed.state, closed.owner) == (State.CLOSED, "Ada")


def test_the_same_question_elsewhere_is_another_action() -> None:
    one = finding(Verdict.FAIL)
    ids = {
        action_id("staging", "weekly-restore", one),
        action_id("production", "weekly-restore", one),
        action_id("staging", "game-day", one),
        action_id("staging", "weekly-restore", replace(one, id="another")),
    }
    assert len(ids) == 4
    # ... and its verdict and words make no difference.
    assert action_id("staging", "weekly-restore", replace(one, headline="other")) in ids


def test_an_id_given_twice_is_refused() -> None:
    one = Assignment(id="A-00000000", owner="Ada", due=date(2026, 1, 1))
    with pytest.raises(ValueError, match="given twice"):
        Assignments(actions=(one, one))


@given(
    st.lists(
        st.lists(st.sampled_from([*Verdict, None]), min_size=3, max_size=3), min_size=1, max_size=6
    )
)
def test_what_is_open_is_what_did_not_pass_when_it_was_last_asked(
    weeks: list[list[Verdict | None]],
) -> None:
    """None: not asked that week."""
    actions: tuple[Action, ...] = ()
    last: dict[str, Verdict] = {}
    for number, verdicts in enumerate(weeks):
        findings = [
            finding(verdict, scenario=str(n)) for n, verdict in enumerate(verdicts) if verdict
        ]
        one = run(*findings, ended=BEGAN + number * WEEK)
        actions = after(one, actions)
        last |= {each.id: each.verdict for each in findings}
    still = {one.finding for one in actions if one.open}
    assert still == {name for name, verdict in last.items() if verdict is not Verdict.PASS}
