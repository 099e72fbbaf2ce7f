"""Decides which improvement actions are open: they come from findings, and go with a PASS. Pure.

An after-action report ends in actions with an owner and a date, which are carried over until they
are done (NIST SP 800-84, sections 5.5 and 6.5). Here a finding opens one, whoever holds it, and the
same question answered with PASS closes it: nobody has to remember to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date, datetime

import msgspec

from harness.model.action import Action, Assignment, State
from harness.model.judgement import Judgement
from harness.model.run import RunRecord
from harness.model.verdict import Finding, Verdict


def action_id(environment: str, suite: str, finding: Finding) -> str:
    """The same question asked again of the same environment is the same action."""
    text = f"{environment}\n{suite}\n{finding.id}"
    return f"A-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def actions_after(
    run: RunRecord,
    judgement: Judgement,
    before: Iterable[Action],
    assignments: Mapping[str, Assignment],
) -> tuple[Action, ...]:
    """The actions as they stand after a run, overdue and new ones first.

    `before`: those after the run before it of the same suite and environment. What this run did not
    ask is carried over: that a question was left out answers nothing. Days are those of the run's
    end, so that the same run gives the same actions whenever it is rendered.
    """
    now: datetime = run.ended or run.started
    today = now.date()
    earlier = {one.id: one for one in before if one.open}
    asked = {
        action_id(run.environment, run.suite, finding): finding for finding in judgement.findings
    }
    found = []
    for key, finding in asked.items():
        known = earlier.get(key)
        if finding.verdict is Verdict.PASS and known is None:
            continue
        action = Action(
            id=key,
            state=State.NEW if known is None else State.CARRIED_OVER,
            finding=finding.id,
            verdict=finding.verdict,
            what=finding.headline,
            advice=finding.advice or "",
            opened=today if known is None else known.opened,
            opened_by=run.run if known is None else known.opened_by,
        )
        if finding.verdict is Verdict.PASS:
            action = msgspec.structs.replace(action, state=State.CLOSED)
        found.append(action)
    found += [
        msgspec.structs.replace(one, state=State.CARRIED_OVER)
        for key, one in earlier.items()
        if key not in asked
    ]
    return assigned_on(found, assignments, today)


def assigned_on(
    actions: Iterable[Action], assignments: Mapping[str, Assignment], today: date
) -> tuple[Action, ...]:
    """The actions with what people decided, as they stand on a day: overdue ones first."""
    assigned = [_assigned(one, assignments.get(one.id), today) for one in actions]
    order = list(State)
    return tuple(
        sorted(assigned, key=lambda one: (order.index(one.state), one.opened, one.finding))
    )


def _assigned(action: Action, assignment: Assignment | None, today: date) -> Action:
    if action.state in {State.OVERDUE, State.ACCEPTED}:
        action = msgspec.structs.replace(action, state=State.CARRIED_OVER)
    if assignment is None:
        return msgspec.structs.replace(action, owner="", due=None, accepted="")
    action = msgspec.structs.replace(
        action, owner=assignment.owner, due=assignment.due, accepted=assignment.accepted
    )
    if action.state is State.CLOSED:
        return action
    if assignment.due < today:
        return msgspec.structs.replace(action, state=State.OVERDUE)
    if assignment.accepted:
        return msgspec.structs.replace(action, state=State.ACCEPTED)
    return action
