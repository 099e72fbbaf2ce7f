"""Judged runs as they are followed up: held against a small framework, their actions assigned."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime

from judged_runs import judged
from msgspec.structs import replace

from harness.compliance.actions import action_id, actions_after
from harness.compliance.support import JudgedRun, support
from harness.model.action import Action, Assignment, State
from harness.model.compliance import Control, Evidence, Framework, Objective, Property
from harness.model.instant import Instant
from harness.model.note import Note, SignedIn
from harness.model.verdict import Verdict
from harness.report.summary import Report

FRAMEWORK = Framework(
    framework="nist-800-53",
    title="A small one",
    controls=(
        Control(
            id="cp-9.1",
            name="Testing for Reliability and Integrity",
            objectives=(
                Objective(
                    id="CP-09(01)[01]",
                    asks="Media are tested.",
                    source="The catalogue",
                    evidence=(Evidence(check="backup-frequency"),),
                ),
                Objective(
                    id="CP-09(01)[02]",
                    asks="Integrity is tested.",
                    source="The catalogue",
                    evidence=(Evidence(check="integrity"), Evidence(property=Property.OPERATOR)),
                    beyond="What was not restored.",
                ),
            ),
        ),
        Control(
            id="cp-10",
            name="System Recovery and Reconstitution",
            objectives=(
                Objective(
                    id="CP-10",
                    asks="It recovers within its time.",
                    source="The catalogue",
                    evidence=(Evidence(check="recovery-time"), Evidence(check="nowhere")),
                ),
            ),
        ),
        Control(
            id="cp-4.1",
            name="Coordinate with Related Plans",
            objectives=(
                Objective(
                    id="CP-04(01)",
                    asks="Others are told.",
                    source="The catalogue",
                    evidence=(),
                    beyond="Who was told, people know.",
                ),
            ),
        ),
    ),
)


NOTES = tuple(
    Note(
        at=Instant(monotonic_ns=0, utc=run_at),
        host="bastion",
        who=who,
        signed_in=signed_in,
        text=text,
    )
    for run_at, who, signed_in, text in (
        (datetime(2026, 11, 24, 1, 3, tzinfo=UTC), "Ada", SignedIn.PROXY, "the shop is slow"),
        (datetime(2026, 11, 24, 1, 4, tzinfo=UTC), "<b>Eve", SignedIn.TOKEN, "<script>1</script>"),
    )
)


def followed_up(name: str) -> Report:
    """One of judged_runs.NAMES as if it were no practice; its first finding was open before."""
    report = judged(name)
    run = replace(report.run, practice=False)
    earlier: tuple[Action, ...] = ()
    assigned: dict[str, Assignment] = {}
    if report.judgement.findings:
        first = report.judgement.findings[0]
        key = action_id(run.environment, run.suite, first)
        earlier = (
            Action(
                id=key,
                state=State.NEW,
                finding=first.id,
                verdict=Verdict.FAIL,
                what='=HYPERLINK("x") | found before',
                advice="",
                opened=date(2026, 9, 1),
                opened_by="20260901T040000Z-before",
            ),
            Action(
                id="A-00000000",
                state=State.CARRIED_OVER,
                finding="integrity/left-out/orders",
                verdict=Verdict.INCONCLUSIVE,
                what="this run did not ask",
                advice="harness run weekly-restore",
                opened=date(2026, 8, 1),
                opened_by="20260801T040000Z-before",
            ),
        )
        assigned = {
            key: Assignment(id=key, owner="Ada", due=date(2026, 10, 1)),
            "A-00000000": Assignment(
                id="A-00000000", owner="Grace", due=date(2100, 1, 1), accepted="until the move"
            ),
        }
    held = JudgedRun(run=run, judgement=report.judgement)
    return dataclasses.replace(
        report,
        run=run,
        actions=actions_after(run, report.judgement, earlier, assigned),
        controls=support([FRAMEWORK], [held], held.ended),
        verdict_sha256="0123456789abcdef" * 4,
        notes=NOTES if report.judgement.findings else (),
    )
