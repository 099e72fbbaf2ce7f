"""What the judges of a conformance check are given: plan, history, objects of the API. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from harness.judge.facts import Known, known
from harness.model.conformance import ConformancePlan, Objects, ObjectsRead
from harness.model.history import Event, History, StepFailed
from harness.model.target import Target
from harness.model.verdict import Finding

Fact = TypeVar("Fact", bound=Event)


@dataclass(frozen=True, kw_only=True)
class ConformanceEvidence:
    """One conformance check, as it was recorded."""

    plan: ConformancePlan
    history: History
    objects: Objects
    """Kind -> its objects; a kind that could not be read is missing. See `of_kind`, `unread`."""

    _facts: dict[type[Any], list[Any]] = field(default_factory=dict, init=False, repr=False)

    def of_kind(self, kind: str, namespace: str | None = None) -> tuple[dict[str, Any], ...]:
        """The objects of a kind, of one namespace or of all, by namespace and name; none where the
        kind could not be read: ask `unread` before anything is said of their absence.
        """
        found = self.objects.get(kind, ())
        if namespace is not None:
            found = tuple(one for one in found if one["metadata"].get("namespace") == namespace)
        return found

    def read_of(self, kind: str) -> Known[ObjectsRead] | None:
        """That a kind was read, or why not; None: nobody came to it."""
        return next((one for one in self.facts(ObjectsRead) if one.fact.kind == kind), None)

    def unread(self, *kinds: str) -> tuple[str, ...]:
        """Why each of these kinds, as far as it was not read, says nothing; none: all were read.

        `Application: the cluster has no such kind (argoproj.io/v1alpha1)`. A kind that the cluster
        has, and no object of, was read: it is an empty answer, and not in here.
        """
        return tuple(why for kind in kinds if (why := self._unread(kind)) is not None)

    def served(self, kind: str) -> bool:
        """Whether the cluster has such a kind, as far as it is known."""
        read = self.read_of(kind)
        return read is not None and read.fact.served

    def sequences_of(self, *kinds: str) -> tuple[int, ...]:
        """The lines of the history that say that these kinds were read: a finding's evidence."""
        reads = (self.read_of(kind) for kind in kinds)
        return tuple(sorted(one.sequence for one in reads if one is not None))

    def facts(self, kind: type[Fact]) -> list[Known[Fact]]:
        """The facts of one kind in the order of the history."""
        if kind not in self._facts:
            self._facts[kind] = known(self.history, kind)
        return self._facts[kind]

    def not_looked(self, look: str) -> str | None:
        """Why a look (`tls`) was not made, or not to its end; None: it was made.

        One that was cut off may have recorded facts before.
        """
        if look not in self.plan.looks:
            return f"the suite does not look at {look}"
        failed = [one.fact for one in self.facts(StepFailed) if one.fact.step == look]
        return f"the look at {look} failed: {failed[0].error}" if failed else None

    def _unread(self, kind: str) -> str | None:
        read = self.read_of(kind)
        if read is None:
            return f"{kind}: was not read"
        fact = read.fact
        if not fact.served:
            return f"{kind}: the cluster has no such kind ({fact.api_version})"
        if fact.forbidden:
            return f"{kind}: the account may not list them"
        return f"{kind}: {fact.error}" if fact.error is not None else None


JudgeFunction = Callable[[ConformanceEvidence, Target, Any], Iterator[Finding]]
"""(evidence, target, its objective) -> findings `<tag>/<target id>[/<subject>]`, with `target` the
target's id and at least one finding. Each module has `JUDGES: dict[type, JudgeFunction]`.
"""
