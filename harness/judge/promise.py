"""Says which documented targets ask something of which subjects of a plan. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from harness.model.plan import Plan
from harness.model.subject import Subject
from harness.model.target import Kind, Objective, Target

Asked = TypeVar("Asked", bound=Objective)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise(Generic[Asked]):
    """One target as it applies to one subject."""

    subject: Subject
    target: Target
    objective: Asked
    alone: bool
    """Whether no other target asks the same kind of thing of the subject."""

    def finding_id(self, check: str, *parts: str) -> str:
        """`check/part/...`; the target's id is added only where the rest would not be unique."""
        return "/".join((check, *parts, *(() if self.alone else (self.target.id,))))


def promised(plan: Plan, kind: type[Asked]) -> Iterator[Promise[Asked]]:
    """Every target of one kind with every subject that it covers, in the order of the plan."""
    for subject in plan.subjects:
        asked = covering(plan.targets, subject.kind, kind)
        for target, objective in asked:
            yield Promise(
                subject=subject, target=target, objective=objective, alone=len(asked) == 1
            )


def covering(
    targets: Iterable[Target], subject: Kind, kind: type[Asked]
) -> list[tuple[Target, Asked]]:
    """The targets of one kind that cover one kind of subject, with what they ask."""
    return [
        (target, target.objective)
        for target in targets
        if isinstance(target.objective, kind) and subject in target.covers
    ]


def identities(
    plan: Plan, subject: Subject, kind: type[Objective], check: str, *parts: str
) -> Iterator[tuple[str, str | None]]:
    """(finding id, target id) under which a question about a subject is answered.

    For questions that are answered whether or not a target asks them, such as damage: without a
    target, once.
    """
    promises = [promise for promise in promised(plan, kind) if promise.subject.id == subject.id]
    for promise in promises:
        yield promise.finding_id(check, *parts), promise.target.id
    if not promises:
        yield "/".join((check, *parts)), None
