"""Decides which steps of a recovery two sightings of a cluster have between them. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from harness.model.history import Milestone, MilestoneSeen
from harness.model.instant import Bracket
from harness.ports import Sighting


class Milestones:
    """The steps of one trial, each seen once, counted from the sighting before its fault."""

    def __init__(self, trial: str, before: Sighting, at_ns: int) -> None:
        """`before` was seen at the monotonic instant `at_ns`, when all was well."""
        self._trial = trial
        self._before = before
        self._last_ns = at_ns
        self._seen: set[tuple[str, Milestone]] = set()
        self._away: set[str] = set()
        """Nodes that were seen not Ready since."""

        self._poor: set[str] = set()
        """Workloads that were seen without their redundancy since."""

    def look(self, now: Sighting, at_ns: int) -> tuple[MilestoneSeen, ...]:
        """What is new in a sighting; between the last look and this one."""
        found = tuple(
            MilestoneSeen(
                trial=self._trial,
                subject=subject,
                milestone=milestone,
                bracket=Bracket(earliest_ns=self._last_ns, latest_ns=at_ns),
                detail=detail,
            )
            for subject, milestone, detail in self._steps(now)
            if (subject, milestone) not in self._seen
        )
        self._seen.update((one.subject, one.milestone) for one in found)
        self._last_ns = at_ns
        return found

    def _steps(self, now: Sighting) -> Iterator[tuple[str, Milestone, str]]:
        yield from self._of_nodes(now)
        yield from self._of_roles(now)
        yield from self._of_replicas(now)
        yield from self._of_pods(now)

    def _of_nodes(self, now: Sighting) -> Iterator[tuple[str, Milestone, str]]:
        for node, boot in self._before.ready_nodes.items():
            if node not in now.ready_nodes:
                self._away.add(node)
                yield f"node:{node}", Milestone.DETECTED, "not Ready any more"
            elif now.ready_nodes[node] != boot:
                yield f"node:{node}", Milestone.RETURNED, f"Ready in boot {now.ready_nodes[node]}"
            elif node in self._away:
                yield f"node:{node}", Milestone.RETURNED, "Ready again, the same boot"

    def _of_roles(self, now: Sighting) -> Iterator[tuple[str, Milestone, str]]:
        for role, writer in self._before.writers.items():
            if role not in now.writers:
                yield role, Milestone.DETECTED, "nobody has the role"
            elif now.writers[role] != writer:
                yield role, Milestone.PROMOTED, f"{writer} -> {now.writers[role]}"

    def _of_replicas(self, now: Sighting) -> Iterator[tuple[str, Milestone, str]]:
        for workload, well in now.redundant.items():
            if not well:
                self._poor.add(workload)
            elif workload in self._poor:
                yield workload, Milestone.REDUNDANT, "all its replicas follow again"

    def _of_pods(self, now: Sighting) -> Iterator[tuple[str, Milestone, str]]:
        for workload, pods in self._before.ready_pods.items():
            ready, subject = set(now.ready_pods.get(workload, ())), f"pods of {workload}"
            if set(pods) - ready:
                self._poor.add(subject)
                yield subject, Milestone.DETECTED, "fewer of them are ready"
            if len(ready) >= len(pods) and subject in self._poor:
                fresh = len(ready - set(pods))
                yield subject, Milestone.REPLACED, f"all ready, {fresh} of them new"
